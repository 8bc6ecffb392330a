//! Runs a command, and says how long it took and how much memory it had at its peak; medians and the printed table.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use wait4::Wait4 as _;

use crate::outcome::Outcome;

/// One run of one program.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    /// Wall time from spawn to exit.
    pub(crate) seconds: f64,
    /// User and system time of the process and of the children it waited for.
    pub(crate) cpu: f64,
    /// The largest resident set of it or of any such child, in bytes.
    pub(crate) peak: u64,
}

/// Runs `command` to its end with its output in the file `log`; anything but exit 0 is an error that quotes the log's end.
pub(crate) fn run(command: &mut Command, log: &Path) -> Outcome<Run> {
    let output = File::create(log)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let started = Instant::now();
    let done =
        command.spawn().map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?.wait4()?;
    let seconds = started.elapsed().as_secs_f64();
    if !done.status.success() {
        let said = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
        let tail: Vec<&str> = said.lines().rev().take(12).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        return Err(format!("{:?} ended with {}:\n{}", command.get_program(), done.status, tail.join("\n")).into());
    }
    let cpu = (done.rusage.utime + done.rusage.stime).as_secs_f64();
    Ok(Run { seconds, cpu, peak: done.rusage.maxrss })
}

/// Writes all dirty pages out, so that one run does not pay for what another left behind. Returns the seconds it took.
pub(crate) fn settle() -> f64 {
    let started = Instant::now();
    rustix::fs::sync();
    started.elapsed().as_secs_f64()
}

/// The runs of one contestant.
#[derive(Default)]
pub(crate) struct Series(Vec<Run>);

impl Series {
    /// Adds a run.
    pub(crate) fn push(&mut self, run: Run) {
        self.0.push(run);
    }

    /// The middle wall time in seconds (of an even number of runs, the later of the two middle ones).
    pub(crate) fn median(&self) -> f64 {
        let mut seconds: Vec<f64> = self.0.iter().map(|run| run.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    }

    /// One line of the table.
    pub(crate) fn print(&self, name: &str) {
        let peak = self.0.iter().map(|run| run.peak).max().unwrap_or(0);
        let cpu = self.0.iter().map(|run| run.cpu).sum::<f64>() / self.0.len() as f64;
        let each: Vec<String> = self.0.iter().map(|run| format!("{:.2}", run.seconds)).collect();
        let peak = if peak == 0 { "-".to_owned() } else { format!("{:.1} MB", peak as f64 / 1e6) };
        println!("  {name:<34} {:>9.3} s  cpu {cpu:>7.2} s  peak {peak:>9}   runs {}", self.median(), each.join(" "));
    }
}

/// Prints how `ours` stands to `peer`, in the words of the goal: how many times its speed.
pub(crate) fn print_ratio(ours: &Series, peer: &Series, goal: &str) {
    println!("  {:<34} {:>9.2} ×  (goal: {goal})", "bivouac's speed to the peer's", peer.median() / ours.median());
}
