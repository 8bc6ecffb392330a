//! What is damaged is neither recorded as right nor shown on in silence, and one thing that cannot be mended holds up no other.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::env::Env;
use super::fixture::UPSTREAM;
use super::site::{COMMUNITY, MAIN, SOURCES, extra, hello, libgreet, publish};

/// Two repositories, one of each of upstream's; `rules` are further keys of the first.
fn configure(env: &Env, rules: &str) {
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nname = \"v3.23/one\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\n{rules}\n\
         [[repositories]]\nname = \"v3.23/two\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/community\"]\n"
    ));
}

fn standing() -> Env {
    let env = Env::new();
    std::fs::create_dir_all(env.path("packages")).unwrap();
    publish(&env, MAIN, 1, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    publish(&env, COMMUNITY, 1, &[&extra("1.0-r0").build(&UPSTREAM)], &UPSTREAM);
    configure(&env, "");
    env.bivouac(&["sync"]).exits_with(0);
    env.upstream.take_log();
    env
}

fn index(env: &Env) -> PathBuf {
    env.public().join("v3.23/one/x86_64/APKINDEX.tar.gz")
}

/// Rewrites a file in place, read-only as it may be, as a failing disk would.
fn rot(path: &Path) {
    let mode = std::fs::metadata(path).unwrap().permissions();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, mode).unwrap();
}

/// What the record of a generation says of the first repository.
fn recorded(env: &Env, number: u64) -> Value {
    let text = std::fs::read_to_string(env.path(&format!("store/generations/{number}.json"))).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    let state = &record["repositories"][0];
    assert_eq!(state["name"], "v3.23/one", "{record}");
    serde_json::json!([state["index"], state["inputs"], state["signers"], state["published"]])
}

/// The next state of what the second repository takes.
fn news(env: &Env, version: &str) {
    publish(env, COMMUNITY, 2, &[&extra(version).build(&UPSTREAM)], &UPSTREAM);
}

const SHUT: &str = "must_install = [\"nobody-has-this\"]";
const TOLD: &str = "the index file of v3.23/one/x86_64 is not what was published";

#[test]
fn a_publication_that_shows_a_rotten_index_on_records_what_was_published() {
    let env = standing();
    let (right, before) = (std::fs::read(index(&env)).unwrap(), recorded(&env, 1));
    rot(&index(&env));
    // The gate is shut for it, and the other is another: a generation is made, with the rotten file.
    news(&env, "1.1-r0");
    configure(&env, SHUT);
    env.bivouac(&["sync", "--no-publish"]);
    env.bivouac(&["publish"]).exits_with(5).tells(&[TOLD, "`bivouac repair`"]);
    assert_eq!(env.live("v3.23/two", "x86_64"), ["extra-1.1-r0"]);
    assert_eq!(recorded(&env, 2), before);
    // So the right bytes are known when they come.
    env.write("found/APKINDEX.tar.gz", &right);
    env.bivouac(&["repair", "--from", "found"]).exits_with(0);
    assert_eq!(std::fs::read(index(&env)).unwrap(), right);
    env.bivouac(&["check"]).exits_with(0);
}

#[test]
fn a_sync_that_makes_a_tree_makes_a_rotten_index_anew() {
    for harm in [|path: &Path| rot(path), |path: &Path| std::fs::remove_file(path).unwrap()] {
        let env = standing();
        harm(&index(&env));
        // Without news nothing is read.
        env.bivouac(&["sync"]).exits_with(0);
        assert_eq!(env.live("v3.23/two", "x86_64"), ["extra-1.0-r0"]);
        news(&env, "1.1-r0");
        env.bivouac(&["sync"]).exits_with(0);
        assert_eq!(env.live("v3.23/two", "x86_64"), ["extra-1.1-r0"]);
        assert_eq!(env.live("v3.23/one", "x86_64"), ["hello-1.0-r0", "libgreet-1.0-r0"]);
        env.bivouac(&["check"]).exits_with(0);
    }
}

#[test]
fn a_sync_that_shows_a_rotten_index_on_says_so() {
    let env = standing();
    let before = recorded(&env, 1);
    rot(&index(&env));
    news(&env, "1.1-r0");
    // The run is not about it.
    let run = env.bivouac(&["--json", "sync", "v3.23/two"]);
    run.exits_with(5).tells(&[TOLD]);
    assert_eq!(run.json()["still_damaged"], serde_json::json!(["v3.23/one/x86_64"]), "{run}");
    assert_eq!(env.live("v3.23/two", "x86_64"), ["extra-1.1-r0"]);
    assert_eq!(recorded(&env, 2), before);
    // A gate keeps it.
    news(&env, "1.2-r0");
    configure(&env, SHUT);
    env.bivouac(&["sync"]).exits_with(5).tells(&[TOLD, "must_install"]);
    assert_eq!(recorded(&env, 3), before);
}
