//! One run of a signing program: never longer than its time, never more output than a signature.

use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{Error, Said};

/// How much of standard error is kept; the rest is read and dropped.
const MAX_STDERR: usize = 4 << 10;

/// How long the outputs of a program that has failed are still read: a child of its own may hold them open.
const GRACE: Duration = Duration::from_secs(1);

/// What a program that ended well said.
#[derive(Debug)]
pub(super) struct Answer {
    /// Standard output, at most as many bytes as were expected.
    pub(super) signature: Vec<u8>,
    /// The beginning of standard error.
    pub(super) said: Said,
}

/// What the threads around a program report.
enum Event {
    Stdout(Vec<u8>),
    /// More of standard error: one that hangs may have said why.
    Stderr(Vec<u8>),
    /// Its standard error is closed.
    NoMore,
    /// It has ended; it is not reaped yet, so that its process group's number is not another's.
    Ended,
}

/// Runs `arguments` in `folder` with `input`. An answer of more than `expected` bytes is an error.
///
/// Four threads wait in our place: one writes, two read, one sees the program end. They are not joined: a process that the
/// program left behind in another process group may keep a pipe open for ever, and only its thread then waits for it.
pub(super) fn run(
    arguments: &[String],
    folder: &Path,
    input: &[u8],
    expected: usize,
    limit: Duration,
) -> Result<Answer, Error> {
    let program = || arguments[0].clone();
    let mut child = start(arguments, folder).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound if folder.is_dir() => Error::Missing { program: program() },
        _ => Error::NotStarted { program: program(), source },
    })?;
    let (events, reported) = mpsc::channel();
    let watched = watch(&mut child, input.to_vec(), expected, &events);
    drop(events);
    let gathered = match watched {
        Ok(()) => gather(&reported, expected, limit),
        Err(source) => {
            let _ = end(&mut child);
            return Err(Error::NotStarted { program: program(), source });
        }
    };
    let status = match gathered.cause {
        // It has ended by itself; what it may have left running in its group is its own affair.
        Some(End::Done) => child.wait(),
        _ => end(&mut child),
    };
    let said = Said::new(&gathered.stderr);
    match (gathered.cause, status) {
        (Some(End::TooMuch), _) => Err(Error::TooMuch { program: program(), expected }),
        (None, _) => Err(Error::TooSlow { program: program(), limit, said }),
        (_, Err(source)) => Err(Error::NotStarted { program: program(), source }),
        (_, Ok(status)) if !status.success() => Err(Error::Failed { program: program(), status, said }),
        (_, Ok(_)) => Ok(Answer { signature: gathered.stdout, said }),
    }
}

fn start(arguments: &[String], folder: &Path) -> io::Result<Child> {
    let (program, rest) = arguments.split_first().expect("whoever configured it saw to a program");
    // Whether a relative path starts from the new working folder or from ours is left open by the standard library.
    let path = if program.contains('/') { folder.join(program) } else { PathBuf::from(program) };
    Command::new(path)
        .arg0(program)
        .args(rest)
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Starts the four threads.
fn watch(child: &mut Child, input: Vec<u8>, expected: usize, events: &Sender<Event>) -> io::Result<()> {
    let mut stdin = child.stdin.take().expect("it is piped");
    let stdout = child.stdout.take().expect("it is piped");
    let mut stderr = child.stderr.take().expect("it is piped");
    let pid = pid_of(child);
    let spawn = |work: Box<dyn FnOnce() + Send>| thread::Builder::new().name("signer".into()).spawn(work).map(drop);
    // One that reads less than everything closes its end; whether its answer is right is seen by the answer.
    spawn(Box::new(move || drop(stdin.write_all(&input))))?;
    let report = events.clone();
    spawn(Box::new(move || {
        let limit = expected as u64 + 1;
        let _ = report.send(Event::Stdout(read_some(stdout, limit)));
    }))?;
    let report = events.clone();
    spawn(Box::new(move || {
        let (mut chunk, mut left) = ([0; 1024], MAX_STDERR);
        // To its end, though little of it is kept: a full pipe would stop the program.
        while let Ok(length @ 1..) = stderr.read(&mut chunk) {
            let kept = length.min(left);
            left -= kept;
            let _ = report.send(Event::Stderr(chunk[..kept].to_vec()));
        }
        let _ = report.send(Event::NoMore);
    }))?;
    let report = events.clone();
    spawn(Box::new(move || {
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let _ = report.send(Event::Ended);
    }))
}

/// At most `limit` bytes; what came before a failure counts.
fn read_some(mut from: impl Read, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = from.by_ref().take(limit).read_to_end(&mut bytes);
    bytes
}

/// Why nothing more is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It has ended, and both outputs with it.
    Done,
    /// It has ended, but something keeps its outputs open.
    LeftOpen,
    /// It says more than a signature.
    TooMuch,
}

#[derive(Debug)]
struct Gathered {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// `None`: its time is up.
    cause: Option<End>,
}

fn gather(reported: &Receiver<Event>, expected: usize, limit: Duration) -> Gathered {
    let mut deadline = Instant::now() + limit;
    let (mut stdout, mut stderr, mut is_open, mut ended) = (None, Vec::new(), true, false);
    let cause = loop {
        if ended && stdout.is_some() && !is_open {
            break Some(End::Done);
        }
        match reported.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Stdout(bytes)) if bytes.len() > expected => break Some(End::TooMuch),
            Ok(Event::Stdout(bytes)) => stdout = Some(bytes),
            Ok(Event::Stderr(bytes)) => stderr.extend(bytes),
            Ok(Event::NoMore) => is_open = false,
            Ok(Event::Ended) => {
                ended = true;
                deadline = deadline.min(Instant::now() + GRACE);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break ended.then_some(End::LeftOpen),
        }
    };
    Gathered { stdout: stdout.unwrap_or_default(), stderr, cause }
}

/// Kills the program and all of its process group. It is not reaped yet, so the group's number is still its own.
fn end(child: &mut Child) -> io::Result<ExitStatus> {
    let _ = kill_process_group(pid_of(child), Signal::KILL);
    child.wait()
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}
