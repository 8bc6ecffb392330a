//! What clients and caches hold our files against: tags, dates, and how long they may keep what.

use sha2::{Digest as _, Sha256};

use super::env::Env;
use super::fixture::{OURS, Package, UPSTREAM};
use super::served::Served;

const REPOSITORY: &str = "[[repositories]]\nname = \"v3.23/main\"\nfrom = [\"corp\"]\narches = [\"x86_64\"]\n\
                          [aliases]\n\"latest-stable\" = \"v3.23\"\n";

/// A site with one package; `rules` are further lines of its source.
fn site(package: &[u8], rules: &str) -> Env {
    let env = Env::new();
    env.write("packages/hello-1.0-r0.apk", package);
    env.private_key(&OURS);
    env.configure(&format!("[sources.corp]\ndirectory = \"packages\"\nunsigned = \"accept\"\n{rules}\n{REPOSITORY}"));
    env.bivouac(&["sync"]).exits_with(0);
    env
}

fn field(served: &Served, path: &str, name: &str) -> String {
    let answer = served.get(path);
    assert_eq!(answer.status, 200, "{path}");
    let line = answer.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {}", answer.head)).split_once(": ").unwrap().1.to_owned()
}

#[test]
fn a_tag_is_made_of_the_object_id_on_every_site_and_at_every_path() {
    let package = Package::new("hello", "1.0-r0").build(&UPSTREAM);
    let half = |bytes: &[u8]| Sha256::digest(bytes)[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let expected = format!("\"{}\"", half(&package.bytes));
    for _ in 0..2 {
        let env = site(&package.bytes, "");
        env.bivouac(&["publish", "--as", "qa"]).exits_with(0);
        let served = Served::start(&env);
        for tree in ["v3.23", "latest-stable", "@qa/v3.23", "@qa/latest-stable"] {
            assert_eq!(field(&served, &format!("/{tree}/main/x86_64/hello-1.0-r0.apk"), "etag"), expected, "{tree}");
            let index = format!("/{tree}/main/x86_64/APKINDEX.tar.gz");
            let bytes = served.get(&index).body;
            assert_eq!(field(&served, &index, "etag"), format!("\"{}\"", half(&bytes)));
        }
    }
}

#[test]
fn a_package_that_may_be_replaced_is_asked_for_each_time() {
    let package = Package::new("hello", "1.0-r0").build(&UPSTREAM);
    for (rules, expected) in [("", "public, max-age=31536000, immutable"), ("rebuilt = \"accept\"", "no-cache")] {
        let env = site(&package.bytes, rules);
        let served = Served::start(&env);
        assert_eq!(field(&served, "/v3.23/main/x86_64/hello-1.0-r0.apk", "cache-control"), expected);
        assert_eq!(field(&served, "/v3.23/main/x86_64/APKINDEX.tar.gz", "cache-control"), "no-cache");
    }
}
