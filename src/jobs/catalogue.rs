//! What the live tree lists, for those who look packages up: read once for a generation. A package is kept once for all arches
//! in which the lines that people ask about are the same; a third of Alpine's name another soname in each arch and are not.
//!
//! In memory are those lines, some 400 bytes: about 25 MB for Alpine's main and community in two branches of one arch.

use std::collections::{BTreeMap, BTreeSet};

use super::publish::entries_shown;
use super::{Error, Mirror};
use crate::apk::Entry;
use crate::apk::dependency::{self, Dependency, Offer, Sense};
use crate::apk::names::{Arch, RepositoryName};
use crate::apk::version::{Rules, Version};
use crate::config::Config;
use crate::disk::layout::PublicTree;

/// The lines of a record that are kept: name, version, description, URL, licence, origin, dependencies, provides,
/// `install_if`.
const KEPT: &[u8] = b"PVTULoDpi";

/// Terms and offers that are compared for one answer.
const MOST_COMPARED: u32 = 1_000_000;

/// A repository's index for an arch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// The repository.
    pub name: RepositoryName,
    /// The arch.
    pub arch: Arch,
}

impl Shelf {
    /// Its folder below the tree's URL.
    pub fn folder(&self) -> String {
        self.name.folder(&self.arch).display().to_string()
    }

    /// Whether one client has both: of one arch, and of one branch, the first part of their names.
    fn is_kin_of(&self, other: &Shelf) -> bool {
        let branch = |shelf: &'_ Shelf| shelf.name.as_str().split('/').next().map(str::to_owned);
        self.arch == other.arch && branch(self) == branch(other)
    }
}

/// A package, wherever the very same lines stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Lines as in an index, the name's first, the version's second.
    text: Box<str>,
    /// Where, by place in [`Catalogue::shelves`], and how large it is there, bytes.
    pub on: Box<[(u16, u64)]>,
}

impl Listed {
    /// Its name.
    pub fn name(&self) -> &str {
        self.field(b'P')
    }

    /// Its version.
    pub fn version(&self) -> &str {
        self.field(b'V')
    }

    /// One line about it; may be empty.
    pub fn description(&self) -> &str {
        self.field(b'T')
    }

    /// Where its author has a page; whatever text the package gives.
    pub fn url(&self) -> &str {
        self.field(b'U')
    }

    /// Its licence, as the package says.
    pub fn licence(&self) -> &str {
        self.field(b'L')
    }

    /// The source package that it was built from; its own name where it names none.
    pub fn origin(&self) -> &str {
        match self.field(b'o') {
            "" => self.name(),
            origin => origin,
        }
    }

    /// What it needs, and what it conflicts with, by its terms. Those that no apk reads are passed over.
    pub fn depends(&self) -> impl Iterator<Item = Dependency<'_>> {
        dependency::parse_list(self.field(b'D')).flatten()
    }

    /// The names that it provides beside its own.
    pub fn provides(&self) -> impl Iterator<Item = dependency::Provide<'_>> {
        dependency::parse_provides(self.field(b'p')).flatten()
    }

    /// Beside which packages it is installed by itself; empty for most.
    pub fn install_if(&self) -> &str {
        self.field(b'i')
    }

    /// Its file's name.
    pub fn file(&self) -> String {
        format!("{}-{}.apk", self.name(), self.version())
    }

    /// What it offers by which names: its own, and those that it provides.
    fn offers(&self) -> impl Iterator<Item = (&str, Offer<'_>)> {
        let own = (self.name(), Offer::Provides(Some(Version::new(self.version()))));
        std::iter::once(own).chain(self.provides().map(|provide| (provide.name, Offer::Provides(provide.version))))
    }

    fn field(&self, letter: u8) -> &str {
        let line = self.text.lines().find(|line| line.as_bytes().first() == Some(&letter));
        line.map_or("", |line| &line[2..])
    }

    /// Whether it is on one of these shelves.
    fn is_on(&self, shelves: &[bool]) -> bool {
        self.on.iter().any(|(shelf, _)| shelves[usize::from(*shelf)])
    }
}

/// All packages of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// Which generation.
    pub generation: u64,
    /// Its indexes, in the record's order.
    pub shelves: Vec<Shelf>,
    /// By name, and of one name the newest version first.
    packages: Vec<Listed>,
}

/// Which generation is live; none before the first publication.
pub fn live(config: &Config) -> Result<Option<u64>, Error> {
    Ok(PublicTree::new(&config.public).live()?)
}

/// Reads what is live; `None` before the first publication.
pub fn catalogue(config: &Config) -> Result<Option<Catalogue>, Error> {
    let mirror = Mirror::open(config)?;
    loop {
        let Some(number) = mirror.tree.live()? else { return Ok(None) };
        match read(&mirror, number) {
            Ok(catalogue) => return Ok(Some(catalogue)),
            // Switched away from, and dropped since.
            Err(_) if mirror.tree.live()?.is_some_and(|live| live != number) => {}
            Err(error) => return Err(error),
        }
    }
}

fn read(mirror: &Mirror<'_>, number: u64) -> Result<Catalogue, Error> {
    let generation = mirror.ledger.generation_summary(number)?;
    let mut shelves = Vec::new();
    let mut places: BTreeMap<String, Vec<(u16, u64)>> = BTreeMap::new();
    for state in &generation.repositories {
        // So many no configuration makes.
        let Ok(shelf) = u16::try_from(shelves.len()) else { break };
        for entry in entries_shown(mirror, number, state)? {
            places.entry(kept(&entry)).or_default().push((shelf, entry.size()));
        }
        shelves.push(Shelf { name: state.name.clone(), arch: state.arch.clone() });
    }
    let mut packages: Vec<Listed> =
        places.into_iter().map(|(text, on)| Listed { text: text.into(), on: on.into() }).collect();
    packages.sort_by(|one, other| {
        let newest_first = || Version::new(other.version()).compare(Version::new(one.version()));
        one.name().cmp(other.name()).then_with(newest_first)
    });
    Ok(Catalogue { generation: number, shelves, packages })
}

fn kept(entry: &Entry) -> String {
    let lines = KEPT.iter().filter_map(|letter| Some((char::from(*letter), entry.field(*letter)?)));
    lines.map(|(letter, value)| format!("{letter}:{value}\n")).collect()
}

/// How well a name fits what was looked for; the better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It is the name.
    Exact,
    /// It provides it: `so:libssl.so.3`, `cmd:nginx`.
    Provides,
    /// The name begins so.
    Begins,
    /// It holds all words.
    Holds,
    /// It was built from a source package of that name.
    Origin,
    /// The words stand in what is said about it.
    About,
}

/// A name that fits, and its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'c> {
    /// How well.
    pub fit: Fit,
    /// The versions, the newest first.
    pub versions: &'c [Listed],
}

impl Catalogue {
    /// The shelves that a package is on.
    pub fn shelves_of<'c>(&'c self, of: &'c Listed) -> impl Iterator<Item = &'c Shelf> {
        of.on.iter().map(|(shelf, _)| &self.shelves[usize::from(*shelf)])
    }

    /// All names, in order.
    pub fn all(&self) -> Vec<Found<'_>> {
        let names = self.packages.chunk_by(|one, other| one.name() == other.name());
        names.map(|versions| Found { fit: Fit::Holds, versions }).collect()
    }

    /// All versions of a name, the newest first; empty where there is none.
    pub fn named(&self, name: &str) -> &[Listed] {
        let first = self.packages.partition_point(|package| package.name() < name);
        let rest = &self.packages[first..];
        &rest[..rest.partition_point(|package| package.name() == name)]
    }

    /// The names that fit `text`, the best first and equals by name. Upper and lower case are one.
    pub fn search(&self, text: &str) -> Vec<Found<'_>> {
        let wanted = text.trim().to_lowercase();
        let words: Vec<&str> = wanted.split_whitespace().collect();
        if words.is_empty() {
            return Vec::new();
        }
        let names = self.packages.chunk_by(|one, other| one.name() == other.name());
        let mut found: Vec<Found<'_>> = names
            .filter_map(|versions| {
                let fit = versions.iter().filter_map(|listed| fit(listed, &wanted, &words)).min()?;
                Some(Found { fit, versions })
            })
            .collect();
        // Stable: equals stay in order of their names.
        found.sort_by_key(|found| found.fit);
        found
    }

    /// The shelves that a client has who has one with this package on it.
    fn beside(&self, of: &Listed) -> Vec<bool> {
        self.shelves.iter().map(|shelf| self.shelves_of(of).any(|own| own.is_kin_of(shelf))).collect()
    }

    /// The terms of a package's dependencies, each with the names that fulfil it in its branch and arch, in order. Those of
    /// conflicts are the names that may not be there beside it. `None` in place of names where looking would take too long:
    /// what a package needs and provides is its builder's to write.
    pub fn needs<'c>(&'c self, of: &'c Listed) -> Vec<(Dependency<'c>, Option<BTreeSet<&'c str>>)> {
        let terms: Vec<Dependency<'_>> = of.depends().collect();
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, term) in terms.iter().enumerate() {
            by_name.entry(term.name).or_default().push(at);
        }
        let mut suppliers: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); terms.len()];
        let (shelves, mut left) = (self.beside(of), MOST_COMPARED);
        'packages: for package in self.packages.iter().filter(|package| package.is_on(&shelves)) {
            for (name, offer) in package.offers() {
                for at in by_name.get(name).into_iter().flatten() {
                    left -= 1;
                    if left == 0 {
                        break 'packages;
                    }
                    if terms[*at].satisfied_by(offer, Rules::V3) {
                        suppliers[*at].insert(package.name());
                    }
                }
            }
        }
        let told = |suppliers| if left == 0 { None } else { Some(suppliers) };
        terms.into_iter().zip(suppliers.into_iter().map(told)).collect()
    }

    /// What needs a package in its branch and arch, by the terms that it fulfils: name, and the first such term as it stands
    /// there.
    pub fn dependants<'c>(&'c self, of: &Listed) -> BTreeMap<&'c str, &'c str> {
        let offers: BTreeMap<&str, Offer<'_>> = of.offers().collect();
        let fulfils = |term: &Dependency<'_>| {
            term.sense == Sense::Requires
                && offers.get(term.name).is_some_and(|offer| term.satisfied_by(*offer, Rules::V3))
        };
        let shelves = self.beside(of);
        let others = self.packages.iter().filter(|package| package.name() != of.name() && package.is_on(&shelves));
        others.filter_map(|package| Some((package.name(), package.depends().find(fulfils)?.as_str()))).collect()
    }

    /// Other names of one source package, in order.
    pub fn built_with<'c>(&'c self, origin: &str) -> BTreeSet<&'c str> {
        self.packages.iter().filter(|package| package.origin() == origin).map(Listed::name).collect()
    }
}

fn fit(listed: &Listed, wanted: &str, words: &[&str]) -> Option<Fit> {
    let name = listed.name().to_lowercase();
    let about = || {
        let text = format!("{name} {}", listed.description().to_lowercase());
        words.iter().all(|word| text.contains(word))
    };
    if name == wanted {
        Some(Fit::Exact)
    } else if listed.provides().any(|provide| provide.name.eq_ignore_ascii_case(wanted)) {
        Some(Fit::Provides)
    } else if name.starts_with(wanted) {
        Some(Fit::Begins)
    } else if words.iter().all(|word| name.contains(word)) {
        Some(Fit::Holds)
    } else if listed.origin().eq_ignore_ascii_case(wanted) {
        Some(Fit::Origin)
    } else if about() {
        Some(Fit::About)
    } else {
        None
    }
}

#[cfg(test)]
impl Catalogue {
    /// With these records on the only shelf, `v3.23/main/x86_64`.
    pub(crate) fn of_records(records: &[&str]) -> Catalogue {
        let records: Vec<(&str, &[u16])> = records.iter().map(|text| (*text, &[0][..])).collect();
        Catalogue::on_shelves(&[("v3.23/main", "x86_64")], &records)
    }

    /// With these records, each on these shelves.
    pub(crate) fn on_shelves(shelves: &[(&str, &str)], records: &[(&str, &[u16])]) -> Catalogue {
        let shelf = |(name, arch): &(&str, &str)| Shelf { name: name.parse().unwrap(), arch: arch.parse().unwrap() };
        let listed = |(text, on): &(&str, &[u16])| Listed {
            text: (*text).into(),
            on: on.iter().map(|shelf| (*shelf, 7)).collect(),
        };
        let (shelves, packages) = (shelves.iter().map(shelf).collect(), records.iter().map(listed).collect());
        Catalogue { generation: 1, shelves, packages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::on_shelves(
            &[
                ("v3.23/main", "x86_64"),
                ("v3.22/main", "x86_64"),
                ("v3.23/community", "x86_64"),
                ("v3.23/main", "armv7"),
            ],
            &[
                ("P:libssl3\nV:3.5.0-r0\nT:TLS\no:openssl\np:so:libssl.so.3=3\n", &[0, 1]),
                ("P:nginx\nV:1.28.0-r1\nT:A web server\nD:so:libssl.so.3 !nginx-old\np:cmd:nginx=1.28.0-r1\n", &[2]),
                ("P:nginx\nV:1.26.3-r0\nT:A web server\nD:so:libssl.so.1\n", &[1]),
                ("P:nginx-arm\nV:1\nD:nginx\n", &[3]),
                ("P:nginx-mod-echo\nV:1.28.0-r1\nT:Says it again\no:nginx\nD:nginx=1.28.0-r1\n", &[0]),
                ("P:webfs\nV:1-r0\nT:Simple web server beside Nginx\n", &[0]),
            ],
        )
    }

    fn search(text: &str) -> Vec<(String, Fit)> {
        let catalogue = catalogue();
        catalogue.search(text).iter().map(|found| (found.versions[0].name().to_owned(), found.fit)).collect()
    }

    #[test]
    fn the_best_fit_comes_first() {
        let found = search(" NGINX ");
        let wanted =
            [("nginx", Fit::Exact), ("nginx-arm", Fit::Begins), ("nginx-mod-echo", Fit::Begins), ("webfs", Fit::About)];
        assert_eq!(found, wanted.map(|(name, fit)| (name.to_owned(), fit)));
        assert_eq!(search("so:libssl.so.3"), [("libssl3".to_owned(), Fit::Provides)]);
        assert_eq!(search("openssl"), [("libssl3".to_owned(), Fit::Origin)]);
        assert_eq!(search("server web").len(), 2);
        assert_eq!(search("echo"), [("nginx-mod-echo".to_owned(), Fit::Holds)]);
        assert!(search("  ").is_empty());
    }

    #[test]
    fn versions_of_a_name_stand_together() {
        let catalogue = catalogue();
        let versions: Vec<&str> = catalogue.named("nginx").iter().map(Listed::version).collect();
        assert_eq!(versions, ["1.28.0-r1", "1.26.3-r0"]);
        assert!(catalogue.named("ngin").is_empty());
        assert!(catalogue.named("zzz").is_empty());
        assert_eq!(catalogue.all().len(), 5);
    }

    #[test]
    fn needs_are_told_both_ways() {
        let catalogue = catalogue();
        let [new, old] = catalogue.named("nginx") else { panic!("two versions") };
        let needs = catalogue.needs(new);
        let needs: Vec<_> = needs.iter().map(|(term, suppliers)| (term.as_str(), suppliers.clone().unwrap())).collect();
        // Of another repository of its branch.
        assert_eq!(needs, [("so:libssl.so.3", BTreeSet::from(["libssl3"])), ("!nginx-old", BTreeSet::new())]);
        assert_eq!(catalogue.needs(old)[0].1, Some(BTreeSet::new()), "libssl3 provides another soname");
        assert_eq!(catalogue.dependants(new), BTreeMap::from([("nginx-mod-echo", "nginx=1.28.0-r1")]));
        assert!(catalogue.dependants(old).is_empty(), "that version satisfies nobody");
        let [ssl] = catalogue.named("libssl3") else { panic!("one version") };
        assert_eq!(catalogue.dependants(ssl), BTreeMap::from([("nginx", "so:libssl.so.3")]));
        assert_eq!(catalogue.built_with("nginx"), BTreeSet::from(["nginx", "nginx-mod-echo"]));
    }

    #[test]
    fn what_would_take_for_ever_is_not_told() {
        let terms: String = (0..2000).map(|at| format!(" x>{at}")).collect();
        let offers: String = (0..2000).map(|at| format!(" x=0.{at}")).collect();
        let (needy, rich) = (format!("P:a\nV:1\nD:{}\n", terms.trim()), format!("P:b\nV:1\np:{}\n", offers.trim()));
        let catalogue = Catalogue::of_records(&[&needy, &rich]);
        let needs = catalogue.needs(&catalogue.named("a")[0]);
        assert_eq!(needs.len(), 2000);
        assert!(needs.iter().all(|(_, suppliers)| suppliers.is_none()));
    }
}
