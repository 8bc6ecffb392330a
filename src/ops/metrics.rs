//! What is in force, as Prometheus reads it (text format 0.0.4): for node_exporter's textfile collector, and under `/metrics`.
//!
//! Moments are told as seconds since 1970, never as ages: a file is read long after it was written, and an age in it would stand
//! still exactly when the agent does. Units and names are by Prometheus' rules; names only grow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use jiff::Timestamp;

use crate::config::Config;
use crate::disk::durable;
use crate::jobs::status::{
    BackupStatus, BundlesStatus, IndexStatus, RepositoryStatus, StatusReport, TaskStatus, status,
};
use crate::jobs::{Error, RepositoryRun, Task, UrlHad, carried};

mod traffic;

pub use traffic::traffic;

/// Everybody's to read: node_exporter runs as somebody else.
const MODE: u32 = 0o644;

/// Writes the configured textfile, if there is one. The file is whole or the former one; no folder is made for it.
pub fn write_textfile(config: &Config, now: Timestamp) -> Result<Option<PathBuf>, Error> {
    let Some(file) = &config.metrics.textfile else { return Ok(None) };
    durable::write(file, page(config, now)?.as_bytes(), MODE)?;
    Ok(Some(file.clone()))
}

/// All metrics as text.
pub fn page(config: &Config, now: Timestamp) -> Result<String, Error> {
    // What bundles carry is known in the store alone, and changes with each.
    let config = carried::spread(config, &[])?.config;
    Ok(print(&status(&config, now)?, now))
}

/// What a metric is: a value that goes up and down, or a sum that only grows.
#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Counter,
    Histogram,
}

/// Text under way.
struct Page {
    text: String,
}

/// Names and values of a sample's labels.
type Labels = Vec<(&'static str, String)>;

impl Page {
    /// One metric with its samples; nothing where there are none.
    fn metric(&mut self, kind: Kind, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels, f64)>) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        self.head(kind, name, help);
        for (labels, value) in samples {
            self.sample(name, &labels, value);
        }
    }

    fn head(&mut self, kind: Kind, name: &str, help: &str) {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        let _ = write!(self.text, "# HELP bivouac_{name} {help}\n# TYPE bivouac_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &Labels, value: f64) {
        self.text.push_str("bivouac_");
        self.text.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, escaped(value));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{close} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels, f64)>) {
        self.metric(Kind::Gauge, name, help, samples);
    }

    /// A value without labels, where it is known.
    fn single(&mut self, name: &str, help: &str, value: impl Into<Option<f64>>) {
        self.gauge(name, help, value.into().map(|value| (Vec::new(), value)));
    }
}

fn labels(labels: &[(&'static str, &dyn fmt::Display)]) -> Labels {
    labels.iter().map(|(name, value)| (*name, value.to_string())).collect()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(time: Timestamp) -> f64 {
    // Whole seconds: milliseconds of an index's time tell nobody anything.
    time.as_second() as f64
}

/// All of it. `now` is when `report` was made.
fn print(report: &StatusReport, now: Timestamp) -> String {
    let mut page = Page { text: String::new() };
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    page.gauge("build_info", "The program, by its version; always 1.", [(version, 1.0)]);
    page.single("live_generation", "Number of the generation that clients see.", report.live.map(|live| live as f64));
    page.single(
        "publishing_held",
        "Whether a rollback is live and holds publishing (1) or not (0).",
        f64::from(report.held),
    );
    repositories(&mut page, report, now);
    indexes(&mut page, report, now);
    urls(&mut page, report);
    tasks(&mut page, report);
    let keys = || report.keys_made.iter();
    page.gauge(
        "key_created_timestamp_seconds",
        "When a key that signs was made.",
        keys().map(|key| (labels(&[("key", &key.key)]), seconds(key.made))),
    );
    let most = keys().find_map(|key| key.max_age_seconds);
    page.single("key_max_age_seconds", "From which age on a key should be rotated.", most.map(|age| age as f64));
    backups(&mut page, report, now);
    bundles(&mut page, report);
    page.single(
        "store_free_bytes",
        "Bytes that may still be written to the store's disk.",
        report.space.free_bytes as f64,
    );
    page.single("store_size_bytes", "Bytes of the store's disk, used or not.", report.space.total_bytes as f64);
    page.single(
        "store_damaged_objects",
        "Objects of the pool that the last checks found damaged.",
        report.damaged_objects as f64,
    );
    page.single("metrics_written_timestamp_seconds", "When this was written.", seconds(now));
    page.text
}

fn repositories(page: &mut Page, report: &StatusReport, now: Timestamp) {
    let all = || report.repositories.iter();
    let of = |one: &RepositoryStatus| labels(&[("repository", &one.name), ("arch", &one.arch)]);
    page.gauge(
        "repository_packages",
        "Packages that the live index lists.",
        all().map(|one| (of(one), one.packages as f64)),
    );
    page.gauge(
        "repository_size_bytes",
        "Sum of the sizes of these packages.",
        all().map(|one| (of(one), one.bytes as f64)),
    );
    page.gauge(
        "repository_published_timestamp_seconds",
        "When the live index file was made.",
        all().filter_map(|one| Some((of(one), ago(one.unchanged_seconds?, now)))),
    );
    page.gauge(
        "repository_confirmed_timestamp_seconds",
        "When all indexes that it takes from were last confirmed by their sources.",
        all().filter_map(|one| Some((of(one), ago(one.age_seconds?, now)))),
    );
    page.gauge(
        "repository_stale",
        "Whether it counted as stale (1) or not (0) when this was written.",
        all().map(|one| (of(one), f64::from(one.stale))),
    );
    // Of what both a sync and an import were about, the sync tells: it publishes.
    let mut runs = BTreeMap::new();
    for task in [Task::Import, Task::Sync] {
        for one in report.tasks.iter().filter(|one| one.task == task).flat_map(|one| &one.repositories) {
            runs.insert((&one.name, &one.arch), one);
        }
    }
    let runs = || runs.values().copied();
    let of = |one: &RepositoryRun| labels(&[("repository", &one.name), ("arch", &one.arch)]);
    page.gauge(
        "repository_last_sync_failed",
        "Whether the last sync had to keep it, or one of its sources, as it was (1) or not (0).",
        runs().map(|one| (of(one), f64::from(one.failed))),
    );
    for (name, help, value) in [
        (
            "repository_last_sync_refused_packages",
            "Packages that the last sync refused or could not get.",
            (|one| one.refused) as fn(&RepositoryRun) -> u64,
        ),
        ("repository_last_sync_carried_packages", "Packages that keep a former version.", |one| one.carried),
        ("repository_last_sync_shadowed_packages", "Packages that lost to another source.", |one| one.shadowed),
        (
            "repository_last_sync_shadowed_newer_packages",
            "Of those, packages that are newer than what is supplied.",
            |one| one.shadowed_newer,
        ),
    ] {
        page.gauge(name, help, runs().map(|one| (of(one), value(one) as f64)));
    }
}

/// The moment so many seconds before.
fn ago(age: u64, now: Timestamp) -> f64 {
    seconds(now) - age as f64
}

fn indexes(page: &mut Page, report: &StatusReport, now: Timestamp) {
    // Several repositories may take from one index.
    let mut all: Vec<_> = report.repositories.iter().flat_map(|one| &one.indexes).collect();
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all.dedup_by(|a, b| a.key == b.key);
    let all = || all.iter();
    let of =
        |one: &IndexStatus| labels(&[("source", &one.key.source), ("path", &one.key.path), ("arch", &one.key.arch)]);
    page.gauge(
        "index_confirmed_timestamp_seconds",
        "When a URL of the source last confirmed the index in force.",
        all().filter_map(|one| Some((of(one), ago(one.age_seconds?, now)))),
    );
    page.gauge(
        "index_changed_timestamp_seconds",
        "When the index in force was first seen.",
        all().filter_map(|one| Some((of(one), ago(one.unchanged_seconds?, now)))),
    );
    page.gauge(
        "index_stale_after_seconds",
        "How long after its last confirmation it counts as stale.",
        all().map(|one| (of(one), one.stale_after_seconds as f64)),
    );
    page.gauge(
        "index_lagging_since_timestamp_seconds",
        "Since when no URL has the index in force, but one from before; absent where one has.",
        all().filter_map(|one| Some((of(one), seconds(one.lagging.as_ref()?.since)))),
    );
    page.gauge(
        "index_frozen",
        "Whether upstream's index has not changed for longer than frozen_after (1) or has (0).",
        all().map(|one| (of(one), f64::from(one.frozen))),
    );
    page.gauge(
        "index_held_signers",
        "New signers of it that wait for somebody to accept them.",
        all().map(|one| (of(one), one.held_signers.len() as f64)),
    );
}

fn urls(page: &mut Page, report: &StatusReport) {
    let mut seen: BTreeMap<(String, &str), Vec<_>> = BTreeMap::new();
    let mut keys = BTreeSet::new();
    for index in report.repositories.iter().flat_map(|one| &one.indexes).filter(|one| keys.insert(&one.key)) {
        for (url, what) in &index.urls {
            seen.entry((index.key.source.to_string(), url)).or_default().push(*what);
        }
    }
    let of = |(source, url): &(String, &str)| labels(&[("source", source), ("url", url)]);
    page.gauge(
        "url_up",
        "Whether the URL had every index (1) when it was last asked, or did not answer for some (0).",
        seen.iter().map(|(url, all)| (of(url), f64::from(all.iter().all(|one| one.had != UrlHad::Away)))),
    );
    page.gauge(
        "url_lagging_indexes",
        "Indexes of which the URL had a state from before what was in force.",
        seen.iter().map(|(url, all)| (of(url), all.iter().filter(|one| one.had == UrlHad::Lagging).count() as f64)),
    );
    page.gauge(
        "url_checked_timestamp_seconds",
        "When the URL was last asked.",
        seen.iter().filter_map(|(url, all)| Some((of(url), seconds(all.iter().map(|one| one.time).max()?)))),
    );
}

fn tasks(page: &mut Page, report: &StatusReport) {
    let all = || report.tasks.iter();
    let of = |one: &TaskStatus| labels(&[("task", &one.task)]);
    page.gauge(
        "task_last_start_timestamp_seconds",
        "When the last run began.",
        all().map(|one| (of(one), seconds(one.started))),
    );
    page.gauge(
        "task_last_success_timestamp_seconds",
        "When the last run began that was without trouble.",
        all().filter_map(|one| Some((of(one), seconds(one.last_success?)))),
    );
    page.gauge("task_last_duration_seconds", "How long the last run took.", all().map(|one| (of(one), one.seconds)));
    page.gauge(
        "task_last_exit_code",
        "What the last run exited with.",
        all().map(|one| (of(one), f64::from(one.exit))),
    );
    page.metric(
        Kind::Counter,
        "task_runs_total",
        "Runs by what they exited with.",
        all().flat_map(|one| {
            one.ended.iter().map(|(code, count)| (labels(&[("task", &one.task), ("exit_code", code)]), *count as f64))
        }),
    );
    if report.tasks.is_empty() {
        return;
    }
    let sum = |value: fn(&TaskStatus) -> u64| all().map(value).sum::<u64>() as f64;
    for (name, help, value) in [
        ("fetched_packages_total", "Packages that came over the wire.", sum(|one| one.totals.fetched_packages)),
        ("fetched_bytes_total", "Their bytes.", sum(|one| one.totals.fetched_bytes)),
        (
            "refused_packages_total",
            "Packages that were refused or did not come.",
            sum(|one| one.totals.refused_packages),
        ),
    ] {
        page.metric(Kind::Counter, name, help, [(Vec::new(), value)]);
    }
}

fn backups(page: &mut Page, report: &StatusReport, now: Timestamp) {
    let all = || report.backups.iter();
    let of = |one: &BackupStatus| labels(&[("backup", &one.name)]);
    page.gauge(
        "backup_last_timestamp_seconds",
        "When the last backup ended.",
        all().filter_map(|one| Some((of(one), ago(one.age_seconds?, now)))),
    );
    page.gauge(
        "backup_damaged_objects",
        "Objects that a check found damaged in its target.",
        all().map(|one| (of(one), one.damaged as f64)),
    );
    page.gauge(
        "backup_drill_duration_seconds",
        "How long the last restore took that was tried: the recovery time.",
        all().filter_map(|one| Some((of(one), one.drill_seconds?))),
    );
    page.gauge(
        "backup_drill_timestamp_seconds",
        "When a restore was last tried.",
        all().filter_map(|one| Some((of(one), ago(one.drill_age_seconds?, now)))),
    );
}

fn bundles(page: &mut Page, report: &StatusReport) {
    let all = || report.bundles.iter();
    let of = |one: &BundlesStatus| labels(&[("source", &one.source)]);
    page.gauge(
        "bundle_made_timestamp_seconds",
        "When the bundle in force was made.",
        all().filter_map(|one| Some((of(one), seconds(one.in_force.as_ref()?.time)))),
    );
    page.gauge(
        "bundle_stale_after_seconds",
        "How long after that its source counts as stale.",
        all().map(|one| (of(one), one.stale_after_seconds as f64)),
    );
    page.gauge(
        "bundles_pending",
        "Bundles of which something is still missing.",
        all().map(|one| (of(one), one.pending.len() as f64)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_label_cannot_end_it() {
        let mut page = Page { text: String::new() };
        page.gauge("x", "h", [(labels(&[("url", &"a\"b\\c\nd"), ("arch", &"x86_64")]), 1.5)]);
        page.gauge("none", "h", []);
        page.single("y_bytes", "h", 9_007_199_254_740_992.0);
        assert_eq!(
            page.text,
            "# HELP bivouac_x h\n# TYPE bivouac_x gauge\nbivouac_x{url=\"a\\\"b\\\\c\\nd\",arch=\"x86_64\"} 1.5\n\
             # HELP bivouac_y_bytes h\n# TYPE bivouac_y_bytes gauge\nbivouac_y_bytes 9007199254740992\n"
        );
    }
}
