//! Progress in a pipe or a journal: a line for what happened, and at most one line of running totals every few seconds.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bivouac::apk::{Arch, PackageFile, RepositoryName, SourceName, TreeName};
use bivouac::report::{Reporter, Work};

use super::{Detail, bytes, doing, done, index_name, line};

/// Between two lines of running totals.
const PAUSE: Duration = Duration::from_secs(5);

/// Prints lines.
pub(super) struct Lines {
    detail: Detail,
    totals: Mutex<Totals>,
}

struct Totals {
    verb: &'static str,
    noun: &'static str,
    packages: u64,
    bytes: u64,
    of_packages: u64,
    of_bytes: u64,
    last: Instant,
}

impl Totals {
    /// Nothing yet of what is to be `verb`.
    fn of(verb: &'static str, noun: &'static str, now: Instant) -> Totals {
        Totals { verb, noun, packages: 0, bytes: 0, of_packages: 0, of_bytes: 0, last: now }
    }

    /// The line of running totals, if one is due.
    fn due(&mut self, now: Instant) -> Option<String> {
        if now.duration_since(self.last) < PAUSE {
            return None;
        }
        self.last = now;
        let Totals { verb, packages, of_packages, noun, .. } = self;
        let (done, of) = (bytes(self.bytes), bytes(self.of_bytes));
        Some(format!("{verb} {packages} of {of_packages} {noun}, {done} of {of}"))
    }
}

impl Lines {
    pub(super) fn new(detail: Detail) -> Lines {
        Lines { detail, totals: Mutex::new(Totals::of("fetched", "packages", Instant::now())) }
    }

    fn count(&self, change: impl FnOnce(&mut Totals)) {
        // Poisoned or not, these are only numbers to show.
        let mut totals = self.totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut totals);
        let due = totals.due(Instant::now());
        drop(totals);
        if let Some(text) = due {
            line(text);
        }
    }
}

impl Reporter for Lines {
    fn index_unchanged(&self, source: &SourceName, path: &str, arch: &Arch) {
        if self.detail == Detail::EveryPackage {
            line(format_args!("{}: unchanged", index_name(source, path, arch)));
        }
    }

    fn index_verified(&self, source: &SourceName, path: &str, arch: &Arch, packages: u64) {
        line(format_args!("{}: verified, {packages} packages", index_name(source, path, arch)));
    }

    fn index_failed(&self, _source: &SourceName, _path: &str, _arch: &Arch, reason: &str) {
        // It stands again at the end, with its causes and what was kept; here only for those who watch closely.
        if self.detail == Detail::EveryPackage {
            line(format_args!("warning: {reason}"));
        }
    }

    fn index_lags(&self, source: &SourceName, path: &str, arch: &Arch, reason: &str) {
        // Another URL has what is newer: nobody need do anything.
        if self.detail == Detail::EveryPackage {
            line(format_args!("{}: {reason}; the next URL is asked", index_name(source, path, arch)));
        }
    }

    fn fetch_planned(&self, packages: u64, size: u64) {
        if packages > 0 {
            line(format_args!("fetching {packages} packages, {}", bytes(size)));
        }
        self.count(|totals| {
            totals.of_packages += packages;
            totals.of_bytes += size;
            totals.last = Instant::now();
        });
    }

    fn bytes_fetched(&self, bytes: u64) {
        self.count(|totals| totals.bytes += bytes);
    }

    fn package_stored(&self, file: &PackageFile) {
        if self.detail == Detail::EveryPackage {
            line(file);
        }
        self.count(|totals| totals.packages += 1);
    }

    fn package_failed(&self, file: &PackageFile, reason: &str) {
        line(format_args!("warning: {file}: {reason}"));
    }

    fn retrying(&self, what: &str, reason: &str, attempt: u32, wait_ms: u64) {
        line(format_args!("{what}: {reason}; attempt {attempt} failed, the next in {wait_ms} ms"));
    }

    fn work_begun(&self, work: Work, objects: u64, size: u64) {
        if objects > 0 {
            line(format_args!("{} {objects} objects, {}", doing(work), bytes(size)));
        }
        self.count(|totals| {
            *totals =
                Totals { of_packages: objects, of_bytes: size, ..Totals::of(done(work), "objects", Instant::now()) };
        });
    }

    fn object_done(&self, bytes: u64) {
        self.count(|totals| {
            totals.bytes += bytes;
            totals.packages += 1;
        });
    }

    fn repository_signed(&self, name: &RepositoryName, arch: &Arch, packages: u64) {
        line(format_args!("{name}/{arch}: signed, {packages} packages"));
    }

    fn generation_live(&self, number: u64) {
        line(format_args!("generation {number} is live"));
    }

    fn generation_beside(&self, name: &TreeName, number: u64) {
        line(format_args!("generation {number} is at @{name}"));
    }

    fn warning(&self, message: &str) {
        line(format_args!("warning: {message}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_told_once_in_a_while() {
        let start = Instant::now();
        let mut totals = Totals::of("fetched", "packages", start);
        (totals.packages, totals.bytes, totals.of_packages, totals.of_bytes) = (3, 1024, 9, 4096);
        assert_eq!(totals.due(start), None);
        assert_eq!(totals.due(start + PAUSE / 2), None);
        let line = "fetched 3 of 9 packages, 1.0 KiB of 4.0 KiB";
        assert_eq!(totals.due(start + PAUSE).as_deref(), Some(line));
        assert_eq!(totals.due(start + PAUSE), None);
        assert_eq!(totals.due(start + PAUSE * 2).as_deref(), Some(line));
    }
}
