//! What each repository wants of the indexes at hand, by its rules.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;

use super::indexes::{Asked, Index};
use super::{Error, Mirror, layers_of};
use crate::apk::names::{Arch, PackageName, RepositoryName, VersionText};
use crate::apk::{Entry, Identity};
use crate::config::{self, IndexMode, Repository, SourceKind};
use crate::jobs::selection::{self, Selection};
use crate::merge::{self, Cause, Prefer, Rank, Shadowed};
use crate::select::{Dependencies, Request, Selector, Supply, Versions, Wanted, close};
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
    /// What lost in the merge: decided here, because what is shadowed is never fetched.
    pub(super) shadowed: Vec<Shadowed>,
    /// What is worth a line: selectors that name nothing, needs that nothing provides, shadowed entries that are newer.
    pub(super) warnings: Vec<String>,
}

/// The wishes of `repositories`, in their order. Indexes in force are loaded where no candidate takes their place.
pub(super) fn all(mirror: &Mirror<'_>, repositories: &[&Repository], asked: &mut Asked) -> Result<Vec<Wish>, Error> {
    for index in &mut asked.indexes {
        if index.candidate.is_none() {
            index.load(mirror)?;
        }
    }
    let by_key: BTreeMap<&IndexKey, &Index> = asked.indexes.iter().map(|index| (&index.key, index)).collect();
    let mut wishes = Vec::new();
    for repository in repositories {
        let selection = selection::selection(repository)?;
        for arch in &repository.arches {
            wishes.push(one(mirror, repository, &selection, arch, &by_key));
        }
    }
    Ok(wishes)
}

fn one(
    mirror: &Mirror<'_>,
    repository: &Repository,
    selection: &Selection,
    arch: &Arch,
    by_key: &BTreeMap<&IndexKey, &Index>,
) -> Wish {
    let keys = layers_of(repository, arch);
    let (name, arch) = (repository.name.clone(), arch.clone());
    let mut layers: Vec<Vec<Entry>> = Vec::new();
    for key in &keys {
        let Some(entries) = by_key.get(key).and_then(|index| index.entries()) else {
            return Wish {
                name,
                arch,
                layers: Vec::new(),
                missing: Some(key.clone()),
                shadowed: Vec::new(),
                warnings: Vec::new(),
            };
        };
        layers.push(entries.to_vec());
    }
    let (mut warnings, mut shadowed) = (Vec::new(), Vec::new());
    // Upstream's own index is shown as it is: all of it is wanted, also what a merge would drop.
    if repository.index == IndexMode::Ours {
        for layer in &mut layers {
            layer.retain(|entry| !selection.exclude.iter().any(|selector| selector.names(entry)));
        }
        let views: Vec<Vec<&Entry>> = layers.iter().map(|layer| layer.iter().collect()).collect();
        let mut left: Vec<Vec<Entry>> = vec![Vec::new(); layers.len()];
        let effective = merge::effective(&views, prefer(repository));
        shadowed = merge::shadowed(&views, &effective);
        for newer in shadowed.iter().filter(|one| one.rank == Rank::Newer) {
            let from = &keys[newer.layer].source;
            let by = match newer.cause {
                Cause::Name { by } | Cause::Version { by } | Cause::Conflict { by } => &keys[by].source,
                Cause::Reserved { .. } | Cause::Provides { .. } => continue,
            };
            warnings.push(format!(
                "{name}/{arch}: {} of source \"{from}\" is newer than what \"{by}\" supplies",
                newer.file
            ));
        }
        for (layer, at) in effective.winners {
            left[layer].push(layers[layer][at].clone());
        }
        layers = match &selection.packages {
            None => left,
            Some(packages) => {
                let whole: Vec<bool> = keys
                    .iter()
                    .map(|key| matches!(mirror.config.sources[&key.source].kind, SourceKind::Directory { .. }))
                    .collect();
                let place = format!("{name}/{arch}");
                choose(&left, &whole, packages, selection, repository.dependencies, &place, &mut warnings)
            }
        };
    }
    Wish { name, arch, layers: keys.into_iter().zip(layers).collect(), missing: None, shadowed, warnings }
}

fn prefer(repository: &Repository) -> Prefer {
    match repository.prefer {
        config::Prefer::Order => Prefer::Order,
        config::Prefer::Newest => Prefer::Newest(NonZeroUsize::MIN),
        config::Prefer::All => Prefer::All,
    }
}

fn choose(
    layers: &[Vec<Entry>],
    whole: &[bool],
    packages: &[Selector],
    selection: &Selection,
    dependencies: config::Dependencies,
    place: &str,
    warnings: &mut Vec<String>,
) -> Vec<Vec<Entry>> {
    let supplies: Vec<Supply<'_>> = layers
        .iter()
        .zip(whole)
        .map(|(entries, whole)| Supply { entries, wanted: if *whole { Wanted::All } else { Wanted::List(0) } })
        .collect();
    let request = Request {
        lists: &[packages],
        exclude: &selection.exclude,
        versions: Versions::Newest,
        dependencies: match dependencies {
            config::Dependencies::Follow => Dependencies::Follow,
            config::Dependencies::Leave => Dependencies::Leave,
        },
    };
    let closure = close(&supplies, &request);
    for (_, selector) in &closure.idle {
        warnings.push(format!("{place}: \"{}\" names no package of its sources", packages[*selector].as_str()));
    }
    for unmet in &closure.unmet {
        let by: Vec<&str> =
            unmet.by.iter().take(3).map(|place| supplies[place.supply].entries[place.entry].name().as_str()).collect();
        let more = unmet.by.len().saturating_sub(by.len());
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        warnings.push(format!("{place}: nothing provides {}, which {}{more} needs", unmet.term, by.join(", ")));
    }
    let mut chosen = vec![Vec::new(); layers.len()];
    for (place, _) in closure.chosen() {
        chosen[place.supply].push(layers[place.supply][place.entry].clone());
    }
    chosen
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

/// What the pool lacks of all wishes, each package once; `hopeful` says for which wish, by its number, and from which index it
/// is to be had. Two indexes may list one package, and where the first does not have it, the second may.
pub(super) fn lacking(
    mirror: &Mirror<'_>,
    wishes: &[Wish],
    hopeful: impl Fn(usize, &IndexKey) -> bool,
) -> Vec<Lacking> {
    let mut seen: HashSet<(Identity, u64, &PackageName, &VersionText)> = HashSet::new();
    let mut all = Vec::new();
    for (number, wish) in wishes.iter().enumerate() {
        for (key, entries) in wish.layers.iter().filter(|(key, _)| hopeful(number, key)) {
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
