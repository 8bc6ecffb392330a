//! Progress on a terminal: one bar for all packages (bytes, packages, speed, time left), messages above it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bivouac::apk::{Arch, PackageFile, RepositoryName, SourceName, TreeName};
use bivouac::report::{Reporter, Work};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Detail, bytes, doing, index_name};

const BAR: &str = "{bar:24} {binary_bytes:>10} of {binary_total_bytes}  {msg}  {binary_bytes_per_sec}, {eta} left";

/// Draws a bar.
pub(super) struct Bars {
    detail: Detail,
    bar: ProgressBar,
    packages: AtomicU64,
    of_packages: AtomicU64,
}

impl Bars {
    pub(super) fn new(detail: Detail) -> Bars {
        let bar = ProgressBar::new(0);
        bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("this template is fixed and right"));
        Bars { detail, bar, packages: AtomicU64::new(0), of_packages: AtomicU64::new(0) }
    }

    fn say(&self, text: std::fmt::Arguments<'_>) {
        self.bar.suspend(|| super::line(text));
    }

    /// So many more are to come.
    fn begin(&self, count: u64, size: u64) {
        self.of_packages.fetch_add(count, Ordering::Relaxed);
        self.bar.set_style(
            ProgressStyle::with_template(BAR).expect("this template is fixed and right").progress_chars("=> "),
        );
        self.bar.reset_eta();
        self.bar.inc_length(size);
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    fn show(&self, what: &str) {
        let (done, of) = (self.packages.load(Ordering::Relaxed), self.of_packages.load(Ordering::Relaxed));
        self.bar.set_message(format!("{done}/{of} {what}"));
    }
}

impl Reporter for Bars {
    fn index_requested(&self, source: &SourceName, path: &str, arch: &Arch) {
        self.bar.set_message(format!("asking for {}", index_name(source, path, arch)));
        self.bar.tick();
    }

    fn index_unchanged(&self, source: &SourceName, path: &str, arch: &Arch) {
        if self.detail == Detail::EveryPackage {
            self.say(format_args!("{}: unchanged", index_name(source, path, arch)));
        }
    }

    fn index_verified(&self, source: &SourceName, path: &str, arch: &Arch, packages: u64) {
        self.say(format_args!("{}: verified, {packages} packages", index_name(source, path, arch)));
    }

    fn index_failed(&self, _source: &SourceName, _path: &str, _arch: &Arch, reason: &str) {
        // It stands again at the end, with its causes and what was kept; here only for those who watch closely.
        if self.detail == Detail::EveryPackage {
            self.say(format_args!("warning: {reason}"));
        }
    }

    fn index_lags(&self, source: &SourceName, path: &str, arch: &Arch, reason: &str) {
        // Another URL has what is newer: nobody need do anything.
        if self.detail == Detail::EveryPackage {
            self.say(format_args!("{}: {reason}; the next URL is asked", index_name(source, path, arch)));
        }
    }

    fn fetch_planned(&self, packages: u64, size: u64) {
        if packages == 0 {
            return;
        }
        self.say(format_args!("fetching {packages} packages, {}", bytes(size)));
        self.begin(packages, size);
        self.show("packages");
    }

    fn bytes_fetched(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn package_stored(&self, file: &PackageFile) {
        if self.detail == Detail::EveryPackage {
            self.say(format_args!("{file}"));
        }
        self.packages.fetch_add(1, Ordering::Relaxed);
        self.show("packages");
    }

    fn package_failed(&self, file: &PackageFile, reason: &str) {
        self.say(format_args!("warning: {file}: {reason}"));
    }

    fn retrying(&self, what: &str, reason: &str, attempt: u32, wait_ms: u64) {
        self.say(format_args!("{what}: {reason}; attempt {attempt} failed, the next in {wait_ms} ms"));
    }

    fn fetch_done(&self) {
        self.bar.finish_and_clear();
    }

    fn work_begun(&self, work: Work, objects: u64, size: u64) {
        if objects > 0 {
            self.say(format_args!("{} {objects} objects, {}", doing(work), bytes(size)));
        }
        self.begin(objects, size);
        self.show("objects");
    }

    fn object_done(&self, bytes: u64) {
        self.bar.inc(bytes);
        self.packages.fetch_add(1, Ordering::Relaxed);
        self.show("objects");
    }

    fn work_done(&self, _work: Work) {
        self.bar.finish_and_clear();
    }

    fn repository_signed(&self, name: &RepositoryName, arch: &Arch, packages: u64) {
        self.say(format_args!("{name}/{arch}: signed, {packages} packages"));
    }

    fn generation_live(&self, number: u64) {
        self.say(format_args!("generation {number} is live"));
    }

    fn generation_beside(&self, name: &TreeName, number: u64) {
        self.say(format_args!("generation {number} is at @{name}"));
    }

    fn warning(&self, message: &str) {
        self.say(format_args!("warning: {message}"));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        // A run that ended early leaves no half bar behind.
        self.bar.finish_and_clear();
    }
}
