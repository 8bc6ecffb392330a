//! One source's index for a path and arch.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::apk::names::{Arch, KeyName, SourceName};
use crate::apk::v2::index::{self, BadIndex};
use crate::apk::v2::sections::{self, BadSections, Limits};
use crate::apk::{Entry, ObjectId, SignedId};
use crate::verify::VerifiedIndex;

/// Which index: of this source, in this folder below its URL, for this arch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IndexKey {
    /// The source.
    pub source: SourceName,
    /// Checked segments joined by `/`, or empty for the source's top and for directories. `@origin/` stands before those of an
    /// index that bundles carry of their sender's upstream.
    pub path: String,
    /// The arch.
    pub arch: Arch,
}

impl IndexKey {
    /// `v3.23/main/x86_64`, or the arch alone at the top.
    pub fn place(&self) -> String {
        if self.path.is_empty() { self.arch.to_string() } else { format!("{}/{}", self.path, self.arch) }
    }
}

impl fmt::Display for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from source \"{}\"", self.place(), self.source)
    }
}

/// Where an index came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A source's own signed file.
    Signed,
    /// Gathered from the packages of a directory.
    Gathered,
}

/// Whose good signature was found when it was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedBy {
    /// The key's file name.
    pub key: KeyName,
    /// SHA-256 of the key's DER, hex.
    pub fingerprint: String,
}

/// The record that stands beside the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which index this is.
    #[serde(flatten)]
    pub key: IndexKey,
    /// Where it came from.
    pub kind: Kind,
    /// SHA-256 of the index file.
    pub index: ObjectId,
    /// Upstream's words for this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who signed it.
    pub signers: Vec<SignedBy>,
    /// When it was accepted.
    pub time: Timestamp,
}

/// One source's index, accepted.
#[derive(Clone, Debug)]
pub struct AcceptedIndex {
    record: Record,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    objects: Vec<Option<ObjectId>>,
}

/// Why a stored record is not what was put there.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The index file's bytes changed.
    #[error("its APKINDEX.tar.gz is not the file that was accepted")]
    Index,
    /// The index file does not parse any more, though its bytes are the same: a bug, or an older bivouac's record.
    #[error("its APKINDEX.tar.gz does not read back")]
    Sections(#[source] BadSections),
    /// Likewise.
    #[error("its APKINDEX.tar.gz does not read back")]
    Entries(#[source] BadIndex),
    /// The list of objects does not fit the entries.
    #[error("its list of objects does not fit its index")]
    Objects,
}

impl AcceptedIndex {
    /// A source's signed index with the object of each entry, where there is one (a partial mirror does not hold all).
    pub fn signed(
        key: IndexKey,
        index: VerifiedIndex,
        object_of: impl Fn(&Entry) -> Option<ObjectId>,
        now: Timestamp,
    ) -> Self {
        let signers = index
            .signers()
            .iter()
            .map(|signer| SignedBy { key: signer.key.clone(), fingerprint: signer.fingerprint.to_string() })
            .collect();
        let objects = index.entries().iter().map(object_of).collect();
        let record = Record {
            key,
            kind: Kind::Signed,
            index: ObjectId::new(Sha256::digest(index.bytes()).into()),
            description: index.description().map(str::to_owned),
            signers,
            time: now,
        };
        AcceptedIndex { record, bytes: index.bytes().to_vec(), entries: index.entries().to_vec(), objects }
    }

    /// The packages of a directory for one arch, with the object of each.
    pub fn gathered(key: IndexKey, packages: Vec<(Entry, ObjectId)>, signers: Vec<SignedBy>, now: Timestamp) -> Self {
        let (entries, objects): (Vec<Entry>, Vec<_>) =
            packages.into_iter().map(|(entry, id)| (entry, Some(id))).unzip();
        let bytes = index::member("", &index::print(&entries), 0);
        let index = ObjectId::new(Sha256::digest(&bytes).into());
        let record = Record { key, kind: Kind::Gathered, index, description: None, signers, time: now };
        AcceptedIndex { record, bytes, entries, objects }
    }

    /// Takes stored parts together again.
    pub fn reload(record: Record, bytes: Vec<u8>, objects: &str) -> Result<Self, Damage> {
        if ObjectId::new(Sha256::digest(&bytes).into()) != record.index {
            return Err(Damage::Index);
        }
        let parts = sections::split_index(&bytes, &Limits::of_our_own()).map_err(Damage::Sections)?;
        let entries = index::parse(&parts.text).map_err(Damage::Entries)?;
        let objects: Vec<Option<ObjectId>> = objects
            .lines()
            .map(|line| if line == "-" { Ok(None) } else { line.parse().map(Some) })
            .collect::<Result<_, _>>()
            .map_err(|_| Damage::Objects)?;
        if objects.len() != entries.len() {
            return Err(Damage::Objects);
        }
        Ok(AcceptedIndex { record, bytes, entries, objects })
    }

    /// The same index with objects looked up anew: a selection that grew.
    pub fn with_objects(&self, object_of: impl Fn(&Entry) -> Option<ObjectId>) -> Self {
        AcceptedIndex { objects: self.entries.iter().map(object_of).collect(), ..self.clone() }
    }

    /// Names this record: hex of a SHA-256 over key, signers, index file and objects. The same acceptance has the same id.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.record.key.to_string());
        hash.update([0]);
        for signer in &self.record.signers {
            hash.update(format!("{}\0{}\0", signer.key, signer.fingerprint));
        }
        hash.update([0]);
        hash.update(self.record.index.as_bytes());
        hash.update(self.print_objects());
        crate::apk::checksum::hex(&hash.finalize()[..16])
    }

    /// One line for each entry, in the index's order: the object's id, or `-` where the package was not taken.
    pub fn print_objects(&self) -> String {
        let mut text = String::with_capacity(self.objects.len() * 65);
        for object in &self.objects {
            match object {
                Some(id) => text.push_str(&id.hex()),
                None => text.push('-'),
            }
            text.push('\n');
        }
        text
    }

    /// The record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Which index this is.
    pub fn key(&self) -> &IndexKey {
        &self.record.key
    }

    /// The index file, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Names what was signed, whoever signed it.
    pub fn signed_id(&self) -> Result<SignedId, Damage> {
        let parts = sections::split_signatures(&self.bytes, &Limits::of_our_own()).map_err(Damage::Sections)?;
        Ok(SignedId::new(Sha256::digest(&self.bytes[parts.signed_from..]).into()))
    }

    /// Its records, in file order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The object of the entry at `at`, if its package was taken.
    pub fn object(&self, at: usize) -> Option<ObjectId> {
        self.objects.get(at).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        let text = format!("C:Q1UIdteUHTaO3a/78FIhzsauTtuzU=\nP:{name}\nV:1\nA:x86\nS:1\nI:2\nT:\nU:\nL:");
        Entry::parse(&text).unwrap()
    }

    fn gathered() -> AcceptedIndex {
        let key = IndexKey { source: "corp".parse().unwrap(), path: String::new(), arch: "x86".parse().unwrap() };
        AcceptedIndex::gathered(key, vec![(entry("a"), ObjectId::new([7; 32]))], vec![], Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn what_is_stored_comes_back() {
        let index = gathered().with_objects(|_| None);
        assert_eq!(index.print_objects(), "-\n");
        for index in [gathered(), index] {
            let back =
                AcceptedIndex::reload(index.record.clone(), index.bytes.clone(), &index.print_objects()).unwrap();
            assert_eq!((back.id(), back.entries, back.objects), (index.id(), index.entries, index.objects));
        }
    }

    #[test]
    fn damage_is_named() {
        let index = gathered();
        let mut bytes = index.bytes.clone();
        bytes[40] ^= 1;
        assert!(matches!(AcceptedIndex::reload(index.record.clone(), bytes, "-\n"), Err(Damage::Index)));
        for objects in ["", "-\n-\n", "x\n"] {
            let result = AcceptedIndex::reload(index.record.clone(), index.bytes.clone(), objects);
            assert!(matches!(result, Err(Damage::Objects)), "{objects:?}");
        }
    }
}
