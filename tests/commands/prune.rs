//! What stays and what goes: `[retain]`, `linger`, pins, `prune`.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::env::{Env, trusted};
use super::fixture::{OURS, Package, UPSTREAM};
use super::oracle;
use super::site::{MAIN, SOURCES, publish};

/// One repository, and what follows it in the configuration.
fn configured(env: &Env, rest: &str) {
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nname = \"v3.23/main\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\n{rest}\n"
    ));
    std::fs::create_dir_all(env.path("packages")).unwrap();
}

/// Upstream's `count`th state: one package that each state has in a version of its own, and one that never changes.
fn moves_to(env: &Env, count: u32) {
    let tool = Package::new("tool", &format!("{count}.0-r0")).with_noise(1000).build(&UPSTREAM);
    let lib = Package::new("lib", "1.0-r0").build(&UPSTREAM);
    publish(env, MAIN, count, &[&tool, &lib], &UPSTREAM);
}

fn syncs(env: &Env, states: impl IntoIterator<Item = u32>) {
    for count in states {
        moves_to(env, count);
        env.bivouac(&["sync"]).exits_with(0);
    }
}

fn ids(env: &Env) -> Vec<String> {
    let snapshots = env.bivouac(&["--json", "snapshots"]).exits_with(0).json();
    snapshots.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn generations(env: &Env) -> Vec<u64> {
    let history = env.bivouac(&["--json", "history"]).exits_with(0).json();
    history.as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()).collect()
}

fn objects(env: &Env) -> usize {
    env.files_below("store/pool/objects").len()
}

fn trees(env: &Env) -> BTreeSet<String> {
    let folder = env.path("site/.generations");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Makes all packages of the pool old: what arrived lately is spared at the end of a sync.
fn long_ago(env: &Env) {
    for object in env.files_below("store/pool/objects") {
        let file = std::fs::File::open(object).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(30 * 24 * 3600)).unwrap();
    }
}

#[test]
fn retain_decides_which_snapshots_and_generations_stay() {
    let env = Env::new();
    let few = "[publish]\nlinger = \"0s\"\n[retain]\nsnapshots = { last = 2 }\ngenerations = { last = 3 }";
    configured(&env, few);
    syncs(&env, 1..=5);
    assert_eq!(generations(&env), [5, 4, 3]);
    assert_eq!(trees(&env), BTreeSet::from(["3", "4", "5"].map(str::to_owned)));
    assert_eq!(ids(&env).len(), 3, "two by the rule, and those that kept generations show");
    assert_eq!(env.files_below("store/accepted").len() / 3, 3);
    // Without the table a dozen generations are nothing to worry about, and ten snapshots stay.
    configured(&env, "");
    syncs(&env, 6..=9);
    assert_eq!(generations(&env), [9, 8, 7, 6, 5]);
    assert_eq!(ids(&env).len(), 7);
    env.bivouac(&["check"]).exits_with(0);
}

#[test]
fn prune_never_leaves_it_to_the_command() {
    let env = Env::new();
    let rest = "[publish]\nlinger = \"0s\"\n[retain]\nsnapshots = { last = 1 }\ngenerations = { last = 1 }\n";
    configured(&env, &format!("{rest}prune = \"never\""));
    syncs(&env, 1..=3);
    assert_eq!((generations(&env).len(), ids(&env).len(), objects(&env)), (3, 3, 4));

    // A dry run says what goes, in both forms, and changes nothing.
    let plan = env.bivouac(&["--json", "prune", "--dry-run"]).exits_with(0).json();
    assert_eq!((&plan["objects"], &plan["generations"]), (&2.into(), &serde_json::json!([1, 2])), "{plan}");
    assert!(plan["bytes"].as_u64().unwrap() > 2000, "{plan}");
    let told = env.bivouac(&["prune", "--dry-run"]);
    assert!(told.exits_with(0).stdout.contains("would go: 2 snapshots, 2 generations"), "{told}");
    assert_eq!((generations(&env).len(), ids(&env).len(), objects(&env)), (3, 3, 4));

    assert_eq!(env.bivouac(&["--json", "prune"]).exits_with(0).json(), plan);
    assert_eq!((generations(&env), ids(&env).len(), objects(&env)), (vec![3], 1, 2));
    assert_eq!(trees(&env), BTreeSet::from(["3".to_owned()]));
    let again = env.bivouac(&["--json", "prune"]).exits_with(0).json();
    assert_eq!((&again["objects"], &again["accepted"]), (&0.into(), &0.into()), "{again}");
    env.bivouac(&["check"]).exits_with(0);

    // The pool forgot what it dropped, and what it forgot it fetches.
    env.upstream.take_log();
    moves_to(&env, 1);
    env.bivouac(&["sync", "--accept-older"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ["lib-1.0-r0", "tool-1.0-r0"]);
    // With the key as it is by default the sync itself prunes.
    configured(&env, rest);
    syncs(&env, 4..=4);
    assert_eq!(generations(&env).len(), 1);
    env.bivouac(&["check"]).exits_with(0);
}

#[test]
fn what_lingers_stays_and_goes_when_its_time_is_over() {
    let env = Env::new();
    let rest = "[retain]\nsnapshots = { last = 1 }\ngenerations = { last = 1 }\n";
    configured(&env, rest);
    syncs(&env, 1..=3);
    // A client that holds the index of the first generation still finds its package.
    let folder = env.public().join("v3.23/main/x86_64");
    env.bivouac(&["prune"]).exits_with(0);
    for count in 1..=3 {
        assert!(folder.join(format!("tool-{count}.0-r0.apk")).exists(), "{count}");
    }
    assert_eq!(objects(&env), 4);
    configured(&env, &format!("{rest}[publish]\nlinger = \"0s\""));
    syncs(&env, 4..=4);
    env.bivouac(&["prune"]).exits_with(0);
    assert_eq!(objects(&env), 2);
    assert!(!folder.join("tool-1.0-r0.apk").exists());
    assert_eq!(env.live("v3.23/main", "x86_64"), ["lib-1.0-r0", "tool-4.0-r0"]);
    // Without the key what leaves the index lingers again.
    configured(&env, rest);
    syncs(&env, 5..=5);
    assert!(folder.join("tool-4.0-r0.apk").exists());
}

#[test]
fn a_pinned_snapshot_and_a_tree_beside_live_stay_with_all_they_reach() {
    let env = Env::new();
    let rest = "[publish]\nlinger = \"0s\"\n[retain]\nsnapshots = { last = 1 }\ngenerations = { last = 1 }\n";
    configured(&env, &format!("{rest}prune = \"never\""));
    syncs(&env, 1..=4);
    let oldest = ids(&env).pop().unwrap();
    env.bivouac(&["snapshots", "pin", &oldest]).exits_with(0);
    let second = ids(&env)[2].clone();
    env.bivouac(&["publish", &second, "--as", "qa"]).exits_with(0);
    env.bivouac(&["prune"]).exits_with(0);
    assert_eq!(generations(&env), [5, 4], "live, and what is at @qa");
    assert_eq!(objects(&env), 4, "lib, and the tools of 1 (pinned), 2 (@qa) and 4 (live)");
    env.bivouac(&["check"]).exits_with(0);
    // What is pinned can be published.
    env.bivouac(&["publish", &oldest]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ["lib-1.0-r0", "tool-1.0-r0"]);
    env.bivouac(&["snapshots", "unpin", &oldest]).exits_with(0);
    syncs(&env, 5..=5);
    env.bivouac(&["prune"]).exits_with(0);
    assert_eq!(ids(&env).len(), 2, "the newest, and the one at @qa");
}

/// A tree beside live that moves often does not take live's way back.
#[test]
fn generations_are_retained_by_place() {
    let env = Env::new();
    let rest = "[publish]\nto = \"qa\"\n[retain]\ngenerations = { last = 2 }";
    configured(&env, "");
    syncs(&env, 1..=1);
    configured(&env, rest);
    syncs(&env, 2..=6);
    env.bivouac(&["promote", "qa"]).exits_with(0);
    syncs(&env, 7..=8);
    assert_eq!(generations(&env), [9, 8, 7, 1], "two at @qa, two that were live");
    env.bivouac(&["rollback"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ["lib-1.0-r0", "tool-1.0-r0"]);
}

#[test]
fn packages_of_an_index_that_was_set_aside_are_spared_for_the_next_sync() {
    let env = Env::new();
    let rest = "[publish]\nlinger = \"0s\"\n[retain]\nsnapshots = { last = 1 }\ngenerations = { last = 1 }";
    configured(&env, rest);
    syncs(&env, 1..=1);
    // Two new packages; one of them cannot be had.
    let new = Package::new("new", "1.0-r0").with_noise(500).build(&UPSTREAM);
    let away = Package::new("away", "1.0-r0").build(&UPSTREAM);
    publish(&env, MAIN, 2, &[&new, &away], &UPSTREAM);
    env.upstream.files().remove(&format!("{MAIN}/{}", away.file));
    env.bivouac(&["sync"]).exits_with(4);
    // Another change ends with a prune.
    configured(
        &env,
        &format!("{rest}\n[[repositories]]\nname = \"v3.23/copy\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]"),
    );
    env.bivouac(&["sync", "v3.23/copy"]).exits_with(0);
    publish(&env, MAIN, 2, &[&new, &away], &UPSTREAM);
    env.upstream.take_log();
    env.bivouac(&["sync"]).exits_with(0);
    let asked: Vec<_> =
        env.upstream.take_log().iter().filter(|request| request.path.ends_with(&new.file)).map(|r| r.status).collect();
    assert!(asked.is_empty(), "it was here already");
    // What nobody came back for goes when it is old.
    long_ago(&env);
    syncs(&env, 3..=3);
    assert_eq!(objects(&env), 2);
}

#[test]
fn status_disk_says_where_the_bytes_are() {
    let env = Env::new();
    let second = "\n[[repositories]]\nname = \"v3.23/other\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\nexclude = [\"tool\"]\n";
    configured(&env, second);
    syncs(&env, 1..=2);
    let value = env.bivouac(&["--json", "status", "--disk"]).exits_with(0).json();
    let disk = &value["disk"];
    let size = |file: &str| std::fs::metadata(env.public().join("v3.23/main/x86_64").join(file)).unwrap().len();
    let (tool, old, lib) = (size("tool-2.0-r0.apk"), size("tool-1.0-r0.apk"), size("lib-1.0-r0.apk"));
    let main = &disk["repositories"][0];
    assert_eq!((&main["exclusive_bytes"], &main["shared_bytes"]), (&tool.into(), &lib.into()), "{disk}");
    let other = &disk["repositories"][1];
    assert_eq!((&other["exclusive_bytes"], &other["shared_bytes"]), (&0.into(), &lib.into()), "{disk}");
    assert_eq!((&disk["lingering_bytes"], &disk["kept_bytes"]), (&old.into(), &0.into()), "{disk}");
    assert_eq!((&disk["pool_bytes"], &disk["unreached_bytes"]), (&(tool + old + lib).into(), &0.into()), "{disk}");
    let told = env.bivouac(&["status", "--disk"]);
    assert!(told.exits_with(0).stdout.contains("free on the store's disk"), "{told}");
}

/// A small generator, seeded: the same histories every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Whatever happened before: after a prune every tree that clients see is whole, every snapshot that is listed can be
/// published with all its packages, every generation that is listed can be gone back to, and `check` finds nothing.
#[test]
fn prune_never_takes_what_anything_reaches() {
    for seed in 1..=6 {
        let env = Env::in_memory();
        let mut chance = Chance(seed);
        configured(&env, "");
        syncs(&env, 1..=1);
        let mut told = String::new();
        for step in 2..=24 {
            let (snapshots, generations_left) = (ids(&env), generations(&env));
            let some = |chance: &mut Chance, list: &[String]| list[chance.below(list.len() as u64) as usize].clone();
            let words: Vec<String> = match chance.below(9) {
                0 | 1 => {
                    moves_to(&env, step);
                    vec!["sync".into()]
                }
                2 => vec!["publish".into(), some(&mut chance, &snapshots), "--as".into(), "qa".into()],
                3 => vec!["promote".into(), "qa".into()],
                4 => {
                    let number = generations_left[chance.below(generations_left.len() as u64) as usize];
                    vec!["rollback".into(), number.to_string()]
                }
                5 => vec!["publish".into(), some(&mut chance, &snapshots)],
                6 => vec!["snapshots".into(), "pin".into(), some(&mut chance, &snapshots)],
                7 => vec!["snapshots".into(), "unpin".into(), some(&mut chance, &snapshots)],
                _ => {
                    let linger = ["0s", "14d"][chance.below(2) as usize];
                    let kept = ["", "keep_versions = 2\n"][chance.below(2) as usize];
                    let rules = format!(
                        "{kept}[publish]\nlinger = \"{linger}\"\n[retain]\nsnapshots = {{ last = {} }}\ngenerations = {{ last = {} }}",
                        chance.below(4),
                        chance.below(4)
                    );
                    configured(&env, &rules);
                    vec!["prune".into()]
                }
            };
            let ran = env.bivouac(&words.iter().map(String::as_str).collect::<Vec<_>>());
            told.push_str(&format!("{} → {:?}\n", words.join(" "), ran.code));
            assert!(matches!(ran.code, Some(0 | 2)), "seed {seed}:\n{told}{ran}");
            let check = env.bivouac(&["check"]);
            assert_eq!(check.code, Some(0), "seed {seed}:\n{told}{check}");
            whole(&env, &told);
        }
        env.bivouac(&["prune"]).exits_with(0);
        for id in ids(&env) {
            env.bivouac(&["publish", &id, "--as", "try"]).exits_with(0);
            whole(&env, &told);
        }
    }
}

/// Every index that clients can ask for, with every package that it names.
fn whole(env: &Env, told: &str) {
    for tree in ["", "@qa/", "@try/"] {
        let folder = env.public().join(format!("{tree}v3.23/main/x86_64"));
        let Ok(index) = std::fs::read(folder.join("APKINDEX.tar.gz")) else { continue };
        for listed in oracle::index(&index, &[trusted(&OURS)]).unwrap() {
            let bytes = std::fs::read(folder.join(listed.file()))
                .unwrap_or_else(|error| panic!("{tree}{}: {error}\n{told}", listed.file()));
            oracle::package(&bytes, &listed).unwrap();
        }
    }
}
