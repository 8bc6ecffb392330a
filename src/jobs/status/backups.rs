//! When each configured backup was made last. Targets are not asked: a disk may be put away.

use jiff::Timestamp;
use serde::Serialize;

use crate::apk::BackupName;
use crate::jobs::{Error, Mirror};
use crate::ledger::BackupRecord;
use crate::snapshot::backup::BackupId;

/// One configured backup. Several disks may have been its target in turn; the one that was used last counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackupStatus {
    /// The configuration's name for it.
    pub name: BackupName,
    /// The last backup.
    pub last: Option<BackupId>,
    /// Seconds since it was made.
    pub age_seconds: Option<u64>,
    /// Objects that a check found damaged there; the next backup stores them once more.
    pub damaged: u64,
    /// How long the last restore took that was tried, seconds.
    pub drill_seconds: Option<f64>,
    /// Seconds since then.
    pub drill_age_seconds: Option<u64>,
}

pub(super) fn of(mirror: &Mirror<'_>, now: Timestamp) -> Result<Vec<BackupStatus>, Error> {
    let records = mirror.ledger.backup_records()?;
    let age = |time: Timestamp| u64::try_from(now.duration_since(time).as_secs()).unwrap_or(0);
    let one = |name: &BackupName| {
        let named = records.iter().map(|(_, record)| record).filter(|record| record.name == name.as_str());
        let record = named.max_by_key(|record| record.last.as_ref().map(|last| last.time));
        let last = record.and_then(|record| record.last.as_ref());
        let drill = record.and_then(|record| record.drill.as_ref());
        BackupStatus {
            name: name.clone(),
            last: last.map(|last| last.id.clone()),
            age_seconds: last.map(|last| age(last.time)),
            damaged: record.map_or(0, damaged),
            drill_seconds: drill.map(|drill| drill.seconds),
            drill_age_seconds: drill.map(|drill| age(drill.time)),
        }
    };
    Ok(mirror.config.backups.keys().map(one).collect())
}

fn damaged(record: &BackupRecord) -> u64 {
    record.damaged.values().map(|objects| objects.len() as u64).sum()
}
