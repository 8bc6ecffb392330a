//! A store that lost or garbled a record: refused by name, exit 5, and what clients see stays.

use std::path::PathBuf;

use super::world::{State, World};

/// Synced to A, then to B.
fn synced() -> World {
    let world = World::between();
    world.sync().exits_with(0);
    world.shows(State::B);
    world
}

/// The names in a folder of the store, sorted.
fn names(world: &World, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(world.env.path(folder)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn newest_snapshot(world: &World) -> String {
    format!("store/snapshots/{}", names(world, "store/snapshots").last().unwrap())
}

/// Which accepted folder the newest snapshot names for upstream's main repository.
fn accepted_main(world: &World) -> String {
    let text = std::fs::read(world.env.path(&newest_snapshot(world))).unwrap();
    let snapshot: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let indexes = snapshot["indexes"].as_array().unwrap();
    let main = indexes.iter().find(|index| index["path"] == "v3.23/main").unwrap();
    format!("store/accepted/{}", main["accepted"].as_str().unwrap())
}

/// The next sync names `file` and exits with 5, whatever upstream says; what clients see stays as it is.
#[track_caller]
fn is_damage(world: &World, file: &str) {
    let ran = world.sync();
    ran.exits_with(5).tells(&[file]);
    world.shows(State::B);
    world.still_serves_a();
    // An upstream that is away changes nothing about it: no older state is shown in place of the lost one.
    for path in ["/alpine/v3.23/main/x86_64/APKINDEX.tar.gz", "/alpine/v3.23/community/x86_64/APKINDEX.tar.gz"] {
        world.env.upstream.fail_always(path, super::upstream::Fault::Status(404));
    }
    world.sync().exits_with(5).tells(&[file]);
    world.env.upstream.mend();
    world.shows(State::B);
}

fn garble(path: PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn the_newest_snapshot_lost() {
    let world = synced();
    let snapshot = newest_snapshot(&world);
    std::fs::remove_file(world.env.path(&snapshot)).unwrap();
    is_damage(&world, &snapshot);
}

#[test]
fn the_newest_snapshot_garbled_cut_or_emptied() {
    let world = synced();
    let snapshot = newest_snapshot(&world);
    let path = world.env.path(&snapshot);
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 1, whole.len() / 2] {
        std::fs::write(&path, &whole[..length]).unwrap();
        is_damage(&world, &snapshot);
    }
    std::fs::write(&path, vec![0; whole.len()]).unwrap();
    is_damage(&world, &snapshot);
    std::fs::write(&path, &whole).unwrap();
    world.sync().exits_with(0);
}

#[test]
fn an_accepted_index_lost() {
    let world = synced();
    let folder = accepted_main(&world);
    std::fs::remove_dir_all(world.env.path(&folder)).unwrap();
    is_damage(&world, &folder);
}

#[test]
fn an_accepted_record_garbled_or_lost() {
    let world = synced();
    let record = format!("{}/accepted.json", accepted_main(&world));
    let path = world.env.path(&record);
    std::fs::write(&path, "{").unwrap();
    is_damage(&world, &record);
    std::fs::remove_file(&path).unwrap();
    is_damage(&world, &record);
}

#[test]
fn an_accepted_indexs_bytes_or_objects_garbled() {
    for file in ["APKINDEX.tar.gz", "objects"] {
        let world = synced();
        let folder = accepted_main(&world);
        garble(world.env.path(&format!("{folder}/{file}")));
        // With nothing new nobody reads them; other rules do.
        world.sync().exits_with(0);
        world.configure("exclude = [\"zeta\"]");
        is_damage(&world, &folder);
    }
}

#[test]
fn the_live_generations_record_lost_or_garbled() {
    let world = synced();
    let path = world.env.path("store/generations/2.json");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    is_damage(&world, "store/generations/2.json");
    std::fs::remove_file(&path).unwrap();
    is_damage(&world, "store/generations/2.json");
}

#[test]
fn the_live_generations_files_lost() {
    let world = synced();
    std::fs::remove_file(world.env.path("store/generations/2.files")).unwrap();
    // Only a run that makes a new generation needs them.
    world.sync().exits_with(0);
    world.configure("exclude = [\"zeta\"]");
    is_damage(&world, "store/generations/2.files");
}

#[test]
fn what_only_speeds_up_a_run_may_be_lost() {
    for text in [None, Some(""), Some("{\"indexes\": 7}"), Some("\0\0\0\0")] {
        let world = synced();
        let generation = world.env.generation();
        match text {
            None => std::fs::remove_file(world.env.path("store/state.json")).unwrap(),
            Some(text) => std::fs::write(world.env.path("store/state.json"), text).unwrap(),
        }
        world.env.upstream.take_log();
        world.sync().exits_with(0);
        assert_eq!(world.env.generation(), generation);
        let log = world.env.upstream.take_log();
        assert!(log.iter().all(|request| request.path.ends_with("/APKINDEX.tar.gz")), "{log:?}");
    }
}

#[test]
fn the_live_tree_gone_is_told_and_published_anew_when_its_link_is_removed() {
    let world = synced();
    std::fs::remove_dir_all(world.env.path("site/.generations/2")).unwrap();
    world.sync().exits_with(5).tells(&["site/.generations/2, which is gone", "hint: put it back; or remove"]);
    std::fs::remove_file(world.env.public()).unwrap();
    world.sync().exits_with(0);
    world.shows(State::B);
}

#[test]
fn a_store_that_was_lost_whole_does_not_touch_the_trees_that_are_left() {
    let world = synced();
    std::fs::remove_dir_all(world.env.path("store")).unwrap();
    world.sync().exits_with(5).tells(&["store/generations/2.json"]);
    world.shows(State::B);
    world.still_serves_a();
    std::fs::remove_file(world.env.public()).unwrap();
    world.sync().exits_with(0);
    world.shows(State::B);
    assert_eq!(world.env.generation().to_str().unwrap(), ".generations/3", "no number of a tree is used again");
    assert!(world.env.path("site/.generations/2/v3.23/site/x86_64/zeta-1.0-r0.apk").is_file());
}
