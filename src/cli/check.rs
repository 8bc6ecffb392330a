//! `bivouac check`: is everything what we left there?

use bivouac::error::Class;
use bivouac::jobs::check as job;

use super::global::Output;
use super::{Failure, Global, Outcome, out, progress};

/// Arguments of `check`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Hashes every object of the pool again and compares records and the trees that clients see with it. All findings are told at once; \
    exit code 5 when there are any. Runs beside anything.")]
pub(crate) struct Args {
    #[arg(long, hide = true, value_name = "SHARE")]
    read_data: Option<String>,
    /// Look at all kept generations' trees, too, and verify every index's signatures again
    #[arg(long)]
    deep: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    if args.read_data.is_some() {
        return Err(Failure::not_supported_yet("`check --read-data`"));
    }
    let depth = if args.deep { job::Depth::Deep } else { job::Depth::Shown };
    let config = super::config::load(global)?;
    let reading = progress::Reading::start(global);
    let report = job::check(&config, depth, &|bytes| reading.read(bytes))?;
    drop(reading);
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text => {
            out::findings(&report.findings)?;
            if !global.quiet {
                let checked = &report.checked;
                let verdict = out::verdict(&report.findings, "all of it is what it was");
                out::line(format_args!(
                    "{} objects ({}) and {} files that clients see: {verdict}",
                    checked.objects,
                    progress::bytes(checked.bytes),
                    checked.files
                ))?;
            }
        }
    }
    Ok(if report.findings.is_empty() { Outcome::Done } else { Outcome::Found(Class::Damaged) })
}
