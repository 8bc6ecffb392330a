//! What is remembered of the targets of backups.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::snapshots::{load_json_if_present, save_json};
use super::{Error, Ledger};
use crate::apk::ObjectId;
use crate::disk::durable;
use crate::snapshot::backup::{BackupId, SegmentName, TargetId};

const FOLDER_MODE: u32 = 0o700;

/// What is remembered of one target. All that is lost with it is time: the target itself tells what is in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackupRecord {
    /// The configuration's name for it, when it was used last.
    pub name: String,
    /// The last backup that was made there.
    pub last: Option<LastBackup>,
    /// The encrypted part as it lies there: unless what is in it changes, it is not made anew.
    pub vault: Option<SealedVault>,
    /// When each segment was read again last.
    #[serde(default)]
    pub read: BTreeMap<SegmentName, Timestamp>,
    /// Objects that were found damaged there, by the segment that they are in: the next backup stores them again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub damaged: BTreeMap<SegmentName, BTreeSet<ObjectId>>,
    /// The last restore that was tried.
    pub drill: Option<Drill>,
}

/// The last backup of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBackup {
    /// Which.
    pub id: BackupId,
    /// When it ended.
    pub time: Timestamp,
}

/// The encrypted part as it lies in a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedVault {
    /// Digest of what is in it, and for whom.
    pub digest: String,
    /// The object that it is.
    pub object: ObjectId,
    /// Its bytes.
    pub size: u64,
}

/// A restore that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// When.
    pub time: Timestamp,
    /// Of which backup.
    pub backup: BackupId,
    /// How long it took.
    pub seconds: f64,
}

impl Ledger {
    fn backup_file(&self, target: &TargetId) -> PathBuf {
        self.store.backups_folder().join(format!("{target}.json"))
    }

    /// What is remembered of a target; nothing before its first backup, or where the record does not read.
    pub fn backup_record(&self, target: &TargetId) -> Result<BackupRecord, Error> {
        match load_json_if_present(&self.backup_file(target)) {
            Ok(record) => Ok(record.unwrap_or_default()),
            Err(Error::Unreadable { .. }) => Ok(BackupRecord::default()),
            Err(error) => Err(error),
        }
    }

    /// What is remembered of every target.
    pub fn backup_records(&self) -> Result<Vec<(TargetId, BackupRecord)>, Error> {
        let names = durable::list(&self.store.backups_folder())?;
        let mut targets: Vec<TargetId> =
            names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
        targets.sort();
        targets.into_iter().map(|target| Ok((target.clone(), self.backup_record(&target)?))).collect()
    }

    /// Remembers it. The caller holds the target's lock, or is the only one to check it.
    ///
    /// Where there is no store it is not remembered: a folder with a record alone would be nobody's store.
    pub fn save_backup_record(&self, target: &TargetId, record: &BackupRecord) -> Result<(), Error> {
        if !self.store.format_file().is_file() {
            return Ok(());
        }
        durable::create_folder(&self.store.backups_folder(), FOLDER_MODE)?;
        save_json(&self.backup_file(target), record)
    }
}
