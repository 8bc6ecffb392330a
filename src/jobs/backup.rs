//! Our own state on a disk that is put away.
//!
//! A backup looks at what there is, stores the objects that its target lacks, and then one small signed file that names all of
//! them: with that file it is there. Nothing that lies in the target is written to. It runs beside anything: where a prune takes
//! away what was just listed, it looks again.

pub mod check;
mod deltas;
pub mod drill;
mod error;
pub mod list;
mod private;
pub mod prune;
mod state;
pub(in crate::jobs) mod target;

use std::collections::HashSet;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::bundle::RidingProgram;
use super::prune::settled;
use super::{Error, Mirror, seal};
use crate::apk::{BackupName, KeyId, ObjectId};
use crate::backup::catalog::{self, Texts, Writing};
use crate::backup::save::{Lost, Wanted, Why, save};
use crate::backup::{Segments, Target};
use crate::config::{self, Config};
use crate::finding::{Finding, Severity};
use crate::ledger::LastBackup;
use crate::plan::bundle::sending_time;
use crate::report::{Reporter, Work};
use crate::sign::Seal;
use crate::snapshot::backup::{
    BackupId, BackupManifest, Count, FORM, Places, StoredForm, TargetId, print_files, print_objects, tool_name,
};
use crate::snapshot::manifest::Tool;

use deltas::Making;
use private::Private;
use state::State;
use target::Known;

pub use error::CannotBackup;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct BackupRequest {
    /// Which of the configured ones; none: all.
    pub name: Option<BackupName>,
    /// The program that is put beside, where the configuration does not say otherwise.
    pub program: RidingProgram,
    /// Threads that read at once.
    pub threads: NonZero<usize>,
    /// The time of the call.
    pub now: Timestamp,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackupReport {
    /// The configuration's name for its target.
    pub name: BackupName,
    /// Which it is.
    pub id: BackupId,
    /// The fingerprint that belongs on the disk's label: SHA-256 of the newest key that signed, hex.
    pub signer: String,
    /// All keys that signed, the newest first.
    pub signers: Vec<KeyId>,
    /// Where it lies.
    pub place: String,
    /// Which target that is.
    pub target: TargetId,
    /// Objects that were stored for it.
    pub objects_written: u64,
    /// Bytes that the target grew by.
    pub bytes_written: u64,
    /// Objects that it holds.
    pub objects: u64,
    /// Their bytes, each whole.
    pub bytes: u64,
    /// Objects that are stored as deltas: reading those needs this program.
    pub deltas: u64,
    /// The snapshot that was in force.
    pub snapshot: Option<String>,
    /// The generation that was live.
    pub live: Option<u64>,
    /// Private files that are in it, encrypted.
    pub sealed: Vec<PathBuf>,
    /// Private files that are not in it, because nobody is named to whom they could be encrypted.
    pub left_out: Vec<PathBuf>,
    /// What is wrong: damage here, so that something is not in it, and damage there.
    pub findings: Vec<Finding>,
    /// How long it took.
    pub seconds: f64,
}

/// Makes the folder of a configured backup a target, once; see [`Target::create`].
///
/// `random` tells the target from all others.
pub fn init(config: &Config, name: Option<&BackupName>, random: [u8; 16]) -> Result<Vec<Made>, Error> {
    let mut made = Vec::new();
    for backup in target::chosen(config, name)? {
        // Several are made with one call.
        let digest = Sha256::new().chain_update(random).chain_update(backup.name.as_str()).finalize();
        let mut random = [0; 16];
        random.copy_from_slice(&digest[..16]);
        let target = Target::create(target::place(backup), random)?;
        made.push(Made { name: backup.name.clone(), place: target.place().shown(), target: target.id().clone() });
    }
    Ok(made)
}

/// A folder that is a target now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The configuration's name for it.
    pub name: BackupName,
    /// Where it is.
    pub place: String,
    /// Which it is.
    pub target: TargetId,
}

/// What became of one target.
pub type Outcome = (BackupName, Result<BackupReport, Error>);

/// Backs up to every target that is asked for; one that fails keeps none from its turn.
pub fn backup(config: &Config, request: &BackupRequest, reporter: &dyn Reporter) -> Result<Vec<Outcome>, Error> {
    let chosen = target::chosen(config, request.name.as_ref())?;
    let seal = seal::of_config(config)?.ok_or(CannotBackup::Unsigned)?;
    let one = |backup: &config::Backup| (backup.name.clone(), one(config, backup, &seal, request, reporter));
    Ok(chosen.into_iter().map(one).collect())
}

fn one(
    config: &Config,
    backup: &config::Backup,
    seal: &Seal,
    request: &BackupRequest,
    reporter: &dyn Reporter,
) -> Result<BackupReport, Error> {
    let started = Instant::now();
    let target = target::open(backup)?;
    let _held = target.lock()?;
    let mirror = Mirror::open(config)?;
    let mut record = mirror.ledger.backup_record(target.id())?;
    let mut known = Known::load(&target, &target::our_keys(config, seal)?, &record.damaged, reporter)?;
    let time = sending_time(request.now, known.newest.as_ref().and_then(BackupId::time));
    let private = Private::of(config, &mirror)?;

    let (state, named, vault) = settled(|| {
        let mut state = State::of(&mirror, known.files())?;
        let named = private.add_open(&mut state)?;
        let vault = private.seal(backup, seal, record.vault.as_ref(), &known, &mut state, time)?;
        Ok((state, named, vault))
    })?;
    let id = backup_id(time, &state);
    let mut wanted: Vec<Wanted> =
        state.wanted.iter().filter(|wanted| !known.objects.contains_key(&wanted.object)).copied().collect();
    wanted.sort_by_cached_key(state.by_worth());
    let tool = match backup.tool {
        config::Tool::Carry => Some(Program::load(&request.program)?),
        config::Tool::Leave => None,
    };
    target::require_space(&target, &wanted, &state, tool.as_ref().map_or(0, |tool| tool.tool.size))?;

    reporter.work_begun(Work::Backup, wanted.len() as u64, wanted.iter().map(|wanted| wanted.size).sum());
    let mut segments = Segments::new(&target, id.clone())?;
    let stored = |bytes: u64| reporter.object_done(bytes);
    let as_deltas = match backup.deltas {
        config::Deltas::No => HashSet::new(),
        config::Deltas::Yes => {
            Making::new(&state, &known, &target).store(&mut segments, &wanted, request.threads, &stored)?
        }
    };
    let whole: Vec<Wanted> = wanted.iter().filter(|wanted| !as_deltas.contains(&wanted.object)).copied().collect();
    let lost = save(&mut segments, &whole, &state, request.threads, &stored)?;
    let mut bytes_written = segments.bytes();
    known.add(segments.finish()?);
    reporter.work_done(Work::Backup);
    bytes_written += tool.as_ref().map(|tool| tool.put(&target)).transpose()?.unwrap_or(0);
    bytes_written += target::put_readme(&target)?;

    let (segments, objects) = known.place(&state.wanted);
    let count = Count { objects: objects.len() as u64, bytes: objects.iter().map(|stored| stored.size).sum() };
    let deltas = objects.iter().filter(|stored| stored.form != StoredForm::Whole).count() as u64;
    let manifest = BackupManifest {
        backup: FORM,
        id: id.clone(),
        time,
        target: target.id().clone(),
        repacked: None,
        // `write` names the texts and the keys.
        objects: ObjectId::new([0; 32]),
        files: ObjectId::new([0; 32]),
        sums: ObjectId::new([0; 32]),
        readme: catalog::readme(&target)?,
        keys: Vec::new(),
        places: Places {
            config: private.config.clone(),
            store: config.store.clone(),
            public: config.public.clone(),
            named,
        },
        snapshot: state.snapshot.clone(),
        live: state.live,
        beside: state.beside.clone(),
        trees: state.trees.clone(),
        count,
        deltas,
        sealed: vault.as_ref().map(|vault| vault.sealed.clone()),
        left_out: if vault.is_none() { private.paths() } else { Vec::new() },
        lost: lost.iter().map(|lost| lost.wanted.object).collect(),
        segments,
        tool: tool.map(|tool| tool.tool),
    };
    let texts = Texts { objects: print_objects(&objects), files: print_files(&state.files), sums: state.sums() };
    let (sealed, left_out) = (manifest.sealed.clone(), manifest.left_out.clone());
    bytes_written += catalog::write(&target, manifest, &texts, seal, Writing::New)?;

    record.name = backup.name.to_string();
    record.last = Some(LastBackup { id: id.clone(), time });
    record.vault = vault.map(|vault| vault.stored);
    mirror.ledger.save_backup_record(target.id(), &record)?;
    let mut findings = std::mem::take(&mut known.findings);
    findings.extend(lost.iter().map(|lost| lost_finding(&state, lost)));
    Ok(BackupReport {
        name: backup.name.clone(),
        id,
        signer: seal.keys()[0].fingerprint.clone(),
        signers: seal.keys(),
        place: target.place().shown(),
        target: target.id().clone(),
        objects_written: wanted.len() as u64 - lost.len() as u64,
        bytes_written,
        objects: count.objects,
        bytes: count.bytes,
        deltas,
        snapshot: state.snapshot,
        live: state.live,
        sealed: sealed.map(|sealed| sealed.files).unwrap_or_default(),
        left_out,
        findings,
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn backup_id(time: Timestamp, state: &State) -> BackupId {
    let mut hash = Sha256::new();
    state.wanted.iter().for_each(|wanted| hash.update(wanted.object.as_bytes()));
    let digest = hash.finalize();
    BackupId::new(time, [digest[0], digest[1], digest[2], digest[3]])
}

fn lost_finding(state: &State, lost: &Lost) -> Finding {
    let object = lost.wanted.object;
    let what = state
        .packages
        .get(&object)
        .map_or_else(|| format!("object {object}"), |(name, arch, file)| format!("{name}/{arch}/{}", file.as_str()));
    let (code, message) = match &lost.why {
        Why::Damaged => ("object-damaged", "its bytes are not what was stored here".to_owned()),
        Why::Gone => ("object-missing", "it is not in the pool".to_owned()),
        Why::Unreadable(cause) => ("object-unreadable", format!("it cannot be read: {cause}")),
    };
    Finding {
        code,
        severity: Severity::Error,
        subject: what,
        message: format!("not in this backup: {message}"),
        hint: Some("`bivouac repair` brings back what is damaged here".into()),
    }
}

/// The program that lies beside the segments.
struct Program {
    tool: Tool,
    bytes: Vec<u8>,
}

impl Program {
    fn load(program: &RidingProgram) -> Result<Self, CannotBackup> {
        let bytes =
            std::fs::read(&program.path).map_err(|cause| CannotBackup::Tool { path: program.path.clone(), cause })?;
        let sha256 = ObjectId::new(Sha256::digest(&bytes).into());
        Ok(Program { tool: Tool { sha256, size: bytes.len() as u64, about: program.about.clone() }, bytes })
    }

    /// Puts it there, unless it is; returns the bytes written.
    fn put(&self, target: &Target) -> Result<u64, Error> {
        target::put_tool(target, &tool_name(&self.tool), &self.bytes)
    }
}
