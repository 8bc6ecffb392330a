//! Who signs now.
//!
//! One key is configured. `key rotate` puts another beside it, and from then on both sign every index, the new one first, so
//! that a client which has either accepts it (apk-formats section 2.7). `key retire` ends that: the key that is retired never
//! signs again, even while the configuration still names it, because its successor is recorded.
//!
//! This is the record of it, and what follows from it; nothing here reads a key.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::KeyPlace;
use crate::apk::names::{PackageName, VersionText};
use crate::apk::{KeyId, ObjectId};

/// A key of ours and where its private half is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedKey {
    /// The key.
    #[serde(flatten)]
    pub key: KeyId,
    /// Where it is.
    pub place: KeyPlace,
}

/// Two keys sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The key that signed alone before.
    pub old: PlacedKey,
    /// The key that is to sign alone.
    pub new: PlacedKey,
    /// Since when both sign.
    pub since: Timestamp,
}

impl Rotation {
    /// When the old key may be retired.
    pub fn ripe(&self, min_overlap: SignedDuration) -> Timestamp {
        self.since.checked_add(min_overlap).unwrap_or(Timestamp::MAX)
    }
}

/// A key that never signs again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// The key.
    #[serde(flatten)]
    pub key: KeyId,
    /// Since when.
    pub time: Timestamp,
    /// Who signs in its place.
    pub successor: PlacedKey,
}

/// A key that has signed something that was published, with what its signatures are checked by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedKey {
    /// The key.
    #[serde(flatten)]
    pub key: KeyId,
    /// The public half, PEM.
    pub pem: String,
    /// Where its private half was then.
    pub place: KeyPlace,
    /// When it signed first.
    pub since: Timestamp,
}

/// One edition of the package that brings our public keys to clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// The package's name.
    pub name: PackageName,
    /// Its version: the day, and a revision among those of the day.
    pub version: VersionText,
    /// When it was made.
    pub time: Timestamp,
    /// The keys in it, the newest first.
    pub keys: Vec<KeyId>,
    /// The file that it was written as, once it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
}

/// All that is remembered of our keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningRecord {
    /// Two keys sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// Keys that never sign again, in the order in which they were retired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Retired>,
    /// Every key that ever signed, in the order in which it first did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<UsedKey>,
    /// The last edition of the keyring package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<Edition>,
}

impl SigningRecord {
    /// Who signs when the configuration names `configured`: the newest key first. A configured key that neither was retired
    /// nor is being rotated signs alone.
    pub fn signers(&self, configured: &PlacedKey) -> Vec<PlacedKey> {
        let mut current = configured;
        // A chain of successors is no longer than the list; a circle, which only a hand could write, ends, too.
        for _ in 0..self.retired.len() {
            match self.retired.iter().rev().find(|retired| retired.key == current.key) {
                Some(retired) => current = &retired.successor,
                None => break,
            }
        }
        match &self.rotation {
            // Where the configuration says that a key is goes before where it was when the rotation began.
            Some(rotation) if current.key == rotation.old.key => vec![rotation.new.clone(), current.clone()],
            Some(rotation) if current.key == rotation.new.key => vec![current.clone(), rotation.old.clone()],
            _ => vec![current.clone()],
        }
    }

    /// The rotation that `configured` has no part in, neither itself nor by a successor: nobody could say who signs.
    pub fn rotation_without(&self, configured: &PlacedKey) -> Option<&Rotation> {
        self.rotation.as_ref().filter(|_| self.signers(configured).len() == 1)
    }

    /// The key that signed under this name, where that was another one: a client has only one of a name.
    pub fn namesake(&self, key: &KeyId) -> Option<&KeyId> {
        let mut namesakes = self.used.iter().map(|used| &used.key).filter(|used| used.name == key.name);
        let last = namesakes.next_back()?;
        (last != key && namesakes.all(|other| other != key)).then_some(last)
    }

    /// Whether `key` was retired.
    pub fn is_retired(&self, key: &KeyId) -> bool {
        self.retired.iter().any(|retired| retired.key == *key)
    }

    /// Ends the rotation: the one of its two keys that is not `retired` signs on alone.
    pub fn retire(&mut self, retired: &KeyId, now: Timestamp) -> Option<&Retired> {
        let Rotation { old, new, .. } =
            self.rotation.take_if(|rotation| rotation.old.key == *retired || rotation.new.key == *retired)?;
        let successor = if old.key == *retired { new } else { old };
        // A key that signs again after all (a rotation that is taken back, back and forth) is not retired any more.
        self.retired.retain(|other| other.key != successor.key);
        self.retired.push(Retired { key: retired.clone(), time: now, successor });
        self.retired.last()
    }

    /// The edition of the keyring package `name` that holds `keys`: the last one as long as it does. Whether it is new. A later
    /// edition has a higher version, also when the clock was set back.
    pub fn edition(&mut self, name: &PackageName, keys: &[KeyId], now: Timestamp) -> (Edition, Noted) {
        if let Some(last) = self.edition.as_ref().filter(|last| last.name == *name && last.keys == keys) {
            return (last.clone(), Noted::Before);
        }
        (self.next_edition(name, keys, now), Noted::New)
    }

    /// The edition after the last one, whatever that holds.
    pub fn next_edition(&mut self, name: &PackageName, keys: &[KeyId], now: Timestamp) -> Edition {
        let day = |time: Timestamp| time.strftime("%Y%m%d").to_string();
        let last = self.edition.as_ref().and_then(|last| {
            let (day, revision) = last.version.as_str().split_once("-r")?;
            Some((day.to_owned(), revision.parse::<u32>().ok()?))
        });
        let (day, revision) = match last {
            // Eight digits each: their order as text is that of the days.
            Some((last, revision)) if last >= day(now) => (last, revision + 1),
            _ => (day(now), 0),
        };
        let version = format!("{day}-r{revision}").parse().expect("digits and a revision are a version");
        let edition = Edition { name: name.clone(), version, time: now, keys: keys.to_vec(), object: None };
        self.edition = Some(edition.clone());
        edition
    }

    /// Notes that a key signed. Whether that was new.
    pub fn note_used(&mut self, placed: PlacedKey, pem: String, now: Timestamp) -> Noted {
        if self.used.iter().any(|used| used.key == placed.key) {
            return Noted::Before;
        }
        self.used.push(UsedKey { key: placed.key, pem, place: placed.place, since: now });
        Noted::New
    }
}

/// Whether something was to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It was.
    New,
    /// It was known.
    Before,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::KeyFile;

    fn key(name: &str) -> PlacedKey {
        let key =
            KeyId { name: format!("{name}.rsa.pub").parse().unwrap(), fingerprint: format!("{name}{name}{name}") };
        PlacedKey { key, place: KeyPlace::File(KeyFile::plain(format!("/keys/{name}.rsa"))) }
    }

    fn names(keys: &[PlacedKey]) -> Vec<&str> {
        keys.iter().map(|key| key.key.name.as_str().trim_end_matches(".rsa.pub")).collect()
    }

    fn rotating(old: &str, new: &str) -> SigningRecord {
        let rotation = Rotation { old: key(old), new: key(new), since: Timestamp::UNIX_EPOCH };
        SigningRecord { rotation: Some(rotation), ..SigningRecord::default() }
    }

    #[test]
    fn while_two_sign_the_new_one_comes_first_whichever_is_configured() {
        let record = rotating("old", "new");
        assert_eq!(names(&record.signers(&key("old"))), ["new", "old"]);
        assert_eq!(names(&record.signers(&key("new"))), ["new", "old"]);
        // A third key that somebody wrote into the configuration is neither.
        assert_eq!(names(&record.signers(&key("third"))), ["third"]);
        // A key file that moved is looked for where the configuration says.
        let moved = PlacedKey { place: KeyPlace::File(KeyFile::plain("/elsewhere/old.rsa")), ..key("old") };
        assert_eq!(record.signers(&moved)[1], moved);
    }

    #[test]
    fn a_retired_key_never_signs_again() {
        let mut record = rotating("old", "new");
        assert_eq!(record.retire(&key("other").key, Timestamp::UNIX_EPOCH), None);
        assert!(record.rotation.is_some());
        assert_eq!(record.retire(&key("old").key, Timestamp::UNIX_EPOCH).unwrap().successor, key("new"));
        assert_eq!(names(&record.signers(&key("old"))), ["new"]);
        assert_eq!(names(&record.signers(&key("new"))), ["new"]);
        // One rotation later the first key still leads to the last.
        record.rotation = Some(Rotation { old: key("new"), new: key("newer"), since: Timestamp::UNIX_EPOCH });
        assert_eq!(names(&record.signers(&key("old"))), ["newer", "new"]);
        record.retire(&key("new").key, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(names(&record.signers(&key("old"))), ["newer"]);
        assert!(record.is_retired(&key("old").key) && !record.is_retired(&key("newer").key));
    }

    #[test]
    fn a_rotation_can_be_taken_back() {
        let mut record = rotating("old", "new");
        assert_eq!(record.retire(&key("new").key, Timestamp::UNIX_EPOCH).unwrap().successor, key("old"));
        assert_eq!(names(&record.signers(&key("old"))), ["old"]);
        assert_eq!(names(&record.signers(&key("new"))), ["old"]);
    }

    #[test]
    fn a_later_edition_has_a_higher_version() {
        let name: PackageName = "corp-keys".parse().unwrap();
        let mut record = SigningRecord::default();
        let mut edition = |keys: &[&str], time: &str| {
            let keys: Vec<KeyId> = keys.iter().map(|name| key(name).key).collect();
            let (edition, noted) = record.edition(&name, &keys, time.parse().unwrap());
            (edition.version.to_string(), noted)
        };
        let new = |version: &str| (version.to_owned(), Noted::New);
        assert_eq!(edition(&["a"], "2026-11-24T10:00:00Z"), new("20261124-r0"));
        assert_eq!(edition(&["a"], "2026-11-25T10:00:00Z"), ("20261124-r0".to_owned(), Noted::Before));
        assert_eq!(edition(&["b", "a"], "2026-11-24T12:00:00Z"), new("20261124-r1"));
        assert_eq!(edition(&["b"], "2026-11-23T12:00:00Z"), new("20261124-r2"));
        assert_eq!(edition(&["c", "b"], "2026-12-01T12:00:00Z"), new("20261201-r0"));
    }

    #[test]
    fn a_circle_of_successors_ends() {
        let mut record = SigningRecord::default();
        for (old, new) in [("a", "b"), ("b", "a")] {
            let retired = Retired { key: key(old).key, time: Timestamp::UNIX_EPOCH, successor: key(new) };
            record.retired.push(retired);
        }
        assert_eq!(record.signers(&key("a")).len(), 1);
    }

    #[test]
    fn the_record_reads_back() {
        let mut record = rotating("old", "new");
        assert_eq!(record.note_used(key("old"), "pem".into(), Timestamp::UNIX_EPOCH), Noted::New);
        assert_eq!(record.note_used(key("old"), "pem".into(), Timestamp::UNIX_EPOCH), Noted::Before);
        record.retire(&key("old").key, Timestamp::UNIX_EPOCH).unwrap();
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<SigningRecord>(&text).unwrap(), record);
        assert_eq!(serde_json::from_str::<SigningRecord>("{}").unwrap(), SigningRecord::default());
    }
}
