//! `bivouac sync`: fetch, verify, merge, sign and publish.

use std::collections::BTreeSet;
use std::sync::Arc;

use bivouac::apk::{Place, RepositoryName};
use bivouac::config::Config;
use bivouac::jobs::runs::TroubleSeen;
use bivouac::jobs::sync::{
    self as job, AcceptOlder, Broken, Patience, Publishing, RepositoryReport, ShadowedEntry, SyncPlan, SyncReport,
    SyncRequest,
};
use bivouac::jobs::{Call, RepositoryRun, Task};
use bivouac::report::{Reporter, counted};
use jiff::Timestamp;

use super::after::{Account, Begun};
use super::global::Output;
use super::import::tell_bundles;
use super::{Failure, Global, Outcome, out, progress};

/// Arguments of `sync`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    What is refused or cannot be had keeps its former state, the rest goes on. Exit code 3 when something was refused, 4 \
    when upstream was away or incomplete and a retry may help.")]
pub(crate) struct Args {
    /// Only these repositories, by name as published: v3.23/main
    #[arg(value_name = "REPOSITORY")]
    repositories: Vec<RepositoryName>,
    /// Print the plan (packages, bytes, disk) and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Take a snapshot, publish nothing
    #[arg(long)]
    no_publish: bool,
    /// Publish this repository once although what must_install asks for cannot be installed from it
    #[arg(long, value_name = "REPOSITORY[/ARCH]")]
    accept_gate: Vec<RepositoryName>,
    /// Take an older index than the one in force, if no URL has a newer one; of these repositories, or of all
    #[arg(long, value_name = "REPOSITORY[/ARCH]", num_args = 0..=1, require_equals = true)]
    accept_older: Option<Vec<RepositoryName>>,
    /// Let the index of a repository lose more names than `max_shrink` allows, this once; may be given several times
    #[arg(long, value_name = "REPOSITORY[/ARCH]")]
    accept_shrink: Vec<RepositoryName>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load_unspread(global)?;
    let request = SyncRequest {
        only: args.repositories,
        accept_shrink: args.accept_shrink,
        accept_older: match args.accept_older {
            None => AcceptOlder::Nothing,
            Some(names) if names.is_empty() => AcceptOlder::All,
            Some(names) => AcceptOlder::Only(names),
        },
        publish: if args.no_publish { Publishing::None } else { Publishing::New },
        accept_gate: args.accept_gate,
        patience: patience(global),
        now: timestamp()?,
        proxies: super::config::proxies(),
    };
    let reporter = progress::reporter(global);
    if args.dry_run {
        let plan = super::block_on(global, async { Ok(job::plan(&config, &request, reporter).await?) })?;
        return tell_plan(global, &plan);
    }
    let begun = match request.only.is_empty() && request.publish == Publishing::New {
        true => Begun::now()?,
        false => Begun::a_part()?,
    };
    let done = super::block_on(global, async { Ok(job::sync(&config, &request, reporter).await?) });
    ended(global, &config, &begun, &Task::Sync, done, tell)
}

/// Prints what came of a run, and remembers and tells it as its schedule asks for.
pub(super) fn ended(
    global: &Global,
    config: &Config,
    begun: &Begun,
    task: &Task,
    done: Result<SyncReport, Failure>,
    tell: impl FnOnce(&Global, &SyncReport) -> Result<Outcome, Failure>,
) -> Result<Outcome, Failure> {
    match done {
        Ok(report) => {
            let printed = tell(global, &report);
            begun.end(global, config, task, Ok((Outcome::of(report.troubles()), account(&report))));
            printed
        }
        Err(failure) => {
            begun.end(global, config, task, Err(&failure));
            Err(failure)
        }
    }
}

/// What is remembered of a run.
fn account(report: &SyncReport) -> Account {
    let broken = report.repositories.iter().filter_map(|repository| repository.error.as_ref());
    let mut broken: Vec<&Broken> =
        broken.chain(report.imports.iter().filter_map(|bundle| bundle.error.as_ref())).collect();
    broken.sort_by_key(|broken| broken.class.order());
    let mut troubles: Vec<TroubleSeen> = Vec::new();
    for one in broken {
        let seen = TroubleSeen { code: one.code.clone(), message: one.message.clone() };
        if !troubles.contains(&seen) {
            troubles.push(seen);
        }
    }
    let sum = |count: fn(&RepositoryReport) -> u64| report.repositories.iter().map(count).sum();
    let refused = |one: &RepositoryReport| one.refused.len() as u64;
    let run = |one: &RepositoryReport| RepositoryRun {
        name: one.name.clone(),
        arch: one.arch.clone(),
        failed: one.error.is_some(),
        refused: refused(one),
        carried: one.carried.len() as u64,
        shadowed: one.shadowed,
        shadowed_newer: one.shadowed_newer,
    };
    Account {
        summary: summary(report),
        troubles,
        fetched_packages: sum(|one| one.fetched_files),
        fetched_bytes: sum(|one| one.fetched_bytes),
        refused_packages: report.repositories.iter().map(refused).sum(),
        repositories: report.repositories.iter().map(run).collect(),
    }
}

/// What came of a run, in one line.
fn summary(report: &SyncReport) -> String {
    let changed = report.repositories.iter().filter(|one| !one.unchanged).count();
    let failed = report.repositories.iter().filter(|one| one.error.is_some()).count();
    let fetched: u64 = report.repositories.iter().map(|one| one.fetched_files).sum();
    let size: u64 = report.repositories.iter().map(|one| one.fetched_bytes).sum();
    let mut line = live(report);
    line.push_str(&format!(", {}", counted(report.repositories.len() as u64, "repository", "repositories")));
    for (count, what) in [(changed, "changed"), (failed, "failed")] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    if fetched > 0 {
        line.push_str(&format!(", {} fetched ({})", counted(fetched, "package", "packages"), progress::bytes(size)));
    }
    line
}

/// What clients see after a run.
fn live(report: &SyncReport) -> String {
    let seen = match &report.place {
        Place::Live => "live".to_owned(),
        Place::Beside(name) => format!("at @{name}"),
    };
    match (report.generation, report.live, &report.snapshot) {
        (Some(generation), _, _) => format!("generation {generation} is {seen}"),
        (None, Some(live), _) => format!("generation {live} stays live"),
        (None, None, Some(snapshot)) => format!("snapshot {snapshot}, nothing published"),
        (None, None, None) => "nothing published".to_owned(),
    }
}

/// How long `--wait` says to wait for another run.
pub(super) fn patience(global: &Global) -> Patience {
    global.wait.map_or(Patience::None, Patience::Wait)
}

/// How a job that takes the lock is called.
pub(super) fn call(global: &Global) -> Result<Call, Failure> {
    Ok(Call { patience: patience(global), now: timestamp()? })
}

/// Who listens to a job.
pub(super) fn listener(global: &Global) -> Arc<dyn Reporter> {
    progress::reporter(global)
}

/// The time of day, as jobs take it.
pub(super) fn timestamp() -> Result<Timestamp, Failure> {
    Timestamp::try_from(super::now())
        .map_err(|error| Failure::host("the clock of this host is beyond all time", &error))
}

/// Prints what a sync did.
pub(super) fn tell(global: &Global, report: &SyncReport) -> Result<Outcome, Failure> {
    let kept = match (report.published, report.live) {
        _ if report.held && !report.published => "publishing is held; what arrived until now is in the pool".to_owned(),
        (true, _) => "the former state of what is named here stays in force; everything else moved".to_owned(),
        (false, Some(live)) => format!("generation {live} stays live; what arrived until now is in the pool"),
        (false, None) => "nothing is published yet; what arrived until now is in the pool".to_owned(),
    };
    let bundles = report.imports.iter().filter_map(|bundle| bundle.error.as_ref());
    complain(bundles.chain(report.repositories.iter().filter_map(|repository| repository.error.as_ref())), &kept);
    if global.output() == Output::Json {
        out::json(report)?;
    } else if !global.quiet {
        tell_bundles(&report.imports)?;
        for repository in &report.repositories {
            out::line(changes(repository))?;
            tell_carried(repository)?;
            for lost in repository.shadowed_entries.iter().flatten().filter(|_| global.verbose) {
                out::line(shadowed(lost))?;
            }
        }
        if report.held && !report.published {
            let snapshot = report.snapshot.as_deref().unwrap_or("none");
            out::line(format_args!(
                "a rollback is live and holds: nothing published, snapshot {snapshot} in force; `bivouac publish` ends it"
            ))?;
        }
        out::line(format_args!("{} ({:.1} s)", live(report), report.seconds))?;
    }
    Ok(Outcome::of(report.troubles()))
}

/// How many carried packages are named; `--json` has them all.
const CARRIED: usize = 20;

fn tell_carried(repository: &RepositoryReport) -> Result<(), Failure> {
    for carried in repository.carried.iter().take(CARRIED) {
        let kept = carried.kept.as_deref().unwrap_or("nothing yet");
        out::line(format_args!("  carried: {kept} in place of {}: {}", carried.file, carried.reason))?;
    }
    if repository.carried.len() > CARRIED {
        out::line(format_args!("  and {} more", repository.carried.len() - CARRIED))?;
    }
    Ok(())
}

fn changes(repository: &RepositoryReport) -> String {
    let mut line = format!("{}/{}: {} packages", repository.name, repository.arch, repository.packages);
    if repository.unchanged {
        line.push_str(", unchanged");
    } else {
        for (count, what) in
            [(repository.added, "added"), (repository.removed, "removed"), (repository.upgraded, "upgraded")]
        {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
    }
    if repository.fetched_files > 0 {
        let bytes = progress::bytes(repository.fetched_bytes);
        line.push_str(&format!(", fetched {} ({bytes})", repository.fetched_files));
    }
    if !repository.carried.is_empty() {
        line.push_str(&format!(", {} carried", repository.carried.len()));
    }
    if repository.shadowed > 0 {
        line.push_str(&format!(", {} shadowed", repository.shadowed));
    }
    line
}

/// How many shadowed entries of a repository a plan lists.
fn most_shadowed(global: &Global) -> usize {
    if global.verbose { usize::MAX } else { 10 }
}

/// Why an entry is not listed.
fn shadowed(lost: &ShadowedEntry) -> String {
    let ShadowedEntry { file, source, by, .. } = lost;
    let why = match (lost.cause, &lost.claims) {
        ("conflict", _) => format!("\"{by}\" has this name and version with other bytes"),
        ("version", _) => format!("\"{by}\" has a newer version"),
        ("reserved", _) => format!("the name is reserved for \"{by}\""),
        ("install-if", Some(name)) => format!("it installs itself beside {name}, which is reserved for \"{by}\""),
        (_, Some(name)) => format!("it provides {name}, which is reserved for \"{by}\""),
        (_, None) => format!("\"{by}\" supplies the name"),
    };
    let newer = if lost.newer { "; it is newer" } else { "" };
    format!("  shadowed: {file} of \"{source}\": {why}{newer}")
}

fn tell_plan(global: &Global, plan: &SyncPlan) -> Result<Outcome, Failure> {
    let broken = plan.repositories.iter().filter_map(|repository| repository.error.as_ref());
    complain(broken.chain(&plan.error), "this is a dry run; nothing was changed");
    for warning in plan.repositories.iter().flat_map(|repository| &repository.warnings) {
        progress::warn(global, warning);
    }
    if global.output() == Output::Json {
        out::json(plan)?;
    } else {
        for repository in &plan.repositories {
            out::line(format_args!(
                "{}/{}: {} packages: {} added, {} removed, {} upgraded; to fetch: {} ({})",
                repository.name,
                repository.arch,
                repository.packages,
                repository.added,
                repository.removed,
                repository.upgraded,
                repository.fetch_files,
                progress::bytes(repository.fetch_bytes)
            ))?;
            for lost in repository.shadowed_entries.iter().take(most_shadowed(global)) {
                out::line(shadowed(lost))?;
            }
            let unnamed = repository.shadowed_entries.len().saturating_sub(most_shadowed(global));
            if unnamed > 0 {
                out::line(format_args!("  shadowed: and {unnamed} more (-v lists them)"))?;
            }
        }
        out::line(format_args!(
            "to fetch in all: {} packages, {}; free on the store's disk: {}, of which {} stay free",
            plan.fetch_files,
            progress::bytes(plan.fetch_bytes),
            progress::bytes(plan.free_bytes),
            progress::bytes(plan.min_free_bytes)
        ))?;
    }
    Ok(Outcome::of(plan.troubles()))
}

/// Prints each trouble once, however many repositories it concerns.
pub(super) fn complain<'a>(broken: impl Iterator<Item = &'a Broken>, kept: &str) {
    let mut told = BTreeSet::new();
    for broken in broken.filter(|broken| told.insert((broken.message.clone(), broken.details.clone()))) {
        let failure = broken.details.iter().fold(Failure::part(broken.class, &broken.message), Failure::detail);
        let failure = failure.kept(kept);
        match &broken.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
        .print(Output::Text);
    }
}
