//! `bivouac status`: what is in force.

mod bundles;

use std::io::IsTerminal as _;
use std::time::Duration;

use bivouac::config::Config;
use bivouac::error::Class;
use bivouac::jobs::prune::{self, DiskReport};
use bivouac::jobs::rotate::SigningStatus;
use bivouac::jobs::status::{self as job, BackupStatus, IndexStatus, RepositoryStatus, StatusReport, TaskStatus};

use super::global::Output;
use super::{Failure, Global, Outcome, out, progress, sync};

/// Arguments of `status`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    A repository is stale when one of its sources has not confirmed its index for longer than its `stale_after`, or nothing of it is \
    published. A source with bundles is stale when the bundle in force was made longer ago than its `stale_after`, or none came. \
    Exit code 0 only when nothing is stale, else 4.")]
pub(crate) struct Args {
    /// Also where the bytes are: exclusive, shared, lingering, kept
    #[arg(long)]
    disk: bool,
    /// Show it again and again, until Ctrl-C [every 2s unless said]
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2s",
        value_parser = bivouac::config::parse_duration
    )]
    watch: Option<Duration>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let scope = if args.disk { Scope::WithDisk } else { Scope::State };
    if let Some(pause) = args.watch {
        return watch(global, &config, scope, pause);
    }
    let report = look(&config, scope)?;
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text => tell(&report)?,
    }
    Ok(if report.is_stale() { Outcome::Found(Class::Upstream) } else { Outcome::Done })
}

/// How much is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    State,
    /// And where the bytes are.
    WithDisk,
}

fn look(config: &Config, scope: Scope) -> Result<StatusReport, Failure> {
    let mut report = job::status(config, sync::timestamp()?)?;
    if scope == Scope::WithDisk {
        report.disk = Some(prune::disk(config)?);
    }
    Ok(report)
}

/// Shows it every `pause`, a terminal's screen cleared before. Ended by a signal, or by a reader that went away.
fn watch(global: &Global, config: &Config, scope: Scope, pause: Duration) -> Result<Outcome, Failure> {
    const HOME_AND_CLEAR: &str = "\x1b[H\x1b[2J";
    if global.output() == Output::Json {
        return Err(Failure::usage("--watch goes on and on, --json is one value"));
    }
    if pause.is_zero() {
        return Err(Failure::usage("--watch=0s would do nothing else"));
    }
    let is_terminal = std::io::stdout().is_terminal();
    loop {
        let report = look(config, scope)?;
        if is_terminal {
            out::text(HOME_AND_CLEAR)?;
        }
        out::line(day(sync::timestamp()?))?;
        tell(&report)?;
        std::thread::sleep(pause);
    }
}

/// Prints all of it for people.
fn tell(report: &StatusReport) -> Result<(), Failure> {
    out::line(match (report.live, report.restored_from) {
        (Some(number), _) if report.held => {
            format!("generation {number} is live, a rollback: publishing is held until `bivouac publish`")
        }
        (Some(number), Some(shown)) => format!("generation {number} is live, restored from generation {shown}"),
        (Some(number), None) => format!("generation {number} is live"),
        (None, _) => "nothing is published yet".to_owned(),
    })?;
    for (name, number) in &report.beside {
        out::line(format_args!("generation {number} is at @{name}"))?;
    }
    for what in &report.withdrawn {
        out::line(format_args!("{what} is withdrawn"))?;
    }
    tell_signing(&report.signing)?;
    let width = report.repositories.iter().map(|one| name(one).len()).max().unwrap_or_default();
    for one in &report.repositories {
        out::line(line(one, width))?;
        if let Some(error) = &one.last_error {
            out::line(format_args!("  last error: {}", error.message))?;
        }
        for index in &one.indexes {
            tell_index(index)?;
        }
    }
    report.bundles.iter().flat_map(bundles::source).try_for_each(out::line)?;
    report.sites.iter().flat_map(bundles::site).try_for_each(out::line)?;
    report.backups.iter().map(backup).try_for_each(out::line)?;
    if let Some(disk) = &report.disk {
        tell_disk(disk)?;
    }
    if let Some(links) = &report.links {
        out::line(format_args!(
            "packages in the public tree: {} hard links, {} reflinks, {} copies",
            links.hard, links.reflinks, links.copies
        ))?;
    }
    report.tasks.iter().map(task).try_for_each(out::line)
}

/// How the last run of a task ended.
fn task(task: &TaskStatus) -> String {
    let ended = if task.exit == 0 { String::new() } else { format!("FAILED (exit {}): ", task.exit) };
    format!("last {}: {} ago, {ended}{}", task.task, span(task.age_seconds), task.summary)
}

/// What is to be said of a configured backup.
fn backup(backup: &BackupStatus) -> String {
    let mut line = match (&backup.last, backup.age_seconds) {
        (Some(last), Some(age)) => format!("backup \"{}\": {last}, {} ago", backup.name, span(age)),
        _ => format!("backup \"{}\": none was made yet", backup.name),
    };
    if backup.damaged > 0 {
        line.push_str(&format!("; {} objects of its target are DAMAGED", backup.damaged));
    }
    if let (Some(seconds), Some(age)) = (backup.drill_seconds, backup.drill_age_seconds) {
        line.push_str(&format!("; a restore took {seconds:.1} s, {} ago", span(age)));
    }
    line
}

/// What is to be said of an index that a repository takes from, if there is anything.
fn tell_index(index: &IndexStatus) -> Result<(), Failure> {
    let name = format!("{}:{}", index.key.source, index.key.place());
    let ours = index.description.as_deref().unwrap_or("the newest that was accepted");
    if let Some(lagging) = &index.lagging {
        let theirs = lagging.description.as_deref().unwrap_or("an index that was accepted before");
        let since = lagging.since.strftime("%Y-%m-%d %H:%M UTC");
        out::line(format_args!("  {name} lags since {since}: {} has {theirs}, ours is {ours}", lagging.url))?;
    }
    if index.frozen {
        let unchanged = index.unchanged_seconds.map(span).unwrap_or_default();
        out::line(format_args!("  {name} has not changed for {unchanged}: it is still {ours}"))?;
    }
    for held in &index.held_signers {
        let since = held.first_seen.strftime("%Y-%m-%d %H:%M UTC");
        out::line(format_args!("  {name} is signed by a new key since {since}: {} ({})", held.key, held.fingerprint))?;
    }
    Ok(())
}

fn tell_signing(signing: &SigningStatus) -> Result<(), Failure> {
    let Some(since) = signing.rotating_since else { return Ok(()) };
    let names: Vec<&str> = signing.keys.iter().map(|key| key.name.as_str()).collect();
    let ripe = signing.ripe.map(|ripe| format!(", the older one until {} at least", day(ripe))).unwrap_or_default();
    out::line(format_args!("two keys sign since {}{ripe}: {}", day(since), names.join(", ")))
}

fn day(time: jiff::Timestamp) -> impl std::fmt::Display {
    time.strftime("%Y-%m-%d %H:%M UTC")
}

fn tell_disk(disk: &DiskReport) -> Result<(), Failure> {
    for one in &disk.repositories {
        out::line(format_args!(
            "{}: {} of its own, {} shared with others",
            one.name,
            progress::bytes(one.exclusive_bytes),
            progress::bytes(one.shared_bytes)
        ))?;
    }
    for (bytes, what) in [
        (disk.lingering_bytes, "linger for clients with an older index"),
        (disk.kept_bytes, "kept by snapshots, earlier generations and trees beside live"),
        (disk.unreached_bytes, "reached by nothing: `bivouac prune` takes them"),
        (disk.pool_bytes, "in the pool, each package once"),
        (disk.free_bytes, "free on the store's disk"),
    ] {
        out::line(format_args!("{:>10}  {what}", progress::bytes(bytes)))?;
    }
    Ok(())
}

fn name(one: &RepositoryStatus) -> String {
    format!("{}/{}", one.name, one.arch)
}

fn line(one: &RepositoryStatus, width: usize) -> String {
    let name = name(one);
    let stale = if one.stale { "  STALE" } else { "" };
    if one.content.is_none() {
        return format!("{name:<width$}  not published{stale}");
    }
    let ago = |seconds: Option<u64>| seconds.map_or("never".to_owned(), |seconds| format!("{} ago", span(seconds)));
    format!(
        "{name:<width$}  {} packages, {}  confirmed {}, changed {}{stale}",
        one.packages,
        progress::bytes(one.bytes),
        ago(one.age_seconds),
        ago(one.unchanged_seconds)
    )
}

/// The two largest units that matter to a person: `40s`, `12m`, `3h 20m`, `5d 2h`.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days}d {}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h {}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m")
    } else {
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_at_most_two_units() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h 0m"), (93_600, "1d 2h"), (864_000, "10d 0h")]
        {
            assert_eq!(span(seconds), text);
        }
    }
}
