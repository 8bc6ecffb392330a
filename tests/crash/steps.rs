//! Killed before each durable step that a sync counts.

use std::fmt::Write as _;

use super::world::{State, World};

/// All steps of a run from where the world stands: `number name` each.
fn count(world: &World) -> Vec<String> {
    let file = world.env.path("steps");
    let _ = std::fs::remove_file(&file);
    world.env.bivouac_with(&[("BIVOUAC_COUNT_STEPS", file.to_str().unwrap())], &["sync"]).exits_with(0);
    let steps = std::fs::read_to_string(&file).expect("a binary built with debug assertions counts its steps");
    let steps: Vec<String> = steps.lines().map(str::to_owned).collect();
    // Threads announce their steps side by side, so lines may change places; no number is left out.
    let mut numbers: Vec<usize> = steps.iter().map(|step| step.split(' ').next().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=steps.len()), "{steps:?}");
    steps
}

/// Stops a run before each of its steps in turn, from the state that is saved.
fn killed_at_each(world: &World, before: Option<State>) {
    world.restore();
    let steps = count(world);
    world.shows(State::B);
    for name in ["finish part", "flush file system", "append", "rename all", "rename", "flush folder", "switch link"] {
        assert!(steps.iter().any(|step| step.ends_with(name)), "no step {name:?} in {steps:?}");
    }
    let mut told = String::new();
    let mut switched = false;
    for number in 1..=steps.len() {
        world.restore();
        let file = world.env.path("steps");
        std::fs::remove_file(&file).unwrap();
        let variables =
            [("BIVOUAC_STOP_AT_STEP", &*number.to_string()), ("BIVOUAC_COUNT_STEPS", file.to_str().unwrap())];
        let ran = world.env.bivouac_with(&variables, &["sync"]);
        assert_eq!(ran.code, None, "killed before step {number} of {}: {ran}", steps.len());
        let counted = std::fs::read_to_string(&file).unwrap();
        assert!(counted.lines().any(|line| line.starts_with(&format!("{number} "))), "{counted}");
        let seen = world.seen();
        writeln!(told, "{number}: {seen:?}").unwrap();
        // Once the new tree is live, no later step takes it back.
        assert!(!switched || seen == Some(State::B), "{told}");
        switched = seen == Some(State::B);
        world.recovers(before, world.env.upstream.take_log());
    }
    assert!(switched, "steps follow the switch, too: {told}");
    println!("killed before each of {} steps", steps.len());
}

#[test]
fn killed_before_each_step_of_the_first_sync() {
    let world = World::new();
    world.set(State::B);
    killed_at_each(&world, None);
}

#[test]
fn killed_before_each_step_of_an_update() {
    let world = World::between();
    world.save();
    killed_at_each(&world, Some(State::A));
}

/// A run that was killed is killed again while it recovers, before each step of that.
#[test]
fn killed_before_each_step_of_the_recovery_from_a_kill_at_the_switch() {
    let world = World::between();
    world.save();
    let steps = count(&world);
    let at = steps.iter().position(|step| step.ends_with("switch link")).unwrap() + 1;
    world.restore();
    let ran = world.env.bivouac_with(&[("BIVOUAC_STOP_AT_STEP", &at.to_string())], &["sync"]);
    assert_eq!(ran.code, None, "{ran}");
    world.shows(State::A);
    std::fs::remove_dir_all(world.env.path("saved")).unwrap();
    world.save();
    killed_again_at_each(&world);
}

fn killed_again_at_each(world: &World) {
    let steps = count(world);
    world.shows(State::B);
    for number in 1..=steps.len() {
        world.restore();
        let ran = world.env.bivouac_with(&[("BIVOUAC_STOP_AT_STEP", &number.to_string())], &["sync"]);
        assert_eq!(ran.code, None, "killed before step {number} of {}: {ran}", steps.len());
        world.recovers(Some(State::A), world.env.upstream.take_log());
    }
}

/// The words to ask with belong to the index they came with. Between the newer index and its words, a kill leaves the older
/// one's: an upstream that goes back would say that nothing has changed, and mean the older index.
#[test]
fn words_of_a_former_index_are_not_used_for_the_one_in_force() {
    let world = World::between();
    world.save();
    let steps = count(&world);
    let at = steps.iter().position(|step| step.ends_with("switch link")).unwrap() + 1;
    world.restore();
    let ran = world.env.bivouac_with(&[("BIVOUAC_STOP_AT_STEP", &at.to_string())], &["sync"]);
    assert_eq!(ran.code, None, "{ran}");
    world.env.upstream.take_log();
    world.sync().exits_with(0);
    let log = world.env.upstream.take_log();
    assert_eq!(log.len(), 2, "both indexes are asked for, nothing else: {log:?}");
    assert!(log.iter().all(|request| !request.conditional), "{log:?}");
    world.sync().exits_with(0);
    assert!(world.env.upstream.take_log().iter().all(|request| request.conditional && request.status == 304));
}
