//! One file per job, each a paragraph: plan, perform, report.

pub mod verify;
pub mod init;
pub mod keyring;
pub mod keys;
