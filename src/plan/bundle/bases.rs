//! Over which packages that a receiver has a new one is likely to be short.

use std::cmp::{Ordering, Reverse};
use std::collections::{HashMap, HashSet};

use crate::apk::ObjectId;
use crate::apk::names::{Arch, RepositoryName};
use crate::apk::version::Version;

/// How many bases are tried for one package: making a delta costs most of the time.
pub const MOST_TRIED: usize = 3;

/// A package, as far as it tells what it is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likeness {
    /// Where it is listed.
    pub place: (RepositoryName, Arch),
    /// Its name.
    pub name: Box<str>,
    /// Its version.
    pub version: Box<str>,
    /// The aport that it was built from.
    pub origin: Option<Box<str>>,
    /// SHA-256 of it.
    pub object: ObjectId,
    /// Its size in bytes.
    pub size: u64,
    /// About the bytes of its plain form.
    pub plain: u64,
}

/// Packages that a receiver has and that are here, too.
#[derive(Debug, Default)]
pub struct Bases {
    all: Vec<Likeness>,
    by_name: HashMap<Box<str>, Vec<usize>>,
    by_origin: HashMap<Box<str>, Vec<usize>>,
}

impl FromIterator<Likeness> for Bases {
    fn from_iter<I: IntoIterator<Item = Likeness>>(known: I) -> Self {
        let mut bases = Bases::default();
        for (at, likeness) in known.into_iter().enumerate() {
            bases.by_name.entry(likeness.name.clone()).or_default().push(at);
            if let Some(origin) = &likeness.origin {
                bases.by_origin.entry(origin.clone()).or_default().push(at);
            }
            bases.all.push(likeness);
        }
        bases
    }
}

impl Bases {
    /// The likeliest bases of `new`, the best first, at most [`MOST_TRIED`]: of the same name in its repository and arch the
    /// nearest version, an older one rather than a newer; then of the same name elsewhere, its arch first; then what was built
    /// from the same aport, its arch first, the largest first.
    pub fn of(&self, new: &Likeness) -> Vec<&Likeness> {
        let mut found: Vec<&Likeness> = self.listed(&self.by_name, &new.name).collect();
        let elsewhere = |base: &Likeness| (base.place != new.place, base.place.1 != new.place.1);
        found.sort_by(|a, b| elsewhere(a).cmp(&elsewhere(b)).then_with(|| nearer(new, a, b)));
        let of_origin = new.origin.as_ref().map(|origin| self.listed(&self.by_origin, origin));
        let mut siblings: Vec<&Likeness> =
            of_origin.into_iter().flatten().filter(|base| base.name != new.name).collect();
        siblings.sort_by_key(|base| (base.place.1 != new.place.1, Reverse(base.size)));
        found.extend(siblings);
        let mut seen = HashSet::from([new.object]);
        found.retain(|base| seen.insert(base.object));
        found.truncate(MOST_TRIED);
        found
    }

    fn listed<'b>(&'b self, by: &'b HashMap<Box<str>, Vec<usize>>, key: &str) -> impl Iterator<Item = &'b Likeness> {
        by.get(key).into_iter().flatten().map(|at| &self.all[*at])
    }
}

/// Which of two versions of one name is nearer to `new`: what is older goes before what is newer.
fn nearer(new: &Likeness, a: &Likeness, b: &Likeness) -> Ordering {
    let version = |of: &'_ Likeness| Version::new(&of.version).compare(Version::new(&new.version));
    let is_newer = |of: &Likeness| version(of) == Ordering::Greater;
    match (is_newer(a), is_newer(b)) {
        (false, false) => Version::new(&b.version).compare(Version::new(&a.version)),
        (true, true) => Version::new(&a.version).compare(Version::new(&b.version)),
        (one, other) => one.cmp(&other),
    }
}
