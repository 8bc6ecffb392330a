//! What a rule of the operator's holds back: an index that shrinks too much, repositories that move together, a disk too small
//! for the plan. Each rule changes what clients see, and without it they see the other.

use std::os::unix::fs::MetadataExt as _;

use super::env::Env;
use super::fixture::{Built, Package, UPSTREAM};
use super::site::{COMMUNITY, FIRST, MAIN, SOURCES, Site, extra, hello, libgreet, publish};

/// Main with so many small packages beside the usual ones.
fn crowd(count: usize) -> Vec<Built> {
    let mut packages: Vec<_> =
        (0..count).map(|number| Package::new(&format!("p{number:02}"), "1-r0").build(&UPSTREAM)).collect();
    packages.extend([hello("1.0-r0").build(&UPSTREAM), libgreet().build(&UPSTREAM)]);
    packages
}

fn set_main(site: &Site, count: u32, packages: &[Built]) {
    site.main(count, &packages.iter().collect::<Vec<_>>());
}

fn replace(env: &Env, old: &str, new: &str) {
    let file = env.path("bivouac.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(old), "{text}");
    std::fs::write(&file, text.replacen(old, new, 1)).unwrap();
}

/// A site that took 27 names from main, of which upstream is going to list only `left`.
fn shrinking_to(left: usize) -> Site {
    let site = Site::before_the_first_sync();
    set_main(&site, 1, &crowd(25));
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live().len(), 29);
    site.community(2, &[&extra("1.1-r0").build(&UPSTREAM)]);
    set_main(&site, 2, &crowd(left - 2));
    site
}

#[test]
fn max_shrink_holds_an_index_that_loses_many_names_at_once() {
    let site = shrinking_to(5);
    for arguments in [&["--json", "sync"][..], &["--json", "sync", "--dry-run"]] {
        let run = site.env.bivouac(arguments);
        let value = run.exits_with(3).json();
        assert_eq!(value["repositories"][0]["error"]["code"], "shrink", "{run}");
        run.tells(&[
            "index v3.23/main/x86_64 from source \"up\": 22 of the 27 names taken from it are gone, more than 25%",
            "p03, p04",
            "sync --accept-shrink v3.23/site/x86_64",
        ]);
    }
    let listed = site.live();
    assert!(listed.len() == 29 && listed.contains(&"extra-1.1-r0".to_owned()), "the others go on: {listed:?}");
    // Without the rule it goes through.
    replace(&site.env, "timeout = \"1s\"", "timeout = \"1s\"\nmax_shrink = \"off\"");
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live().len(), 7);
    site.watch.stop();
}

#[test]
fn accept_shrink_lets_it_through_once() {
    let site = shrinking_to(5);
    site.env.bivouac(&["sync", "--accept-shrink", "v3.23/sit"]).exits_with(2).tells(&["v3.23/sit"]);
    site.env.bivouac(&["sync", "--accept-shrink", "v3.23/site/aarch64"]).exits_with(2);
    site.env.bivouac(&["sync", "--accept-shrink", "v3.23/site/x86_64"]).exits_with(0);
    assert_eq!(site.live().len(), 7);
    set_main(&site, 3, &crowd(25));
    site.env.bivouac(&["sync"]).exits_with(0);
    set_main(&site, 4, &crowd(3));
    site.env.bivouac(&["sync"]).exits_with(3);
    assert_eq!(site.live().len(), 29, "the next time it is held again");
    site.env.bivouac(&["sync", "--accept-shrink", "v3.23/site"]).exits_with(0);
    site.watch.stop();
}

#[test]
fn fewer_than_twenty_names_or_a_smaller_share_may_always_go() {
    let site = shrinking_to(8);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live().len(), 10, "19 are gone");
    let site = {
        site.watch.stop();
        shrinking_to(7)
    };
    replace(&site.env, "timeout = \"1s\"", "timeout = \"1s\"\nmax_shrink = \"75%\"");
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live().len(), 9, "20 of 27 are less than three quarters");
    site.watch.stop();
}

// --- together ---------------------------------------------------------------------------------------------------------

/// Main and community of one block with `rule`, synced once; then upstream moves on, community with an index that is refused.
fn two_of_a_block(rule: &str) -> Env {
    let env = Env::new();
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nfrom = [\"up:v3.23/{{repository}}\"]\n\
         for = {{ repository = [\"main\", \"community\"] }}\narches = [\"x86_64\"]\n{rule}\n"
    ));
    std::fs::create_dir_all(env.path("packages")).unwrap();
    publish(&env, MAIN, 1, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    publish(&env, COMMUNITY, 1, &[&extra("1.0-r0").build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    publish(&env, MAIN, 2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    env.upstream.put(&format!("{COMMUNITY}/APKINDEX.tar.gz"), b"broken".to_vec());
    env
}

fn versions(env: &Env) -> (String, String) {
    (env.live("v3.23/main", "x86_64")[0].clone(), env.live("v3.23/community", "x86_64")[0].clone())
}

#[test]
fn together_moves_all_of_a_block_or_nothing() {
    let env = two_of_a_block("together = true");
    let run = env.bivouac(&["--json", "sync"]);
    let value = run.exits_with(3).json();
    assert_eq!(versions(&env), ("hello-1.0-r0".into(), "extra-1.0-r0".into()), "{run}");
    let main = &value["repositories"][0];
    assert_eq!((&main["name"], &main["error"]["code"]), (&"v3.23/main".into(), &"together".into()), "{value}");
    run.tells(&["v3.23/main/x86_64", "moves together with v3.23/community/x86_64, which is held back"]);
    // The snapshot holds no half of the step either, and one alone cannot be had.
    env.bivouac(&["publish"]).exits_with(0);
    env.bivouac(&["sync", "v3.23/main"]).exits_with(3);
    assert_eq!(versions(&env), ("hello-1.0-r0".into(), "extra-1.0-r0".into()));
    // What arrived is not fetched again; mended, both move.
    publish(&env, COMMUNITY, 2, &[&extra("1.1-r0").build(&UPSTREAM)], &UPSTREAM);
    env.upstream.take_log();
    env.bivouac(&["sync", "v3.23/main"]).exits_with(0);
    assert_eq!(versions(&env), ("hello-1.1-r0".into(), "extra-1.1-r0".into()));
    let log = env.upstream.take_log();
    assert!(!log.iter().any(|request| request.path.contains("/main/") && request.path.ends_with(".apk")), "{log:?}");
}

#[test]
fn without_together_each_goes_on_alone() {
    let env = two_of_a_block("together = false");
    env.bivouac(&["sync"]).exits_with(3);
    assert_eq!(versions(&env), ("hello-1.1-r0".into(), "extra-1.0-r0".into()));
}

#[test]
fn an_index_that_others_take_from_goes_on_for_them() {
    let env = two_of_a_block(
        "together = true\n[[repositories]]\nname = \"other\"\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]",
    );
    let value = env.bivouac(&["--json", "sync"]).exits_with(3).json();
    assert_eq!(versions(&env), ("hello-1.0-r0".into(), "extra-1.0-r0".into()));
    assert_eq!(env.live("other", "x86_64")[0], "hello-1.1-r0");
    assert_eq!(value["repositories"][0]["error"]["code"], "together", "{value}");
    assert!(value["repositories"][2]["error"].is_null(), "{value}");
}

// --- bad input gets ---------------------------------------------------------------------------------------------------

#[test]
fn a_disk_too_small_for_the_plan() {
    let site = Site::standing();
    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    let file = site.env.path("bivouac.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let size = hello("1.1-r0").build(&UPSTREAM).bytes.len();
    std::fs::write(&file, format!("{text}[retain]\nmin_free = \"10000000TiB\"\n")).unwrap();
    for arguments in [&["sync"][..], &["sync", "--dry-run"]] {
        let run = site.env.bivouac(arguments);
        run.exits_with(1).tells(&[&format!("{size} bytes are needed"), "are free", "hint: free space"]);
    }
    assert_eq!(site.env.bivouac(&["--json", "sync"]).exits_with(1).json()["error"]["code"], "too-little-space");
    assert_eq!(site.live(), FIRST);
    assert!(!site.env.upstream.take_log().iter().any(|request| request.path.ends_with(".apk")));
    // Where nothing is to be fetched, nothing has to fit.
    site.main(3, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    site.env.bivouac(&["sync"]).exits_with(0);
    site.main(4, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    std::fs::write(&file, format!("{text}[retain]\nmin_free = \"0%\"\n")).unwrap();
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live()[2], "hello-1.1-r0");
    site.watch.stop();
}

#[test]
fn a_clock_set_back() {
    let site = Site::standing();
    // All that the first run left was made on New Year's Eve of 2099, as far as its records say.
    let snapshot = &site.env.files_below("store/snapshots")[0];
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(snapshot).unwrap()).unwrap();
    let former = value["id"].as_str().unwrap().to_owned();
    let id = format!("20991231T000000Z-{}", former.rsplit('-').next().unwrap());
    (value["id"], value["time"]) = (id.clone().into(), "2099-12-31T00:00:00Z".into());
    site.env.write(&format!("store/snapshots/{id}.json"), &serde_json::to_vec(&value).unwrap());
    std::fs::remove_file(snapshot).unwrap();
    let record = site.env.path("store/generations/1.json");
    let text = std::fs::read_to_string(&record).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text.replace(&former, &id)).unwrap();
    value["time"] = "2099-12-31T00:00:00Z".into();
    value["repositories"][0]["published"] = "2099-12-31T00:00:00Z".into();
    site.env.write("store/generations/1.json", &serde_json::to_vec(&value).unwrap());

    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    let value = site.env.bivouac(&["--json", "sync"]).exits_with(0).json();
    assert_eq!(site.live()[2], "hello-1.1-r0");
    let next = value["snapshot"].as_str().unwrap();
    assert!(next > &*id, "the newer sorts behind: {next}");
    // Clients ask with the time of what they have: the newer index is younger than that, whatever the clock says.
    let index = site.env.public().join("v3.23/site/x86_64/APKINDEX.tar.gz");
    assert!(std::fs::metadata(index).unwrap().mtime() > 4_102_358_400, "2099-12-31");
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live()[2], "hello-1.1-r0");
    site.watch.stop();
}

#[test]
fn a_dry_run_makes_no_store() {
    let site = Site::before_the_first_sync();
    let run = site.env.bivouac(&["sync", "--dry-run"]);
    run.exits_with(0);
    assert!(run.stdout.contains("to fetch in all: 4 packages"), "{run}");
    assert!(!site.env.path("store").exists() && !site.env.path("site").join(".generations").exists());
    site.watch.stop();
}

#[test]
fn a_first_sync_that_gets_nothing_leaves_no_snapshot() {
    let mut env = Env::new();
    env.configure(&format!("{SOURCES}\n[[repositories]]\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\n"));
    std::fs::create_dir_all(env.path("packages")).unwrap();
    env.upstream.go_away();
    let value = env.bivouac(&["--json", "sync"]).exits_with(4).json();
    assert!(value["snapshot"].is_null() && value["generation"].is_null(), "{value}");
    assert!(env.files_below("store/snapshots").is_empty());
    env.upstream.come_back();
    publish(&env, MAIN, 1, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.files_below("store/snapshots").len(), 1);
}
