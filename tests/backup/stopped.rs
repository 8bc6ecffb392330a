//! Killed before each durable step, as by `kill -9`: of a backup, of a prune, of a restore. Nothing is lost, and the same command
//! again finishes.

use super::env::Env;
use super::world::{World, tree};

/// Runs `words` once whole to count its steps, then begins anew from `before` and stops at each of them. `after` looks at what is
/// left, and at what the same command makes of it.
fn at_each_step(world: &World, words: &[&str], before: impl Fn(), after: impl Fn(u32)) -> u32 {
    before();
    let file = world.env.path("steps");
    let counted = world.env.bivouac_with(&[("BIVOUAC_COUNT_STEPS", file.to_str().unwrap())], words);
    counted.exits_with(0);
    let steps = u32::try_from(std::fs::read_to_string(&file).unwrap().lines().count()).unwrap();
    std::fs::remove_file(file).unwrap();
    // Few enough to try each; of many an even share, the first and the last among them.
    let stride = (steps / 40).max(1);
    let mut tried = 0;
    for step in (1..=steps).filter(|step| *step <= 3 || step % stride == 0 || *step > steps - 3) {
        before();
        let ran = world.env.bivouac_with(&[("BIVOUAC_STOP_AT_STEP", &step.to_string())], words);
        assert_eq!(ran.code, None, "killed before step {step} of {steps}: {ran}");
        after(step);
        tried += 1;
    }
    tried
}

fn reset(env: &Env, from: &str, to: &str) {
    let to = env.path(to);
    if to.exists() {
        std::fs::remove_dir_all(&to).unwrap();
    }
    let copied = std::process::Command::new("cp").arg("-a").arg(env.path(from)).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn a_backup() {
    let world = World::in_env(Env::in_memory(), "");
    world.backup();
    world.package("two", 1, 2_000);
    world.sync();
    reset(&world.env, "disk", "disk-before");
    let lists = || world.backups().len();
    let before = || reset(&world.env, "disk-before", "disk");
    let tried = at_each_step(&world, &["backup"], before, |step| {
        // Either it is there, or it is not; what was there is whole in any case.
        assert!((1..=2).contains(&lists()), "step {step}");
        let found = world.found();
        assert!(found.iter().all(|code| code == "segment-unnamed"), "step {step}: {found:?}");
        let report = world.backup();
        if !found.is_empty() {
            assert_eq!(report["objects_written"], 0, "step {step}: what was stored is not stored again");
        }
        assert!(world.found().is_empty(), "step {step}");
        world.restore(&format!("at-{step}"), &[]).exits_with(0);
        assert!(tree(&world.env.path(&format!("at-{step}/public"))) == tree(&world.env.public()));
    });
    assert!(tried >= 9, "{tried}");
}

#[test]
fn a_prune() {
    let world = World::in_env(Env::in_memory(), "keep = { last = 1 }");
    for revision in 1..4 {
        // A large one that changes, and a small one that stays: little of the first segment is needed in the end.
        world.package("large", revision, 60_000);
        world.sync();
        world.backup();
    }
    reset(&world.env, "disk", "disk-before");
    let newest = world.backups().pop().unwrap();
    let before = || reset(&world.env, "disk-before", "disk");
    let tried = at_each_step(&world, &["backup", "prune"], before, |step| {
        assert!(newest.is_file(), "step {step}: what is kept is there");
        let found = world.found();
        assert!(found.iter().all(|code| code == "segment-unnamed"), "step {step}: {found:?}");
        world.env.bivouac(&["backup", "prune"]).exits_with(0);
        assert_eq!(world.backups(), std::slice::from_ref(&newest), "step {step}");
        let found = world.found();
        assert!(found.iter().all(|code| code == "segment-unnamed"), "step {step}: {found:?}");
        world.restore(&format!("at-{step}"), &[]).exits_with(0);
        assert!(tree(&world.env.path(&format!("at-{step}/public"))) == tree(&world.env.public()));
    });
    assert!(tried >= 10, "{tried}");
}

#[test]
fn a_restore() {
    let world = World::in_env(Env::in_memory(), "");
    world.package("two", 1, 2_000);
    world.sync();
    world.backup();
    let identity = world.identity.to_str().unwrap();
    let words = ["restore", "--from", "disk", "--to", "back", "--identity", identity];
    let back = world.env.path("back");
    let before = || {
        if back.exists() {
            std::fs::remove_dir_all(&back).unwrap();
        }
    };
    let tried = at_each_step(&world, &words, before, |step| {
        // Nobody takes half a store for a whole one.
        if back.join("store/restoring").is_file() && back.join("bivouac.toml").is_file() {
            let ran = world.env.bivouac(&["--config", "back/bivouac.toml", "--json", "check"]);
            ran.exits_with(5);
            assert_eq!(ran.json()["error"]["code"], "restore-unfinished", "step {step}");
        }
        let again = world.env.bivouac(&words);
        // A run that was stopped after its very last step had ended.
        if again.code == Some(2) {
            assert!(
                back.join("store/format").is_file() && !back.join("store/restoring").exists(),
                "step {step}: {again}"
            );
        } else {
            again.exits_with(0);
        }
        assert!(tree(&back.join("public")) == tree(&world.env.public()), "step {step}");
        let checked =
            world.env.bivouac(&["--config", "back/bivouac.toml", "--json", "check", "--deep"]).exits_with(0).json();
        assert_eq!(checked["findings"], serde_json::json!([]), "step {step}");
        let epochs = std::fs::read_to_string(back.join("store/epochs.json")).unwrap();
        assert_eq!(epochs.matches("\"backup\"").count(), 1, "step {step}: one restore is one epoch");
    });
    assert!(tried >= 30, "{tried}");
}

#[test]
fn a_power_cut_during_a_restore_leaves_names_without_bytes() {
    let world = World::in_env(Env::in_memory(), "");
    world.backup();
    let identity = world.identity.to_str().unwrap();
    let words = ["restore", "--from", "disk", "--to", "back", "--identity", identity];
    let file = world.env.path("steps");
    world.env.bivouac_with(&[("BIVOUAC_COUNT_STEPS", file.to_str().unwrap())], &words).exits_with(0);
    let steps = std::fs::read_to_string(file).unwrap();
    let back = world.env.path("back");
    let good = tree(&back.join("store"));
    // The last moment at which records are not on the medium: before the flush that follows the snapshots.
    let flushes = steps.lines().enumerate().filter(|(_, line)| line.contains("flush file system"));
    let last = flushes.last().unwrap().0 + 1;
    std::fs::remove_dir_all(&back).unwrap();
    let ran = world.env.bivouac_with(&[("BIVOUAC_STOP_AT_STEP", &last.to_string())], &words);
    assert_eq!(ran.code, None, "{ran}");
    // What a file system may leave of files that were renamed and never flushed.
    let torn: Vec<_> = world
        .env
        .files_below("back/store")
        .into_iter()
        .filter(|path| {
            let below = path.strip_prefix(back.join("store")).unwrap();
            !below.starts_with("pool")
                && !["restoring", "lock", "evidence.log"].iter().any(|name| below.starts_with(name))
        })
        .collect();
    assert!(torn.len() >= 8 && torn.iter().any(|path| path.ends_with("generations/1.files")), "{torn:?}");
    for path in &torn {
        std::fs::File::create(path).unwrap();
    }
    world.env.bivouac(&words).exits_with(0);
    for path in &torn {
        let below = path.strip_prefix(back.join("store")).unwrap();
        // When it was restored is new each time.
        if below != std::path::Path::new("epochs.json") {
            assert!(std::fs::read(path).unwrap() == good[below], "{}", below.display());
        }
    }
    world.env.bivouac(&["--config", "back/bivouac.toml", "check", "--deep"]).exits_with(0);
    world.env.bivouac(&["--config", "back/bivouac.toml", "rollback", "1"]).exits_with(0);
    assert!(tree(&back.join("public")).keys().any(|path| path.ends_with("one-1-r1.apk")));
}
