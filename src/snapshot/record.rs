//! All accepted indexes in force after a sync.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::accepted::IndexKey;

/// One accepted index of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InForce {
    /// Which index.
    #[serde(flatten)]
    pub key: IndexKey,
    /// What it is there for.
    #[serde(default, skip_serializing_if = "Role::is_listed")]
    pub role: Role,
    /// The id of its accepted state.
    pub accepted: String,
}

/// What an accepted index of a snapshot is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It is what the source lists.
    #[default]
    Listed,
    /// It is what we keep of what the source listed formerly: older versions, gathered by us from indexes that were accepted.
    Kept,
}

impl Role {
    fn is_listed(&self) -> bool {
        *self == Role::Listed
    }
}

/// All accepted indexes in force after a sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Time and content: `20261124T031700Z-9f3a1c20`.
    pub id: String,
    /// When it was taken.
    pub time: Timestamp,
    /// In order of their keys, each once in each role.
    pub indexes: Vec<InForce>,
}

impl Snapshot {
    /// A snapshot of these indexes, named after `now` and what it holds.
    pub fn new(mut indexes: Vec<InForce>, now: Timestamp) -> Self {
        indexes.sort();
        let mut hash = Sha256::new();
        for index in &indexes {
            let role = if index.role == Role::Kept { "\0kept" } else { "" };
            hash.update(format!("{}\0{}{role}\n", index.key, index.accepted));
        }
        let id = format!("{}-{}", now.strftime("%Y%m%dT%H%M%SZ"), crate::apk::checksum::hex(&hash.finalize()[..4]));
        Snapshot { id, time: now, indexes }
    }

    /// The accepted state of `key`.
    pub fn accepted(&self, key: &IndexKey) -> Option<&str> {
        self.find(key, Role::Listed)
    }

    /// What is kept of the older versions of `key`, an accepted index of its own.
    pub fn kept(&self, key: &IndexKey) -> Option<&str> {
        self.find(key, Role::Kept)
    }

    fn find(&self, key: &IndexKey, role: Role) -> Option<&str> {
        self.indexes.iter().find(|index| index.role == role && index.key == *key).map(|index| index.accepted.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_tells_time_and_content() {
        let key = |arch: &str| IndexKey {
            source: "alpine".parse().unwrap(),
            path: "v3.23/main".into(),
            arch: arch.parse().unwrap(),
        };
        let now = "2026-11-24T03:17:00.5Z".parse().unwrap();
        let one = InForce { key: key("x86"), role: Role::Listed, accepted: "1".into() };
        let two = InForce { key: key("aarch64"), role: Role::Listed, accepted: "2".into() };
        let snapshot = Snapshot::new(vec![one.clone(), two.clone()], now);
        assert!(snapshot.id.starts_with("20261124T031700Z-"), "{}", snapshot.id);
        assert_eq!(snapshot, Snapshot::new(vec![two, one.clone()], now));
        assert_ne!(snapshot.id, Snapshot::new(vec![one], now).id);
        assert_eq!(snapshot.accepted(&key("aarch64")), Some("2"));
        assert_eq!(snapshot.kept(&key("aarch64")), None);
        assert_eq!(serde_json::from_str::<Snapshot>(&serde_json::to_string(&snapshot).unwrap()).unwrap(), snapshot);
    }
}
