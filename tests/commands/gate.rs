//! `must_install`: what the operator's worlds ask for must be installable, or the former state stays.

use super::env::Env;
use super::fixture::{Package, UPSTREAM};
use super::site::{COMMUNITY, MAIN, SOURCES, publish};

/// An environment whose repository must install `world-web`, with these packages upstream.
fn environment(packages: &[Package]) -> Env {
    let env = Env::new();
    std::fs::create_dir_all(env.path("packages")).unwrap();
    env.write("world-web", b"web # the site\nhello>1.0\n");
    upstream(&env, 1, packages);
    publish(&env, COMMUNITY, 1, &[], &UPSTREAM);
    configure(&env, "must_install = [\"@world-web\"]");
    env
}

fn configure(env: &Env, key: &str) {
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\n\
         from = [\"up:v3.23/main\", \"up:v3.23/community\"]\n{key}\n"
    ));
}

fn upstream(env: &Env, count: u32, packages: &[Package]) {
    let built: Vec<_> = packages.iter().map(|package| package.build(&UPSTREAM)).collect();
    publish(env, MAIN, count, &built.iter().collect::<Vec<_>>(), &UPSTREAM);
}

fn web() -> Package {
    Package::new("web", "2-r0").depends("so:tls>=3")
}

fn hello() -> Package {
    Package::new("hello", "1.1-r0")
}

fn tls(version: &str) -> Package {
    Package::new("tls", &format!("{version}-r0")).provides(&format!("so:tls={version}"))
}

const OBSTACLE: &str =
    "world-web: the world needs web; web-2-r0 needs so:tls>=3, of which there is only tls-2.9-r0 (so:tls=2.9)";

#[test]
fn a_world_that_cannot_be_met_keeps_the_former_state() {
    let env = environment(&[web(), hello(), tls("3.1")]);
    env.bivouac(&["sync"]).exits_with(0);
    let before = env.live("v3.23/site", "x86_64");
    assert_eq!(before, ["hello-1.1-r0", "tls-3.1-r0", "web-2-r0"]);
    let generation = env.generation();

    // Upstream goes on with a library that web cannot use.
    upstream(&env, 2, &[web(), hello(), tls("2.9"), Package::new("more", "1-r0")]);
    let ran = env.bivouac(&["sync"]);
    ran.exits_with(3);
    for told in [
        "error: refused v3.23/site/x86_64: what must_install asks for cannot be installed from it",
        OBSTACLE,
        "kept: generation 1 stays live",
        "`bivouac sync --accept-gate v3.23/site/x86_64` lets this state through once",
    ] {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
    assert_eq!((env.live("v3.23/site", "x86_64"), env.generation()), (before, generation.clone()));

    // Nothing new upstream: still refused, and told as one value.
    let ran = env.bivouac(&["--json", "sync"]);
    ran.exits_with(3);
    assert_eq!(ran.json()["repositories"][0]["error"]["code"], "gate");
    assert_eq!(env.generation(), generation);

    // Without the key it is published.
    configure(&env, "");
    env.bivouac(&["sync"]).exits_with(0);
    assert!(env.live("v3.23/site", "x86_64").contains(&"tls-2.9-r0".to_owned()));
}

#[test]
fn accept_gate_lets_one_state_through_and_the_next_is_asked_about_again() {
    for named in ["v3.23/site", "v3.23/site/x86_64"] {
        let env = environment(&[web(), hello(), tls("3.1")]);
        env.bivouac(&["sync"]).exits_with(0);
        upstream(&env, 2, &[web(), hello(), tls("2.9")]);
        let ran = env.bivouac(&["--json", "sync", "--accept-gate", named]);
        ran.exits_with(0);
        let warning = ran.json()["repositories"][0]["warnings"][0].as_str().unwrap().to_owned();
        assert!(warning.starts_with("let through once by --accept-gate: v3.23/site/x86_64: "), "{warning}");
        assert!(warning.ends_with(OBSTACLE), "{warning}");
        assert_eq!(env.live("v3.23/site", "x86_64"), ["hello-1.1-r0", "tls-2.9-r0", "web-2-r0"]);
        // It stays published without a word; what comes after it does not pass.
        env.bivouac(&["sync"]).exits_with(0);
        upstream(&env, 3, &[web(), hello(), tls("2.9"), Package::new("more", "1-r0")]);
        env.bivouac(&["sync"]).exits_with(3);
        assert_eq!(env.live("v3.23/site", "x86_64").len(), 3);
    }
    let env = environment(&[web(), hello(), tls("2.9")]);
    let ran = env.bivouac(&["sync", "--accept-gate", "v3.23/sit"]);
    ran.exits_with(2);
    assert!(ran.stderr.contains("did you mean \"v3.23/site\"?"), "{}", ran.stderr);
    env.bivouac(&["sync", "--accept-gate", "v3.23/site/aarch64"]).exits_with(2);
}

#[test]
fn a_world_that_changed_is_asked_about_although_no_index_did() {
    let env = environment(&[web(), hello(), tls("3.1")]);
    env.bivouac(&["sync"]).exits_with(0);
    env.write("world-web", b"web\nnowhere\n");
    let ran = env.bivouac(&["sync"]);
    ran.exits_with(3);
    assert!(ran.stderr.contains("world-web: the world needs nowhere, which nothing provides"), "{}", ran.stderr);
    env.write("world-web", b"web\n");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/site", "x86_64").len(), 3);
}

#[test]
fn terms_of_the_key_itself_are_one_world() {
    let env = environment(&[web(), hello(), tls("3.1")]);
    configure(&env, "must_install = [\"web\", \"!hello\"]");
    env.bivouac(&["sync"]).exits_with(0);
    configure(&env, "must_install = [\"web\", \"!tls\"]");
    let ran = env.bivouac(&["sync"]);
    ran.exits_with(3);
    let told = "must_install: the world needs web; web-2-r0 needs so:tls>=3, but tls-3.1-r0 is ruled out: the world \
                rules out tls";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
}

#[test]
fn a_first_sync_that_the_gate_stops_publishes_nothing() {
    let env = environment(&[web(), hello()]);
    let ran = env.bivouac(&["sync"]);
    ran.exits_with(3);
    assert!(ran.stderr.contains("web-2-r0 needs so:tls>=3, which nothing provides"), "{}", ran.stderr);
    assert!(!env.public().exists());
}

#[test]
fn repositories_beside_it_count() {
    let env = environment(&[web(), hello()]);
    let built = tls("3.1").build(&UPSTREAM);
    publish(&env, COMMUNITY, 1, &[&built], &UPSTREAM);
    let blocks = |key: &str| {
        format!(
            "{SOURCES}\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\n\
             must_install = [\"@world-web\"]\n{key}\n\n[[repositories]]\nname = \"v3.23/extra\"\narches = [\"x86_64\"]\n\
             from = [\"up:v3.23/community\"]\n"
        )
    };
    env.configure(&blocks(""));
    env.bivouac(&["sync"]).exits_with(3);
    // The other one moved; this one has no state yet.
    assert_eq!(env.live("v3.23/extra", "x86_64"), ["tls-3.1-r0"]);
    assert!(!env.public().join("v3.23/site/x86_64/APKINDEX.tar.gz").exists());
    env.configure(&blocks("beside = [\"v3.23/extra\"]"));
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/site", "x86_64"), ["hello-1.1-r0", "web-2-r0"]);
}

#[test]
fn publish_passes_the_gate_and_rollback_goes_round_it() {
    let env = environment(&[web(), hello(), tls("2.9")]);
    configure(&env, "");
    env.bivouac(&["sync"]).exits_with(0);
    let old = env.bivouac(&["--json", "snapshots"]).json()[0]["id"].as_str().unwrap().to_owned();
    upstream(&env, 2, &[web(), hello(), tls("3.1")]);
    configure(&env, "must_install = [\"@world-web\"]");
    env.bivouac(&["sync"]).exits_with(0);
    let ran = env.bivouac(&["publish", &old]);
    ran.exits_with(3);
    assert!(ran.stderr.contains(OBSTACLE), "{}", ran.stderr);
    assert!(env.live("v3.23/site", "x86_64").contains(&"tls-3.1-r0".to_owned()));
    env.bivouac(&["rollback"]).exits_with(0);
    assert!(env.live("v3.23/site", "x86_64").contains(&"tls-2.9-r0".to_owned()));
}

#[test]
fn a_world_file_that_is_missing_or_unreadable_is_a_mistake_of_usage() {
    let env = environment(&[web(), hello(), tls("3.1")]);
    env.write("world-web", b"web=\n");
    env.bivouac(&["sync"]).exits_with(2);
    std::fs::remove_file(env.path("world-web")).unwrap();
    env.bivouac(&["sync"]).exits_with(2);
    assert!(!env.public().exists());
}
