//! Killed from outside at random instants, and asked to stop.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::upstream::{Fault, Request};
use super::world::{State, World};

/// Chance with a fixed beginning: xorshift64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Each package's answer takes its time, so that a run lasts and most of it can be hit.
fn slow_down(world: &World) {
    for path in world.news() {
        world.env.upstream.after(&path, |_| std::thread::sleep(Duration::from_millis(15)));
    }
}

/// Waits until upstream was asked so often in all, or the run has ended.
fn wait_for_requests(world: &World, run: &mut Child, count: usize, log: &mut Vec<Request>) {
    while log.len() < count && run.try_wait().unwrap().is_none() {
        log.extend(world.env.upstream.take_log());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_at_thirty_random_instants() {
    let world = World::between();
    world.save();
    let requests = world.news().len() + 2;
    let mut chance = Chance(0x2026_1124_0317_0042);
    let mut killed = 0;
    for round in 0..30 {
        world.restore();
        slow_down(&world);
        let mut run = world.env.start(&["sync"]);
        // Spread over the run by what it has asked for, not by the clock: as true on a slow machine as on a fast one.
        let mut log = Vec::new();
        wait_for_requests(&world, &mut run, chance.below(requests as u64 + 1) as usize, &mut log);
        std::thread::sleep(Duration::from_micros(chance.below(60_000)));
        run.kill().unwrap();
        let status = run.wait().unwrap();
        assert!(status.success() || status.signal() == Some(9), "round {round}: {status}");
        killed += usize::from(status.signal().is_some());
        log.extend(world.env.upstream.take_log());
        world.env.upstream.mend();
        world.recovers(Some(State::A), log);
    }
    println!("{killed} of 30 runs were killed before their end");
}

/// Starts a sync that hangs on upstream's last word, and asks it to stop there.
fn stopped_while_it_waits(signal: Signal) -> (World, Option<i32>, Vec<Request>) {
    let world = World::between();
    let news = world.news();
    world.env.upstream.fail_always(news.last().unwrap(), Fault::StallAfter(20_000));
    let mut run = world.env.start(&["sync"]);
    let mut log = Vec::new();
    while !log.iter().any(|request: &Request| request.path == *news.last().unwrap()) {
        assert!(run.try_wait().unwrap().is_none(), "the run waits for upstream");
        log.extend(world.env.upstream.take_log());
        std::thread::sleep(Duration::from_millis(1));
    }
    kill_process(Pid::from_child(&run), signal).unwrap();
    let status = run.wait().unwrap();
    log.extend(world.env.upstream.take_log());
    world.env.upstream.mend();
    (world, status.code(), log)
}

#[test]
fn asked_to_stop_it_ends_with_128_and_the_signal_and_the_next_run_goes_on() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (world, ended, log) = stopped_while_it_waits(signal);
        assert_eq!(ended, Some(code));
        world.shows(State::A);
        world.recovers(Some(State::A), log);
    }
}

#[test]
fn asked_to_stop_at_random_instants() {
    let world = World::between();
    world.save();
    let requests = world.news().len() + 2;
    let mut chance = Chance(0x2026_0302_0410_0007);
    for _ in 0..6 {
        world.restore();
        slow_down(&world);
        let mut run = world.env.start(&["sync"]);
        let mut log = Vec::new();
        // After the first request it certainly listens for signals.
        wait_for_requests(&world, &mut run, 1 + chance.below(requests as u64) as usize, &mut log);
        std::thread::sleep(Duration::from_micros(chance.below(30_000)));
        kill_process(Pid::from_child(&run), Signal::TERM).unwrap();
        let status = run.wait().unwrap();
        assert!(matches!(status.code(), Some(0 | 143)), "{status}");
        log.extend(world.env.upstream.take_log());
        world.env.upstream.mend();
        world.recovers(Some(State::A), log);
    }
}
