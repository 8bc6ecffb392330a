//! `bivouac source`: a source's URLs compared, and its signers accepted.

use bivouac::apk::SourceName;
use bivouac::jobs::source::{
    self as job, AcceptSignerRequest, AcceptedSigner, AtUrl, Compared, SourceCheckReport, SourceCheckRequest,
};

use super::global::Output;
use super::{Failure, Global, Outcome, out, progress, status, sync};

/// Arguments of `source`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

/// What to do with a source.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Action {
    /// Ask every URL: who is away, behind, incomplete, not trusted
    #[command(after_help = "\
        Each index that the configuration takes from the source is asked for at each of its URLs, verified and compared \
        with the others and with what the last sync accepted; some of its packages are looked for. Changes nothing and \
        runs beside anything. Exit code 3 when something is not trusted, 4 when a URL is away, behind or incomplete.")]
    Check {
        /// Only this source [all that have a URL]
        #[arg(value_name = "NAME")]
        name: Option<SourceName>,
    },
    /// Accept a signer of a source that is held back
    #[command(after_help = "\
        An index whose signature is good, but none of whose signers was seen before, is held: the sync says which key it is \
        and what speaks for it. Compare its fingerprint with what upstream publishes elsewhere. The next sync takes what an \
        accepted key signed.")]
    AcceptSigner {
        /// The source
        #[arg(value_name = "NAME")]
        name: SourceName,
        /// Only this key, by its file name or the first 8 digits or more of its fingerprint [all that are held back]
        #[arg(value_name = "KEY")]
        key: Option<String>,
    },
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    match args.action {
        Action::Check { name } => check(global, name),
        Action::AcceptSigner { name, key } => accept_signer(global, AcceptSignerRequest { source: name, key }),
    }
}

fn accept_signer(global: &Global, request: AcceptSignerRequest) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let report = job::accept_signer(&config, &request, &sync::call(global)?)?;
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text => {
            for one in &report.accepted {
                let AcceptedSigner { key, fingerprint, arch } = one;
                out::line(format_args!("{key} vouches for {arch} of source \"{}\" from now on", report.source))?;
                out::line(format_args!("  fingerprint: {fingerprint}"))?;
            }
        }
    }
    Ok(Outcome::Done)
}

fn check(global: &Global, only: Option<SourceName>) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let request = SourceCheckRequest { only, now: sync::timestamp()?, proxies: super::config::proxies() };
    let reporter = progress::reporter(global);
    let report = super::block_on(global, async { Ok(job::check(&config, &request, reporter).await?) })?;
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text => tell(global, &report)?,
    }
    Ok(Outcome::of(report.worst()))
}

fn tell(global: &Global, report: &SourceCheckReport) -> Result<(), Failure> {
    let rows: Vec<[String; 6]> = report.indexes.iter().flat_map(rows).collect();
    let widths: Vec<usize> =
        (0..5).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    for row in &rows {
        let cells = row.iter().zip(widths.iter().copied().chain([0])).map(|(cell, width)| format!("{cell:<width$}"));
        out::line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    out::findings(&report.findings)?;
    if !global.quiet {
        let checked = &report.checked;
        let verdict = out::verdict(&report.findings, "nothing is wrong");
        out::line(format_args!(
            "looked at sources: {}, URLs: {}, indexes: {}, packages: {}; {verdict}",
            checked.sources, checked.urls, checked.indexes, checked.packages
        ))?;
    }
    Ok(())
}

/// Index, URL, status, upstream's words, packages, age; a line for each URL.
fn rows(index: &Compared) -> Vec<[String; 6]> {
    let row = |at: &AtUrl| {
        let description = at.state.as_ref().and_then(|state| state.description.clone()).unwrap_or_default();
        let entries = at.entries.map(|entries| format!("{entries} packages")).unwrap_or_default();
        let age = at.age_seconds.map(|age| format!("{} old", status::span(age))).unwrap_or_default();
        [
            format!("{}:{}", index.key.source, index.key.place()),
            at.url.clone(),
            at.status.to_owned(),
            description,
            entries,
            age,
        ]
    };
    index.urls.iter().map(row).collect()
}
