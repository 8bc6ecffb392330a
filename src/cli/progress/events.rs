//! Every event as a word, a line for people and fields: what `--log json` prints, and what systemd's journal keeps.

use bivouac::apk::{Arch, PackageFile, RepositoryName, SourceName, TreeName};
use bivouac::ops::journal::{Journal, Priority};
use bivouac::report::{Reporter, Work};
use serde_json::{Map, Value, json};

use super::{bytes, doing, index_name, line};

/// One event.
pub(super) struct Told {
    /// Stable word.
    pub(super) event: String,
    pub(super) priority: Priority,
    /// For people.
    pub(super) message: String,
    /// For machines; keys only grow.
    pub(super) fields: Map<String, Value>,
}

/// Takes events.
pub(super) trait Sink: Send + Sync {
    fn take(&self, told: Told);
}

/// Prints each as one JSON value a line, `{"event": …, …}`, on standard error.
pub(super) struct JsonLines;

impl Sink for JsonLines {
    fn take(&self, told: Told) {
        let mut value = Map::from_iter([("event".to_owned(), Value::from(told.event))]);
        value.extend(told.fields);
        line(Value::Object(value));
    }
}

/// Sends each to systemd's journal, its fields as `BIVOUAC_…`.
impl Sink for Journal {
    fn take(&self, told: Told) {
        let mut fields = vec![("BIVOUAC_EVENT".to_owned(), told.event)];
        for (name, value) in told.fields {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            fields.push((format!("BIVOUAC_{}", name.to_ascii_uppercase()), text));
        }
        let fields: Vec<(&str, String)> = fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        self.send(told.priority, &told.message, &fields);
    }
}

/// Listens to a job, and hands every event but the bytes to `S`.
pub(super) struct Events<S>(pub(super) S);

impl<S: Sink> Events<S> {
    fn tell(&self, event: impl Into<String>, priority: Priority, message: String, fields: Value) {
        let Value::Object(fields) = fields else { unreachable!("fields are an object") };
        self.0.take(Told { event: event.into(), priority, message, fields });
    }
}

impl<S: Sink> Reporter for Events<S> {
    fn index_requested(&self, source: &SourceName, path: &str, arch: &Arch) {
        let message = format!("asking for {}", index_name(source, path, arch));
        let fields = json!({"source": source, "path": path, "arch": arch});
        self.tell("index_requested", Priority::Debug, message, fields);
    }

    fn index_unchanged(&self, source: &SourceName, path: &str, arch: &Arch) {
        let message = format!("{}: unchanged", index_name(source, path, arch));
        self.tell("index_unchanged", Priority::Debug, message, json!({"source": source, "path": path, "arch": arch}));
    }

    fn index_verified(&self, source: &SourceName, path: &str, arch: &Arch, packages: u64) {
        let message = format!("{}: verified, {packages} packages", index_name(source, path, arch));
        let fields = json!({"source": source, "path": path, "arch": arch, "packages": packages});
        self.tell("index_verified", Priority::Info, message, fields);
    }

    fn index_failed(&self, source: &SourceName, path: &str, arch: &Arch, reason: &str) {
        let fields = json!({"source": source, "path": path, "arch": arch, "reason": reason});
        self.tell("index_failed", Priority::Error, reason.to_owned(), fields);
    }

    fn index_lags(&self, source: &SourceName, path: &str, arch: &Arch, reason: &str) {
        let message = format!("{}: {reason}; the next URL is asked", index_name(source, path, arch));
        let fields = json!({"source": source, "path": path, "arch": arch, "reason": reason});
        self.tell("index_lags", Priority::Info, message, fields);
    }

    fn fetch_planned(&self, packages: u64, size: u64) {
        let message = format!("fetching {packages} packages, {}", bytes(size));
        self.tell("fetch_planned", Priority::Info, message, json!({"packages": packages, "bytes": size}));
    }

    fn package_stored(&self, file: &PackageFile) {
        self.tell("package_stored", Priority::Debug, file.to_string(), json!({"file": file.as_str()}));
    }

    fn package_failed(&self, file: &PackageFile, reason: &str) {
        let fields = json!({"file": file.as_str(), "reason": reason});
        self.tell("package_failed", Priority::Warning, format!("{file}: {reason}"), fields);
    }

    fn retrying(&self, what: &str, reason: &str, attempt: u32, wait_ms: u64) {
        let message = format!("{what}: {reason}; attempt {attempt} failed, the next in {wait_ms} ms");
        let fields = json!({"what": what, "reason": reason, "attempt": attempt, "wait_ms": wait_ms});
        self.tell("retrying", Priority::Info, message, fields);
    }

    fn fetch_done(&self) {
        self.tell("fetch_done", Priority::Debug, "fetched".to_owned(), json!({}));
    }

    fn work_begun(&self, work: Work, objects: u64, size: u64) {
        let message = format!("{} {objects} objects, {}", doing(work), bytes(size));
        let fields = json!({"objects": objects, "bytes": size});
        self.tell(format!("{}_begun", work.as_str()), Priority::Info, message, fields);
    }

    fn work_done(&self, work: Work) {
        self.tell(format!("{}_done", work.as_str()), Priority::Debug, "done".to_owned(), json!({}));
    }

    fn repository_signed(&self, name: &RepositoryName, arch: &Arch, packages: u64) {
        let message = format!("{name}/{arch}: signed, {packages} packages");
        let fields = json!({"name": name, "arch": arch, "packages": packages});
        self.tell("repository_signed", Priority::Info, message, fields);
    }

    fn generation_live(&self, number: u64) {
        let message = format!("generation {number} is live");
        self.tell("generation_live", Priority::Notice, message, json!({"number": number}));
    }

    fn generation_beside(&self, name: &TreeName, number: u64) {
        let message = format!("generation {number} is at @{name}");
        self.tell("generation_beside", Priority::Notice, message, json!({"name": name, "number": number}));
    }

    fn warning(&self, message: &str) {
        self.tell("warning", Priority::Warning, message.to_owned(), json!({"message": message}));
    }
}
