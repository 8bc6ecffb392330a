//! fetch → verify → pool → snapshot → merge → sign → publish.
//!
//! 0. What lies in the folders of sources with bundles is taken in ([`super::import`]).
//! 1. Every index that the chosen repositories take from is asked for, once, conditionally ([`indexes`], [`gather`]).
//! 2. What each repository wants of them follows from its rules ([`want`]); what the pool lacks of it is fetched ([`packages`]).
//!    An index whose packages do not all come, or are not what it says, is set aside: its accepted state stays in force, and
//!    what is wanted is decided anew ([`settle`]).
//! 3. The pool is flushed, the indexes become accepted, a snapshot names them.
//! 4. Repositories whose inputs changed are merged and signed ([`build`]); a new generation is made and goes live, or is seen
//!    beside live where the configuration says so ([`finish`]). While a rollback holds, none is made.
//! 5. What no retained snapshot, generation or linger reaches goes ([`super::prune`]).
//!
//! Whatever fails leaves the former state in force, for that index alone, and the report says so. Only this host's trouble
//! (disk full, no permission) ends the job; what arrived until then is kept.

mod accept;
mod beside;
pub(in crate::jobs) mod build;
pub(in crate::jobs) mod carry;
pub(in crate::jobs) mod choose;
mod emptied;
mod fetch;
pub(in crate::jobs) mod finish;
mod gate;
mod gather;
pub(in crate::jobs) mod hear;
pub(in crate::jobs) mod imported;
pub(in crate::jobs) mod indexes;
pub(in crate::jobs) mod judge;
mod kept;
pub(in crate::jobs) mod offer;
mod packages;
mod rebuilt;
pub(in crate::jobs) mod report;
mod reread;
pub(in crate::jobs) mod settle;
mod shrink;
pub(in crate::jobs) mod space;
mod together;
mod vouch;
pub(in crate::jobs) mod want;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::carried::{self, Spread};
use super::import::{self, BundleReport};
use super::{Error, Mirror, ProxyVariables, call, error, evidence, key_age, keyring_package, prune, seal};
use crate::apk::names::{Arch, Place, RepositoryName};
use crate::config::{Config, FromPath, IndexMode, Repository, SourceKind};
use crate::disk::layout::Store;
use crate::disk::lock::{Lock, Purpose};
use crate::error::{Class, Trouble};
use crate::report::Reporter;
use crate::snapshot::{AcceptedIndex as Accepted, IndexKey};

pub use crate::disk::lock::Patience;
pub use report::{Broken, Refused, RepositoryPlan, RepositoryReport, ShadowedEntry, SyncPlan, SyncReport};
pub use space::Shortage;

/// What is asked of a sync.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// Only these repositories, with those that move together with them; empty: all.
    pub only: Vec<RepositoryName>,
    /// Repositories, or repositories for one arch (`name/arch`), whose indexes may shrink once.
    pub accept_shrink: Vec<RepositoryName>,
    /// Whose indexes may go back to an older state.
    pub accept_older: AcceptOlder,
    /// Whether a generation is made.
    pub publish: Publishing,
    /// What the gate lets through this once: repositories by name, or with the arch behind it (`v3.23/site/x86_64`).
    pub accept_gate: Vec<RepositoryName>,
    /// How long to wait for another run.
    pub patience: Patience,
    /// The time of the call.
    pub now: Timestamp,
    /// The environment's proxies, for sources that name none of their own.
    pub proxies: ProxyVariables,
}

/// Whose indexes may go back to an older state, if no URL has a newer one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AcceptOlder {
    /// Nobody's.
    #[default]
    Nothing,
    /// All.
    All,
    /// Those that these repositories, or repositories for one arch (`name/arch`), take from.
    Only(Vec<RepositoryName>),
}

impl AcceptOlder {
    fn names(&self) -> &[RepositoryName] {
        match self {
            AcceptOlder::Nothing | AcceptOlder::All => &[],
            AcceptOlder::Only(names) => names,
        }
    }

    fn covers(&self, config: &Config, key: &IndexKey) -> bool {
        match self {
            AcceptOlder::Nothing => false,
            AcceptOlder::All => true,
            AcceptOlder::Only(names) => {
                takers(config, key).any(|(repository, arch)| is_accepted_for(names, repository, arch))
            }
        }
    }
}

/// Whether a sync publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publishing {
    /// A new generation is made if something changed, at the place that the configuration names.
    New,
    /// A snapshot is taken, nothing is published.
    None,
}

/// One run of a sync.
struct Run<'r> {
    request: &'r SyncRequest,
    course: Course,
    started: Instant,
}

/// What a run is going to do with what it settles. Each knows the place that what is new is compared with.
enum Course {
    /// A new generation, if something changed.
    Publish(Place),
    /// A snapshot alone, as it was asked for.
    Snapshot(Place),
    /// A snapshot alone, because a rollback is live and nobody has published since.
    Hold(Place),
}

impl Course {
    fn of(mirror: &Mirror<'_>, publish: Publishing) -> Result<Course, Error> {
        let place = mirror.config.publish.to.clone();
        Ok(match publish {
            Publishing::None => Course::Snapshot(place),
            Publishing::New if mirror.is_held()? => Course::Hold(place),
            Publishing::New => Course::Publish(place),
        })
    }

    fn place(&self) -> &Place {
        match self {
            Course::Publish(place) | Course::Snapshot(place) | Course::Hold(place) => place,
        }
    }
}

/// A trouble with one index or repository: its former state stays, the run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setback {
    /// Whose trouble it is.
    pub class: Class,
    /// Stable word.
    pub code: String,
    /// One line that names the thing in full.
    pub message: String,
    /// Causes and details, a line each.
    pub details: Vec<String>,
    /// An action that mends it.
    pub hint: Option<String>,
}

impl Setback {
    /// The setback that follows from `error`, its causes in their order.
    pub(in crate::jobs) fn of(message: String, error: &dyn Trouble) -> Self {
        let mut details = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(next) = cause {
            details.push(next.to_string());
            cause = next.source();
        }
        Setback { class: error.class(), code: error.code().to_owned(), message, details, hint: error.hint() }
    }

    pub(in crate::jobs) fn new(class: Class, code: &str, message: String) -> Self {
        Setback { class, code: code.to_owned(), message, details: Vec::new(), hint: None }
    }

    /// The first line and its details in one.
    pub fn one_line(&self) -> String {
        match self.details.is_empty() {
            true => self.message.clone(),
            false => format!("{}: {}", self.message, self.details.join(": ")),
        }
    }
}

/// Plans a sync without changing anything: the indexes are asked for, nothing else is fetched. Of bundles it sees what is in
/// force.
pub async fn plan(config: &Config, request: &SyncRequest, reporter: Arc<dyn Reporter>) -> Result<SyncPlan, Error> {
    let config = carried::spread(config, &[])?.config;
    let mirror = Mirror::look(&config)?;
    let chosen = chosen(&config, request)?;
    if chosen.is_empty() {
        return Err(nothing_imported(&config));
    }
    let mut asked = indexes::ask(&mirror, &chosen, request, &reporter).await?;
    let mut history = rebuilt::History::open(&mirror)?;
    let wishes = loop {
        emptied::hold(&mirror, &mut asked, &reporter)?;
        shrink::refuse(&mirror, &mut asked, &request.accept_shrink, &*reporter)?;
        let mut wishes = want::all(&mirror, &chosen, &mut asked)?;
        if rebuilt::refuse(&mirror, &mut asked, &mut wishes, &mut history, &*reporter)? == rebuilt::Outlook::Same {
            break wishes;
        }
    };
    report::plan(&mirror, &asked, &wishes)
}

/// Runs a sync. The report tells what happened to each repository; an error means that nothing was published.
pub async fn sync(config: &Config, request: &SyncRequest, reporter: Arc<dyn Reporter>) -> Result<SyncReport, Error> {
    let started = Instant::now();
    let store = Store::open_or_create(&config.store)?;
    let lock = lock(&store, Purpose::Sync, request).await?;
    let imports = import::on_media(config, &store, &lock, import::Media::Folders, request.now, &reporter).await?;
    run(config, store, &lock, request, imports, started, reporter).await
}

/// Takes in the bundles that `paths` are or hold, and takes a snapshot of what they brought. Nothing is published.
pub async fn import(
    config: &Config,
    paths: Vec<PathBuf>,
    request: &SyncRequest,
    reporter: Arc<dyn Reporter>,
) -> Result<SyncReport, Error> {
    let started = Instant::now();
    let store = Store::open_or_create(&config.store)?;
    let lock = lock(&store, Purpose::Import, request).await?;
    let media = match request.accept_older {
        AcceptOlder::Nothing => import::Media::Paths(paths),
        AcceptOlder::All | AcceptOlder::Only(_) => import::Media::PathsGoingBack(paths),
    };
    let imports = import::on_media(config, &store, &lock, media, request.now, &reporter).await?;
    // Nobody else is asked for anything.
    let spread = carried::spread(config, &[])?.config;
    let from_bundles = |repository: &&Repository| {
        let mut sources = repository.from.iter().map(|from| &spread.sources[&from.source].kind);
        sources.any(|kind| matches!(kind, SourceKind::Bundles { .. }))
    };
    let only = spread.repositories.iter().filter(from_bundles).map(|repository| repository.name.clone()).collect();
    run(config, store, &lock, &SyncRequest { only, ..request.clone() }, imports, started, reporter).await
}

/// Everything behind the imports, with the lock held.
async fn run(
    config: &Config,
    store: Store,
    lock: &Lock,
    request: &SyncRequest,
    imports: Vec<BundleReport>,
    started: Instant,
    reporter: Arc<dyn Reporter>,
) -> Result<SyncReport, Error> {
    // What bundles carry is known now.
    let Spread { config, told, without, dropped } = carried::spread(config, &request.accept_shrink)?;
    told.iter().for_each(|line| reporter.warning(line));
    let mut request = request.clone();
    request.accept_shrink.retain(|name| !dropped.contains(name));
    let request = &request;
    let mut imports = imports;
    if imports.iter().all(|bundle| bundle.error.is_none()) {
        imports.extend(without.into_iter().map(BundleReport::nothing_imported));
    }
    // Records and pool are read under the lock: while we waited for it, another run may have fetched what we would.
    let mirror = Mirror::on(&config, store)?;
    let chosen = chosen(&config, request)?;
    if chosen.is_empty() && imports.iter().all(|bundle| bundle.id.is_none() && bundle.files.is_empty()) {
        return Err(nothing_imported(&config));
    }
    call::begin(&mirror, lock, request.now)?;
    if let Some(overdue) = key_age::warning(&mirror, request.now)? {
        reporter.warning(&overdue);
    }
    evidence::catch_up(&mirror, request.now, &*reporter)?;
    let run = Run { request, course: Course::of(&mirror, request.publish)?, started };
    let seal = seal::seal(&mirror)?;
    if let Some(seal) = seal {
        keyring_package::refresh(&mirror, seal, request.now)?;
    }
    let mut asked = indexes::ask(&mirror, &chosen, request, &reporter).await?;
    if let Some(seal) = seal {
        seal::refuse_namesakes(seal, &asked.keyrings)?;
    }
    mirror.ledger.save_trust(&mut asked.trust)?;
    let mut report = match finish::nothing_new(&mirror, &chosen, &asked, &run)? {
        Some(report) => report,
        None => take_over(&mirror, &chosen, asked, &run, &reporter).await?,
    };
    report.imports = imports;
    // What is published is published, whatever becomes of what is too old.
    if let Err(error) = prune::after_sync(&mirror, lock, request.now) {
        reporter.warning(&format!("nothing was pruned: {}", error::in_one_line(&error)));
    }
    Ok(report)
}

/// Fetches what is new, accepts it, and publishes what follows from it.
async fn take_over(
    mirror: &Mirror<'_>,
    chosen: &[&Repository],
    asked: indexes::Asked,
    run: &Run<'_>,
    reporter: &Arc<dyn Reporter>,
) -> Result<SyncReport, Error> {
    let mut settled = settle::settle(mirror, chosen, asked, &run.request.accept_shrink, reporter).await?;
    settled.accept_gate = run.request.accept_gate.clone();
    let (snapshot, settled) = accept::accept(mirror, settled, run.request)?;
    finish::finish(mirror, chosen, settled, &snapshot, run, reporter)
}

/// The error where all that would be published comes in bundles, and none came yet.
fn nothing_imported(config: &Config) -> Error {
    Error::NothingImported { sources: config.carried.iter().map(|one| one.source.clone()).collect() }
}

/// Takes the store's lock. Waiting for it blocks a thread, and a signal must still be heard meanwhile.
async fn lock(store: &Store, purpose: Purpose, request: &SyncRequest) -> Result<Lock, Error> {
    let (store, now, patience) = (store.clone(), request.now, request.patience);
    let taken = tokio::task::spawn_blocking(move || Lock::take(&store, purpose, now, patience));
    Ok(taken.await.map_err(Error::Crashed)??)
}

/// The error for a repository that is not configured, with the nearest one that is.
fn no_such_repository(config: &Config, name: &RepositoryName) -> Error {
    let nearest = config
        .repositories
        .iter()
        .map(|repository| repository.name.as_str())
        .max_by(|a, b| strsim::jaro(a, name.as_str()).total_cmp(&strsim::jaro(b, name.as_str())))
        .filter(|nearest| strsim::jaro(nearest, name.as_str()) > 0.7);
    Error::NoSuchRepository { name: name.clone(), nearest: nearest.map(str::to_owned) }
}

/// The repositories that a run is about.
fn chosen<'c>(config: &'c Config, request: &SyncRequest) -> Result<Vec<&'c Repository>, Error> {
    let only = &request.only;
    let is_known = |name: &RepositoryName| config.repositories.iter().any(|repository| repository.name == *name);
    let is_known_with_arch = |name: &RepositoryName| {
        places(config).any(|(repository, arch)| is_accepted_for(std::slice::from_ref(name), repository, arch))
    };
    let mut unknown = only.iter().filter(|name| !is_known(name));
    let accepted = request.accept_shrink.iter().chain(&request.accept_gate).chain(request.accept_older.names());
    let mut unknown_with_arch = accepted.filter(|name| !is_known_with_arch(name));
    if let Some(name) = unknown.next().or_else(|| unknown_with_arch.next()) {
        return Err(no_such_repository(config, name));
    }
    let is_named = |repository: &&Repository| only.is_empty() || only.contains(&repository.name);
    let groups: BTreeSet<&str> =
        config.repositories.iter().filter(is_named).filter_map(|repository| repository.together.as_deref()).collect();
    let moves_along =
        |repository: &&Repository| repository.together.as_deref().is_some_and(|word| groups.contains(word));
    Ok(config.repositories.iter().filter(|repository| is_named(repository) || moves_along(repository)).collect())
}

/// Every repository of the configuration with each of its arches.
fn places(config: &Config) -> impl Iterator<Item = (&Repository, &Arch)> {
    config.repositories.iter().flat_map(|repository| repository.arches.iter().map(move |arch| (repository, arch)))
}

/// The repositories, with the arch, that take from `key`.
fn takers<'c>(config: &'c Config, key: &IndexKey) -> impl Iterator<Item = (&'c Repository, &'c Arch)> {
    places(config).filter(|(repository, arch)| layers_of(repository, arch).contains(key))
}

/// Whether the command line accepts something for `repository` and `arch`: it names the repository, or both.
fn is_accepted_for(accepted: &[RepositoryName], repository: &Repository, arch: &Arch) -> bool {
    let both = format!("{}/{arch}", repository.name);
    accepted.iter().any(|one| *one == repository.name || one.as_str() == both)
}

/// The indexes that these repositories take from, each once, in the configuration's order.
pub(in crate::jobs) fn keys_of(repositories: &[&Repository]) -> Vec<IndexKey> {
    let mut seen = BTreeSet::new();
    let mut keys = Vec::new();
    for repository in repositories {
        for arch in &repository.arches {
            for key in layers_of(repository, arch) {
                if seen.insert(key.clone()) {
                    keys.push(key);
                }
            }
        }
    }
    keys
}

/// The indexes that one repository takes from for `arch`, by priority.
pub(in crate::jobs) fn layers_of(repository: &Repository, arch: &Arch) -> Vec<IndexKey> {
    let key = |from: &FromPath| IndexKey {
        source: from.source.clone(),
        path: path_of(from, repository.index),
        arch: arch.clone(),
    };
    repository.from.iter().map(key).collect()
}

/// The path under which `from` is accepted where its index is published in this mode.
fn path_of(from: &FromPath, index: IndexMode) -> String {
    match index {
        IndexMode::Origin => imported::origin_path(&from.path),
        IndexMode::Ours | IndexMode::Upstream | IndexMode::Cosigned => from.path.clone(),
    }
}
