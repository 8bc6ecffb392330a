//! Our own ground: every path we own ([`layout`]), the one writer ([`durable`]), the lock ([`lock`]), and how files that hold a
//! secret are read ([`private_file`]).
//!
//! Nothing outside [`durable`] creates, writes, renames or removes a file: clippy refuses the bare calls. So durability is
//! argued once, there, and a test can stop the process at each of its steps.

pub mod durable;
pub mod layout;
pub mod lock;
pub mod private_file;

pub use layout::{PublicTree, StateName, Store};
pub use lock::Lock;
