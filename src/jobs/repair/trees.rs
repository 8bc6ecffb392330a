//! Every name in a tree that leads to a damaged file, or to none, is renamed over, one by one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use jiff::Timestamp;

use super::Repaired;
use super::fetch::Outcome;
use super::indexes::Indexes;
use super::look::{BadFile, BadIndex, FileState, Seen, Whose};
use crate::apk::ObjectId;
use crate::disk::durable;
use crate::jobs::{Error, Mirror};
use crate::publish::Mending;

/// What was put right outside the pool's objects.
#[derive(Debug, Default)]
pub(super) struct Mended {
    /// Files of trees, index files, links, and what else was told.
    pub(super) repaired: Vec<Repaired>,
    /// Names that led to a damaged object or to a copy.
    pub(super) relinked: u64,
}

/// Whether the pool has an object, and it is right; of a dry run, whether it will be.
pub(super) fn is_good(mirror: &Mirror<'_>, seen: &Seen, outcome: &Outcome, object: &ObjectId) -> bool {
    outcome.from.contains_key(object) || (!seen.objects.contains_key(object) && mirror.pool.has(object))
}

/// Puts everything right that can be.
pub(super) fn mend(mirror: &Mirror<'_>, seen: &Seen, outcome: &Outcome, indexes: &Indexes) -> Result<Mended, Error> {
    let mut mended = Mended::default();
    let mut mending = Mending::new(&mirror.tree);
    for bad in seen.files.iter().filter(|bad| is_good(mirror, seen, outcome, &bad.object)) {
        if bad.state == FileState::Right && !is_worth_linking(&mirror.pool.path(&bad.object), &bad.path) {
            continue;
        }
        mending.package(&mirror.pool, &bad.object, &bad.path)?;
        match &bad.state {
            FileState::Linked | FileState::Right => mended.relinked += 1,
            FileState::Wrong(..) => mended.repaired.push(repaired(bad)),
        }
    }
    let mut files: BTreeMap<ObjectId, PathBuf> = BTreeMap::new();
    for bad in &seen.indexes {
        let Some(found) = indexes.of(&bad.index) else { continue };
        match &bad.whose {
            Whose::Record(id) => mirror.ledger.mend_accepted(id, &found.bytes)?,
            Whose::Tree(_, published) => {
                let known = files.get(&bad.index).or(found.file.as_ref());
                match known.filter(|file| has_this_date(file, *published)) {
                    Some(file) => mending.name(file, &bad.path)?,
                    None => mending.index(*published, &found.bytes, &bad.path)?,
                }
                files.insert(bad.index, bad.path.clone());
            }
        }
        mended.repaired.push(repaired_index(bad, &found.from));
    }
    for bad in &seen.links {
        mending.own_link(&bad.arch, &bad.folder)?;
        let file = bad.folder.join(bad.arch.as_str()).display().to_string();
        mended.repaired.push(Repaired { object: None, file, from: "its record".into() });
    }
    mending.finish()?;
    for finding in &seen.modes {
        durable::set_mode(Path::new(&finding.subject), 0o444)?;
        mended.repaired.push(Repaired { object: None, file: finding.subject.clone(), from: "its mode".into() });
    }
    if let Some(finding) = &seen.refs {
        mirror.pool.mend_refs()?;
        mended.repaired.push(Repaired { object: None, file: finding.subject.clone(), from: "its other lines".into() });
    }
    Ok(mended)
}

/// A file of a tree that the pool has.
pub(super) fn repaired(bad: &BadFile) -> Repaired {
    Repaired { object: Some(bad.object), file: bad.path.display().to_string(), from: "the pool".into() }
}

/// An index file that somebody has.
pub(super) fn repaired_index(bad: &BadIndex, from: &str) -> Repaired {
    Repaired { object: Some(bad.index), file: bad.path.display().to_string(), from: from.to_owned() }
}

/// Whether a right file can be one with the pool's, so that it is stored once. Across file systems it is a copy anyway.
fn is_worth_linking(object: &Path, file: &Path) -> bool {
    match (fs::metadata(object), fs::metadata(file)) {
        (Ok(object), Ok(file)) => object.dev() == file.dev() && object.ino() != file.ino(),
        _ => false,
    }
}

/// Whether a right index file elsewhere has the date at which this one was published: clients ask by it.
fn has_this_date(file: &Path, published: Timestamp) -> bool {
    let seconds = fs::metadata(file).and_then(|file| file.modified()).ok().map(|modified| {
        modified.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    });
    seconds == Some(published.as_second())
}
