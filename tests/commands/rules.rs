//! The rules of a repository, one by one: what is published changes because of the key, and is as before without it.

use super::env::Env;
use super::fixture::{CORP, Package, UPSTREAM};
use super::site::{COMMUNITY, MAIN, SOURCES, publish};

const ALL: &str = "from = [\"corp\", \"up:v3.23/main\", \"up:v3.23/community\"]";

/// An environment with an empty private folder, not configured.
fn empty() -> Env {
    let env = Env::new();
    std::fs::create_dir_all(env.path("packages")).unwrap();
    env
}

fn private(env: &Env, package: &Package) {
    let built = package.build(&CORP);
    env.write(&format!("packages/{}", built.file), &built.bytes);
}

fn upstream(env: &Env, folder: &str, count: u32, packages: &[Package]) {
    let built: Vec<_> = packages.iter().map(|package| package.build(&UPSTREAM)).collect();
    publish(env, folder, count, &built.iter().collect::<Vec<_>>(), &UPSTREAM);
}

/// Configures one repository with these keys, syncs, and answers what is listed and what the run said of it.
fn synced(env: &Env, keys: &str) -> (Vec<String>, serde_json::Value) {
    env.configure(&format!("{SOURCES}\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\n{keys}\n"));
    let value = env.bivouac(&["--json", "sync"]).exits_with(0).json();
    (env.live("v3.23/site", "x86_64"), value["repositories"][0].clone())
}

fn counts(report: &serde_json::Value) -> (u64, u64) {
    (report["shadowed"].as_u64().unwrap(), report["shadowed_newer"].as_u64().unwrap())
}

#[test]
fn prefer_decides_among_sources_that_have_a_name() {
    let env = empty();
    private(&env, &Package::new("hello", "1.0-r0"));
    upstream(&env, MAIN, 1, &[Package::new("hello", "1.1-r0"), Package::new("hello", "1.0-r0").with_noise(10)]);
    upstream(&env, COMMUNITY, 1, &[Package::new("hello", "0.9-r0"), Package::new("extra", "1-r0")]);
    let (by_order, report) = synced(&env, ALL);
    assert_eq!(by_order, ["extra-1-r0", "hello-1.0-r0"]);
    assert_eq!(counts(&report), (3, 1), "{report}");
    let (newest, report) = synced(&env, &format!("{ALL}\nprefer = \"newest\""));
    assert_eq!(newest, ["extra-1-r0", "hello-1.1-r0"]);
    assert_eq!(counts(&report), (3, 0), "{report}");
    let (all, report) = synced(&env, &format!("{ALL}\nprefer = \"all\""));
    assert_eq!(all, ["extra-1-r0", "hello-0.9-r0", "hello-1.0-r0", "hello-1.1-r0"]);
    assert_eq!(counts(&report), (1, 0), "the other hello-1.0-r0 has no place: {report}");
    let ours = std::fs::read(env.path("packages/hello-1.0-r0.apk")).unwrap();
    assert!(std::fs::read(env.public().join("v3.23/site/x86_64/hello-1.0-r0.apk")).unwrap() == ours);
    assert_eq!(synced(&env, ALL).0, by_order);
}
