//! `bivouac bundle`: a signed export for a site without a network; `bundle inspect`: what is in one.

use std::path::PathBuf;
use std::time::Duration;

use bivouac::apk::{KeyId, RepositoryName};
use bivouac::jobs::bundle::inspect::{self, BundleSeen, InspectReport, SignatureSeen};
use bivouac::jobs::bundle::{self as job, BundleReport, BundleRequest, RepositorySent, Since, Target};
use jiff::Timestamp;

use super::global::Output;
use super::progress::bytes;
use super::{Failure, Global, Outcome, out, progress};

/// When a bundle's receiver ought to have had a newer one, unless `--expires` says otherwise: a month, and a few days' way.
const EXPIRES: Duration = Duration::from_secs(35 * 24 * 60 * 60);

/// Arguments of `bundle`.
#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
    What is live is written, signed by the keys that sign now, with upstream's own signed indexes as proof of where it is \
    from. Nothing that is there is overwritten. A whole bundle in a folder, without --volume-size, is a plain repository, \
    too. Runs beside anything."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only these repositories, by name as published: v3.23/main
    #[arg(value_name = "REPOSITORY")]
    repositories: Vec<RepositoryName>,
    /// Write exactly this file; or into this folder, under the bundle's name
    #[arg(long, value_name = "FILE|DIR", required = true)]
    to: Option<PathBuf>,
    /// Only what the site lacks that has this bundle: its id or a beginning of it, or the newest of a date
    #[arg(long, value_name = "ID|DATE", conflicts_with = "receipt")]
    since: Option<String>,
    /// Only what the site lacks that wrote this receipt
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Split into volumes of at most this size, to be imported in any order: 4GB for FAT32, 4400MB for a DVD
    #[arg(long, value_name = "SIZE", value_parser = bivouac::config::parse_size)]
    volume_size: Option<u64>,
    /// Let this program ride along
    #[arg(long)]
    with_tool: bool,
    /// When the site ought to have had a newer one; it only warns [default: 35d]
    #[arg(long, value_name = "SPAN", value_parser = bivouac::config::parse_duration)]
    expires: Option<Duration>,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Tell what is in a bundle, and change nothing
    Inspect(InspectArgs),
}

/// Arguments of `bundle inspect`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Needs no configuration. Exit code 3 when a signature is bad, 4 when a volume is cut short.")]
struct InspectArgs {
    /// A volume, beside which the others are looked for; or a folder with bundles
    path: PathBuf,
    /// Check signatures by these public keys, a file or a folder
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    match (args.action, args.to) {
        (Some(Action::Inspect(inspect)), _) => look(global, &inspect),
        (None, Some(to)) => {
            let request = BundleRequest {
                repositories: args.repositories,
                to: Target::of(&to),
                since: since(args.since, args.receipt),
                volume_size: args.volume_size,
                program: args.with_tool.then(super::program).transpose()?,
                expires: args.expires.unwrap_or(EXPIRES),
                threads: super::threads(),
                now: super::sync::timestamp()?,
            };
            send(global, &request)
        }
        (None, None) => Err(Failure::usage("`bundle` writes `--to FILE|DIR`, or does `inspect`")),
    }
}

fn since(bundle: Option<String>, receipt: Option<PathBuf>) -> Since {
    bundle.map(Since::Bundle).or(receipt.map(Since::Receipt)).unwrap_or_default()
}

fn send(global: &Global, request: &BundleRequest) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let reporter = progress::reporter(global);
    let report = super::block_on(global, async { Ok(job::bundle(&config, request, &*reporter)?) })?;
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text if global.quiet => {}
        Output::Text => told(&report).into_iter().try_for_each(out::line)?,
    }
    Ok(Outcome::Done)
}

/// What an operator wants to read, and to write on the stick's label.
fn told(report: &BundleReport) -> Vec<String> {
    let base = match (&report.receipt_of, &report.base) {
        (Some(site), _) => format!(" for what {site} has"),
        (None, Some(base)) => format!(" since {base}"),
        (None, None) => String::new(),
    };
    let BundleReport { id, packages, deltas, full, indexes, .. } = report;
    let mut lines = vec![
        format!("bundle {id}{base}: {packages} packages ({deltas} as deltas, {full} whole), {indexes} indexes"),
        saved(report.bytes, report.full_bytes),
    ];
    lines.extend(report.volumes.iter().map(|file| format!("  {}", file.display())));
    lines.extend(report.signers.iter().map(signer));
    lines.push(format!("expires {}", minute(report.expires)));
    let files: Vec<String> = report.volumes.iter().map(|file| file.display().to_string()).collect();
    lines.push(format!("there: bivouac import {}", files.join(" ")));
    lines
}

fn signer(key: &KeyId) -> String {
    format!("signed by {}, SHA-256 {}", key.name, key.fingerprint)
}

/// `1.2 MiB in place of 23 MiB (5 %)`.
fn saved(taken: u64, whole: u64) -> String {
    match whole {
        0 => bytes(taken),
        whole => {
            let percent = u128::from(taken) * 100 / u128::from(whole);
            format!("{} in place of {} ({percent} %)", bytes(taken), bytes(whole))
        }
    }
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn look(global: &Global, args: &InspectArgs) -> Result<Outcome, Failure> {
    let keyrings = match &args.keys {
        Some(keys) => vec![inspect::keys_at(keys)?],
        // None is needed, and one that is there says whose bundles are expected here.
        None if super::config::find(global).is_ok() => inspect::keys_of(&super::config::load_unspread(global)?)?,
        None => Vec::new(),
    };
    let report = inspect::inspect(&args.path, &keyrings)?;
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text => seen(&report, super::sync::timestamp()?).into_iter().try_for_each(out::line)?,
    }
    Ok(Outcome::of(report.troubles()))
}

fn seen(report: &InspectReport, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    for bundle in &report.bundles {
        lines.push(format!("bundle {}", bundle.id));
        lines.extend(facts(bundle, now).into_iter().map(|line| format!("  {line}")));
    }
    for broken in &report.broken {
        lines.push(format!("{} ({})", broken.message, broken.code));
    }
    if lines.is_empty() {
        lines.push("no bundle lies there".to_owned());
    }
    lines
}

fn facts(bundle: &BundleSeen, now: Timestamp) -> Vec<String> {
    let past = if bundle.expires < now { ", which is past" } else { "" };
    let mut lines = vec![format!("made {}, expires {}{past}", minute(bundle.time), minute(bundle.expires))];
    lines.push(match &bundle.base {
        None => "whole: it needs nothing before it".to_owned(),
        Some(base) => {
            let id = base.id.as_ref().map_or_else(|| "what a site has".to_owned(), |id| format!("bundle {id}"));
            let receipt =
                base.receipt_of.as_ref().map(|site| format!(", by the receipt of {site}")).unwrap_or_default();
            format!("since {id} of {}{receipt}", minute(base.time))
        }
    });
    lines.extend(bundle.keys.iter().map(|key| format!("sender's key {}, SHA-256 {}", key.name, key.fingerprint)));
    lines.push(match &bundle.signature {
        SignatureSeen::NotChecked { signers } => {
            let signers: Vec<&str> = signers.iter().map(|key| key.as_str()).collect();
            format!("signature not checked; it claims {}", signers.join(", "))
        }
        SignatureSeen::Good { signers } => {
            let signers: Vec<&str> = signers.iter().map(|key| key.name.as_str()).collect();
            format!("signature good, by {}", signers.join(", "))
        }
        SignatureSeen::Refused { code, message, .. } => format!("signature REFUSED: {message} ({code})"),
    });
    lines.extend(bundle.repositories.iter().map(repository));
    let BundleSeen { packages, indexes, deltas, full, .. } = bundle;
    lines.push(format!("carries {packages} packages ({deltas} as deltas, {full} whole), {indexes} indexes"));
    lines.push(saved(bundle.bytes, bundle.full_bytes));
    lines.extend(bundle.volumes.iter().map(|volume| match volume.number {
        Some(number) => format!("volume {number} of {}: {}", bundle.of_volumes, volume.file.display()),
        None => format!("{}; its objects lie beside it", volume.file.display()),
    }));
    lines.extend(
        bundle.missing_volumes.iter().map(|number| format!("volume {number} of {}: MISSING", bundle.of_volumes)),
    );
    if bundle.missing_files > 0 {
        lines.push(format!("MISSING beside it: {} files", bundle.missing_files));
    }
    lines.extend(
        bundle.tool.iter().map(|tool| format!("the program rides along: {}, {}", tool.about, bytes(tool.size))),
    );
    lines
}

fn repository(sent: &RepositorySent) -> String {
    let RepositorySent { name, arch, packages, origins, .. } = sent;
    let whole = if sent.whole { ", one of them whole" } else { "" };
    format!("{name}/{arch}: {packages} packages ({}); {origins} indexes of upstream's{whole}", bytes(sent.bytes))
}
