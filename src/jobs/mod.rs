//! One file per job, each a paragraph: plan, perform, report.

pub mod verify;
