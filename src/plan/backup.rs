//! Which backups of a target stay, and what becomes of the segments that others left behind.

use std::collections::{BTreeMap, BTreeSet};

use crate::apk::ObjectId;
use crate::snapshot::backup::{BackupId, SegmentName, Stored};

/// A segment less than one part in so many of which is still needed is written anew.
const SHARE: u64 = 3;

/// The digits of the id under which a prune writes segments. A backup's are of a digest: none has these but by chance, and then
/// no harm is done.
pub const OF_PRUNES: [u8; 4] = [0; 4];

/// What a prune of a target does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupPrunePlan {
    /// Backups that go.
    pub drop: BTreeSet<BackupId>,
    /// Segments of which nothing is needed.
    pub remove: BTreeSet<SegmentName>,
    /// Segments of which little is needed: that is moved, then they go.
    pub repack: BTreeSet<SegmentName>,
}

impl BackupPrunePlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.drop.is_empty() && self.remove.is_empty() && self.repack.is_empty()
    }
}

/// What each segment holds that is needed, in bytes, each object once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed(BTreeMap<SegmentName, BTreeMap<ObjectId, u64>>);

impl Needed {
    /// Adds an object that a kept backup names.
    pub fn add(&mut self, segment: &SegmentName, stored: &Stored) {
        self.0.entry(segment.clone()).or_default().insert(stored.sha256, stored.length());
    }

    fn bytes(&self, segment: &SegmentName) -> u64 {
        self.0.get(segment).map_or(0, |objects| objects.values().sum())
    }
}

/// Decides over the segments that are `there`, with their bytes: those of which nothing is needed go, and those of which less than
/// a third is are written anew. One that no backup ever named is of a run that was stopped: while it is later than the newest
/// backup, the next run can go on with it. But not one of a prune: what is in it lies elsewhere, too.
pub fn segments(
    there: &BTreeMap<SegmentName, u64>,
    needed: &Needed,
    newest: Option<&BackupId>,
) -> (BTreeSet<SegmentName>, BTreeSet<SegmentName>) {
    let (mut remove, mut repack) = (BTreeSet::new(), BTreeSet::new());
    for (name, size) in there {
        let is_begun = || {
            let is_later =
                |newest: &BackupId| name.as_str() > newest.as_str() && !name.as_str().starts_with(newest.as_str());
            !name.has_digits(OF_PRUNES) && newest.is_none_or(is_later)
        };
        match needed.bytes(name) {
            0 if needed.0.contains_key(name) => {}
            0 if is_begun() => {}
            0 => drop(remove.insert(name.clone())),
            bytes if bytes.saturating_mul(SHARE) < *size => drop(repack.insert(name.clone())),
            _ => {}
        }
    }
    (remove, repack)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::backup::StoredForm;

    #[test]
    fn what_is_needed_stays_and_little_of_it_moves() {
        let id = |hour: u8| -> BackupId { format!("20261124T{hour:02}0000Z-0000000a").parse().unwrap() };
        let name = |hour| SegmentName::new(&id(hour), 1);
        let stored = |number: u8, size| Stored {
            sha256: ObjectId::new([number; 32]),
            size,
            segment: 0,
            at: 512,
            form: StoredForm::Whole,
        };
        let there = [(name(1), 3000), (name(2), 3000), (name(3), 3000), (name(4), 3000), (name(5), 3000)].into();
        let mut needed = Needed::default();
        needed.add(&name(1), &stored(1, 999));
        needed.add(&name(1), &stored(1, 999));
        needed.add(&name(2), &stored(2, 999));
        needed.add(&name(2), &stored(3, 1));
        // An empty object is needed, too.
        needed.add(&name(4), &stored(4, 0));
        let decided = segments(&there, &needed, Some(&id(4)));
        assert_eq!(decided, ([name(3)].into(), [name(1)].into()), "the last is of a run that was stopped");
        assert_eq!(segments(&there, &Needed::default(), None), ([].into(), [].into()));
        let all: BTreeSet<SegmentName> = there.keys().cloned().collect();
        assert_eq!(segments(&there, &Needed::default(), Some(&id(6))), (all, [].into()));
        // What a prune had begun that was stopped is in no backup's way.
        let of_prune = SegmentName::new(&"20261124T090000Z-00000000".parse().unwrap(), 1);
        let there: BTreeMap<SegmentName, u64> = [(of_prune.clone(), 3000)].into();
        assert_eq!(segments(&there, &Needed::default(), Some(&id(6))), ([of_prune.clone()].into(), [].into()));
        let mut needed = Needed::default();
        needed.add(&of_prune, &stored(1, 2000));
        assert_eq!(segments(&there, &needed, Some(&id(6))), ([].into(), [].into()));
    }
}
