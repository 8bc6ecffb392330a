//! What is in force: per repository and arch its snapshot, age, packages and last error.

mod backups;
mod bundles;
mod tasks;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::prune::DiskReport;
use super::rotate::{self, SigningStatus};
use super::sync::hear::is_frozen;
use super::sync::layers_of;
use super::{Error, Mirror, key_age};
use crate::apk::ContentId;
use crate::apk::names::{Arch, KeyName, RepositoryName, TreeName};
use crate::config::{Config, KEYRING_SOURCE, Repository};
use crate::disk::durable;
use crate::ledger::{Lagging, LastError, Links, SeenUrl, State, Trust};
use crate::plan::publish::{Cause, Generation, RepositoryState};
use crate::snapshot::{IndexKey, SignedBy, Snapshot};
use crate::verify::accepted::Held;

pub use backups::BackupStatus;
pub use bundles::{BundlesStatus, InForceBundle, PendingBundle, SiteStatus};
pub use tasks::TaskStatus;

/// What is in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusReport {
    /// The live generation; none before the first publication.
    pub live: Option<u64>,
    /// Whether publishing is held back: a rollback is live.
    pub held: bool,
    /// The generation of a backup that the live one brought back, until the next is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_from: Option<u64>,
    /// Which generations are seen beside live, by the name of their tree.
    pub beside: BTreeMap<TreeName, u64>,
    /// What is withdrawn, `NAME` or `NAME=VERSION`, until it is taken back.
    pub withdrawn: Vec<String>,
    /// Our keys.
    pub signing: SigningStatus,
    /// In the configuration's order.
    pub repositories: Vec<RepositoryStatus>,
    /// What came in bundles, by source.
    pub bundles: Vec<BundlesStatus>,
    /// What sites have of the bundles that were made here, by name.
    pub sites: Vec<SiteStatus>,
    /// The configured backups, by name.
    pub backups: Vec<BackupStatus>,
    /// How the last run of each task ended.
    pub tasks: Vec<TaskStatus>,
    /// When the keys that sign were made, the newest first, where that is known.
    pub keys_made: Vec<KeyMade>,
    /// The store's file system.
    pub space: Space,
    /// Objects of the pool that the last checks found damaged.
    pub damaged_objects: u64,
    /// Where the bytes are, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskReport>,
    /// How the packages of the live tree came into it, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Links>,
}

/// When a key of ours was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyMade {
    /// The public half's file name.
    pub key: KeyName,
    /// When.
    pub made: Timestamp,
    /// From which age on it should be rotated, seconds; none: never.
    pub max_age_seconds: Option<u64>,
}

/// A file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Space {
    /// Bytes that may still be written to it.
    pub free_bytes: u64,
    /// All its bytes, used or not.
    pub total_bytes: u64,
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
    /// Whether one of its sources has not confirmed its index for longer than its `stale_after`, or nothing is published.
    pub stale: bool,
    /// What went wrong at the last attempt with one of the indexes that it takes from.
    pub last_error: Option<LastError>,
    /// The indexes that it takes from, by priority.
    pub indexes: Vec<IndexStatus>,
}

/// One index of a source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IndexStatus {
    /// Which index.
    #[serde(flatten)]
    pub key: IndexKey,
    /// Upstream's words for the state in force.
    pub description: Option<String>,
    /// Who signed that.
    pub signers: Vec<SignedBy>,
    /// Seconds since a URL last confirmed it.
    pub age_seconds: Option<u64>,
    /// Seconds since it last changed.
    pub unchanged_seconds: Option<u64>,
    /// Whether nobody has confirmed it for longer than its source's `stale_after`.
    pub stale: bool,
    /// What a URL had at the last attempt, if none had what is in force, nor anything newer.
    pub lagging: Option<Lagging>,
    /// Whether it has not changed for longer than its source's `frozen_after`.
    pub frozen: bool,
    /// New signers of it that are held back.
    pub held_signers: Vec<Held>,
    /// What each configured URL that was asked had last, as URLs may be shown.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub urls: BTreeMap<String, SeenUrl>,
    /// How long after its last confirmation it counts as stale, seconds.
    pub stale_after_seconds: u64,
}

impl StatusReport {
    /// Whether anything is stale.
    pub fn is_stale(&self) -> bool {
        self.repositories.iter().any(|repository| repository.stale) || self.bundles.iter().any(|bundles| bundles.stale)
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
    let known = Known { state: &state, trust: mirror.ledger.trust()?, snapshot: mirror.ledger.latest_snapshot()?, now };
    let mut repositories = Vec::new();
    for repository in &config.repositories {
        for arch in &repository.arches {
            repositories.push(one(&mirror, repository, arch, live.as_ref(), &known)?);
        }
    }
    let links = state.links.filter(|links| Some(links.generation) == live.as_ref().map(|live| live.number));
    let bundles = bundles::sources(&mirror, now)?;
    let sites = bundles::sites(&mirror, live.as_ref(), now)?;
    let signing =
        rotate::status(config, &mirror.ledger.signing()?, live.as_ref().map(|live| live.repositories.as_slice()));
    let root = mirror.store.existing_root();
    let space = Space { free_bytes: durable::free_bytes(root)?, total_bytes: durable::total_bytes(root)? };
    Ok(StatusReport {
        keys_made: keys_made(config, &signing, now),
        space,
        damaged_objects: mirror.ledger.damaged_objects().map_or(0, |objects| objects.len() as u64),
        tasks: tasks::of(&mirror, now)?,
        signing,
        held: live.as_ref().is_some_and(Generation::is_hold),
        restored_from: live.as_ref().and_then(|live| match live.cause {
            Cause::Restore(shown) => Some(shown),
            Cause::Publication | Cause::Rollback(_) | Cause::Promotion(_) => None,
        }),
        live: live.map(|live| live.number),
        beside: mirror.tree.named()?,
        withdrawn: mirror.ledger.withdrawn()?.iter().map(ToString::to_string).collect(),
        repositories,
        bundles,
        sites,
        backups: backups::of(&mirror, now)?,
        disk: None,
        links,
    })
}

fn keys_made(config: &Config, signing: &SigningStatus, now: Timestamp) -> Vec<KeyMade> {
    let Some(configured) = &config.signing else { return Vec::new() };
    let max_age_seconds = configured.max_key_age.map(|age| age.as_secs());
    let made = |name: &KeyName| {
        let is_named = configured.key.file_name().is_some_and(|file| {
            file.to_str().is_some_and(|file| file == name.as_str() || format!("{file}.pub") == name.as_str())
        });
        let made = if is_named { key_age::made(name, &configured.key, now) } else { key_age::made_by_name(name, now) };
        made.map(|made| KeyMade { key: name.clone(), made, max_age_seconds })
    };
    signing.keys.iter().filter_map(|key| made(&key.name)).collect()
}

/// What is known of all indexes.
struct Known<'k> {
    state: &'k State,
    trust: Option<Trust>,
    snapshot: Option<Snapshot>,
    now: Timestamp,
}

fn one(
    mirror: &Mirror<'_>,
    repository: &Repository,
    arch: &Arch,
    live: Option<&Generation>,
    known: &Known<'_>,
) -> Result<RepositoryStatus, Error> {
    let shown: Option<&RepositoryState> = live.and_then(|live| live.repository(&repository.name, arch));
    // Our own keys are nothing that somebody has to confirm.
    let mut keys = layers_of(repository, arch);
    keys.retain(|key| key.source.as_str() != KEYRING_SOURCE);
    let indexes = keys.iter().map(|key| known.index(mirror, key)).collect::<Result<Vec<_>, Error>>()?;
    let ages: Option<Vec<u64>> = indexes.iter().map(|index| index.age_seconds).collect();
    Ok(RepositoryStatus {
        name: repository.name.clone(),
        arch: arch.clone(),
        content: shown.map(|shown| shown.content),
        snapshot: shown.and(live).map(|live| live.snapshot.clone()),
        packages: shown.map_or(0, |shown| shown.packages),
        bytes: shown.map_or(0, |shown| shown.bytes),
        age_seconds: ages.and_then(|ages| ages.into_iter().max()),
        unchanged_seconds: shown.map(|shown| seconds_since(shown.published, known.now)),
        stale: shown.is_none() || indexes.iter().any(|index| index.stale),
        last_error: keys.iter().find_map(|key| known.state.index(key)?.last_error.clone()),
        indexes,
    })
}

impl Known<'_> {
    fn index(&self, mirror: &Mirror<'_>, key: &IndexKey) -> Result<IndexStatus, Error> {
        let source = &mirror.config.sources[&key.source];
        let state = self.state.index(key);
        let accepted = self.snapshot.as_ref().and_then(|snapshot| snapshot.accepted(key));
        let record = accepted.map(|id| mirror.ledger.accepted_record(id)).transpose()?;
        let remembered = self.trust.as_ref().and_then(|trust| trust.history(key)?.newest());
        let changed = state.and_then(|state| state.changed).or(remembered.map(|seen| seen.time));
        let age = state.and_then(|state| state.confirmed).map(|time| seconds_since(time, self.now));
        let signers = self.trust.as_ref().and_then(|trust| trust.signers(&key.source, &key.arch));
        let held = signers.iter().flat_map(|signers| &signers.held).filter(|held| held.path == key.path);
        Ok(IndexStatus {
            key: key.clone(),
            description: record.as_ref().and_then(|record| record.description.clone()),
            signers: record.map(|record| record.signers).unwrap_or_default(),
            age_seconds: age,
            unchanged_seconds: changed.map(|time| seconds_since(time, self.now)),
            stale: age.is_none_or(|age| age > source.stale_after().as_secs()),
            lagging: state.and_then(|state| state.lagging.clone()),
            frozen: changed.is_some_and(|changed| is_frozen(source, changed, self.now)),
            held_signers: held.cloned().collect(),
            urls: state.map(|state| state.urls.clone()).unwrap_or_default(),
            stale_after_seconds: source.stale_after().as_secs(),
        })
    }
}

/// Whole seconds; 0 for what lies ahead, on a clock that was set back.
pub fn seconds_since(then: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0)
}
