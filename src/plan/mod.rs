//! What a job will do; this is what `--dry-run` prints. A plan is decided here, without a disk or a clock, and performed by
//! hands that decide nothing.

pub mod backup;
pub mod bundle;
pub mod prune;
pub mod publish;
pub mod restore;
pub mod retain;
