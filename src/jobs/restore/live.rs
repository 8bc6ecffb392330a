//! The trees, and which of them clients see.
//!
//! The index files come back byte for byte. What was live is shown as a new generation with new times: a client may have seen a
//! later state, of which nobody here knows any more, and would be told for ever that nothing is newer.

use jiff::{SignedDuration, Timestamp};

use super::source::Source;
use crate::apk::names::RepositoryName;
use crate::apk::v2::signature::Algorithm;
use crate::apk::{KeyId, LineId};
use crate::backup::Backup;
use crate::disk::durable;
use crate::jobs::seal;
use crate::jobs::{Error, Mirror};
use crate::ledger::{Epoch, complete};
use crate::plan::publish::{Generation, RepositoryState, Wish, decide};
use crate::publish::{self, Publishable, RestoredTree, publish, restore_tree, show_beside};
use crate::report::Reporter;
use crate::sign::Seal;
use crate::snapshot::backup::KeptPath;
use crate::snapshot::evidence::{Decision, Payload, id_of, parse_line, print_line};

/// The word of the decision that stands in the evidence.
const DECISION: &str = "restore";

/// Every generation of the backup, as its records say, with the repositories of `only` (all, where none is named).
pub(super) fn generations(
    source: &mut Source<'_>,
    backup: &Backup,
    only: &[RepositoryName],
) -> Result<Vec<Generation>, Error> {
    let mut generations = Vec::new();
    for number in &backup.manifest().trees {
        let record: Option<Generation> = source.record(&format!("store/generations/{number}.json"))?;
        let files = source.text(&format!("store/generations/{number}.files"))?;
        let (Some(generation), Some(files)) = (record, files) else { continue };
        // A list that was cut short is no generation without packages.
        let has_heading = |state: &RepositoryState| {
            let heading = format!("{}:", state.name.folder(&state.arch).display());
            files.lines().any(|line| line == heading)
        };
        if !generation.repositories.iter().all(has_heading) {
            let message = "its list of files is cut short: it was damaged before the backup was made".to_owned();
            source.note(format!("generation {number}"), "record-damaged", message);
            continue;
        }
        let mut generation = complete(generation, &files)?;
        if !only.is_empty() {
            generation.repositories.retain(|state| only.contains(&state.name));
            if generation.repositories.is_empty() {
                continue;
            }
        }
        generations.push(generation);
    }
    Ok(generations)
}

/// Makes the trees again that are not there. One of which something is lost is not made: no tree of ours lists what is not there.
pub(super) fn make_trees<'g>(
    mirror: &Mirror<'_>,
    generations: impl IntoIterator<Item = &'g Generation>,
    source: &mut Source<'_>,
) -> Result<(), Error> {
    for generation in generations {
        let number = generation.number;
        let mut indexes = std::collections::BTreeMap::new();
        for state in &generation.repositories {
            let folder = state.name.folder(&state.arch);
            let path: Result<KeptPath, _> = format!("trees/{number}/{}/APKINDEX.tar.gz", folder.display()).parse();
            let Ok(path) = path else { continue };
            if let Some((bytes, _)) = source.file(&path)? {
                indexes.insert((state.name.clone(), state.arch.clone()), bytes);
            }
        }
        let index_of = |state: &RepositoryState| {
            let bytes = indexes.get(&(state.name.clone(), state.arch.clone())).cloned();
            // Bytes that are none are not the index that its record names.
            Ok::<_, publish::Error>(bytes.unwrap_or_default())
        };
        match restore_tree(&mirror.tree, &mirror.pool, generation, index_of) {
            Ok(RestoredTree::Made(_) | RestoredTree::Already) => {}
            Err(error @ (publish::Error::Lost { .. } | publish::Error::OtherIndex { .. })) => {
                let message = format!("its tree is not made: {error}");
                source.note(format!("generation {number}"), "tree-incomplete", message);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Shows what was live and what was beside it, where nothing is live here. Returns the new generation's number.
pub(super) fn show(
    mirror: &Mirror<'_>,
    backup: &Backup,
    generations: &[Generation],
    now: Timestamp,
    reporter: &dyn Reporter,
) -> Result<Option<u64>, Error> {
    let manifest = backup.manifest();
    let was_live = |generation: &&Generation| Some(generation.number) == manifest.live;
    let Some(live) = generations.iter().find(was_live) else { return Ok(None) };
    // Its tree is not there where something of it is lost.
    if !mirror.tree.generation(live.number).is_dir() || live.repositories.is_empty() {
        return Ok(None);
    }
    if mirror.tree.live()?.is_none() {
        let linger = SignedDuration::try_from(mirror.config.publish.linger).unwrap_or(SignedDuration::MAX);
        let recorded = mirror.ledger.generation_numbers()?.last().copied().unwrap_or(0);
        let last = recorded.max(mirror.tree.highest_generation()?);
        let wishes = live.repositories.iter().map(|state| Wish::Anew(Box::new(state.clone()))).collect();
        let mut plan = decide(None, last, &live.snapshot, wishes, linger, now);
        plan.generation.cause = live.cause_of_restore();
        plan.set_aliases(live.aliases.clone());
        mirror.ledger.save_generation(&plan.generation)?;
        let mut indexes = Vec::new();
        for state in &live.repositories {
            indexes.push(Publishable::again(&mirror.tree, live.number, state)?);
        }
        publish(&plan, &mirror.tree, &mirror.pool, |at| indexes.get(at).cloned())?;
        reporter.generation_live(plan.generation.number);
    }
    for (name, number) in &manifest.beside {
        if mirror.tree.generation(*number).is_dir() && !mirror.tree.named()?.contains_key(name) {
            show_beside(&mirror.tree, name, *number)?;
            reporter.generation_beside(name, *number);
        }
    }
    Ok(mirror.tree.live()?)
}

/// Writes down that this was restored: as an epoch, and in the evidence, once.
pub(super) fn record(mirror: &Mirror<'_>, backup: &Backup, signer: &KeyId, now: Timestamp) -> Result<(), Error> {
    let manifest = backup.manifest();
    let mut epochs = mirror.ledger.epochs()?;
    let id = manifest.id.as_str();
    // A run that was stopped after this line has it already; the same backup restored once more is one more epoch, and cannot be
    // told from that by less than a moment.
    if epochs.last().is_none_or(|last| last.backup != id) {
        epochs.push(Epoch {
            number: epochs.last().map_or(0, |last| last.number) + 1,
            time: now,
            backup: id.to_owned(),
            at: manifest.time,
            signer: signer.clone(),
            generation: manifest.live,
        });
        mirror.ledger.save_epochs(&epochs)?;
    }
    let Some(snapshot) = mirror.ledger.latest_snapshot()? else { return Ok(()) };
    let last = mirror.ledger.mend_evidence()?.last;
    let is_it = |line: &Vec<u8>| {
        let of_restore = |decision: &Decision| decision.word == DECISION && decision.subject == id;
        parse_line(line).is_ok_and(|line| line.payload.decisions.iter().any(of_restore))
    };
    if last.as_ref().is_some_and(is_it) {
        return Ok(());
    }
    // Without our keys the line is not signed; the chain holds it all the same.
    let record = mirror.ledger.signing()?;
    let seal: Option<Seal> = mirror.config.signing.as_ref().and_then(|signing| seal::seal_of(signing, &record).ok());
    let signer = seal.as_ref().map(|seal| &seal.signers()[0]);
    let payload = Payload {
        previous: last.map_or(LineId::new([0; 32]), |line| id_of(&line)),
        time: now,
        snapshot: snapshot.id,
        indexes: Vec::new(),
        decisions: vec![Decision { word: DECISION.into(), subject: id.to_owned() }],
        key: signer.map(|signer| signer.key_name().clone()),
    };
    let text = payload.print();
    let signature = signer.map(|signer| signer.sign(Algorithm::Sha256, text.as_bytes())).transpose()?;
    let line = print_line(&text, signature.as_ref().map(|signature| &signature.bytes[..]));
    mirror.ledger.append_evidence(&line)?;
    Ok(durable::flush_folder(mirror.store.root())?)
}
