//! `bivouac sync`: what a run does, says and leaves, when nothing is wrong.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;

use sha2::{Digest as _, Sha256};

use super::env::{Env, trusted};
use super::fixture::{CORP, OURS, Package, UPSTREAM, hex};
use super::oracle;
use super::site::{COMMUNITY, FIRST, MAIN, SOURCES, Site, extra, hello, libgreet, publish};

const INDEX: &str = "v3.23/site/x86_64/APKINDEX.tar.gz";

fn keys_of(value: &serde_json::Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// An environment with upstream filled and a repository block of the test's own.
fn configured(repository: &str) -> Env {
    let env = Env::new();
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\n{repository}\n"
    ));
    std::fs::create_dir_all(env.path("packages")).unwrap();
    publish(&env, MAIN, 1, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    publish(&env, COMMUNITY, 1, &[&extra("1.0-r0").build(&UPSTREAM)], &UPSTREAM);
    env
}

#[test]
fn a_run_says_what_it_did_as_json() {
    let site = Site::before_the_first_sync();
    let first = site.env.bivouac(&["--json", "sync"]).exits_with(0).json();
    assert!(
        keys_of(&first).is_superset(&["snapshot", "generation", "published", "repositories", "seconds"].into()),
        "{first}"
    );
    assert_eq!((&first["generation"], &first["published"]), (&1.into(), &true.into()), "{first}");
    let repository = &first["repositories"][0];
    let promised = [
        "name",
        "arch",
        "packages",
        "added",
        "removed",
        "upgraded",
        "unchanged",
        "fetched_files",
        "fetched_bytes",
        "refused",
        "carried",
        "shadowed",
        "shadowed_newer",
        "error",
    ];
    assert!(keys_of(repository).is_superset(&promised.into()), "{repository}");
    assert_eq!((&repository["name"], &repository["arch"]), (&"v3.23/site".into(), &"x86_64".into()));
    assert_eq!((&repository["packages"], &repository["fetched_files"]), (&4.into(), &3.into()), "{repository}");
    assert_eq!((&repository["unchanged"], &repository["error"]), (&false.into(), &serde_json::Value::Null));

    let again = site.env.bivouac(&["--json", "sync"]).exits_with(0).json();
    assert_eq!(again["published"], false, "{again}");
    let repository = &again["repositories"][0];
    assert_eq!(
        (&repository["unchanged"], &repository["fetched_files"], &repository["fetched_bytes"]),
        (&true.into(), &0.into(), &0.into())
    );

    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    site.community(2, &[&Package::new("news", "1-r0").build(&UPSTREAM)]);
    let third = site.env.bivouac(&["--json", "sync"]).exits_with(0).json();
    assert_eq!((&third["generation"], &third["published"]), (&2.into(), &true.into()), "{third}");
    let repository = &third["repositories"][0];
    let counts = ["added", "removed", "upgraded", "fetched_files"].map(|key| count(&repository[key]));
    assert_eq!(counts, [1, 1, 1, 2], "{repository}");
    site.watch.stop();
}

/// A number, or how many a list holds: the contract fixes the keys.
fn count(value: &serde_json::Value) -> u64 {
    value.as_array().map_or_else(|| value.as_u64().unwrap(), |list| list.len() as u64)
}

#[test]
fn a_failed_run_still_prints_one_json_value() {
    let site = Site::standing();
    site.env.upstream.put(&format!("{MAIN}/APKINDEX.tar.gz"), b"broken".to_vec());
    let run = site.env.bivouac(&["--json", "sync"]);
    let value = run.exits_with(3).json();
    assert!(value.is_object(), "{run}");
    let lone = Env::new();
    let value = lone.bivouac(&["--json", "sync"]).exits_with(2).json();
    assert!(keys_of(&value["error"]).is_superset(&["code", "message", "hint"].into()), "{value}");
    site.watch.stop();
}

#[test]
fn a_dry_run_shows_the_plan_and_changes_nothing() {
    let site = Site::standing();
    let next = hello("1.1-r0").build(&UPSTREAM);
    site.main(2, &[&next, &libgreet().build(&UPSTREAM)]);
    let before = site.env.files_below("store/pool");
    let run = site.env.bivouac(&["sync", "--dry-run"]);
    run.exits_with(0);
    assert!(run.stdout.contains("hello") || run.stdout.contains("1 package"), "{run}");
    assert_eq!(site.live(), FIRST);
    assert_eq!(site.env.files_below("store/pool"), before);
    assert!(!site.env.upstream.take_log().iter().any(|request| request.path.ends_with(".apk")));
    // The real run afterwards finds all of it still to do.
    let real = site.env.bivouac(&["--json", "sync"]).exits_with(0).json();
    assert_eq!(real["repositories"][0]["fetched_bytes"], next.bytes.len());
    site.watch.stop();
}

#[test]
fn no_publish_takes_a_snapshot_and_publishes_nothing() {
    let site = Site::standing();
    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    let generation = site.env.generation();
    let value = site.env.bivouac(&["--json", "sync", "--no-publish"]).exits_with(0).json();
    assert_eq!(value["published"], false);
    assert!(value["snapshot"].is_string(), "{value}");
    assert_eq!((site.live(), site.env.generation()), (FIRST.map(str::to_owned).to_vec(), generation));
    // What was fetched is not fetched again, and the next run publishes it.
    site.env.upstream.take_log();
    site.env.bivouac(&["sync"]).exits_with(0);
    assert!(!site.env.upstream.take_log().iter().any(|request| request.path.ends_with(".apk")));
    assert_eq!(site.live()[2], "hello-1.1-r0");
    site.watch.stop();
}

#[test]
fn a_repository_that_is_not_configured_is_a_usage_error() {
    let site = Site::standing();
    site.env.bivouac(&["sync", "v3.23/sit"]).exits_with(2).tells(&["v3.23/sit"]);
    assert!(site.env.upstream.take_log().is_empty());
    site.watch.stop();
}

#[test]
fn one_repository_of_several() {
    let env = Env::new();
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nfrom = [\"up:v3.23/{{repository}}\"]\nfor = {{ repository = [\"main\", \"community\"] }}\narches = [\"x86_64\"]\n"
    ));
    std::fs::create_dir_all(env.path("packages")).unwrap();
    publish(&env, MAIN, 1, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    publish(&env, COMMUNITY, 1, &[&extra("1.0-r0").build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    publish(&env, MAIN, 2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    publish(&env, COMMUNITY, 2, &[&extra("1.1-r0").build(&UPSTREAM)], &UPSTREAM);
    env.upstream.take_log();
    env.bivouac(&["sync", "v3.23/main"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ["hello-1.1-r0", "libgreet-1.0-r0"]);
    assert_eq!(env.live("v3.23/community", "x86_64"), ["extra-1.0-r0"], "its former state stays");
    assert!(env.upstream.take_log().iter().all(|request| request.path.contains("/main/")));
}

#[test]
fn the_first_source_that_has_a_name_supplies_it() {
    let env = configured("from = [\"corp\", \"up:v3.23/main\", \"up:v3.23/community\"]");
    let own = Package::new("hello", "0.5-r0").depends("libgreet").build(&CORP);
    env.write(&format!("packages/{}", own.file), &own.bytes);
    let value = env.bivouac(&["--json", "sync"]).exits_with(0).json();
    assert_eq!(env.live("v3.23/site", "x86_64"), ["extra-1.0-r0", "hello-0.5-r0", "libgreet-1.0-r0"]);
    let repository = &value["repositories"][0];
    assert_eq!((&repository["shadowed"], &repository["shadowed_newer"]), (&1.into(), &1.into()), "{repository}");
    // What is shadowed is not fetched.
    assert!(!env.upstream.take_log().iter().any(|request| request.path.ends_with("hello-1.0-r0.apk")));
}

#[test]
fn selected_packages_come_with_what_they_need() {
    let env = configured("from = [\"corp\", \"up:v3.23/main\", \"up:v3.23/community\"]\npackages = [\"hello\"]");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/site", "x86_64"), ["hello-1.0-r0", "libgreet-1.0-r0"]);
}

#[test]
fn what_is_excluded_stays_out() {
    let env = configured("from = [\"corp\", \"up:v3.23/main\", \"up:v3.23/community\"]\nexclude = [\"ext*\"]");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/site", "x86_64"), ["hello-1.0-r0", "libgreet-1.0-r0"]);
    assert!(!env.upstream.take_log().iter().any(|request| request.path.contains("extra")));
    // Without the key it comes.
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap().replace("exclude = [\"ext*\"]", "");
    env.write("bivouac.toml", text.as_bytes());
    env.bivouac(&["sync"]).exits_with(0);
    assert!(env.live("v3.23/site", "x86_64").contains(&"extra-1.0-r0".to_owned()));
}

#[test]
fn a_seed_is_looked_into_before_the_wire() {
    let env = configured("from = [\"up:v3.23/main\"]");
    let config = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    env.write(
        "bivouac.toml",
        config.replace("timeout = \"1s\"", "timeout = \"1s\"\nseed = [\"old-mirror\"]").as_bytes(),
    );
    let (hello, greet) = (hello("1.0-r0").build(&UPSTREAM), libgreet().build(&UPSTREAM));
    env.write(&format!("old-mirror/v3.23/main/x86_64/{}", hello.file), &hello.bytes);
    // As long as the right one, and wrong: fetched after all.
    env.write(&format!("old-mirror/v3.23/main/x86_64/{}", greet.file), &vec![7; greet.bytes.len()]);
    env.bivouac(&["sync"]).exits_with(0);
    let fetched: Vec<_> =
        env.upstream.take_log().into_iter().map(|request| request.path).filter(|path| path.ends_with(".apk")).collect();
    assert_eq!(fetched, [format!("{MAIN}/{}", greet.file)]);
    assert_eq!(env.live("v3.23/site", "x86_64").len(), 2);
}

#[test]
fn our_index_is_signed_described_and_the_same_anywhere() {
    let (one, other) = (Site::standing(), Site::standing());
    let read = |site: &Site| std::fs::read(site.env.public().join(INDEX)).unwrap();
    let (bytes, again) = (read(&one), read(&other));
    assert_eq!(oracle::signature_names(&bytes), [format!(".SIGN.RSA256.{}", OURS.name)]);
    let text = oracle::index_text(&bytes, &[trusted(&OURS)]).unwrap();
    assert_eq!(text, oracle::index_text(&again, &[trusted(&OURS)]).unwrap());
    // The description begins with 12 digits of the text's own SHA-256: `apk update` on a client shows which state it is on.
    let description = oracle::description(&bytes).unwrap();
    assert_eq!(description[..12], hex(&Sha256::digest(&text))[..12], "{description}");
    assert!(description.len() <= 160);
    for site in [one, other] {
        site.watch.stop();
    }
}

#[test]
fn sha1_for_old_clients_is_written_beside_sha256() {
    let env = configured("from = [\"up:v3.23/main\"]");
    let config = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    env.write("bivouac.toml", config.replace("\n[signing]\n", "\n[signing]\ndigest = \"sha1\"\n").as_bytes());
    env.bivouac(&["sync"]).exits_with(0);
    let bytes = std::fs::read(env.public().join(INDEX)).unwrap();
    // The first usable signature decides, so the stronger one stands first.
    assert_eq!(
        oracle::signature_names(&bytes),
        [format!(".SIGN.RSA256.{}", OURS.name), format!(".SIGN.RSA.{}", OURS.name)]
    );
}

#[test]
fn an_index_that_did_not_change_keeps_its_file_and_one_that_did_is_newer() {
    let env = Env::new();
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nfrom = [\"up:v3.23/{{repository}}\"]\nfor = {{ repository = [\"main\", \"community\"] }}\narches = [\"x86_64\"]\n"
    ));
    std::fs::create_dir_all(env.path("packages")).unwrap();
    publish(&env, MAIN, 1, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    publish(&env, COMMUNITY, 1, &[&extra("1.0-r0").build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    let look = |repository: &str| {
        let file = env.public().join(repository).join("x86_64/APKINDEX.tar.gz");
        let meta = std::fs::metadata(&file).unwrap();
        (std::fs::read(&file).unwrap(), meta.mtime())
    };
    let (main, community) = (look("v3.23/main"), look("v3.23/community"));
    publish(&env, MAIN, 2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    assert!(look("v3.23/community") == community, "bytes and time stay");
    // Clients ask If-Modified-Since in whole seconds: a changed index must be a second younger at least.
    assert!(look("v3.23/main").1 > main.1, "{} then {}", main.1, look("v3.23/main").1);
}

#[test]
fn packages_are_stored_once_and_read_only() {
    let site = Site::standing();
    let objects = site.env.files_below("store/pool/objects");
    assert_eq!(objects.len(), 4);
    for object in &objects {
        let meta = std::fs::metadata(object).unwrap();
        assert_eq!(meta.mode() & 0o777, 0o444, "{}", object.display());
        let name = object.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, hex(&Sha256::digest(std::fs::read(object).unwrap())));
        // Store and public tree share a file system here: hard links, no second copy.
        assert!(meta.nlink() >= 2, "{}", object.display());
    }
    assert_eq!(std::fs::metadata(site.env.path("store")).unwrap().mode() & 0o777, 0o700);
    site.watch.stop();
}

#[test]
fn what_left_the_index_stays_downloadable() {
    let site = Site::standing();
    for (count, version) in [(2, "1.1-r0"), (3, "1.2-r0"), (4, "1.3-r0")] {
        site.main(count, &[&hello(version).build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
        site.env.bivouac(&["sync"]).exits_with(0);
    }
    for version in ["1.0-r0", "1.1-r0", "1.2-r0", "1.3-r0"] {
        assert!(site.env.public().join(format!("v3.23/site/x86_64/hello-{version}.apk")).exists(), "{version}");
    }
    assert_eq!(site.live()[2], "hello-1.3-r0");
    site.watch.stop();
}

#[test]
fn a_private_package_that_is_taken_away_leaves_the_index() {
    let site = Site::standing();
    let other = Package::new("corp-other", "1-r0").build(&CORP);
    site.env.write(&format!("packages/{}", other.file), &other.bytes);
    std::fs::remove_file(site.env.path("packages/corp-tool-1.0-r0.apk")).unwrap();
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live(), [&["corp-other-1-r0"], &FIRST[1..]].concat());
    let newer = Package::new("corp-tool", "1.1-r0").build(&CORP);
    site.env.write(&format!("packages/x86_64/{}", newer.file), &newer.bytes);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live()[1], "corp-tool-1.1-r0");
    site.watch.stop();
}
