//! `bivouac prune`: drop what no retained snapshot, generation or linger reaches.

use std::time::Duration;

use bivouac::jobs::prune::{self as job, Mode};
use bivouac::jobs::sync::Patience;

use super::global::Output;
use super::sync::call;
use super::{Failure, Global, Outcome, out, progress};

/// How long it waits for another run unless `--wait` says otherwise.
const WAIT: Duration = Duration::from_secs(30 * 60);

/// Arguments of `prune`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    What [retain] keeps stays, and so do pinned snapshots, what is live or beside it, packages that linger, and all that \
    these reach. A sync prunes at its end, unless prune = \"never\". Waits for \
    other runs for half an hour unless --wait says otherwise.")]
pub(crate) struct Args {
    /// Print what would go, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let mode = if args.dry_run { Mode::Show } else { Mode::Perform };
    let mut call = call(global)?;
    // Of all commands this one can wait: what it takes is in nobody's way.
    if global.wait.is_none() {
        call.patience = Patience::Wait(WAIT);
    }
    let report = job::prune(&config, mode, call)?;
    if global.output() == Output::Json {
        out::json(&report)?;
        return Ok(Outcome::Done);
    }
    if global.verbose || args.dry_run {
        for id in &report.snapshots {
            out::line(format_args!("snapshot {id}"))?;
        }
        for number in &report.generations {
            out::line(format_args!("generation {number}"))?;
        }
    }
    if !global.quiet {
        out::line(format_args!(
            "{}: {} snapshots, {} generations, {} indexes, {} packages ({})",
            if args.dry_run { "would go" } else { "gone" },
            report.snapshots.len(),
            report.generations.len(),
            report.accepted,
            report.objects,
            progress::bytes(report.bytes)
        ))?;
    }
    Ok(Outcome::Done)
}
