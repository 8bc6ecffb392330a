//! One world's way to its answer: what is asked for, what is in, what is ruled out. Nothing is ever taken back.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::catalogue::{Catalogue, NameId, Offered, Package, PackageId, Term};
use super::obstacle::{self, Obstacle};
use super::order::ranks;
use crate::apk::dependency::{Constraint, Dependency};
use crate::apk::{Rules, Version};

/// A term in force: the `at`th of the world or of a package's `D:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Need {
    /// `None`: the world.
    pub(super) by: Option<PackageId>,
    pub(super) at: usize,
}

/// How a package stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Open,
    In,
    Out(Bar),
}

/// What rules a package out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    /// A term in force does not want it.
    Term(Need),
    /// It offers a name that a package which is in offers, too, and one of the two owns it.
    Taken(NameId, PackageId),
}

/// Whether a name must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    No,
    /// Packages of the name are called in by their `install_if`.
    Called,
    /// Something needs it.
    Needed,
}

struct Name<'r> {
    asked: Asked,
    settled: bool,
    queued: bool,
    /// Packages that are in and offer it.
    present: Vec<Offered<'r>>,
}

pub(super) struct Course<'r> {
    pub(super) catalogue: &'r Catalogue<'r>,
    pub(super) world: Vec<Term<'r>>,
    standings: Vec<Standing>,
    names: Vec<Name<'r>>,
    /// What came in, in that order.
    entered: Vec<PackageId>,
    /// Names asked for and not known to be settled, in the order of asking.
    open: Vec<NameId>,
    /// Names whose candidates may have become others.
    queue: VecDeque<NameId>,
    /// Names that lost a supplier: whoever needs one of them may give way now. Each is looked at once, however many it lost.
    lessened: BTreeSet<NameId>,
    /// Whose `install_if` calls them, by their own name.
    called: HashMap<NameId, Vec<PackageId>>,
    in_force: HashSet<(NameId, &'r str)>,
}

/// The set of packages in the order of the catalogue, or all that stopped it.
pub(super) fn run<'r>(catalogue: &'r Catalogue<'r>, world: &[Dependency<'r>]) -> Result<Vec<PackageId>, Vec<Obstacle>> {
    let (world, names) = catalogue.world(world);
    let ranks = ranks(catalogue, &world, names);
    let name = || Name { asked: Asked::No, settled: false, queued: false, present: Vec::new() };
    let mut course = Course {
        catalogue,
        world,
        standings: vec![Standing::Open; catalogue.packages()],
        names: std::iter::repeat_with(name).take(names).collect(),
        entered: Vec::new(),
        open: Vec::new(),
        queue: VecDeque::new(),
        lessened: BTreeSet::new(),
        called: HashMap::new(),
        in_force: HashSet::new(),
    };
    for at in 0..course.world.len() {
        course.enforce(Need { by: None, at });
    }
    loop {
        while let Some(name) = course.next_woken() {
            course.consider(name);
        }
        let Some(name) = course.next_open(&ranks) else { break };
        course.decide(name);
    }
    let obstacles = obstacle::all(&course);
    if !obstacles.is_empty() {
        return Err(obstacles);
    }
    course.entered.sort_unstable();
    Ok(course.entered)
}

impl<'r> Course<'r> {
    pub(super) fn term(&self, need: Need) -> Term<'r> {
        match need.by {
            None => self.world[need.at],
            Some(package) => self.catalogue.needs(package)[need.at],
        }
    }

    pub(super) fn standing(&self, package: PackageId) -> Standing {
        self.standings[package.at()]
    }

    /// What came in, in that order.
    pub(super) fn entered(&self) -> &[PackageId] {
        &self.entered
    }

    /// What is in and is what the term names.
    pub(super) fn present(&self, term: &Term<'_>) -> Option<Offered<'r>> {
        self.names[term.name.at()].present.iter().find(|offered| term.names(offered)).copied()
    }

    /// Whether a client takes the package for this name of its own accord.
    pub(super) fn is_taken_for(&self, offered: &Offered<'_>) -> bool {
        offered.owns()
            || self.catalogue.package(offered.package).priority != 0
            || self.standing(offered.package) == Standing::In
    }

    /// Asks for what the term requires, and rules out what it does not want.
    fn enforce(&mut self, need: Need) {
        let term = self.term(need);
        if !self.in_force.insert((term.name, term.dependency.as_str())) {
            return;
        }
        if term.requires() {
            self.ask(term.name, Asked::Needed);
            if matches!(term.dependency.constraint, Constraint::Any) {
                return;
            }
        }
        for offered in self.catalogue.offers(term.name) {
            if term.names(offered) != term.requires() {
                self.rule_out(offered.package, Bar::Term(need));
            }
        }
    }

    fn ask(&mut self, name: NameId, asked: Asked) {
        let state = &mut self.names[name.at()];
        if state.asked == asked || state.asked == Asked::Needed {
            return;
        }
        state.asked = asked;
        state.settled = !state.present.is_empty();
        self.open.push(name);
        self.wake(name);
    }

    /// Has a name considered again that is asked for and not settled.
    fn wake(&mut self, name: NameId) {
        let state = &mut self.names[name.at()];
        if state.asked != Asked::No && !state.settled && !state.queued {
            state.queued = true;
            self.queue.push_back(name);
        }
    }

    fn rule_out(&mut self, package: PackageId, bar: Bar) {
        if self.standing(package) != Standing::Open {
            return;
        }
        self.standings[package.at()] = Standing::Out(bar);
        for &name in self.catalogue.names(package) {
            self.wake(name);
            self.lessened.insert(name);
        }
    }

    /// The next name to be considered.
    fn next_woken(&mut self) -> Option<NameId> {
        let catalogue = self.catalogue;
        while let Some(name) = self.lessened.pop_first() {
            for needer in catalogue.needers(name) {
                catalogue.names(*needer).iter().for_each(|name| self.wake(*name));
            }
        }
        let name = self.queue.pop_front()?;
        self.names[name.at()].queued = false;
        Some(name)
    }

    /// Settles a name that leaves no choice; asks for what all its candidates need.
    fn consider(&mut self, name: NameId) {
        let state = &self.names[name.at()];
        if state.settled || !state.present.is_empty() {
            self.names[name.at()].settled = true;
            return;
        }
        let favoured = self.favoured(name);
        let Some(first) = favoured.first() else {
            self.names[name.at()].settled |= self.names[name.at()].asked == Asked::Called;
            return;
        };
        if favoured.iter().all(|other| other.package == first.package) {
            // One that is never taken for the name may still come in for another reason, and shut this one out.
            if self.candidates(name).all(|other| self.is_taken_for(&other)) {
                self.enter(first.package);
            }
            return;
        }
        let catalogue = self.catalogue;
        for term in catalogue.needs(first.package).iter().filter(|term| term.requires()) {
            let needs_it = |other: &Offered<'_>| {
                catalogue.needs(other.package).iter().any(|its| its.requires() && its.name == term.name)
            };
            if self.names[term.name.at()].asked != Asked::Needed && favoured.iter().all(needs_it) {
                self.ask(term.name, Asked::Needed);
            }
        }
    }

    /// The first of the names that are open yet: those that something may settle from elsewhere come last.
    fn next_open(&mut self, ranks: &[u32]) -> Option<NameId> {
        let names = &self.names;
        self.open.retain(|name| !names[name.at()].settled && names[name.at()].present.is_empty());
        let mut best = None;
        for &name in &self.open {
            let (mut takes, mut may_come) = (false, false);
            for candidate in self.candidates(name) {
                match self.is_taken_for(&candidate) {
                    true => takes = true,
                    false => may_come = true,
                }
            }
            let key = (may_come, ranks[name.at()]);
            if takes && best.is_none_or(|(least, _)| key < least) {
                best = Some((key, name));
            }
        }
        best.map(|(_, name)| name)
    }

    fn decide(&mut self, name: NameId) {
        let favoured = self.favoured(name);
        let best = favoured.into_iter().reduce(|best, other| match self.compare(&other, &best) {
            Ordering::Less => other,
            Ordering::Equal | Ordering::Greater => best,
        });
        match best {
            Some(best) => self.enter(best.package),
            None => self.names[name.at()].settled = true,
        }
    }

    /// What could be taken for a name: whatever offers it and is not ruled out.
    fn candidates(&self, name: NameId) -> impl Iterator<Item = Offered<'r>> {
        let called = match self.names[name.at()].asked {
            Asked::Called => self.called.get(&name),
            Asked::No | Asked::Needed => None,
        };
        self.catalogue.offers(name).iter().copied().filter(move |offered| {
            !matches!(self.standing(offered.package), Standing::Out(_))
                && called.is_none_or(|called| called.contains(&offered.package))
        })
    }

    /// What a client would take for a name of its own accord: where some have lost no need, only those. Without choice one
    /// that has lost some is taken, but not for its `install_if` alone.
    fn favoured(&self, name: NameId) -> Vec<Offered<'r>> {
        let is_called = self.names[name.at()].asked == Asked::Called;
        let mut taken: Vec<_> = self.candidates(name).filter(|offered| self.is_taken_for(offered)).collect();
        if taken.len() > 1 || is_called {
            let sound: Vec<_> = taken.iter().copied().filter(|offered| self.lost(offered.package) == 0).collect();
            if is_called || !sound.is_empty() {
                taken = sound;
            }
        }
        taken
    }

    /// How many needs of a package could have been met and cannot any more.
    fn lost(&self, package: PackageId) -> usize {
        let is_lost = |term: &&Term<'_>| {
            let mut fitting = self.catalogue.offers(term.name).iter().filter(|offered| term.names(offered)).peekable();
            fitting.peek().is_some()
                && fitting.all(|offered| matches!(self.standing(offered.package), Standing::Out(_)))
        };
        self.catalogue.needs(package).iter().filter(|term| term.requires()).filter(is_lost).count()
    }

    /// Which of two candidates of a name a client prefers: `Less` is better.
    fn compare(&self, a: &Offered<'_>, b: &Offered<'_>) -> Ordering {
        let (ours, theirs) = (self.catalogue.package(a.package), self.catalogue.package(b.package));
        let version = |package: &Package<'r>| Version::new(package.entry.version().as_str());
        let newer = |a: Version<'_>, b: Version<'_>| b.compare_under(a, Rules::V2);
        let asked = match (a.version(), b.version()) {
            (Some(a), Some(b)) => newer(a, b),
            _ => Ordering::Equal,
        };
        let own = || match ours.name == theirs.name {
            true => newer(version(ours), version(theirs)),
            false => Ordering::Equal,
        };
        self.lost(a.package)
            .cmp(&self.lost(b.package))
            .then(asked)
            .then_with(own)
            .then(theirs.priority.cmp(&ours.priority))
            .then(a.package.cmp(&b.package))
    }

    /// Takes a package in: what it offers shuts others out, its needs come into force, and it may call others.
    fn enter(&mut self, package: PackageId) {
        self.standings[package.at()] = Standing::In;
        self.entered.push(package);
        let catalogue = self.catalogue;
        for &name in catalogue.names(package) {
            let offers = catalogue.offers(name);
            let ours = *offers.iter().find(|one| one.package == package).expect("it offers its names");
            self.names[name.at()].present.push(ours);
            self.wake(name);
            for other in offers {
                if other.package != package && (ours.owns() || other.owns()) {
                    self.rule_out(other.package, Bar::Taken(name, package));
                }
            }
        }
        for at in 0..catalogue.needs(package).len() {
            self.enforce(Need { by: Some(package), at });
        }
        for &name in catalogue.names(package) {
            catalogue.waiting(name).iter().for_each(|waiting| self.call(*waiting));
        }
    }

    /// Calls a package in when all terms of its `install_if` are met.
    fn call(&mut self, package: PackageId) {
        let rule = self.catalogue.rule(package);
        let met = |term: &Term<'_>| term.requires() && self.present(term).is_some();
        // It does not come to fight what called it.
        let fights = |need: &Term<'_>| {
            !need.requires() && self.present(need).is_some() && rule.iter().any(|term| term.name == need.name)
        };
        if self.standing(package) != Standing::Open
            || !rule.iter().all(met)
            || self.catalogue.needs(package).iter().any(fights)
        {
            return;
        }
        let name = self.catalogue.package(package).name;
        let called = self.called.entry(name).or_default();
        if !called.contains(&package) {
            called.push(package);
        }
        self.ask(name, Asked::Called);
        self.wake(name);
    }
}
