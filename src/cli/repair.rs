//! `bivouac repair`: what was lost or garbled comes back, by its digest, from wherever it still is.

use std::path::PathBuf;

use bivouac::error::Class;
use bivouac::jobs::repair::{self as job, Extent, RepairReport, RepairRequest};

use super::global::Output;
use super::sync::{call, complain, listener};
use super::{Failure, Global, Outcome, out, progress};

/// How many things that came back are listed: after the loss of a whole pool nobody reads them all.
const SHOWN: usize = 50;

/// Arguments of `repair`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Reads the pool and all kept trees again, as `check --deep` does, then asks for what is missing or damaged: other copies in \
    the trees, seeds and directory sources, backups, bundles, what --from names, and the sources' URLs last. Bytes are taken \
    for their digest alone, so nobody needs to be trusted. What cannot be had stays as it is, and is told with what to do. \
    Exit code 5 when something stays damaged, 3 when other bytes came, 1 when this host lets something not be put right, 4 when \
    what may have it is away.")]
pub(crate) struct Args {
    /// Print what is wrong and where it would be looked for, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Look here, too: a folder, a package, a bundle or a target of backups; again for more
    #[arg(long, value_name = "PATH")]
    from: Vec<PathBuf>,
    /// Read only those objects again that the last checks found damaged
    #[arg(long)]
    known: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let request = RepairRequest {
        from: args.from,
        extent: if args.known { Extent::Known } else { Extent::All },
        threads: super::threads(),
        call: call(global)?,
        proxies: super::config::proxies(),
    };
    let reporter = listener(global);
    let reading = progress::Reading::start(global);
    let read = |bytes| reading.read(bytes);
    let report = if args.dry_run {
        let report = job::show(&config, &request, &reporter, &read)?;
        drop(reading);
        report
    } else {
        let decided = job::decide(&config, &request, &reporter, &read)?;
        drop(reading);
        let report = super::block_on(global, async { Ok(decided.perform(&reporter).await?) })?;
        super::after::measure(global, &config);
        report
    };
    if let Some(cause) = &report.not_remembered {
        progress::warn(global, format_args!("what is damaged still is not remembered: {cause}"));
    }
    complain(report.error.iter(), "what came back is in its place, and what nobody brought back stays as it is");
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text => {
            out::findings(&report.findings)?;
            if !global.quiet {
                let verb = if report.dry_run { "would come" } else { "came" };
                let shown = if global.verbose { usize::MAX } else { SHOWN };
                for one in report.repaired.iter().take(shown) {
                    // Whoever made a folder that --from names chose these names.
                    let (file, from) = (out::printable(&one.file), out::printable(&one.from));
                    out::line(format_args!("{file} {verb} from {from}"))?;
                }
                if report.repaired.len() > shown {
                    out::line(format_args!("and {} more (-v lists all)", report.repaired.len() - shown))?;
                }
                out::line(summary(&report))?;
            }
        }
    }
    let forgotten = report.not_remembered.iter().map(|_| Class::Host);
    Ok(Outcome::of(report.troubles.iter().copied().chain(forgotten)))
}

fn summary(report: &RepairReport) -> String {
    let checked = &report.checked;
    let verb = if report.dry_run { "would be repaired" } else { "repaired" };
    let verdict = match (report.repaired.len(), report.findings.len()) {
        (0, 0) => "nothing to repair".to_owned(),
        (mended, 0) => format!("{mended} {verb}"),
        (mended, _) => format!("{mended} {verb}, {}", out::verdict(&report.findings, "")),
    };
    format!(
        "{} objects ({}) and {} files of the trees: {verdict}",
        checked.objects,
        progress::bytes(checked.bytes),
        checked.files
    )
}
