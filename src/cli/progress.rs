//! Listens to jobs for a person: bars on a terminal, lines with fields in systemd's journal, plain lines in a pipe, JSON lines
//! with `--log json`. But for the journal all of it goes to standard error; that it cannot be written stops nothing.

mod bars;
mod events;
mod lines;
mod service;

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bivouac::apk::{Arch, SourceName};
use bivouac::ops::journal::{self, Journal, Priority};
pub(crate) use bivouac::report::bytes;
use bivouac::report::{Reporter, Silent, Work};
use serde_json::{Map, Value};

use super::global::LogForm;
use super::{Global, environment};
use events::{Events, JsonLines, Sink as _, Told};

/// The listener that this run's flags and its standard error ask for.
pub(crate) fn reporter(global: &Global) -> Arc<dyn Reporter> {
    let detail = if global.verbose { Detail::EveryPackage } else { Detail::Progress };
    let reporter: Arc<dyn Reporter> = match (global.log, systemd_journal()) {
        (Some(LogForm::Json), _) => Arc::new(Events(JsonLines)),
        (None, _) if global.quiet => Arc::new(Silent),
        (None, Some(journal)) => Arc::new(Events(journal)),
        (None, None) if io::stderr().is_terminal() => Arc::new(bars::Bars::new(detail)),
        (None, None) => Arc::new(lines::Lines::new(detail)),
    };
    match environment("NOTIFY_SOCKET") {
        Some(_) => Arc::new(service::Service::before(reporter)),
        None => reporter,
    }
}

/// The journal, where our standard error is connected to it (systemd.exec(5), `$JOURNAL_STREAM`: device and inode).
fn systemd_journal() -> Option<Journal> {
    let stream = environment("JOURNAL_STREAM")?;
    let (device, inode) = stream.to_str()?.split_once(':')?;
    let stderr = std::fs::metadata("/proc/self/fd/2").ok()?;
    if device.parse() != Ok(stderr.dev()) || inode.parse() != Ok(stderr.ino()) {
        return None;
    }
    #[cfg(debug_assertions)]
    let path = environment("BIVOUAC_JOURNAL").map_or_else(|| PathBuf::from(journal::SOCKET), PathBuf::from);
    #[cfg(not(debug_assertions))]
    let path = PathBuf::from(journal::SOCKET);
    Journal::connect(&path).ok()
}

/// Something that the daemon did; of importance where the exit code that it stands for is not 0.
pub(crate) fn event(global: &Global, event: &str, exit: u8, text: String) {
    let priority = if exit == 0 { Priority::Info } else { Priority::Error };
    let fields = Map::from_iter([("message".to_owned(), Value::from(text.clone()))]);
    let told = Told { event: event.to_owned(), priority, message: text, fields };
    if let Some(Told { message, .. }) = with_fields(global, told)
        && !(global.quiet && exit == 0)
    {
        line(message);
    }
}

/// The last line of a run, for those who read lines: its task, how it ended, and what came of it. A person has read it already.
pub(crate) fn run_done(global: &Global, exit: u8, summary: String, fields: Map<String, Value>) {
    let priority = if exit == 0 { Priority::Notice } else { Priority::Error };
    with_fields(global, Told { event: "run_done".to_owned(), priority, message: summary, fields });
}

/// Hands an event to those who read its fields; it comes back where nobody does.
fn with_fields(global: &Global, told: Told) -> Option<Told> {
    match (global.log, systemd_journal()) {
        (Some(LogForm::Json), _) => JsonLines.take(told),
        (None, Some(journal)) => journal.take(told),
        (None, None) => return Some(told),
    }
    None
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// What goes on, and what goes wrong.
    Progress,
    /// And a line for each package.
    EveryPackage,
}

/// A warning outside any job.
pub(crate) fn warn(global: &Global, message: impl Display) {
    match global.log {
        Some(LogForm::Json) => Events(JsonLines).warning(&message.to_string()),
        None if global.quiet => {}
        None => line(format_args!("warning: {message}")),
    }
}

/// Counts bytes read where there is a person to see it.
pub(crate) struct Reading(indicatif::ProgressBar);

impl Reading {
    /// Counts from 0 on a terminal; elsewhere it stays silent, because the result comes at once or says how much it was.
    pub(crate) fn start(global: &Global) -> Reading {
        if global.quiet || global.log.is_some() || !io::stderr().is_terminal() {
            return Reading(indicatif::ProgressBar::hidden());
        }
        let bar = indicatif::ProgressBar::new_spinner();
        let style = indicatif::ProgressStyle::with_template("{spinner} {binary_bytes} read, {binary_bytes_per_sec}");
        bar.set_style(style.expect("this template is fixed and right"));
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Reading(bar)
    }

    /// So many more.
    pub(crate) fn read(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A source's index as it is called in the configuration: `alpine:v3.23/main/x86_64`, or `corp/x86_64` for a source's top.
fn index_name(source: &SourceName, path: &str, arch: &Arch) -> String {
    if path.is_empty() { format!("{source}/{arch}") } else { format!("{source}:{path}/{arch}") }
}

/// A line outside any job.
pub(crate) fn note(text: impl Display) {
    line(text);
}

/// One line on standard error, in one write, so that lines of several threads do not mix.
fn line(text: impl Display) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// What is being done, as a line begins with it.
fn doing(work: Work) -> &'static str {
    match work {
        Work::Bundle => "packing",
        Work::Backup => "storing",
        Work::Restore => "restoring",
        Work::Repair => "repairing",
    }
}

/// And what is done with so many so far.
fn done(work: Work) -> &'static str {
    match work {
        Work::Bundle => "packed",
        Work::Backup => "stored",
        Work::Restore => "restored",
        Work::Repair => "repaired",
    }
}
