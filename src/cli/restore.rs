//! `bivouac restore`: all of a backup brought back.

use std::path::PathBuf;

use bivouac::apk::RepositoryName;
use bivouac::error::Class;
use bivouac::jobs::restore::{self as job, Into, Loss, OpenWith, RestoreReport, RestoreRequest, Trust};

use super::global::Output;
use super::progress::bytes;
use super::{Failure, Global, Outcome, out, progress};

/// Names a passphrase's file where none is given.
const PASSPHRASE_FILE: &str = "BIVOUAC_PASSPHRASE_FILE";

/// Arguments of `restore`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Needs no configuration: the backup brings it. The signer must match --key, which stands on the disk's label, or the \
    fingerprint inside the encrypted part; a part that is encrypted to a recipient could be by whoever knows the recipient, so \
    the label is the better proof. Every byte is checked. Stopped at any moment, the same command goes on where it was. Exit \
    code 5 when something is lost.")]
pub(crate) struct Args {
    /// The backup's target: the folder with `bivouac-backup` in it
    #[arg(long, value_name = "TARGET")]
    from: PathBuf,
    /// The newest backup by this time or day, or the one with this id [default: the newest]
    #[arg(long, value_name = "TIME|ID")]
    at: Option<String>,
    /// Put bivouac.toml, keys/, store/ and public below this folder, and say so in the file [default: where they were]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// The fingerprint of the key that must have signed, or its first 16 digits
    #[arg(long, value_name = "FINGERPRINT")]
    key: Option<String>,
    /// Open the encrypted keys with this identity, a file of age-keygen's
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    identity: Option<PathBuf>,
    /// Open the encrypted keys with the passphrase in this file [else: $BIVOUAC_PASSPHRASE_FILE]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Add to a store that is there what it lacks; nothing in it is removed, and what is live stays live
    #[arg(long)]
    into_existing: bool,
    /// Only this repository, by name as published; may be given several times
    #[arg(long, value_name = "REPOSITORY")]
    only: Vec<RepositoryName>,
    /// Where something cannot be read, restore the rest and list what is lost
    #[arg(long)]
    keep_going: bool,
    /// Tell what would come back, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let open_with = match (args.identity, args.passphrase_file) {
        (Some(identity), _) => Some(OpenWith::Identity(identity)),
        (None, Some(file)) => Some(OpenWith::PassphraseFile(file)),
        (None, None) => super::environment(PASSPHRASE_FILE).map(|file| OpenWith::PassphraseFile(file.into())),
    };
    let request = RestoreRequest {
        from: args.from,
        at: args.at,
        to: args.to,
        trust: Trust { key: args.key, open_with },
        into: if args.into_existing { Into::Existing } else { Into::Empty },
        only: args.only,
        loss: if args.keep_going { Loss::KeepGoing } else { Loss::Refuse },
        threads: super::threads(),
        patience: super::sync::patience(global),
        now: super::sync::timestamp()?,
    };
    let report = if args.dry_run {
        super::block_on(global, async { Ok(job::show(&request)?) })?
    } else {
        let reporter = progress::reporter(global);
        super::block_on(global, async { Ok(job::restore(&request, &reporter)?) })?
    };
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text => {
            let lines = if args.dry_run { would(&report) } else { told(&report) };
            lines.into_iter().filter(|_| !global.quiet).try_for_each(out::line)?;
            for lost in &report.lost {
                out::line(format_args!("lost: {}: {} ({})", lost.what, lost.message, lost.code))?;
            }
        }
    }
    Ok(if report.is_whole() { Outcome::Done } else { Outcome::Found(Class::Damaged) })
}

fn of(report: &RestoreReport) -> String {
    format!("backup {} of {}, signed by {}", report.id, report.at.strftime("%Y-%m-%d %H:%M UTC"), report.signer.name)
}

fn would(report: &RestoreReport) -> Vec<String> {
    let mut lines = vec![
        of(report),
        format!("  would bring back {} packages, {}", report.objects, bytes(report.bytes)),
        format!("  configuration  {}", report.config.display()),
        format!("  store          {}", report.store.display()),
        format!("  public tree    {}{}", report.public.display(), live(report.was_live)),
    ];
    lines.extend(report.keys.iter().map(|key| format!("  private file   {}", key.display())));
    lines.extend(without(report));
    lines.push("nothing was changed".into());
    lines
}

fn live(number: Option<u64>) -> String {
    number.map_or_else(|| ": nothing was live".to_owned(), |number| format!(": generation {number} was live"))
}

fn without(report: &RestoreReport) -> Vec<String> {
    if report.without_keys.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["  NOT among them, so nothing can be signed until they are there again:".to_owned()];
    lines.extend(report.without_keys.iter().map(|path| format!("    {}", path.display())));
    lines
}

fn told(report: &RestoreReport) -> Vec<String> {
    let mut lines = vec![
        of(report),
        format!(
            "  {} packages, {}, every byte verified, in {:.1} s",
            report.objects,
            bytes(report.bytes),
            report.seconds
        ),
    ];
    if report.healed > 0 {
        lines.push(format!("  {} damaged objects were replaced by good ones", report.healed));
    }
    lines.push(format!("  configuration  {}", report.config.display()));
    lines.push(format!("  store          {}", report.store.display()));
    match report.generation {
        Some(number) => {
            lines.push(format!("  public tree    {}: generation {number} is live", report.public.display()))
        }
        None => lines.push(format!("  public tree    {}: nothing is live", report.public.display())),
    }
    lines.extend(report.keys.iter().map(|key| format!("  private file   {}", key.display())));
    lines.extend(without(report));
    lines.extend(
        report.differ.iter().map(|path| format!("  left as it is, though the backup has another: {}", path.display())),
    );
    lines.push(format!("next: bivouac --config {} status", report.config.display()));
    lines
}
