//! What was accepted when, what of it stays, and what changed in between.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::publish::entries_shown;
use super::states::{self, NoState, still_there};
use super::sync::carry;
use super::{Call, Error, Mirror};
use crate::apk::Entry;
use crate::config::Config;
use crate::disk::lock::Purpose;
use crate::plan::publish::{Generation, RepositoryState};
use crate::snapshot::diff;
use crate::snapshot::{Role, Snapshot};

pub use crate::snapshot::diff::{Change, Changed, Origin};

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotReport {
    /// Its id.
    pub id: String,
    /// When it was taken.
    pub time: Timestamp,
    /// Whether clients see it now.
    pub live: bool,
    /// Whether it stays until it is unpinned.
    pub pinned: bool,
    /// The trees beside live that show it.
    pub at: Vec<String>,
    /// How many accepted indexes it names.
    pub indexes: u64,
}

/// All snapshots, newest first.
pub fn snapshots(config: &Config) -> Result<Vec<SnapshotReport>, Error> {
    let mirror = Mirror::open(config)?;
    let shown = |number: Option<u64>| -> Result<Option<String>, Error> {
        Ok(number.map(|number| mirror.ledger.generation_summary(number)).transpose()?.map(|shown| shown.snapshot))
    };
    let live = shown(mirror.tree.live()?)?;
    let mut beside = BTreeMap::new();
    for (name, number) in mirror.tree.named()? {
        beside.insert(name, shown(Some(number))?);
    }
    let pins = mirror.ledger.pins()?;
    let mut reports = Vec::new();
    for id in mirror.ledger.snapshot_ids()?.into_iter().rev() {
        // Another run may prune between the list and the look.
        let Some(snapshot) = still_there(mirror.ledger.snapshot(&id))? else { continue };
        let at = beside.iter().filter(|(_, shown)| shown.as_ref() == Some(&snapshot.id));
        reports.push(SnapshotReport {
            live: live.as_ref() == Some(&snapshot.id),
            pinned: pins.contains(&id),
            at: at.map(|(name, _)| format!("@{name}")).collect(),
            indexes: snapshot.indexes.iter().filter(|index| index.role == Role::Listed).count() as u64,
            time: snapshot.time,
            id: snapshot.id,
        });
    }
    Ok(reports)
}

/// What happens to a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// The snapshot stays, whatever `[retain]` says.
    Set,
    /// It goes when `[retain]` says so.
    Lift,
}

/// Pins or unpins the snapshot whose id `text` begins; its whole id.
pub fn pin(config: &Config, text: &str, pin: Pin, call: Call) -> Result<String, Error> {
    let (mirror, _lock) = call.open(config, Purpose::Pin)?;
    let id = states::snapshot_id(&mirror, text)?;
    let mut pins = mirror.ledger.pins()?;
    let changed = match pin {
        Pin::Set => pins.insert(id.clone()),
        Pin::Lift => pins.remove(&id),
    };
    if changed {
        mirror.ledger.save_pins(&pins)?;
    }
    Ok(id.to_string())
}

/// What changed between two states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiffReport {
    /// The first: a snapshot's id, or a generation's number.
    pub from: String,
    /// The second.
    pub to: String,
    /// By index of a source for two snapshots, by repository and arch for two generations; those alone that changed.
    pub indexes: Vec<IndexDiff>,
}

/// What changed in one index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IndexDiff {
    /// `v3.23/main/x86_64 from source "alpine"` or `v3.23/site/x86_64`.
    pub index: String,
    /// By origin.
    pub origins: Vec<Origin>,
}

/// What was added, removed, upgraded, downgraded, rebuilt from `from` to `to`: two snapshots (ids or their beginnings) or two
/// generations (numbers). Of a number and an id the number stands for the snapshot that its generation shows.
pub fn diff(config: &Config, from: &str, to: &str) -> Result<DiffReport, Error> {
    let mirror = Mirror::open(config)?;
    let (before, after) = match (named(&mirror, from)?, named(&mirror, to)?) {
        (State::Generation(one), State::Generation(other)) => return as_shown(&mirror, &one, &other),
        (one, other) => (one.snapshot(&mirror)?, other.snapshot(&mirror)?),
    };
    let (from, to) = (before.id.clone(), after.id.clone());
    let (before, after) = (accepted_entries(&mirror, &before, &after)?, accepted_entries(&mirror, &after, &before)?);
    Ok(compare(from, to, &before, &after))
}

/// The same of two generations alone, as clients saw them.
pub fn diff_of_generations(config: &Config, from: u64, to: u64) -> Result<DiffReport, Error> {
    let mirror = Mirror::open(config)?;
    as_shown(&mirror, &states::generation(&mirror, from)?, &states::generation(&mirror, to)?)
}

fn as_shown(mirror: &Mirror<'_>, one: &Generation, other: &Generation) -> Result<DiffReport, Error> {
    let (before, after) = (shown_entries(mirror, one, other)?, shown_entries(mirror, other, one)?);
    Ok(compare(one.number.to_string(), other.number.to_string(), &before, &after))
}

/// A state as an operator names it.
enum State {
    Snapshot(Snapshot),
    Generation(Generation),
}

impl State {
    fn snapshot(self, mirror: &Mirror<'_>) -> Result<Snapshot, Error> {
        match self {
            State::Snapshot(snapshot) => Ok(snapshot),
            State::Generation(generation) => states::snapshot(mirror, Some(&generation.snapshot)),
        }
    }
}

fn named(mirror: &Mirror<'_>, text: &str) -> Result<State, Error> {
    match text.parse() {
        // The beginning of an id is a year: so many generations nobody makes, but a number that is one comes first.
        Ok(number) => match states::generation(mirror, number) {
            Ok(generation) => Ok(State::Generation(generation)),
            Err(Error::NoState(NoState::NoGeneration { .. })) if text.len() >= 4 => {
                Ok(State::Snapshot(states::snapshot(mirror, Some(text))?))
            }
            Err(error) => Err(error),
        },
        Err(_) => Ok(State::Snapshot(states::snapshot(mirror, Some(text))?)),
    }
}

type Lists = BTreeMap<String, Vec<Entry>>;

/// The indexes of `snapshot` that are not the same in `other`.
fn accepted_entries(mirror: &Mirror<'_>, snapshot: &Snapshot, other: &Snapshot) -> Result<Lists, Error> {
    let mut lists = BTreeMap::new();
    let listed = snapshot.indexes.iter().filter(|index| index.role == Role::Listed);
    for index in listed.filter(|index| other.in_force(&index.key) != Some(index)) {
        lists.insert(index.key.to_string(), carry::listed(mirror, index)?);
    }
    Ok(lists)
}

/// The indexes of `generation` whose text is another in `other`, or that it has not.
fn shown_entries(mirror: &Mirror<'_>, generation: &Generation, other: &Generation) -> Result<Lists, Error> {
    let mut lists = BTreeMap::new();
    let is_same = |state: &RepositoryState| {
        other.repository(&state.name, &state.arch).is_some_and(|there| there.content == state.content)
    };
    for state in generation.repositories.iter().filter(|state| !is_same(state)) {
        lists.insert(format!("{}/{}", state.name, state.arch), entries_shown(mirror, generation.number, state)?);
    }
    Ok(lists)
}

fn compare(from: String, to: String, before: &Lists, after: &Lists) -> DiffReport {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let indexes = names.into_iter().map(|name| {
        let (before, after) = (before.get(name), after.get(name));
        let before = before.map(Vec::as_slice).unwrap_or_default();
        let after = after.map(Vec::as_slice).unwrap_or_default();
        IndexDiff { index: name.clone(), origins: diff::diff(before, after) }
    });
    DiffReport { from, to, indexes: indexes.filter(|index| !index.origins.is_empty()).collect() }
}
