//! Taking packages out of our indexes.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{Switched, lists, perform, remake, report, still_shown};
use crate::apk::names::{PackageName, Place, VersionText};
use crate::config::Config;
use crate::disk::lock::Purpose;
use crate::jobs::sync::build::{Assembly, Made};
use crate::jobs::{Call, Error, Mirror};
use crate::ledger::Withdrawn;
use crate::plan::publish::{Generation, Mode, Wish};
use crate::report::Reporter;

/// How far a withdrawal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Out of the indexes; the file lingers for clients that hold an older one.
    Indexes,
    /// Out of the live tree and all trees beside it at once, linger or not: clients that hold an older index get a 404.
    Everything,
}

/// What is withdrawn, or taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The package.
    pub name: PackageName,
    /// This version alone; else every version, also those to come.
    pub version: Option<VersionText>,
}

/// What a withdrawal did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WithdrawReport {
    /// The package.
    pub name: PackageName,
    /// The version, if one alone is meant.
    pub version: Option<VersionText>,
    /// New generations: one for each place that showed it.
    pub places: Vec<PlaceReport>,
    /// Repositories and arches that go on showing it, because their index is upstream's own.
    pub still_shown: Vec<String>,
}

/// A place after a withdrawal, or after its indexes were signed anew.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaceReport {
    /// Which place.
    pub place: Place,
    /// The new generation.
    pub generation: u64,
    /// What changed for clients.
    pub repositories: Vec<Switched>,
}

/// Takes a package out of all our indexes, live and beside it, now and in every later run, until it is taken back. Its bytes
/// stay in the pool. Sync's own rules see it no more than if no source had it.
pub fn withdraw(
    config: &Config,
    target: &Target,
    reach: Reach,
    call: Call,
    reporter: &Arc<dyn Reporter>,
) -> Result<WithdrawReport, Error> {
    let (mirror, _lock) = call.open(config, Purpose::Withdraw)?;
    let rule = Withdrawn { name: target.name.clone(), version: target.version.clone(), time: call.now };
    let mut withdrawn = mirror.ledger.withdrawn()?;
    if !withdrawn.iter().any(|other| other.is_same(&rule)) {
        withdrawn.push(rule.clone());
        // First of all: whatever ends this run, the next sync leaves it out.
        mirror.ledger.save_withdrawn(&withdrawn)?;
    }
    let mut report = WithdrawReport {
        name: target.name.clone(),
        version: target.version.clone(),
        places: Vec::new(),
        still_shown: Vec::new(),
    };
    for place in mirror.places()? {
        let Some(shown) = mirror.published(&place)? else { continue };
        report.still_shown.extend(still_shown(&shown, std::slice::from_ref(&rule)));
        if let Some(done) = one_place(&mirror, place, shown, &rule, &withdrawn, reach, call, reporter)? {
            report.places.push(done);
        }
    }
    report.still_shown.sort();
    report.still_shown.dedup();
    Ok(report)
}

#[expect(clippy::too_many_arguments, reason = "one call, made above, from that function's locals")]
fn one_place(
    mirror: &Mirror<'_>,
    place: Place,
    shown: Generation,
    rule: &Withdrawn,
    withdrawn: &[Withdrawn],
    reach: Reach,
    call: Call,
    reporter: &Arc<dyn Reporter>,
) -> Result<Option<PlaceReport>, Error> {
    let (mut wishes, mut made) = (Vec::new(), Vec::new());
    for state in &shown.repositories {
        if state.mode == Mode::Ours && lists(state, std::slice::from_ref(rule)) {
            let again = remake(mirror, shown.number, state, withdrawn)?;
            wishes.push(Wish::Listing(Box::new(again.state.clone())));
            made.push(again);
        } else {
            wishes.push(Wish::Former(state.name.clone(), state.arch.clone()));
        }
    }
    let mut former = shown.clone();
    let mut dropped = 0;
    if reach == Reach::Everything {
        for state in &mut former.repositories {
            let (before, ours) = (state.files.len(), state.mode == Mode::Ours);
            // What upstream's own index lists must be there.
            state.files.retain(|placed| !rule.names(&placed.file) || (!ours && placed.is_listed()));
            dropped += before - state.files.len();
        }
    }
    if made.is_empty() && dropped == 0 {
        return Ok(None);
    }
    renew(mirror, place, (&shown, former), (wishes, made), call.now, reporter).map(Some)
}

/// Shows these states at `place`, of which `former` was seen there until now: what was shown, or less than that. It neither
/// begins nor ends a hold: what else is shown stays what it was.
pub(in crate::jobs) fn renew(
    mirror: &Mirror<'_>,
    place: Place,
    (shown, former): (&Generation, Generation),
    states: (Vec<Wish>, Vec<Made>),
    now: Timestamp,
    reporter: &Arc<dyn Reporter>,
) -> Result<PlaceReport, Error> {
    let mut assembly = Assembly::new(mirror, &place, Some(former), &shown.snapshot, states, now)?;
    assembly.plan.generation.cause = shown.cause.clone();
    perform(mirror, &assembly, &**reporter)?;
    let generation = &assembly.plan.generation;
    let repositories = report(shown, generation, shown.number).repositories;
    Ok(PlaceReport { place, generation: generation.number, repositories })
}

/// Takes a withdrawal back: the next sync or `publish` lists the package again if its source does. Whether there was one.
pub fn take_back(config: &Config, target: &Target, call: Call) -> Result<TakenBack, Error> {
    let (mirror, _lock) = call.open(config, Purpose::Withdraw)?;
    let rule = Withdrawn { name: target.name.clone(), version: target.version.clone(), time: call.now };
    let withdrawn = mirror.ledger.withdrawn()?;
    let left: Vec<Withdrawn> = withdrawn.iter().filter(|other| !other.is_same(&rule)).cloned().collect();
    if left.len() == withdrawn.len() {
        return Ok(TakenBack::WasNot);
    }
    mirror.ledger.save_withdrawn(&left)?;
    Ok(TakenBack::Was)
}

/// Whether there was a withdrawal to take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBack {
    /// There was.
    Was,
    /// There was none of this name and version.
    WasNot,
}
