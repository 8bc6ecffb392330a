//! All accepted indexes in force after a sync.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::accepted::IndexKey;
use super::carried::CarriedFrom;

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
    /// Origins that keep the entries of an earlier state, because packages of this one could not be had; each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<CarriedFrom>,
}

impl InForce {
    /// An accepted state by itself.
    pub fn of(key: IndexKey, role: Role, accepted: String) -> Self {
        InForce { key, role, accepted, carried: Vec::new() }
    }

    /// All accepted states whose entries are in force: its own and those that are carried from.
    pub fn states(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.accepted).chain(self.carried.iter().map(|carried| &carried.accepted)).map(String::as_str)
    }

    /// A word that is another one whenever other entries are in force.
    pub fn word(&self) -> String {
        let mut word = self.accepted.clone();
        for carried in &self.carried {
            word.push_str(&format!(" {}:", carried.accepted));
            carried.origins.iter().for_each(|origin| word.push_str(&format!(" {origin}")));
        }
        word
    }
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
            hash.update(format!("{}\0{}{role}\n", index.key, index.word()));
        }
        let id = format!("{}-{}", now.strftime("%Y%m%dT%H%M%SZ"), crate::apk::checksum::hex(&hash.finalize()[..4]));
        Snapshot { id, time: now, indexes }
    }

    /// What is in force of `key`.
    pub fn in_force(&self, key: &IndexKey) -> Option<&InForce> {
        self.find(key, Role::Listed)
    }

    /// The accepted state of `key`.
    pub fn accepted(&self, key: &IndexKey) -> Option<&str> {
        self.in_force(key).map(|index| index.accepted.as_str())
    }

    /// What is kept of the older versions of `key`, an accepted index of its own.
    pub fn kept(&self, key: &IndexKey) -> Option<&str> {
        self.find(key, Role::Kept).map(|index| index.accepted.as_str())
    }

    fn find(&self, key: &IndexKey, role: Role) -> Option<&InForce> {
        self.indexes.iter().find(|index| index.role == role && index.key == *key)
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
        let one = InForce::of(key("x86"), Role::Listed, "1".into());
        let two = InForce::of(key("aarch64"), Role::Listed, "2".into());
        let snapshot = Snapshot::new(vec![one.clone(), two.clone()], now);
        assert!(snapshot.id.starts_with("20261124T031700Z-"), "{}", snapshot.id);
        assert_eq!(snapshot, Snapshot::new(vec![two, one.clone()], now));
        assert_ne!(snapshot.id, Snapshot::new(vec![one], now).id);
        assert_eq!(snapshot.accepted(&key("aarch64")), Some("2"));
        assert_eq!(snapshot.kept(&key("aarch64")), None);
        assert_eq!(serde_json::from_str::<Snapshot>(&serde_json::to_string(&snapshot).unwrap()).unwrap(), snapshot);
    }

    #[test]
    fn what_is_carried_is_in_force_too() {
        let key = IndexKey { source: "a".parse().unwrap(), path: "p".into(), arch: "x86".parse().unwrap() };
        let plain = InForce::of(key, Role::Listed, "2".into());
        let text = serde_json::to_string(&plain).unwrap();
        assert!(!text.contains("carried"), "records of before read and print as they did: {text}");
        let carried = CarriedFrom { accepted: "1".into(), origins: ["openssl".to_owned()].into() };
        let carrying = InForce { carried: vec![carried], ..plain.clone() };
        assert_eq!(carrying.states().collect::<Vec<_>>(), ["2", "1"]);
        let text = serde_json::to_string(&carrying).unwrap();
        assert_eq!(serde_json::from_str::<InForce>(&text).unwrap(), carrying);
        let now = Timestamp::UNIX_EPOCH;
        assert_ne!(Snapshot::new(vec![plain], now).id, Snapshot::new(vec![carrying], now).id);
    }
}
