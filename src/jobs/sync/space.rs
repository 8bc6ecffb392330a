//! `[retain] min_free`: a run whose packages do not fit stops before the first of them is fetched. A disk that is full half
//! way helps nobody, and takes others down with it.

use std::fmt;
use std::path::PathBuf;

use super::report::Broken;
use super::want::Lacking;
use super::{Error, Mirror};
use crate::config::MinFree;
use crate::disk::durable;
use crate::error::Class;

/// What is missing on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The store.
    pub store: PathBuf,
    /// Bytes of the packages that are to be fetched.
    pub needed: u64,
    /// Bytes free on the store's file system.
    pub free: u64,
    /// How many of those stay free, by `min_free`.
    pub reserved: u64,
}

impl Shortage {
    /// What mends it.
    pub fn hint(&self) -> String {
        "free space there; or let [retain] min_free leave less of it free".to_owned()
    }

    fn broken(&self) -> Broken {
        Broken {
            code: "too-little-space".to_owned(),
            message: self.to_string(),
            details: Vec::new(),
            hint: Some(self.hint()),
            class: Class::Host,
        }
    }
}

/// The same as a plan tells it.
pub(super) fn told(mirror: &Mirror<'_>, needed: u64) -> Result<Option<Broken>, Error> {
    Ok(shortage(mirror, needed)?.as_ref().map(Shortage::broken))
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shortage { store, needed, free, reserved } = self;
        write!(
            f,
            "what is to be fetched does not fit into {}: {needed} bytes are needed, {free} are free, of which {reserved} stay \
             free",
            store.display()
        )
    }
}

/// Bytes that stay free on the store's file system.
pub(super) fn reserved(mirror: &Mirror<'_>) -> Result<u64, Error> {
    Ok(match mirror.config.retain.min_free {
        MinFree::Bytes(bytes) => bytes,
        MinFree::Share(share) => share.of(durable::total_bytes(mirror.store.existing_root())?),
    })
}

/// What is missing for so many bytes, if anything. Nothing is needed for no bytes, however full the disk is.
pub(super) fn shortage(mirror: &Mirror<'_>, needed: u64) -> Result<Option<Shortage>, Error> {
    if needed == 0 {
        return Ok(None);
    }
    let (free, reserved) = (durable::free_bytes(mirror.store.existing_root())?, reserved(mirror)?);
    let store = mirror.store.root().to_owned();
    let fits = needed.saturating_add(reserved) <= free;
    Ok((!fits).then_some(Shortage { store, needed, free, reserved }))
}

/// Fails unless all that is lacking fits.
pub(super) fn require(mirror: &Mirror<'_>, lacking: &[Lacking]) -> Result<(), Error> {
    require_bytes(mirror, lacking.iter().map(|lacking| lacking.entry.size()).sum())
}

/// Fails unless so many bytes fit.
pub(in crate::jobs) fn require_bytes(mirror: &Mirror<'_>, needed: u64) -> Result<(), Error> {
    match shortage(mirror, needed)? {
        None => Ok(()),
        Some(shortage) => Err(Error::TooLittleSpace(shortage)),
    }
}
