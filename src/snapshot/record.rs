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
    /// The id of its accepted state.
    pub accepted: String,
}

/// All accepted indexes in force after a sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Time and content: `20261124T031700Z-9f3a1c20`.
    pub id: String,
    /// When it was taken.
    pub time: Timestamp,
    /// In order of their keys, each once.
    pub indexes: Vec<InForce>,
}

impl Snapshot {
    /// A snapshot of these indexes, named after `now` and what it holds.
    pub fn new(mut indexes: Vec<InForce>, now: Timestamp) -> Self {
        indexes.sort();
        let mut hash = Sha256::new();
        for index in &indexes {
            hash.update(format!("{}\0{}\n", index.key, index.accepted));
        }
        let id = format!("{}-{}", now.strftime("%Y%m%dT%H%M%SZ"), crate::apk::checksum::hex(&hash.finalize()[..4]));
        Snapshot { id, time: now, indexes }
    }

    /// The accepted state of `key`.
    pub fn accepted(&self, key: &IndexKey) -> Option<&str> {
        self.indexes.iter().find(|index| index.key == *key).map(|index| index.accepted.as_str())
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
        let one = InForce { key: key("x86"), accepted: "1".into() };
        let two = InForce { key: key("aarch64"), accepted: "2".into() };
        let snapshot = Snapshot::new(vec![one.clone(), two.clone()], now);
        assert!(snapshot.id.starts_with("20261124T031700Z-"), "{}", snapshot.id);
        assert_eq!(snapshot, Snapshot::new(vec![two, one.clone()], now));
        assert_ne!(snapshot.id, Snapshot::new(vec![one], now).id);
        assert_eq!(snapshot.accepted(&key("aarch64")), Some("2"));
    }
}
