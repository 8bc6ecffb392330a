//! What no retained snapshot, generation or linger reaches goes: the rules say which records stay, everything else follows.
//!
//! The order is that of names before what they name, each flushed before the next: trees, generations' records, snapshots,
//! accepted indexes, objects. Whatever the moment of a power loss, nothing that stays names what is not there (a record
//! without its tree means nothing); what a stopped run left over, the next one finds unreached.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Serialize;

use super::call::system_time;
use super::{Call, Error, Mirror};
use crate::apk::{ObjectId, Place};
use crate::config::{self, Config};
use crate::disk::lock::{Lock, Purpose};
use crate::ledger;
use crate::plan::prune::{self, Holdings, PrunePlan};
use crate::plan::retain::{self, Rules};
use crate::pool::STALE_PART;
use crate::publish::drop_trees;

/// Whether a plan is performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is only shown.
    Show,
    /// It is performed.
    Perform,
}

/// What went, or would go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// Snapshots' ids, oldest first.
    pub snapshots: Vec<String>,
    /// Generations' numbers, oldest first.
    pub generations: Vec<u64>,
    /// Accepted indexes.
    pub accepted: u64,
    /// Objects of the pool.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl From<&PrunePlan> for PruneReport {
    fn from(plan: &PrunePlan) -> Self {
        PruneReport {
            snapshots: plan.snapshots.iter().cloned().collect(),
            generations: plan.generations.iter().copied().collect(),
            accepted: plan.accepted.len() as u64,
            objects: plan.objects.len() as u64,
            bytes: plan.bytes(),
        }
    }
}

/// Removes what nothing reaches, or shows what would go. Shown without the lock; performed with it.
pub fn prune(config: &Config, mode: Mode, call: Call) -> Result<PruneReport, Error> {
    match mode {
        Mode::Show => {
            let mirror = Mirror::open(config)?;
            Ok(PruneReport::from(&settled(|| plan(&mirror, Spare::Nothing))?))
        }
        Mode::Perform => {
            let (mirror, _lock) = call.open(config, Purpose::Prune)?;
            let plan = plan(&mirror, Spare::Nothing)?;
            perform(&mirror, &plan)?;
            Ok(PruneReport::from(&plan))
        }
    }
}

/// The same at the end of a sync, where some record became too old. Packages that came less than [`STALE_PART`] ago stay
/// although nothing reaches them: they are what an index brought that was set aside, and it may be taken next time.
pub(super) fn after_sync(mirror: &Mirror<'_>, _held: &Lock, now: Timestamp) -> Result<(), Error> {
    if mirror.config.retain.prune == config::Prune::Never || records(mirror)?.0.is_empty() {
        return Ok(());
    }
    let plan = plan(mirror, Spare::Since(system_time(now), STALE_PART))?;
    perform(mirror, &plan)
}

/// Which unreached objects stay nevertheless.
#[derive(Clone, Copy, Debug)]
enum Spare {
    Nothing,
    /// Those that came so short a time before this moment, or after it.
    Since(SystemTime, Duration),
}

/// What goes of the records, and which generations and snapshots stay.
fn records(mirror: &Mirror<'_>) -> Result<(PrunePlan, Holdings), Error> {
    let rules = &mirror.config.retain;
    let mut shown: BTreeSet<u64> = mirror.tree.named()?.into_values().collect();
    shown.extend(mirror.tree.live()?);
    let numbers = mirror.ledger.generation_numbers()?;
    let trees = mirror.tree.trees()?;
    let mut summaries = Vec::new();
    for number in numbers.iter().filter(|number| trees.contains(number)) {
        summaries.push(mirror.ledger.generation_summary(*number)?);
    }
    let made: Vec<(u64, Place)> = summaries.iter().map(|summary| (summary.number, summary.place.clone())).collect();
    let mut kept_generations = retain::generations(&made, rules.generations, &shown);
    // A run that was stopped before it had its tree left a record, and used its number up.
    let whole = made.last().map(|(number, _)| number);
    kept_generations.extend(numbers.iter().rev().take_while(|number| Some(*number) > whole));
    let mut named = BTreeSet::new();
    for number in &kept_generations {
        let known = summaries.iter().find(|summary| summary.number == *number).map(|summary| summary.snapshot.clone());
        named.insert(match known {
            Some(snapshot) => snapshot,
            None => mirror.ledger.generation_summary(*number)?.snapshot,
        });
    }
    let mut snapshots = Vec::new();
    for id in mirror.ledger.snapshot_ids()? {
        snapshots.push(mirror.ledger.snapshot(&id)?);
    }
    let config::RetainSnapshots { last, daily, monthly } = rules.snapshots;
    let times: Vec<Timestamp> = snapshots.iter().map(|snapshot| snapshot.time).collect();
    let by_rule = retain::by_time(&times, &Rules { last, daily, weekly: 0, monthly });
    let pins = mirror.ledger.pins()?;
    // The one with the latest id is in force, whatever its time says.
    let in_force = snapshots.len().checked_sub(1);
    let stays = |(at, id): (usize, &String)| {
        by_rule.contains(&at)
            || Some(at) == in_force
            || named.contains(id)
            || pins.iter().any(|pin| pin.as_str() == id.as_str())
    };
    let ids: Vec<String> = snapshots.iter().map(|snapshot| snapshot.id.clone()).collect();
    let holdings = Holdings {
        kept_snapshots: ids.iter().enumerate().filter(|place| stays(*place)).map(|(_, id)| id.clone()).collect(),
        snapshots: snapshots
            .iter()
            .map(|snapshot| {
                let names = snapshot.indexes.iter().flat_map(|index| index.states().map(str::to_owned));
                (snapshot.id.clone(), names.collect())
            })
            .collect(),
        generations: numbers.into_iter().collect(),
        kept_generations,
        accepted: mirror.ledger.accepted_ids()?.into_iter().collect(),
        trees,
    };
    Ok((prune::records(&holdings), holdings))
}

fn plan(mirror: &Mirror<'_>, spare: Spare) -> Result<PrunePlan, Error> {
    let (mut plan, holdings) = records(mirror)?;
    let reached = reached(mirror, &holdings)?;
    let is_spared = |arrived: SystemTime| match spare {
        Spare::Nothing => false,
        // A time in the future is a clock that was set back: it may be new.
        Spare::Since(now, span) => now.duration_since(arrived).map_or(true, |age| age < span),
    };
    let pool = mirror.pool.stored()?.into_iter().filter(|(_, stored)| !is_spared(stored.arrived));
    plan.objects = prune::objects(pool.map(|(object, stored)| (object, stored.size)).collect(), &reached);
    Ok(plan)
}

/// The objects that what stays reaches: packages of kept snapshots, and files of kept generations with those that linger.
fn reached(mirror: &Mirror<'_>, holdings: &Holdings) -> Result<HashSet<ObjectId>, Error> {
    let kept = holdings.snapshots.iter().filter(|(id, _)| holdings.kept_snapshots.contains(*id));
    let accepted: BTreeSet<&String> = kept.flat_map(|(_, accepted)| accepted).collect();
    let mut reached = HashSet::new();
    for id in accepted {
        reached.extend(mirror.ledger.accepted_objects(id)?);
    }
    reached.extend(bundled(mirror)?);
    for number in &holdings.kept_generations {
        let generation = mirror.ledger.generation(*number)?;
        reached.extend(generation.repositories.iter().flat_map(|state| &state.files).map(|placed| placed.object));
    }
    Ok(reached)
}

/// The objects of sources with bundles: all that the state in force lists, whether or not a repository takes it, because the next
/// bundle builds on it; and what came of bundles that are not complete yet.
pub(super) fn bundled(mirror: &Mirror<'_>) -> Result<HashSet<ObjectId>, Error> {
    let mut reached = HashSet::new();
    for source in mirror.config.sources.values() {
        let config::SourceKind::Bundles { .. } = source.kind else { continue };
        for manifest in mirror.ledger.pending_bundles(&source.name)? {
            reached.extend(manifest.objects.iter().map(|packed| packed.sha256));
        }
        let Some(manifest) = mirror.ledger.bundle_in_force(&source.name)? else { continue };
        reached.extend(manifest.objects.iter().map(|packed| packed.sha256));
        for index in manifest.repositories.iter().map(|carried| &carried.index) {
            for entry in mirror.ledger.bundled_entries(&source.name, index)? {
                reached.extend(mirror.pool.find(&entry));
            }
        }
    }
    Ok(reached)
}

fn perform(mirror: &Mirror<'_>, plan: &PrunePlan) -> Result<(), Error> {
    if plan.is_empty() {
        return Ok(());
    }
    drop_trees(&mirror.tree, &plan.trees)?;
    mirror.ledger.drop_generations(&plan.generations)?;
    mirror.ledger.drop_snapshots(plan.snapshots.iter().map(String::as_str))?;
    mirror.ledger.drop_accepted(plan.accepted.iter().map(String::as_str))?;
    Ok(mirror.pool.drop_objects(&plan.objects)?)
}

/// Where the bytes of the store and the public tree are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiskReport {
    /// Per repository and arch of the live tree.
    pub repositories: Vec<RepositoryBytes>,
    /// Packages that clients may still ask for although no live index lists them.
    pub lingering_bytes: u64,
    /// Packages that only snapshots, earlier generations and trees beside live hold.
    pub kept_bytes: u64,
    /// Packages that nothing reaches: what `prune` takes.
    pub unreached_bytes: u64,
    /// All packages of the pool, each once.
    pub pool_bytes: u64,
    /// Bytes free on the store's file system.
    pub free_bytes: u64,
}

/// The bytes of one repository and arch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepositoryBytes {
    /// Repository and arch.
    pub name: String,
    /// Of packages that no other live index lists.
    pub exclusive_bytes: u64,
    /// Of packages that others list, too: stored once for all of them.
    pub shared_bytes: u64,
}

/// Looks without the lock: where a record goes between being listed and being read, another run has pruned, and the look
/// begins anew. Three times, then it is told as what it is.
pub(super) fn settled<T>(look: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..2 {
        match look() {
            Err(Error::Ledger(ledger::Error::Missing(_))) => {}
            looked => return looked,
        }
    }
    look()
}

/// Adds up where the bytes are. Takes no lock.
pub fn disk(config: &Config) -> Result<DiskReport, Error> {
    let mirror = Mirror::open(config)?;
    settled(|| add_up(&mirror))
}

fn add_up(mirror: &Mirror<'_>) -> Result<DiskReport, Error> {
    let (_, holdings) = records(mirror)?;
    let reached = reached(mirror, &holdings)?;
    let pool: BTreeMap<ObjectId, u64> =
        mirror.pool.stored()?.into_iter().map(|(object, stored)| (object, stored.size)).collect();
    let live = mirror.published(&Place::Live)?;
    let states = live.as_ref().map(|live| live.repositories.as_slice()).unwrap_or_default();
    let mut listed: BTreeMap<ObjectId, u64> = BTreeMap::new();
    let mut lingering = HashSet::new();
    for state in states {
        let mut mine = HashSet::new();
        for placed in &state.files {
            if placed.left.is_some() {
                lingering.insert(placed.object);
            } else if mine.insert(placed.object) {
                *listed.entry(placed.object).or_default() += 1;
            }
        }
    }
    let bytes_where = |chosen: &dyn Fn(&ObjectId) -> bool| -> u64 {
        pool.iter().filter(|(object, _)| chosen(object)).map(|(_, size)| size).sum()
    };
    let repositories = states.iter().map(|state| {
        let mine: HashSet<ObjectId> = state.listed().map(|placed| placed.object).collect();
        let bytes =
            |exclusive: bool| bytes_where(&|object| mine.contains(object) && (listed[object] == 1) == exclusive);
        RepositoryBytes {
            name: format!("{}/{}", state.name, state.arch),
            exclusive_bytes: bytes(true),
            shared_bytes: bytes(false),
        }
    });
    Ok(DiskReport {
        repositories: repositories.collect(),
        lingering_bytes: bytes_where(&|object| lingering.contains(object) && !listed.contains_key(object)),
        kept_bytes: bytes_where(&|object| {
            reached.contains(object) && !lingering.contains(object) && !listed.contains_key(object)
        }),
        unreached_bytes: bytes_where(&|object| !reached.contains(object)),
        pool_bytes: pool.values().sum(),
        free_bytes: crate::disk::durable::free_bytes(mirror.store.root())?,
    })
}
