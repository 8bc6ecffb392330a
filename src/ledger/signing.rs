//! What is remembered of our own keys.

use super::snapshots::save_json;
use super::{Error, Ledger};
use crate::disk::durable;
use crate::sign::rotation::SigningRecord;

impl Ledger {
    /// Who signs, who does so no more, and who ever did.
    pub fn signing(&self) -> Result<SigningRecord, Error> {
        let path = self.store.signing_file();
        let Some(bytes) = durable::read_if_present(&path)? else { return Ok(SigningRecord::default()) };
        serde_json::from_slice(&bytes).map_err(|cause| Error::Unreadable { path, cause: Box::new(cause) })
    }

    /// Replaces the record.
    pub fn save_signing(&self, record: &SigningRecord) -> Result<(), Error> {
        save_json(&self.store.signing_file(), record)
    }
}
