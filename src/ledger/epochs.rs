//! Which backups were restored here.
//!
//! Each restore begins an epoch: what happened between the backup and the restore is not remembered in this store, although
//! clients and other sites may have seen it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::snapshots::{load_json_if_present, save_json};
use super::{Error, Ledger};
use crate::apk::KeyId;

/// A restore of a backup into this store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number: 1 for the first restore. What came before is epoch 0.
    pub number: u64,
    /// When it was restored.
    pub time: Timestamp,
    /// The backup's id.
    pub backup: String,
    /// When that backup was made.
    pub at: Timestamp,
    /// Our key that signed its manifest, as it was checked.
    pub signer: KeyId,
    /// The generation that was live in the backup; `None` where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

impl Ledger {
    /// All restores, in the order in which they were; none in a store that was never restored.
    pub fn epochs(&self) -> Result<Vec<Epoch>, Error> {
        Ok(load_json_if_present(&self.store.epochs_file())?.unwrap_or_default())
    }

    /// Replaces the list of restores.
    pub fn save_epochs(&self, epochs: &[Epoch]) -> Result<(), Error> {
        save_json(&self.store.epochs_file(), &epochs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::layout::Store;

    #[test]
    fn epochs_come_back_as_they_were_saved() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(Store::open_or_create(&folder.path().join("store")).unwrap());
        assert_eq!(ledger.epochs().unwrap(), []);
        let epoch = |number, generation| Epoch {
            number,
            time: "2026-11-25T03:00:00Z".parse().unwrap(),
            backup: "20261124T031700Z-9f3a1c20".into(),
            at: "2026-11-24T03:17:00Z".parse().unwrap(),
            signer: KeyId { name: "ops@example.org-6743a0c1.rsa.pub".parse().unwrap(), fingerprint: "f".into() },
            generation,
        };
        let epochs = [epoch(1, Some(412)), epoch(2, None)];
        ledger.save_epochs(&epochs).unwrap();
        assert_eq!(ledger.epochs().unwrap(), epochs);
    }
}
