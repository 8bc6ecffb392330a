//! What goes from a target and what stays.

use std::sync::Arc;

use bivouac::backup::catalog::ids;
use bivouac::backup::{Target, Unverified};
use bivouac::places::Folder;
use bivouac::snapshot::backup::StoredForm;

use super::fixture::{NEXT, OURS};
use super::world::{World, tree};

#[test]
fn what_only_dropped_backups_needed_goes_and_little_that_is_left_moves() {
    let world = World::new("keep = { last = 1 }");
    world.package("small", 1, 500);
    for revision in 1..4 {
        world.package("large", revision, 300_000);
        world.sync();
        world.backup();
    }
    let size = |world: &World| world.segments().iter().map(|path| path.metadata().unwrap().len()).sum::<u64>();
    let before = size(&world);
    let dry = world.env.bivouac(&["--json", "backup", "prune", "--dry-run"]).exits_with(0).json();
    assert_eq!((size(&world), world.backups().len()), (before, 3), "nothing is changed");
    let report = world.env.bivouac(&["--json", "backup", "prune"]).exits_with(0).json();
    assert_eq!((&dry[0]["dropped"], &dry[0]["repacked"]), (&report[0]["dropped"], &report[0]["repacked"]));
    assert_eq!(report[0]["dropped"].as_array().unwrap().len(), 2, "{report}");
    assert!(!report[0]["repacked"].as_array().unwrap().is_empty(), "{report}");
    assert!(size(&world) < before / 2, "{} of {before}", size(&world));
    assert_eq!(world.found(), [""; 0]);
    world.restore("back", &[]).exits_with(0);
    assert!(tree(&world.env.path("back/public")) == tree(&world.env.public()));
    // The next backup stands on what was moved.
    assert_eq!(world.backup()["objects_written"], 0);
    let again = world.env.bivouac(&["--json", "backup", "prune"]).exits_with(0).json();
    assert_eq!(again[0]["removed"], serde_json::json!([]), "{again}");
}

#[test]
fn without_rules_nothing_goes_and_a_damaged_backup_keeps_all_segments() {
    let world = World::new("");
    world.backup();
    world.package("one", 2, 3_000);
    world.sync();
    world.backup();
    let report = world.env.bivouac(&["--json", "backup", "prune"]).exits_with(0).json();
    assert_eq!((&report[0]["dropped"], world.backups().len()), (&serde_json::json!([]), 2));
    let first = &world.backups()[0];
    let mut bytes = std::fs::read(first).unwrap();
    bytes[700] ^= 1;
    std::fs::write(first, bytes).unwrap();
    let segments = world.segments();
    let ran = world.env.bivouac(&["--json", "backup", "prune"]);
    ran.exits_with(5);
    assert_eq!(world.segments(), segments);
}

#[test]
fn deltas_are_over_whole_ones_and_come_back_exactly() {
    let world = World::new("deltas = true");
    let mut deltas = Vec::new();
    for revision in 1..5 {
        world.package("large", revision, 200_000);
        world.sync();
        deltas.push(world.backup()["deltas"].as_u64().unwrap());
    }
    assert!(deltas[0] == 0 && deltas[3] > 0, "{deltas:?}");
    let target = Target::open(Arc::new(Folder::new(world.env.path("disk")))).unwrap();
    for id in ids(&target).unwrap().0 {
        let backup = Unverified::open(&target, &id).unwrap().verify(|_| true).unwrap();
        for stored in backup.objects() {
            let StoredForm::Delta { base, .. } = stored.form else { continue };
            let base = backup.objects().iter().find(|one| one.sha256 == base).unwrap();
            assert_eq!(base.form, StoredForm::Whole, "a delta is over what is whole");
        }
    }
    assert_eq!(world.found(), [""; 0]);
    world.restore("back", &[]).exits_with(0);
    assert!(tree(&world.env.path("back/public")) == tree(&world.env.public()));
}

#[test]
fn a_delta_whose_base_is_damaged_is_stored_again() {
    let world = World::new("deltas = true");
    let config = std::fs::read_to_string(world.env.path("bivouac.toml")).unwrap();
    let two = config.replace("generations = { last = 1 }", "generations = { last = 2 }");
    world.env.write("bivouac.toml", two.as_bytes());
    world.package("large", 1, 200_000);
    world.sync();
    world.backup();
    let base = std::fs::read(world.env.public().join("v3.23/site/x86_64/large-1-r1.apk")).unwrap();
    world.package("large", 2, 200_000);
    world.sync();
    assert!(world.backup()["deltas"].as_u64().unwrap() > 0);
    // The base leaves the pool, then a bit of it flips on the disk.
    world.package("large", 3, 200_000);
    world.sync();
    world.env.bivouac(&["prune"]).exits_with(0);
    assert!(!world.env.files_below("store/pool/objects").iter().any(|path| std::fs::read(path).unwrap() == base));
    let segment = &world.segments()[0];
    let mut bytes = std::fs::read(segment).unwrap();
    let at = bytes.windows(base.len()).position(|window| window == base).unwrap();
    bytes[at + 1000] ^= 1;
    std::fs::write(segment, bytes).unwrap();
    assert!(world.found().contains(&"object-damaged".to_owned()));
    world.backup();
    world.restore("back", &[]).exits_with(0);
    assert!(tree(&world.env.path("back/public")) == tree(&world.env.public()));
    // And what was stored again is known the next time.
    assert_eq!(world.backup()["objects_written"], 0);
    world.restore("again", &[]).exits_with(0);
}

#[test]
fn the_rota_reads_all_in_a_known_time_and_a_drill_tells_how_long_a_disaster_takes() {
    let world = World::new("");
    for revision in 1..4 {
        world.package("one", revision, 3_000);
        world.sync();
        world.backup();
    }
    let mut seen = 0;
    for run in 0..3 {
        let report = world.env.bivouac(&["--json", "backup", "check", "--read-data", "5%"]).exits_with(0).json();
        assert_eq!(report["rota"][0]["read"], 1);
        assert_eq!(report["rota"][0]["never"], 2 - run);
        seen += report["checked"]["objects"].as_u64().unwrap();
    }
    let all = world.env.bivouac(&["--json", "backup", "check", "--read-data", "100%"]).exits_with(0).json();
    assert_eq!(all["checked"]["objects"], seen, "three runs read each segment once");
    let identity = world.identity.to_str().unwrap();
    let words = ["--json", "backup", "check", "--drill", "--scratch", "scratch", "--identity", identity];
    let report = world.env.bivouac(&words).exits_with(0).json();
    let drill = &report["drills"][0];
    assert!(drill["rto_seconds"].as_f64().unwrap() > 0.0, "{drill}");
    assert_eq!(
        (&drill["indexes"], &drill["installs"], &drill["tried"], &drill["keys"]),
        (&1.into(), &1.into(), &1.into(), &1.into())
    );
    assert_eq!(world.env.files_below("scratch").len(), 0, "nothing of it stays, keys least of all");
    // A damaged disk fails the drill.
    let segment = world.segments().pop().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes.iter_mut().for_each(|byte| *byte ^= 1);
    std::fs::write(segment, bytes).unwrap();
    world.env.bivouac(&words).exits_with(5);
}

/// A small package that stays and a large one that changes, backed up twice: little of the first segment is needed then.
fn little_is_needed() -> World {
    let world = World::new("keep = { last = 2 }");
    world.package("small", 1, 500);
    for revision in 1..3 {
        world.package("large", revision, 300_000);
        world.sync();
        world.backup();
    }
    let next = world.env.private_key(&NEXT);
    world.env.bivouac(&["key", "rotate", "--key", &next]).exits_with(0);
    world
}

fn next_backup(world: &World, revision: u32) -> String {
    world.package("large", revision, 300_000);
    world.sync();
    world.backup()["signer"].as_str().unwrap().to_owned()
}

#[test]
fn a_backup_that_a_prune_signed_anew_is_believed_by_the_label() {
    let world = little_is_needed();
    // Two keys sign now; both sign the older backup anew.
    let label = next_backup(&world, 3);
    let report = world.env.bivouac(&["--json", "backup", "prune"]).exits_with(0).json();
    assert!(!report[0]["repacked"].as_array().unwrap().is_empty(), "{report}");
    assert_eq!(world.found(), [""; 0]);
    let older = world.backups()[0].file_stem().unwrap().to_str().unwrap().to_owned();
    // Its encrypted part names the one that signed it first.
    world.restore("by-identity", &["--at", &older]).exits_with(0);
    world.restore("by-label", &["--at", &older, "--key", &label]).exits_with(0);
    world.restore("newest", &[]).exits_with(0);
}

#[test]
fn a_prune_raises_no_signature_of_a_retired_key() {
    let world = little_is_needed();
    world.env.bivouac(&["key", "retire", OURS.name, "--now"]).exits_with(0);
    let label = next_backup(&world, 3);
    let older = world.backups()[1].clone();
    let before = std::fs::read(&older).unwrap();
    let report = world.env.bivouac(&["--json", "backup", "prune"]).exits_with(0).json();
    assert_eq!((&report[0]["repacked"], world.backups().len()), (&serde_json::json!([]), 2), "{report}");
    let note = report[0]["notes"][0].as_str().unwrap();
    assert!(note.contains(older.file_stem().unwrap().to_str().unwrap()) && note.contains("retired"), "{note}");
    assert!(std::fs::read(&older).unwrap() == before, "whoever stole the key gets no better one");
    assert_eq!(world.found(), [""; 0]);
    let older = older.file_stem().unwrap().to_str().unwrap();
    world.restore("by-label", &["--at", older, "--key", &label]).exits_with(3);
    world.restore("by-identity", &["--at", older]).exits_with(0);
    // Once it is gone by the rules nothing is in the way.
    next_backup(&world, 4);
    next_backup(&world, 5);
    let report = world.env.bivouac(&["--json", "backup", "prune"]).exits_with(0).json();
    assert!(!report[0]["repacked"].as_array().unwrap().is_empty(), "{report}");
    assert_eq!(report[0]["notes"], serde_json::json!([]), "{report}");
    world.restore("newest", &[]).exits_with(0);
}
