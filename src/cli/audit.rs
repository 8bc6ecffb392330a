//! `bivouac audit`: who fetched what, and why a request found nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bivouac::config::parse_duration;
use bivouac::error::Class;
use bivouac::jobs::audit::{self as job, AuditReport, AuditRequest, Burst, Input, Rules, Told};
use jiff::Timestamp;
use jiff::civil::Date;

use super::global::Output;
use super::{Failure, Global, Outcome, out, progress};

/// Arguments of `audit`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Logs are in the combined format (nginx, lighttpd, Apache, `bivouac serve`) or Caddy's JSON, plain or gzip, in any \
    order; `-` is standard input. Every 404 is explained by what the kept generations showed. A client is an address: machines \
    behind one are told as one. TIME is 2026-11-30 (UTC), 2026-11-30T12:00:00Z, or 7d for seven days ago. Nothing is written. \
    Exit code 4 when a log cannot be read; what it found does not change the exit code.")]
pub(crate) struct Args {
    /// Access logs
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// How many packages, clients and findings of a kind are told
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Only requests from this time on
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only requests before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// So many 404s of one client in so short a time are a burst
    #[arg(long, value_name = "N/TIME", default_value = "20/min", value_parser = parse_burst)]
    burst: Burst,
    /// A client that fetches packages so long after its last index is told
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_duration)]
    stale: Duration,
    /// What stands before the tree's paths in the log, where a proxy adds it
    #[arg(long, value_name = "PATH")]
    prefix: Option<String>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let now = super::sync::timestamp()?;
    let time = |text: Option<&str>| {
        text.map(|text| parse_time(text, now).ok_or_else(|| Failure::usage(format_args!("{text:?} is no time"))))
            .transpose()
    };
    let rules = Rules {
        since: time(args.since.as_deref())?,
        until: time(args.until.as_deref())?,
        stale: i64::try_from(args.stale.as_secs()).unwrap_or(i64::MAX),
        burst: args.burst,
    };
    let input = |path: PathBuf| if path.as_os_str() == "-" { Input::Standard } else { Input::File(path) };
    let request =
        AuditRequest { logs: args.logs.into_iter().map(input).collect(), rules, top: args.top, prefix: args.prefix };
    let reading = progress::Reading::start(global);
    let report = job::audit(&config, &request, &mut std::io::stdin().lock(), &|bytes| reading.read(bytes));
    drop(reading);
    let report = report?;
    for log in &report.logs {
        if let Some(error) = &log.error {
            let how_far = match log.lines {
                0 => String::new(),
                lines => format!(" to its end, after {lines} lines"),
            };
            progress::warn(global, format_args!("{} was not read{how_far}: {error}", log.log));
        }
    }
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text => out::text(in_words(&report, args.top))?,
    }
    Ok(Outcome::of(report.logs.iter().filter(|log| log.error.is_some()).map(|_| Class::Upstream)))
}

/// `20/min`: `s`, `min` or `h`.
fn parse_burst(text: &str) -> Result<Burst, String> {
    let parts = text.split_once('/').and_then(|(count, unit)| {
        let seconds = match unit {
            "s" | "sec" => 1,
            "m" | "min" => 60,
            "h" | "hour" => 3600,
            _ => return None,
        };
        Some(Burst { count: count.parse().ok()?, seconds })
    });
    parts
        .filter(|burst| (2..=1000).contains(&burst.count))
        .ok_or_else(|| "it is not like 20/min: 2 to 1000 requests per s, min or h".to_owned())
}

/// Seconds since 1970.
fn parse_time(text: &str, now: Timestamp) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    if let Ok(day) = text.parse::<Date>() {
        return Some(jiff::tz::Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?.as_second());
    }
    let ago = parse_duration(text).ok()?;
    Some(now.as_second().saturating_sub(i64::try_from(ago.as_secs()).ok()?))
}

fn in_words(report: &AuditReport, top: usize) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    let summary = &report.summary;
    let span = summary.first.zip(summary.last).map_or(String::new(), |(first, last)| {
        let minute = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M UTC").to_string();
        format!(", {} to {}", minute(first), minute(last))
    });
    line(format!(
        "{} requests by {}{} clients, {} sent{span}",
        summary.requests,
        if summary.low_by.more_clients { "at least " } else { "" },
        summary.clients,
        progress::bytes(summary.bytes)
    ));
    if summary.left_out > 0 {
        line(format!("{} requests are outside of the time asked for", summary.left_out));
    }
    if report.garbage > 0 {
        line(format!("{} lines are no access log lines, among them:", report.garbage));
        report.garbage_samples.iter().for_each(|one| line(format!("  {}:{}: {}", one.log, one.line, one.text)));
    }
    if !summary.repositories.is_empty() {
        line("\nRepositories:".to_owned());
    }
    for repository in &summary.repositories {
        let name = if repository.name.is_empty() { "(outside of all)" } else { &repository.name };
        line(format!(
            "  {name}: {} requests by {} clients, {} sent; {} indexes, {} packages, {} not found",
            repository.requests,
            repository.clients,
            progress::bytes(repository.bytes),
            repository.indexes,
            repository.packages,
            repository.not_found
        ));
    }
    if !summary.packages.is_empty() {
        line("\nPackages fetched most:".to_owned());
    }
    for package in &summary.packages {
        let bytes = progress::bytes(package.bytes);
        line(format!("  {:>8}  {}/{} ({bytes})", package.requests, package.repository, package.file));
    }
    if !summary.top_clients.is_empty() {
        line("\nClients that asked most:".to_owned());
    }
    for client in &summary.top_clients {
        line(format!(
            "  {:>8}  {} ({}, {} not found) {}",
            client.requests,
            client.client,
            progress::bytes(client.bytes),
            client.not_found,
            client.agent
        ));
    }
    if !summary.not_found.is_empty() {
        line("\nNot found, by cause:".to_owned());
    }
    for (code, count) in &summary.not_found {
        line(format!("  {:>8}  {code} ({} paths)", count.requests, count.paths));
    }
    let mut kinds: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    summary.findings.iter().for_each(|told| kinds.entry(told.finding.code).or_default().push(told));
    for (code, findings) in kinds {
        line(format!("\n{code}:"));
        let mut hint = None;
        for told in findings.iter().take(top) {
            line(format!("  {}: {}", told.finding.subject, told.finding.message));
            // The same hint below each of many says less than once.
            if told.finding.hint.is_some() && told.finding.hint != hint {
                hint.clone_from(&told.finding.hint);
                line(format!("    hint: {}", hint.as_deref().unwrap_or_default()));
            }
        }
        if let Some(more) = findings.len().checked_sub(top).filter(|more| *more > 0) {
            line(format!("  and {more} more; `--top {}` shows them", findings.len()));
        }
    }
    let low = &summary.low_by;
    if (low.packages, low.clients, low.paths) != (0, 0, 0) {
        line(format!(
            "\nMore was asked for than is remembered: counts may be too low, of a package by {}, of a client by {}, of a path that \
             was not found by {}",
            low.packages, low.clients, low.paths
        ));
    }
    if low.not_found > 0 {
        line(format!(
            "Of the requests that found nothing, {} are explained by no cause: their paths were too many",
            low.not_found
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_and_times_are_read() {
        assert_eq!(parse_burst("20/min"), Ok(Burst { count: 20, seconds: 60 }));
        for wrong in ["", "20", "1/min", "0/s", "1001/h", "20/week", "-2/min"] {
            assert!(parse_burst(wrong).is_err(), "{wrong}");
        }
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let day: Timestamp = "2026-11-29T00:00:00Z".parse().unwrap();
        assert_eq!(parse_time("2026-11-29", now), Some(day.as_second()));
        assert_eq!(parse_time("2026-11-29T02:00:00+02:00", now), Some(day.as_second()));
        assert_eq!(parse_time("36h", now), Some(day.as_second()));
        assert_eq!(parse_time("yesterday", now), None);
    }
}
