//! `bivouac backup`: our own state on a disk that is put away.

use std::path::PathBuf;

use bivouac::apk::{BackupName, KeyId};
use bivouac::config::{Config, Percent};
use bivouac::error::{Class, Trouble as _};
use bivouac::finding::{Finding, Severity};
use bivouac::jobs::Task;
use bivouac::jobs::backup::check::{BackupCheckReport, CheckRequest};
use bivouac::jobs::backup::drill::{DrillReport, DrillRequest};
use bivouac::jobs::backup::{self as job, BackupReport, BackupRequest};
use bivouac::jobs::prune::Mode;
use bivouac::jobs::restore::OpenWith;
use bivouac::jobs::runs::TroubleSeen;
use serde::Serialize;

use super::after::{Account, Begun};
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
    /// List what lies in the targets, newest first
    List(Chosen),
    /// Look whether the targets are what we left there
    Check(CheckArgs),
    /// Drop backups by the rules of `keep`, and what only they needed
    Prune(PruneArgs),
}

/// Arguments of `backup check`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Lists, signatures and sizes are looked at always. What --read-data reads again are the segments that were read longest ago, \
    so that each run does its share. A drill restores to a scratch folder, checks every hash and signature, resolves an \
    install, and prints the time that it took: what a disaster will cost. Exit code 5 with findings.")]
struct CheckArgs {
    /// Only this one of the configured backups
    #[arg(value_name = "NAME")]
    name: Option<BackupName>,
    /// Read this share of the contents again, by rota: 5%, or 100%
    #[arg(long, value_name = "SHARE", value_parser = bivouac::config::parse_percent)]
    read_data: Option<Percent>,
    /// Restore to a scratch folder, and check what came back
    #[arg(long)]
    drill: bool,
    /// Restore below this folder [default: the system's temporary one]
    #[arg(long, value_name = "DIR", requires = "drill")]
    scratch: Option<PathBuf>,
    /// Open the encrypted keys with this identity, too
    #[arg(long, value_name = "FILE", requires = "drill")]
    identity: Option<PathBuf>,
}

/// Arguments of `backup prune`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    The newest backup always stays; without `keep` all do. Segments of which less than a third is needed are written anew. No \
    other command removes anything from a target.")]
struct PruneArgs {
    /// Only this one of the configured backups
    #[arg(value_name = "NAME")]
    name: Option<BackupName>,
    /// Tell what would go, and change nothing
    #[arg(long)]
    dry_run: bool,
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
        Some(Action::List(chosen)) => list(global, &chosen),
        Some(Action::Check(args)) => check(global, args),
        Some(Action::Prune(args)) => prune(global, &args),
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
    let begun = Begun::now()?;
    let done = super::block_on(global, async { Ok(job::backup(&config, &request, &*reporter)?) });
    drop(reporter);
    let outcomes = match done {
        Ok(outcomes) => outcomes,
        Err(failure) => {
            for name in named(&config, request.name.as_ref()) {
                begun.end(global, &config, &Task::Backup(name.clone()), Err(&failure));
            }
            return Err(failure);
        }
    };
    let mut classes = Vec::new();
    let mut reports = Vec::new();
    let mut only = outcomes.len() == 1;
    for (name, outcome) in outcomes {
        let task = Task::Backup(name);
        match outcome {
            Ok(report) => {
                let (outcome, account) = account(told(&report).join(" ").replace("  ", ""), &report.findings);
                begun.end(global, &config, &task, Ok((outcome, account)));
                if outcome != Outcome::Done {
                    classes.push(Class::Damaged);
                }
                reports.push(report);
            }
            Err(error) => {
                let class = error.class();
                let failure = Failure::from(error);
                begun.end(global, &config, &task, Err(&failure));
                // The only one that was asked for: its trouble is the command's.
                if only {
                    return Err(failure);
                }
                only = false;
                classes.push(class);
                failure.print(Output::Text);
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

/// The configured backups that a command is about.
fn named<'c>(config: &'c Config, name: Option<&'c BackupName>) -> Vec<&'c BackupName> {
    name.map_or_else(|| config.backups.keys().collect(), |name| vec![name])
}

/// How a run with these findings ended, and what is remembered of it.
pub(super) fn account(summary: String, findings: &[Finding]) -> (Outcome, Account) {
    let mut troubles: Vec<TroubleSeen> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
        // Of many alike, one says what it is.
        if !troubles.iter().any(|seen| seen.code == finding.code) {
            let message = format!("{}: {}", finding.subject, finding.message);
            troubles.push(TroubleSeen { code: finding.code.to_owned(), message });
        }
    }
    let outcome = if troubles.is_empty() { Outcome::Done } else { Outcome::Found(Class::Damaged) };
    (outcome, Account { troubles, ..Account::of(summary) })
}

fn list(global: &Global, chosen: &Chosen) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let targets = job::list::list(&config, chosen.name.as_ref())?;
    let away = targets.iter().any(|target| target.error.is_some());
    let damaged = targets.iter().flat_map(|target| &target.backups).any(|backup| backup.error.is_some());
    match global.output() {
        Output::Json => out::json(&targets)?,
        Output::Text => {
            for target in &targets {
                out::line(format_args!("{}: {}", target.name, target.place))?;
                if let Some(error) = &target.error {
                    out::line(format_args!("  {} ({})", error.message, error.code))?;
                }
                for one in &target.backups {
                    let time = one.time.map(|time| time.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
                    let what = match &one.error {
                        Some(error) => format!("{} ({})", error.message, error.code),
                        None => format!(
                            "{} objects, {}{}{}",
                            one.objects,
                            bytes(one.bytes),
                            if one.deltas > 0 { format!(", {} as deltas", one.deltas) } else { String::new() },
                            if one.sealed { "" } else { ", without private keys" }
                        ),
                    };
                    out::line(format_args!("  {}  {time}  {what}", one.id))?;
                }
            }
        }
    }
    let classes = [damaged.then_some(Class::Damaged), away.then_some(Class::Upstream)];
    Ok(Outcome::of(classes.into_iter().flatten()))
}

fn check(global: &Global, args: CheckArgs) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let now = super::sync::timestamp()?;
    let request = CheckRequest { name: args.name.clone(), read_data: args.read_data, now };
    let begun = Begun::now()?;
    let tasks: Vec<Task> = named(&config, args.name.as_ref()).into_iter().cloned().map(Task::BackupCheck).collect();
    let checked = look(global, &config, request, args);
    match &checked {
        Ok((report, drills)) => {
            let lines = checked_lines(report, drills);
            let (outcome, account) = account(lines.last().cloned().unwrap_or_default(), &report.findings);
            for task in &tasks {
                begun.end(global, &config, task, Ok((outcome, account.clone())));
            }
        }
        Err(failure) => tasks.iter().for_each(|task| begun.end(global, &config, task, Err(failure))),
    }
    let (report, drills) = checked?;
    match global.output() {
        Output::Json => {
            #[derive(Serialize)]
            struct Checked<'r> {
                #[serde(flatten)]
                report: &'r BackupCheckReport,
                drills: &'r [DrillReport],
            }
            out::json(&Checked { report: &report, drills: &drills })?;
        }
        Output::Text => {
            out::findings(&report.findings)?;
            if !global.quiet {
                checked_lines(&report, &drills).into_iter().try_for_each(out::line)?;
            }
        }
    }
    let worst = report.findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if worst { Outcome::Found(Class::Damaged) } else { Outcome::Done })
}

/// The check, and the drill where one is asked for.
fn look(
    global: &Global,
    config: &Config,
    request: CheckRequest,
    args: CheckArgs,
) -> Result<(BackupCheckReport, Vec<DrillReport>), Failure> {
    let now = request.now;
    let reading = progress::Reading::start(global);
    let mut report = job::check::check(config, &request, &|bytes| reading.read(bytes))?;
    drop(reading);
    let mut drills = Vec::new();
    if args.drill {
        let scratch = args.scratch.unwrap_or_else(std::env::temp_dir);
        let request = DrillRequest {
            name: args.name,
            scratch: &scratch.join(format!("bivouac-drill-{}", std::process::id())),
            open_with: args.identity.map(OpenWith::Identity),
            threads: super::threads(),
            now,
        };
        let reporter = progress::reporter(global);
        drills = super::block_on(global, async { Ok(job::drill::drill(config, &request, &reporter)?) })?;
        report.findings.extend(drills.iter().flat_map(|drill| drill.findings.clone()));
    }
    Ok((report, drills))
}

fn checked_lines(report: &BackupCheckReport, drills: &[DrillReport]) -> Vec<String> {
    let checked = &report.checked;
    let mut lines = Vec::new();
    for rota in &report.rota {
        let all = match (rota.never, rota.oldest) {
            (0, Some(oldest)) => format!("all were read since {}", oldest.strftime("%Y-%m-%d %H:%M UTC")),
            (never, _) => format!("{never} never yet"),
        };
        lines.push(format!(
            "{}: {} of {} segments read again; {all}; every one in {} {}",
            rota.name,
            rota.read,
            rota.segments,
            rota.runs,
            if rota.runs == 1 { "run" } else { "runs" }
        ));
    }
    for drill in drills {
        lines.push(format!(
            "{}: {} restored in {:.1} s: {} objects, {}; {} indexes with good signatures; {} of {} installs resolved; {} \
             private files",
            drill.name,
            drill.id,
            drill.rto_seconds,
            drill.objects,
            bytes(drill.bytes),
            drill.indexes,
            drill.installs,
            drill.tried,
            drill.keys
        ));
    }
    let verdict = out::verdict(&report.findings, "all of it is what it was");
    lines.push(format!(
        "{} backups, {} objects read again ({}): {verdict}",
        checked.backups,
        checked.objects,
        bytes(checked.bytes)
    ));
    lines
}

fn prune(global: &Global, args: &PruneArgs) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let mode = if args.dry_run { Mode::Show } else { Mode::Perform };
    let reports = job::prune::prune(&config, args.name.as_ref(), mode, super::sync::timestamp()?)?;
    match global.output() {
        Output::Json => out::json(&reports)?,
        Output::Text => {
            for report in &reports {
                out::findings(&report.findings)?;
                if global.quiet {
                    continue;
                }
                report.dropped.iter().try_for_each(|id| out::line(format_args!("{}: backup {id}", report.name)))?;
                report.tools.iter().try_for_each(|tool| out::line(format_args!("{}: tool/{tool}", report.name)))?;
                report.notes.iter().try_for_each(|note| out::line(format_args!("{}: {note}", report.name)))?;
                let would = if args.dry_run { "would drop" } else { "dropped" };
                out::line(format_args!(
                    "{}: {would} {} backups and {} segments, {}; {} kept",
                    report.name,
                    report.dropped.len(),
                    report.removed.len() + report.repacked.len(),
                    bytes(report.freed),
                    report.kept.len()
                ))?;
            }
        }
    }
    let worst = reports.iter().any(|report| !report.findings.is_empty());
    Ok(if worst { Outcome::Found(Class::Damaged) } else { Outcome::Done })
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
