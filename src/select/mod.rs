//! Which of a source's entries are wanted: [`filter`] reads what the operator wrote (`packages`, `exclude`, world files),
//! [`closure`] adds what the chosen need, each with its reason, [`older`] tells which former versions stay, and
//! [`losses`] what a set can no longer do.

pub mod closure;
pub mod filter;
pub mod losses;
pub mod older;

pub use closure::{Closure, Dependencies, Place, Reason, Request, Supply, Unmet, Versions, Wanted, Why, close};
pub use filter::{BadSelector, Item, Selector};
pub use losses::{Loss, losses};
