//! Entries read for resolving: names as numbers, who offers them, what each package needs.

use std::collections::HashMap;
use std::ops::Range;

use super::obstacle::Obstacle;
use super::{Resolution, course};
use crate::apk::dependency::{Dependency, Offer, Provide, Sense};
use crate::apk::{Entry, Rules, Version};

/// A name: of a package, or provided, or only needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameId(u32);

/// A package: its place over all supplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackageId(u32);

impl NameId {
    pub(super) fn at(self) -> usize {
        self.0 as usize
    }
}

impl PackageId {
    pub(super) fn at(self) -> usize {
        self.0 as usize
    }
}

/// One need or rule term, its name found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term<'e> {
    pub(super) name: NameId,
    pub(super) dependency: Dependency<'e>,
}

impl Term<'_> {
    pub(super) fn requires(&self) -> bool {
        self.dependency.sense == Sense::Requires
    }

    /// Whether what is offered is what the term names: what it wants, or what it rules out.
    pub(super) fn names(&self, offered: &Offered<'_>) -> bool {
        self.dependency.satisfied_by(offered.offer, Rules::V2)
    }
}

/// A package that offers a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offered<'e> {
    pub(super) package: PackageId,
    pub(super) offer: Offer<'e>,
}

impl<'e> Offered<'e> {
    /// The version under which the name is offered. With one the package owns the name.
    pub(super) fn version(&self) -> Option<Version<'e>> {
        match self.offer {
            Offer::Package(version, _) => Some(version),
            Offer::Provides(version) => version,
        }
    }

    pub(super) fn owns(&self) -> bool {
        self.version().is_some()
    }
}

/// What is known of a package.
pub(super) struct Package<'e> {
    pub(super) entry: &'e Entry,
    pub(super) name: NameId,
    /// `k:`, 0 where there is none.
    pub(super) priority: u64,
    /// A name that it offers twice.
    pub(super) twice: Option<NameId>,
    /// Names that it offers, its own first.
    names: Range<usize>,
    needs: Range<usize>,
    rule: Range<usize>,
}

/// The entries of some repositories, read. Answers for any number of worlds.
pub struct Catalogue<'e> {
    names: HashMap<&'e str, NameId>,
    texts: Vec<&'e str>,
    packages: Vec<Package<'e>>,
    offered_names: Vec<NameId>,
    terms: Vec<Term<'e>>,
    /// By name: who offers it, in the order of the supplies.
    offers: Grouped<Offered<'e>>,
    /// By name: whose `D:` requires it.
    needers: Grouped<PackageId>,
    /// By name: whose `install_if` waits for it.
    waiting: Grouped<PackageId>,
}

/// Values by name, in one piece of memory.
struct Grouped<T> {
    starts: Vec<usize>,
    values: Vec<T>,
}

impl<T: Copy> Grouped<T> {
    fn new(names: usize, pairs: &[(NameId, T)]) -> Self {
        let mut starts = vec![0; names + 1];
        for (name, _) in pairs {
            starts[name.at() + 1] += 1;
        }
        for at in 0..names {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut order = vec![0; pairs.len()];
        for (number, (name, _)) in pairs.iter().enumerate() {
            order[next[name.at()]] = number;
            next[name.at()] += 1;
        }
        Grouped { starts, values: order.into_iter().map(|number| pairs[number].1).collect() }
    }

    /// Empty for a name beyond those of the catalogue: one that only a world knows.
    fn of(&self, name: NameId) -> &[T] {
        match self.starts.get(name.at()..name.at() + 2) {
            Some(bounds) => &self.values[bounds[0]..bounds[1]],
            None => &[],
        }
    }
}

/// What is read before names are all known.
#[derive(Default)]
struct Reading<'e> {
    names: HashMap<&'e str, NameId>,
    texts: Vec<&'e str>,
    offered_names: Vec<NameId>,
    terms: Vec<Term<'e>>,
    offers: Vec<(NameId, Offered<'e>)>,
}

impl<'e> Reading<'e> {
    fn name(&mut self, text: &'e str) -> NameId {
        let next = NameId(u32::try_from(self.texts.len()).expect("indexes hold fewer names than 2^32"));
        *self.names.entry(text).or_insert_with(|| {
            self.texts.push(text);
            next
        })
    }

    /// The terms of a line up to the first that cannot be read: apk 2.x forgets the rest.
    fn terms(&mut self, line: Option<&'e str>) -> Range<usize> {
        let start = self.terms.len();
        for dependency in crate::apk::dependency::parse_list(line.unwrap_or_default()).map_while(Result::ok) {
            let name = self.name(dependency.name);
            self.terms.push(Term { name, dependency });
        }
        start..self.terms.len()
    }

    /// Notes what a package offers; returns the names, and one that it offers twice.
    fn offers(&mut self, package: PackageId, entry: &'e Entry) -> (Range<usize>, Option<NameId>) {
        let start = self.offers.len();
        let own = Offer::Package(Version::new(entry.version().as_str()), entry.identity());
        let name = self.name(entry.name().as_str());
        self.offers.push((name, Offered { package, offer: own }));
        let mut twice = None;
        for text in entry.field(b'p').unwrap_or_default().split(' ').filter(|text| !text.is_empty()) {
            match Provide::parse(text) {
                Ok(provide) => {
                    let name = self.name(provide.name);
                    let offered = Offered { package, offer: Offer::Provides(provide.version) };
                    let before = self.offers[start..].iter().find(|(other, _)| *other == name);
                    match before.map(|(_, other)| other.owns() || offered.owns()) {
                        Some(true) => twice = Some(name),
                        // Said twice without a version: once.
                        Some(false) => {}
                        None => self.offers.push((name, offered)),
                    }
                }
                // A term, but none that provides.
                Err(_) if Dependency::parse(text).is_ok() => {}
                Err(_) => break,
            }
        }
        let names = self.offered_names.len()..self.offered_names.len() + self.offers.len() - start;
        self.offered_names.extend(self.offers[start..].iter().map(|(name, _)| *name));
        (names, twice)
    }
}

impl<'e> Catalogue<'e> {
    /// Reads the entries of all repositories that a client has, in its order. The very same entry in a second one is one
    /// package.
    pub fn new(supplies: &[&'e [Entry]]) -> Self {
        let mut reading = Reading::default();
        let mut packages: Vec<Package<'e>> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for entry in supplies.iter().copied().flatten() {
            if supplies.len() > 1 && !seen.insert((entry.name(), entry.identity(), entry.version().as_str())) {
                continue;
            }
            let id = PackageId(u32::try_from(packages.len()).expect("indexes hold fewer entries than 2^32"));
            let (names, twice) = reading.offers(id, entry);
            packages.push(Package {
                entry,
                name: reading.offered_names[names.start],
                priority: entry.field(b'k').and_then(|text| text.parse().ok()).unwrap_or(0),
                twice,
                names,
                needs: reading.terms(entry.field(b'D')),
                rule: reading.terms(entry.field(b'i')),
            });
        }
        let (mut needers, mut waiting) = (Vec::new(), Vec::new());
        for (number, package) in packages.iter().enumerate() {
            let id = PackageId(number as u32);
            let required = reading.terms[package.needs.clone()].iter().filter(|term| term.requires());
            needers.extend(required.map(|term| (term.name, id)));
            waiting.extend(reading.terms[package.rule.clone()].iter().map(|term| (term.name, id)));
        }
        let names = reading.texts.len();
        Catalogue {
            offers: Grouped::new(names, &reading.offers),
            needers: Grouped::new(names, &needers),
            waiting: Grouped::new(names, &waiting),
            names: reading.names,
            texts: reading.texts,
            packages,
            offered_names: reading.offered_names,
            terms: reading.terms,
        }
    }

    /// Answers whether a client on an empty machine can install `world`: the packages that it would install, or all that
    /// stopped it, at least one.
    pub fn resolve(&self, world: &[Dependency<'_>]) -> Result<Resolution<'e>, Vec<Obstacle>> {
        let packages = course::run(self, world)?;
        Ok(Resolution { packages: packages.into_iter().map(|id| self.packages[id.at()].entry).collect() })
    }

    /// The world's terms, and the texts of names that the catalogue lacks: their numbers follow its own.
    pub(super) fn world<'w>(&self, world: &[Dependency<'w>]) -> (Vec<Term<'w>>, usize) {
        let mut new: HashMap<&str, NameId> = HashMap::new();
        let mut terms = Vec::new();
        for dependency in world {
            let next = NameId((self.texts.len() + new.len()) as u32);
            let known = self.names.get(dependency.name).copied();
            let name = known.unwrap_or_else(|| *new.entry(dependency.name).or_insert(next));
            terms.push(Term { name, dependency: *dependency });
        }
        (terms, self.texts.len() + new.len())
    }

    pub(super) fn packages(&self) -> usize {
        self.packages.len()
    }

    pub(super) fn package(&self, id: PackageId) -> &Package<'e> {
        &self.packages[id.at()]
    }

    /// The text of a name that some package offers or needs.
    pub(super) fn text(&self, name: NameId) -> &'e str {
        self.texts[name.at()]
    }

    pub(super) fn names(&self, package: PackageId) -> &[NameId] {
        &self.offered_names[self.packages[package.at()].names.clone()]
    }

    pub(super) fn needs(&self, package: PackageId) -> &[Term<'e>] {
        &self.terms[self.packages[package.at()].needs.clone()]
    }

    pub(super) fn rule(&self, package: PackageId) -> &[Term<'e>] {
        &self.terms[self.packages[package.at()].rule.clone()]
    }

    pub(super) fn offers(&self, name: NameId) -> &[Offered<'e>] {
        self.offers.of(name)
    }

    pub(super) fn needers(&self, name: NameId) -> &[PackageId] {
        self.needers.of(name)
    }

    pub(super) fn waiting(&self, name: NameId) -> &[PackageId] {
        self.waiting.of(name)
    }
}
