//! The schedule in one process. Each task is a command of its own, the very one that a timer would start: a run that is killed,
//! or goes wrong in any way, is no trouble of the daemon's, and what it held goes with it.
//!
//! ```text
//! due ──▶ start `bivouac … sync`; never the same beside itself ──▶ ended
//! SIGHUP  ──▶ the configuration is read anew, for whatever starts from then on
//! SIGTERM ──▶ the runs under way are told to stop, and stop where they are
//! ```
//!
//! What always holds: a time that passed while nobody was there is caught up with once; a clock that is set makes nothing run
//! twice. Waiting never takes longer than [`Setup::tick`] before the clock is looked at again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::agenda::{self, Agenda};
use super::service::{self, Word};
use crate::config::{Config, Current};
use crate::jobs::Task;

/// A span below the one that is given, by chance.
pub type Chance<'c> = dyn FnMut(Duration) -> Duration + 'c;

/// After so long a run that was told to stop is killed.
const GRACE: Duration = Duration::from_secs(10);

/// What a daemon needs to know.
pub struct Setup<'s> {
    /// The configuration in use.
    pub config: Current,
    /// This program.
    pub program: PathBuf,
    /// What every command of it is given first: the configuration's place, the log's form.
    pub arguments: Vec<String>,
    /// Where standard output of the runs goes; it is asked for each.
    pub stdout: &'s dyn Fn() -> Stdio,
    /// The time of day.
    pub clock: fn() -> Timestamp,
    /// Chance, for jitter.
    pub chance: &'s mut Chance<'s>,
    /// When each task began last.
    pub ran: Vec<(Task, Timestamp)>,
    /// Reads the configuration anew; a refusal is told already.
    pub reload: &'s dyn Fn() -> Option<Config>,
    /// Hears what happens.
    pub listener: &'s dyn Listener,
    /// Longest wait between two looks at the clock.
    pub tick: Duration,
}

/// Hears what a daemon does.
pub trait Listener {
    /// A task's command was started.
    fn started(&self, _task: &Task) {}
    /// It was not.
    fn not_started(&self, _task: &Task, _error: &std::io::Error) {}
    /// It ended so.
    fn ended(&self, _task: &Task, _status: ExitStatus) {}
    /// A task is due and still under way since then, so many times by now.
    fn overlap(&self, _task: &Task, _since: Timestamp, _times: u32) {}
    /// Another configuration is in use.
    fn reloaded(&self) {}
    /// It stops.
    fn stopping(&self) {}
}

/// Why a daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

/// A run under way.
struct Running {
    since: Timestamp,
    /// How often it was due meanwhile.
    overlaps: u32,
    /// Tells it to stop.
    stop: tokio::sync::watch::Sender<Stop>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    Asked,
}

/// What the runs report.
enum Event {
    NotStarted(Task, std::io::Error),
    Command(Task, ExitStatus),
    Done(Task),
}

struct Daemon<'s> {
    setup: Setup<'s>,
    agenda: Agenda,
    running: BTreeMap<Task, Running>,
    events: mpsc::UnboundedSender<Event>,
}

/// Runs the schedule until a signal ends it. An error: signals cannot be listened for.
pub async fn run(setup: Setup<'_>) -> std::io::Result<Ended> {
    // Before anybody hears that this is ready.
    let (mut hangup, mut interrupt, mut terminate) =
        (signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (events, mut reported) = mpsc::unbounded_channel();
    let now = (setup.clock)();
    let agenda = Agenda::of(setup.config.get().schedule.as_ref(), &setup.ran, now, setup.chance);
    let mut daemon = Daemon { setup, agenda, running: BTreeMap::new(), events };
    let watchdog = service::watchdog();
    service::tell(&[Word::Ready, daemon.status()]);
    loop {
        let now = (daemon.setup.clock)();
        for task in daemon.agenda.take_due(now, daemon.setup.chance) {
            daemon.start(task, now);
        }
        if watchdog.is_some() {
            service::tell(&[Word::Alive]);
        }
        let wait = daemon.wait(now, watchdog);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            Some(event) = reported.recv() => daemon.hear(event),
            _ = hangup.recv() => daemon.reload(),
            ended = stopped(&mut interrupt, &mut terminate) => {
                daemon.stop(&mut reported).await;
                return Ok(ended);
            }
        }
    }
}

async fn stopped(interrupt: &mut Signal, terminate: &mut Signal) -> Ended {
    tokio::select! {
        _ = interrupt.recv() => Ended::Interrupted,
        _ = terminate.recv() => Ended::Terminated,
    }
}

impl Daemon<'_> {
    /// Until something may be due.
    fn wait(&self, now: Timestamp, watchdog: Option<Duration>) -> Duration {
        let next = self.agenda.next().map(|(_, time)| Duration::try_from(time.duration_since(now)).unwrap_or_default());
        // A moment before a whole second would look at the clock twice.
        let next = next.map(|next| next + Duration::from_millis(5));
        next.into_iter().chain(watchdog).fold(self.setup.tick, Duration::min)
    }

    fn status(&self) -> Word {
        let running: Vec<String> = self.running.keys().map(ToString::to_string).collect();
        let next = match self.agenda.next() {
            Some((task, time)) => format!("next: {task} at {}", time.strftime("%Y-%m-%d %H:%M:%S UTC")),
            None => "nothing is scheduled".to_owned(),
        };
        Word::Status(if running.is_empty() { next } else { format!("running {}; {next}", running.join(", ")) })
    }

    fn start(&mut self, task: Task, now: Timestamp) {
        if let Some(running) = self.running.get_mut(&task) {
            running.overlaps += 1;
            self.setup.listener.overlap(&task, running.since, running.overlaps);
            return;
        }
        self.setup.listener.started(&task);
        let commands: Vec<Command> = agenda::commands(&task).iter().map(|words| self.command(words)).collect();
        let (stop, asked) = tokio::sync::watch::channel(Stop::No);
        tokio::spawn(perform(task.clone(), commands, asked, self.events.clone()));
        self.running.insert(task, Running { since: now, overlaps: 0, stop });
        service::tell(&[self.status()]);
    }

    fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new(&self.setup.program);
        command.args(&self.setup.arguments).args(words).stdin(Stdio::null()).stdout((self.setup.stdout)());
        // What is ours to say, it does not say; what it says of its progress stands as our status.
        command.env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID").kill_on_drop(true);
        command
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::NotStarted(task, error) => self.setup.listener.not_started(&task, &error),
            Event::Command(task, status) => self.setup.listener.ended(&task, status),
            Event::Done(task) => {
                self.running.remove(&task);
                service::tell(&[self.status()]);
            }
        }
    }

    fn reload(&mut self) {
        service::tell(&[Word::Reloading]);
        if let Some(config) = (self.setup.reload)() {
            let now = (self.setup.clock)();
            self.agenda.change(config.schedule.as_ref(), now, self.setup.chance);
            self.setup.config.set(config);
            self.setup.listener.reloaded();
        }
        service::tell(&[Word::Ready, self.status()]);
    }

    /// Tells all runs to stop, and waits until they have.
    async fn stop(&mut self, reported: &mut mpsc::UnboundedReceiver<Event>) {
        service::tell(&[Word::Stopping, Word::Status("stopping".to_owned())]);
        self.setup.listener.stopping();
        for running in self.running.values() {
            let _ = running.stop.send(Stop::Asked);
        }
        let deadline = Instant::now() + GRACE + Duration::from_secs(1);
        while !self.running.is_empty() {
            let Ok(Some(event)) = tokio::time::timeout_at(deadline, reported.recv()).await else { return };
            self.hear(event);
        }
    }
}

/// Runs a task's commands one after the other, until one fails or somebody asks to stop.
async fn perform(
    task: Task,
    commands: Vec<Command>,
    mut stop: tokio::sync::watch::Receiver<Stop>,
    events: mpsc::UnboundedSender<Event>,
) {
    for mut command in commands {
        // Nobody hears only when the daemon has ended.
        match command.spawn() {
            Ok(child) => {
                let ended = finish(child, &mut stop).await;
                let goes_on = ended.is_success_and_on();
                if let Some(status) = ended.status {
                    let _ = events.send(Event::Command(task.clone(), status));
                }
                if !goes_on {
                    break;
                }
            }
            Err(error) => {
                let _ = events.send(Event::NotStarted(task.clone(), error));
                break;
            }
        }
    }
    let _ = events.send(Event::Done(task));
}

/// How a command ended.
struct Finished {
    status: Option<ExitStatus>,
    was_stopped: bool,
}

impl Finished {
    fn is_success_and_on(&self) -> bool {
        self.status.is_some_and(|status| status.success()) && !self.was_stopped
    }
}

async fn finish(mut child: Child, stop: &mut tokio::sync::watch::Receiver<Stop>) -> Finished {
    let asked = async {
        // A sender that is gone asks for nothing: then the child is waited for.
        if stop.wait_for(|stop| *stop == Stop::Asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        status = child.wait() => return Finished { status: status.ok(), was_stopped: false },
        () = asked => {}
    }
    if let Some(pid) = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)) {
        // It is not reaped yet, so the number is its own.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    let status = match tokio::time::timeout(GRACE, child.wait()).await {
        Ok(status) => status.ok(),
        Err(_) => {
            let _ = child.kill().await;
            None
        }
    };
    Finished { status, was_stopped: true }
}
