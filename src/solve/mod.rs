//! Can this world be installed from these entries?
//!
//! The question behind `must_install`: will `apk add` of this world work on an empty machine that has these repositories?
//! [`Catalogue`] reads the entries once; [`Catalogue::resolve`] answers for one world, with the set of packages or with what
//! is in the way, told as chains from the world.
//!
//! ## Whose answer it is
//!
//! A client does not search for a way out. It takes the best candidate of a name, and where that one's own needs cannot be
//! met it says no, although an older version or another provider would have done. A resolver that finds every solution there
//! is would open the gate for worlds that no client installs. So this one decides once and never takes back, and what sways
//! it is what was found to sway apk 2.14.4, asked about small indexes as a black box:
//!
//! * A name **owned** (a package's own name, a `p:` with a version) has one package; it shuts out all others that offer the
//!   name, also those that offer it without a version. Without a version many offer it side by side.
//! * A package that offers a name without a version and has no `k:` is never taken for that name, but does for it when
//!   something else brings it in.
//! * Terms of the world and of packages that are in rule candidates out. One whose need could have been met before, but whose
//!   every supplier is ruled out by now, gives way to others. One whose need nothing meets from the start does **not** give
//!   way, nor does one whose `!term` is at odds with what is in: the world is refused.
//! * Among what is left: highest version of the name asked for, then of the package, then `k:`, then the order of the index.
//! * Names with one candidate are settled first, in the order in which they were asked for; a name that all candidates of
//!   another need is asked for already. Then come the open ones, those that need before those that are needed.
//! * `install_if` comes in as soon as its terms are met, provides included, unless it is ruled out by then or is at odds with
//!   what called it. Once in, its own unmet need refuses the world. A rule with a `!term` never comes in.
//! * A package that offers one name twice (its own name again in `p:`, also at the same version) installs nowhere.
//! * A term that cannot be read, and all behind it on its line, are not there. `A:` is not looked at; tags (`@edge`) are the client's
//!   affair and ignored.
//!
//! A yes is checked: every term of the world and of every package in the set holds. What may be wrong is the choice. On real
//! indexes there is no difference to apk (`tests/apk/solve.rs` asks about 500 worlds of Alpine 3.21). In random tangles of
//! ten names that need, provide, exclude and `install_if` each other in several versions, 34 of 1,500 answers are others: 27
//! times no where apk says yes (most often it weighed a need that leads back to the one who asked), 7 times yes where apk says
//! no (it came by names of equal standing in another order).
//!
//! ## Cost
//!
//! Reading grows with the entries. A world's cost grows with the terms of what it can reach; nothing is tried twice.

mod catalogue;
mod course;
mod obstacle;
mod order;

pub use catalogue::Catalogue;
pub use obstacle::{Cause, Link, Obstacle};

use crate::apk::Entry;

/// What a world comes to.
#[derive(Clone, Debug)]
pub struct Resolution<'e> {
    /// The packages, in the order of the supplies and of their entries.
    pub packages: Vec<&'e Entry>,
}

#[cfg(test)]
mod tests;
