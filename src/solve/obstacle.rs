//! Why a world cannot be installed, told as an operator would look for it: from the world, need by need, to what is in the
//! way.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use super::catalogue::{NameId, Offered, PackageId, Term};
use super::course::{Bar, Course, Need, Standing};
use crate::apk::PackageFile;
use crate::apk::dependency::Offer;

/// How many packages a cause names before it only counts them.
const NAMED: usize = 3;

/// A way of more links than this is told by its two ends.
const LONG: usize = 12;

/// One reason for which a world cannot be installed. Prints as one line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Obstacle {
    /// From the world to the term that cannot be met, at least one; the shortest way there is.
    pub chain: Vec<Link>,
    /// Why it cannot.
    pub cause: Cause,
}

/// One step on the way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// A term of the world.
    World {
        /// The term.
        term: String,
    },
    /// A term of a package's `D:`.
    Needs {
        /// The package.
        by: PackageFile,
        /// The term.
        term: String,
    },
    /// A package comes in by itself.
    InstallIf {
        /// That package.
        package: PackageFile,
        /// Its `install_if`.
        rule: String,
    },
}

/// What is in the way of the last term of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No package has or provides the name.
    NobodyProvides,
    /// The name is there, but not as the term wants it.
    OtherVersions {
        /// What there is, `b-1` or `c-3 (b=1)`, at most three.
        there: Vec<String>,
    },
    /// Only packages that provide the name without a version or priority: a client takes none of them by itself.
    MustBeNamed {
        /// Those packages, at most three.
        packages: Vec<PackageFile>,
    },
    /// The term rules out a package that is needed.
    Present {
        /// That package.
        package: PackageFile,
        /// The way from the world to it.
        because: Vec<Link>,
    },
    /// What would fit is ruled out by another term.
    RuledOut {
        /// What would fit.
        package: PackageFile,
        /// The way from the world to that term.
        by: Vec<Link>,
    },
    /// What would fit offers a name that another package offers, too; a machine has one of them.
    SameName {
        /// What would fit.
        package: PackageFile,
        /// The name.
        name: String,
        /// Who offers it as well.
        other: PackageFile,
        /// The way from the world to that one.
        because: Vec<Link>,
    },
    /// What would fit offers a name twice, and installs nowhere.
    Twice {
        /// That package.
        package: PackageFile,
        /// The name.
        name: String,
    },
}

/// All that is wrong with where a course ended: terms that do not hold, packages that install nowhere.
pub(super) fn all(course: &Course<'_>) -> Vec<Obstacle> {
    let world = (0..course.world.len()).map(|at| Need { by: None, at });
    let theirs = course
        .entered()
        .iter()
        .flat_map(|&package| (0..course.catalogue.needs(package).len()).map(move |at| Need { by: Some(package), at }));
    let unmet: Vec<Need> = world.chain(theirs).filter(|need| !holds(course, &course.term(*need))).collect();
    let twice: Vec<(PackageId, NameId)> = course
        .entered()
        .iter()
        .filter_map(|&package| Some((package, course.catalogue.package(package).twice?)))
        .collect();
    if unmet.is_empty() && twice.is_empty() {
        return Vec::new();
    }
    let ways = Ways::of(course);
    let mut seen = HashSet::new();
    let mut obstacles = Vec::new();
    for need in unmet {
        let term = course.term(need);
        let cause = ways.cause(&term);
        // Many may need what one thing keeps out; the first tells it.
        if seen.insert((term.dependency.as_str().to_owned(), cause.clone())) {
            obstacles.push(Obstacle { chain: ways.to_term(need), cause });
        }
    }
    for (package, name) in twice {
        let cause = Cause::Twice { package: ways.file(package), name: course.catalogue.text(name).to_owned() };
        obstacles.push(Obstacle { chain: ways.to_package(package), cause });
    }
    obstacles
}

fn holds(course: &Course<'_>, term: &Term<'_>) -> bool {
    course.present(term).is_some() == term.requires()
}

/// How a package came in.
#[derive(Clone, Copy)]
enum Way {
    Needed(Need),
    /// By its `install_if`, for which this one is there.
    Called(Option<PackageId>),
}

/// The shortest ways from the world to what is in.
struct Ways<'c, 'r> {
    course: &'c Course<'r>,
    ways: HashMap<PackageId, Way>,
}

impl<'c, 'r> Ways<'c, 'r> {
    fn of(course: &'c Course<'r>) -> Self {
        let mut ways = Ways { course, ways: HashMap::new() };
        let mut queue = VecDeque::new();
        for at in 0..course.world.len() {
            ways.follow(Need { by: None, at }, &mut queue);
        }
        ways.follow_all(&mut queue);
        // What no need leads to came by itself, and so on from there.
        for &package in course.entered() {
            if !ways.ways.contains_key(&package) {
                let mut there = course.catalogue.rule(package).iter().filter_map(|term| course.present(term));
                let caller = there.find(|one| ways.ways.contains_key(&one.package)).map(|one| one.package);
                ways.ways.insert(package, Way::Called(caller));
                queue.push_back(package);
                ways.follow_all(&mut queue);
            }
        }
        ways
    }

    fn follow_all(&mut self, queue: &mut VecDeque<PackageId>) {
        while let Some(package) = queue.pop_front() {
            for at in 0..self.course.catalogue.needs(package).len() {
                self.follow(Need { by: Some(package), at }, queue);
            }
        }
    }

    fn follow(&mut self, need: Need, queue: &mut VecDeque<PackageId>) {
        let term = self.course.term(need);
        let Some(present) = self.course.present(&term).filter(|_| term.requires()) else { return };
        if let Entry::Vacant(place) = self.ways.entry(present.package) {
            place.insert(Way::Needed(need));
            queue.push_back(present.package);
        }
    }

    fn file(&self, package: PackageId) -> PackageFile {
        self.course.catalogue.package(package).entry.file().clone()
    }

    fn to_term(&self, need: Need) -> Vec<Link> {
        let term = self.course.term(need).dependency.as_str().to_owned();
        let Some(by) = need.by else { return vec![Link::World { term }] };
        let mut chain = self.to_package(by);
        chain.push(Link::Needs { by: self.file(by), term });
        chain
    }

    /// Ends: a way leads over packages that were reached before.
    fn to_package(&self, package: PackageId) -> Vec<Link> {
        let mut chain = Vec::new();
        let mut next = Some(package);
        while let Some(package) = next {
            let (link, before) = match self.ways.get(&package) {
                Some(Way::Needed(need)) => {
                    let term = self.course.term(*need).dependency.as_str().to_owned();
                    match need.by {
                        Some(by) => (Link::Needs { by: self.file(by), term }, Some(by)),
                        None => (Link::World { term }, None),
                    }
                }
                Some(Way::Called(caller)) => (self.install_if(package), *caller),
                None => (self.install_if(package), None),
            };
            chain.push(link);
            next = before;
        }
        chain.reverse();
        chain
    }

    fn install_if(&self, package: PackageId) -> Link {
        let rule = self.course.catalogue.package(package).entry.field(b'i').unwrap_or_default().to_owned();
        Link::InstallIf { package: self.file(package), rule }
    }

    fn cause(&self, term: &Term<'_>) -> Cause {
        if let Some(present) = self.course.present(term).filter(|_| !term.requires()) {
            return Cause::Present { package: self.file(present.package), because: self.to_package(present.package) };
        }
        let offers = self.course.catalogue.offers(term.name);
        if offers.is_empty() {
            return Cause::NobodyProvides;
        }
        let fitting: Vec<&Offered<'_>> = offers.iter().filter(|offered| term.names(offered)).collect();
        let taken = fitting.iter().find(|offered| self.course.is_taken_for(offered));
        match taken.or(fitting.first()) {
            None => {
                let there = offers.iter().take(NAMED).map(|one| self.described(one, term.dependency.name)).collect();
                Cause::OtherVersions { there }
            }
            Some(likely) => match self.course.standing(likely.package) {
                Standing::Out(bar) => self.barred(likely.package, bar),
                Standing::Open | Standing::In => {
                    let packages = fitting.iter().take(NAMED).map(|one| self.file(one.package)).collect();
                    Cause::MustBeNamed { packages }
                }
            },
        }
    }

    fn barred(&self, package: PackageId, bar: Bar) -> Cause {
        let file = self.file(package);
        match bar {
            Bar::Term(need) => Cause::RuledOut { package: file, by: self.to_term(need) },
            Bar::Taken(name, other) => Cause::SameName {
                package: file,
                name: self.course.catalogue.text(name).to_owned(),
                other: self.file(other),
                because: self.to_package(other),
            },
        }
    }

    fn described(&self, offered: &Offered<'_>, name: &str) -> String {
        let file = self.file(offered.package);
        match (offered.offer, offered.version()) {
            (Offer::Package(..), _) => stem(&file).to_owned(),
            (Offer::Provides(_), Some(version)) => format!("{} ({name}={})", stem(&file), version.as_str()),
            (Offer::Provides(_), None) => format!("{} ({name} without a version)", stem(&file)),
        }
    }
}

/// `NAME-VERSION`.
fn stem(file: &PackageFile) -> &str {
    file.as_str().strip_suffix(".apk").unwrap_or(file.as_str())
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = |term: &str| if term.starts_with('!') { "rules out" } else { "needs" };
        let bare = |term: &str| term.trim_start_matches('!').to_owned();
        match self {
            Link::World { term } => write!(f, "the world {} {}", verb(term), bare(term)),
            Link::Needs { by, term } => write!(f, "{} {} {}", stem(by), verb(term), bare(term)),
            Link::InstallIf { package, rule } => write!(f, "{} comes in by its install_if ({rule})", stem(package)),
        }
    }
}

/// The links in one line; of a long way its beginning and its end.
fn way(chain: &[Link]) -> String {
    let told = |links: &[Link]| links.iter().map(Link::to_string).collect::<Vec<_>>().join("; ");
    match chain.len() {
        ..=LONG => told(chain),
        length => {
            let (first, last) = (&chain[..LONG / 2], &chain[length - LONG / 2..]);
            format!("{}; … {} more …; {}", told(first), length - LONG, told(last))
        }
    }
}

/// `the world needs a; a-1 needs b>2, of which there is only b-1`.
impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&way(&self.chain))?;
        match &self.cause {
            Cause::NobodyProvides => f.write_str(", which nothing provides"),
            Cause::OtherVersions { there } => write!(f, ", of which there is only {}", there.join(", ")),
            Cause::MustBeNamed { packages } => {
                let packages: Vec<&str> = packages.iter().map(stem).collect();
                write!(f, ", which a client takes from {} only if the world names it", packages.join(" or "))
            }
            Cause::Present { package, because } => write!(f, ", but {} comes in: {}", stem(package), way(because)),
            Cause::RuledOut { package, by } => write!(f, ", but {} is ruled out: {}", stem(package), way(by)),
            Cause::SameName { package, name, other, because } if name == other.name() => {
                write!(f, ", but {} gives way to {}: {}", stem(package), stem(other), way(because))
            }
            Cause::SameName { package, name, other, because } => {
                write!(f, ", but {} and {} both provide {name}: {}", stem(package), stem(other), way(because))
            }
            Cause::Twice { package, name } => write!(f, ", but {} provides {name} twice over", stem(package)),
        }
    }
}
