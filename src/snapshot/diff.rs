//! What changed between two lists of packages.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::apk::names::{PackageName, VersionText};
use crate::apk::version::Version;
use crate::apk::{Entry, Identity};

/// What changed of one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "change")]
pub enum Change {
    /// It came.
    Added {
        /// Its versions now.
        to: Vec<VersionText>,
    },
    /// It went.
    Removed {
        /// The versions that it had.
        from: Vec<VersionText>,
    },
    /// Its newest version is newer, or among several the older ones changed.
    Upgraded {
        /// The versions that it had.
        from: Vec<VersionText>,
        /// Its versions now.
        to: Vec<VersionText>,
    },
    /// Its newest version is older.
    Downgraded {
        /// The versions that it had.
        from: Vec<VersionText>,
        /// Its versions now.
        to: Vec<VersionText>,
    },
    /// The same versions, one of them with other bytes.
    Rebuilt {
        /// The version.
        version: VersionText,
    },
}

/// A package that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Its name.
    pub name: PackageName,
    /// How.
    #[serde(flatten)]
    pub change: Change,
}

/// What was built together and changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The source package that they were built from; a package without one is its own.
    pub origin: String,
    /// In order of their names.
    pub packages: Vec<Changed>,
}

/// One name's versions with their identities. Of two entries of one version the first counts, as it does for clients.
type Versions<'a> = BTreeMap<&'a VersionText, &'a Identity>;

struct Named<'a> {
    origin: &'a str,
    versions: Versions<'a>,
}

fn by_name(entries: &[Entry]) -> BTreeMap<&PackageName, Named<'_>> {
    let mut names: BTreeMap<&PackageName, Named<'_>> = BTreeMap::new();
    for entry in entries {
        let origin = entry.origin().unwrap_or(entry.name().as_str());
        let named = names.entry(entry.name()).or_insert_with(|| Named { origin, versions: BTreeMap::new() });
        named.versions.entry(entry.version()).or_insert(entry.identity());
    }
    names
}

/// What changed from `before` to `after`, by origin, in order of the origins' names.
pub fn diff(before: &[Entry], after: &[Entry]) -> Vec<Origin> {
    let (before, after) = (by_name(before), by_name(after));
    let names: BTreeSet<&PackageName> = before.keys().chain(after.keys()).copied().collect();
    let mut origins: BTreeMap<&str, Vec<Changed>> = BTreeMap::new();
    for name in names {
        let (was, is) = (before.get(name), after.get(name));
        let Some(change) = change(was.map(|named| &named.versions), is.map(|named| &named.versions)) else { continue };
        let origin = is.or(was).map_or(name.as_str(), |named| named.origin);
        origins.entry(origin).or_default().push(Changed { name: name.clone(), change });
    }
    origins.into_iter().map(|(origin, packages)| Origin { origin: origin.to_owned(), packages }).collect()
}

fn change(was: Option<&Versions<'_>>, is: Option<&Versions<'_>>) -> Option<Change> {
    match (was, is) {
        (None, None) => None,
        (None, Some(is)) => Some(Change::Added { to: sorted(is) }),
        (Some(was), None) => Some(Change::Removed { from: sorted(was) }),
        (Some(was), Some(is)) if was.keys().eq(is.keys()) => {
            let rebuilt = was.iter().find(|(version, identity)| is[*version] != **identity);
            rebuilt.map(|(version, _)| Change::Rebuilt { version: (*version).clone() })
        }
        (Some(was), Some(is)) => {
            let (from, to) = (sorted(was), sorted(is));
            Some(match by_version(from.last()?, to.last()?) {
                Ordering::Greater => Change::Downgraded { from, to },
                Ordering::Less | Ordering::Equal => Change::Upgraded { from, to },
            })
        }
    }
}

fn sorted(versions: &Versions<'_>) -> Vec<VersionText> {
    let mut sorted: Vec<VersionText> = versions.keys().map(|version| (*version).clone()).collect();
    sorted.sort_by(by_version);
    sorted
}

fn by_version(one: &VersionText, other: &VersionText) -> Ordering {
    Version::new(one.as_str()).compare(Version::new(other.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, version: &str, identity: u8, origin: &str) -> Entry {
        let identity = Identity::new([identity; 20]);
        let text = format!("C:{identity}\nP:{name}\nV:{version}\nA:x86\nS:1\nI:2\nT:\nU:\nL:\no:{origin}");
        Entry::parse(&text).unwrap()
    }

    #[test]
    fn changes_are_told_by_origin() {
        let before = [
            entry("libssl3", "3.5.4-r0", 1, "openssl"),
            entry("openssl", "3.5.4-r0", 2, "openssl"),
            entry("gone", "1-r0", 3, "gone"),
            entry("same", "1-r0", 4, "same"),
            entry("rebuilt", "1-r0", 5, "rebuilt"),
            entry("back", "1.10-r0", 6, "back"),
            entry("old", "1-r0", 7, "old"),
            entry("old", "2-r0", 8, "old"),
        ];
        let after = [
            entry("libssl3", "3.5.4-r1", 11, "openssl"),
            entry("openssl", "3.5.4-r1", 12, "openssl"),
            entry("same", "1-r0", 4, "same"),
            entry("rebuilt", "1-r0", 15, "rebuilt"),
            entry("back", "1.9-r0", 16, "back"),
            entry("new", "1-r0", 17, "new"),
            entry("old", "2-r0", 8, "old"),
        ];
        let told: Vec<String> = diff(&before, &after)
            .iter()
            .flat_map(|origin| origin.packages.iter().map(move |one| (origin, one)))
            .map(|(origin, one)| {
                let shown = match &one.change {
                    Change::Added { .. } => "added",
                    Change::Removed { .. } => "removed",
                    Change::Upgraded { .. } => "upgraded",
                    Change::Downgraded { .. } => "downgraded",
                    Change::Rebuilt { .. } => "rebuilt",
                };
                format!("{} {} {shown}", origin.origin, one.name)
            })
            .collect();
        assert_eq!(
            told,
            [
                "back back downgraded",
                "gone gone removed",
                "new new added",
                "old old upgraded",
                "openssl libssl3 upgraded",
                "openssl openssl upgraded",
                "rebuilt rebuilt rebuilt",
            ]
        );
        assert!(diff(&after, &after).is_empty());
    }
}
