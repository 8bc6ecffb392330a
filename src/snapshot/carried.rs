//! Which entries an index lists while some of its packages cannot be had: those packages' origins keep the entries of an
//! earlier accepted state, whole, because packages of one origin need each other by exact version (2,945 entries of 3.21 do).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::apk::Entry;

/// Origins that keep the entries of an earlier accepted state. The entries which that state lists of them stand in place of
/// those which the index in force lists of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CarriedFrom {
    /// The id of the earlier accepted state.
    pub accepted: String,
    /// As `o:` says, or the name of a package without one.
    pub origins: BTreeSet<String>,
}

/// The aport that a package was built from; one that does not say stands for itself.
pub fn origin(entry: &Entry) -> &str {
    entry.origin().unwrap_or(entry.name().as_str())
}

/// The origins that must keep their former entries when `missing` cannot be had: those of the missing packages, and every
/// origin that a name of theirs moved from or to between `former` and `candidate`; else a name would be listed twice, or not
/// at all.
pub fn affected<'e>(
    candidate: &'e [Entry],
    former: &'e [Entry],
    missing: impl Iterator<Item = &'e Entry>,
) -> BTreeSet<String> {
    let mut names_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut origins_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in candidate.iter().chain(former) {
        names_of.entry(origin(entry)).or_default().insert(entry.name().as_str());
        origins_of.entry(entry.name().as_str()).or_default().insert(origin(entry));
    }
    let mut affected: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> = missing.map(origin).collect();
    while let Some(next) = open.pop() {
        if affected.insert(next) {
            let names = names_of.get(next).into_iter().flatten();
            open.extend(names.filter_map(|name| origins_of.get(name)).flatten());
        }
    }
    affected.into_iter().map(str::to_owned).collect()
}

/// What is listed: `index` without the origins that are kept, and of each earlier state the entries of its origins.
pub fn view<'e>(
    index: &[Entry],
    kept: impl Iterator<Item = (&'e BTreeSet<String>, &'e [Entry])> + Clone,
) -> Vec<Entry> {
    let is_kept = |entry: &Entry| kept.clone().any(|(origins, _)| origins.contains(origin(entry)));
    let mut view: Vec<Entry> = index.iter().filter(|entry| !is_kept(entry)).cloned().collect();
    for (origins, entries) in kept.clone() {
        view.extend(entries.iter().filter(|entry| origins.contains(origin(entry))).cloned());
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, version: &str, origin: &str) -> Entry {
        let origin = if origin.is_empty() { String::new() } else { format!("\no:{origin}") };
        let text =
            format!("C:Q1UIdteUHTaO3a/78FIhzsauTtuzU=\nP:{name}\nV:{version}\nA:x86\nS:1\nI:2\nT:\nU:\nL:{origin}");
        Entry::parse(&text).unwrap()
    }

    fn files(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.file().as_str()).collect()
    }

    fn set(origins: &[&str]) -> BTreeSet<String> {
        origins.iter().map(|origin| (*origin).to_owned()).collect()
    }

    #[test]
    fn an_origin_is_kept_whole_and_the_others_move() {
        let former =
            [entry("ssl", "1-r0", "openssl"), entry("crypto", "1-r0", "openssl"), entry("curl", "1-r0", "curl")];
        let candidate = [
            entry("ssl", "2-r0", "openssl"),
            entry("crypto", "2-r0", "openssl"),
            entry("ssl-new", "2-r0", "openssl"),
            entry("curl", "2-r0", "curl"),
        ];
        let affected = affected(&candidate, &former, candidate[1..2].iter());
        assert_eq!(affected, set(&["openssl"]));
        let view = view(&candidate, [(&affected, &former[..])].into_iter());
        assert_eq!(files(&view), ["curl-2-r0.apk", "ssl-1-r0.apk", "crypto-1-r0.apk"]);
    }

    #[test]
    fn what_the_candidate_dropped_of_a_kept_origin_stays() {
        let former = [entry("a", "1-r0", "a"), entry("a-old", "1-r0", "a")];
        let candidate = [entry("a", "2-r0", "a")];
        let affected = affected(&candidate, &former, candidate.iter());
        assert_eq!(files(&view(&candidate, [(&affected, &former[..])].into_iter())), ["a-1-r0.apk", "a-old-1-r0.apk"]);
    }

    #[test]
    fn names_that_moved_between_origins_take_both_along() {
        // `doc` was built from `tools` and comes from `docs` now; `docs` also took `guide` from `books`.
        let former = [entry("doc", "1-r0", "tools"), entry("tool", "1-r0", "tools"), entry("guide", "1-r0", "books")];
        let candidate = [entry("doc", "2-r0", "docs"), entry("tool", "2-r0", "tools"), entry("guide", "2-r0", "docs")];
        for missing in 0..3 {
            let affected = affected(&candidate, &former, candidate[missing..=missing].iter());
            assert_eq!(affected, set(&["books", "docs", "tools"]), "{missing}");
            assert_eq!(files(&view(&candidate, [(&affected, &former[..])].into_iter())), files(&former));
        }
    }

    #[test]
    fn a_package_without_an_origin_stands_for_itself() {
        let (former, candidate) =
            ([entry("a", "1-r0", ""), entry("b", "1-r0", "")], [entry("a", "2-r0", ""), entry("b", "2-r0", "")]);
        let affected = affected(&candidate, &former, candidate[..1].iter());
        assert_eq!(files(&view(&candidate, [(&affected, &former[..])].into_iter())), ["b-2-r0.apk", "a-1-r0.apk"]);
    }

    #[test]
    fn two_earlier_states_each_keep_their_origins() {
        let (first, second) =
            ([entry("a", "1-r0", "a"), entry("b", "1-r0", "b")], [entry("a", "2-r0", "a"), entry("b", "2-r0", "b")]);
        let third = [entry("a", "3-r0", "a"), entry("b", "3-r0", "b"), entry("c", "3-r0", "c")];
        let (a, b) = (set(&["a"]), set(&["b"]));
        let view = view(&third, [(&a, &first[..]), (&b, &second[..])].into_iter());
        assert_eq!(files(&view), ["c-3-r0.apk", "a-1-r0.apk", "b-2-r0.apk"]);
    }
}
