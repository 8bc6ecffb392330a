//! Tells systemd how far a run is, beside whoever else listens: `systemctl status` shows it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bivouac::apk::{Arch, PackageFile, RepositoryName, SourceName, TreeName};
use bivouac::ops::service::{self, Word};
use bivouac::report::{Reporter, Work};

use super::{doing, index_name};

/// Between two lines about packages.
const PAUSE: Duration = Duration::from_secs(1);

/// Hears everything first, and passes it on.
pub(super) struct Service {
    inner: Arc<dyn Reporter>,
    verb: Mutex<String>,
    done: AtomicU64,
    of: AtomicU64,
    last: Mutex<Option<Instant>>,
}

impl Service {
    pub(super) fn before(inner: Arc<dyn Reporter>) -> Service {
        let (done, of) = (AtomicU64::new(0), AtomicU64::new(0));
        Service { inner, verb: Mutex::new("syncing".to_owned()), done, of, last: Mutex::new(None) }
    }

    fn say(&self, line: String) {
        service::tell(&[Word::Status(line)]);
    }

    fn begin(&self, verb: &str, count: u64) {
        *self.verb.lock().unwrap_or_else(PoisonError::into_inner) = verb.to_owned();
        self.of.fetch_add(count, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn count(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let of = self.of.load(Ordering::Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if done == of || last.is_none_or(|last| last.elapsed() >= PAUSE) {
            *last = Some(Instant::now());
            self.say(format!("{} {done}/{of}", self.verb.lock().unwrap_or_else(PoisonError::into_inner)));
        }
    }
}

impl Reporter for Service {
    fn index_requested(&self, source: &SourceName, path: &str, arch: &Arch) {
        self.say(format!("asking for {}", index_name(source, path, arch)));
        self.inner.index_requested(source, path, arch);
    }

    fn index_unchanged(&self, source: &SourceName, path: &str, arch: &Arch) {
        self.inner.index_unchanged(source, path, arch);
    }

    fn index_verified(&self, source: &SourceName, path: &str, arch: &Arch, packages: u64) {
        // The packages that follow are those of the indexes that were verified; of several, the last one is named.
        *self.verb.lock().unwrap_or_else(PoisonError::into_inner) =
            format!("syncing {} {arch}", if path.is_empty() { source.as_str() } else { path });
        self.inner.index_verified(source, path, arch, packages);
    }

    fn index_failed(&self, source: &SourceName, path: &str, arch: &Arch, reason: &str) {
        self.inner.index_failed(source, path, arch, reason);
    }

    fn index_lags(&self, source: &SourceName, path: &str, arch: &Arch, reason: &str) {
        self.inner.index_lags(source, path, arch, reason);
    }

    fn fetch_planned(&self, packages: u64, bytes: u64) {
        let verb = self.verb.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.begin(&verb, packages);
        self.inner.fetch_planned(packages, bytes);
    }

    fn bytes_fetched(&self, bytes: u64) {
        self.inner.bytes_fetched(bytes);
    }

    fn package_stored(&self, file: &PackageFile) {
        self.count();
        self.inner.package_stored(file);
    }

    fn package_failed(&self, file: &PackageFile, reason: &str) {
        self.inner.package_failed(file, reason);
    }

    fn retrying(&self, what: &str, reason: &str, attempt: u32, wait_ms: u64) {
        self.inner.retrying(what, reason, attempt, wait_ms);
    }

    fn fetch_done(&self) {
        self.inner.fetch_done();
    }

    fn repository_signed(&self, name: &RepositoryName, arch: &Arch, packages: u64) {
        self.say(format!("signed {name}/{arch}"));
        self.inner.repository_signed(name, arch, packages);
    }

    fn generation_live(&self, number: u64) {
        self.say(format!("generation {number} is live"));
        self.inner.generation_live(number);
    }

    fn generation_beside(&self, name: &TreeName, number: u64) {
        self.inner.generation_beside(name, number);
    }

    fn work_begun(&self, work: Work, objects: u64, bytes: u64) {
        self.begin(doing(work), objects);
        self.inner.work_begun(work, objects, bytes);
    }

    fn object_done(&self, bytes: u64) {
        self.count();
        self.inner.object_done(bytes);
    }

    fn work_done(&self, work: Work) {
        self.inner.work_done(work);
    }

    fn warning(&self, message: &str) {
        self.inner.warning(message);
    }
}
