//! Going back, trying beside live, taking out: `rollback`, `publish`, `promote`, `withdraw`, `snapshots`, `diff`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::env::{Env, trusted};
use super::fixture::{OURS, Package, UPSTREAM};
use super::oracle;
use super::served::{Served, get};
use super::site::{COMMUNITY, MAIN, SOURCES, Site, hello, libgreet, publish};

const REPOSITORY: &str = "\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\nfrom = [\"corp\", \"up:v3.23/main\", \"up:v3.23/community\"]\n";

/// Upstream's main repository goes on to this version of hello.
fn moves_to(site: &Site, count: u32, version: &str) {
    site.main(count, &[&hello(version).build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
}

/// A site after three generations: hello 1.0, 1.1, 1.2.
fn three() -> Site {
    let site = Site::standing();
    for (count, version) in [(2, "1.1-r0"), (3, "1.2-r0")] {
        moves_to(&site, count, version);
        site.env.bivouac(&["sync"]).exits_with(0);
    }
    site
}

fn index_at(env: &Env, folder: &str) -> std::path::PathBuf {
    env.public().join(folder).join("x86_64/APKINDEX.tar.gz")
}

/// What a tree's index lists of hello, read as a client does that trusts our key.
fn hello_in(env: &Env, folder: &str) -> String {
    let bytes = std::fs::read(index_at(env, folder)).unwrap();
    let listed = oracle::index(&bytes, &[trusted(&OURS)]).unwrap();
    listed.into_iter().find(|listed| listed.name == "hello").map(|listed| listed.version).unwrap_or_default()
}

fn seconds(path: &Path) -> u64 {
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_rollback_is_a_new_generation_with_newer_times_and_holds_until_publish() {
    let site = three();
    let before = seconds(&index_at(&site.env, "v3.23/site"));
    let run = site.env.bivouac(&["--json", "rollback", "2"]);
    let value = run.exits_with(0).json();
    assert_eq!((&value["generation"], &value["shows"], &value["held"]), (&4.into(), &2.into(), &true.into()), "{run}");
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.1-r0");
    // Clients and caches ask for what is newer than theirs.
    assert!(seconds(&index_at(&site.env, "v3.23/site")) > before);
    assert!(site.env.public().join("v3.23/site/x86_64/hello-1.2-r0.apk").exists(), "it lingers");
    assert_eq!(site.env.bivouac(&["--json", "status"]).json()["held"], true);

    // The next syncs take snapshots and publish nothing, with news and without.
    for (count, version) in [(3, "1.2-r0"), (4, "1.3-r0")] {
        moves_to(&site, count, version);
        let run = site.env.bivouac(&["--json", "sync"]);
        let value = run.exits_with(0).json();
        assert_eq!((&value["published"], &value["held"]), (&false.into(), &true.into()), "{run}");
        assert_eq!(site.env.generation(), Path::new(".generations/4"));
    }
    let run = site.env.bivouac(&["publish"]);
    run.exits_with(0);
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.3-r0");
    assert_eq!(site.env.bivouac(&["--json", "status"]).json()["held"], false);
    site.env.bivouac(&["check"]).exits_with(0);
    site.watch.stop();
}

#[test]
fn a_rollback_without_a_number_goes_one_further_each_time() {
    let site = three();
    for (shows, version) in [(2, "1.1-r0"), (1, "1.0-r0")] {
        let value = site.env.bivouac(&["--json", "rollback"]).exits_with(0).json();
        assert_eq!(value["shows"], shows, "{value}");
        assert_eq!(hello_in(&site.env, "v3.23/site"), version);
    }
    site.env.bivouac(&["rollback"]).exits_with(2).tells(&["no generation before 1 is kept", "hint: `bivouac history`"]);
    site.env.bivouac(&["rollback", "77"]).exits_with(2).tells(&["there is no generation 77"]);
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.0-r0");
    site.watch.stop();
}

/// What was live before something bad is a rollback itself: going back from the next bad thing leads there, not to the first.
#[test]
fn a_rollback_goes_to_what_was_live_before_also_where_that_was_a_rollback() {
    let site = three();
    site.env.bivouac(&["rollback"]).exits_with(0);
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.1-r0");
    moves_to(&site, 4, "1.3-r0");
    site.env.bivouac(&["sync"]).exits_with(0);
    site.env.bivouac(&["publish"]).exits_with(0);
    let value = site.env.bivouac(&["--json", "rollback"]).exits_with(0).json();
    assert_eq!((hello_in(&site.env, "v3.23/site").as_str(), &value["shows"]), ("1.1-r0", &2.into()), "{value}");
    site.env.bivouac(&["rollback"]).exits_with(0);
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.0-r0");
    site.watch.stop();
}

/// A snapshot whose packages are gone is not published, and the state gone back to stays held.
#[test]
fn a_publish_that_is_refused_ends_no_hold() {
    let site = three();
    let Site { env, watch } = site;
    env.bivouac(&["rollback", "1"]).exits_with(0);
    watch.stop();
    let lost = env.files_below("store/pool/objects");
    let bytes = hello("1.2-r0").build(&UPSTREAM).bytes;
    let object = lost.iter().find(|object| std::fs::read(object).unwrap() == bytes).unwrap();
    std::fs::remove_file(object).unwrap();
    env.bivouac(&["publish"]).exits_with(4).tells(&["are not in the pool", "hello-1.2-r0"]);
    assert_eq!(hello_in(&env, "v3.23/site"), "1.0-r0");
    assert_eq!(env.bivouac(&["--json", "status"]).json()["held"], true);
}

#[test]
fn publishing_the_same_indexes_again_ends_a_hold_too() {
    let site = three();
    site.env.bivouac(&["rollback", "3"]).exits_with(0);
    assert_eq!(site.env.bivouac(&["--json", "status"]).json()["held"], true);
    site.env.bivouac(&["publish"]).exits_with(0);
    assert_eq!(site.env.bivouac(&["--json", "status"]).json()["held"], false);
    site.watch.stop();
}

#[test]
fn an_older_snapshot_is_published_beside_live_and_promoted() {
    let site = three();
    let snapshots = site.env.bivouac(&["--json", "snapshots"]).exits_with(0).json();
    let ids: Vec<&str> = snapshots.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3, "{snapshots}");
    assert_eq!((&snapshots[0]["live"], &snapshots[1]["live"]), (&true.into(), &false.into()), "{snapshots}");

    let run = site.env.bivouac(&["--json", "publish", ids[2], "--as", "qa"]);
    let value = run.exits_with(0).json();
    assert_eq!((&value["generation"], &value["place"]), (&4.into(), &"qa".into()), "{run}");
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.2-r0");
    assert_eq!(hello_in(&site.env, "@qa/v3.23/site"), "1.0-r0");
    assert_eq!(site.env.generation(), Path::new(".generations/3"));
    let status = site.env.bivouac(&["--json", "status"]).json();
    assert_eq!(status["beside"], serde_json::json!({"qa": 4}), "{status}");

    // Live moves on, and what is beside it stays what it was.
    moves_to(&site, 4, "1.3-r0");
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.3-r0");
    assert_eq!(hello_in(&site.env, "@qa/v3.23/site"), "1.0-r0");

    site.env.bivouac(&["promote", "qq"]).exits_with(2).tells(&["there is no tree at @qq", "there are @qa"]);
    let value = site.env.bivouac(&["--json", "promote", "qa"]).exits_with(0).json();
    assert_eq!((&value["shows"], &value["held"]), (&4.into(), &false.into()), "{value}");
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.0-r0");
    assert_eq!(hello_in(&site.env, "@qa/v3.23/site"), "1.0-r0");
    // The index that was tried is the index that is live, byte for byte.
    let bytes = |folder| std::fs::read(index_at(&site.env, folder)).unwrap();
    assert_eq!(bytes("v3.23/site"), bytes("@qa/v3.23/site"));
    site.env.bivouac(&["check"]).exits_with(0);
    site.watch.stop();
}

#[test]
fn publish_to_decides_where_a_sync_publishes() {
    let site = Site::standing();
    site.env.configure(&format!("{SOURCES}{REPOSITORY}[publish]\nto = \"qa\"\n"));
    moves_to(&site, 2, "1.1-r0");
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.0-r0");
    assert_eq!(hello_in(&site.env, "@qa/v3.23/site"), "1.1-r0");
    let run = site.env.bivouac(&["--json", "sync"]);
    assert_eq!(run.exits_with(0).json()["published"], false, "{run}");
    site.env.bivouac(&["promote", "qa"]).exits_with(0);
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.1-r0");
    // Without the key a sync goes live again.
    site.env.configure(&format!("{SOURCES}{REPOSITORY}"));
    moves_to(&site, 3, "1.2-r0");
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.2-r0");
    assert_eq!(hello_in(&site.env, "@qa/v3.23/site"), "1.1-r0");
    site.watch.stop();
}

#[test]
fn a_withdrawn_package_leaves_the_index_and_stays_away() {
    let site = three();
    let run = site.env.bivouac(&["withdraw", "hello=1.2-r0"]);
    run.exits_with(0);
    assert!(run.stdout.contains("hello=1.2-r0 is withdrawn"), "{run}");
    assert_eq!(hello_in(&site.env, "v3.23/site"), "");
    assert!(site.env.public().join("v3.23/site/x86_64/hello-1.2-r0.apk").exists(), "clients with an older index");
    // No sync brings it back, and none has anything to do.
    let value = site.env.bivouac(&["--json", "sync"]).exits_with(0).json();
    assert_eq!(value["published"], false, "{value}");
    // A rollback to a state that listed it shows the rest.
    site.env.bivouac(&["rollback", "3"]).exits_with(0);
    assert_eq!(site.live(), ["corp-tool-1.0-r0", "extra-1.0-r0", "libgreet-1.0-r0"]);
    site.env.bivouac(&["publish"]).exits_with(0);
    // Another version is another package.
    moves_to(&site, 4, "1.3-r0");
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.3-r0");

    site.env.bivouac(&["withdraw", "hello"]).exits_with(0);
    assert_eq!(hello_in(&site.env, "v3.23/site"), "");
    site.env.bivouac(&["withdraw", "--undo", "hello"]).exits_with(0);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.3-r0");
    site.watch.stop();
}

/// Taken back after a rollback that left it out: the next sync decides anew, though no index changed.
#[test]
fn what_is_taken_back_is_listed_again_by_the_next_sync() {
    let site = three();
    site.env.bivouac(&["withdraw", "hello"]).exits_with(0);
    site.env.bivouac(&["rollback", "3"]).exits_with(0);
    site.env.bivouac(&["withdraw", "--undo", "hello"]).exits_with(0);
    site.env.bivouac(&["publish"]).exits_with(0);
    assert_eq!(hello_in(&site.env, "v3.23/site"), "1.2-r0");
    site.watch.stop();
}

/// A withdrawal leaves the package out as if no source had it: a later source supplies the name.
#[test]
fn the_sync_after_a_withdrawal_lets_another_source_supply_the_name() {
    let site = Site::standing();
    let other = Package::new("corp-tool", "0.9-r0").build(&UPSTREAM);
    site.community(2, &[&super::site::extra("1.0-r0").build(&UPSTREAM), &other]);
    site.env.bivouac(&["sync"]).exits_with(0);
    site.env.bivouac(&["withdraw", "corp-tool=1.0-r0"]).exits_with(0);
    assert_eq!(site.live(), ["extra-1.0-r0", "hello-1.0-r0", "libgreet-1.0-r0"]);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live(), ["corp-tool-0.9-r0", "extra-1.0-r0", "hello-1.0-r0", "libgreet-1.0-r0"]);
    site.watch.stop();
}

#[test]
fn withdraw_now_takes_it_out_of_every_tree_that_clients_see() {
    let site = three();
    site.env.bivouac(&["publish", "--as", "qa"]).exits_with(0);
    let Site { env, watch } = site;
    watch.stop();
    env.bivouac(&["withdraw", "--now", "hello"]).exits_with(0);
    for tree in ["v3.23/site", "@qa/v3.23/site"] {
        assert_eq!(hello_in(&env, tree), "");
        let folder = env.public().join(tree).join("x86_64");
        let names: BTreeSet<String> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert!(!names.iter().any(|name| name.starts_with("hello")), "{names:?}");
    }
    env.bivouac(&["check"]).exits_with(0);
}

#[test]
fn upstreams_own_index_cannot_lose_a_package() {
    let env = Env::new();
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nname = \"v3.23/main\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\nindex = \"upstream\"\n"
    ));
    std::fs::create_dir_all(env.path("packages")).unwrap();
    publish(&env, MAIN, 1, &[&hello("1.0-r0").build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    let run = env.bivouac(&["withdraw", "--now", "hello"]);
    run.exits_with(3);
    assert!(run.stdout.contains("v3.23/main/x86_64 goes on listing it"), "{run}");
    assert!(env.public().join("v3.23/main/x86_64/hello-1.0-r0.apk").exists(), "its index names it");
    // Nor does it stand in the way of going back.
    publish(&env, MAIN, 2, &[&hello("1.1-r0").build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    let value = env.bivouac(&["--json", "rollback"]).exits_with(0).json();
    assert_eq!(value["still_shown"], serde_json::json!(["v3.23/main/x86_64"]), "{value}");
}

#[test]
fn diff_tells_by_origin_what_changed() {
    let site = three();
    publish(&site.env, COMMUNITY, 2, &[&Package::new("new", "1-r0").build(&UPSTREAM)], &UPSTREAM);
    site.env.bivouac(&["sync"]).exits_with(0);
    let run = site.env.bivouac(&["diff", "1", "4"]);
    run.exits_with(0);
    for line in ["v3.23/site/x86_64:", "  extra  1.0-r0 removed", "  hello  1.0-r0 → 1.2-r0", "  new  1-r0 added"] {
        assert!(run.stdout.lines().any(|told| told == line), "{line}: {run}");
    }
    let snapshots = site.env.bivouac(&["--json", "snapshots"]).json();
    let id = |at: usize| snapshots[at]["id"].as_str().unwrap().to_owned();
    let value = site.env.bivouac(&["--json", "diff", &id(3), &id(2)]).exits_with(0).json();
    assert_eq!(value["indexes"].as_array().unwrap().len(), 1, "{value}");
    assert_eq!(value["indexes"][0]["origins"][0]["packages"][0]["change"], "upgraded", "{value}");
    site.env.bivouac(&["diff", "1", "9"]).exits_with(2).tells(&["there is no generation 9"]);
    site.env.bivouac(&["diff", "2", &id(0)[..8]]).exits_with(2).tells(&["begins the ids of 4 snapshots"]);
    site.watch.stop();
}

#[test]
fn a_pin_is_set_and_lifted() {
    let site = three();
    let ids = site.env.bivouac(&["--json", "snapshots"]).json();
    let oldest = ids[2]["id"].as_str().unwrap().to_owned();
    for (command, pinned) in [("pin", true), ("unpin", false)] {
        site.env.bivouac(&["snapshots", command, &oldest]).exits_with(0);
        assert_eq!(site.env.bivouac(&["--json", "snapshots"]).json()[2]["pinned"], pinned);
    }
    site.env.bivouac(&["snapshots", "pin", "1999"]).exits_with(2).tells(&["no snapshot's id begins with \"1999\""]);
    site.watch.stop();
}

/// What a reader over HTTP must find at any moment: an index by our key, and each package that it names. `one` is what
/// every index of one state has in common.
fn read_once(address: &str, tree: &str) -> Result<(), String> {
    let answer = get(address, &format!("/{tree}/x86_64/APKINDEX.tar.gz"));
    if answer.status != 200 {
        return Err(format!("{tree}: index: {}", answer.head));
    }
    let listed = oracle::index(&answer.body, &[trusted(&OURS)]).map_err(|why| format!("{tree}: {why}"))?;
    // Each state of upstream has one number for both: an index that mixes two states has two.
    let versions: BTreeSet<&str> = listed
        .iter()
        .filter(|listed| listed.name == "hello" || listed.name == "extra")
        .map(|listed| listed.version.as_str())
        .collect();
    if versions.len() != 1 {
        return Err(format!("{tree}: mixed: {versions:?}"));
    }
    for listed in listed {
        let answer = get(address, &format!("/{tree}/x86_64/{}", listed.file()));
        if answer.status != 200 {
            return Err(format!("{tree}: {}: {}", listed.file(), answer.head));
        }
        oracle::package(&answer.body, &listed).map_err(|why| format!("{tree}: {}: {why}", listed.file()))?;
    }
    Ok(())
}

#[test]
fn fifty_switches_and_a_reader_never_sees_a_gap() {
    let env = Env::in_memory();
    env.configure(&format!("{SOURCES}{REPOSITORY}"));
    std::fs::create_dir_all(env.path("packages")).unwrap();
    for state in 0..4_u32 {
        let version = format!("1.{state}-r0");
        publish(&env, MAIN, state, &[&hello(&version).build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
        let extra = Package::new("extra", &version).with_noise(20_000).build(&UPSTREAM);
        publish(&env, COMMUNITY, state, &[&extra], &UPSTREAM);
        env.bivouac(&["sync"]).exits_with(0);
    }
    env.bivouac(&["publish", "--as", "qa"]).exits_with(0);
    let snapshots = env.bivouac(&["--json", "snapshots"]).json();
    let ids: Vec<String> =
        snapshots.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    let served = Served::start(&env);
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let readers: Vec<_> = ["v3.23/site", "@qa/v3.23/site"]
            .into_iter()
            .map(|tree| {
                let (address, stop, rounds) = (&served.address, &stop, &rounds);
                scope.spawn(move || -> Result<(), String> {
                    while !stop.load(Ordering::SeqCst) {
                        read_once(address, tree)?;
                        rounds.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(())
                })
            })
            .collect();
        let (mut tries, mut switches, mut failed) = (0, 0, None);
        let over = || readers.iter().any(std::thread::ScopedJoinHandle::is_finished);
        while switches < 50 && tries < 500 && failed.is_none() && !over() {
            let id = &ids[(tries / 4 + tries) % ids.len()];
            let done = match tries % 4 {
                0 => env.bivouac(&["--json", "publish", id, "--as", "qa"]),
                1 => env.bivouac(&["--json", "promote", "qa"]),
                2 => env.bivouac(&["--json", "rollback", &(1 + tries / 4 % 4).to_string()]),
                _ => env.bivouac(&["--json", "publish", id]),
            };
            failed = (done.code != Some(0)).then(|| done.to_string());
            // What is shown already is not published again.
            switches += usize::from(failed.is_none() && done.json()["generation"].is_number());
            tries += 1;
        }
        // The readers end before anything here may fail.
        stop.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.join().unwrap().unwrap_or_else(|why| panic!("after {switches} switches: {why}"));
        }
        assert_eq!((switches, failed), (50, None));
    });
    assert!(rounds.load(Ordering::SeqCst) >= 50, "it looked as often as there were switches");
}
