//! The store's records, as they were.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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

/// Writes every record that is not there; one that is stays as it is. On the medium when this returns.
///
/// Names come after what they name: accepted indexes, then the rest, and snapshots last: with its snapshot a state is in force.
pub(super) fn write(store: &Store, destination: &Destination, source: &mut Source<'_>) -> Result<(), Error> {
    let mut accepted: BTreeMap<String, Vec<&KeptFile>> = BTreeMap::new();
    let (mut rest, mut snapshots, mut evidence) = (Vec::new(), Vec::new(), BTreeSet::new());
    for file in source.files() {
        let Some(below) = file.path.below("store") else { continue };
        match below.split_once('/') {
            Some(("accepted", name)) => {
                let id = name.split('/').next().unwrap_or_default().to_owned();
                accepted.entry(id).or_default().push(file);
            }
            Some(("snapshots", _)) => snapshots.push(file),
            _ if file.path.as_str() == REFS => {}
            _ if file.path.as_str().starts_with(EVIDENCE) => {
                evidence.insert(file.path.as_str());
            }
            _ => rest.push(file),
        }
    }
    for (id, files) in accepted {
        write_accepted(store, &id, &files, source)?;
    }
    for file in rest {
        let path = below(store, file);
        if path.exists() {
            continue;
        }
        let Some(mut bytes) = source.load(file)? else { continue };
        if file.path.as_str() == SIGNING
            && let Ok(record) = serde_json::from_slice(&bytes)
        {
            bytes = serde_json::to_vec_pretty(&destination.with_moved(record)).unwrap_or(bytes);
        }
        write_one(&path, &bytes, file)?;
    }
    write_evidence(store, &evidence.into_iter().map(str::to_owned).collect::<Vec<_>>(), source)?;
    durable::flush_file_system(store.root())?;
    for file in snapshots {
        let path = below(store, file);
        if !path.exists()
            && let Some(bytes) = source.load(file)?
        {
            write_one(&path, &bytes, file)?;
        }
    }
    Ok(durable::flush_file_system(store.root())?)
}

/// One accepted index: a folder that is whole or absent.
fn write_accepted(store: &Store, id: &str, files: &[&KeptFile], source: &mut Source<'_>) -> Result<(), Error> {
    let Ok(name) = id.parse() else { return Ok(()) };
    let folder = store.accepted(&name);
    if folder.is_dir() {
        return Ok(());
    }
    let beside = store.half_made_accepted(&name);
    durable::remove_tree(&beside)?;
    durable::create_folder_unflushed(&beside, FOLDER_MODE)?;
    for file in files {
        let Some(bytes) = source.load(file)? else {
            // Half of it would be damage; without it the snapshots that name it are what `check` finds.
            return Ok(durable::remove_tree(&beside)?);
        };
        let file_name = file.path.path().file_name().unwrap_or_default();
        write_one(&beside.join(file_name), &bytes, file)?;
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
