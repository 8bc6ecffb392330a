//! Sources that are not what they were: the former state stays, and the message names what is gone.

use super::env::Env;
use super::fixture::{CORP, Package, UPSTREAM};
use super::site::{COMMUNITY, FIRST, Site, extra, hello, libgreet};

fn unpack(value: &serde_json::Value) -> (Option<&str>, u64) {
    let repository = &value["repositories"][0];
    (repository["error"]["code"].as_str(), repository["packages"].as_u64().unwrap())
}

#[test]
fn a_source_that_empties() {
    let site = Site::standing();
    let package = site.env.path("packages/corp-tool-1.0-r0.apk");
    let elsewhere = site.env.path("corp-tool");
    std::fs::rename(&package, &elsewhere).unwrap();
    let plan = site.env.bivouac(&["--json", "sync", "--dry-run"]);
    assert_eq!(plan.exits_with(4).json()["repositories"][0]["removed"], 0, "{plan}");
    for _ in 0..2 {
        let run = site.env.bivouac(&["--json", "sync"]);
        run.exits_with(4).tells(&["source \"corp\"", "1 were there, and none is listed now", "mounted"]);
        assert_eq!(unpack(&run.json()), (Some("emptied"), 4));
        assert_eq!(site.live(), FIRST);
    }
    // Everything else moves meanwhile.
    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    site.env.bivouac(&["sync"]).exits_with(4);
    assert_eq!(site.live(), ["corp-tool-1.0-r0", "extra-1.0-r0", "hello-1.1-r0", "libgreet-1.0-r0"]);
    // A signed index that lists nothing is refused, whoever signed it.
    std::fs::rename(&elsewhere, &package).unwrap();
    site.community(2, &[]);
    let run = site.env.bivouac(&["--json", "sync"]);
    run.exits_with(3).tells(&["v3.23/community/x86_64 from source \"up\"", "take the source out of `from`"]);
    assert_eq!(unpack(&run.json()), (Some("emptied"), 4));
    site.community(3, &[&extra("1.1-r0").build(&UPSTREAM)]);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live(), ["corp-tool-1.0-r0", "extra-1.1-r0", "hello-1.1-r0", "libgreet-1.0-r0"]);
    // What is meant to go is said so.
    std::fs::remove_file(&package).unwrap();
    let config = std::fs::read_to_string(site.env.path("bivouac.toml")).unwrap();
    site.env.write("bivouac.toml", config.replace("from = [\"corp\", ", "from = [").as_bytes());
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live(), ["extra-1.1-r0", "hello-1.1-r0", "libgreet-1.0-r0"]);
    site.watch.stop();
}

#[test]
fn one_arch_may_empty_and_both_may_not() {
    let env = Env::new();
    let two = "arches = [\"aarch64\", \"x86_64\"]\nfrom = [\"corp\"]\n";
    env.configure(&format!("{}\n[[repositories]]\nname = \"a\"\n{two}", super::site::SOURCES));
    let files = ["aarch64", "x86_64"].map(|arch| {
        let built = Package::new("tool", "1-r0").arch(arch).build(&CORP);
        env.write(&format!("packages/{arch}/{}", built.file), &built.bytes)
    });
    env.bivouac(&["sync"]).exits_with(0);
    std::fs::remove_file(&files[0]).unwrap();
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!((env.live("a", "aarch64").len(), env.live("a", "x86_64").len()), (0, 1));
    std::fs::remove_file(&files[1]).unwrap();
    env.bivouac(&["sync"]).exits_with(4).tells(&["x86_64 from source \"corp\" are all gone"]);
    assert_eq!(env.live("a", "x86_64"), ["tool-1-r0"]);
}

#[test]
fn a_source_that_was_empty_before_may_be_so_for_ever() {
    let env = Env::new();
    std::fs::create_dir_all(env.path("packages")).unwrap();
    env.configure(&format!(
        "{}\n[[repositories]]\nname = \"a\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n",
        super::site::SOURCES
    ));
    env.bivouac(&["sync"]).exits_with(0);
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("a", "x86_64"), Vec::<String>::new());
}

#[test]
fn a_source_that_vanishes_between_two_syncs() {
    let mut site = Site::standing();
    std::fs::rename(site.env.path("packages"), site.env.path("elsewhere")).unwrap();
    let run = site.env.bivouac(&["--json", "sync"]);
    run.exits_with(4).tells(&["source \"corp\"", "could not be read"]);
    assert_eq!(unpack(&run.json()), (Some("folder-unreadable"), 4));
    assert_eq!(site.live(), FIRST);
    std::fs::rename(site.env.path("elsewhere"), site.env.path("packages")).unwrap();
    site.env.upstream.go_away();
    let run = site.env.bivouac(&["--json", "sync"]);
    run.exits_with(4).tells(&["source \"up\""]);
    assert_eq!(unpack(&run.json()), (Some("unavailable"), 4));
    assert_eq!(site.live(), FIRST);
    site.env.upstream.come_back();
    site.env.bivouac(&["sync"]).exits_with(0);
    // Out of the configuration while it is still taken from: nothing moves.
    let config = std::fs::read_to_string(site.env.path("bivouac.toml")).unwrap();
    site.env.write("bivouac.toml", config.replace("[sources.corp]", "[sources.corporation]").as_bytes());
    site.env.bivouac(&["sync"]).exits_with(2).tells(&["takes from source \"corp\", which is not defined"]);
    assert_eq!(site.live(), FIRST);
    site.watch.stop();
}

#[test]
fn two_sources_that_fight_over_one_name() {
    let site = Site::standing();
    let theirs = Package::new("hello", "1.0-r0").with_noise(100);
    site.community(2, &[&theirs.build(&UPSTREAM), &extra("1.0-r0").build(&UPSTREAM)]);
    for _ in 0..2 {
        let run = site.env.bivouac(&["--json", "sync"]);
        assert_eq!(unpack(&run.exits_with(0).json()), (None, 4));
        assert_eq!(site.live(), FIRST, "the first in `from` has it, at every sync");
    }
    let url = format!("{COMMUNITY}/hello-1.0-r0.apk");
    assert!(site.env.upstream.take_log().iter().all(|request| request.path != url), "what is shadowed is not fetched");
    // The first gives it up: the other's bytes do not take the place of those that clients know.
    site.main(2, &[&libgreet().build(&UPSTREAM)]);
    let run = site.env.bivouac(&["--json", "sync"]);
    run.exits_with(3).tells(&["hello-1.0-r0.apk", "v3.23/community/x86_64 from source \"up\"", "other bytes"]);
    assert_eq!(unpack(&run.json()), (Some("rebuilt"), 4));
    assert_eq!(site.live(), FIRST);
    // Under a version of its own it does.
    site.community(3, &[&hello("1.0-r1").build(&UPSTREAM), &extra("1.0-r0").build(&UPSTREAM)]);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live(), ["corp-tool-1.0-r0", "extra-1.0-r0", "hello-1.0-r1", "libgreet-1.0-r0"]);
    site.watch.stop();
}
