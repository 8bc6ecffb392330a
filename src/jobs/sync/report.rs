//! What a sync did, or would do, as the contract words it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::indexes::Asked;
use super::want::{self, Wish};
use super::{Error, Mirror, Setback, space};
use crate::apk::names::{Arch, Place, RepositoryName, SourceName};
use crate::disk::durable;
use crate::error::Class;
use crate::jobs::import::BundleReport;
use crate::ledger::Links;
use crate::merge::{Cause, Rank};
use crate::plan::publish::RepositoryState;

/// One file that was refused or did not come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Its name.
    pub file: String,
    /// Why, in one line.
    pub reason: String,
    /// Stable word.
    pub code: String,
    /// Whose trouble it is.
    #[serde(skip)]
    pub class: Class,
}

impl Refused {
    /// How many are told one by one.
    const TOLD: usize = 5;

    /// A line for each of the first, and one for the rest.
    pub(super) fn told(all: &[Refused]) -> Vec<String> {
        let mut lines: Vec<String> = all
            .iter()
            .take(Self::TOLD)
            .map(|refused| format!("{}: {}", refused.file.trim_end_matches(".apk"), refused.reason))
            .collect();
        if all.len() > Self::TOLD {
            lines.push(format!("and {} more", all.len() - Self::TOLD));
        }
        lines
    }
}

/// Why a repository did not move, or moved without one of its sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Stable word.
    pub code: String,
    /// One line.
    pub message: String,
    /// Causes and particulars, a line each.
    #[serde(rename = "causes", skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// An action that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whose trouble it is.
    #[serde(skip)]
    pub class: Class,
}

impl From<&Setback> for Broken {
    fn from(setback: &Setback) -> Self {
        Broken {
            code: setback.code.clone(),
            message: setback.message.clone(),
            details: setback.details.clone(),
            hint: setback.hint.clone(),
            class: setback.class,
        }
    }
}

/// One repository and arch after a sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepositoryReport {
    /// The repository.
    pub name: RepositoryName,
    /// The arch.
    pub arch: Arch,
    /// Packages that its index lists now.
    pub packages: u64,
    /// Names that came.
    pub added: u64,
    /// Names that went.
    pub removed: u64,
    /// Names whose versions changed.
    pub upgraded: u64,
    /// Whether its index is the former one.
    pub unchanged: bool,
    /// Packages that came over the wire for it.
    pub fetched_files: u64,
    /// Their bytes.
    pub fetched_bytes: u64,
    /// Single files that were refused or did not come.
    pub refused: Vec<Refused>,
    /// Packages that keep a former version because their new one cannot be had.
    pub carried: Vec<Carried>,
    /// Entries that lost in the merge.
    pub shadowed: u64,
    /// Of those, how many were newer than what is supplied.
    pub shadowed_newer: u64,
    /// The entries that lost, each with its cause; absent where no index changed and nothing was merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadowed_entries: Option<Vec<ShadowedEntry>>,
    /// What is worth a line.
    pub warnings: Vec<String>,
    /// What went wrong.
    pub error: Option<Broken>,
}

/// An entry that lost in the merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShadowedEntry {
    /// Its file.
    pub file: String,
    /// The source that lists it.
    pub source: SourceName,
    /// Stable word: `name` (another source supplies the name), `version` (newer ones are enough), `conflict` (its name and
    /// version stand for other bytes), `reserved`, `provides` and `install-if` (a name that belongs to another source).
    pub cause: &'static str,
    /// The source that it lost to, or for which the name is reserved.
    pub by: SourceName,
    /// The reserved name that it provides, or beside which it would install itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<String>,
    /// Whether it is newer than all that is supplied instead.
    pub newer: bool,
}

/// The entries that lost, by name.
pub(super) fn shadowed_entries(wish: &Wish) -> Vec<ShadowedEntry> {
    let source = |layer: usize| wish.layers[layer].0.source.clone();
    wish.shadowed
        .iter()
        .map(|lost| {
            let (cause, by, claims) = match &lost.cause {
                Cause::Name { by } => ("name", source(*by), None),
                Cause::Version { by } => ("version", source(*by), None),
                Cause::Conflict { by } => ("conflict", source(*by), None),
                Cause::Reserved { owner } => ("reserved", owner.clone(), None),
                Cause::Provides { name, owner } => ("provides", owner.clone(), Some(name.clone())),
                Cause::InstallIf { name, owner } => ("install-if", owner.clone(), Some(name.clone())),
            };
            let newer = lost.rank == Rank::Newer;
            ShadowedEntry { file: lost.file.to_string(), source: source(lost.layer), cause, by, claims, newer }
        })
        .collect()
}

/// A package that keeps its former version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// The package.
    pub file: String,
    /// What is listed instead; nothing, where its name is new.
    pub kept: Option<String>,
    /// Why.
    pub reason: String,
}

/// What a sync did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SyncReport {
    /// The snapshot in force.
    pub snapshot: Option<String>,
    /// The generation that this sync published.
    pub generation: Option<u64>,
    /// Whether it published one.
    pub published: bool,
    /// Where it publishes: live, or beside live.
    pub place: Place,
    /// Whether it did not because a rollback holds.
    pub held: bool,
    /// What came in bundles; absent where no source has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<BundleReport>,
    /// In the configuration's order.
    pub repositories: Vec<RepositoryReport>,
    /// How long it took.
    pub seconds: f64,
    /// The generation that is live now, and when it was made, for people.
    #[serde(skip)]
    pub live: Option<u64>,
    /// How the packages of a new generation came into its tree.
    #[serde(skip)]
    pub links: Option<Links>,
    /// Repositories and arches whose index file in the tree is not what was published, and was not made anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub still_damaged: Vec<String>,
}

impl SyncReport {
    /// The troubles' classes.
    pub fn troubles(&self) -> impl Iterator<Item = Class> + '_ {
        let repositories = self.repositories.iter().filter_map(|repository| Some(repository.error.as_ref()?.class));
        let damaged = self.still_damaged.iter().map(|_| Class::Damaged);
        repositories.chain(self.imports.iter().filter_map(BundleReport::trouble)).chain(damaged)
    }
}

/// Names of one listing with their versions.
type Names<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn listed(state: &RepositoryState) -> Names<'_> {
    let mut names: Names<'_> = BTreeMap::new();
    for placed in state.listed() {
        names.entry(placed.file.name()).or_default().insert(placed.file.version());
    }
    names
}

fn wished(wish: &Wish) -> Names<'_> {
    let mut names: Names<'_> = BTreeMap::new();
    for (_, entries) in &wish.layers {
        for entry in entries {
            names.entry(entry.name().as_str()).or_default().insert(entry.version().as_str());
        }
    }
    names
}

/// Names added, removed, and with other versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::jobs) struct Difference {
    pub(in crate::jobs) added: u64,
    pub(in crate::jobs) removed: u64,
    pub(in crate::jobs) upgraded: u64,
}

fn difference(before: &Names<'_>, after: &Names<'_>) -> Difference {
    Difference {
        added: after.keys().filter(|name| !before.contains_key(*name)).count() as u64,
        removed: before.keys().filter(|name| !after.contains_key(*name)).count() as u64,
        upgraded: after.iter().filter(|(name, now)| before.get(*name).is_some_and(|was| was != *now)).count() as u64,
    }
}

/// What changed between two states of a repository.
pub(in crate::jobs) fn compare(before: Option<&RepositoryState>, after: &RepositoryState) -> Difference {
    difference(&before.map(listed).unwrap_or_default(), &listed(after))
}

/// One repository and arch as a sync would leave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepositoryPlan {
    /// The repository.
    pub name: RepositoryName,
    /// The arch.
    pub arch: Arch,
    /// Packages that its index would list.
    pub packages: u64,
    /// Packages that would be fetched.
    pub fetch_files: u64,
    /// Their bytes.
    pub fetch_bytes: u64,
    /// Names that would come.
    pub added: u64,
    /// Names that would go.
    pub removed: u64,
    /// Names whose versions would change.
    pub upgraded: u64,
    /// The entries that would not be listed, each with its cause.
    pub shadowed_entries: Vec<ShadowedEntry>,
    /// What is worth a line.
    pub warnings: Vec<String>,
    /// What would go wrong already now.
    pub error: Option<Broken>,
}

/// What a sync would do, as far as the indexes tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncPlan {
    /// In the configuration's order.
    pub repositories: Vec<RepositoryPlan>,
    /// Packages that would be fetched.
    pub fetch_files: u64,
    /// Their bytes: what the store would grow by.
    pub fetch_bytes: u64,
    /// Bytes free on the store's file system.
    pub free_bytes: u64,
    /// How many of those stay free, by `min_free`.
    pub min_free_bytes: u64,
    /// Why a run would fetch nothing at all: what is to be fetched does not fit.
    pub error: Option<Broken>,
}

impl SyncPlan {
    /// The troubles' classes.
    pub fn troubles(&self) -> impl Iterator<Item = Class> + '_ {
        let repositories = self.repositories.iter().filter_map(|repository| repository.error.as_ref());
        repositories.chain(&self.error).map(|broken| broken.class)
    }
}

pub(super) fn plan(mirror: &Mirror<'_>, asked: &Asked, wishes: &[Wish]) -> Result<SyncPlan, Error> {
    let live = mirror.published(&Place::Live)?;
    let lacking = want::lacking(mirror, wishes, |_| true);
    let mut repositories = Vec::new();
    for (number, wish) in wishes.iter().enumerate() {
        let before = live.as_ref().and_then(|live| live.repository(&wish.name, &wish.arch));
        let unmatched = unmatched(&wish.name, &wish.arch, &wish.unmatched);
        let setback = wish.forbidden.as_ref().or_else(|| setback_of(asked.indexes.iter(), wish)).or(unmatched.as_ref());
        let mine: Vec<u64> =
            lacking.iter().filter(|lacking| lacking.wish == number).map(|lacking| lacking.entry.size()).collect();
        let after = if wish.missing.is_some() || wish.forbidden.is_some() {
            before.map(listed).unwrap_or_default()
        } else {
            wished(wish)
        };
        let difference = difference(&before.map(listed).unwrap_or_default(), &after);
        repositories.push(RepositoryPlan {
            name: wish.name.clone(),
            arch: wish.arch.clone(),
            packages: after.values().map(|versions| versions.len() as u64).sum(),
            fetch_files: mine.len() as u64,
            fetch_bytes: mine.iter().sum(),
            added: difference.added,
            removed: difference.removed,
            upgraded: difference.upgraded,
            shadowed_entries: shadowed_entries(wish),
            warnings: wish.warnings.clone(),
            error: setback.map(Broken::from),
        });
    }
    let fetch_bytes = repositories.iter().map(|repository| repository.fetch_bytes).sum();
    Ok(SyncPlan {
        fetch_files: repositories.iter().map(|repository| repository.fetch_files).sum(),
        fetch_bytes,
        free_bytes: durable::free_bytes(mirror.store.existing_root())?,
        min_free_bytes: space::reserved(mirror)?,
        error: space::told(mirror, fetch_bytes)?,
        repositories,
    })
}

/// The worst trouble among the indexes that a wish takes from, the first of several: it decides how the run exits.
pub(super) fn setback_of<'a>(
    indexes: impl Iterator<Item = &'a super::indexes::Index>,
    wish: &Wish,
) -> Option<&'a Setback> {
    let keys: Vec<_> = wish.layers.iter().map(|(key, _)| key).chain(&wish.missing).collect();
    worst(indexes.filter(|index| keys.contains(&&index.key)))
}

/// Names of `packages` that no source has: everything else goes its way, and the run does not pass for one in which all is
/// well.
pub(super) fn unmatched(name: &RepositoryName, arch: &Arch, unmatched: &[String]) -> Option<Setback> {
    let first = unmatched.first()?;
    let mut setback = Setback::new(Class::Refused, "unmatched", format!("{name}/{arch}: {first}"));
    setback.details.extend(unmatched[1..].iter().map(|other| format!("and {other}")));
    setback.hint = Some("take it out of packages, or name what replaces it".into());
    Some(setback)
}

/// The worst trouble of these indexes, the first of several.
pub(super) fn worst<'a>(indexes: impl Iterator<Item = &'a super::indexes::Index>) -> Option<&'a Setback> {
    indexes.filter_map(|index| index.setback.as_ref()).min_by_key(|setback| setback.class.order())
}
