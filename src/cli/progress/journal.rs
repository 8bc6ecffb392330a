//! `--log json`: one JSON value a line, `{"event": …, …}`, for journals and tests. Keys only grow.

use bivouac::apk::{Arch, PackageFile, RepositoryName, SourceName, TreeName};
use bivouac::report::{Reporter, Work};
use serde_json::{Value, json};

/// Prints every event but the bytes as they come.
pub(super) struct Journal(());

impl Journal {
    pub(super) fn new() -> Journal {
        Journal(())
    }

    fn tell(&self, value: &Value) {
        super::line(value);
    }
}

impl Reporter for Journal {
    fn index_requested(&self, source: &SourceName, path: &str, arch: &Arch) {
        self.tell(&json!({"event": "index_requested", "source": source, "path": path, "arch": arch}));
    }

    fn index_unchanged(&self, source: &SourceName, path: &str, arch: &Arch) {
        self.tell(&json!({"event": "index_unchanged", "source": source, "path": path, "arch": arch}));
    }

    fn index_verified(&self, source: &SourceName, path: &str, arch: &Arch, packages: u64) {
        self.tell(&json!({
            "event": "index_verified", "source": source, "path": path, "arch": arch, "packages": packages,
        }));
    }

    fn index_failed(&self, source: &SourceName, path: &str, arch: &Arch, reason: &str) {
        self.tell(&json!({
            "event": "index_failed", "source": source, "path": path, "arch": arch, "reason": reason,
        }));
    }

    fn index_lags(&self, source: &SourceName, path: &str, arch: &Arch, reason: &str) {
        self.tell(&json!({"event": "index_lags", "source": source, "path": path, "arch": arch, "reason": reason}));
    }

    fn fetch_planned(&self, packages: u64, bytes: u64) {
        self.tell(&json!({"event": "fetch_planned", "packages": packages, "bytes": bytes}));
    }

    fn package_stored(&self, file: &PackageFile) {
        self.tell(&json!({"event": "package_stored", "file": file.as_str()}));
    }

    fn package_failed(&self, file: &PackageFile, reason: &str) {
        self.tell(&json!({"event": "package_failed", "file": file.as_str(), "reason": reason}));
    }

    fn retrying(&self, what: &str, reason: &str, attempt: u32, wait_ms: u64) {
        self.tell(&json!({
            "event": "retrying", "what": what, "reason": reason, "attempt": attempt, "wait_ms": wait_ms,
        }));
    }

    fn fetch_done(&self) {
        self.tell(&json!({"event": "fetch_done"}));
    }

    fn work_begun(&self, work: Work, objects: u64, bytes: u64) {
        self.tell(&json!({"event": format!("{}_begun", work.as_str()), "objects": objects, "bytes": bytes}));
    }

    fn work_done(&self, work: Work) {
        self.tell(&json!({"event": format!("{}_done", work.as_str())}));
    }

    fn repository_signed(&self, name: &RepositoryName, arch: &Arch, packages: u64) {
        self.tell(&json!({"event": "repository_signed", "name": name, "arch": arch, "packages": packages}));
    }

    fn generation_live(&self, number: u64) {
        self.tell(&json!({"event": "generation_live", "number": number}));
    }

    fn generation_beside(&self, name: &TreeName, number: u64) {
        self.tell(&json!({"event": "generation_beside", "name": name, "number": number}));
    }

    fn warning(&self, message: &str) {
        self.tell(&json!({"event": "warning", "message": message}));
    }
}
