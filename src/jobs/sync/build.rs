//! Accepted indexes → merged, signed, published; and the report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};

use super::indexes::{Asked, Index};
use super::report::{self, Broken, RepositoryReport, SyncReport};
use super::settle::{Settled, live_generation};
use super::want::Wish;
use super::{Error, Mirror, Publishing, Setback, SyncRequest, layers_of};
use crate::apk::names::Arch;
use crate::apk::v2::sections::{Limits, split_index};
use crate::apk::{ContentId, ObjectId};
use crate::config::{Config, Digest, IndexMode, Repository};
use crate::disk::durable::Linked;
use crate::error::Class;
use crate::jobs::selection;
use crate::ledger::{LastError, Links, State};
use crate::merge::{Layer, MergedIndex, Prefer, Rank, combine};
use crate::plan::publish::{
    Change, Generation, Mode, Placed, PublishPlan, RepositoryState, Wish as Publication, decide,
};
use crate::publish::{Publishable, publish};
use crate::report::Reporter;
use crate::sign::index::{cosign, describe, sign_merged, signer_names};
use crate::sign::{Digests, PrivateKey};
use crate::snapshot::{IndexKey, Snapshot};

/// Our key, loaded when some repository needs it.
struct Seal {
    key: PrivateKey,
    digests: Digests,
}

fn seal(config: &Config) -> Result<Option<Seal>, Error> {
    let needed = config.repositories.iter().any(|repository| repository.index != IndexMode::Upstream);
    let Some(signing) = config.signing.as_ref().filter(|_| needed) else { return Ok(None) };
    let digests = match signing.digest {
        Digest::Sha256 => Digests::Sha256,
        Digest::Sha256AndSha1 => Digests::Sha256AndSha1,
    };
    Ok(Some(Seal { key: PrivateKey::load(&signing.key)?, digests }))
}

/// Digest of everything that a repository's index follows from. A word for the rules themselves comes first: it changes when
/// a later version of this program merges otherwise.
fn inputs(
    repository: &Repository,
    arch: &Arch,
    accepted: &BTreeMap<IndexKey, String>,
    seal: Option<&Seal>,
) -> Result<String, Error> {
    let mut hash = Sha256::new();
    hash.update("rules 1\n");
    for key in layers_of(repository, arch) {
        hash.update(format!("{key}\0{}\n", accepted.get(&key).map(String::as_str).unwrap_or_default()));
    }
    hash.update(format!("{:?}\0{:?}\0", repository.index, repository.dependencies));
    let selection = selection::selection(repository)?;
    let words = |selectors: &[crate::select::Selector]| {
        selectors.iter().map(|selector| selector.as_str().to_owned()).collect::<Vec<_>>().join("\0")
    };
    hash.update(format!("{:?}\n{}\n", selection.packages.as_deref().map(words), words(&selection.exclude)));
    hash.update(format!("{:?}\n", repository.prefer));
    if let Some(seal) = seal.filter(|_| repository.index != IndexMode::Upstream) {
        hash.update(format!("{}\0{:?}\n", seal.key.fingerprint(), seal.digests));
    }
    Ok(crate::apk::checksum::hex(&hash.finalize()[..16]))
}

/// The short way out: no index changed, and the live generation already shows what follows from them.
pub(super) fn nothing_new(
    mirror: &Mirror<'_>,
    repositories: &[&Repository],
    asked: &Asked,
    request: &SyncRequest,
    started: Instant,
) -> Result<Option<SyncReport>, Error> {
    let Some(snapshot) = &asked.snapshot else { return Ok(None) };
    if asked.indexes.iter().any(|index| index.candidate.is_some() || index.accepted_id.is_none()) {
        return Ok(None);
    }
    let live = match mirror.tree.live()? {
        Some(number) => Some(mirror.ledger.generation_summary(number)?),
        None => None,
    };
    let Some(live) = live.filter(|_| request.publish == Publishing::Live) else { return Ok(None) };
    let configured: usize = mirror.config.repositories.iter().map(|repository| repository.arches.len()).sum();
    if live.repositories.len() != configured {
        return Ok(None);
    }
    let seal = seal(mirror.config)?;
    let accepted = accepted_ids(snapshot);
    let mut reports = Vec::new();
    for repository in repositories {
        for arch in &repository.arches {
            let inputs = inputs(repository, arch, &accepted, seal.as_ref())?;
            let Some(state) = live.repository(&repository.name, arch).filter(|state| state.inputs == inputs) else {
                return Ok(None);
            };
            let keys = layers_of(repository, arch);
            let mine: Vec<&Index> = asked.indexes.iter().filter(|index| keys.contains(&index.key)).collect();
            let setback = report::worst(mine.iter().copied());
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
                error: setback.map(Broken::from),
            });
        }
    }
    save_state(mirror, asked.state.clone(), &asked.indexes, request)?;
    Ok(Some(SyncReport {
        snapshot: Some(snapshot.id.clone()),
        generation: None,
        published: false,
        repositories: reports,
        seconds: started.elapsed().as_secs_f64(),
        live: Some(live.number),
        links: None,
    }))
}

fn accepted_ids(snapshot: &Snapshot) -> BTreeMap<IndexKey, String> {
    snapshot.indexes.iter().map(|index| (index.key.clone(), index.accepted.clone())).collect()
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

/// A repository's new state with what is needed to write its index.
struct Made {
    state: RepositoryState,
    index: Publishable,
}

/// Merges, signs and publishes what was settled.
pub(super) fn build(
    mirror: &Mirror<'_>,
    repositories: &[&Repository],
    mut settled: Settled,
    snapshot: &Snapshot,
    request: &SyncRequest,
    reporter: &Arc<dyn Reporter>,
    started: Instant,
) -> Result<SyncReport, Error> {
    let live = live_generation(mirror)?;
    let seal = seal(mirror.config)?;
    let accepted = accepted_ids(snapshot);
    let mut publications = Vec::new();
    let mut made: BTreeMap<(String, Arch), Made> = BTreeMap::new();
    let wishes = std::mem::take(&mut settled.wishes);
    let number_of = |repository: &Repository, arch: &Arch| {
        wishes.iter().position(|wish| wish.name == repository.name && wish.arch == *arch)
    };
    for repository in &mirror.config.repositories {
        for arch in &repository.arches {
            let former = Publication::Former(repository.name.clone(), arch.clone());
            let Some(number) = number_of(repository, arch).filter(|number| settled.broken[*number].is_none()) else {
                publications.push(former);
                continue;
            };
            let inputs = inputs(repository, arch, &accepted, seal.as_ref())?;
            let before = live.as_ref().and_then(|live| live.repository(&repository.name, arch));
            if before.is_some_and(|before| before.inputs == inputs) {
                publications.push(former);
                continue;
            }
            match make(repository, arch, &wishes[number], &settled.indexes, mirror, seal.as_ref(), inputs)? {
                Ok(new) => {
                    reporter.repository_signed(&repository.name, arch, new.state.packages);
                    publications.push(Publication::Listing(Box::new(new.state.clone())));
                    made.insert((repository.name.to_string(), arch.clone()), new);
                }
                Err(setback) => {
                    settled.broken[number] = Some(setback);
                    publications.push(former);
                }
            }
        }
    }
    let linger = SignedDuration::try_from(mirror.config.publish.linger).unwrap_or(SignedDuration::MAX);
    // Beyond all trees there are, too: they may be of a store that was lost, or of another that shares the folder.
    let recorded = mirror.ledger.generation_numbers()?.last().copied().unwrap_or(0);
    let last = recorded.max(mirror.tree.highest_generation()?);
    let plan = decide(live.as_ref(), last, &snapshot.id, publications, linger, request.now);
    // A first run in which everything failed has nothing to show: no empty tree takes the link's place.
    let worth = plan.change == Change::Something && !plan.generation.repositories.is_empty();
    let mut links = None;
    let published = worth && request.publish == Publishing::Live;
    if published {
        let linked = perform(mirror, &plan, &made)?;
        links = Some(Links {
            generation: plan.generation.number,
            hard: linked.count(Linked::Hard),
            reflinks: linked.count(Linked::Reflink),
            copies: linked.count(Linked::Copy),
        });
        settled.state.links = links;
        reporter.generation_live(plan.generation.number);
    }
    for index in &settled.indexes {
        note_validators(&mut settled.state, index, snapshot, request);
    }
    save_state(mirror, std::mem::take(&mut settled.state), &settled.indexes, request)?;
    let reports = repositories
        .iter()
        .flat_map(|repository| repository.arches.iter().map(move |arch| (*repository, arch)))
        .map(|(repository, arch)| {
            let number = number_of(repository, arch).expect("every chosen repository has a wish");
            one_report(repository, arch, number, &wishes[number], &settled, live.as_ref(), &plan.generation, &made)
        })
        .collect();
    Ok(SyncReport {
        snapshot: Some(snapshot.id.clone()),
        generation: published.then_some(plan.generation.number),
        published,
        repositories: reports,
        seconds: started.elapsed().as_secs_f64(),
        live: if published { Some(plan.generation.number) } else { live.map(|live| live.number) },
        links,
    })
}

/// Records the generation, then makes and switches it.
fn perform(
    mirror: &Mirror<'_>,
    plan: &PublishPlan,
    made: &BTreeMap<(String, Arch), Made>,
) -> Result<crate::disk::durable::LinkedTree, Error> {
    mirror.ledger.save_generation(&plan.generation)?;
    let index_of = |at: usize| {
        let state = &plan.generation.repositories[at];
        made.get(&(state.name.to_string(), state.arch.clone())).map(|made| made.index.clone())
    };
    Ok(publish(plan, &mirror.tree, &mirror.pool, index_of)?)
}

/// Makes one repository's index for one arch; a setback where its rules forbid it.
fn make(
    repository: &Repository,
    arch: &Arch,
    wish: &Wish,
    indexes: &[Index],
    mirror: &Mirror<'_>,
    seal: Option<&Seal>,
    inputs: String,
) -> Result<Result<Made, Setback>, Error> {
    let mut layers = Vec::new();
    for (_, entries) in &wish.layers {
        let mut layer = Layer::default();
        for entry in entries {
            let object = mirror.pool.find(entry).expect("everything that a settled wish names is in the pool");
            layer.entries.push((entry.clone(), object));
        }
        layers.push(layer);
    }
    // The wish has decided who supplies what; what is left is one order, each name and version once.
    let merged = combine(&layers, Prefer::All, arch);
    let in_force =
        |key: &IndexKey| indexes.iter().find(|index| index.key == *key).and_then(|index| index.in_force.as_ref());
    let upstream_words = wish.layers.iter().find_map(|(key, _)| in_force(key)?.record().description.clone());
    let only = wish.layers.first().and_then(|(key, _)| in_force(key));
    let seal_or_bug = || seal.expect("the configuration was checked: whatever we sign has a key");
    let (index, signers, content, description, mode) = match repository.index {
        IndexMode::Ours => {
            let seal = seal_or_bug();
            let description = describe(&merged, upstream_words.as_deref());
            let signed = sign_merged(&merged, &description, &seal.key, seal.digests)?;
            let signers = signer_names(&seal.key, seal.digests);
            (Publishable::Signed(signed), signers, merged.content, description, Mode::Ours)
        }
        IndexMode::Upstream | IndexMode::Cosigned => {
            let accepted = only.expect("the configuration was checked: such a repository has one source");
            if let Some(setback) = unshowable(wish, &merged) {
                return Ok(Err(setback));
            }
            let parts =
                split_index(accepted.bytes(), &Limits::default()).expect("an accepted index was taken apart before");
            let content = ContentId::new(Sha256::digest(&parts.text).into());
            let words = upstream_words.unwrap_or_default();
            let theirs: Vec<crate::apk::KeyName> =
                accepted.record().signers.iter().map(|signer| signer.key.clone()).collect();
            if repository.index == IndexMode::Upstream {
                let names = parts.signatures.iter().map(|one| format!(".SIGN.{}.{}", one.algorithm, one.key)).collect();
                let index = Publishable::upstream(accepted)
                    .expect("the configuration was checked: its source has an index of its own");
                (index, names, content, words, Mode::Upstream)
            } else {
                let seal = seal_or_bug();
                let bytes = &accepted.bytes()[parts.signed_from..];
                let signed = cosign(bytes, parts.signatures, &theirs, &seal.key, seal.digests)?;
                let signers = signed.signers().to_vec();
                (Publishable::Signed(signed), signers, content, words, Mode::Cosigned)
            }
        }
    };
    let files: Vec<Placed> = merged
        .entries
        .iter()
        .map(|merged| Placed {
            file: merged.entry.file().clone(),
            object: merged.object,
            identity: *merged.entry.identity(),
            size: merged.entry.size(),
            left: None,
        })
        .collect();
    let newer = wish.shadowed.iter().filter(|shadowed| shadowed.rank == Rank::Newer).count() as u64;
    let state = RepositoryState {
        name: repository.name.clone(),
        arch: arch.clone(),
        mode,
        inputs,
        content,
        index: ObjectId::new(Sha256::digest(index.bytes()).into()),
        description,
        signers,
        key: seal.filter(|_| mode != Mode::Upstream).map(|seal| seal.key.fingerprint()),
        published: jiff::Timestamp::UNIX_EPOCH,
        packages: files.len() as u64,
        bytes: files.iter().map(|placed| placed.size).sum(),
        shadowed: wish.shadowed.len() as u64,
        shadowed_newer: newer,
        files,
    };
    Ok(Ok(Made { state, index }))
}

/// Whether upstream's own index can be shown as it is: each of its names and versions stands for one file, in its folder.
fn unshowable(wish: &Wish, merged: &MergedIndex) -> Option<Setback> {
    let (key, entries) = wish.layers.first()?;
    // The very same entry twice harms nobody, and is not among these.
    if let Some(lost) = merged.shadowed.first() {
        let message =
            format!("index {key} lists {} twice with different bytes, so it cannot be shown as it is", lost.file);
        return Some(Setback::new(Class::Refused, "duplicate-entry", message));
    }
    let elsewhere = entries.iter().find(|entry| entry.arch().is_none_or(|arch| *arch != key.arch))?;
    let message =
        format!("index {key} sends clients to another folder for {}, so it cannot be shown as it is", elsewhere.file());
    Some(Setback::new(Class::Refused, "other-folder", message))
}

/// Remembers with which words to ask next time, for an index that this run accepted.
fn note_validators(state: &mut State, index: &Index, snapshot: &Snapshot, request: &SyncRequest) {
    let (Some(accepted), Some(fetched)) = (&index.in_force, &index.accepted_from) else { return };
    if snapshot.accepted(&index.key).is_none() || accepted.record().index != fetched.digest {
        return;
    }
    let entry = state.entry(&index.key);
    entry.validators_of = Some(fetched.digest);
    entry.validators = BTreeMap::from([(fetched.url.clone(), fetched.validators.clone())]);
    entry.confirmed = Some(request.now);
    entry.changed = Some(request.now);
    entry.last_error = None;
}

#[expect(clippy::too_many_arguments, reason = "one call, made above, from that function's locals")]
fn one_report(
    repository: &Repository,
    arch: &Arch,
    number: usize,
    wish: &Wish,
    settled: &Settled,
    live: Option<&Generation>,
    next: &Generation,
    made: &BTreeMap<(String, Arch), Made>,
) -> RepositoryReport {
    let before = live.and_then(|live| live.repository(&repository.name, arch));
    let after = next.repository(&repository.name, arch);
    let difference = after.map(|after| report::compare(before, after)).unwrap_or_default();
    let keys: Vec<&IndexKey> = wish.layers.iter().map(|(key, _)| key).chain(&wish.missing).collect();
    let mine = || settled.indexes.iter().filter(|index| keys.contains(&&index.key));
    let setbacks = settled.broken[number].iter().chain(report::setback_of(settled.indexes.iter(), wish));
    let setback = setbacks.min_by_key(|setback| setback.class.order());
    let shown = made.get(&(repository.name.to_string(), arch.clone())).map(|made| &made.state).or(after);
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
        carried: Vec::new(),
        shadowed: shown.map_or(0, |state| state.shadowed),
        shadowed_newer: shown.map_or(0, |state| state.shadowed_newer),
        error: setback.map(Broken::from),
    }
}
