//! Accepted indexes of any snapshot → merged, signed, published at any place. Sync, publish, promote and rollback end here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::indexes::Index;
use super::settle::Settled;
use super::want::Wish;
use super::{Error, Mirror, Setback, beside, gate, layers_of, together};
use crate::apk::names::{Arch, Place, RepositoryName};
use crate::apk::v2::sections::{Limits, split_index};
use crate::apk::{ContentId, Entry, ObjectId};
use crate::config::{IndexMode, Repository};
use crate::disk::durable::Linked;
use crate::error::Class;
use crate::jobs::seal::{SealWord, note_used, seal};
use crate::jobs::selection::{self, Chosen};
use crate::ledger::{Links, Withdrawn};
use crate::merge::{Layer, MergedIndex, Prefer, Rank, combine};
use crate::plan::publish::{
    Cause, Change, Generation, IndexFile, Mode, Placed, PublishPlan, RepositoryState, Wish as Publication, decide,
};
use crate::publish::{Publishable, publish};
use crate::report::Reporter;
use crate::sign::Seal;
use crate::sign::index::{cosign, describe, sign_merged};
use crate::sign::rotation::SigningRecord;
use crate::snapshot::{InForce, IndexKey, Role, Snapshot};

/// Digest of everything that a repository's index follows from. A word for the rules themselves comes first: it changes when
/// a later version of this program merges otherwise.
pub(in crate::jobs) fn inputs(
    mirror: &Mirror<'_>,
    repository: &Repository,
    arch: &Arch,
    accepted: &BTreeMap<IndexKey, String>,
    seal: Option<&SealWord>,
    withdrawn: &[Withdrawn],
) -> Result<String, Error> {
    let mut hash = Sha256::new();
    hash.update("rules 1\n");
    // What is chosen follows from what is listed beside it, and so from that repository's inputs.
    for one in beside::reach(mirror.config, &[repository]) {
        if one.name != repository.name {
            hash.update(format!("beside {}\n", one.name));
        }
        rules(&mut hash, one, arch, accepted)?;
    }
    for source in mirror.config.sources.values().filter(|source| !source.reserve.is_empty()) {
        hash.update(format!("reserve of {}\0{}\n", source.name, source.reserve.join("\0")));
    }
    for rule in withdrawn.iter().filter(|_| repository.index == IndexMode::Ours) {
        hash.update(format!("withdrawn {} {:?}\n", rule.name, rule.version));
    }
    if let Some(seal) = seal.filter(|_| repository.index.has_our_signature()) {
        hash.update(format!("{seal}\n"));
    }
    Ok(crate::apk::checksum::hex(&hash.finalize()[..16]))
}

/// A repository's own rules and the indexes that it takes from.
fn rules(
    hash: &mut Sha256,
    repository: &Repository,
    arch: &Arch,
    accepted: &BTreeMap<IndexKey, String>,
) -> Result<(), Error> {
    for key in layers_of(repository, arch) {
        hash.update(format!("{key}\0{}\n", accepted.get(&key).map(String::as_str).unwrap_or_default()));
    }
    hash.update(format!("{:?}\0{:?}\0", repository.index, repository.dependencies));
    let selection = selection::selection(repository)?;
    let words = |selectors: &[crate::select::Selector]| {
        selectors.iter().map(|selector| selector.as_str().to_owned()).collect::<Vec<_>>().join("\0")
    };
    let packages = match &selection.packages {
        None => String::new(),
        Some(Chosen::List(list)) => format!("packages\0{}", words(list)),
        Some(Chosen::BySource(lists)) => {
            lists.iter().map(|(source, list)| format!("packages of {source}\0{}\n", words(list))).collect()
        }
    };
    hash.update(format!("{packages}\n{}\n{:?}\n", words(&selection.exclude), repository.prefer));
    hash.update(format!("{:?}\n", repository.keep_versions));
    // A world that changed is asked about anew.
    for world in &selection.must_install {
        hash.update(format!("must install {}\0{}\n", world.text.len(), world.text));
    }
    Ok(())
}

pub(in crate::jobs) fn accepted_ids(snapshot: &Snapshot) -> BTreeMap<IndexKey, String> {
    let listed = snapshot.indexes.iter().filter(|index| index.role == Role::Listed);
    let ids = |index: &InForce| match snapshot.kept(&index.key) {
        Some(kept) => format!("{} {kept}", index.word()),
        None => index.word(),
    };
    listed.map(|index| (index.key.clone(), ids(index))).collect()
}

/// A repository's new state with what is needed to write its index.
pub(in crate::jobs) struct Made {
    pub(in crate::jobs) state: RepositoryState,
    pub(in crate::jobs) index: Publishable,
}

/// Repositories and arches whose index file in the former tree is not the one that its record names. No text that stayed the
/// same keeps such a file: it is written anew, or told where that cannot be.
pub(in crate::jobs) type WrongFiles = BTreeSet<(RepositoryName, Arch)>;

/// Of the states of generation `number`, those whose index file is gone or another. Reads the files.
pub(in crate::jobs) fn wrong_files<'s>(
    mirror: &Mirror<'_>,
    number: u64,
    states: impl Iterator<Item = &'s RepositoryState>,
) -> WrongFiles {
    let wrong = states.filter(|state| Publishable::again(&mirror.tree, number, state).is_err());
    wrong.map(|state| (state.name.clone(), state.arch.clone())).collect()
}

/// A generation that is decided, with what is needed to make its tree.
pub(in crate::jobs) struct Assembly {
    pub(in crate::jobs) plan: PublishPlan,
    /// What the plan follows.
    pub(in crate::jobs) former: Option<Generation>,
    made: BTreeMap<(RepositoryName, Arch), Made>,
}

impl Assembly {
    /// The next generation of `place` from these new states and `publications`, which name them among others.
    pub(in crate::jobs) fn new(
        mirror: &Mirror<'_>,
        place: &Place,
        former: Option<Generation>,
        snapshot: &str,
        (publications, made): (Vec<Publication>, Vec<Made>),
        now: Timestamp,
    ) -> Result<Assembly, Error> {
        let linger = SignedDuration::try_from(mirror.config.publish.linger).unwrap_or(SignedDuration::MAX);
        // Beyond all trees there are, too: they may be of a store that was lost, or of another that shares the folder.
        let recorded = mirror.ledger.generation_numbers()?.last().copied().unwrap_or(0);
        let last = recorded.max(mirror.tree.highest_generation()?);
        let mut plan = decide(former.as_ref(), last, snapshot, publications, linger, now);
        plan.generation.place = place.clone();
        plan.set_aliases(mirror.config.aliases.clone());
        let made = made.into_iter().map(|made| ((made.state.name.clone(), made.state.arch.clone()), made)).collect();
        Ok(Assembly { plan, former, made })
    }

    /// Whether clients would see anything else than now. A first run in which everything failed has nothing to show: no
    /// empty tree takes the link's place.
    pub(in crate::jobs) fn is_worth_it(&self) -> bool {
        // A tree beside live that is new follows live, and is seen nowhere yet.
        let unseen = self.former.as_ref().is_none_or(|former| former.place != self.plan.generation.place);
        (self.plan.change == Change::Something || unseen) && !self.plan.generation.repositories.is_empty()
    }

    /// Of the index files that it takes from the former tree, those that are not what was published.
    pub(in crate::jobs) fn kept_wrong(&self, mirror: &Mirror<'_>) -> WrongFiles {
        let Some(former) = self.plan.former else { return WrongFiles::new() };
        let states = self.plan.generation.repositories.iter().zip(&self.plan.indexes);
        let kept = states.filter(|(_, index)| **index == IndexFile::Kept).map(|(state, _)| state);
        wrong_files(mirror, former, kept)
    }

    /// The state of a repository that was made for it.
    pub(super) fn made(&self, name: &RepositoryName, arch: &Arch) -> Option<&RepositoryState> {
        self.made.get(&(name.clone(), arch.clone())).map(|made| &made.state)
    }

    /// All states that were made for it.
    pub(super) fn made_states(&self) -> impl Iterator<Item = &RepositoryState> {
        self.made.values().map(|made| &made.state)
    }

    /// Records the generation, then makes its tree and switches its place to it.
    pub(in crate::jobs) fn perform(&self, mirror: &Mirror<'_>, reporter: &dyn Reporter) -> Result<Links, Error> {
        let generation = &self.plan.generation;
        if generation.place != Place::Live && mirror.tree.live()?.is_none() {
            self.perform_empty(mirror)?;
        }
        note_used(mirror, generation.time)?;
        mirror.ledger.save_generation(generation)?;
        let index_of = |at: usize| {
            let state = &generation.repositories[at];
            self.made.get(&(state.name.clone(), state.arch.clone())).map(|made| made.index.clone())
        };
        let linked = publish(&self.plan, &mirror.tree, &mirror.pool, index_of)?;
        match &generation.place {
            Place::Live => reporter.generation_live(generation.number),
            Place::Beside(name) => reporter.generation_beside(name, generation.number),
        }
        Ok(Links {
            generation: generation.number,
            hard: linked.count(Linked::Hard),
            reflinks: linked.count(Linked::Reflink),
            copies: linked.count(Linked::Copy),
        })
    }

    /// The link of a tree beside live lies in the live tree; before the first one there is an empty one.
    fn perform_empty(&self, mirror: &Mirror<'_>) -> Result<(), Error> {
        let generation = Generation {
            // The next number is this assembly's; a number need not be taken in order, only once.
            number: self.plan.generation.number + 1,
            place: Place::Live,
            cause: Cause::Publication,
            repositories: Vec::new(),
            ..self.plan.generation.clone()
        };
        mirror.ledger.save_generation(&generation)?;
        let plan = PublishPlan { generation, indexes: Vec::new(), former: None, change: Change::Something };
        publish(&plan, &mirror.tree, &mirror.pool, |_| None)?;
        Ok(())
    }
}

/// Merges and signs what was settled, where its inputs are others than those of `former`, which `place` shows, or where `wrong` names it.
/// A repository that has no wish, or a broken one, keeps its former state; one that its rules forbid becomes broken.
#[expect(clippy::too_many_arguments, reason = "all that a generation follows from")]
pub(in crate::jobs) fn assemble(
    mirror: &Mirror<'_>,
    place: &Place,
    former: Option<Generation>,
    wrong: &WrongFiles,
    settled: &mut Settled,
    snapshot: &Snapshot,
    now: Timestamp,
    reporter: &Arc<dyn Reporter>,
) -> Result<Assembly, Error> {
    let seal = seal(mirror)?;
    let word = seal.map(SealWord::of);
    let record = mirror.ledger.signing()?;
    if let Some(warning) = former.as_ref().and_then(|former| key_changed(former, seal?, &record)) {
        reporter.warning(&warning);
    }
    let accepted = accepted_ids(snapshot);
    let withdrawn = mirror.ledger.withdrawn()?;
    let (mut publications, mut made) = (Vec::new(), Vec::new());
    for repository in &mirror.config.repositories {
        for arch in &repository.arches {
            let keep = Publication::Former(repository.name.clone(), arch.clone());
            let number = settled.number_of(repository, arch).filter(|number| settled.broken[*number].is_none());
            let Some(number) = number else {
                publications.push(keep);
                continue;
            };
            let inputs = inputs(mirror, repository, arch, &accepted, word.as_ref(), &withdrawn)?;
            let before = former.as_ref().and_then(|former| former.repository(&repository.name, arch));
            let is_wrong = wrong.contains(&(repository.name.clone(), arch.clone()));
            if !is_wrong && before.is_some_and(|before| before.inputs == inputs) {
                publications.push(keep);
                continue;
            }
            let merged = merged(mirror, &settled.wishes[number], arch);
            if let Some(setback) = at_the_gate(settled, number, repository, &merged, reporter)? {
                settled.broken[number] = Some(setback);
                publications.push(keep);
                continue;
            }
            match make(repository, arch, &settled.wishes[number], merged, &settled.indexes, seal, inputs)? {
                Ok(new) => {
                    reporter.repository_signed(&repository.name, arch, new.state.packages);
                    let state = Box::new(new.state.clone());
                    publications.push(if is_wrong { Publication::Anew(state) } else { Publication::Listing(state) });
                    made.push(new);
                }
                Err(setback) => {
                    settled.broken[number] = Some(setback);
                    publications.push(keep);
                }
            }
        }
    }
    hold_together(mirror, settled, &mut publications, &mut made);
    Assembly::new(mirror, place, former, &snapshot.id, (publications, made), now)
}

/// What is to be said when a key that signed before does so no longer, and nobody retired it: clients that know only that one are
/// shut out.
fn key_changed(former: &Generation, seal: &Seal, record: &SigningRecord) -> Option<String> {
    let before = former.repositories.iter().map(|state| &state.keys).find(|keys| !keys.is_empty())?;
    let now = seal.keys();
    let gone = before.iter().find(|key| !now.contains(key) && !record.is_retired(key))?;
    Some(format!(
        "{} signs and {} no longer does: clients that know only the latter refuse our indexes from now on \
         (`bivouac key rotate`, instead of a sync, lets both sign for a while)",
        now[0].name, gone.name
    ))
}

/// Takes back what was made for repositories that move together with one that does not move.
fn hold_together(mirror: &Mirror<'_>, settled: &mut Settled, publications: &mut [Publication], made: &mut Vec<Made>) {
    let Settled { indexes, wishes, broken, .. } = settled;
    let mut held = Vec::new();
    made.retain(|new| {
        let (name, arch) = (&new.state.name, &new.state.arch);
        let number = wishes.iter().position(|wish| wish.name == *name && wish.arch == *arch);
        let number = number.expect("only what has a wish is made");
        let Some(cause) = together::held_by(mirror, number, wishes, indexes, broken) else { return true };
        for publication in publications.iter_mut() {
            let (Publication::Listing(state) | Publication::Anew(state)) = &*publication else { continue };
            if state.is_for(name, arch) {
                *publication = Publication::Former(name.clone(), arch.clone());
            }
        }
        held.push((number, cause.setback(&format!("{name}/{arch}"))));
        false
    });
    for (number, setback) in held {
        broken[number] = Some(setback);
    }
}

/// What one repository lists for one arch, in the order of its index.
fn merged(mirror: &Mirror<'_>, wish: &Wish, arch: &Arch) -> MergedIndex {
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
    combine(&layers, Prefer::All, arch)
}

/// Why the gate stays shut for a repository. That it was let through is told.
fn at_the_gate(
    settled: &mut Settled,
    number: usize,
    repository: &Repository,
    merged: &MergedIndex,
    reporter: &Arc<dyn Reporter>,
) -> Result<Option<Setback>, Error> {
    if repository.must_install.is_empty() {
        return Ok(None);
    }
    let wish = &mut settled.wishes[number];
    let listed: Vec<Entry> = merged.entries.iter().map(|merged| merged.entry.clone()).collect();
    let beside = wish.beside.iter().map(|(_, entries)| entries.as_slice());
    let supplies: Vec<&[Entry]> = std::iter::once(listed.as_slice()).chain(beside).collect();
    Ok(match gate::ask(repository, &wish.arch, &supplies, &settled.accept_gate)? {
        gate::Answer::Open => None,
        gate::Answer::LetThrough(told) => {
            reporter.warning(&told);
            if !wish.warnings.contains(&told) {
                wish.warnings.push(told);
            }
            None
        }
        gate::Answer::Shut(setback) => Some(setback),
    })
}

/// Makes one repository's index for one arch; a setback where its rules forbid it.
fn make(
    repository: &Repository,
    arch: &Arch,
    wish: &Wish,
    merged: MergedIndex,
    indexes: &[Index],
    seal: Option<&Seal>,
    inputs: String,
) -> Result<Result<Made, Setback>, Error> {
    let in_force =
        |key: &IndexKey| indexes.iter().find(|index| index.key == *key).and_then(|index| index.in_force.as_ref());
    let upstream_words = wish.layers.iter().find_map(|(key, _)| in_force(key)?.record().description.clone());
    let only = wish.layers.first().and_then(|(key, _)| in_force(key));
    let seal_or_bug = || seal.expect("the configuration was checked: whatever we sign has a key");
    let (index, signers, content, description, mode) = match repository.index {
        IndexMode::Ours => {
            let seal = seal_or_bug();
            let description = describe(&merged, upstream_words.as_deref());
            let signed = sign_merged(&merged, &description, seal)?;
            let signers = seal.entry_names();
            (Publishable::Signed(signed), signers, merged.content, description, Mode::Ours)
        }
        IndexMode::Upstream | IndexMode::Cosigned | IndexMode::Origin => {
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
            if !repository.index.has_our_signature() {
                let names = parts.signatures.iter().map(|one| format!(".SIGN.{}.{}", one.algorithm, one.key)).collect();
                let index = Publishable::upstream(accepted)
                    .expect("the configuration was checked: its source has an index of its own");
                (index, names, content, words, Mode::Upstream)
            } else {
                let seal = seal_or_bug();
                let bytes = &accepted.bytes()[parts.signed_from..];
                let signed = cosign(bytes, parts.signatures, &theirs, seal)?;
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
        keys: seal.filter(|_| mode != Mode::Upstream).map(|seal| seal.keys()).unwrap_or_default(),
        published: jiff::Timestamp::UNIX_EPOCH,
        packages: files.len() as u64,
        bytes: files.iter().map(|placed| placed.size).sum(),
        shadowed: wish.shadowed.len() as u64,
        shadowed_newer: newer,
        warnings: wish.warnings.clone(),
        unmatched: wish.unmatched.clone(),
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
