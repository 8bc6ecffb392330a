//! Publishing what the store holds already: a snapshot by today's rules and key, a tree beside live as live, or an earlier
//! generation again. Nothing is fetched. Each ends in one switch of one link; see [`crate::publish`].

mod again;
mod withdraw;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use super::states::{self, NoState};
use super::sync::build::{self, Assembly};
use super::sync::report::compare;
use super::sync::{SyncReport, finish, indexes, settle};
use super::{Call, Error, Mirror};
use crate::apk::ObjectId;
use crate::apk::names::{Arch, PackageFile, Place, RepositoryName, TreeName};
use crate::config::{Config, Repository};
use crate::disk::lock::Purpose;
use crate::ledger::{Links, Withdrawn};
use crate::plan::publish::{Cause, Generation, Mode, RepositoryState, Wish};
use crate::report::Reporter;

pub use again::CannotShow;
pub(super) use again::{entries_shown, remake};
pub(super) use withdraw::renew;
pub use withdraw::{PlaceReport, Reach, TakenBack, Target, WithdrawReport, take_back, withdraw};

/// Publishes a snapshot (the one in force, unless `snapshot` begins another's id) by today's rules and key at `place`. What a
/// rule forbids, and what wants packages that the pool lacks, keeps its former state there. Publishing live ends a hold.
pub fn publish(
    config: &Config,
    snapshot: Option<&str>,
    place: &Place,
    call: Call,
    reporter: &Arc<dyn Reporter>,
) -> Result<SyncReport, Error> {
    let started = Instant::now();
    let (mirror, _lock) = call.open(config, Purpose::Publish)?;
    let snapshot = states::snapshot(&mirror, snapshot)?;
    let repositories: Vec<&Repository> = config.repositories.iter().collect();
    let asked = indexes::of_snapshot(&mirror, &repositories, snapshot.clone())?;
    let former = mirror.former(place)?;
    // A damaged file is not kept, as that of a text which has not changed.
    let wrong = former.iter().map(|former| build::wrong_files(&mirror, former.number, former.repositories.iter()));
    let wrong = wrong.flatten().collect();
    let mut settled = settle::from_pool(&mirror, &repositories, asked, reporter)?;
    let mut assembly =
        build::assemble(&mirror, place, former.clone(), &wrong, &mut settled, &snapshot, call.now, reporter)?;
    let still_damaged = finish::tell_damaged(&assembly.kept_wrong(&mirror), &settled, &**reporter);
    // Where live is held, the same indexes again are worth a generation: its record is what ends the hold. What is refused
    // ends none: a repository that keeps the state gone back to would be published over by the next sync.
    let held = former.as_ref().filter(|former| *place == Place::Live && former.is_hold());
    let refused = settled.broken.iter().any(Option::is_some);
    if let Some(former) = held.filter(|_| refused) {
        assembly.plan.generation.cause = former.cause.clone();
    }
    let published = assembly.is_worth_it() || (held.is_some() && !refused);
    let links = if published { Some(perform(&mirror, &assembly, &**reporter)?) } else { None };
    Ok(SyncReport {
        imports: Vec::new(),
        snapshot: Some(snapshot.id.clone()),
        generation: published.then_some(assembly.plan.generation.number),
        published,
        place: place.clone(),
        held: mirror.is_held()?,
        repositories: finish::reports(&repositories, &settled, &assembly),
        seconds: started.elapsed().as_secs_f64(),
        live: mirror.tree.live()?,
        links,
        still_damaged,
    })
}

/// A generation that shows again what another showed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SwitchReport {
    /// The new generation.
    pub generation: u64,
    /// The one whose indexes it shows.
    pub shows: u64,
    /// Where it is seen.
    pub place: Place,
    /// The snapshot that it came from.
    pub snapshot: String,
    /// Whether publishing is held from now on.
    pub held: bool,
    /// What changed for clients, in the order of the tree.
    pub repositories: Vec<Switched>,
    /// Repositories and arches that list what is withdrawn, because their index is upstream's own.
    pub still_shown: Vec<String>,
}

/// What a switch changed for the clients of one repository and arch: counts of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Switched {
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
    /// Names whose versions changed, up or down.
    pub upgraded: u64,
    /// Whether its index is the former one.
    pub unchanged: bool,
}

/// Shows the indexes of generation `number` (without one: of the generation that was live before what clients see) as a new
/// generation, with new times, because clients and caches ask for what is newer than theirs. What left the index lingers.
/// From then on publishing is held.
pub fn rollback(
    config: &Config,
    number: Option<u64>,
    call: Call,
    reporter: &Arc<dyn Reporter>,
) -> Result<SwitchReport, Error> {
    let (mirror, _lock) = call.open(config, Purpose::Rollback)?;
    let live = mirror.published(&Place::Live)?.ok_or(NoState::NothingLive)?;
    let target = match number {
        Some(number) => states::generation(&mirror, number)?,
        None => before(&mirror, &live, &mirror.ledger.withdrawn()?)?,
    };
    show_again(&mirror, live, &target, Cause::Rollback(target.shows()), call.now, reporter)
}

/// Shows what is at `@name` live. The tree at `@name` stays. Ends a hold.
pub fn promote(
    config: &Config,
    name: &TreeName,
    call: Call,
    reporter: &Arc<dyn Reporter>,
) -> Result<SwitchReport, Error> {
    let (mirror, _lock) = call.open(config, Purpose::Promote)?;
    let place = Place::Beside(name.clone());
    let Some(target) = mirror.published(&place)? else {
        let others = mirror.tree.named()?.into_keys().collect();
        return Err(NoState::NoTree { name: name.clone(), others }.into());
    };
    let live = mirror.published(&Place::Live)?.ok_or(NoState::NothingLive)?;
    show_again(&mirror, live, &target, Cause::Promotion(name.clone()), call.now, reporter)
}

/// The generation that was live before what clients see. A rollback counts as what it shows, so going back once more goes one
/// further; one that shows nothing else than clients see already is passed over.
fn before(mirror: &Mirror<'_>, live: &Generation, withdrawn: &[Withdrawn]) -> Result<Generation, Error> {
    let shown = live.shows();
    for number in mirror.ledger.generation_numbers()?.into_iter().rev().filter(|number| *number < shown) {
        let summary = mirror.ledger.generation_summary(number)?;
        if summary.place != Place::Live || summary.repositories.is_empty() || !mirror.tree.generation(number).is_dir() {
            continue;
        }
        let former = mirror.ledger.generation(number)?;
        if listed(&former, withdrawn) != listed(live, withdrawn) {
            return Ok(former);
        }
    }
    Err(NoState::NothingBefore { shown }.into())
}

/// All that clients find in its indexes, without what would be left out today.
fn listed<'g>(
    generation: &'g Generation,
    withdrawn: &[Withdrawn],
) -> BTreeSet<(&'g RepositoryName, &'g Arch, &'g PackageFile, &'g ObjectId)> {
    let files = generation.repositories.iter().flat_map(|state| {
        let stays = |file: &PackageFile| state.mode != Mode::Ours || !withdrawn.iter().any(|rule| rule.names(file));
        let listed = state.listed().filter(move |placed| stays(&placed.file));
        listed.map(|placed| (&state.name, &state.arch, &placed.file, &placed.object))
    });
    files.collect()
}

fn show_again(
    mirror: &Mirror<'_>,
    live: Generation,
    target: &Generation,
    cause: Cause,
    now: Timestamp,
    reporter: &Arc<dyn Reporter>,
) -> Result<SwitchReport, Error> {
    let withdrawn = mirror.ledger.withdrawn()?;
    let (mut wishes, mut made) = (Vec::new(), Vec::new());
    for state in &target.repositories {
        let again = remake(mirror, target.number, state, &withdrawn)?;
        wishes.push(Wish::Listing(Box::new(again.state.clone())));
        made.push(again);
    }
    // What came into the configuration since goes on as it is: its clients are not part of what went wrong.
    for repository in &mirror.config.repositories {
        for arch in &repository.arches {
            if target.repository(&repository.name, arch).is_none() {
                wishes.push(Wish::Former(repository.name.clone(), arch.clone()));
            }
        }
    }
    let before = live.clone();
    let mut assembly = Assembly::new(mirror, &Place::Live, Some(live), &target.snapshot, (wishes, made), now)?;
    assembly.plan.generation.cause = cause;
    perform(mirror, &assembly, &**reporter)?;
    let mut report = report(&before, &assembly.plan.generation, target.shows());
    report.still_shown = still_shown(target, &withdrawn);
    Ok(report)
}

/// Performs what was assembled, and leaves to later runs how the packages came into the live tree.
pub(super) fn perform(mirror: &Mirror<'_>, assembly: &Assembly, reporter: &dyn Reporter) -> Result<Links, Error> {
    let links = assembly.perform(mirror, reporter)?;
    if assembly.plan.generation.place == Place::Live {
        let mut state = mirror.ledger.state()?;
        state.links = Some(links);
        mirror.ledger.save_state(&state)?;
    }
    Ok(links)
}

/// Whether the index of a repository lists what one of `rules` names.
pub(super) fn lists(state: &RepositoryState, rules: &[Withdrawn]) -> bool {
    state.listed().any(|placed| rules.iter().any(|rule| rule.names(&placed.file)))
}

/// Repositories and arches whose index is upstream's own and lists what is withdrawn.
pub(super) fn still_shown(shown: &Generation, withdrawn: &[Withdrawn]) -> Vec<String> {
    let theirs = shown.repositories.iter().filter(|state| state.mode != Mode::Ours && lists(state, withdrawn));
    theirs.map(|state| format!("{}/{}", state.name, state.arch)).collect()
}

/// What `after` changed for the clients of `before`.
pub(super) fn report(before: &Generation, after: &Generation, shows: u64) -> SwitchReport {
    let repositories = after
        .repositories
        .iter()
        .map(|state| {
            let was = before.repository(&state.name, &state.arch);
            let difference = compare(was, state);
            Switched {
                name: state.name.clone(),
                arch: state.arch.clone(),
                packages: state.packages,
                added: difference.added,
                removed: difference.removed,
                upgraded: difference.upgraded,
                unchanged: was.is_some_and(|was| was.index == state.index),
            }
        })
        .collect();
    SwitchReport {
        generation: after.number,
        shows,
        place: after.place.clone(),
        snapshot: after.snapshot.clone(),
        held: after.is_hold(),
        repositories,
        still_shown: Vec::new(),
    }
}
