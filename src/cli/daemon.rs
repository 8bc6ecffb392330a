//! `bivouac daemon`: the schedule of the configuration, and the server where it asks for one.

use std::cell::Cell;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bivouac::config::Config;
use bivouac::config::Current;
use bivouac::jobs::serve::At;
use bivouac::jobs::{Task, runs};
use bivouac::ops::daemon::{self, Ended, Listener, Setup};
use bivouac::ops::service;
use jiff::Timestamp;

use super::after::Begun;
use super::aside::Aside;
use super::global::LogForm;
use super::stop::Signal;
use super::{Failure, Global, Outcome, config, progress, serve, sync};

/// Longest time before the clock is looked at again: so late a task may be after the clock was set.
const TICK: Duration = Duration::from_secs(10);

/// Arguments of `daemon`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Runs what [schedule] says, each task as a command of its own and never beside itself. What was missed while it was away is \
    made up for once. Serves the public tree, too, where [serve] names an address or systemd hands over a socket. SIGHUP reads \
    the configuration anew; SIGTERM stops it, and whatever it started, at once: nothing is lost.")]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, _args: Args) -> Result<Outcome, Failure> {
    // Before there is another thread.
    let socket = service::listener();
    let found = config::load_unspread(global)?;
    let at = socket.map(At::Socket).or(found.serve.listen.map(At::Address));
    if found.schedule.is_none() && at.is_none() {
        return Err(Failure::usage(format_args!(
            "{} has nothing for a daemon: neither [schedule] nor [serve] listen",
            found.file.display()
        ))
        .hint("[schedule] with sync = \"17 */4 * * *\" syncs every four hours"));
    }
    let ran = match runs::last_started(&found) {
        Ok(ran) => ran,
        // Nothing was stored yet, or it cannot be read: then each task waits for its time.
        Err(error) => {
            progress::warn(global, format_args!("how tasks ended before is not known: {error}"));
            Vec::new()
        }
    };
    let program = super::program()?.path;
    let file = found.file.clone();
    let current = Current::new(found);
    let server = current.clone();
    let told = Told::new(global, current.clone());
    super::block_on_unwatched(async {
        let mut entrance = None;
        if let Some(at) = at {
            let server = serve::listen(global, &server, at).await?;
            entrance = Some(Arc::clone(server.entrance()));
            tokio::spawn(async move { server.run().await });
        }
        let mut chance = chance;
        let setup = Setup {
            config: current,
            program,
            arguments: arguments(global, &file),
            stdout: &|| stdout(global),
            clock: || sync::timestamp().unwrap_or(Timestamp::UNIX_EPOCH),
            chance: &mut chance,
            ran,
            reload: &|| {
                entrance.iter().for_each(|entrance| serve::look(global, entrance));
                reload(global)
            },
            listener: &told,
            tick: tick(),
        };
        match daemon::run(setup).await {
            Ok(Ended::Interrupted) => Err(Failure::stopped(Signal::Interrupt)),
            Ok(Ended::Terminated) => Err(Failure::stopped(Signal::Terminate)),
            Err(error) => Err(Failure::host("signals cannot be listened for", &error)),
        }
    })
}

/// What every command is given: the same configuration, the same form of log, and patience with whoever is at work.
fn arguments(global: &Global, file: &std::path::Path) -> Vec<String> {
    let mut words = vec!["--config".to_owned(), file.to_string_lossy().into_owned()];
    let wait = global.wait.unwrap_or(Duration::from_secs(30 * 60));
    words.push(format!("--wait={}s", wait.as_secs()));
    if global.log == Some(LogForm::Json) {
        words.extend(["--log", "json"].map(str::to_owned));
    }
    if global.quiet {
        words.push("--quiet".to_owned());
    }
    if global.verbose {
        words.push("--verbose".to_owned());
    }
    words
}

/// Results of the runs go where everything else is told: standard output is the access log's. Beside JSON lines there is no
/// place for them; the last of those says the same.
fn stdout(global: &Global) -> Stdio {
    if global.log == Some(LogForm::Json) || global.quiet {
        return Stdio::null();
    }
    std::io::stderr().as_fd().try_clone_to_owned().map_or_else(|_| Stdio::null(), Stdio::from)
}

/// The configuration as it is now. One that cannot be used is told, and changes nothing.
fn reload(global: &Global) -> Option<Config> {
    match config::load_unspread(global) {
        Ok(config) => Some(config),
        Err(failure) => {
            failure
                .kept("the schedule stays as it was; what it starts reads this file, and fails until it is mended")
                .print(super::global::Output::Text);
            None
        }
    }
}

fn tick() -> Duration {
    #[cfg(debug_assertions)]
    if super::environment("BIVOUAC_CLOCK").is_some() {
        return Duration::from_millis(20);
    }
    TICK
}

/// A span below `most`.
fn chance(most: Duration) -> Duration {
    let mut bytes = [0; 8];
    // Without chance, everybody comes at the same time: no reason not to come.
    if getrandom::fill(&mut bytes).is_err() {
        return Duration::ZERO;
    }
    most.mul_f64(u64::from_le_bytes(bytes) as f64 / (u64::MAX as f64 + 1.0))
}

/// Something that the daemon did: its word, the exit code that it stands for, and a line.
type Said = (&'static str, u8, String);

/// A run that could not speak for itself, and by whose configuration somebody is told.
type Mute = (Arc<Config>, Task, u8, &'static str, String);

/// Tells aside, in order: neither a log that nobody takes nor a webhook that takes its time holds up the schedule.
struct Told {
    config: Current,
    said: Aside<Said>,
    mute: Aside<Mute>,
    stopping: Cell<Stopping>,
}

/// Whether runs are ended by ourselves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    Yes,
}

impl Told {
    fn new(global: &Global, config: Current) -> Told {
        let (log, news) = (global.clone(), global.clone());
        let said = Aside::new(move |(event, exit, text): Said| progress::event(&log, event, exit, text));
        let mute = Aside::new(move |(config, task, exit, code, message): Mute| match Begun::now() {
            Ok(begun) => begun.speak_for(&news, &config, &task, exit, code, &message),
            Err(failure) => progress::warn(&news, failure),
        });
        Told { config, said, mute, stopping: Cell::new(Stopping::No) }
    }

    fn say(&self, event: &'static str, exit: u8, text: String) {
        self.said.give((event, exit, text));
    }

    /// Of a run that could not speak for itself: it is remembered, measured and told from here.
    fn speak_for(&self, task: &Task, exit: u8, code: &'static str, message: String) {
        self.mute.give((self.config.get(), task.clone(), exit, code, message));
    }
}

impl Listener for Told {
    fn started(&self, task: &Task) {
        self.say("task_started", 0, format!("{task}: started"));
    }

    fn not_started(&self, task: &Task, error: &std::io::Error) {
        let text = format!("{task}: not started: {error}");
        self.say("task_not_started", 1, text.clone());
        self.speak_for(task, 1, "not-started", text);
    }

    fn ended(&self, task: &Task, status: ExitStatus) {
        let exit =
            status.code().or(status.signal().map(|signal| 128 + signal)).and_then(|code| u8::try_from(code).ok());
        let exit = exit.unwrap_or(1);
        if exit == 0 {
            return;
        }
        let text = format!("{task}: ended with {status}");
        self.say("task_ended", exit, text.clone());
        // It told all else itself; with these it had not come so far, or was ended in the middle.
        let code = match exit {
            2 => "usage",
            6 => "locked",
            129.. => "killed",
            _ => return,
        };
        if self.stopping.get() == Stopping::No {
            self.speak_for(task, exit, code, text);
        }
    }

    fn overlap(&self, task: &Task, since: Timestamp, times: u32) {
        let since = since.strftime("%Y-%m-%d %H:%M:%S UTC");
        let text = format!("{task} is due and still under way since {since}: left out this time");
        self.say("task_overlap", 0, text.clone());
        // Once may be a slow night.
        if times == 2 {
            self.speak_for(task, 6, "still-running", text);
        }
    }

    fn reloaded(&self) {
        self.say("reloaded", 0, "the configuration was read anew".to_owned());
    }

    fn stopping(&self) {
        self.stopping.set(Stopping::Yes);
        self.say("stopping", 0, "stopping".to_owned());
    }
}
