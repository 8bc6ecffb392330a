//! A repair that is killed before each of its steps, or that finds the disk full: clients see no worse than before, and the next
//! one finishes it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::env::rot;
use super::trouble::Small;
use super::world::{State, World};

/// Every file that clients see.
fn tree(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = world.env.files_below("site").into_iter().filter(|path| !path.is_symlink());
    files.map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

fn site(world: &World, file: &str) -> PathBuf {
    world.env.path("site/.generations/1/v3.23/site/x86_64").join(file)
}

/// Garbles two objects, one of which the directory source still has, loses a name and an index.
fn harm(world: &World) {
    for file in ["alpha-1.0-r0.apk", "corp-tool-1.0-r0.apk"] {
        rot(&site(world, file));
    }
    std::fs::remove_file(site(world, "beta-1.0-r0.apk")).unwrap();
    rot(&world.env.path("site/.generations/1/v3.23/main/x86_64/APKINDEX.tar.gz"));
}

#[test]
fn killed_before_each_step_of_a_repair() {
    let world = World::new();
    world.sync().exits_with(0);
    let right = tree(&world);
    harm(&world);
    let harmed = tree(&world);
    assert_eq!(right.iter().filter(|(path, bytes)| harmed.get(*path) != Some(bytes)).count(), 5);
    world.save();
    let steps = world.env.path("steps");
    world.env.bivouac_with(&[("BIVOUAC_COUNT_STEPS", steps.to_str().unwrap())], &["repair"]).exits_with(0);
    assert!(tree(&world) == right);
    let steps: Vec<String> = std::fs::read_to_string(&steps).unwrap().lines().map(str::to_owned).collect();
    for name in ["finish part", "rename all", "replace a name", "flush file system"] {
        assert!(steps.iter().any(|step| step.ends_with(name)), "no step {name:?} in {steps:?}");
    }
    for number in 1..=steps.len() {
        world.restore();
        let ran = world.env.bivouac_with(&[("BIVOUAC_STOP_AT_STEP", &number.to_string())], &["repair"]);
        assert_eq!(ran.code, None, "killed before step {number} of {}: {ran}", steps.len());
        // A file is what it was, or right.
        let seen = tree(&world);
        for (path, bytes) in &harmed {
            let now = seen.get(path);
            assert!(now == Some(bytes) || now == right.get(path), "step {number}: {}", path.display());
        }
        world.env.bivouac(&["repair"]).exits_with(0);
        assert!(tree(&world) == right, "step {number}");
        let asked = world.env.upstream.take_log();
        assert!(asked.len() <= 2, "step {number}: {asked:?}");
        world.env.bivouac(&["check", "--deep"]).exits_with(0);
        world.has_no_leftovers();
        world.shows(State::A);
    }
    println!("killed before each of {} steps", steps.len());
}

#[test]
fn a_repair_that_finds_the_disk_full_keeps_what_there_is() {
    let world = World::new();
    let Some(_small) = Small::mount(world.env.path("store"), "16m") else { return };
    world.sync().exits_with(0);
    // On a file system of its own the store has copies in the trees: gone as well.
    let name = site(&world, "alpha-1.0-r0.apk");
    let right = std::fs::read(&name).unwrap();
    let object =
        world.env.files_below("store/pool/objects").into_iter().find(|path| std::fs::read(path).unwrap() == right);
    let object = object.unwrap();
    rot(&object);
    for folder in ["main", "site"] {
        rot(&world.env.path(&format!("site/.generations/1/v3.23/{folder}/x86_64/alpha-1.0-r0.apk")));
    }
    let garbled = std::fs::read(&object).unwrap();
    let filler = world.env.path("store/filler");
    world.env.upstream.take_log();
    world.env.upstream.after("/alpine/v3.23/main/x86_64/alpha-1.0-r0.apk", {
        let filler = filler.clone();
        move |_| {
            let mut file = std::fs::File::create(filler).unwrap();
            while std::io::Write::write_all(&mut file, &[7; 4096]).is_ok() {}
        }
    });
    let ran = world.env.bivouac(&["--json", "repair"]);
    ran.exits_with(1).tells(&["hint: free space"]);
    let report = ran.json();
    assert_eq!((&report["error"]["code"], &report["repaired"]), (&"disk-full".into(), &serde_json::json!([])), "{ran}");
    assert_eq!(report["findings"][0]["code"], "object-damaged", "{ran}");
    assert!(std::fs::read(&object).unwrap() == garbled);
    std::fs::remove_file(filler).unwrap();
    world.env.bivouac(&["repair"]).exits_with(0);
    assert!(std::fs::read(&object).unwrap() == right && std::fs::read(&name).unwrap() == right);
    world.env.bivouac(&["check", "--deep"]).exits_with(0);
}
