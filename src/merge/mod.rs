//! Accepted indexes become one index, each entry with the source it came from.
//!
//! By default the rule is priority by order: the first layer that has a name supplies it, with every version that it lists;
//! later layers' versions of that name are shadowed. [`Prefer`] has two others. One index lists each name and version at most
//! once, whatever the rule, because both share one URL. The
//! same layers and rules give the same text anywhere, and merging what was merged changes nothing.

mod combine;

pub use combine::{
    Cause, Effective, Layer, MergedEntry, MergedIndex, Place, Prefer, Rank, Shadowed, combine, effective, order,
    shadowed,
};
