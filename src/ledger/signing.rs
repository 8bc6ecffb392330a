//! What is remembered of our own keys.

use super::snapshots::{load_json_if_present, save_json};
use super::{Error, Ledger};
use crate::sign::rotation::SigningRecord;

impl Ledger {
    /// Who signs, who does so no more, and who ever did.
    pub fn signing(&self) -> Result<SigningRecord, Error> {
        Ok(load_json_if_present(&self.store.signing_file())?.unwrap_or_default())
    }

    /// Replaces the record.
    pub fn save_signing(&self, record: &SigningRecord) -> Result<(), Error> {
        save_json(&self.store.signing_file(), record)
    }
}
