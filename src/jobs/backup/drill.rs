//! A restore that is tried: to a scratch folder, timed, with everything checked that a client would.
//!
//! The signer that is asked for is one of ours, so that the drill proves what `--key` on the label will. What opens the encrypted
//! part is tried, too, where this host has it.

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::target;
use crate::apk::dependency::{Dependency, parse_world};
use crate::apk::{BackupName, Entry};
use crate::backup::catalog::{Unverified, ids};
use crate::config::{self, Config, Sealing};
use crate::disk::durable;
use crate::disk::lock::Patience;
use crate::error::Class;
use crate::finding::{Finding, Severity};
use crate::jobs::check::{self, Depth, Keyrings};
use crate::jobs::error::in_one_line;
use crate::jobs::restore::{Into, Loss, OpenWith, RestoreReport, RestoreRequest, Trust, restore};
use crate::jobs::{Error, Mirror, mirror, seal, selection};
use crate::ledger;
use crate::plan::publish::RepositoryState;
use crate::report::Reporter;
use crate::snapshot::backup::BackupId;
use crate::solve::Catalogue;

/// Where a repository asks for no world, so many of its packages are tried.
const TRIED: usize = 100;

/// How a drill is done.
#[derive(Clone, Debug)]
pub struct DrillRequest<'d> {
    /// Which of the configured ones; none: all.
    pub name: Option<BackupName>,
    /// A folder to restore to that is not there yet; it is removed at the end.
    pub scratch: &'d Path,
    /// What opens the encrypted part, where the configuration has no passphrase.
    pub open_with: Option<OpenWith>,
    /// Threads that read at once.
    pub threads: NonZero<usize>,
    /// The time of the call.
    pub now: Timestamp,
}

/// A restore that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrillReport {
    /// The configuration's name for the target.
    pub name: BackupName,
    /// Which backup.
    pub id: BackupId,
    /// The time from the command to a tree that can be served: what a disaster will cost, on a host like this one.
    pub rto_seconds: f64,
    /// Objects that came back, every one of them hashed.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Indexes whose signatures were found good.
    pub indexes: u64,
    /// Worlds, or packages by themselves, that can be installed.
    pub installs: u64,
    /// Of so many that were tried.
    pub tried: u64,
    /// Private files that came back.
    pub keys: u64,
    /// All that is wrong.
    pub findings: Vec<Finding>,
}

/// Restores the newest backup of each target that is asked for, and checks what came back.
pub fn drill(
    config: &Config,
    request: &DrillRequest<'_>,
    reporter: &Arc<dyn Reporter>,
) -> Result<Vec<DrillReport>, Error> {
    let chosen = target::chosen(config, request.name.as_ref())?;
    let drills = chosen.into_iter().map(|backup| one(config, backup, request, reporter)).collect();
    // Private files lie there, too: whatever came of it.
    durable::remove_tree(request.scratch)?;
    drills
}

fn one(
    config: &Config,
    backup: &config::Backup,
    request: &DrillRequest<'_>,
    reporter: &Arc<dyn Reporter>,
) -> Result<DrillReport, Error> {
    let to = request.scratch.join(backup.name.as_str());
    let open_with = match &backup.sealing {
        Sealing::PassphraseFile(path) => Some(OpenWith::PassphraseFile(path.clone())),
        Sealing::Recipients(_) => request.open_with.clone(),
        Sealing::None => None,
    };
    let restored = restore(
        &RestoreRequest {
            from: backup.target.clone(),
            at: None,
            to: Some(to.clone()),
            trust: Trust { key: Some(signer(config, backup)?), open_with },
            into: Into::Empty,
            only: Vec::new(),
            loss: Loss::KeepGoing,
            threads: request.threads,
            patience: Patience::None,
            now: request.now,
        },
        reporter,
    )?;
    let mut report = report(backup, &restored);
    let back = Config::load(&restored.config, None)
        .or_else(|_| Config::load(&restored.config, Some(Path::new("/run/credentials/bivouac"))));
    match back {
        Ok(back) => look(&back, &mut report)?,
        Err(error) => report.findings.push(finding(&error, restored.config.display().to_string())),
    }
    let target = target::open(backup)?;
    let ledger = mirror::records(config)?;
    let mut record = ledger.backup_record(target.id())?;
    if report.findings.is_empty() {
        record.drill =
            Some(ledger::Drill { time: request.now, backup: report.id.clone(), seconds: report.rto_seconds });
        ledger.save_backup_record(target.id(), &record)?;
    }
    Ok(report)
}

/// The fingerprint of a key of ours that signed the newest backup.
fn signer(config: &Config, backup: &config::Backup) -> Result<String, Error> {
    let target = target::open(backup)?;
    let mut ours: Vec<_> = seal::remembered(config)?.used.into_iter().map(|used| used.key).collect();
    if let Ok(Some(seal)) = seal::of_config(config) {
        ours.extend(seal.keys());
    }
    let (ids, _) = ids(&target)?;
    let newest = ids.last().and_then(|id| Unverified::open(&target, id).ok());
    let signers = newest.map(|newest| newest.signers().to_vec()).unwrap_or_default();
    let known = signers.into_iter().find(|signer| ours.contains(signer)).or_else(|| ours.first().cloned());
    // Without a key of ours nothing is restored, and that says why.
    Ok(known.map(|key| key.fingerprint).unwrap_or_default())
}

fn report(backup: &config::Backup, restored: &RestoreReport) -> DrillReport {
    let lost = restored.lost.iter().map(|lost| Finding {
        code: lost.code,
        severity: Severity::Error,
        subject: lost.what.clone(),
        message: lost.message.clone(),
        hint: None,
    });
    DrillReport {
        name: backup.name.clone(),
        id: restored.id.clone(),
        rto_seconds: restored.seconds,
        objects: restored.objects,
        bytes: restored.bytes,
        indexes: 0,
        installs: 0,
        tried: 0,
        keys: restored.keys.len() as u64,
        findings: lost.collect(),
    }
}

/// What came back, as we and as clients see it.
fn look(back: &Config, report: &mut DrillReport) -> Result<(), Error> {
    report.findings.extend(check::check(back, Depth::Deep, &|_| {})?.findings);
    let mirror = Mirror::open(back)?;
    let Some(live) = mirror.tree.live()? else { return Ok(()) };
    let keyrings = Keyrings::of(&mirror)?;
    for state in &mirror.ledger.generation(live)?.repositories {
        // What is wrong with one was found above.
        if let Ok(index) = keyrings.verify(&mirror, live, state) {
            report.indexes += 1;
            install(back, state, index.entries(), report)?;
        }
    }
    Ok(())
}

/// Whether what the repository is there for can be installed from it.
fn install(config: &Config, state: &RepositoryState, entries: &[Entry], report: &mut DrillReport) -> Result<(), Error> {
    let catalogue = Catalogue::new(&[entries]);
    let configured = config.repositories.iter().find(|repository| repository.name == state.name);
    let worlds =
        configured.map(selection::selection).transpose()?.map(|chosen| chosen.must_install).unwrap_or_default();
    for world in &worlds {
        report.tried += 1;
        let terms: Vec<_> = parse_world(&world.text).flatten().collect();
        match catalogue.resolve(&terms) {
            Ok(_) => report.installs += 1,
            Err(obstacles) => report.findings.push(Finding {
                code: "gate",
                severity: Severity::Error,
                subject: format!("{}/{}: {}", state.name, state.arch, world.name),
                message: obstacles.first().map(ToString::to_string).unwrap_or_default(),
                hint: None,
            }),
        }
    }
    if worlds.is_empty() {
        for entry in entries.iter().take(TRIED) {
            report.tried += 1;
            let term = Dependency::parse(entry.name().as_str());
            report.installs += u64::from(term.is_ok_and(|term| catalogue.resolve(&[term]).is_ok()));
        }
    }
    Ok(())
}

fn finding(error: &(impl crate::error::Trouble + 'static), subject: String) -> Finding {
    let severity = if error.class() == Class::Host { Severity::Warning } else { Severity::Error };
    Finding { code: error.code(), severity, subject, message: in_one_line(error), hint: error.hint() }
}
