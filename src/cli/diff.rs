//! `bivouac diff`: what changed between two snapshots or two generations.

use bivouac::apk::VersionText;
use bivouac::jobs::snapshots::{self as job, Change, Changed, Origin};

use super::global::Output;
use super::{Failure, Global, Outcome, out};

/// Arguments of `diff`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Two snapshots are compared index by index, as upstream gave them; two generations as clients saw them. By origin: what \
    was built together stands together.")]
pub(crate) struct Args {
    /// A snapshot's id or how it begins, or a generation's number
    from: String,
    /// Likewise
    to: String,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let report = job::diff(&config, &args.from, &args.to)?;
    if global.output() == Output::Json {
        out::json(&report)?;
        return Ok(Outcome::Done);
    }
    for index in &report.indexes {
        out::line(format_args!("{}:", index.index))?;
        for origin in &index.origins {
            for line in lines(origin) {
                out::line(format_args!("  {line}"))?;
            }
        }
    }
    if report.indexes.is_empty() && !global.quiet {
        out::line(format_args!("{} and {} list the same packages", report.from, report.to))?;
    }
    Ok(Outcome::Done)
}

/// An origin in as few lines as its packages changed in different ways.
fn lines(origin: &Origin) -> Vec<String> {
    let mut groups: Vec<(&Change, Vec<&Changed>)> = Vec::new();
    for package in &origin.packages {
        match groups.iter_mut().find(|(change, _)| **change == package.change) {
            Some((_, packages)) => packages.push(package),
            None => groups.push((&package.change, vec![package])),
        }
    }
    groups
        .into_iter()
        .map(|(change, packages)| {
            let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
            let alone = names == [origin.origin.as_str()];
            let names = if alone { String::new() } else { format!("  ({})", names.join(", ")) };
            format!("{}  {}{names}", origin.origin, words(change))
        })
        .collect()
}

fn words(change: &Change) -> String {
    let list = |versions: &[VersionText]| versions.iter().map(VersionText::as_str).collect::<Vec<_>>().join(", ");
    match change {
        Change::Added { to } => format!("{} added", list(to)),
        Change::Removed { from } => format!("{} removed", list(from)),
        Change::Upgraded { from, to } => format!("{} → {}", list(from), list(to)),
        Change::Downgraded { from, to } => format!("{} → {} (down)", list(from), list(to)),
        Change::Rebuilt { version } => format!("{version} rebuilt: the same version, other bytes"),
    }
}
