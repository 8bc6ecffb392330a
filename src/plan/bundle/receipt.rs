//! What a receiver has by its own word.

use std::collections::BTreeSet;

use super::Held;
use crate::apk::ObjectId;
use crate::snapshot::manifest::{Base, BundleId, Manifest};
use crate::snapshot::receipt::Receipt;

/// The bundle of ours that is in force at the site, whether or not its record is here still: that of the source which had the
/// most of the bundles that were `sent`.
pub fn in_force<'r>(receipt: &'r Receipt, sent: &[BundleId]) -> Option<&'r BundleId> {
    let sent: BTreeSet<&BundleId> = sent.iter().collect();
    let mut best: Option<(usize, &BundleId)> = None;
    for came in &receipt.sources {
        let Some(in_force) = &came.in_force else { continue };
        let all: BTreeSet<&BundleId> = came.imported.iter().chain([in_force]).collect();
        let ours = all.intersection(&sent).count();
        if ours > best.map_or(0, |(most, _)| most) {
            best = Some((ours, in_force));
        }
    }
    best.map(|(_, id)| id)
}

/// What the site has. Of index files only those of `state` count, the record of the bundle that is in force there: others may
/// lie where another sender's bundles are unpacked, and are short.
pub fn held(receipt: &Receipt, in_force: Option<&BundleId>, state: Option<&Manifest>) -> Held {
    let base = Base { id: in_force.cloned(), time: receipt.time, receipt_of: Some(receipt.site.to_string()) };
    let mut held = Held { objects: receipt.objects.iter().copied().collect(), base: Some(base), ..Held::default() };
    let here: BTreeSet<&ObjectId> = receipt.indexes.iter().collect();
    for carried in state.iter().flat_map(|state| &state.repositories) {
        let indexes: Vec<ObjectId> = carried.indexes().filter(|index| here.contains(index)).copied().collect();
        held.objects.extend(&indexes);
        held.indexes.insert((carried.name.clone(), carried.arch.clone()), indexes);
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::manifest::{Carried, FORM};
    use crate::snapshot::receipt::{self, Came};

    fn id(number: u8) -> BundleId {
        BundleId::new("2026-11-24T03:17:00Z".parse().unwrap(), [number; 4])
    }

    fn came(source: &str, in_force: Option<u8>, imported: &[u8]) -> Came {
        Came {
            source: source.parse().unwrap(),
            in_force: in_force.map(id),
            imported: imported.iter().copied().map(id).collect(),
        }
    }

    fn object(byte: u8) -> ObjectId {
        ObjectId::new([byte; 32])
    }

    fn receipt(sources: Vec<Came>, indexes: &[u8]) -> Receipt {
        Receipt {
            receipt: receipt::FORM,
            site: "plant-3".parse().unwrap(),
            time: "2026-11-25T08:00:00Z".parse().unwrap(),
            sources,
            objects: [object(1), object(2)].into_iter().collect(),
            indexes: indexes.iter().copied().map(object).collect(),
            key: None,
            signatures: None,
        }
    }

    #[test]
    fn the_bundle_in_force_is_that_of_the_source_which_has_ours() {
        let sent = [id(1), id(2), id(3)];
        for (sources, expected) in [
            (vec![], None),
            (vec![came("a", None, &[])], None),
            (vec![came("a", Some(9), &[8, 9])], None),
            (vec![came("a", Some(2), &[1, 2])], Some(2)),
            (vec![came("other", Some(9), &[9]), came("ours", Some(1), &[1])], Some(1)),
            // One bundle of ours once came into the other source, too.
            (vec![came("other", Some(9), &[1, 9]), came("ours", Some(3), &[1, 2, 3])], Some(3)),
            // Made so long ago that it is forgotten here, after one that is not.
            (vec![came("ours", Some(9), &[1])], Some(9)),
            // What is in force counts, although the list of what came is short.
            (vec![came("ours", Some(3), &[])], Some(3)),
        ] {
            let receipt = receipt(sources, &[]);
            assert_eq!(in_force(&receipt, &sent).cloned(), expected.map(id), "{:?}", receipt.sources);
        }
    }

    #[test]
    fn the_pool_is_held_and_of_indexes_those_of_the_state_that_are_there() {
        let carried = Carried {
            name: "main".parse().unwrap(),
            arch: "x86_64".parse().unwrap(),
            index: object(10),
            origins: vec![object(11), object(12)],
            whole: None,
            packages: 0,
            bytes: 0,
        };
        let state = Manifest {
            bundle: FORM,
            id: id(1),
            time: "2026-11-24T03:17:00Z".parse().unwrap(),
            expires: "2026-11-24T03:17:00Z".parse().unwrap(),
            base: None,
            keys: vec![],
            repositories: vec![carried],
            volumes: 0,
            objects: vec![],
            tool: None,
        };
        let receipt = receipt(vec![], &[10, 12, 77]);
        let told = held(&receipt, Some(&id(1)), Some(&state));
        let base = told.base.unwrap();
        assert_eq!((base.id, base.time, base.receipt_of.as_deref()), (Some(id(1)), receipt.time, Some("plant-3")));
        assert_eq!(told.objects, [1, 2, 10, 12].map(object).into_iter().collect());
        let place = ("main".parse().unwrap(), "x86_64".parse().unwrap());
        assert_eq!(told.indexes[&place], [10, 12].map(object), "the third is not there, the fourth is another's");

        let without = held(&receipt, None, None);
        assert_eq!(without.objects, [1, 2].map(object).into_iter().collect());
        assert!(without.indexes.is_empty() && without.base.unwrap().id.is_none());
    }
}
