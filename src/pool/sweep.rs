//! Removing what nobody will come back for.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::refs::{Refs, parse_identity};
use super::restored::is_part_of_object;
use super::{Error, Pool};
use crate::apk::ObjectId;
use crate::disk::durable;

/// A part this old belongs to a package that upstream has replaced since, most likely.
pub const STALE_PART: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An object as it lies in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its size in bytes.
    pub size: u64,
    /// When it arrived.
    pub arrived: SystemTime,
}

impl Pool {
    /// Every object with its size and age. Beside anything else: one that goes meanwhile is not in the answer.
    pub fn stored(&self) -> Result<BTreeMap<ObjectId, Stored>, Error> {
        let mut stored = BTreeMap::new();
        for object in self.listed()?.0 {
            match std::fs::symlink_metadata(self.path(&object)) {
                Ok(metadata) => {
                    let arrived = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    stored.insert(object, Stored { size: metadata.len(), arrived });
                }
                Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
                Err(cause) => return Err(durable::Error::new("look at", self.path(&object), cause).into()),
            }
        }
        Ok(stored)
    }

    /// Removes these objects, which no record names any more (the caller has flushed that), and forgets what they were. The
    /// caller holds the store's lock.
    pub fn drop_objects(&self, objects: &BTreeMap<ObjectId, u64>) -> Result<(), Error> {
        for object in objects.keys() {
            durable::remove_file(&self.path(object))?;
        }
        self.forget(objects)
    }

    /// Writes `refs` anew without the lines that cannot be read. The caller holds the store's lock.
    pub fn mend_refs(&self) -> Result<(), Error> {
        Ok(self.with_refs(Refs::write_anew)?)
    }

    /// Removes parts, of packages that were fetched and of objects that were restored, that nothing was added to for [`STALE_PART`] before `now`, except those this run works on.
    /// Returns how many there were and their bytes. The caller holds the store's lock.
    pub fn sweep_incoming(&self, now: SystemTime) -> Result<(u64, u64), Error> {
        let folder = self.incoming_folder();
        let mut removed = (0, 0);
        let failed = |cause| durable::Error::new("list", &folder, cause);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let identity = name.strip_suffix(".part").and_then(parse_identity);
            if identity.is_none() && !is_part_of_object(name) {
                continue;
            }
            let metadata = entry.metadata().map_err(failed)?;
            let age = metadata.modified().map_err(failed)?;
            // A time in the future is a clock that was set back: the part may be new.
            if now.duration_since(age).is_ok_and(|age| age > STALE_PART)
                && !identity.is_some_and(|identity| self.is_in_use(&identity))
            {
                durable::remove_file(&entry.path())?;
                removed = (removed.0 + 1, removed.1 + metadata.len());
            }
        }
        Ok(removed)
    }
}
