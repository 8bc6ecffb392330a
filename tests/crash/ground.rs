//! The ground that a restore stands on, killed before each of its steps: a store that is begun and ended, objects by their
//! SHA-256, records, trees of earlier generations, a new one that goes live, a tree beside it. What stands for the backup is
//! the lost store itself, put aside.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use bivouac::disk::durable::{self, Rehearsal};
use bivouac::disk::lock::{Lock, Patience, Purpose};
use bivouac::disk::{PublicTree, Store};
use bivouac::ledger::{Epoch, Ledger};
use bivouac::plan::publish::{Generation, IndexFile, Wish, decide};
use bivouac::pool::{Pool, parse_refs};
use bivouac::publish::{Publishable, publish, restore_tree, show_beside};
use jiff::{SignedDuration, Timestamp};

use super::world::{State, World};

const BACKUP: &str = "20261124T031700Z-9f3a1c20";
const CHILD: &str = "BIVOUAC_GROUND_CHILD";
const STEPS: &str = "steps of the restore";

/// Brings back what `root`/lost holds. The same call again goes on where it was stopped.
fn restore(root: &Path) {
    let lost = Ledger::new(Store::open(&root.join("lost/store")).unwrap());
    let lost_tree = PublicTree::new(&root.join("lost/site/alpine"));
    let store = Store::begin_restore(&root.join("store"), BACKUP).unwrap();
    let lock = Lock::take(&store, Purpose::Restore, Timestamp::UNIX_EPOCH, Patience::None).unwrap();
    let pool = restore_objects(root, &store);
    restore_records(root, &store);

    let (ledger, tree) = (Ledger::new(store.clone()), PublicTree::new(&root.join("site/alpine")));
    for number in lost_tree.trees().unwrap() {
        let index_of =
            |folder: PathBuf| std::fs::read(lost_tree.generation(number).join(folder).join("APKINDEX.tar.gz"));
        let generation = ledger.generation(number).unwrap();
        restore_tree(&tree, &pool, &generation, |state| {
            Ok::<_, bivouac::publish::Error>(index_of(state.name.folder(&state.arch)).unwrap())
        })
        .unwrap();
    }
    let shown = lost.generation(lost_tree.live().unwrap().unwrap()).unwrap();
    go_live(&ledger, &tree, &pool, &shown);
    for (name, number) in lost_tree.named().unwrap() {
        show_beside(&tree, &name, number).unwrap();
    }
    store.end_restore(&lock).unwrap();
}

fn restore_objects(root: &Path, store: &Store) -> Pool {
    let lost = Pool::look(&root.join("lost/store/pool")).unwrap();
    let pool = Pool::open(&store.pool_folder()).unwrap();
    let restoring = pool.restoring().unwrap();
    let objects = lost.stored().unwrap();
    for (object, stored) in &objects {
        let mut bytes = std::fs::File::open(lost.path(object)).unwrap();
        restoring.put(object, stored.size, &mut bytes).unwrap();
    }
    let refs = lost.refs_text(&objects.into_keys().collect::<HashSet<_>>());
    restoring.finish(&parse_refs(refs.as_bytes())).unwrap();
    pool
}

/// Every record of the store, as bytes.
fn restore_records(root: &Path, store: &Store) {
    let lost = root.join("lost/store");
    for file in files(&lost).into_keys() {
        if !file.starts_with("pool") && !["format", "lock"].contains(&file.to_str().unwrap()) {
            let to = store.root().join(&file);
            durable::create_folder(to.parent().unwrap(), 0o700).unwrap();
            durable::write(&to, &std::fs::read(lost.join(&file)).unwrap(), 0o600).unwrap();
        }
    }
}

/// Shows it again as a new generation, unless a run that was stopped has come so far.
fn go_live(ledger: &Ledger, tree: &PublicTree, pool: &Pool, shown: &Generation) {
    if tree.live().unwrap().is_some() {
        return;
    }
    let signer = shown.repositories.iter().find_map(|state| state.keys.first()).unwrap().clone();
    let (time, at) = (Timestamp::now(), shown.time);
    let epoch = Epoch { number: 1, time, backup: BACKUP.into(), at, signer, generation: Some(shown.number) };
    ledger.save_epochs(&[epoch]).unwrap();
    let wishes = shown.repositories.iter().map(|state| Wish::Anew(Box::new(state.clone()))).collect();
    let last = ledger.generation_numbers().unwrap().pop().unwrap();
    let mut plan = decide(Some(shown), last, &shown.snapshot, wishes, SignedDuration::from_hours(24), time);
    plan.generation.cause = shown.cause_of_restore();
    assert!(plan.indexes.iter().all(|index| *index == IndexFile::New));
    ledger.save_generation(&plan.generation).unwrap();
    let again = |at: usize| Some(Publishable::again(tree, shown.number, &shown.repositories[at]).unwrap());
    publish(&plan, tree, pool, again).unwrap();
}

/// Every file below a folder with its bytes and time; links, and trees seen through them, left out.
fn files(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap().map(|entry| entry.unwrap()) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).unwrap();
                let inside = entry.path().strip_prefix(folder).unwrap().to_owned();
                found.insert(inside, (bytes, entry.metadata().unwrap().modified().unwrap()));
            }
        }
    }
    found
}

/// Whether what came back is what was lost.
fn judge(world: &World) {
    let tree = |top: &str, number: u64| files(&world.env.path(&format!("{top}/.generations/{number}")));
    let is_index = |file: &Path| file.ends_with("APKINDEX.tar.gz");
    for number in 1..=3 {
        let (was, is) = (tree("lost/site", number), tree("site", number));
        assert!(was.len() > 5 && was.keys().eq(is.keys()), "generation {number}: {:?}", is.keys());
        for (file, (bytes, time)) in &was {
            assert!(is[file].0 == *bytes, "generation {number}: {}", file.display());
            assert!(!is_index(file) || is[file].1 == *time, "generation {number}: the time of {}", file.display());
        }
    }
    let live: u64 = world.env.generation().file_name().unwrap().to_str().unwrap().parse().unwrap();
    let (was, is) = (tree("lost/site", 2), tree("site", live));
    assert!(was.keys().eq(is.keys()), "what lingered is there as well: {:?}", is.keys());
    for (file, (bytes, time)) in &is {
        assert!(was[file].0 == *bytes, "{}", file.display());
        assert!(!is_index(file) || was[file].1 < *time, "{} has no new time", file.display());
    }
    assert_eq!(std::fs::read_link(world.env.public().join("@qa")).unwrap(), Path::new("../3"));
    world.env.bivouac(&["check"]).exits_with(0);
    let status = world.env.bivouac(&["--json", "status"]).exits_with(0).json();
    assert_eq!((&status["live"], &status["restored_from"]), (&live.into(), &2.into()), "{status}");
    // And nothing that was restored is fetched again or published anew.
    world.env.upstream.take_log();
    world.sync().exits_with(0);
    assert!(world.env.upstream.take_log().iter().all(|request| request.status == 304));
    assert!(world.env.generation().ends_with(live.to_string()));
    world.has_no_leftovers();
}

/// This test's own process, once more, to restore and perhaps be killed.
fn child(world: &World, stop_at: Option<usize>) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "ground::killed_before_each_step_of_what_a_restore_stands_on"]);
    command.env(CHILD, world.env.path(""));
    command.envs(stop_at.map(|step| ("BIVOUAC_STOP_AT_STEP", step.to_string())));
    let output = command.output().unwrap();
    let killed = output.status.code().is_none();
    assert!(killed || output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    killed
}

fn lost_everything(world: &World) {
    for top in ["store", "site"] {
        let _ = std::fs::remove_dir_all(world.env.path(top));
    }
    let _ = std::fs::remove_file(world.env.path(STEPS));
}

#[test]
fn killed_before_each_step_of_what_a_restore_stands_on() {
    if let Some(root) = std::env::var_os(CHILD).map(PathBuf::from) {
        let stop_at = std::env::var("BIVOUAC_STOP_AT_STEP").ok().map(|step| step.parse().unwrap());
        Rehearsal { stop_at, count_in: Some(root.join(STEPS)) }.begin();
        return restore(&root);
    }
    let world = World::between();
    world.sync().exits_with(0);
    world.shows(State::B);
    world.env.bivouac(&["publish", "--as", "qa"]).exits_with(0);
    std::fs::create_dir(world.env.path("lost")).unwrap();
    for top in ["store", "site"] {
        std::fs::rename(world.env.path(top), world.env.path("lost").join(top)).unwrap();
    }
    assert!(!child(&world, None));
    judge(&world);
    let steps = std::fs::read_to_string(world.env.path(STEPS)).unwrap().lines().count();
    assert!(steps > 100, "{steps}");
    for step in 1..=steps {
        lost_everything(&world);
        assert!(child(&world, Some(step)), "step {step} of {steps}");
        let store = world.env.path("store");
        let code = match Store::open(&store) {
            Ok(_) => "ended",
            Err(error) => bivouac::error::Trouble::code(&error),
        };
        // Nobody takes it for a store before it is one, nor for somebody else's folder at any moment.
        match code {
            "no-store" => assert!(step < 10, "{step}"),
            "restore-unfinished" => assert_eq!(world.env.bivouac(&["sync"]).code, Some(5)),
            other => assert!(other == "ended" && step == steps, "{other} at step {step} of {steps}"),
        }
        if code != "ended" {
            assert!(!child(&world, None));
        }
        judge(&world);
    }
    println!("killed before each of {steps} steps");
}
