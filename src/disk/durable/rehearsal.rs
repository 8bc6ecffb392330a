//! A crash at a chosen step, for tests. Debug builds only.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use super::on_step;

/// What a crash test asks of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rehearsal {
    /// The step (from 1) before which this process kills itself as `kill -9` would.
    pub stop_at: Option<u64>,
    /// A file to which each step's number and name is added, a line each.
    pub count_in: Option<PathBuf>,
}

impl Rehearsal {
    /// Has this process do so from now on. Does nothing where a hook is installed already, or where nothing is asked.
    pub fn begin(self) {
        if self == Rehearsal::default() {
            return;
        }
        // Opened once and past our own steps: counting must not be counted.
        let count = self.count_in.map(|path| {
            fs::OpenOptions::new().append(true).create(true).open(path).expect("a crash test names a file it can write")
        });
        on_step(move |number, name| {
            if let Some(mut file) = count.as_ref() {
                file.write_all(format!("{number} {name}\n").as_bytes()).expect("a crash test's file takes a line");
            }
            if self.stop_at == Some(number) {
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
                    .expect("a process may kill itself");
                // The signal is delivered on the way back from that call.
                unreachable!("killed");
            }
        });
    }
}
