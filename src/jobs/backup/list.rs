//! What lies in the targets.

use jiff::Timestamp;
use serde::Serialize;

use super::target;
use crate::apk::{BackupName, KeyId};
use crate::backup::Unverified;
use crate::backup::catalog::ids;
use crate::config::{self, Config};
use crate::error::Trouble as _;
use crate::jobs::error::in_one_line;
use crate::jobs::{Error, seal};
use crate::snapshot::backup::{BackupId, TargetId};

/// One target and what lies there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetListed {
    /// The configuration's name for it.
    pub name: BackupName,
    /// Where it is.
    pub place: String,
    /// Which it is; none where it cannot be asked.
    pub target: Option<TargetId>,
    /// Its backups, the newest first.
    pub backups: Vec<BackupListed>,
    /// Why it cannot be asked.
    pub error: Option<Told>,
}

/// One backup.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackupListed {
    /// Which.
    pub id: BackupId,
    /// When it was made.
    pub time: Option<Timestamp>,
    /// The snapshot that was in force.
    pub snapshot: Option<String>,
    /// The generation that was live.
    pub live: Option<u64>,
    /// Its objects.
    pub objects: u64,
    /// Their bytes, each whole.
    pub bytes: u64,
    /// Objects that are stored as deltas.
    pub deltas: u64,
    /// Who signed it.
    pub signers: Vec<KeyId>,
    /// Whether private files are in it, encrypted.
    pub sealed: bool,
    /// Why it is not believed.
    pub error: Option<Told>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Stable word.
    pub code: &'static str,
    /// In one line.
    pub message: String,
}

impl From<&Error> for Told {
    fn from(error: &Error) -> Self {
        Told { code: error.code(), message: in_one_line(error) }
    }
}

/// Lists what lies in the targets that are asked for.
pub fn list(config: &Config, name: Option<&BackupName>) -> Result<Vec<TargetListed>, Error> {
    let mut keys: Vec<KeyId> = seal::remembered(config)?.used.into_iter().map(|used| used.key).collect();
    // Without the private half the list of those that ever signed has to do.
    if let Ok(Some(seal)) = seal::of_config(config) {
        keys.extend(seal.keys());
    }
    Ok(target::chosen(config, name)?.into_iter().map(|backup| one(backup, &keys)).collect())
}

fn one(backup: &config::Backup, keys: &[KeyId]) -> TargetListed {
    let place = backup.target.display().to_string();
    let mut listed = TargetListed { name: backup.name.clone(), place, target: None, backups: Vec::new(), error: None };
    let look = || -> Result<(TargetId, Vec<BackupListed>), Error> {
        let target = target::open(backup)?;
        let (ids, _) = ids(&target)?;
        Ok((target.id().clone(), ids.iter().rev().map(|id| of(&target, id, keys)).collect()))
    };
    match look() {
        Ok((target, backups)) => (listed.target, listed.backups) = (Some(target), backups),
        Err(error) => listed.error = Some(Told::from(&error)),
    }
    listed
}

fn of(target: &crate::backup::Target, id: &BackupId, keys: &[KeyId]) -> BackupListed {
    let mut listed = BackupListed {
        id: id.clone(),
        time: id.time(),
        snapshot: None,
        live: None,
        objects: 0,
        bytes: 0,
        deltas: 0,
        signers: Vec::new(),
        sealed: false,
        error: None,
    };
    let opened = Unverified::open(target, id).inspect(|unverified| {
        let manifest = unverified.manifest();
        listed.snapshot.clone_from(&manifest.snapshot);
        (listed.live, listed.deltas) = (manifest.live, manifest.deltas);
        (listed.objects, listed.bytes) = (manifest.count.objects, manifest.count.bytes);
        (listed.signers, listed.sealed) = (unverified.signers().to_vec(), manifest.sealed.is_some());
    });
    if let Err(error) = opened.and_then(|unverified| unverified.verify(|key| keys.contains(key))) {
        listed.error = Some(Told::from(&Error::from(error)));
    }
    listed
}
