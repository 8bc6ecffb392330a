//! What each repository wants of the indexes at hand, by its rules: what it could list ([`offer`]), and of that what is asked
//! for and needed ([`choose`]).

use std::collections::{BTreeMap, HashSet};

use super::choose::{self, Choice};
use super::indexes::{Asked, Index};
use super::{Error, Mirror, Setback, layers_of, offer};
use crate::apk::names::{Arch, PackageName, RepositoryName, VersionText};
use crate::apk::{Entry, Identity};
use crate::config::{IndexMode, Repository};
use crate::jobs::reserve::Reserve;
use crate::jobs::selection::{self, Selection};
use crate::ledger::Withdrawn;
use crate::merge::Shadowed;
use crate::snapshot::IndexKey;

/// What one repository wants for one arch.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) name: RepositoryName,
    pub(super) arch: Arch,
    /// By layer: the index, and the entries wanted of it.
    pub(super) layers: Vec<(IndexKey, Vec<Entry>)>,
    /// An index that is needed and that is not there.
    pub(super) missing: Option<IndexKey>,
    /// Why its own rules keep it as it is.
    pub(super) forbidden: Option<Setback>,
    /// What lost in the merge: decided here, because what is shadowed is never fetched.
    pub(super) shadowed: Vec<Shadowed>,
    /// What is worth a line: selectors that name nothing, needs that nothing provides, shadowed entries that are newer.
    pub(super) warnings: Vec<String>,
}

impl Wish {
    /// It keeps its former state, and nothing is fetched for it.
    pub(super) fn forbid(&mut self, setback: Setback) {
        self.forbidden = Some(setback);
        self.layers.iter_mut().for_each(|(_, entries)| entries.clear());
    }
}

/// The wishes of `repositories`, in their order. Indexes in force are loaded where no candidate takes their place.
pub(super) fn all(mirror: &Mirror<'_>, repositories: &[&Repository], asked: &mut Asked) -> Result<Vec<Wish>, Error> {
    for index in &mut asked.indexes {
        if index.candidate.is_none() {
            index.load(mirror)?;
        }
    }
    let reserve = Reserve::of(mirror.config)?;
    let withdrawn = mirror.ledger.withdrawn()?;
    let by_key: BTreeMap<&IndexKey, &Index> = asked.indexes.iter().map(|index| (&index.key, index)).collect();
    let mut wishes = Vec::new();
    for repository in repositories {
        let selection = selection::selection(repository)?;
        for arch in &repository.arches {
            wishes.push(one(mirror, repository, &selection, &reserve, &withdrawn, arch, &by_key));
        }
    }
    Ok(wishes)
}

fn one(
    mirror: &Mirror<'_>,
    repository: &Repository,
    selection: &Selection,
    reserve: &Reserve<'_>,
    withdrawn: &[Withdrawn],
    arch: &Arch,
    by_key: &BTreeMap<&IndexKey, &Index>,
) -> Wish {
    let keys = layers_of(repository, arch);
    let mut wish = Wish {
        name: repository.name.clone(),
        arch: arch.clone(),
        layers: Vec::new(),
        missing: None,
        forbidden: None,
        shadowed: Vec::new(),
        warnings: Vec::new(),
    };
    let mut layers: Vec<Vec<Entry>> = Vec::new();
    for key in &keys {
        let Some(entries) = by_key.get(key).and_then(|index| index.entries()) else {
            wish.missing = Some(key.clone());
            return wish;
        };
        // Upstream's own index is shown as it is, and nothing can be taken out of it.
        let stays = |entry: &&Entry| {
            repository.index != IndexMode::Ours || !withdrawn.iter().any(|rule| rule.names(entry.file()))
        };
        layers.push(entries.iter().filter(stays).cloned().collect());
    }
    let guard = reserve.guard(keys.iter().map(|key| &key.source).zip(layers.iter().map(Vec::as_slice)));
    // Upstream's own index is shown as it is: all of it is wanted, also what a merge would drop.
    if repository.index != IndexMode::Ours {
        let forbidden = offer::shows_reserved(&keys, &layers, &guard);
        wish.layers = keys.into_iter().zip(layers).collect();
        if let Some(setback) = forbidden {
            wish.forbid(setback);
        }
        return wish;
    }
    let offer = offer::offer(repository, selection, &guard, keys, layers);
    let place = format!("{}/{arch}", wish.name);
    wish.warnings.extend(offer::warnings(&place, &offer));
    let layers = match &selection.packages {
        None => offer.layers,
        Some(packages) => {
            let choice = Choice { mirror, repository, selection, packages, place: &place };
            choose::choose(&choice, &offer, &mut wish.warnings)
        }
    };
    wish.shadowed = offer.shadowed;
    wish.layers = offer.keys.into_iter().zip(layers).collect();
    wish
}

/// One package that is wanted and that the pool lacks.
#[derive(Clone, Debug)]
pub(super) struct Lacking {
    /// Which index lists it (the first that does).
    pub(super) key: IndexKey,
    pub(super) entry: Entry,
    /// The first repository that wants it: where the report counts it.
    pub(super) wish: usize,
}

/// What the pool lacks of all wishes, each package once; `hopeful` says from which index it is to be had. Two indexes may list one package, and where the first does not have it, the second may.
pub(super) fn lacking(mirror: &Mirror<'_>, wishes: &[Wish], hopeful: impl Fn(&IndexKey) -> bool) -> Vec<Lacking> {
    let mut seen: HashSet<(Identity, u64, &PackageName, &VersionText)> = HashSet::new();
    let mut all = Vec::new();
    for (number, wish) in wishes.iter().enumerate() {
        for (key, entries) in wish.layers.iter().filter(|(key, _)| hopeful(key)) {
            for entry in entries {
                let package = (*entry.identity(), entry.size(), entry.name(), entry.version());
                if seen.insert(package) && mirror.pool.find(entry).is_none() {
                    all.push(Lacking { key: key.clone(), entry: entry.clone(), wish: number });
                }
            }
        }
    }
    all
}
