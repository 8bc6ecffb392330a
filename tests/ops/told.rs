//! Who is told of a trouble, and that it is over.

use super::upstream::Fault;
use super::world::{INDEX, World, webhook};

fn value(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_webhook_and_a_command_hear_of_the_failure_and_of_the_recovery() {
    let (address, heard) = webhook("204 No Content");
    let world = World::new(&format!(
        "[notify]\nwebhook = \"http://{address}/hook/s3cret?k=s3cret\"\ncommand = [\"sh\", \"-c\", \"cat >> told\"]\n"
    ));
    world.bivouac(&["sync"]).exits_with(0);
    world.env.upstream.fail_always(INDEX, Fault::Status(503));
    let failed = world.bivouac(&["sync"]);
    failed.exits_with(4);
    assert!(!failed.stderr.contains("s3cret"), "{failed}");
    let news = value(&heard.recv().unwrap());
    assert_eq!((&news["event"], &news["task"], &news["exit"]), (&"failure".into(), &"sync".into(), &4.into()));
    assert_eq!(news["troubles"][0]["code"], "unavailable");
    assert_eq!(news["since"], "2026-12-01T02:00:00Z");
    assert!(news["config"].as_str().unwrap().ends_with("/bivouac.toml"), "{news}");
    // The same again: nobody needs to hear that twice.
    world.bivouac(&["sync"]).exits_with(4);
    world.env.upstream.mend();
    world.clock("2026-12-01T03:00:00Z");
    world.bivouac(&["sync"]).exits_with(0);
    let news = value(&heard.recv().unwrap());
    assert_eq!((&news["event"], &news["exit"]), (&"recovery".into(), &0.into()));
    assert_eq!(news["since"], "2026-12-01T02:00:00Z");
    world.bivouac(&["sync"]).exits_with(0);
    let told = std::fs::read_to_string(world.env.path("told")).unwrap();
    let events: Vec<_> = told.lines().map(|line| value(line)["event"].clone()).collect();
    assert_eq!(events, ["failure", "recovery"]);
    assert!(heard.try_recv().is_err(), "and nothing else");
}

#[test]
fn damage_and_a_disk_that_is_away_are_told_of_their_own_tasks() {
    let world =
        World::new("[backups.disk]\ntarget = \"disk\"\n\n[notify]\ncommand = [\"sh\", \"-c\", \"cat >> told\"]\n");
    world.bivouac(&["sync"]).exits_with(0);
    world.bivouac(&["backup", "disk"]).exits_with(4);
    let object = world.env.files_below("store/pool/objects").pop().unwrap();
    std::fs::set_permissions(&object, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(&object, b"other bytes").unwrap();
    world.bivouac(&["check"]).exits_with(5);
    let told = std::fs::read_to_string(world.env.path("told")).unwrap();
    let tasks: Vec<_> = told.lines().map(|line| (value(line)["task"].clone(), value(line)["exit"].clone())).collect();
    assert_eq!(tasks, [("backup disk".into(), 4.into()), ("check".into(), 5.into())]);
}

#[test]
fn a_run_that_waits_for_nobody_and_finds_the_lock_held_is_no_run() {
    let world = World::new("[notify]\ncommand = [\"sh\", \"-c\", \"cat >> told\"]\n");
    world.bivouac(&["sync"]).exits_with(0);
    let held = std::fs::File::options().write(true).open(world.env.path("store/lock")).unwrap();
    held.lock().unwrap();
    world.bivouac(&["sync"]).exits_with(6);
    assert!(!world.env.path("told").exists());
    assert_eq!(world.runs("sync", 6), 0);
}
