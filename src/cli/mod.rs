//! The command line: one file per subcommand (its arguments, one call into the library, one result printed), and what they
//! share.
//!
//! Results go to standard output through [`out`], everything else (progress, warnings, errors) to standard error. With
//! `--json` exactly one JSON value is printed on standard output, also for a failure.

pub(crate) mod global;
pub(crate) mod failure;
pub(crate) mod out;
pub(crate) mod progress;
pub(crate) mod parse;
pub(crate) mod unknown;
pub(crate) mod stop;
mod after;
mod aside;

pub(crate) mod init;
pub(crate) mod demo;
pub(crate) mod sync;
pub(crate) mod import;
pub(crate) mod publish;
pub(crate) mod promote;
pub(crate) mod rollback;
pub(crate) mod withdraw;
pub(crate) mod snapshots;
pub(crate) mod diff;
pub(crate) mod why;
pub(crate) mod status;
pub(crate) mod history;
pub(crate) mod check;
pub(crate) mod repair;
pub(crate) mod doctor;
pub(crate) mod source;
pub(crate) mod prune;
pub(crate) mod bundle;
pub(crate) mod backup;
pub(crate) mod restore;
pub(crate) mod receipt;
pub(crate) mod client;
pub(crate) mod serve;
pub(crate) mod web_config;
pub(crate) mod audit;
pub(crate) mod daemon;
pub(crate) mod key;
mod key_package;
mod key_rotate;
pub(crate) mod config;
pub(crate) mod completions;
pub(crate) mod man;
pub(crate) mod index;
pub(crate) mod sign;
pub(crate) mod verify;

use std::num::NonZero;
use std::process::ExitCode;

use bivouac::error::Class;
use bivouac::jobs::bundle::RidingProgram;

pub(crate) use failure::Failure;
pub(crate) use global::Global;
pub(crate) use parse::parse;

/// How a command ended that could do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Done,
    /// It did its work and printed its result, and what it saw asks for this class's exit code.
    Found(Class),
}

impl Outcome {
    /// Done when there was no trouble, else the exit code of the worst.
    pub(crate) fn of(troubles: impl IntoIterator<Item = Class>) -> Outcome {
        Class::worst(troubles).map_or(Outcome::Done, Outcome::Found)
    }
}

/// The exit code of a run; a failure is printed on the way.
pub(crate) fn finish(global: &Global, result: Result<Outcome, Failure>) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Found(class)) => ExitCode::from(class.exit_code()),
        Err(failure) => {
            failure.print(global.output());
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Runs `work` to its end. SIGINT and SIGTERM end the process wherever it stands: every write of ours is one that may be cut
/// at any step.
pub(crate) fn block_on<T>(global: &Global, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime()?;
    // On a worker of its own: `work` may block its thread, waiting for a lock or the disk.
    runtime.spawn(stop::end_when_asked(global.output()));
    let result = runtime.block_on(work);
    // Whatever still runs was left behind by a failure.
    runtime.shutdown_background();
    result
}

/// The same for work that hears signals itself.
pub(crate) fn block_on_unwatched<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime()?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::host("cannot start the worker threads", &source))
}

/// The time of day. The library takes it as an argument.
#[expect(clippy::disallowed_methods, reason = "the one place where the program reads the clock")]
pub(crate) fn now() -> std::time::SystemTime {
    #[cfg(debug_assertions)]
    if let Some(time) = rehearsed_time() {
        return time;
    }
    std::time::SystemTime::now()
}

/// An environment variable. The library takes what it needs as an argument.
#[expect(clippy::disallowed_methods, reason = "the one place where the program reads its environment")]
pub(crate) fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Takes a crash test's wishes: BIVOUAC_STOP_AT_STEP=N kills the process before its N-th durable step, and
/// BIVOUAC_COUNT_STEPS=FILE adds each step's number and name to FILE. Release builds read neither.
#[cfg(debug_assertions)]
fn rehearse_crashes() {
    let stop_at = environment("BIVOUAC_STOP_AT_STEP")
        .map(|step| step.to_str().and_then(|step| step.parse().ok()).expect("a crash test names a step by its number"));
    let count_in = environment("BIVOUAC_COUNT_STEPS").map(Into::into);
    bivouac::jobs::Rehearsal { stop_at, count_in }.begin();
}

/// The time in the file that BIVOUAC_CLOCK names, for tests that would wait for hours. Release builds do not read it.
#[cfg(debug_assertions)]
fn rehearsed_time() -> Option<std::time::SystemTime> {
    let file = environment("BIVOUAC_CLOCK")?;
    let text = std::fs::read_to_string(file).expect("a test that sets the clock has written the time");
    let time: jiff::Timestamp = text.trim().parse().expect("a test writes the time as RFC 3339 has it");
    Some(std::time::SystemTime::try_from(time).expect("a test stays within all time"))
}

/// The program that is running, to be put beside what it makes.
pub(crate) fn program() -> Result<RidingProgram, Failure> {
    let path = std::env::current_exe().map_err(|error| Failure::host("cannot tell which program this is", &error))?;
    let (version, arch, os) = (env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS);
    Ok(RidingProgram { path, about: format!("bivouac {version} for {arch} {os}") })
}

/// As many threads as this host runs at once.
pub(crate) fn threads() -> NonZero<usize> {
    std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}
