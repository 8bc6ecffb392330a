//! The closure: everything that any client could want to install for the chosen packages (apk-formats.md 4.7).
//!
//! Which provider a client picks depends on its version, its world and what it has installed, so all providers are taken
//! that some client in use would accept, and every `install_if` whose terms the chosen set provides. Conflicts add nothing.
//! All supplies of one architecture are closed together, since `main` and `community` need each other.
//!
//! Each package is queued once, each different term looks its providers up once, and a term of `install_if` leaves its list
//! when it is satisfied: the work grows with the terms and their providers.

use std::collections::{HashMap, VecDeque};

use crate::apk::dependency::{self, Dependency, Offer, Sense};
use crate::apk::names::PackageName;
use crate::apk::{Entry, Version};

use super::filter::Selector;

/// Which packages of one supply are taken for their own sake.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// All of them, in every version: `packages` is absent, or the source is a directory.
    All,
    /// Those that the selectors of [`Request::lists`] at this index name.
    List(usize),
    /// None: there for what others need.
    Nothing,
}

/// The entries of one accepted index.
#[derive(Clone, Copy, Debug)]
pub struct Supply<'e> {
    /// The entries. Shadowed ones are best left out: what is here may be chosen.
    pub entries: &'e [Entry],
    /// Which of them are roots.
    pub wanted: Wanted,
}

/// Which versions of a root's name are taken when a supply lists several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// The newest in that supply that the selector names.
    Newest,
    /// All that the selector names.
    All,
    /// All, and likewise of every name that is chosen for what reason ever, where dependencies are followed.
    AllOfEachName,
}

/// Whether what the roots need comes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependencies {
    /// Roots and what they need.
    Follow,
    /// Roots alone.
    Leave,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Lists of selectors; a supply names the one that applies to it.
    pub lists: &'a [&'a [Selector]],
    /// What is taken out of all supplies first. It wins over roots and dependencies alike.
    pub exclude: &'a [Selector],
    /// Which versions of the roots.
    pub versions: Versions,
    /// Whether to follow dependencies.
    pub dependencies: Dependencies,
}

/// Where an entry stands: `supplies[supply].entries[entry]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Index of the supply.
    pub supply: usize,
    /// Index in its entries.
    pub entry: usize,
}

/// Why an entry was chosen. Of several reasons the first found, which is one with the fewest steps to a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason<'e> {
    /// Its supply is wanted whole.
    Whole,
    /// Named by the selector at this index of its supply's list.
    Root {
        /// Index in that list.
        selector: usize,
    },
    /// Provides what a chosen package needs.
    Needed {
        /// The package that needs it.
        by: Place,
        /// The term of that package's `D:`.
        term: &'e str,
    },
    /// All terms of its `install_if` are provided by chosen packages.
    InstallIf {
        /// The package that completed them.
        by: Place,
        /// Its own `i:`.
        rule: &'e str,
    },
    /// Another version of its name, in the same supply, was chosen, and all of them are wanted.
    OtherVersion {
        /// That version.
        by: Place,
    },
}

/// Why a term is unmet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No entry has or provides the name.
    NobodyProvides,
    /// The name is there, but in no version that a client would accept.
    OtherVersions,
    /// What would fit was excluded.
    Excluded,
    /// Not a dependency that apk can read.
    Unreadable,
}

/// A term of chosen packages that no entry satisfies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet<'e> {
    /// The term as it stands in `D:`.
    pub term: &'e str,
    /// Why.
    pub why: Why,
    /// The packages that need it, at least one, in the order in which they were chosen.
    pub by: Vec<Place>,
}

/// What was chosen.
#[derive(Debug)]
pub struct Closure<'e> {
    places: Vec<Place>,
    starts: Vec<usize>,
    reasons: Vec<Option<Reason<'e>>>,
    /// Terms that nothing satisfies, in the order of their discovery.
    pub unmet: Vec<Unmet<'e>>,
    /// Selectors that named nothing that was not excluded: list, and index in it.
    pub idle: Vec<(usize, usize)>,
}

impl<'e> Closure<'e> {
    /// The chosen entries, in the order of the supplies and of their entries.
    pub fn chosen(&self) -> impl Iterator<Item = (Place, Reason<'e>)> {
        self.places.iter().zip(&self.reasons).filter_map(|(place, reason)| Some((*place, (*reason)?)))
    }

    /// Why the entry was chosen; `None` when it was not, or when there is no such place.
    pub fn reason(&self, place: Place) -> Option<Reason<'e>> {
        let id = self.starts.get(place.supply)? + place.entry;
        if self.places.get(id) == Some(&place) { self.reasons[id] } else { None }
    }

    /// The reasons from this entry back to a root, nearest first; empty when it was not chosen.
    pub fn chain(&self, place: Place) -> Vec<(Place, Reason<'e>)> {
        let mut chain = Vec::new();
        let mut next = Some(place);
        // Ends: a reason names only a package that was chosen before.
        while let Some((place, reason)) = next.and_then(|place| Some((place, self.reason(place)?))) {
            chain.push((place, reason));
            next = match reason {
                Reason::Needed { by, .. } | Reason::InstallIf { by, .. } | Reason::OtherVersion { by } => Some(by),
                Reason::Whole | Reason::Root { .. } => None,
            };
        }
        chain
    }
}

/// Chooses what `request` asks for from `supplies`, all of one architecture.
pub fn close<'e>(supplies: &[Supply<'e>], request: &Request<'_>) -> Closure<'e> {
    let mut work = Work::new(supplies, request.exclude);
    let idle = work.choose_roots(supplies, request);
    if request.dependencies == Dependencies::Follow {
        work.watch_install_if();
        if request.versions == Versions::AllOfEachName {
            work.note_versions();
        }
        while let Some(id) = work.queue.pop_front() {
            work.follow_depends(id);
            work.follow_versions(id);
            work.follow_install_if(id);
        }
    }
    Closure { starts: work.starts, reasons: work.reasons, places: work.places, unmet: work.unmet, idle }
}

/// Index of an entry over all supplies.
type Id = usize;

/// An `install_if`, waiting.
struct Rule<'e> {
    id: Id,
    text: &'e str,
    /// Terms that nothing chosen satisfies yet.
    open: usize,
}

struct Work<'e> {
    entries: Vec<&'e Entry>,
    places: Vec<Place>,
    starts: Vec<usize>,
    excluded: Vec<bool>,
    /// Who has or provides a name, excluded ones too.
    providers: HashMap<&'e str, Vec<(Id, Offer<'e>)>>,
    reasons: Vec<Option<Reason<'e>>>,
    queue: VecDeque<Id>,
    rules: Vec<Rule<'e>>,
    /// Open terms of rules, by the name they wait for.
    waiting: HashMap<&'e str, Vec<(usize, Dependency<'e>)>>,
    /// All versions of a supply's name, where all are wanted.
    versions: HashMap<(usize, &'e PackageName), Vec<Id>>,
    unmet: Vec<Unmet<'e>>,
    /// Terms already followed, by their text; for one that is unmet, where it stands in `unmet`.
    followed: HashMap<&'e str, Option<usize>>,
}

/// What an entry is and provides: names with what stands behind each.
pub(super) fn offers(entry: &Entry) -> impl Iterator<Item = (&str, Offer<'_>)> {
    let own = Offer::Package(Version::new(entry.version().as_str()), entry.identity());
    let provides = dependency::parse_provides(entry.field(b'p').unwrap_or_default());
    // What cannot be read provides nothing to any client.
    let provides = provides.flatten().map(|provide| (provide.name, Offer::Provides(provide.version)));
    std::iter::once((entry.name().as_str(), own)).chain(provides)
}

impl<'e> Work<'e> {
    fn new(supplies: &[Supply<'e>], exclude: &[Selector]) -> Self {
        let (mut entries, mut places, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        for (supply, all) in supplies.iter().enumerate() {
            starts.push(entries.len());
            for (entry, value) in all.entries.iter().enumerate() {
                entries.push(value);
                places.push(Place { supply, entry });
            }
        }
        let mut providers: HashMap<&str, Vec<_>> = HashMap::with_capacity(entries.len() * 4);
        for (id, entry) in entries.iter().enumerate() {
            for (name, offer) in offers(entry) {
                providers.entry(name).or_default().push((id, offer));
            }
        }
        Work {
            excluded: entries.iter().map(|entry| exclude.iter().any(|selector| selector.names(entry))).collect(),
            reasons: vec![None; entries.len()],
            entries,
            places,
            starts,
            providers,
            queue: VecDeque::new(),
            rules: Vec::new(),
            waiting: HashMap::new(),
            versions: HashMap::new(),
            unmet: Vec::new(),
            followed: HashMap::new(),
        }
    }

    fn choose(&mut self, id: Id, reason: Reason<'e>) {
        if self.reasons[id].is_none() {
            self.reasons[id] = Some(reason);
            self.queue.push_back(id);
        }
    }

    /// Chooses the roots; returns the selectors that named none.
    fn choose_roots(&mut self, supplies: &[Supply<'_>], request: &Request<'_>) -> Vec<(usize, usize)> {
        let mut idle = Vec::new();
        for (list, selectors) in request.lists.iter().enumerate() {
            for (selector, asked) in selectors.iter().enumerate() {
                let mut named = self.named(supplies, list, asked);
                if named.is_empty() {
                    idle.push((list, selector));
                }
                if request.versions == Versions::Newest {
                    self.keep_newest(&mut named);
                }
                for id in named {
                    self.choose(id, Reason::Root { selector });
                }
            }
        }
        for id in 0..self.entries.len() {
            if matches!(supplies[self.places[id].supply].wanted, Wanted::All) && !self.excluded[id] {
                self.choose(id, Reason::Whole);
            }
        }
        idle
    }

    /// The entries that a selector names in the supplies that its list is for.
    fn named(&self, supplies: &[Supply<'_>], list: usize, selector: &Selector) -> Vec<Id> {
        let is_asked = |id: Id| {
            !self.excluded[id]
                && matches!(supplies[self.places[id].supply].wanted, Wanted::List(number) if number == list)
        };
        let mut named: Vec<Id> = match selector.term() {
            Some(term) => self
                .providers
                .get(term.name)
                .into_iter()
                .flatten()
                .filter(|(id, offer)| is_asked(*id) && term.satisfied_in_any_client(*offer))
                .map(|(id, _)| *id)
                .collect(),
            None => (0..self.entries.len()).filter(|&id| is_asked(id) && selector.names(self.entries[id])).collect(),
        };
        named.dedup();
        named
    }

    /// Of each supply's entries with one name only those of its newest version among `named`.
    fn keep_newest(&self, named: &mut Vec<Id>) {
        let version = |id: Id| Version::new(self.entries[id].version().as_str());
        let key = |id: Id| (self.places[id].supply, self.entries[id].name());
        let mut newest: HashMap<_, Id> = HashMap::new();
        for &id in named.iter() {
            let best = newest.entry(key(id)).or_insert(id);
            if version(id).compare(version(*best)).is_gt() {
                *best = id;
            }
        }
        named.retain(|&id| version(id).compare(version(newest[&key(id)])).is_eq());
    }

    fn follow_depends(&mut self, id: Id) {
        let by = self.places[id];
        for term in dependency::parse_list(self.entries[id].field(b'D').unwrap_or_default()) {
            let text = match &term {
                Ok(term) if term.sense == Sense::Conflicts => continue,
                Ok(term) => term.as_str(),
                Err(bad) => bad.text,
            };
            let unmet = match self.followed.get(text) {
                Some(unmet) => *unmet,
                None => {
                    let why = match term {
                        Ok(term) => self.choose_providers(term, by).err(),
                        Err(_) => Some(Why::Unreadable),
                    };
                    let unmet = why.map(|why| {
                        self.unmet.push(Unmet { term: text, why, by: Vec::new() });
                        self.unmet.len() - 1
                    });
                    self.followed.insert(text, unmet);
                    unmet
                }
            };
            if let Some(unmet) = unmet {
                let needers = &mut self.unmet[unmet].by;
                // One line may say a term twice.
                if needers.last() != Some(&by) {
                    needers.push(by);
                }
            }
        }
    }

    /// Chooses all that some client would take for `term`; if there is nothing, says why.
    fn choose_providers(&mut self, term: Dependency<'e>, by: Place) -> Result<(), Why> {
        let Some(providers) = self.providers.remove(term.name) else { return Err(Why::NobodyProvides) };
        let mut outcome = Err(Why::OtherVersions);
        for (provider, offer) in &providers {
            if !term.satisfied_in_any_client(*offer) {
                continue;
            }
            if !self.excluded[*provider] {
                outcome = Ok(());
                self.choose(*provider, Reason::Needed { by, term: term.as_str() });
            } else if outcome.is_err() {
                outcome = Err(Why::Excluded);
            }
        }
        self.providers.insert(term.name, providers);
        outcome
    }

    fn note_versions(&mut self) {
        for (id, place) in self.places.iter().enumerate().filter(|(id, _)| !self.excluded[*id]) {
            self.versions.entry((place.supply, self.entries[id].name())).or_default().push(id);
        }
    }

    fn follow_versions(&mut self, id: Id) {
        let by = self.places[id];
        for other in self.versions.remove(&(by.supply, self.entries[id].name())).into_iter().flatten() {
            self.choose(other, Reason::OtherVersion { by });
        }
    }

    /// Puts every rule's terms where the names they wait for will find them. Conflict terms are not waited for: the set
    /// that a client installs is smaller than ours, so what is here may not be there. Nor are terms that cannot be read.
    fn watch_install_if(&mut self) {
        for id in 0..self.entries.len() {
            let entry = self.entries[id];
            let Some(text) = entry.field(b'i').filter(|_| !self.excluded[id]) else { continue };
            let rule = self.rules.len();
            let mut open = 0;
            for term in dependency::parse_list(text).flatten().filter(|term| term.sense == Sense::Requires) {
                self.waiting.entry(term.name).or_default().push((rule, term));
                open += 1;
            }
            self.rules.push(Rule { id, text, open });
        }
    }

    fn follow_install_if(&mut self, id: Id) {
        for (name, offer) in offers(self.entries[id]) {
            let Some(terms) = self.waiting.get_mut(name) else { continue };
            let mut complete = Vec::new();
            let rules = &mut self.rules;
            terms.retain(|(rule, term)| {
                let satisfied = term.satisfied_in_any_client(offer);
                if satisfied {
                    rules[*rule].open -= 1;
                    if rules[*rule].open == 0 {
                        complete.push(*rule);
                    }
                }
                !satisfied
            });
            for rule in complete {
                let Rule { id: chosen, text, .. } = self.rules[rule];
                self.choose(chosen, Reason::InstallIf { by: self.places[id], rule: text });
            }
        }
    }
}

#[cfg(test)]
mod tests;
