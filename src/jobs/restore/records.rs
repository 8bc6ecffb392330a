//! The store's records, as they were.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::part::{self, Part};
use super::place::Destination;
use super::source::Source;
use crate::disk::durable;
use crate::disk::layout::Store;
use crate::jobs::Error;
use crate::snapshot::backup::KeptFile;

/// The pool's own memory; it is taken in with the objects.
pub(super) const REFS: &str = "store/pool/refs";
const EVIDENCE: &str = "store/evidence.log.";
const SIGNING: &str = "store/signing.json";
const FOLDER_MODE: u32 = 0o700;

/// What becomes of a record that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    /// It is the store's own, and stays.
    Stays,
    /// A restore that was stopped wrote it. After a power cut its name may be there without its bytes: one that differs from the
    /// backup's is written again.
    IsCompared,
}

/// Writes every record that is not there; one that is stays as it is, but in a store into which a restore was stopped. On the
/// medium when this returns.
///
/// Names come after what they name: accepted indexes, then the rest, and snapshots last: with its snapshot a state is in force.
///
/// Of a part, generations are the caller's to save.
pub(super) fn write(
    store: &Store,
    destination: &Destination,
    source: &mut Source<'_>,
    part: Option<&Part>,
) -> Result<(), Error> {
    let there = if store.restoring_file().exists() { There::IsCompared } else { There::Stays };
    let mut accepted: BTreeMap<String, Vec<&KeptFile>> = BTreeMap::new();
    let (mut rest, mut snapshots, mut evidence) = (Vec::new(), Vec::new(), BTreeSet::new());
    for file in source.files() {
        let Some(below) = file.path.below("store") else { continue };
        match below.split_once('/') {
            Some(("accepted", name)) => {
                let id = name.split('/').next().unwrap_or_default();
                if part.is_none_or(|part| part.has(id)) {
                    accepted.entry(id.to_owned()).or_default().push(file);
                }
            }
            Some(("generations", _)) if part.is_some() => {}
            Some(("snapshots", _)) => snapshots.push(file),
            _ if file.path.as_str() == REFS => {}
            _ if file.path.as_str().starts_with(EVIDENCE) => {
                evidence.insert(file.path.as_str());
            }
            _ => rest.push(file),
        }
    }
    for (id, files) in accepted {
        write_accepted(store, &id, &files, source, there)?;
    }
    for file in rest {
        write_record(store, file, source, there, &|bytes| match serde_json::from_slice(bytes) {
            Ok(record) if file.path.as_str() == SIGNING => {
                serde_json::to_vec_pretty(&destination.with_moved(record)).ok()
            }
            _ => None,
        })?;
    }
    write_evidence(store, &evidence.into_iter().map(str::to_owned).collect::<Vec<_>>(), source)?;
    durable::flush_file_system(store.root())?;
    for file in snapshots {
        let path = below(store, file);
        // One that was restored in part before is the same with less in it: now it gets the rest.
        let is_cut = match (there, part) {
            (There::Stays, None) => match durable::read_if_present(&path)? {
                Some(found) => source.load(file)?.is_some_and(|whole| part::is_cut(&found, &whole)),
                None => false,
            },
            _ => false,
        };
        let there = if is_cut { There::IsCompared } else { there };
        write_record(store, file, source, there, &|bytes| part?.cut(bytes))?;
    }
    Ok(durable::flush_file_system(store.root())?)
}

/// One record, as it was or as `change` makes it.
fn write_record(
    store: &Store,
    file: &KeptFile,
    source: &mut Source<'_>,
    there: There,
    change: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<(), Error> {
    let path = below(store, file);
    if there == There::Stays && path.exists() {
        return Ok(());
    }
    let Some(bytes) = source.load(file)? else {
        // Of one that is lost nothing is there, rather than what may be a part of it.
        return Ok(durable::remove_file(&path)?);
    };
    let bytes = change(&bytes).unwrap_or(bytes);
    if durable::read_if_present(&path)?.is_some_and(|found| found == bytes) {
        return Ok(());
    }
    write_one(&path, &bytes, file)
}

/// One accepted index: a folder that is whole or absent.
fn write_accepted(
    store: &Store,
    id: &str,
    files: &[&KeptFile],
    source: &mut Source<'_>,
    there: There,
) -> Result<(), Error> {
    let Ok(name) = id.parse() else { return Ok(()) };
    let folder = store.accepted(&name);
    if there == There::Stays && folder.is_dir() {
        return Ok(());
    }
    let mut contents = Vec::new();
    for file in files {
        let Some(bytes) = source.load(file)? else {
            // Half of it would be damage; without it the snapshots that name it are what `check` finds.
            return Ok(durable::remove_tree(&folder)?);
        };
        contents.push((file.path.path().file_name().unwrap_or_default(), bytes, file));
    }
    let mut is_whole = folder.is_dir();
    for (name, bytes, _) in &contents {
        is_whole = is_whole && durable::read_if_present(&folder.join(name))?.is_some_and(|found| found == *bytes);
    }
    if is_whole {
        return Ok(());
    }
    durable::remove_tree(&folder)?;
    let beside = store.half_made_accepted(&name);
    durable::remove_tree(&beside)?;
    durable::create_folder_unflushed(&beside, FOLDER_MODE)?;
    for (name, bytes, file) in &contents {
        write_one(&beside.join(name), bytes, file)?;
    }
    // What it holds is safe before its name is.
    durable::flush_file_system(&beside)?;
    Ok(durable::rename(&beside, &folder)?)
}

/// The log's pieces, one behind the other, up to the first that is lost: what follows it would not be a chain.
fn write_evidence(store: &Store, pieces: &[String], source: &mut Source<'_>) -> Result<(), Error> {
    let path = store.evidence_file();
    if path.exists() {
        return Ok(());
    }
    let mut log = Vec::new();
    for piece in pieces {
        let kept = piece.parse().expect("it is one of the backup's paths");
        let Some((bytes, _)) = source.file(&kept)? else { break };
        log.extend(bytes);
    }
    if log.is_empty() { Ok(()) } else { Ok(durable::write(&path, &log, 0o600)?) }
}

fn below(store: &Store, file: &KeptFile) -> PathBuf {
    store.root().join(file.path.below("store").expect("only records are asked for"))
}

fn write_one(path: &Path, bytes: &[u8], file: &KeptFile) -> Result<(), Error> {
    durable::create_folder_unflushed(path.parent().unwrap_or(Path::new("/")), FOLDER_MODE)?;
    let seconds = u64::try_from(file.modified).unwrap_or(0);
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    Ok(durable::write_dated_unflushed(path, bytes, file.mode, modified)?)
}
