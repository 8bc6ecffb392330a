//! The schedule through real signals, a clock that the test sets, and systemd's notify socket.

use rustix::process::Signal;

use super::upstream::Fault;
use super::world::{Daemon, INDEX, PACKAGE, World};

const HOURLY: &str = "[schedule]\nsync = \"17 * * * *\"\n";

/// A daemon with a sync of 02:00 behind it.
fn synced(rest: &str) -> (World, Daemon) {
    let world = World::new(rest);
    world.bivouac(&["sync"]).exits_with(0);
    let daemon = Daemon::start(&world);
    (world, daemon)
}

#[test]
fn a_task_starts_at_its_time_and_the_next_follows() {
    let (world, mut daemon) = synced(HOURLY);
    assert!(daemon.told.last().unwrap().contains("STATUS=next: sync at 2026-12-01 02:17:00 UTC"), "{:?}", daemon.told);
    world.clock("2026-12-01T02:16:59Z");
    world.clock("2026-12-01T02:17:00Z");
    daemon.hears("STATUS=running sync; next: sync at 2026-12-01 03:17:00 UTC");
    daemon.hears("STATUS=next: sync at 2026-12-01 03:17:00 UTC");
    assert_eq!(world.runs("sync", 0), 2);
    assert_eq!(world.task("sync").unwrap()["started"], "2026-12-01T02:17:00Z");
}

#[test]
fn a_sync_that_never_ran_is_not_waited_for_and_tells_how_far_it_is() {
    let world = World::new(HOURLY);
    let mut daemon = Daemon::start(&world);
    let heard = daemon.hears("STATUS=generation 1 is live");
    let heard = heard.join("\n");
    for line in
        ["STATUS=running sync", "STATUS=asking for up:v3.23/main/x86_64", "STATUS=syncing v3.23/main x86_64 1/1"]
    {
        assert!(heard.contains(line), "{line} is not in\n{heard}");
    }
    daemon.hears("STATUS=next: sync");
    assert_eq!(world.runs("sync", 0), 1);
}

#[test]
fn after_a_sleep_it_catches_up_once() {
    let (world, mut daemon) = synced(HOURLY);
    world.clock("2026-12-03T09:00:00Z");
    daemon.hears("STATUS=running sync");
    daemon.hears("STATUS=next: sync at 2026-12-03 09:17:00 UTC");
    world.clock("2026-12-03T09:16:59Z");
    assert_eq!(world.runs("sync", 0), 2);
    // And so does one that was not there at all.
    drop(daemon);
    world.clock("2026-12-04T10:00:00Z");
    let mut daemon = Daemon::start(&world);
    daemon.hears("STATUS=next: sync at 2026-12-04 10:17:00 UTC");
    assert_eq!(world.runs("sync", 0), 3);
}

#[test]
fn clock_steps_run_nothing_twice() {
    let (world, mut daemon) = synced(HOURLY);
    world.clock("2026-12-01T02:17:30Z");
    daemon.hears("STATUS=next: sync at 2026-12-01 03:17:00 UTC");
    // Set back behind the time that was kept, and past it again: it was there already.
    for time in ["2026-12-01T02:10:00Z", "2026-12-01T02:18:00Z", "2026-12-01T03:16:59Z"] {
        world.clock(time);
        // A reload answers only after the clock was looked at.
        daemon.signal(Signal::HUP);
        daemon.hears("READY=1");
    }
    assert_eq!(world.runs("sync", 0), 2);
    world.clock("2026-12-01T03:17:00Z");
    daemon.hears("STATUS=next: sync at 2026-12-01 04:17:00 UTC");
    assert_eq!(world.runs("sync", 0), 3);
    // A day ahead by mistake: one run there; back, and it goes on.
    world.clock("2026-12-02T03:30:00Z");
    daemon.hears("STATUS=next: sync at 2026-12-02 04:17:00 UTC");
    assert_eq!(world.runs("sync", 0), 4);
    world.clock("2026-12-01T03:31:00Z");
    daemon.signal(Signal::HUP);
    daemon.hears("READY=1");
    assert_eq!(world.runs("sync", 0), 4);
    world.clock("2026-12-01T04:17:00Z");
    daemon.hears("STATUS=next: sync at 2026-12-01 05:17:00 UTC");
    assert_eq!(world.runs("sync", 0), 5);
}

#[test]
fn a_task_never_runs_beside_itself_and_a_reload_does_not_drop_it() {
    let (world, mut daemon) = synced(HOURLY);
    world.upstream("one", 1);
    world.env.upstream.fail_always(INDEX, Fault::Silence);
    world.clock("2026-12-01T02:17:00Z");
    daemon.logs(&["task_started", "sync"]);
    world.clock("2026-12-01T03:17:00Z");
    daemon.logs(&["task_overlap", "sync is due and still under way since 2026-12-01 02:17:00 UTC"]);
    // Meanwhile another schedule.
    world.configure("[schedule]\nsync = \"40 * * * *\"\n");
    daemon.signal(Signal::HUP);
    daemon.hears("RELOADING=1");
    let ready = daemon.hears("READY=1").pop().unwrap();
    assert!(ready.contains("running sync; next: sync at 2026-12-01 03:40:00 UTC"), "{ready}");
    world.env.upstream.mend();
    daemon.logs(&["run_done", "\"exit\":0", "generation 2 is live"]);
    assert_eq!(world.runs("sync", 0), 2);
}

#[test]
fn a_configuration_that_cannot_be_used_changes_nothing() {
    let (world, mut daemon) = synced(HOURLY);
    world.configure("[schedule]\nsync = \"17 24 * * *\"\n");
    daemon.signal(Signal::HUP);
    daemon.logs(&["schedule.sync is no crontab line: hour: 0 to 23, not \"24\""]);
    let ready = daemon.hears("READY=1").pop().unwrap();
    assert!(ready.contains("next: sync at 2026-12-01 02:17:00 UTC"), "{ready}");
}

#[test]
fn sigterm_stops_it_within_the_transfer_in_hand() {
    let (world, mut daemon) = synced(HOURLY);
    let former = world.env.generation();
    world.upstream("one", 1);
    world.env.upstream.fail_always(&PACKAGE.replace("r0", "r1"), Fault::StallAfter(100));
    world.clock("2026-12-01T02:17:00Z");
    daemon.logs(&["fetch_planned"]);
    // Some of it is here, the rest never comes.
    while world.env.files_below("store/pool/incoming").is_empty() {
        std::thread::yield_now();
    }
    daemon.signal(Signal::TERM);
    daemon.hears("STOPPING=1");
    assert_eq!(daemon.ends(), Some(128 + 15));
    assert_eq!(world.env.generation(), former, "what is live stays");
    assert_eq!(world.runs("sync", 0), 1, "one that was stopped did not run");
    // Whoever it started is gone, with its lock; and the next one goes on.
    world.env.upstream.mend();
    world.bivouac(&["sync"]).exits_with(0);
    assert_eq!(world.env.live("v3.23/main", "x86_64"), ["one-1-r1"]);
}

#[test]
fn the_watchdog_is_fed_in_half_its_time() {
    let world = World::new(HOURLY);
    world.bivouac(&["sync"]).exits_with(0);
    let mut daemon = Daemon::with(&world, &[("WATCHDOG_USEC", "400000")]);
    for _ in 0..5 {
        daemon.hears("WATCHDOG=1");
    }
    // What it starts is not asked to do so.
    world.clock("2026-12-01T02:17:00Z");
    daemon.hears("STATUS=next: sync at 2026-12-01 03:17:00 UTC");
    assert_eq!(world.runs("sync", 0), 2);
}

#[test]
fn checks_and_backups_run_by_the_schedule_too() {
    let world = World::new(
        "[backups.disk]\ntarget = \"disk\"\nkeep = { last = 2 }\n\n[schedule]\ncheck = \"40 4 * * *\"\nbackup = { disk = \"30 3 * * *\" }\n",
    );
    std::fs::create_dir(world.env.path("disk")).unwrap();
    world.bivouac(&["sync"]).exits_with(0);
    world.bivouac(&["backup", "init"]).exits_with(0);
    let mut daemon = Daemon::start(&world);
    world.clock("2026-12-01T03:30:00Z");
    daemon.hears("STATUS=running backup disk");
    daemon.hears("STATUS=next: check at 2026-12-01 04:40:00 UTC");
    world.clock("2026-12-01T04:40:00Z");
    daemon.hears("STATUS=next: backup disk at 2026-12-02 03:30:00 UTC");
    for task in ["backup disk", "backup check disk", "check"] {
        assert_eq!(world.runs(task, 0), 1, "{task}");
    }
}

#[test]
fn a_daemon_without_anything_to_do_says_so() {
    let world = World::new("");
    world.bivouac(&["daemon"]).exits_with(2).tells(&["neither [schedule] nor [serve] listen"]);
}

#[test]
fn of_a_run_that_cannot_speak_for_itself_the_daemon_tells() {
    let (world, mut daemon) = synced(&format!("{HOURLY}\n[notify]\ncommand = [\"sh\", \"-c\", \"cat >> told\"]\n"));
    let told = |count: usize| loop {
        let text = std::fs::read_to_string(world.env.path("told")).unwrap_or_default();
        if text.lines().count() >= count && text.ends_with('\n') {
            return serde_json::from_str::<serde_json::Value>(text.lines().last().unwrap()).unwrap();
        }
        std::thread::yield_now();
    };
    // The file was broken after the daemon read it.
    let good = std::fs::read(world.env.path("bivouac.toml")).unwrap();
    world.env.write("bivouac.toml", b"store = 1\n");
    world.clock("2026-12-01T02:17:00Z");
    daemon.hears("STATUS=running sync");
    let news = told(1);
    assert_eq!((&news["exit"], &news["troubles"][0]["code"]), (&2.into(), &"usage".into()), "{news}");
    world.env.write("bivouac.toml", &good);
    // Killed in the middle, as by a host that is out of memory.
    world.upstream("one", 1);
    world.env.upstream.fail_always(INDEX, Fault::Silence);
    world.clock("2026-12-01T03:17:00Z");
    daemon.logs(&["index_requested"]);
    let lock = std::fs::read_to_string(world.env.path("store/lock")).unwrap();
    let holder: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let pid = rustix::process::Pid::from_raw(holder["pid"].as_i64().unwrap() as i32).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    let news = told(2);
    assert_eq!((&news["exit"], &news["troubles"][0]["code"]), (&137.into(), &"killed".into()), "{news}");
    assert_eq!(world.runs("sync", 137), 1);
}

#[test]
fn a_log_that_nobody_takes_stops_neither_server_nor_schedule() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::new(&format!("{HOURLY}\n[serve]\nlisten = \"{free}\"\n"));
    world.bivouac(&["sync"]).exits_with(0);
    let mut command = world.command(&["daemon"]);
    // Both streams are pipes that nobody reads.
    let mut daemon = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while std::net::TcpStream::connect(free).is_err() {
        std::thread::yield_now();
    }
    let long = "x".repeat(8000);
    for _ in 0..40 {
        assert_eq!(super::served::get(&free.to_string(), &format!("/{long}")).status, 404);
    }
    assert_eq!(super::served::get(&free.to_string(), "/healthz").status, 200);
    world.clock("2026-12-01T02:17:00Z");
    while world.runs("sync", 0) < 2 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&daemon), Signal::TERM).unwrap();
    assert_eq!(daemon.wait().unwrap().code(), Some(143));
}
