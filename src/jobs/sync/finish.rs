//! A sync's end: what it publishes, what it leaves to the next run, and its report.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::build::{self, Assembly, WrongFiles, accepted_ids, inputs};
use super::indexes::{Asked, Index};
use super::report::{self, Broken, RepositoryReport, SyncReport};
use super::settle::Settled;
use super::{Course, Error, Mirror, Run, SyncRequest, layers_of};
use crate::apk::names::{Arch, Place};
use crate::config::Repository;
use crate::jobs::seal::{SealWord, seal};
use crate::ledger::{LastError, State, Trust};
use crate::plan::publish::RepositoryState;
use crate::report::Reporter;
use crate::snapshot::{IndexKey, Snapshot};
use crate::verify::accepted::{History, Step};

/// The short way out: no index changed, and what is published already shows what follows from them.
pub(super) fn nothing_new(
    mirror: &Mirror<'_>,
    repositories: &[&Repository],
    asked: &Asked,
    run: &Run<'_>,
) -> Result<Option<SyncReport>, Error> {
    let Some(snapshot) = &asked.snapshot else { return Ok(None) };
    if asked.indexes.iter().any(|index| index.candidate.is_some() || index.accepted_id.is_none()) {
        return Ok(None);
    }
    let Course::Publish(place) = &run.course else { return Ok(None) };
    let shown = mirror.tree.shown(place)?.map(|number| mirror.ledger.generation_summary(number)).transpose()?;
    let Some(shown) = shown else { return Ok(None) };
    let configured: usize = mirror.config.repositories.iter().map(|repository| repository.arches.len()).sum();
    if shown.repositories.len() != configured || shown.aliases != mirror.config.aliases {
        return Ok(None);
    }
    let seal = seal(mirror)?.map(SealWord::of);
    let accepted = accepted_ids(snapshot);
    let withdrawn = mirror.ledger.withdrawn()?;
    let mut reports = Vec::new();
    for repository in repositories {
        for arch in &repository.arches {
            let inputs = inputs(mirror, repository, arch, &accepted, seal.as_ref(), &withdrawn)?;
            let same = |state: &&RepositoryState| asked.state.follows(shown.number, state, &inputs);
            let Some(state) = shown.repository(&repository.name, arch).filter(same) else { return Ok(None) };
            let keys = layers_of(repository, arch);
            let mine: Vec<&Index> = asked.indexes.iter().filter(|index| keys.contains(&index.key)).collect();
            let unmatched = report::unmatched(&repository.name, arch, &state.unmatched);
            let setbacks = report::worst(mine.iter().copied()).into_iter().chain(&unmatched);
            let setback = setbacks.min_by_key(|setback| setback.class.order());
            reports.push(RepositoryReport {
                name: repository.name.clone(),
                arch: arch.clone(),
                packages: state.packages,
                added: 0,
                removed: 0,
                upgraded: 0,
                unchanged: true,
                fetched_files: 0,
                fetched_bytes: 0,
                refused: mine.iter().flat_map(|index| index.refused.clone()).collect(),
                carried: Vec::new(),
                shadowed: state.shadowed,
                shadowed_newer: state.shadowed_newer,
                shadowed_entries: None,
                warnings: state.warnings.iter().chain(mine.iter().flat_map(|index| &index.notes)).cloned().collect(),
                error: setback.map(Broken::from),
            });
        }
    }
    save_state(mirror, asked.state.clone(), &asked.indexes, run.request)?;
    Ok(Some(SyncReport {
        snapshot: Some(snapshot.id.clone()),
        generation: None,
        published: false,
        imports: Vec::new(),
        repositories: reports,
        seconds: run.started.elapsed().as_secs_f64(),
        held: false,
        place: place.clone(),
        live: mirror.tree.live()?,
        links: None,
        still_damaged: Vec::new(),
    }))
}

fn save_state(mirror: &Mirror<'_>, mut state: State, indexes: &[Index], request: &SyncRequest) -> Result<(), Error> {
    for index in indexes {
        if let Some(setback) = &index.setback {
            state.entry(&index.key).last_error =
                Some(LastError { code: setback.code.clone(), message: setback.one_line(), time: request.now });
        }
    }
    state.last_run = Some(request.now);
    Ok(mirror.ledger.save_state(&state)?)
}

/// Merges, signs and publishes what was settled, and tells what was done.
pub(super) fn finish(
    mirror: &Mirror<'_>,
    repositories: &[&Repository],
    mut settled: Settled,
    snapshot: &Snapshot,
    run: &Run<'_>,
    reporter: &Arc<dyn Reporter>,
) -> Result<SyncReport, Error> {
    let place = run.course.place();
    let mut assemble = |wrong: &WrongFiles| {
        let former = mirror.former(place)?;
        build::assemble(mirror, place, former, wrong, &mut settled, snapshot, run.request.now, reporter)
    };
    let mut assembly = assemble(&WrongFiles::new())?;
    let published = matches!(run.course, Course::Publish(_)) && assembly.is_worth_it();
    let mut still_damaged = Vec::new();
    if published {
        // Read only where a tree is made: a run without news reads no index file.
        let wrong = assembly.kept_wrong(mirror);
        if !wrong.is_empty() {
            assembly = assemble(&wrong)?;
            still_damaged = tell_damaged(&assembly.kept_wrong(mirror), &settled, &**reporter);
        }
    }
    let mut links = None;
    if published {
        let made = assembly.perform(mirror, &**reporter)?;
        if *place == Place::Live {
            links = Some(made);
            settled.state.links = links;
        }
    } else if let (Course::Publish(_), Some(former)) = (&run.course, &assembly.former) {
        settled.state.note_same(former.number, assembly.made_states());
    }
    for index in &settled.indexes {
        note_validators(&mut settled.state, &settled.trust, index, snapshot, run.request);
    }
    save_state(mirror, std::mem::take(&mut settled.state), &settled.indexes, run.request)?;
    let is_taken = mirror.ledger.require_snapshot(&snapshot.id).is_ok();
    Ok(SyncReport {
        snapshot: is_taken.then(|| snapshot.id.clone()),
        generation: published.then_some(assembly.plan.generation.number),
        published,
        place: place.clone(),
        held: matches!(run.course, Course::Hold(_)),
        imports: Vec::new(),
        repositories: reports(repositories, &settled, &assembly),
        seconds: run.started.elapsed().as_secs_f64(),
        live: mirror.tree.live()?,
        links,
        still_damaged,
    })
}

/// Says which index files go on being shown though they are not what was published, and why. Returns the repositories.
pub(in crate::jobs) fn tell_damaged(wrong: &WrongFiles, settled: &Settled, reporter: &dyn Reporter) -> Vec<String> {
    let mut places = Vec::new();
    for (name, arch) in wrong {
        let place = format!("{name}/{arch}");
        let wish = settled.wishes.iter().position(|wish| wish.name == *name && wish.arch == *arch);
        // What the refusal says is what stands in the way: to send to `bivouac repair` alone would lead in a circle.
        let why = match wish.and_then(|number| settled.broken[number].as_ref()) {
            Some(setback) => format!("it is not made anew, because what is newest is held: {}", setback.one_line()),
            None => "this run is not about it, and `bivouac publish` makes it anew".to_owned(),
        };
        reporter.warning(&format!(
            "the index file of {place} is not what was published: {why}; `bivouac repair --from PATH` takes it from a backup"
        ));
        places.push(place);
    }
    places
}

/// What happened to each of `repositories`.
pub(in crate::jobs) fn reports(
    repositories: &[&Repository],
    settled: &Settled,
    assembly: &Assembly,
) -> Vec<RepositoryReport> {
    let arches =
        repositories.iter().flat_map(|repository| repository.arches.iter().map(move |arch| (*repository, arch)));
    arches.map(|(repository, arch)| one_report(repository, arch, settled, assembly)).collect()
}

/// Remembers with which words to ask next time, for an index that this run accepted.
fn note_validators(state: &mut State, trust: &Trust, index: &Index, snapshot: &Snapshot, request: &SyncRequest) {
    let (Some(accepted), Some(fetched)) = (&index.in_force, &index.accepted_from) else { return };
    if snapshot.accepted(&index.key).is_none() || accepted.record().index != fetched.digest {
        return;
    }
    let entry = state.entry(&index.key);
    let remembered = trust.history(&index.key).and_then(History::newest).map(|newest| newest.time);
    entry.validators_of = Some(fetched.digest);
    entry.validators = BTreeMap::from([(fetched.url.clone(), fetched.validators.clone())]);
    entry.confirmed = Some(fetched.as_of.unwrap_or(request.now));
    // The same content signed anew is no change.
    if fetched.step == Step::Back || remembered == Some(request.now) || entry.changed.is_none() {
        entry.changed = Some(request.now);
    }
    entry.last_error = None;
}

fn one_report(repository: &Repository, arch: &Arch, settled: &Settled, assembly: &Assembly) -> RepositoryReport {
    let number = settled.number_of(repository, arch).expect("every chosen repository has a wish");
    let wish = &settled.wishes[number];
    let before = assembly.former.as_ref().and_then(|former| former.repository(&repository.name, arch));
    let after = assembly.plan.generation.repository(&repository.name, arch);
    let difference = after.map(|after| report::compare(before, after)).unwrap_or_default();
    let keys: Vec<&IndexKey> = wish.layers.iter().map(|(key, _)| key).chain(&wish.missing).collect();
    let mine = || settled.indexes.iter().filter(|index| keys.contains(&&index.key));
    let setbacks = settled.broken[number].iter().chain(report::setback_of(settled.indexes.iter(), wish));
    let unmatched = report::unmatched(&repository.name, arch, &wish.unmatched);
    let setback = setbacks.chain(&unmatched).min_by_key(|setback| setback.class.order());
    let shown = assembly.made(&repository.name, arch).or(after);
    let (fetched_files, fetched_bytes) = settled.fetched[number];
    RepositoryReport {
        name: repository.name.clone(),
        arch: arch.clone(),
        packages: after.map_or(0, |after| after.packages),
        added: difference.added,
        removed: difference.removed,
        upgraded: difference.upgraded,
        unchanged: before.zip(after).is_some_and(|(before, after)| before.index == after.index),
        fetched_files,
        fetched_bytes,
        refused: mine().flat_map(|index| index.refused.clone()).collect(),
        carried: settled.carried[number].clone(),
        shadowed: shown.map_or(0, |state| state.shadowed),
        shadowed_newer: shown.map_or(0, |state| state.shadowed_newer),
        shadowed_entries: Some(report::shadowed_entries(wish)),
        warnings: wish.warnings.iter().chain(mine().flat_map(|index| &index.notes)).cloned().collect(),
        error: setback.map(Broken::from),
    }
}
