//! Bundles that were made here. What each brought its receiver is remembered whole, so that a later one can build on it although
//! its manifest lists only what it carried, and although prune has dropped some of it since.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};

use super::bundles::{FOLDER_MODE, ids, index_at, manifests};
use super::generations::{load_files, save_files};
use super::snapshots::{load_json, save_json};
use super::{Error, Ledger};
use crate::apk::ObjectId;
use crate::disk::durable;
use crate::plan::bundle::SentPlace;
use crate::plan::publish::Placed;
use crate::snapshot::manifest::{BundleId, Manifest};

/// So many of the newest bundles are remembered. Each takes some 200 bytes a package: 50 of all of Alpine, 250 MB.
const MOST_SENT: usize = 50;

impl Ledger {
    fn sent(&self) -> PathBuf {
        self.store.bundles_folder().join("sent")
    }

    fn sent_manifest(&self, id: &BundleId) -> PathBuf {
        self.sent().join(format!("{id}.json"))
    }

    fn sent_objects(&self, id: &BundleId) -> PathBuf {
        self.sent().join(format!("{id}.objects"))
    }

    fn sent_index_file(&self, index: &ObjectId) -> PathBuf {
        self.sent().join("indexes").join(index.hex())
    }

    /// The manifests of bundles that were made here, the earliest first.
    pub fn sent_bundles(&self) -> Result<Vec<Manifest>, Error> {
        manifests(self.sent())
    }

    /// The ids of bundles that were made here, the earliest first.
    pub fn sent_bundle_ids(&self) -> Result<Vec<BundleId>, Error> {
        ids(&self.sent())
    }

    /// The state that bundle `id` brought: its manifest, and the packages of each of its repositories, whoever carried them.
    pub fn sent_bundle(&self, id: &BundleId) -> Result<(Manifest, Vec<SentPlace>), Error> {
        let manifest: Manifest = load_json(&self.sent_manifest(id))?;
        let places = manifest.repositories.iter().map(|carried| (&carried.name, &carried.arch));
        let files: Vec<Vec<Placed>> = load_files(&self.sent_objects(id), places)?;
        let places = manifest.repositories.iter().cloned().zip(files);
        let places = places.map(|(carried, files)| SentPlace { carried, files }).collect();
        Ok((manifest, places))
    }

    /// An index file of a bundle that was made here; none where it is not kept any more, or damaged.
    pub fn sent_index(&self, index: &ObjectId) -> Result<Option<Vec<u8>>, Error> {
        Ok(index_at(&self.sent_index_file(index), index)?)
    }

    /// Remembers a bundle that was made here, with all index files of its state, and forgets the oldest where there are too
    /// many. It is remembered when its manifest has its name, which comes last.
    pub fn save_sent_bundle<'i>(
        &self,
        manifest: &Manifest,
        places: &[SentPlace],
        indexes: impl IntoIterator<Item = (&'i ObjectId, &'i Vec<u8>)>,
    ) -> Result<(), Error> {
        let indexes_folder = self.sent().join("indexes");
        durable::create_folder(&indexes_folder, FOLDER_MODE)?;
        // A bundle is made beside anything, so no lock tells a killed run's leftovers from another run's work.
        let a_day_ago = manifest.time.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
        let a_day_ago = a_day_ago.try_into().unwrap_or(SystemTime::UNIX_EPOCH);
        for folder in [self.store.bundles_folder(), self.sent(), indexes_folder] {
            durable::sweep_old_temporaries(&folder, a_day_ago)?;
        }
        for (index, bytes) in indexes {
            let path = self.sent_index_file(index);
            if !path.is_file() {
                durable::write(&path, bytes, 0o400)?;
            }
        }
        let files = places.iter().map(|SentPlace { carried, files }| (&carried.name, &carried.arch, files.as_slice()));
        save_files(&self.sent_objects(&manifest.id), files)?;
        save_json(&self.sent_manifest(&manifest.id), manifest)?;
        self.drop_sent_surplus()
    }

    fn drop_sent_surplus(&self) -> Result<(), Error> {
        let ids = self.sent_bundle_ids()?;
        let surplus = ids.len().saturating_sub(MOST_SENT);
        for id in &ids[..surplus] {
            durable::remove_file(&self.sent_manifest(id))?;
            durable::remove_file(&self.sent_objects(id))?;
        }
        if surplus == 0 {
            return Ok(());
        }
        let manifests = self.sent_bundles()?;
        let places = manifests.iter().flat_map(|manifest| &manifest.repositories);
        let named: BTreeSet<String> = places.flat_map(|carried| carried.indexes()).map(ObjectId::hex).collect();
        let folder = self.sent().join("indexes");
        for name in durable::list(&folder)?.iter().filter(|name| !named.contains(*name)) {
            durable::remove_file(&folder.join(name))?;
        }
        Ok(durable::flush_folder(&self.sent())?)
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::apk::Identity;
    use crate::apk::names::PackageFile;
    use crate::disk::layout::Store;
    use crate::snapshot::manifest::{Carried, FORM};

    /// The `number`th bundle, whose one index is its own.
    fn sent(number: u8) -> (Manifest, Vec<SentPlace>, ObjectId, Vec<u8>) {
        let time = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(number.into());
        let bytes = vec![number];
        let index = ObjectId::new(Sha256::digest(&bytes).into());
        let carried = Carried {
            name: "{arch}/main".parse().unwrap(),
            arch: "x86_64".parse().unwrap(),
            index,
            origins: vec![],
            whole: None,
            packages: 1,
            bytes: 3,
        };
        let placed = Placed {
            file: PackageFile::new(&"a".parse().unwrap(), &"1-r0".parse().unwrap()).unwrap(),
            object: ObjectId::new([number; 32]),
            identity: Identity::new([2; 20]),
            size: 3,
            left: None,
        };
        let places = vec![SentPlace { carried: carried.clone(), files: vec![placed] }];
        let id = BundleId::new(time, [number; 4]);
        let (keys, repositories, objects) = (vec![], vec![carried], vec![]);
        let manifest = Manifest {
            bundle: FORM,
            id,
            time,
            expires: time,
            base: None,
            keys,
            repositories,
            volumes: 1,
            objects,
            tool: None,
        };
        (manifest, places, index, bytes)
    }

    #[test]
    fn the_newest_are_remembered_whole() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(Store::open_or_create(&folder.path().join("store")).unwrap());
        assert!(ledger.sent_bundle_ids().unwrap().is_empty());
        let total = MOST_SENT + 3;
        for number in 0..total {
            let (manifest, places, index, bytes) = sent(u8::try_from(number).unwrap());
            ledger.save_sent_bundle(&manifest, &places, [(&index, &bytes)]).unwrap();
            assert_eq!(ledger.sent_bundle(&manifest.id).unwrap(), (manifest, places));
        }
        assert_eq!(ledger.sent_bundle_ids().unwrap().len(), MOST_SENT);
        for number in 0..total {
            let (manifest, _, index, bytes) = sent(u8::try_from(number).unwrap());
            let kept = number >= 3;
            assert_eq!(ledger.sent_bundle(&manifest.id).is_ok(), kept, "{number}");
            assert_eq!(ledger.sent_index(&index).unwrap(), kept.then_some(bytes), "{number}");
        }
    }
}
