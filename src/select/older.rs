//! Which versions of a name stay: the newest that its source lists and a few older ones, also such as the source has dropped
//! since, with what they need.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;

use super::closure::offers;
use crate::apk::dependency::{self, Dependency, Offer, Sense};
use crate::apk::names::{PackageFile, PackageName};
use crate::apk::{Entry, Version};

/// Which of a source's versions stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Indexes in what it listed formerly: those that stay although it dropped them.
    pub former: Vec<usize>,
    /// Indexes in what it lists: those of which newer versions are enough.
    pub surplus: Vec<usize>,
}

/// Of each name that is `listed`: the newest version and up to `depth` − 1 older ones out of `listed` and `former`, and what
/// any of these need of the older ones and nothing else provides. A former version above the newest was withdrawn and does not
/// stay, nor does a name that is listed no more. Of former entries with one name and version the first counts.
pub fn keep(listed: &[Entry], former: &[Entry], depth: NonZeroUsize) -> Kept {
    let mut newest: HashMap<&PackageName, &Entry> = HashMap::new();
    for entry in listed {
        let best = newest.entry(entry.name()).or_insert(entry);
        if version(entry).compare(version(best)).is_gt() {
            *best = entry;
        }
    }
    let is_older =
        |entry: &Entry| newest.get(entry.name()).is_some_and(|newest| version(entry).compare(version(newest)).is_lt());
    let mut known: HashSet<&PackageFile> = listed.iter().map(Entry::file).collect();
    let mut older: Vec<Older<'_>> = Vec::new();
    older.extend(listed.iter().enumerate().filter(|(_, one)| is_older(one)).map(|(at, one)| (one, From::Listed(at))));
    let dropped = former.iter().enumerate().filter(|(_, one)| is_older(one) && known.insert(one.file()));
    older.extend(dropped.map(|(at, one)| (one, From::Former(at))));
    if older.is_empty() {
        return Kept::default();
    }
    let mut stays = newest_of_each(&older, depth.get() - 1);
    let base = listed.iter().filter(|entry| !is_older(entry));
    add_needed(base, &older, &mut stays);
    let mut kept = Kept::default();
    for ((_, from), stays) in older.into_iter().zip(stays) {
        match from {
            From::Former(at) if stays => kept.former.push(at),
            From::Listed(at) if !stays => kept.surplus.push(at),
            From::Former(_) | From::Listed(_) => {}
        }
    }
    kept
}

/// An older version, and where it stands.
type Older<'e> = (&'e Entry, From);

#[derive(Clone, Copy)]
enum From {
    Listed(usize),
    Former(usize),
}

fn version(entry: &Entry) -> Version<'_> {
    Version::new(entry.version().as_str())
}

/// For each of `older` whether it is among the `count` newest of its name.
fn newest_of_each(older: &[Older<'_>], count: usize) -> Vec<bool> {
    let mut by_name: HashMap<&PackageName, Vec<usize>> = HashMap::new();
    for (at, (entry, _)) in older.iter().enumerate() {
        by_name.entry(entry.name()).or_default().push(at);
    }
    let mut stays = vec![false; older.len()];
    for mut versions in by_name.into_values() {
        // Stable: of versions that differ in spelling alone the listed one comes first.
        versions.sort_by(|one, other| version(older[*other].0).compare(version(older[*one].0)));
        for at in versions.into_iter().take(count) {
            stays[at] = true;
        }
    }
    stays
}

/// Marks of `older` what those that stay need and none of them provides: the newest that will do.
fn add_needed<'e>(base: impl Iterator<Item = &'e Entry>, older: &[Older<'e>], stays: &mut [bool]) {
    let mut spare: HashMap<&str, Vec<(usize, Offer<'_>)>> = HashMap::new();
    for (at, (entry, _)) in older.iter().enumerate().filter(|(at, _)| !stays[*at]) {
        for (name, offer) in offers(entry) {
            spare.entry(name).or_default().push((at, offer));
        }
    }
    let mut queue: Vec<&Entry> = base.collect();
    queue.extend(older.iter().zip(&*stays).filter(|(_, stays)| **stays).map(|((entry, _), _)| *entry));
    // Only names that something spare could provide are looked at.
    let mut provided: HashMap<&str, Vec<Offer<'_>>> = HashMap::new();
    for (name, offer) in queue.iter().flat_map(|entry| offers(entry)).filter(|(name, _)| spare.contains_key(name)) {
        provided.entry(name).or_default().push(offer);
    }
    while let Some(entry) = queue.pop() {
        for term in needs(entry) {
            let Some(spare) = spare.get(term.name) else { continue };
            let fits = |offer: &Offer<'_>| term.satisfied_in_any_client(*offer);
            if provided.get(term.name).is_some_and(|offers| offers.iter().any(fits)) {
                continue;
            }
            let will_do = spare.iter().filter(|(_, offer)| fits(offer)).map(|(at, _)| *at);
            let best = will_do.reduce(|one, other| {
                if version(older[other].0).compare(version(older[one].0)).is_gt() { other } else { one }
            });
            let Some(best) = best else { continue };
            stays[best] = true;
            for (name, offer) in offers(older[best].0) {
                provided.entry(name).or_default().push(offer);
            }
            queue.push(older[best].0);
        }
    }
}

fn needs(entry: &Entry) -> impl Iterator<Item = Dependency<'_>> {
    let terms = dependency::parse_list(entry.field(b'D').unwrap_or_default()).flatten();
    terms.filter(|term| term.sense == Sense::Requires)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(package: &str) -> Entry {
        let mut words = package.split(' ');
        let (name, version) = words.next().unwrap().rsplit_once('-').unwrap();
        let (mut needs, mut provides) = (Vec::new(), Vec::new());
        for word in words {
            match word.strip_prefix('+') {
                Some(provided) => provides.push(provided),
                None => needs.push(word),
            }
        }
        let identity = crate::apk::Identity::new([7; 20]);
        let text = format!(
            "C:{identity}\nP:{name}\nV:{version}\nA:x86\nS:1\nI:2\nT:\nU:\nL:\nD:{}\np:{}",
            needs.join(" "),
            provides.join(" ")
        );
        Entry::parse(&text).unwrap()
    }

    /// What stays of `former`, and what of `listed` goes.
    fn kept(listed: &[&str], former: &[&str], depth: usize) -> (Vec<String>, Vec<String>) {
        let entries = |list: &[&str]| list.iter().map(|one| entry(one)).collect::<Vec<_>>();
        let (listed, former) = (entries(listed), entries(former));
        let Kept { former: stay, surplus } = keep(&listed, &former, NonZeroUsize::new(depth).unwrap());
        let name = |entry: &Entry| entry.file().as_str().trim_end_matches(".apk").to_owned();
        (
            stay.into_iter().map(|at| name(&former[at])).collect(),
            surplus.into_iter().map(|at| name(&listed[at])).collect(),
        )
    }

    #[test]
    fn the_newest_listed_and_a_few_older_ones_stay() {
        let none: [String; 0] = [];
        let former = ["a-1.9", "a-1.10", "a-1.8", "a-3", "b-1", "a-2", "a-1.10"];
        assert_eq!(kept(&["a-2"], &former, 1), (vec![], vec![]));
        assert_eq!(kept(&["a-2"], &former, 2).0, ["a-1.10"]);
        assert_eq!(kept(&["a-2"], &former, 3).0, ["a-1.9", "a-1.10"]);
        assert_eq!(kept(&["a-2"], &former, 9).0, ["a-1.9", "a-1.10", "a-1.8"], "3 was withdrawn, b is listed no more");
        assert_eq!(kept(&["a-4", "a-2"], &former, 3), (vec!["a-3".to_owned()], vec![]), "listed older ones count");
        assert_eq!(kept(&["a-4", "a-1"], &former, 2), (vec!["a-3".to_owned()], vec!["a-1".to_owned()]));
        assert_eq!(kept(&["a-4"], &[], 2).0, none);
        assert_eq!(kept(&[], &former, 3).0, none);
    }

    #[test]
    fn what_they_need_stays_too() {
        let listed = ["app-3 so:lib.so.3", "lib-3 +so:lib.so.3=3 deep", "deep-9"];
        let former = [
            "app-2 so:lib.so.1",
            "lib-1 +so:lib.so.1=1 deep<5",
            "lib-1.5 +so:lib.so.1=1 deep<5",
            "lib-2 +so:lib.so.2=2",
            "deep-4",
            "deep-6",
            "deep-8",
            "app-1",
        ];
        assert_eq!(kept(&listed, &former, 2).0, ["app-2", "lib-1.5", "lib-2", "deep-4", "deep-8"]);
        assert_eq!(kept(&listed, &former, 1), (vec![], vec![]));
        // What the newest needs is not taken from it.
        let listed = ["app-3 lib=1", "lib-1", "lib-2", "lib-1.5"];
        assert_eq!(kept(&listed, &[], 1).1, ["lib-1.5"]);
    }

    #[test]
    fn keeping_what_was_kept_changes_nothing() {
        let listed = [entry("a-5 b<3"), entry("b-7")];
        let former = ["a-4", "a-3", "a-2", "b-1", "b-2", "b-6"].map(entry);
        let two = NonZeroUsize::new(2).unwrap();
        let once: Vec<Entry> = keep(&listed, &former, two).former.into_iter().map(|at| former[at].clone()).collect();
        assert_eq!(once.iter().map(|one| one.file().as_str()).collect::<Vec<_>>(), ["a-4.apk", "b-2.apk", "b-6.apk"]);
        assert_eq!(keep(&listed, &once, two).former, [0, 1, 2]);
    }
}
