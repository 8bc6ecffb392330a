//! `bivouac import`: takes bundles in at a site without a network.

use std::path::PathBuf;

use bivouac::config::Config;
use bivouac::jobs::Task;
use bivouac::jobs::import::{BundleReport, Outcome as Became};
use bivouac::jobs::sync::{self as job, AcceptOlder, Broken, Publishing, SyncReport, SyncRequest};
use serde::Serialize;

use super::after::Begun;
use super::global::Output;
use super::sync::{complain, ended, patience, timestamp};
use super::{Failure, Global, Outcome, out, progress};

/// Arguments of `import`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Each bundle's signature must be by a key of a source with `bundles`, and its origin proved where that source asks for it. \
    What came is in the pool and in a snapshot; `bivouac sync` publishes it, and takes in what lies in the source's folder by \
    itself. The medium is only read. An import that failed can be run again: what came before is passed over. Exit code 3 when \
    something was refused, 4 when a volume or what it builds on is missing.")]
pub(crate) struct Args {
    /// Bundles, volumes of one, or folders of them
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Put a bundle in force that is older than the one that is: the sender went back, or its clock did
    #[arg(long)]
    accept_older: bool,
}

#[derive(Serialize)]
struct Printed<'a> {
    id: Option<String>,
    packages: u64,
    deltas_applied: u64,
    bytes_read: u64,
    snapshot: Option<&'a str>,
    bundles: &'a [BundleReport],
    error: Option<&'a Broken>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load_unspread(global)?;
    refuse_without_sources(&config)?;
    let request = SyncRequest {
        only: Vec::new(),
        accept_shrink: Vec::new(),
        accept_older: if args.accept_older { AcceptOlder::All } else { AcceptOlder::Nothing },
        publish: Publishing::None,
        accept_gate: Vec::new(),
        patience: patience(global),
        now: timestamp()?,
        proxies: super::config::proxies(),
    };
    let reporter = progress::reporter(global);
    let begun = Begun::now()?;
    let done = super::block_on(global, async { Ok(job::import(&config, args.paths, &request, reporter).await?) });
    ended(global, &config, &begun, &Task::Import, done, tell)
}

fn refuse_without_sources(config: &Config) -> Result<(), Failure> {
    let is_any =
        config.sources.values().any(|source| matches!(source.kind, bivouac::config::SourceKind::Bundles { .. }));
    if is_any {
        return Ok(());
    }
    Err(Failure::usage(format_args!("{}: no source has bundles", config.file.display()))
        .hint("[sources.NAME] with bundles = \"FOLDER\" and keyring = [\"KEY.rsa.pub\"] says whose bundles are taken"))
}

fn tell(global: &Global, report: &SyncReport) -> Result<Outcome, Failure> {
    let repositories = report.repositories.iter().filter_map(|repository| repository.error.as_ref());
    let bundles = report.imports.iter().filter_map(|bundle| bundle.error.as_ref());
    let troubles: Vec<&Broken> = bundles.chain(repositories).collect();
    complain(troubles.iter().copied(), "what was in force stays; what came of it is in the pool");
    let sum = |count: fn(&BundleReport) -> u64| report.imports.iter().map(count).sum();
    if global.output() == Output::Json {
        let newest = report.imports.iter().filter(|bundle| bundle.outcome == Became::Imported);
        let newest = newest.max_by_key(|bundle| &bundle.id).or(report.imports.first());
        out::json(&Printed {
            id: newest.and_then(|bundle| bundle.id.as_ref()).map(ToString::to_string),
            packages: sum(|bundle| bundle.packages),
            deltas_applied: sum(|bundle| bundle.deltas_applied),
            bytes_read: sum(|bundle| bundle.bytes_read),
            snapshot: report.snapshot.as_deref(),
            bundles: &report.imports,
            error: troubles.first().copied(),
        })?;
    } else if !global.quiet {
        if report.imports.is_empty() {
            out::line("no bundle there")?;
        }
        tell_bundles(&report.imports)?;
        let is_news = report.imports.iter().any(|bundle| bundle.outcome == Became::Imported);
        if let Some(snapshot) = report.snapshot.as_ref().filter(|_| is_news) {
            out::line(format_args!("snapshot {snapshot}; `bivouac sync` publishes it ({:.1} s)", report.seconds))?;
        }
    }
    Ok(Outcome::of(report.troubles()))
}

/// A line for each bundle.
pub(super) fn tell_bundles(bundles: &[BundleReport]) -> Result<(), Failure> {
    for bundle in bundles {
        let (Some(id), Some(source)) = (&bundle.id, &bundle.source) else { continue };
        let came = match bundle.packages {
            0 => "no new packages".to_owned(),
            packages => format!(
                "{packages} packages, {} of them from deltas, {} read",
                bundle.deltas_applied,
                progress::bytes(bundle.bytes_read)
            ),
        };
        let what = match bundle.outcome {
            Became::Imported => format!("imported: {came}"),
            Became::Before => format!("was imported before: {came}"),
            Became::Older => {
                format!("is older than what is in force, which stays: {came} (--accept-older puts it in force)")
            }
            Became::Incomplete => format!("is not complete: {came}"),
            Became::Refused => format!("is refused: {came}"),
        };
        out::line(format_args!("bundle {id} of \"{source}\" {what}"))?;
    }
    Ok(())
}
