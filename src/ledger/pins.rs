//! Snapshots that stay until they are unpinned.

use std::collections::BTreeSet;

use super::snapshots::save_json;
use super::{Error, Ledger};
use crate::disk::durable;
use crate::disk::layout::StateName;

impl Ledger {
    /// The pinned snapshots' ids. One may name a snapshot that is not there any more: pruning respects pins, hands do not.
    pub fn pins(&self) -> Result<BTreeSet<StateName>, Error> {
        let path = self.store.pins_file();
        let Some(bytes) = durable::read_if_present(&path)? else { return Ok(BTreeSet::new()) };
        let unreadable =
            |cause: Box<dyn std::error::Error + Send + Sync>| Error::Unreadable { path: path.clone(), cause };
        let names: Vec<String> = serde_json::from_slice(&bytes).map_err(|cause| unreadable(Box::new(cause)))?;
        names.iter().map(|name| name.parse().map_err(|cause| unreadable(Box::new(cause)))).collect()
    }

    /// Replaces the set of pins.
    pub fn save_pins(&self, pins: &BTreeSet<StateName>) -> Result<(), Error> {
        let names: Vec<&str> = pins.iter().map(StateName::as_str).collect();
        save_json(&self.store.pins_file(), &names)
    }
}
