//! Older versions that repositories keep although their source dropped them (`keep_versions`).
//!
//! They are part of the snapshot: beside what a source lists stands an accepted index, gathered by us, of what we keep of what
//! it listed before. Each sync makes the next one from the former two. So they are there as long as some repository wants
//! them, whichever snapshots are dropped meanwhile, and whatever walks a snapshot's objects finds theirs.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use jiff::Timestamp;

use super::indexes::{Asked, Index};
use super::want::Wish;
use super::{Accepted, Error, Mirror, takers};
use crate::apk::Entry;
use crate::apk::names::{Arch, PackageFile};
use crate::config::{Config, Repository, SourceKind};
use crate::select::older;
use crate::snapshot::IndexKey;

/// How many versions of a name are kept for some repository of the configuration that takes from `key`.
fn depth(config: &Config, key: &IndexKey) -> NonZeroUsize {
    keepers(config, key).filter_map(|(repository, _)| repository.keep_versions).max().unwrap_or(NonZeroUsize::MIN)
}

/// The repositories that take from `key` and keep versions.
fn keepers<'c>(config: &'c Config, key: &IndexKey) -> impl Iterator<Item = (&'c Repository, &'c Arch)> {
    takers(config, key).filter(|(repository, _)| repository.keep_versions.is_some())
}

/// Finds out for each index what is kept beside what it lists. What the pool has lost is not: nobody supplies it any more.
pub(super) fn look(mirror: &Mirror<'_>, asked: &mut Asked) -> Result<(), Error> {
    let Asked { indexes, snapshot, .. } = asked;
    for index in indexes {
        index.kept.clear();
        let depth = depth(mirror.config, &index.key);
        if depth == NonZeroUsize::MIN {
            continue;
        }
        // A snapshot that is published again is what it was: its own kept versions, no candidate.
        index.load(mirror)?;
        let mut former: Vec<Entry> = match (&index.candidate, index.former_entries()) {
            (Some(_), Some(entries)) => entries.to_vec(),
            _ => Vec::new(),
        };
        if let Some(id) = snapshot.as_ref().and_then(|snapshot| snapshot.kept(&index.key)) {
            former.extend_from_slice(mirror.ledger.accepted(id)?.entries());
        }
        former.retain(|entry| mirror.pool.find(entry).is_some());
        let Some(listed) = index.entries() else { continue };
        let kept = older::keep(listed, &former, depth).former;
        index.kept = kept.into_iter().map(|at| former[at].clone()).collect();
    }
    Ok(())
}

/// What a repository takes of an index: what it lists, and what it keeps. A directory gives all it holds.
pub(super) fn layer(repository: &Repository, source: &SourceKind, listed: Vec<Entry>, kept: &[Entry]) -> Vec<Entry> {
    let Some(depth) = repository.keep_versions else { return listed };
    let stays = older::keep(&listed, kept, depth);
    let surplus: HashSet<usize> = match source {
        SourceKind::Url { .. } | SourceKind::Bundles { .. } => stays.surplus.into_iter().collect(),
        SourceKind::Directory { .. } => HashSet::new(),
    };
    let listed = listed.into_iter().enumerate().filter(|(at, _)| !surplus.contains(at)).map(|(_, entry)| entry);
    listed.chain(stays.former.iter().map(|at| kept[*at].clone())).collect()
}

/// What is kept of an index, as an accepted index of its own: what the repositories list that keep versions. One that is not
/// part of this run may list any of what was found.
pub(super) fn accepted(mirror: &Mirror<'_>, index: &Index, wishes: &[Wish], now: Timestamp) -> Option<Accepted> {
    let mut listed: Option<HashSet<&PackageFile>> = Some(HashSet::new());
    for (repository, arch) in keepers(mirror.config, &index.key) {
        let wish = wishes.iter().find(|wish| wish.name == repository.name && wish.arch == *arch);
        let layer = wish
            .filter(|wish| wish.forbidden.is_none())
            .and_then(|wish| wish.layers.iter().find(|(key, _)| *key == index.key).map(|(_, entries)| entries));
        match (layer, &mut listed) {
            (Some(entries), Some(listed)) => listed.extend(entries.iter().map(Entry::file)),
            (None, _) => listed = None,
            (_, None) => {}
        }
    }
    let is_listed = |entry: &&Entry| listed.as_ref().is_none_or(|listed| listed.contains(entry.file()));
    let kept = index.kept.iter().filter(is_listed);
    let mut kept: Vec<_> = kept.filter_map(|entry| Some((entry.clone(), mirror.pool.find(entry)?))).collect();
    // One order, so that the same versions are the same index.
    kept.sort_by(|(one, _), (other, _)| one.file().cmp(other.file()));
    (!kept.is_empty()).then(|| Accepted::gathered(index.key.clone(), kept, Vec::new(), now))
}
