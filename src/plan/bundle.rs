//! What a bundle carries: which objects, named how, in which volumes.

mod bases;
pub mod receipt;
mod since;
mod tree;
mod volumes;

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::apk::ObjectId;
use crate::apk::names::{Arch, BadName, RepositoryName};
use crate::plan::publish::Placed;
use crate::snapshot::manifest::{Base, BundleId, Carried, Form, Packed, What};

pub use bases::{Bases, Likeness, MOST_TRIED};
pub(super) use since::end_of;
pub use since::{NoBundle, meant};
pub use tree::{TreeFile, tree};
pub use volumes::{DoesNotFit, MOST_VOLUMES, Room, in_volumes, volume_name};

/// One repository and arch as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentPlace {
    /// What the manifest says of it.
    pub carried: Carried,
    /// The packages that its index lists, in order of their names.
    pub files: Vec<Placed>,
}

/// What a receiver is held to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// By digest: packages and index files.
    pub objects: HashSet<ObjectId>,
    /// The index files of each repository and arch, the sender's own first: what new ones differ from.
    pub indexes: BTreeMap<(RepositoryName, Arch), Vec<ObjectId>>,
    /// How the manifest calls it; none where nothing is held.
    pub base: Option<Base>,
}

/// One object that a bundle is to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// SHA-256 of it.
    pub sha256: ObjectId,
    /// Its size in bytes.
    pub size: u64,
    /// What it is.
    pub what: What,
    /// Which of the places has it first.
    pub place: usize,
}

impl Piece {
    /// The piece as it is carried.
    pub fn packed(&self, form: Form) -> Packed {
        let Piece { sha256, size, what, .. } = self.clone();
        Packed { sha256, size, what, form }
    }
}

/// All objects of `places` that are not held, each once: first the index files, then the packages, each in order of the places.
/// `size_of` gives an index file's bytes.
///
/// # Errors
/// When a package has a name that none can have, which no generation of ours holds.
pub fn pieces(
    places: &[SentPlace],
    held: &HashSet<ObjectId>,
    size_of: impl Fn(&ObjectId) -> u64,
) -> Result<Vec<Piece>, BadName> {
    let mut taken = HashSet::new();
    let mut is_new = |object: &ObjectId| !held.contains(object) && taken.insert(*object);
    let mut pieces = Vec::new();
    for (place, SentPlace { carried, .. }) in places.iter().enumerate() {
        for index in carried.indexes().filter(|index| is_new(index)) {
            let what = What::Index(carried.name.clone(), carried.arch.clone());
            pieces.push(Piece { sha256: *index, size: size_of(index), what, place });
        }
    }
    for (place, SentPlace { files, .. }) in places.iter().enumerate() {
        for Placed { file, object, identity, size, .. } in files.iter().filter(|placed| is_new(&placed.object)) {
            let what = What::Package(file.name().parse()?, file.version().parse()?, *identity);
            pieces.push(Piece { sha256: *object, size: *size, what, place });
        }
    }
    Ok(pieces)
}

/// When a bundle is made that is made `now`, to the second: later than every one before, whatever the clock did since.
pub fn sending_time(now: Timestamp, newest: Option<Timestamp>) -> Timestamp {
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let after = newest.and_then(|newest| newest.checked_add(SignedDuration::from_secs(1)).ok());
    after.map_or(now, |after| after.max(now))
}

/// The name of a bundle of this content, made at `time`.
pub fn bundle_id(time: Timestamp, repositories: &[Carried], objects: &[Packed]) -> BundleId {
    let text = serde_json::to_vec(&(repositories, objects)).expect("a manifest has string keys and no failing parts");
    let digest = Sha256::digest(&text);
    BundleId::new(time, [digest[0], digest[1], digest[2], digest[3]])
}

#[cfg(test)]
mod tests;
