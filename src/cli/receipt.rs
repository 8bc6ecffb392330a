//! `bivouac receipt`: what a site without a network holds, for its sender.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use bivouac::apk::SiteName;
use bivouac::jobs::receipt::{self as job, Detail, ReceiptReport};

use super::global::Output;
use super::{Failure, Global, Outcome, out, progress, sync};

/// Arguments of `receipt`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    The receipt goes to the standard output; where that is a terminal, or with --json, to the file receipt-SITE-TIME.txt in \
    this folder. It is one line of text: whoever makes this site's bundles takes it as `bundle --receipt FILE` and sends \
    what is missing here. It is signed if the configuration has [signing]. Nothing is locked or changed.")]
pub(crate) struct Args {
    /// Write it to this file, in place of what is there; `-`: to the standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What this site is called at its sender [default: this host's name]
    #[arg(long, value_name = "NAME")]
    site: Option<SiteName>,
    /// Also tell enough of what is live for deltas by a sender that has dropped it: some per cent of its size
    #[arg(long)]
    signatures: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let site = args.site.map_or_else(this_host, Ok)?;
    let detail = if args.signatures { Detail::Outlines } else { Detail::Digests };
    let (text, mut report) = job::receipt(&config, site, detail, sync::timestamp()?)?;
    report.file = place(global, args.output, &report);
    if report.key.is_none() {
        progress::warn(
            global,
            "the receipt is not signed, as the configuration has no [signing]: its sender cannot tell whose it is",
        );
    }
    let Some(file) = &report.file else {
        out::text(text)?;
        return Ok(Outcome::Done);
    };
    job::save(&text, file)?;
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text if global.quiet => {}
        Output::Text => told(&report, file).into_iter().try_for_each(out::line)?,
    }
    Ok(Outcome::Done)
}

/// The file that the receipt goes to; none for the standard output.
fn place(global: &Global, asked: Option<PathBuf>, report: &ReceiptReport) -> Option<PathBuf> {
    let is_json = global.output() == Output::Json;
    match asked {
        Some(asked) if asked.as_os_str() == "-" && !is_json => None,
        Some(asked) if asked.as_os_str() != "-" => Some(asked),
        None if !is_json && !io::stdout().is_terminal() => None,
        _ => Some(format!("receipt-{}-{}.txt", report.site, report.time.strftime("%Y%m%dT%H%M%SZ")).into()),
    }
}

fn told(report: &ReceiptReport, file: &Path) -> Vec<String> {
    let mut lines = vec![
        format!("receipt of {}: {} packages", report.site, report.objects),
        format!("  {} ({})", file.display(), progress::bytes(report.bytes)),
    ];
    lines.extend(report.bundles.iter().map(|came| match &came.in_force {
        Some(id) => format!("bundle {id} of \"{}\" is in force", came.source),
        None => format!("no bundle of \"{}\" was complete here so far", came.source),
    }));
    lines.extend(report.key.iter().map(|key| format!("signed by {}, SHA-256 {}", key.name, key.fingerprint)));
    let name = file.file_name().map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into_owned());
    lines.push(format!("at the sender: bivouac bundle --receipt {name} --to MEDIUM"));
    lines
}

/// This host's name as a site's. One that most hosts have is none.
fn this_host() -> Result<SiteName, Failure> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.parse().ok().filter(|_| !name.starts_with("localhost")).ok_or_else(|| {
        Failure::usage(format_args!("this host's name, {name:?}, tells no site")).hint("name the site with --site NAME")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ReceiptReport {
        ReceiptReport {
            file: None,
            site: "plant-3".parse().unwrap(),
            time: "2026-11-25T08:00:00.25Z".parse().unwrap(),
            objects: 3,
            bundles: Vec::new(),
            signatures: 0,
            bytes: 300,
            key: None,
        }
    }

    #[test]
    fn json_and_receipt_do_not_share_an_output() {
        let named = Some(PathBuf::from("receipt-plant-3-20261125T080000Z.txt"));
        let [text, json] = [false, true].map(|json| Global { json, ..Global::default() });
        for (global, asked, place_of) in [
            (&text, Some("-"), None),
            (&text, Some("a/b"), Some("a/b".into())),
            (&json, Some("a/b"), Some("a/b".into())),
            (&json, Some("-"), named.clone()),
            (&json, None, named),
        ] {
            assert_eq!(place(global, asked.map(PathBuf::from), &report()), place_of, "{asked:?}");
        }
    }
}
