//! Our own ground: every path we own ([`layout`]), the one writer ([`durable`]), the lock ([`lock`]).
//!
//! Nothing outside [`durable`] creates, writes, renames or removes a file: clippy refuses the bare calls. So durability is
//! argued once, there, and a test can stop the process at each of its steps.

pub mod durable;
pub mod layout;
pub mod lock;

pub use layout::{PublicTree, StateName, Store};
pub use lock::Lock;
