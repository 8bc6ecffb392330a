//! What came in bundles.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::snapshots::{load_json, load_json_if_present, save_json};
use super::{Error, Ledger};
use crate::apk::v2::index::parse;
use crate::apk::v2::sections::{Limits, split_index};
use crate::apk::{Entry, ObjectId, SourceName};
use crate::disk::durable;
use crate::disk::lock::Lock;
use crate::snapshot::manifest::{BundleId, Carried, Manifest};

pub(super) const FOLDER_MODE: u32 = 0o700;

/// How many bundles a source remembers to have had: a year of them, one a day.
const MOST_IMPORTED: usize = 400;

/// Of how many bundles the index files stay that were in force before.
const BASES: usize = 10;

/// A bundle all of which was here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Which.
    pub id: BundleId,
    /// When the last of it came.
    pub time: Timestamp,
    /// The index files of its state: a sender that does not know of later ones builds on them.
    #[serde(default)]
    pub indexes: Vec<ObjectId>,
}

impl Ledger {
    fn from(&self, source: &SourceName) -> PathBuf {
        self.store.bundles_folder().join("from").join(source.as_str())
    }

    /// The manifest whose state a source with bundles gives; none before the first bundle was complete.
    pub fn bundle_in_force(&self, source: &SourceName) -> Result<Option<Manifest>, Error> {
        load_json_if_present(&self.from(source).join("in-force.json"))
    }

    /// Manifests of which something is still missing, the earliest first.
    pub fn pending_bundles(&self, source: &SourceName) -> Result<Vec<Manifest>, Error> {
        let mut pending = manifests(self.from(source).join("pending"))?;
        // A run that was stopped right after it put one in force left its manifest here.
        let in_force = self.bundle_in_force(source)?.map(|manifest| manifest.id);
        pending.retain(|manifest| Some(&manifest.id) > in_force.as_ref());
        Ok(pending)
    }

    /// Bundles that were complete here, the earliest first.
    pub fn imported_bundles(&self, source: &SourceName) -> Result<Vec<Imported>, Error> {
        Ok(load_json_if_present(&self.from(source).join("imported.json"))?.unwrap_or_default())
    }

    /// Remembers a manifest whose objects begin to come.
    pub fn save_pending_bundle(&self, source: &SourceName, manifest: &Manifest) -> Result<(), Error> {
        let folder = self.from(source).join("pending");
        durable::create_folder(&folder, FOLDER_MODE)?;
        save_json(&folder.join(format!("{}.json", manifest.id)), manifest)
    }

    /// Forgets what was pending of a bundle.
    pub fn drop_pending_bundle(&self, source: &SourceName, id: &BundleId) -> Result<(), Error> {
        let folder = self.from(source).join("pending");
        durable::remove_file(&folder.join(format!("{id}.json")))?;
        Ok(durable::flush_folder(&folder)?)
    }

    /// Notes that all of a bundle is here. It is not pending any more.
    pub fn note_imported(&self, source: &SourceName, manifest: &Manifest, now: Timestamp) -> Result<(), Error> {
        let id = &manifest.id;
        let mut imported = self.imported_bundles(source)?;
        if !imported.iter().any(|one| one.id == *id) {
            let indexes = manifest.repositories.iter().flat_map(Carried::indexes).copied().collect();
            imported.push(Imported { id: id.clone(), time: now, indexes });
            imported.drain(..imported.len().saturating_sub(MOST_IMPORTED));
            save_json(&self.from(source).join("imported.json"), &imported)?;
        }
        if self.from(source).join("pending").is_dir() {
            self.drop_pending_bundle(source, id)?;
        }
        Ok(())
    }

    /// Puts the state of `manifest` in force. All that it names is in the pool or among [`Ledger::bundled_index`].
    pub fn save_bundle_in_force(&self, source: &SourceName, manifest: &Manifest) -> Result<(), Error> {
        durable::create_folder(&self.from(source), FOLDER_MODE)?;
        save_json(&self.from(source).join("in-force.json"), manifest)
    }

    /// An index file that came in a bundle; none where it is not here, or is not what its name says any more.
    pub fn bundled_index(&self, source: &SourceName, index: &ObjectId) -> durable::Result<Option<Vec<u8>>> {
        index_at(&self.from(source).join("indexes").join(index.hex()), index)
    }

    /// What an index file that came in a bundle lists. One that is gone or damaged is an error: what it lists is still needed.
    pub fn bundled_entries(&self, source: &SourceName, index: &ObjectId) -> Result<Vec<Entry>, Error> {
        let path = self.from(source).join("indexes").join(index.hex());
        let bytes = self.bundled_index(source, index)?.ok_or_else(|| Error::Missing(path.clone()))?;
        let parts = split_index(&bytes, &Limits::of_our_own())
            .map_err(|cause| Error::Unreadable { path: path.clone(), cause: Box::new(cause) })?;
        parse(&parts.text).map_err(|cause| Error::Unreadable { path, cause: Box::new(cause) })
    }

    /// Keeps an index file that came in a bundle; returns its name.
    pub fn save_bundled_index(&self, source: &SourceName, bytes: &[u8]) -> durable::Result<ObjectId> {
        let id = ObjectId::new(Sha256::digest(bytes).into());
        let folder = self.from(source).join("indexes");
        durable::create_folder(&folder, FOLDER_MODE)?;
        durable::write(&folder.join(id.hex()), bytes, 0o400)?;
        Ok(id)
    }

    /// Removes index files that neither the manifest in force nor a pending one names, nor one of the last that were in force.
    pub fn drop_bundled_indexes(&self, source: &SourceName) -> Result<(), Error> {
        let mut named = BTreeSet::new();
        for manifest in self.bundle_in_force(source)?.iter().chain(&self.pending_bundles(source)?) {
            named.extend(manifest.repositories.iter().flat_map(|carried| carried.indexes()).map(ObjectId::hex));
        }
        let imported = self.imported_bundles(source)?;
        named.extend(imported.iter().rev().take(BASES).flat_map(|one| &one.indexes).map(ObjectId::hex));
        let folder = self.from(source).join("indexes");
        for name in durable::list(&folder)?.iter().filter(|name| !named.contains(*name)) {
            durable::remove_file(&folder.join(name))?;
        }
        Ok(())
    }

    /// Removes what killed imports left half written. The caller holds the lock.
    pub fn sweep_bundled(&self, _held: &Lock) -> Result<(), Error> {
        for source in self.bundled_sources()? {
            let folder = self.from(&source);
            for folder in [folder.join("pending"), folder.join("indexes"), folder] {
                if folder.is_dir() {
                    durable::sweep_temporaries(&folder)?;
                }
            }
        }
        Ok(())
    }

    /// Sources that bundles came for, whether or not they are configured still.
    pub fn bundled_sources(&self) -> Result<Vec<SourceName>, Error> {
        let names = durable::list(&self.store.bundles_folder().join("from"))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }
}

/// An index file by its digest; none where it is not there, or is not what its name says any more.
pub(super) fn index_at(path: &Path, id: &ObjectId) -> durable::Result<Option<Vec<u8>>> {
    let bytes = durable::read_if_present(path)?;
    Ok(bytes.filter(|bytes| ObjectId::new(Sha256::digest(bytes).into()) == *id))
}

/// The ids of the manifests in a folder, the earliest first.
pub(super) fn ids(folder: &Path) -> Result<Vec<BundleId>, Error> {
    let mut ids: Vec<BundleId> =
        durable::list(folder)?.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
    ids.sort();
    Ok(ids)
}

/// The manifests in a folder, the earliest first.
pub(super) fn manifests(folder: PathBuf) -> Result<Vec<Manifest>, Error> {
    ids(&folder)?.iter().map(|id| load_json(&folder.join(format!("{id}.json")))).collect()
}
