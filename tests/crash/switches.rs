//! Killed before each durable step of the commands that go back, try beside live, take out and prune.

use super::env::trusted;
use super::fixture::{NEXT, OURS, UPSTREAM};
use super::world::{State, World};

/// What clients see at a place; nothing where there is none.
fn listed(world: &World, tree: &str) -> Vec<String> {
    let place = format!("{tree}v3.23/site");
    if world.env.public().join(&place).exists() { world.env.live(&place, "x86_64") } else { Vec::new() }
}

fn seen(world: &World) -> [Vec<String>; 2] {
    [listed(world, ""), listed(world, "@qa/")]
}

/// How many steps `words` take from what is saved, and what is seen afterwards.
fn rehearse(world: &World, words: &[&str]) -> (usize, [Vec<String>; 2]) {
    world.restore();
    let file = world.env.path("steps");
    let _ = std::fs::remove_file(&file);
    world.env.bivouac_with(&[("BIVOUAC_COUNT_STEPS", file.to_str().unwrap())], words).exits_with(0);
    (std::fs::read_to_string(&file).unwrap().lines().count(), seen(world))
}

/// Whatever the step: clients see what they saw or what they will see, nothing that is in force is damaged, and the command
/// called again does what it would have done.
fn killed_at_each(world: &World, words: &[&str]) {
    world.restore();
    let before = seen(world);
    let (steps, after) = rehearse(world, words);
    assert!(steps > 3, "{words:?}: {steps} steps");
    for number in 1..=steps {
        world.restore();
        let ran = world.env.bivouac_with(&[("BIVOUAC_STOP_AT_STEP", &number.to_string())], words);
        assert_eq!(ran.code, None, "killed before step {number} of {steps}: {ran}");
        let now = seen(world);
        assert!(
            now.iter().zip(before.iter().zip(&after)).all(|(now, (before, after))| now == before || now == after),
            "{words:?}, step {number}: {now:?}"
        );
        world.env.bivouac(&["check"]).exits_with(0);
        let again = world.env.bivouac(words);
        assert_eq!(again.code, Some(0), "{words:?} after a kill before step {number}: {again}");
        assert_eq!(seen(world), after, "{words:?} after a kill before step {number}");
        world.env.bivouac(&["check"]).exits_with(0);
        let files = world.env.files_below("store").into_iter().chain(world.env.files_below("site"));
        let left: Vec<_> = files.filter(|file| file.to_string_lossy().contains(".new/")).collect();
        assert!(left.is_empty(), "{words:?} after a kill before step {number}: {left:?}");
    }
    println!("{words:?}: killed before each of {steps} steps");
}

/// Two generations and a tree beside live that shows the first.
fn stands() -> World {
    let world = World::between();
    world.sync().exits_with(0);
    world.shows(State::B);
    world.env.bivouac(&["rollback", "1"]).exits_with(0);
    world.env.bivouac(&["publish", "--as", "qa"]).exits_with(0);
    world.save();
    world
}

#[test]
fn killed_before_each_step_of_a_rollback() {
    let world = stands();
    killed_at_each(&world, &["rollback", "2"]);
}

#[test]
fn killed_before_each_step_of_publishing_live_and_beside() {
    let world = stands();
    killed_at_each(&world, &["publish"]);
    let snapshots = world.env.bivouac(&["--json", "snapshots"]).json();
    let oldest = snapshots.as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    killed_at_each(&world, &["publish", &oldest, "--as", "qa"]);
}

#[test]
fn killed_before_each_step_of_a_promotion() {
    let world = stands();
    killed_at_each(&world, &["promote", "qa"]);
}

#[test]
fn killed_before_each_step_of_a_withdrawal() {
    let world = stands();
    // One that upstream's own index does not list, too.
    let upstreams = world.env.live_records("v3.23/main", "x86_64", &[trusted(&UPSTREAM)]);
    let ours = world.env.live_records("v3.23/site", "x86_64", &[trusted(&OURS)]);
    let only_ours = |name: &str| upstreams.iter().all(|listed| listed.name != name);
    let name = ours.iter().map(|listed| listed.name.clone()).find(|name| only_ours(name)).unwrap();
    killed_at_each(&world, &["withdraw", &name]);
}

#[test]
fn killed_before_each_step_of_a_rotation() {
    let world = stands();
    let next = world.env.private_key(&NEXT);
    killed_at_each(&world, &["key", "rotate", "--key", &next]);
    world.restore();
    world.env.bivouac(&["key", "rotate", "--key", &next]).exits_with(0);
    std::fs::remove_dir_all(world.env.path("saved")).unwrap();
    world.save();
    // Whoever has both keys sees no difference; that the old one is gone from all indexes is seen by the names.
    world.env.bivouac(&["key", "retire", NEXT.name, "--now"]).exits_with(0);
    killed_at_each(&world, &["key", "retire", NEXT.name, "--now"]);
}

#[test]
fn killed_before_each_step_of_a_prune() {
    let world = stands();
    std::fs::remove_dir_all(world.env.path("saved")).unwrap();
    world.configure("");
    let file = world.env.path("bivouac.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    world.env.write(
        "bivouac.toml",
        format!("{text}\n[publish]\nlinger = \"0s\"\n[retain]\nprune = \"never\"\nsnapshots = {{ last = 1 }}\ngenerations = {{ last = 1 }}\n")
            .as_bytes(),
    );
    world.env.bivouac(&["publish"]).exits_with(0);
    world.save();
    let plan = world.env.bivouac(&["--json", "prune", "--dry-run"]).json();
    assert!(!plan["generations"].as_array().unwrap().is_empty(), "{plan}");
    killed_at_each(&world, &["prune"]);
    let plan = world.env.bivouac(&["--json", "prune", "--dry-run"]).json();
    assert_eq!((&plan["objects"], &plan["accepted"]), (&0.into(), &0.into()), "{plan}");
}
