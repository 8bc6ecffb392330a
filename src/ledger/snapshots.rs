//! Accepted indexes and snapshots.

use std::path::{Path, PathBuf};

use super::{Error, Ledger};
use crate::apk::ObjectId;
use crate::disk::durable;
use crate::disk::layout::{BadStateName, StateName};
use crate::snapshot::accepted::Record;
use crate::snapshot::{AcceptedIndex, Snapshot};

impl Ledger {
    /// The snapshot in force: the one with the latest id; none before the first sync.
    pub fn latest_snapshot(&self) -> Result<Option<Snapshot>, Error> {
        let ids = self.snapshot_ids()?;
        ids.last().map(|id| self.snapshot(id)).transpose()
    }

    /// All snapshots' ids, oldest first.
    pub fn snapshot_ids(&self) -> Result<Vec<StateName>, Error> {
        let mut ids: Vec<StateName> = durable::list(&self.store.snapshots_folder())?
            .iter()
            .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
            .collect();
        ids.sort();
        Ok(ids)
    }

    /// One snapshot.
    pub fn snapshot(&self, id: &StateName) -> Result<Snapshot, Error> {
        load_json(&self.store.snapshot_file(id))
    }

    /// Fails unless the snapshot with this id, which another record of ours names, is there.
    pub fn require_snapshot(&self, id: &str) -> Result<(), Error> {
        let named: Result<StateName, BadStateName> = id.parse();
        let file = named
            .map(|id| self.store.snapshot_file(&id))
            .map_err(|cause| Error::Unreadable { path: self.store.generations_folder(), cause: Box::new(cause) })?;
        if file.is_file() { Ok(()) } else { Err(Error::Missing(file)) }
    }

    /// Saves a snapshot; from then on it is in force.
    pub fn save_snapshot(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let id: StateName = snapshot.id.parse().expect("a snapshot's id is made of digits, letters and dashes");
        durable::create_folder(&self.store.snapshots_folder(), 0o700)?;
        save_json(&self.store.snapshot_file(&id), snapshot)
    }

    /// Ids of all accepted indexes that lie in the store, whether a snapshot names them or not.
    pub fn accepted_ids(&self) -> Result<Vec<String>, Error> {
        let names = durable::list(&self.store.accepted_folder())?;
        Ok(names.into_iter().filter(|name| name.parse::<StateName>().is_ok()).collect())
    }

    /// Removes snapshots' records; on the medium when this returns.
    pub fn drop_snapshots<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
        let folder = self.store.snapshots_folder();
        for id in ids.into_iter().filter_map(|id| id.parse::<StateName>().ok()) {
            durable::remove_file(&self.store.snapshot_file(&id))?;
        }
        Ok(durable::flush_folder(&folder)?)
    }

    /// Removes accepted indexes; no snapshot names them any more. Each leaves its name before its files go, so that one under
    /// its own name is whole at any time.
    pub fn drop_accepted<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
        for id in ids.into_iter().filter_map(|id| id.parse::<StateName>().ok()) {
            let beside = self.store.half_made_accepted(&id);
            durable::remove_tree(&beside)?;
            durable::rename(&self.store.accepted(&id), &beside)?;
            durable::remove_tree(&beside)?;
        }
        Ok(())
    }

    fn accepted_at(&self, id: &str) -> Result<PathBuf, Error> {
        let named: Result<StateName, BadStateName> = id.parse();
        named
            .map(|id| self.store.accepted(&id))
            .map_err(|cause| Error::Unreadable { path: self.store.accepted_folder(), cause: Box::new(cause) })
    }

    /// The record of an accepted index without its bytes.
    pub fn accepted_record(&self, id: &str) -> Result<Record, Error> {
        load_json(&self.accepted_at(id)?.join("accepted.json"))
    }

    /// Loads an accepted index and compares its file with the digest that was recorded.
    pub fn accepted(&self, id: &str) -> Result<AcceptedIndex, Error> {
        let folder = self.accepted_at(id)?;
        let record = load_json(&folder.join("accepted.json"))?;
        let bytes = load(&folder.join("APKINDEX.tar.gz"))?;
        let objects = load(&folder.join("objects"))?;
        AcceptedIndex::reload(record, bytes, &String::from_utf8_lossy(&objects))
            .map_err(|cause| Error::Accepted { path: folder, cause })
    }

    /// Where the index file of an accepted state lies.
    pub fn accepted_file(&self, id: &str) -> Result<PathBuf, Error> {
        Ok(self.accepted_at(id)?.join("APKINDEX.tar.gz"))
    }

    /// Puts the index file of an accepted state back, in one rename; `bytes` are those that its record names.
    pub fn mend_accepted(&self, id: &str, bytes: &[u8]) -> Result<(), Error> {
        let accepted = self.accepted_record(id)?.time;
        let modified = std::time::SystemTime::try_from(accepted).unwrap_or(std::time::SystemTime::UNIX_EPOCH);
        let aside = self.store.root();
        Ok(durable::write_dated_aside(&self.accepted_file(id)?, bytes, 0o400, modified, aside)?)
    }

    /// The objects that an accepted index names; its index file is not looked at.
    pub fn accepted_objects(&self, id: &str) -> Result<Vec<ObjectId>, Error> {
        let path = self.accepted_at(id)?.join("objects");
        let bytes = load(&path)?;
        let lines = String::from_utf8_lossy(&bytes);
        let object = |line: &str| {
            let unreadable =
                || Error::Unreadable { path: path.clone(), cause: format!("line {line:?} is no object").into() };
            line.parse().map_err(|_| unreadable())
        };
        lines.lines().filter(|line| *line != "-").map(object).collect()
    }

    /// Saves an accepted index and returns its id. One that is there already is left as it is.
    pub fn save_accepted(&self, index: &AcceptedIndex) -> Result<String, Error> {
        let id = index.id();
        let name: StateName = id.parse().expect("an accepted index's id is hex");
        let folder = self.store.accepted(&name);
        if folder.is_dir() {
            return Ok(id);
        }
        durable::create_folder(&self.store.accepted_folder(), 0o700)?;
        // Made beside and renamed: a folder under its final name is whole.
        let beside = self.store.half_made_accepted(&name);
        durable::remove_tree(&beside)?;
        durable::create_folder(&beside, 0o700)?;
        durable::write(&beside.join("APKINDEX.tar.gz"), index.bytes(), 0o400)?;
        durable::write(&beside.join("objects"), index.print_objects().as_bytes(), 0o400)?;
        save_json(&beside.join("accepted.json"), index.record())?;
        durable::rename(&beside, &folder)?;
        Ok(id)
    }
}

pub(super) fn load(path: &Path) -> Result<Vec<u8>, Error> {
    durable::read_if_present(path)?.ok_or_else(|| Error::Missing(path.to_owned()))
}

pub(super) fn load_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_slice(&load(path)?)
        .map_err(|cause| Error::Unreadable { path: path.to_owned(), cause: Box::new(cause) })
}

/// The same of a record that need not be there.
pub(super) fn load_json_if_present<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let Some(bytes) = durable::read_if_present(path)? else { return Ok(None) };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|cause| Error::Unreadable { path: path.to_owned(), cause: Box::new(cause) })
}

pub(super) fn save_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_vec_pretty(value).expect("records have string keys and no failing parts");
    text.push(b'\n');
    durable::write(path, &text, 0o600)?;
    Ok(())
}
