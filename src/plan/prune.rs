//! What nothing reaches any more. Roots are the snapshots and generations that stay; a root reaches the accepted indexes that
//! it names, and the objects that those and the trees hold. What no root reaches goes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::apk::ObjectId;

/// What there is, and what stays of it, as the records say.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    /// All snapshots, each with the ids of the accepted indexes that it names.
    pub snapshots: BTreeMap<String, BTreeSet<String>>,
    /// Those that stay.
    pub kept_snapshots: BTreeSet<String>,
    /// All recorded generations.
    pub generations: BTreeSet<u64>,
    /// Those that stay.
    pub kept_generations: BTreeSet<u64>,
    /// All accepted indexes that lie in the store.
    pub accepted: BTreeSet<String>,
    /// Trees beside the public link.
    pub trees: BTreeSet<u64>,
}

/// What will be removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunePlan {
    /// Snapshots' ids.
    pub snapshots: BTreeSet<String>,
    /// Generations' numbers: their records.
    pub generations: BTreeSet<u64>,
    /// Trees of these generations.
    pub trees: BTreeSet<u64>,
    /// Accepted indexes' ids.
    pub accepted: BTreeSet<String>,
    /// Objects with their sizes in bytes.
    pub objects: BTreeMap<ObjectId, u64>,
}

impl PrunePlan {
    /// Whether nothing goes.
    pub fn is_empty(&self) -> bool {
        self.snapshots.is_empty()
            && self.generations.is_empty()
            && self.trees.is_empty()
            && self.accepted.is_empty()
            && self.objects.is_empty()
    }

    /// Bytes of the objects.
    pub fn bytes(&self) -> u64 {
        self.objects.values().sum()
    }
}

/// Decides which records and trees go. Objects are decided afterwards, by [`objects`]: what stays has to be read for them.
pub fn records(holdings: &Holdings) -> PrunePlan {
    let reached: BTreeSet<&String> = holdings
        .snapshots
        .iter()
        .filter(|(id, _)| holdings.kept_snapshots.contains(*id))
        .flat_map(|(_, accepted)| accepted)
        .collect();
    let generations: BTreeSet<u64> = holdings.generations.difference(&holdings.kept_generations).copied().collect();
    PrunePlan {
        snapshots: holdings.snapshots.keys().filter(|id| !holdings.kept_snapshots.contains(*id)).cloned().collect(),
        // A tree without a record is of a store that was lost: it may be all that is left of it.
        trees: generations.intersection(&holdings.trees).copied().collect(),
        generations,
        accepted: holdings.accepted.iter().filter(|id| !reached.contains(id)).cloned().collect(),
        objects: BTreeMap::new(),
    }
}

/// Of what lies in the pool, with sizes in bytes, what is not `reached`.
pub fn objects(pool: BTreeMap<ObjectId, u64>, reached: &HashSet<ObjectId>) -> BTreeMap<ObjectId, u64> {
    pool.into_iter().filter(|(object, _)| !reached.contains(object)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_a_kept_snapshot_names_stays_and_the_rest_goes() {
        let holdings = Holdings {
            snapshots: BTreeMap::from([("old".to_owned(), set(&["a", "b"])), ("new".to_owned(), set(&["b", "c"]))]),
            kept_snapshots: set(&["new"]),
            generations: BTreeSet::from([1, 2, 3]),
            kept_generations: BTreeSet::from([3]),
            accepted: set(&["a", "b", "c", "of a run that was stopped"]),
            trees: BTreeSet::from([2, 3, 9]),
        };
        let plan = records(&holdings);
        assert_eq!(plan.snapshots, set(&["old"]));
        assert_eq!(plan.generations, BTreeSet::from([1, 2]));
        assert_eq!(plan.trees, BTreeSet::from([2]));
        assert_eq!(plan.accepted, set(&["a", "of a run that was stopped"]));
    }

    #[test]
    fn objects_go_unless_something_reaches_them() {
        let id = |byte| ObjectId::new([byte; 32]);
        let pool = BTreeMap::from([(id(1), 10), (id(2), 20), (id(3), 30)]);
        let left = objects(pool, &HashSet::from([id(2), id(9)]));
        assert_eq!(left, BTreeMap::from([(id(1), 10), (id(3), 30)]));
        let plan = PrunePlan { objects: left, ..PrunePlan::default() };
        assert_eq!((plan.bytes(), plan.is_empty()), (40, false));
    }
}
