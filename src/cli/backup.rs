//! `bivouac backup`: our own state on a disk that is put away.

use bivouac::apk::{BackupName, KeyId};
use bivouac::error::{Class, Trouble as _};
use bivouac::finding::Severity;
use bivouac::jobs::backup::{self as job, BackupReport, BackupRequest};
use serde::Serialize;

use super::global::Output;
use super::progress::bytes;
use super::{Failure, Global, Outcome, out, progress};

/// Arguments of `backup`.
#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
    Stores what the target lacks, and a signed list of all there is: packages, indexes, records, configuration, and private \
    keys, encrypted. All of it reads with tar, sha256sum and openssl. A target is made once, with `backup init`; where its \
    marker is missing nothing is written, so that no unmounted mount point is filled. Runs beside anything."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only this one of the configured backups
    #[arg(value_name = "NAME")]
    name: Option<BackupName>,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Make the configured folder or disk a target, once
    Init(Chosen),
}

/// Which of the configured backups.
#[derive(clap::Args, Debug)]
struct Chosen {
    /// Only this one of the configured backups
    #[arg(value_name = "NAME")]
    name: Option<BackupName>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    match args.action {
        Some(Action::Init(chosen)) => init(global, &chosen),
        None => backup(global, args.name),
    }
}

fn init(global: &Global, chosen: &Chosen) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Failure::host("this host has no random bytes", &error))?;
    let made = job::init(&config, chosen.name.as_ref(), random)?;
    match global.output() {
        Output::Json => out::json(&made)?,
        Output::Text if global.quiet => {}
        Output::Text => {
            for one in &made {
                out::line(format_args!("{} is a target now; `bivouac backup {}` fills it", one.place, one.name))?;
            }
        }
    }
    Ok(Outcome::Done)
}

fn backup(global: &Global, name: Option<BackupName>) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let request =
        BackupRequest { name, program: super::program()?, threads: super::threads(), now: super::sync::timestamp()? };
    let reporter = progress::reporter(global);
    let outcomes = super::block_on(global, async { Ok(job::backup(&config, &request, &*reporter)?) })?;
    drop(reporter);
    let mut classes = Vec::new();
    let mut reports = Vec::new();
    let mut only = outcomes.len() == 1;
    for (_, outcome) in outcomes {
        match outcome {
            Ok(report) => {
                if report.findings.iter().any(|finding| finding.severity == Severity::Error) {
                    classes.push(Class::Damaged);
                }
                reports.push(report);
            }
            // The only one that was asked for: its trouble is the command's.
            Err(error) if only => return Err(error.into()),
            Err(error) => {
                only = false;
                classes.push(error.class());
                Failure::from(error).print(Output::Text);
            }
        }
    }
    match global.output() {
        Output::Json if only => out::json(&reports[0])?,
        Output::Json => {
            #[derive(Serialize)]
            struct Several<'r> {
                backups: &'r [BackupReport],
            }
            out::json(&Several { backups: &reports })?;
        }
        Output::Text => {
            for report in &reports {
                out::findings(&report.findings)?;
                if !global.quiet {
                    told(report).into_iter().try_for_each(out::line)?;
                }
            }
        }
    }
    Ok(Class::worst(classes).map_or(Outcome::Done, Outcome::Found))
}

/// What an operator wants to read, and to write on the disk's label.
fn told(report: &BackupReport) -> Vec<String> {
    let mut lines = vec![
        format!("{}: backup {} in {}", report.name, report.id, report.place),
        format!(
            "  {} objects, {}; {} written, {}, in {:.1} s",
            report.objects,
            bytes(report.bytes),
            report.objects_written,
            bytes(report.bytes_written),
            report.seconds
        ),
    ];
    if report.deltas > 0 {
        lines
            .push(format!("  {} are stored as deltas: reading them needs bivouac, which lies in tool/", report.deltas));
    }
    match (report.sealed.len(), report.left_out.len()) {
        (0, 0) => {}
        (0, left_out) => lines.push(format!(
            "  NOT in it: {left_out} private {}, because neither `recipients` nor `passphrase_file` is set",
            if left_out == 1 { "file" } else { "files" }
        )),
        (sealed, _) => lines
            .push(format!("  {sealed} private {} in it, encrypted", if sealed == 1 { "file is" } else { "files are" })),
    }
    let KeyId { name, .. } = &report.signers[0];
    lines.push(format!("  signed by {name}; for the disk's label: --key {}", report.signer));
    lines
}
