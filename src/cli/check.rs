//! `bivouac check`: is everything what we left there?

use bivouac::config::Percent;
use bivouac::error::Class;
use bivouac::jobs::Task;
use bivouac::jobs::check::{self as job, CheckReport};

use super::after::Begun;
use super::global::Output;
use super::{Failure, Global, Outcome, out, progress};

/// Arguments of `check`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Hashes every object of the pool again and compares records and the trees that clients see with it. With --read-data each \
    run goes on where the last one ended: 5% reads all of it in twenty. All findings are told at once; exit code 5 when there \
    are any. Runs beside anything.")]
pub(crate) struct Args {
    /// Read this share of the pool again, by rota: 5%, or 100%
    #[arg(long, value_name = "SHARE", value_parser = bivouac::config::parse_percent, conflicts_with = "deep")]
    read_data: Option<Percent>,
    /// Look at all kept generations' trees, too, and verify every index's signatures again
    #[arg(long)]
    deep: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let depth = match (args.read_data, args.deep) {
        (Some(share), _) => job::Depth::Share(share),
        (None, true) => job::Depth::Deep,
        (None, false) => job::Depth::Shown,
    };
    let config = super::config::load(global)?;
    let begun = Begun::now()?;
    let reading = progress::Reading::start(global);
    let checked = job::check(&config, depth, &|bytes| reading.read(bytes)).map_err(Failure::from);
    drop(reading);
    match &checked {
        Ok(report) => {
            let ended = super::backup::account(summary(report), &report.findings);
            begun.end(global, &config, &Task::Check, Ok(ended));
        }
        Err(failure) => begun.end(global, &config, &Task::Check, Err(failure)),
    }
    let report = checked?;
    if let Some(cause) = &report.not_remembered {
        progress::warn(global, format_args!("what was read is not remembered: {cause}"));
    }
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text => {
            out::findings(&report.findings)?;
            if !global.quiet {
                out::line(summary(&report))?;
            }
        }
    }
    let damaged = (!report.findings.is_empty()).then_some(Class::Damaged);
    Ok(Outcome::of(damaged.into_iter().chain(report.not_remembered.map(|_| Class::Host))))
}

fn summary(report: &CheckReport) -> String {
    let checked = &report.checked;
    let verdict = out::verdict(&report.findings, "all of it is what it was");
    let rota = match checked.runs {
        Some(runs @ 2..) => format!(", every object read in {runs} runs"),
        Some(_) | None => String::new(),
    };
    format!(
        "{} objects ({}) and {} files that clients see{rota}: {verdict}",
        checked.objects,
        progress::bytes(checked.bytes),
        checked.files
    )
}
