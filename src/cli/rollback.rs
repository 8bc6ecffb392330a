//! `bivouac rollback`: an earlier generation's indexes again, and hold.

use bivouac::jobs::publish::{self as job, SwitchReport, Switched};

use super::global::Output;
use super::sync::{call, listener};
use super::{Failure, Global, Outcome, out};

/// Arguments of `rollback`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    The indexes are shown as a new generation, so that clients and caches take them for newer than theirs; packages that \
    leave the index linger. From then on syncs go on taking snapshots but publish nothing, until `bivouac publish`.")]
pub(crate) struct Args {
    /// Its number, as `bivouac history` lists it [else: the one before]
    generation: Option<u64>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let report = job::rollback(&config, args.generation, call(global)?, &listener(global))?;
    super::after::measure(global, &config);
    tell(global, &report)
}

/// Prints what a switch to an earlier state changed.
pub(super) fn tell(global: &Global, report: &SwitchReport) -> Result<Outcome, Failure> {
    if global.output() == Output::Json {
        out::json(report)?;
    } else if !global.quiet {
        for repository in &report.repositories {
            out::line(changes(repository))?;
        }
        for repository in &report.still_shown {
            out::line(format_args!("{repository} lists what is withdrawn: its index is upstream's own"))?;
        }
        out::line(format_args!(
            "generation {} is live: it shows what generation {} did",
            report.generation, report.shows
        ))?;
        if report.held {
            out::line("publishing is held: syncs take snapshots only, until `bivouac publish`")?;
        }
    }
    Ok(Outcome::Done)
}

/// One repository and arch in one line.
pub(super) fn changes(repository: &Switched) -> String {
    let mut line = format!("{}/{}: {} packages", repository.name, repository.arch, repository.packages);
    if repository.unchanged {
        line.push_str(", unchanged");
    } else {
        for (count, what) in
            [(repository.added, "added"), (repository.removed, "removed"), (repository.upgraded, "with other versions")]
        {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
    }
    line
}
