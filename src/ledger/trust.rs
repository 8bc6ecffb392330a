//! What a replay and a new signer are noticed by. Unlike `state.json` it cannot be had again: while a file is there that does
//! not read, nothing is synced, for an empty memory would take any replay for news.
//!
//! It is saved *before* the snapshot that makes an index the one in force. A run that is stopped between the two leaves a
//! state here that never took effect, as the newest of its history; the next run finds another one in force, and forgets it
//! ([`History::accept`]). The other way round a state would be in force and not remembered once the next one came.

use serde::{Deserialize, Serialize};

use super::snapshots::{load_json_if_present, save_json};
use super::{Error, Ledger};
use crate::apk::{Arch, SignedId, SourceName};
use crate::snapshot::IndexKey;
use crate::verify::accepted::{History, Signers};

/// What was accepted before, and whose signatures vouch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    indexes: Vec<OfIndex>,
    signers: Vec<OfSource>,
    #[serde(skip)]
    change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OfIndex {
    #[serde(flatten)]
    key: IndexKey,
    #[serde(flatten)]
    history: History,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OfSource {
    source: SourceName,
    arch: Arch,
    #[serde(flatten)]
    signers: Signers,
}

/// Whether there is something to save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Change {
    #[default]
    Saved,
    Unsaved,
}

impl Trust {
    /// What was accepted of an index before.
    pub fn history(&self, key: &IndexKey) -> Option<&History> {
        self.indexes.iter().find(|one| one.key == *key).map(|one| &one.history)
    }

    /// What was accepted of the other indexes of the same source and arch.
    pub fn histories_beside<'t>(&'t self, key: &'t IndexKey) -> impl Iterator<Item = (&'t IndexKey, &'t History)> {
        let beside = |one: &&OfIndex| one.key != *key && one.key.source == key.source && one.key.arch == key.arch;
        self.indexes.iter().filter(beside).map(|one| (&one.key, &one.history))
    }

    /// The same, to be changed.
    pub fn history_mut(&mut self, key: &IndexKey) -> &mut History {
        self.change = Change::Unsaved;
        let at = self.indexes.iter().position(|one| one.key == *key).unwrap_or_else(|| {
            self.indexes.push(OfIndex { key: key.clone(), history: History::default() });
            self.indexes.len() - 1
        });
        &mut self.indexes[at].history
    }

    /// Who vouches for indexes of this source and arch.
    pub fn signers(&self, source: &SourceName, arch: &Arch) -> Option<&Signers> {
        self.signers.iter().find(|one| one.source == *source && one.arch == *arch).map(|one| &one.signers)
    }

    /// The same, to be changed.
    pub fn signers_mut(&mut self, source: &SourceName, arch: &Arch) -> &mut Signers {
        self.change = Change::Unsaved;
        let is_meant = |one: &OfSource| one.source == *source && one.arch == *arch;
        let at = self.signers.iter().position(is_meant).unwrap_or_else(|| {
            let signers = Signers::default();
            self.signers.push(OfSource { source: source.clone(), arch: arch.clone(), signers });
            self.signers.len() - 1
        });
        &mut self.signers[at].signers
    }

    /// The arches of a source of which anything is known.
    pub fn arches(&self, source: &SourceName) -> Vec<Arch> {
        self.signers.iter().filter(|one| one.source == *source).map(|one| one.arch.clone()).collect()
    }
}

impl Ledger {
    /// Names what was signed of an accepted index.
    pub fn signed_id(&self, id: &str) -> Result<SignedId, Error> {
        let signed = self.accepted(id)?.signed_id();
        let path = self.store.accepted_folder().join(id);
        signed.map_err(|cause| Error::Accepted { path, cause })
    }

    /// What is remembered; `None` where nothing was saved yet.
    pub fn trust(&self) -> Result<Option<Trust>, Error> {
        load_json_if_present(&self.store.trust_file())
    }

    /// Saves it, if it was changed since it was loaded or saved.
    pub fn save_trust(&self, trust: &mut Trust) -> Result<(), Error> {
        if trust.change == Change::Unsaved {
            save_json(&self.store.trust_file(), trust)?;
            trust.change = Change::Saved;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apk::ObjectId;
    use crate::disk::durable;
    use crate::disk::layout::Store;
    use crate::error::{Class, Trouble as _};
    use crate::verify::accepted::{How, Seen, Step};

    #[test]
    fn it_comes_back_as_it_was_saved_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_or_create(&folder.path().join("store")).unwrap();
        let file = store.trust_file();
        let ledger = Ledger::new(store);
        assert_eq!(ledger.trust().unwrap(), None);
        let mut trust = Trust::default();
        ledger.save_trust(&mut trust).unwrap();
        assert_eq!(ledger.trust().unwrap(), None, "there was nothing to save");
        let key = IndexKey { source: "up".parse().unwrap(), path: "main".into(), arch: "x86".parse().unwrap() };
        let time = "2026-11-24T03:17:00Z".parse().unwrap();
        let seen = Seen { signed: SignedId::new([1; 32]), time, description: Some("v3.23.0-4-gabc".into()) };
        trust.history_mut(&key).accept(seen, ObjectId::new([2; 32]), Step::Forward);
        let signer = "k.rsa.pub".parse().unwrap();
        trust.signers_mut(&key.source, &key.arch).insert(signer, "f".into(), time, How::FirstContact);
        ledger.save_trust(&mut trust).unwrap();
        assert_eq!(ledger.trust().unwrap(), Some(trust));
        durable::write(&file, b"{", 0o600).unwrap();
        let error = ledger.trust().unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Damaged, "record-damaged"));
    }
}
