//! `--only`: a part comes back whole, and takes nothing from a store that is there.

use super::fixture::{CORP, Package};
use super::world::{World, tree};

/// Two repositories of a source each, in two generations: `site` has package "one", `other` has "old" and then not.
fn two_repositories() -> World {
    let world = World::new("");
    let config = std::fs::read_to_string(world.env.path("bivouac.toml")).unwrap();
    let other = config
        .replace("generations = { last = 1 }", "generations = { last = 3 }")
        .replace("snapshots = { last = 1,", "snapshots = { last = 3,")
        .replace("linger = \"0s\"", "linger = \"14d\"")
        .replace(
            "[publish]",
            "[[repositories]]\nname = \"v3.23/other\"\narches = [\"x86_64\"]\nfrom = [\"two\"]\n\n[publish]",
        )
        + "\n[sources.two]\ndirectory = \"other\"\nkeyring = [\"trusted/builder@corp.example-00000004.rsa.pub\"]\n";
    world.env.write("bivouac.toml", other.as_bytes());
    for (name, size) in [("other", 3_000), ("old", 5_000)] {
        let built = Package::new(name, "1-r1").arch("noarch").with_noise(size).build(&CORP);
        world.env.write(&format!("other/{}", built.file), &built.bytes);
    }
    world.sync();
    std::fs::remove_file(world.env.path("other/old-1-r1.apk")).unwrap();
    world.sync();
    world.backup();
    world
}

#[test]
fn a_part_takes_nothing_from_a_store_that_is_there() {
    let world = two_repositories();
    let before = (tree(&world.env.path("store/generations")), tree(&world.env.path("store/snapshots")));
    let identity = world.identity.to_str().unwrap();
    let words =
        ["--json", "restore", "--from", "disk", "--identity", identity, "--into-existing", "--only", "v3.23/site"];
    let report = world.env.bivouac(&words).exits_with(0).json();
    assert_eq!(report["lost"], serde_json::json!([]), "{report}");
    let after = (tree(&world.env.path("store/generations")), tree(&world.env.path("store/snapshots")));
    assert!(before == after, "no record is cut");
    world.env.bivouac(&["check", "--deep"]).exits_with(0);
    world.sync();
    let lingers = world.env.public().join("v3.23/other/x86_64/old-1-r1.apk");
    assert!(lingers.is_file(), "what lingers is remembered");
}

#[test]
fn a_part_on_an_empty_machine_is_whole_and_the_rest_can_follow() {
    let world = two_repositories();
    let part = world.restore("back", &["--only", "v3.23/site"]).exits_with(0).json();
    assert_eq!(part["objects"], 1, "{part}");
    let back = |words: &[&str]| world.env.bivouac(&[&["--config", "back/bivouac.toml", "--json"], words].concat());
    assert_eq!(back(&["check", "--deep"]).exits_with(0).json()["findings"], serde_json::json!([]));
    let folders = || {
        let mut names: Vec<String> = std::fs::read_dir(world.env.path("back/public/v3.23"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(folders(), ["site"]);
    // The rest: what its trees lack is told, and how clients come to see it.
    let rest = world.restore("back", &["--into-existing"]);
    rest.exits_with(5);
    let lost = rest.json()["lost"].clone();
    assert_eq!((&lost[0]["what"], &lost[0]["code"]), (&"v3.23/other/x86_64".into(), &"tree-in-part".into()), "{rest}");
    assert_eq!(back(&["check", "--deep"]).exits_with(0).json()["findings"], serde_json::json!([]));
    back(&["publish"]).exits_with(0);
    assert_eq!(folders(), ["other", "site"]);
    for path in ["v3.23/other/x86_64/other-1-r1.apk", "v3.23/site/x86_64/one-1-r1.apk"] {
        let there = std::fs::read(world.env.path("back/public").join(path)).unwrap();
        assert!(there == std::fs::read(world.env.public().join(path)).unwrap(), "{path}");
    }
    assert_eq!(back(&["check", "--deep"]).exits_with(0).json()["findings"], serde_json::json!([]));
    back(&["prune"]).exits_with(0);
}

#[test]
fn a_sync_goes_on_from_a_part() {
    let world = two_repositories();
    world.restore("back", &["--only", "v3.23/other"]).exits_with(0);
    for folder in ["packages", "other"] {
        let copied = std::process::Command::new("cp")
            .args(["-r", folder, "back/"])
            .current_dir(world.env.path("."))
            .status()
            .unwrap();
        assert!(copied.success());
    }
    let config = std::fs::read_to_string(world.env.path("back/bivouac.toml")).unwrap();
    assert!(config.contains("[sources.corp]"), "{config}");
    let back = |words: &[&str]| world.env.bivouac(&[&["--config", "back/bivouac.toml"], words].concat());
    back(&["sync"]).exits_with(0);
    back(&["check", "--deep"]).exits_with(0);
    assert!(world.env.path("back/public/v3.23/site/x86_64/one-1-r1.apk").is_file());
    assert!(world.env.path("back/public/v3.23/other/x86_64/other-1-r1.apk").is_file());
}
