//! A part of a backup: the repositories that were asked for, and of the records only what speaks of these.
//!
//! A record that names what is not brought back would be damage, and one that is cut must not take the place of the whole one.
//! So an accepted index comes back with all of its packages or not at all, a snapshot names those that came back, and into a store
//! that is there a cut record goes only where none is. A later restore of the rest completes the snapshots. A tree it cannot
//! complete, since files of a tree never change: that it tells.

use std::collections::{BTreeSet, HashSet};

use super::source::{Lost, Source};
use crate::apk::ObjectId;
use crate::apk::names::{Arch, RepositoryName};
use crate::error::Trouble as _;
use crate::jobs::error::in_one_line;
use crate::jobs::{Error, Mirror};
use crate::plan::publish::Generation;
use crate::snapshot::Snapshot;

/// What belongs to the repositories that were asked for.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// The accepted indexes that their packages came from.
    accepted: BTreeSet<String>,
    /// All packages of these.
    pub(super) objects: HashSet<ObjectId>,
}

impl Part {
    /// Of the repositories whose packages are `published`.
    pub(super) fn of(source: &mut Source<'_>, published: &HashSet<ObjectId>) -> Result<Self, Error> {
        let mut part = Part { accepted: BTreeSet::new(), objects: published.clone() };
        for file in source.files() {
            let below = file.path.below("store").and_then(|path| path.strip_prefix("accepted/"));
            let Some(id) = below.and_then(|path| path.strip_suffix("/objects")) else { continue };
            let Some(bytes) = source.load(file)? else { continue };
            let text = String::from_utf8_lossy(&bytes);
            let objects: Vec<ObjectId> = text.lines().filter_map(|line| line.parse().ok()).collect();
            // One of which nothing is taken costs nothing.
            if objects.is_empty() || objects.iter().any(|object| published.contains(object)) {
                part.accepted.insert(id.to_owned());
                part.objects.extend(objects);
            }
        }
        Ok(part)
    }

    /// Whether this accepted index comes back.
    pub(super) fn has(&self, accepted: &str) -> bool {
        self.accepted.contains(accepted)
    }

    /// A snapshot's record without the indexes that do not come back; none where it stays as it is.
    pub(super) fn cut(&self, record: &[u8]) -> Option<Vec<u8>> {
        let mut snapshot: Snapshot = serde_json::from_slice(record).ok()?;
        let before = snapshot.indexes.len();
        snapshot.indexes.retain(|index| index.states().all(|state| self.has(state)));
        if snapshot.indexes.len() == before { None } else { serde_json::to_vec_pretty(&snapshot).ok() }
    }
}

/// Whether a snapshot's record is the same snapshot with less in it.
pub(super) fn is_cut(record: &[u8], whole: &[u8]) -> bool {
    let parse = |bytes| serde_json::from_slice::<Snapshot>(bytes).ok();
    let (Some(record), Some(whole)) = (parse(record), parse(whole)) else { return false };
    record.id == whole.id
        && record.indexes.len() < whole.indexes.len()
        && record.indexes.iter().all(|index| whole.indexes.contains(index))
}

type Places<'g> = BTreeSet<(&'g RepositoryName, &'g Arch)>;

fn places(generation: &Generation) -> Places<'_> {
    generation.repositories.iter().map(|state| (&state.name, &state.arch)).collect()
}

/// Of `generations` those whose trees can be made here: all whose records are theirs; and what of others is not done. A record with
/// less in it is of a part that was restored before; one of another generation under the same number is the store's own.
pub(super) fn fitting<'g>(mirror: &Mirror<'_>, generations: &'g [Generation]) -> (Vec<&'g Generation>, Vec<Lost>) {
    let (mut fitting, mut undone) = (Vec::new(), Vec::new());
    for generation in generations {
        let number = generation.number;
        if !mirror.store.generation_file(number).is_file() {
            continue;
        }
        let recorded = match mirror.ledger.generation(number) {
            Ok(recorded) => recorded,
            Err(error) => {
                let what = format!("generation {number}");
                undone.push(Lost { what, code: error.code(), message: in_one_line(&error) });
                continue;
            }
        };
        if (recorded.time, &recorded.snapshot) != (generation.time, &generation.snapshot) {
            continue;
        }
        let (there, asked) = (places(&recorded), places(generation));
        if there == asked {
            fitting.push(generation);
        }
        for (name, arch) in asked.difference(&there) {
            let message = format!(
                "it is not in the tree of generation {number}, which was restored in part before; its packages are in the \
                 pool, and `bivouac publish` shows it"
            );
            undone.push(Lost { what: format!("{name}/{arch}"), code: "tree-in-part", message });
        }
    }
    (fitting, undone)
}
