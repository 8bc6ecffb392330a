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

#[test]
fn damage_is_not_over_because_another_share_is_whole() {
    let world = World::new("[notify]\ncommand = [\"sh\", \"-c\", \"cat >> told\"]\n[metrics]\ntextfile = \"m.prom\"\n");
    for name in ["two", "three", "four"] {
        world.upstream(name, 0);
        world.bivouac(&["sync"]).exits_with(0);
    }
    let object = world.env.files_below("store/pool/objects").remove(0);
    let whole = std::fs::read(&object).unwrap();
    let put = |bytes: &[u8]| {
        std::fs::remove_file(&object).unwrap();
        std::fs::write(&object, bytes).unwrap();
        std::fs::set_permissions(&object, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
    };
    put(b"other bytes");
    let share = || world.bivouac(&["check", "--read-data", "34%"]).code;
    let found = (0..3).position(|_| share() == Some(5)).expect("in three shares it is read");
    for _ in 0..3 {
        assert_eq!(share(), Some(5), "found in share {found}, and each time from then on");
    }
    assert!(std::fs::read_to_string(world.env.path("m.prom")).unwrap().contains("bivouac_store_damaged_objects 1\n"));
    put(&whole);
    assert_eq!(share(), Some(0));
    assert!(std::fs::read_to_string(world.env.path("m.prom")).unwrap().contains("bivouac_store_damaged_objects 0\n"));
    let told = std::fs::read_to_string(world.env.path("told")).unwrap();
    let events: Vec<_> = told.lines().map(|line| value(line)["event"].clone()).collect();
    assert_eq!(events, ["failure", "recovery"]);
}

#[test]
fn a_part_that_is_well_is_no_recovery_of_the_whole() {
    let world = World::new("[notify]\ncommand = [\"sh\", \"-c\", \"cat >> told\"]\n");
    world.env.upstream.fail_always(INDEX, Fault::Status(404));
    world.bivouac(&["sync"]).exits_with(4);
    world.env.upstream.mend();
    world.bivouac(&["sync", "v3.23/main"]).exits_with(0);
    world.bivouac(&["sync", "--no-publish"]).exits_with(0);
    assert_eq!((world.runs("sync", 4), world.runs("sync", 0)), (1, 0));
    world.bivouac(&["sync"]).exits_with(0);
    let told = std::fs::read_to_string(world.env.path("told")).unwrap();
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[test]
fn who_heard_it_hears_it_once_and_who_did_not_hears_it_later() {
    let (address, heard) = webhook("204 No Content");
    let world =
        World::new("[notify]\nwebhook_file = \"hook\"\ncommand = [\"sh\", \"-c\", \"test -e there && cat >> told\"]\n");
    let file = world.env.write("hook", format!("http://{address}/hook/s3cret?k=s3cret\n").as_bytes());
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    world.env.upstream.fail_always(INDEX, Fault::Status(404));
    world.bivouac(&["sync"]).exits_with(4).tells(&["warning: nobody was told: command \"sh\" failed"]);
    heard.recv().unwrap();
    world.env.write("there", b"");
    world.bivouac(&["sync"]).exits_with(4);
    world.bivouac(&["sync"]).exits_with(4);
    assert!(heard.try_recv().is_err(), "the webhook heard it once");
    assert_eq!(std::fs::read_to_string(world.env.path("told")).unwrap().lines().count(), 1);
    // A file that others may read is not believed to hold a secret.
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    world.env.upstream.mend();
    let ran = world.bivouac(&["sync"]);
    ran.exits_with(0).tells(&["nobody was told: webhook_file", "is open to others (mode 0644)"]);
    assert!(!ran.stderr.contains("s3cret"), "{ran}");
}
