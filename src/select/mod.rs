//! Which of a source's entries are wanted: [`filter`] reads what the operator wrote (`packages`, `exclude`, world files),
//! [`closure`] adds what the chosen need, each with its reason, and [`older`] tells which former versions stay.

pub mod closure;
pub mod filter;
pub mod older;

pub use closure::{Closure, Dependencies, Place, Reason, Request, Supply, Unmet, Versions, Wanted, Why, close};
pub use filter::{BadSelector, Item, Selector};
