//! Where index files come from that a tree or a record lost. One signed by us can be made by signing alone; but its bytes may lie elsewhere:
//! in another tree, in an accepted record where it is upstream's own, in what bundles brought or took, in a backup.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::look::Seen;
use super::offers::Offers;
use crate::apk::ObjectId;
use crate::backup::restore::Shelf;
use crate::bundle::Offered;
use crate::jobs::check::hash;
use crate::jobs::{Error, Mirror};

/// The longest index file that is taken, bytes. The largest of Alpine's has 2 MB.
const LARGEST: u64 = 256 << 20;

/// Index files that are wrong somewhere, and right elsewhere.
#[derive(Debug, Default)]
pub(super) struct Indexes(BTreeMap<ObjectId, Found>);

/// An index file's bytes, and where they are from.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) bytes: Vec<u8>,
    pub(super) from: String,
    /// The file of a tree that has them.
    pub(super) file: Option<PathBuf>,
}

impl Indexes {
    /// Finds what is wanted, as far as somebody has it; each is hashed.
    pub(super) fn find(mirror: &Mirror<'_>, seen: &Seen, offers: &Offers) -> Result<Indexes, Error> {
        let wanted: BTreeSet<ObjectId> = seen.indexes.iter().map(|bad| bad.index).collect();
        let mut found = Indexes::default();
        for index in &wanted {
            for path in seen.index_files.get(index).into_iter().flatten() {
                if found.lacks(index) && hash(path).is_ok_and(|digest| digest == *index) {
                    found.take_file(index, path, Some(path));
                }
            }
        }
        for id in mirror.ledger.accepted_ids()? {
            // A record that does not read is none to take from.
            let Ok(record) = mirror.ledger.accepted_record(&id) else { continue };
            if wanted.contains(&record.index)
                && found.lacks(&record.index)
                && let Ok(accepted) = mirror.ledger.accepted(&id)
            {
                found.take(&record.index, accepted.bytes(), format!("what was accepted of {}", record.key));
            }
        }
        for index in &wanted {
            for source in mirror.ledger.bundled_sources()? {
                if let Some(bytes) = mirror.ledger.bundled_index(&source, index)? {
                    found.take(index, &bytes, format!("what bundles brought of source \"{source}\""));
                }
            }
            if let Some(bytes) = mirror.ledger.sent_index(index).ok().flatten() {
                found.take(index, &bytes, "what was sent in a bundle".to_owned());
            }
            for path in &offers.indexes {
                if found.lacks(index) && hash(path).is_ok_and(|digest| digest == *index) {
                    found.take_file(index, path, None);
                }
            }
        }
        for shelved in &offers.backups {
            let shelf = Shelf::new(&shelved.target, &shelved.backup);
            for index in wanted.iter().filter(|index| shelved.objects.contains(index)) {
                let stored = shelf.find(index).filter(|stored| stored.size <= LARGEST && found.lacks(index));
                if let Some(bytes) = stored.and_then(|stored| shelf.load(stored).ok()) {
                    found.take(index, &bytes, shelved.shown());
                }
            }
        }
        for opened in &offers.bundles {
            let wanted = |object: &ObjectId| wanted.contains(object) && found.lacks(object);
            let mut loaded = Vec::new();
            for offered in Offered::of(&opened.volume, &opened.verified, wanted) {
                let mut bytes = Vec::new();
                // One that is a delta is over an index that a shelf had; where none does, others may have it whole.
                if let Ok(Some(reader)) = offered.open(|_| Ok(None))
                    && reader.take(LARGEST).read_to_end(&mut bytes).is_ok()
                {
                    loaded.push((offered.packed().sha256, bytes));
                }
            }
            loaded.iter().for_each(|(index, bytes)| found.take(index, bytes, opened.shown()));
        }
        Ok(found)
    }

    /// The bytes of an index, if somebody has them.
    pub(super) fn of(&self, index: &ObjectId) -> Option<&Found> {
        self.0.get(index)
    }

    fn lacks(&self, index: &ObjectId) -> bool {
        !self.0.contains_key(index)
    }

    fn take_file(&mut self, index: &ObjectId, path: &Path, file: Option<&PathBuf>) {
        let mut bytes = Vec::new();
        if File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes)).is_ok() {
            self.take(index, &bytes, path.display().to_string());
            if let Some(found) = self.0.get_mut(index) {
                found.file = file.cloned();
            }
        }
    }

    /// Takes bytes that have this digest; others are not it, whoever gives them.
    fn take(&mut self, index: &ObjectId, bytes: &[u8], from: String) {
        if self.lacks(index) && ObjectId::new(Sha256::digest(bytes).into()) == *index {
            self.0.insert(*index, Found { bytes: bytes.to_vec(), from, file: None });
        }
    }
}
