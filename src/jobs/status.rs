//! What is in force: per repository and arch its snapshot, age, packages and last error.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::prune::DiskReport;
use super::{Error, Mirror};
use crate::apk::ContentId;
use crate::apk::names::{Arch, RepositoryName, TreeName};
use crate::config::{Config, Repository};
use crate::ledger::{LastError, Links, State};
use crate::plan::publish::{Generation, RepositoryState};
use crate::snapshot::IndexKey;

/// How long after its last confirmation an index counts as stale: a day, and two hours for a late timer.
const STALE_AFTER: Duration = Duration::from_secs(26 * 3600);

/// What is in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusReport {
    /// The live generation; none before the first publication.
    pub live: Option<u64>,
    /// Whether publishing is held back: a rollback is live.
    pub held: bool,
    /// Which generations are seen beside live, by the name of their tree.
    pub beside: BTreeMap<TreeName, u64>,
    /// What is withdrawn, `NAME` or `NAME=VERSION`, until it is taken back.
    pub withdrawn: Vec<String>,
    /// In the configuration's order.
    pub repositories: Vec<RepositoryStatus>,
    /// Where the bytes are, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskReport>,
    /// How the packages of the live tree came into it, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Links>,
}

/// One repository and arch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RepositoryStatus {
    /// The repository.
    pub name: RepositoryName,
    /// The arch.
    pub arch: Arch,
    /// SHA-256 of its APKINDEX text: what sites compare. None before its first publication.
    pub content: Option<ContentId>,
    /// The snapshot that the live generation shows.
    pub snapshot: Option<String>,
    /// Packages that its index lists.
    pub packages: u64,
    /// Their sizes' sum, bytes.
    pub bytes: u64,
    /// Seconds since all indexes that it takes from were last confirmed; none when one never was.
    pub age_seconds: Option<u64>,
    /// Seconds since its index file last changed.
    pub unchanged_seconds: Option<u64>,
    /// Whether one of its sources has not confirmed its index for too long, or nothing is published.
    pub stale: bool,
    /// What went wrong at the last attempt with one of the indexes that it takes from.
    pub last_error: Option<LastError>,
}

impl StatusReport {
    /// Whether anything is stale.
    pub fn is_stale(&self) -> bool {
        self.repositories.iter().any(|repository| repository.stale)
    }
}

/// Looks. Takes no lock.
pub fn status(config: &Config, now: Timestamp) -> Result<StatusReport, Error> {
    let mirror = Mirror::open(config)?;
    let live = match mirror.tree.live()? {
        Some(number) => Some(mirror.ledger.generation_summary(number)?),
        None => None,
    };
    let state = mirror.ledger.state()?;
    let repositories = config
        .repositories
        .iter()
        .flat_map(|repository| repository.arches.iter().map(move |arch| (repository, arch)))
        .map(|(repository, arch)| one(repository, arch, live.as_ref(), &state, now))
        .collect();
    let links = state.links.filter(|links| Some(links.generation) == live.as_ref().map(|live| live.number));
    Ok(StatusReport {
        held: live.as_ref().is_some_and(Generation::is_hold),
        live: live.map(|live| live.number),
        beside: mirror.tree.named()?,
        withdrawn: mirror.ledger.withdrawn()?.iter().map(ToString::to_string).collect(),
        repositories,
        disk: None,
        links,
    })
}

fn one(
    repository: &Repository,
    arch: &Arch,
    live: Option<&Generation>,
    state: &State,
    now: Timestamp,
) -> RepositoryStatus {
    let shown: Option<&RepositoryState> = live.and_then(|live| live.repository(&repository.name, arch));
    let sources: Vec<_> = repository
        .from
        .iter()
        .map(|from| {
            let key = IndexKey { source: from.source.clone(), path: from.path.clone(), arch: arch.clone() };
            state.index(&key)
        })
        .collect();
    let ages: Option<Vec<u64>> = sources.iter().map(|source| Some(seconds_since((*source)?.confirmed?, now))).collect();
    let age = ages.and_then(|ages| ages.into_iter().max());
    RepositoryStatus {
        name: repository.name.clone(),
        arch: arch.clone(),
        content: shown.map(|shown| shown.content),
        snapshot: shown.and(live).map(|live| live.snapshot.clone()),
        packages: shown.map_or(0, |shown| shown.packages),
        bytes: shown.map_or(0, |shown| shown.bytes),
        age_seconds: age,
        unchanged_seconds: shown.map(|shown| seconds_since(shown.published, now)),
        stale: shown.is_none() || age.is_none_or(|age| age > STALE_AFTER.as_secs()),
        last_error: sources.iter().find_map(|source| (*source)?.last_error.clone()),
    }
}

/// Whole seconds; 0 for what lies ahead, on a clock that was set back.
fn seconds_since(then: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0)
}
