//! A bundle is whole or not there, wherever the run that makes it ends; and a medium too small for it is told before.

use std::path::Path;

use super::trouble::Small;
use super::world::{State, World};

fn synced() -> World {
    let world = World::new();
    world.sync().exits_with(0);
    world.shows(State::A);
    world
}

/// How many durable steps a run has that makes a bundle.
fn steps(world: &World, words: &[&str]) -> usize {
    let file = world.env.path("steps");
    let ran = world.env.bivouac_with(&[("BIVOUAC_COUNT_STEPS", file.to_str().unwrap())], words);
    ran.exits_with(0);
    let steps = std::fs::read_to_string(&file).unwrap().lines().count();
    std::fs::remove_file(file).unwrap();
    steps
}

fn is_bundle(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "bundle")
}

/// Kills the run at each step; whatever is called a bundle then is whole, with all that lies beside it.
fn killed_at_each(world: &World, since: &[&str], to: impl Fn(usize) -> String) {
    let words = |to: &str| {
        [&["bundle", "--to"], &[to][..], since].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let run = |variables: &[(&str, &str)], to: &str| {
        let words = words(to);
        world.env.bivouac_with(variables, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    // The first one makes the folders of the record; then all runs are alike.
    run(&[], &format!("once-{}", to(0))).exits_with(0);
    let all = words(&to(0));
    let steps = steps(world, &all.iter().map(String::as_str).collect::<Vec<_>>());
    let mut made = 0;
    for number in 1..=steps {
        let ran = run(&[("BIVOUAC_STOP_AT_STEP", &*number.to_string())], &to(number));
        assert_eq!(ran.code, None, "killed before step {number} of {steps}: {ran}");
        let folder = world.env.path(&format!("{number}"));
        for file in world.env.files_below(&number.to_string()).iter().filter(|path| is_bundle(path)) {
            let inspect = ["bundle", "inspect", "--json", file.to_str().unwrap()];
            let seen = world.env.bivouac(&inspect).exits_with(0).json();
            let seen = &seen["bundles"][0];
            assert_eq!((&seen["missing_volumes"], &seen["missing_files"]), (&serde_json::json!([]), &0.into()));
            made += 1;
        }
        world.shows(State::A);
        if folder.is_dir() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        // Nothing is in the way of the next run.
        std::fs::create_dir_all(world.env.path(&format!("again-{number}"))).unwrap();
        run(&[], &format!("again-{}", to(number))).exits_with(0);
        let spools = world.env.files_below("store/bundles");
        assert!(spools.iter().all(|path| path.parent().unwrap() != world.env.path("store/bundles")), "{spools:?}");
    }
    assert!(steps >= 5 && made >= 1 && made < steps, "{made} of {steps}");
}

#[test]
fn killed_before_each_step_of_a_bundle_in_a_file() {
    let world = synced();
    std::fs::create_dir_all(world.env.path("once-0")).unwrap();
    killed_at_each(&world, &[], |number| {
        std::fs::create_dir_all(world.env.path(&number.to_string())).unwrap();
        format!("{number}/x.bundle")
    });
}

#[test]
fn killed_before_each_step_of_a_bundle_in_a_folder() {
    killed_at_each(&synced(), &[], |number| format!("{number}/stick/"));
}

#[test]
fn killed_before_each_step_of_an_increment() {
    let world = synced();
    world.env.bivouac(&["bundle", "--to", "first.bundle"]).exits_with(0);
    killed_at_each(&world, &["--since", "2999-01-01"], |number| format!("{number}/stick/"));
}

#[test]
fn a_medium_too_small_for_it_is_told_before_anything_is_written() {
    let world = synced();
    let Some(small) = Small::mount(world.env.path("stick"), "8k") else { return };
    for to in ["stick/x.bundle", "stick/"] {
        let ran = world.env.bivouac(&["bundle", "--json", "--to", to]);
        assert_eq!(ran.exits_with(1).json()["error"]["code"], "too-little-space");
        ran.tells(&["bytes are needed, 8192 are free", "hint: take a larger medium"]);
        assert!(world.env.files_below("stick").is_empty());
    }
    small.remount("size=64m");
    world.env.bivouac(&["bundle", "--to", "stick/"]).exits_with(0);
}
