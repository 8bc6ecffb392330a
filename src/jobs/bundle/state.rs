//! What is sent: the live generation, its index files, and upstream's signed ones that they follow from.

use std::collections::{BTreeMap, HashMap};

use crate::apk::names::{PackageFile, RepositoryName};
use crate::apk::v2::index;
use crate::apk::v2::sections::{Limits, split_index};
use crate::apk::{Entry, Identity, ObjectId};
use crate::config::Repository;
use crate::disk::layout::StateName;
use crate::jobs::publish::CannotShow;
use crate::jobs::states::still_there;
use crate::jobs::sync::imported::sender_name;
use crate::jobs::sync::layers_of;
use crate::jobs::{Error, Mirror, NoState};
use crate::ledger;
use crate::plan::bundle::SentPlace;
use crate::plan::publish::{Generation, RepositoryState};
use crate::publish::Publishable;
use crate::snapshot::accepted::Kind;
use crate::snapshot::manifest::Carried;
use crate::snapshot::{IndexKey, Snapshot};

/// The state that is sent.
#[derive(Debug)]
pub(super) struct LiveState {
    /// The live generation.
    pub(super) generation: u64,
    /// Its chosen repositories, in the generation's order.
    pub(super) places: Vec<SentPlace>,
    /// Every index file of them.
    pub(super) indexes: BTreeMap<ObjectId, Vec<u8>>,
}

/// The chosen repositories of what is live, or all of them.
pub(super) fn live(mirror: &Mirror<'_>, chosen: &[RepositoryName]) -> Result<LiveState, Error> {
    loop {
        let number = mirror.tree.live()?.ok_or(NoState::NothingLive)?;
        match of_generation(mirror, number, chosen) {
            // Another run switched and dropped what this one was reading: the next look finds the new one.
            Err(_) if mirror.tree.live()? != Some(number) => {}
            result => return result,
        }
    }
}

fn of_generation(mirror: &Mirror<'_>, number: u64, chosen: &[RepositoryName]) -> Result<LiveState, Error> {
    let generation = mirror.ledger.generation(number)?;
    require_known(&generation, chosen)?;
    let mut state = LiveState { generation: number, places: Vec::new(), indexes: BTreeMap::new() };
    let mut history = History::new(mirror, number)?;
    for repository in generation.repositories {
        if !chosen.is_empty() && !chosen.contains(&repository.name) {
            continue;
        }
        let index = Publishable::again(&mirror.tree, number, &repository)?.bytes().to_vec();
        state.indexes.insert(repository.index, index);
        let place = place(mirror, &mut history, repository, &mut state.indexes)?;
        state.places.push(place);
    }
    Ok(state)
}

fn require_known(generation: &Generation, chosen: &[RepositoryName]) -> Result<(), Error> {
    let names = || generation.repositories.iter().map(|state| state.name.as_str());
    let Some(unknown) = chosen.iter().find(|name| !names().any(|known| known == name.as_str())) else { return Ok(()) };
    let likeness = |name: &str| strsim::jaro(name, unknown.as_str());
    let nearest = names()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|nearest| likeness(nearest) > 0.7)
        .map(str::to_owned);
    Err(Error::NoSuchRepository { name: unknown.clone(), nearest })
}

fn place(
    mirror: &Mirror<'_>,
    history: &mut History<'_>,
    state: RepositoryState,
    indexes: &mut BTreeMap<ObjectId, Vec<u8>>,
) -> Result<SentPlace, Error> {
    let files: Vec<_> = state.listed().cloned().collect();
    let listed: HashMap<&PackageFile, Identity> = files.iter().map(|placed| (&placed.file, placed.identity)).collect();
    let configured = mirror.config.repositories.iter().find(|repository| repository.name == state.name);
    let mut carried = Carried {
        name: state.name.clone(),
        arch: state.arch.clone(),
        index: state.index,
        origins: Vec::new(),
        whole: None,
        packages: files.len() as u64,
        bytes: files.iter().map(|placed| placed.size).sum(),
    };
    for (origin, bytes) in origins(mirror, history, configured, &state)? {
        if carried.origins.contains(&origin) {
            continue;
        }
        let entries = entries_of(&bytes)?;
        let is_held = |entry: &Entry| listed.get(entry.file()) == Some(entry.identity());
        if carried.whole.is_none() && entries.iter().all(is_held) {
            carried.whole = Some(origin);
        }
        carried.origins.push(origin);
        indexes.insert(origin, bytes);
    }
    Ok(SentPlace { carried, files })
}

/// What an index file of ours, or one that was accepted, lists.
pub(super) fn entries_of(bytes: &[u8]) -> Result<Vec<Entry>, Error> {
    let parts = split_index(bytes, &Limits::of_our_own()).map_err(CannotShow::Sections)?;
    Ok(index::parse(&parts.text).map_err(CannotShow::Entries)?)
}

/// Upstream's signed index files that `state` follows from, by the priority of their sources.
fn origins(
    mirror: &Mirror<'_>,
    history: &mut History<'_>,
    configured: Option<&Repository>,
    state: &RepositoryState,
) -> Result<Vec<(ObjectId, Vec<u8>)>, Error> {
    let Some(repository) = configured else { return Ok(Vec::new()) };
    let Some(snapshot) = history.snapshot_of(state)? else { return Ok(Vec::new()) };
    let mut origins = Vec::new();
    for key in layers_of(repository, &state.arch) {
        let Some(in_force) = snapshot.in_force(&key) else { continue };
        for id in in_force.states() {
            let record = mirror.ledger.accepted_record(id)?;
            if record.kind != Kind::Signed {
                continue;
            }
            // What the sender of a bundle had from its own upstream goes before what it made of that: it is nearer to the origin.
            origins.extend(further_origins(mirror, &key, &record.index)?);
            origins.push((record.index, mirror.ledger.accepted(id)?.bytes().to_vec()));
        }
    }
    Ok(origins)
}

/// The signed indexes that an index which came in a bundle follows from in its turn: proofs of origin go along on every hop.
fn further_origins(
    mirror: &Mirror<'_>,
    key: &IndexKey,
    index: &ObjectId,
) -> Result<Vec<(ObjectId, Vec<u8>)>, ledger::Error> {
    let Some(manifest) = mirror.ledger.bundle_in_force(&key.source)? else { return Ok(Vec::new()) };
    let carried = manifest
        .carried(sender_name(&key.path), &key.arch)
        .filter(|carried| carried.indexes().any(|known| known == index));
    let mut origins = Vec::new();
    for origin in carried.into_iter().flat_map(|carried| &carried.origins) {
        if let Some(bytes) = mirror.ledger.bundled_index(&key.source, origin)? {
            origins.push((*origin, bytes));
        }
    }
    Ok(origins)
}

/// Which snapshot the index of a repository follows from: not always the one that the live generation shows, because a
/// repository whose new state is held back keeps its former index beside others that move on.
struct History<'m> {
    mirror: &'m Mirror<'m>,
    /// The latest first, beginning with the live one.
    generations: Vec<Generation>,
}

impl<'m> History<'m> {
    fn new(mirror: &'m Mirror<'m>, live: u64) -> Result<Self, Error> {
        let mut generations = Vec::new();
        for number in mirror.ledger.generation_numbers()?.into_iter().rev().filter(|number| *number <= live) {
            generations.extend(still_there(mirror.ledger.generation_summary(number))?);
        }
        Ok(History { mirror, generations })
    }

    /// The snapshot of the first of the last generations that had this state, as long as it is kept; the later ones have the
    /// same by the state's own word.
    fn snapshot_of(&mut self, state: &RepositoryState) -> Result<Option<Snapshot>, Error> {
        let is_same = |generation: &&Generation| {
            generation.repository(&state.name, &state.arch).is_some_and(|former| former.inputs == state.inputs)
        };
        for generation in self.generations.iter().take_while(is_same).collect::<Vec<_>>().into_iter().rev() {
            let Ok(id) = generation.snapshot.parse::<StateName>() else { continue };
            if let Some(snapshot) = still_there(self.mirror.ledger.snapshot(&id))? {
                return Ok(Some(snapshot));
            }
        }
        Ok(None)
    }
}
