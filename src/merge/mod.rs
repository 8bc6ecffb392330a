//! Accepted indexes become one index, each entry with the source it came from.
//!
//! The rule is priority by order: the first layer that has a name supplies it, with every version that it lists; later layers'
//! versions of that name are shadowed. One index lists each name and version at most once, because both share one URL. The
//! same layers and rules give the same text anywhere, and merging what was merged changes nothing.

mod combine;

pub use combine::{
    Effective, Layer, MergedEntry, MergedIndex, Place, Rank, Shadowed, combine, effective, order, shadowed,
};
