//! Layers → [`MergedIndex`].

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;

use sha2::{Digest as _, Sha256};

use crate::apk::names::{Arch, PackageFile, PackageName, SourceName};
use crate::apk::v2::index;
use crate::apk::version::Version;
use crate::apk::{ContentId, Entry, ObjectId};

/// One source's contribution, in the order of `from`: entries with their objects.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// Wanted entries; each with the object that holds its package.
    pub entries: Vec<(Entry, ObjectId)>,
}

/// One entry of a merged index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedEntry {
    /// The record, `A:` set to the index's arch.
    pub entry: Entry,
    /// The package's bytes.
    pub object: ObjectId,
    /// Which layer supplied it, counted from 0.
    pub layer: usize,
}

/// An entry that lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadowed {
    /// What is not in the index.
    pub file: PackageFile,
    /// The layer that listed it.
    pub layer: usize,
    /// What it lost to.
    pub cause: Cause,
    /// Whether a client would have preferred the loser.
    pub rank: Rank,
}

/// What an entry lost to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Another layer supplies its name.
    Name {
        /// That layer.
        by: usize,
    },
    /// Newer versions of its name are enough.
    Version {
        /// The layer that supplies the newest.
        by: usize,
    },
    /// Its file name stands for other bytes already: both would share one URL. Names may differ: `a-1` in version `2` and `a`
    /// in version `1-2` make one file name.
    Conflict {
        /// The layer that supplies them; it may be the loser's own.
        by: usize,
    },
    /// Its name is reserved.
    Reserved {
        /// For this source.
        owner: SourceName,
    },
    /// It provides a name that is reserved.
    Provides {
        /// The provided name.
        name: String,
        /// For this source.
        owner: SourceName,
    },
    /// It would install itself beside a package whose name is reserved.
    InstallIf {
        /// That name.
        name: String,
        /// For this source.
        owner: SourceName,
    },
}

/// How a shadowed version compares to what is supplied instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// It is newer than every version supplied: worth a warning.
    Newer,
    /// It is not, or nothing is supplied.
    NotNewer,
}

/// Which of several layers that have a name supply it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefer {
    /// The first, with every version that it lists.
    #[default]
    Order,
    /// All versions compete: so many of the newest are taken, from whichever layer; of one version the first layer's.
    Newest(NonZeroUsize),
    /// All of them, with every version.
    All,
}

/// One index made of several.
#[derive(Clone, Debug)]
pub struct MergedIndex {
    /// In apk's own order: name without regard to case, name, version, identity.
    pub entries: Vec<MergedEntry>,
    /// What lost, in the same order.
    pub shadowed: Vec<Shadowed>,
    /// The APKINDEX text.
    pub text: String,
    /// Its SHA-256.
    pub content: ContentId,
}

/// An entry's place: its layer, and where it stands there.
pub type Place = (usize, usize);

/// Which entries survive the priority of layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    /// In the order of layers and entries.
    pub winners: Vec<Place>,
    /// Likewise.
    pub losers: Vec<Place>,
}

/// Decides which entries of which layer survive, before anything is fetched for them. Whatever is preferred, a name and
/// version is listed once, and so is each file name that several of them make: they share one URL, and clients take the first.
pub fn effective<'a>(layers: &[impl AsRef<[&'a Entry]>], prefer: Prefer) -> Effective {
    let mut owner: HashMap<&PackageName, usize> = HashMap::new();
    let mut listed: HashSet<&PackageFile> = HashSet::new();
    let (mut winners, mut losers) = (Vec::new(), Vec::new());
    for (number, layer) in layers.iter().enumerate() {
        for (at, entry) in layer.as_ref().iter().enumerate() {
            let first = *owner.entry(entry.name()).or_insert(number);
            let shut_out = prefer == Prefer::Order && first != number;
            if shut_out || !listed.insert(entry.file()) {
                losers.push((number, at));
            } else {
                winners.push((number, at));
            }
        }
    }
    if let Prefer::Newest(count) = prefer {
        let entry = |place: &Place| layers[place.0].as_ref()[place.1];
        let mut by_name: HashMap<&PackageName, Vec<Place>> = HashMap::new();
        for place in &winners {
            by_name.entry(entry(place).name()).or_default().push(*place);
        }
        let mut late: HashSet<Place> = HashSet::new();
        for mut places in by_name.into_values().filter(|places| places.len() > count.get()) {
            // Stable: versions that differ in spelling alone are as new as each other, and the first layer's comes first.
            places.sort_by(|one, other| by_version(entry(other), entry(one)));
            late.extend(&places[count.get()..]);
        }
        winners.retain(|place| !late.contains(place));
        losers.extend(late);
        losers.sort_unstable();
    }
    Effective { winners, losers }
}

/// What the losers lost to, in an index's order. The very package that is supplied anyway has lost nothing.
pub fn shadowed<'a>(layers: &[impl AsRef<[&'a Entry]>], effective: &Effective) -> Vec<Shadowed> {
    let entry = |(layer, at): Place| layers[layer].as_ref()[at];
    let contested: HashSet<&PackageName> = effective.losers.iter().map(|place| entry(*place).name()).collect();
    let mut rivals: HashMap<&PackageName, Vec<Place>> = HashMap::new();
    for place in &effective.winners {
        let name = entry(*place).name();
        if contested.contains(name) {
            rivals.entry(name).or_default().push(*place);
        }
    }
    let lost_urls: HashSet<&PackageFile> = effective.losers.iter().map(|place| entry(*place).file()).collect();
    let urls: HashMap<&PackageFile, Place> = effective
        .winners
        .iter()
        .map(|place| (entry(*place).file(), *place))
        .filter(|(file, _)| lost_urls.contains(file))
        .collect();
    let mut lost: Vec<(&Entry, Shadowed)> = Vec::new();
    for &place in &effective.losers {
        let loser = entry(place);
        let rivals = rivals.get(loser.name()).map_or(&[][..], Vec::as_slice);
        if rivals.iter().any(|rival| entry(*rival).identity() == loser.identity()) {
            continue;
        }
        let newest = rivals
            .iter()
            .copied()
            .reduce(|one, other| if by_version(entry(other), entry(one)).is_gt() { other } else { one });
        let twin = urls.get(loser.file());
        let cause = match (twin, newest) {
            (Some(twin), _) => Cause::Conflict { by: twin.0 },
            // Its URL was another name's, of which newer versions were enough.
            (None, None) => Cause::Conflict { by: place.0 },
            (None, Some(newest)) if rivals.iter().all(|rival| rival.0 != place.0) => Cause::Name { by: newest.0 },
            (None, Some(newest)) => Cause::Version { by: newest.0 },
        };
        let newer = newest.is_some_and(|newest| by_version(loser, entry(newest)).is_gt());
        let rank = if newer { Rank::Newer } else { Rank::NotNewer };
        lost.push((loser, Shadowed { file: loser.file().clone(), layer: place.0, cause, rank }));
    }
    lost.sort_by(|one, other| order(one.0, other.0).then(one.1.layer.cmp(&other.1.layer)));
    lost.into_iter().map(|(_, shadowed)| shadowed).collect()
}

/// Merges layers into an index for `arch`.
pub fn combine(layers: &[Layer], prefer: Prefer, arch: &Arch) -> MergedIndex {
    let views: Vec<Vec<&Entry>> =
        layers.iter().map(|layer| layer.entries.iter().map(|(entry, _)| entry).collect()).collect();
    let effective = effective(&views, prefer);
    let mut entries: Vec<MergedEntry> = effective
        .winners
        .iter()
        .map(|&(layer, at)| {
            let (entry, object) = &layers[layer].entries[at];
            MergedEntry { entry: entry.with_arch(arch), object: *object, layer }
        })
        .collect();
    entries.sort_by(|one, other| order(&one.entry, &other.entry));
    let shadowed = shadowed(&views, &effective);
    let text = index::print(entries.iter().map(|merged| &merged.entry));
    let content = ContentId::new(Sha256::digest(&text).into());
    MergedIndex { entries, shadowed, text, content }
}

/// apk 2.14's and 3.0's own order: name without regard to ASCII case, name, version ascending; then identity, so that no two
/// orders are possible.
pub fn order(one: &Entry, other: &Entry) -> Ordering {
    by_name(one.name(), other.name())
        .then_with(|| by_version(one, other))
        .then_with(|| one.version().cmp(other.version()))
        .then_with(|| one.identity().cmp(other.identity()))
}

fn by_version(one: &Entry, other: &Entry) -> Ordering {
    Version::new(one.version().as_str()).compare(Version::new(other.version().as_str()))
}

fn by_name(one: &PackageName, other: &PackageName) -> Ordering {
    let folded = |name: &'_ PackageName, at: usize| name.as_str().as_bytes().get(at).map(u8::to_ascii_lowercase);
    let shorter = one.as_str().len().min(other.as_str().len());
    (0..=shorter)
        .map(|at| folded(one, at).cmp(&folded(other, at)))
        .find(|order| *order != Ordering::Equal)
        .unwrap_or_else(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, version: &str, identity: u8) -> (Entry, ObjectId) {
        let identity = crate::apk::Identity::new([identity; 20]);
        let text = format!("C:{identity}\nP:{name}\nV:{version}\nA:noarch\nS:1\nI:2\nT:\nU:\nL:");
        (Entry::parse(&text).unwrap(), ObjectId::new([identity.as_bytes()[0]; 32]))
    }

    fn names(merged: &MergedIndex) -> Vec<String> {
        merged.entries.iter().map(|merged| merged.entry.file().to_string()).collect()
    }

    fn merge(layers: &[&[(Entry, ObjectId)]]) -> MergedIndex {
        merge_by(Prefer::Order, layers)
    }

    fn merge_by(prefer: Prefer, layers: &[&[(Entry, ObjectId)]]) -> MergedIndex {
        let layers: Vec<Layer> = layers.iter().map(|entries| Layer { entries: entries.to_vec() }).collect();
        combine(&layers, prefer, &"x86_64".parse().unwrap())
    }

    fn newest(count: usize) -> Prefer {
        Prefer::Newest(NonZeroUsize::new(count).unwrap())
    }

    #[test]
    fn the_first_layer_with_a_name_supplies_all_its_versions() {
        let merged = merge(&[
            &[entry("a", "1-r0", 1), entry("a", "2-r0", 2)],
            &[entry("a", "3-r0", 3), entry("a", "1.5-r0", 4), entry("b", "1", 5)],
        ]);
        assert_eq!(names(&merged), ["a-1-r0.apk", "a-2-r0.apk", "b-1.apk"]);
        let lost: Vec<_> = merged
            .shadowed
            .iter()
            .map(|lost| (lost.file.as_str(), lost.layer, lost.cause.clone(), lost.rank))
            .collect();
        let by = Cause::Name { by: 0 };
        assert_eq!(lost, [("a-1.5-r0.apk", 1, by.clone(), Rank::NotNewer), ("a-3-r0.apk", 1, by, Rank::Newer)]);
        assert!(merged.text.contains("\nA:x86_64\n") && !merged.text.contains("noarch"));
    }

    #[test]
    fn one_name_and_version_is_listed_once_and_the_same_package_loses_nothing() {
        let merged = merge(&[&[entry("a", "1", 1), entry("a", "1", 2)], &[entry("a", "1", 1)]]);
        assert_eq!(names(&merged), ["a-1.apk"]);
        assert_eq!(merged.entries[0].object, ObjectId::new([1; 32]));
        assert_eq!(merged.shadowed.len(), 1, "{:?}", merged.shadowed);
        assert_eq!(merged.shadowed[0].cause, Cause::Conflict { by: 0 });
    }

    #[test]
    fn the_newest_of_all_layers_and_the_rest_in_order() {
        let one = [entry("a", "1-r0", 1), entry("a", "4-r0", 4), entry("b", "1", 5)];
        let other = [entry("a", "3-r0", 3), entry("b", "2", 6), entry("a", "4-r0", 7)];
        let layers: [&[_]; 2] = [&one, &other];
        let merged = merge_by(newest(1), &layers);
        assert_eq!(names(&merged), ["a-4-r0.apk", "b-2.apk"]);
        assert_eq!(merged.entries[0].object, ObjectId::new([4; 32]), "of one version the first layer's");
        let lost: Vec<_> = merged.shadowed.iter().map(|lost| (lost.file.as_str(), lost.cause.clone())).collect();
        assert_eq!(
            lost,
            [
                ("a-1-r0.apk", Cause::Version { by: 0 }),
                ("a-3-r0.apk", Cause::Name { by: 0 }),
                ("a-4-r0.apk", Cause::Conflict { by: 0 }),
                ("b-1.apk", Cause::Name { by: 1 })
            ]
        );
        assert!(merged.shadowed.iter().all(|lost| lost.rank == Rank::NotNewer));
        assert_eq!(names(&merge_by(newest(2), &layers)), ["a-3-r0.apk", "a-4-r0.apk", "b-1.apk", "b-2.apk"]);
        // Merging what was merged changes nothing, also where the layers are known no more.
        let again: Vec<_> = merged.entries.iter().map(|merged| (merged.entry.clone(), merged.object)).collect();
        assert_eq!(merge_by(newest(1), &[&again]).text, merged.text);
    }

    #[test]
    fn all_versions_of_all_layers_and_each_once() {
        let merged = merge_by(
            Prefer::All,
            &[&[entry("a", "1", 1)], &[entry("a", "2", 2), entry("a", "1", 3)], &[entry("a", "1", 1)]],
        );
        assert_eq!(names(&merged), ["a-1.apk", "a-2.apk"]);
        assert_eq!(merged.entries[0].object, ObjectId::new([1; 32]));
        assert_eq!(merged.shadowed.len(), 1, "the same package loses nothing: {:?}", merged.shadowed);
        assert_eq!((merged.shadowed[0].layer, &merged.shadowed[0].cause), (1, &Cause::Conflict { by: 0 }));
    }

    #[test]
    fn two_names_that_make_one_file_name_are_listed_once() {
        for prefer in [Prefer::Order, Prefer::Newest(NonZeroUsize::MIN), Prefer::All] {
            let layers = [vec![entry("a-1", "2", 1)], vec![entry("a", "1-2", 2), entry("b", "1", 3)]];
            let views: Vec<Vec<&Entry>> =
                layers.iter().map(|layer| layer.iter().map(|(entry, _)| entry).collect()).collect();
            let effective = effective(&views, prefer);
            assert_eq!(effective.winners, [(0, 0), (1, 1)], "{prefer:?}");
            let lost = shadowed(&views, &effective);
            assert_eq!((lost[0].layer, &lost[0].cause, lost[0].rank), (1, &Cause::Conflict { by: 0 }, Rank::NotNewer));
        }
        // What took the URL was not new enough to stay.
        let layers = [vec![entry("a-1", "2", 1), entry("a-1", "3", 2)], vec![entry("a", "1-2", 3)]];
        let views: Vec<Vec<&Entry>> =
            layers.iter().map(|layer| layer.iter().map(|(entry, _)| entry).collect()).collect();
        let effective = effective(&views, Prefer::Newest(NonZeroUsize::MIN));
        assert_eq!((effective.winners.len(), shadowed(&views, &effective).len()), (1, 2));
    }

    #[test]
    fn the_order_is_apks_and_merging_again_changes_nothing() {
        let merged = merge(&[&[
            entry("zlib", "1.10", 1),
            entry("R", "4", 2),
            entry("r-base", "1", 3),
            entry("zlib", "1.9", 4),
            entry("rr", "1", 5),
        ]]);
        assert_eq!(names(&merged), ["R-4.apk", "r-base-1.apk", "rr-1.apk", "zlib-1.9.apk", "zlib-1.10.apk"]);
        let again: Vec<_> = merged.entries.iter().map(|merged| (merged.entry.clone(), merged.object)).collect();
        assert_eq!(merge(&[&again]).text, merged.text);
    }
}
