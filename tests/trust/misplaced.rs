//! A signed index in another one's place. A signature does not say what it is for, and every key signs several.

use super::env::Env;
use super::fixture::{Built, Package, UPSTREAM, signed, unsigned_index};

const SOURCES: &str = "[sources.up]\nurl = [\"{upstream}/alpine\"]\ntimeout = \"1s\"\n\
     keyring = [\"trusted/builder@upstream.example-00000001.rsa.pub\"]\n";

/// Serves an index with this package and description there.
fn serve(env: &Env, path: &str, package: &Built, description: &str) {
    let folder = format!("/alpine/{path}/x86_64");
    env.upstream.put(&format!("{folder}/{}", package.file), package.bytes.clone());
    let index = signed(&unsigned_index(&[&package.entry], description), &[&UPSTREAM]);
    env.upstream.put(&format!("{folder}/APKINDEX.tar.gz"), index);
}

fn package(name: &str) -> Built {
    Package::new(name, "1.0-r0").build(&UPSTREAM)
}

/// Two branches, or two repositories of one, each with its own package, synced.
fn site(paths: [&str; 2], descriptions: [&str; 2]) -> Env {
    let env = Env::new();
    let blocks = paths.map(|path| format!("[[repositories]]\nfrom = [\"up:{path}\"]\narches = [\"x86_64\"]\n"));
    env.configure(&format!("{SOURCES}{}", blocks.concat()));
    for (path, description) in paths.into_iter().zip(descriptions) {
        serve(&env, path, &package(&path.replace(['/', '.'], "-")), description);
    }
    env.bivouac(&["sync"]).exits_with(0);
    env
}

#[test]
fn one_branchs_index_in_anothers_place_is_refused() {
    let env = site(["v3.22/main", "v3.23/main"], ["v3.22.1-4-g0123456789", "v3.23.0-7-g0123456789"]);
    let newer = package("v3-23-main");
    serve(&env, "v3.22/main", &newer, "v3.23.0-8-g0123456789");
    let run = env.bivouac(&["--json", "sync"]);
    assert_eq!(run.exits_with(3).json()["repositories"][0]["error"]["code"], "misplaced", "{run}");
    run.tells(&["v3.22/main/x86_64", "is that of another branch", "--accept-older"]);
    assert_eq!(env.live("v3.22/main", "x86_64"), ["v3-22-main-1.0-r0"]);
    let run = env.bivouac(&["--json", "source", "check", "up"]);
    assert!(run.exits_with(3).stdout.contains("\"misplaced\""), "{run}");
    // The true one is no older for it.
    serve(&env, "v3.22/main", &package("v3-22-more"), "v3.22.1-5-g0123456789");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.22/main", "x86_64"), ["v3-22-more-1.0-r0"]);
    // The operator may know better.
    serve(&env, "v3.22/main", &newer, "v3.23.0-8-g0123456789");
    env.bivouac(&["sync", "--accept-older=v3.22/main"]).exits_with(0);
    assert_eq!(env.live("v3.22/main", "x86_64"), ["v3-23-main-1.0-r0"]);
}

#[test]
fn one_repositorys_index_in_anothers_place_is_refused() {
    let words = ["v3.23.0-4-g0123456789", "v3.23.0-7-g0123456789"];
    let env = site(["v3.23/main", "v3.23/community"], words);
    serve(&env, "v3.23/main", &package("v3-23-community"), words[1]);
    let run = env.bivouac(&["--json", "sync"]);
    assert_eq!(run.exits_with(3).json()["repositories"][0]["error"]["code"], "misplaced", "{run}");
    run.tells(&["it was accepted as v3.23/community/x86_64"]);
    assert_eq!(env.live("v3.23/main", "x86_64"), ["v3-23-main-1.0-r0"]);
}

#[test]
fn a_branch_may_have_several_names() {
    let env = site(["v3.23/main", "latest-stable/main"], ["v3.23.0-4-g0123456789"; 2]);
    let next = package("next");
    for path in ["v3.23/main", "latest-stable/main"] {
        serve(&env, path, &next, "v3.23.0-5-g0123456789");
    }
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("latest-stable/main", "x86_64"), ["next-1.0-r0"]);
}

/// Somebody else's tags are no branches of Alpine's.
#[test]
fn a_publishers_own_words_mean_no_branch() {
    let env = site(["v3.22/site", "v3.23/site"], ["v1.4.0-4-g0123456789", "v1.4.0-5-g0123456789"]);
    serve(&env, "v3.22/site", &package("next"), "v1.5.0-1-g0123456789");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.22/site", "x86_64"), ["next-1.0-r0"]);
}
