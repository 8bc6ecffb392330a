//! `source check` against real servers: who is away, behind, incomplete, not trusted.

use super::env::Env;
use super::fixture::{Built, CORP, Key, Package, STRANGER, UPSTREAM, signed, unsigned_index};
use super::free_port;
use super::nginx::{Nginx, Server};

/// Writes a mirror's state into `upstream/NAME/alpine`.
fn mirror(env: &Env, name: &str, count: u32, packages: &[&Built], signer: &Key) {
    let folder = format!("upstream/{name}/alpine/v3.23/main/x86_64");
    for package in packages {
        env.write(&format!("{folder}/{}", package.file), &package.bytes);
    }
    let entries: Vec<_> = packages.iter().map(|package| package.entry.as_str()).collect();
    let index = signed(&unsigned_index(&entries, &format!("v3.23.0-{count}-g0123456789")), &[signer]);
    env.write(&format!("{folder}/APKINDEX.tar.gz"), &index);
}

/// Configures a source of these URLs, each a path below the server's.
fn configure(env: &Env, urls: &[String]) {
    let urls: Vec<_> = urls.iter().map(|url| format!("\"{url}/alpine\"")).collect();
    env.configure(&format!(
        "[sources.up]\nurl = [{}]\nkeyring = [\"trusted/{}\"]\ntimeout = \"5s\"\n\n\
         [sources.corp]\ndirectory = \"packages\"\nunsigned = \"accept\"\n\n\
         [[repositories]]\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\n",
        urls.join(", "),
        UPSTREAM.name
    ));
}

fn hello(version: &str) -> Built {
    Package::new("hello", version).build(&UPSTREAM)
}

#[test]
fn every_url_is_told_apart() {
    let env = Env::new();
    let (old, new, more) = (hello("1.0-r0"), hello("1.1-r0"), Package::new("more", "1-r0").build(&UPSTREAM));
    mirror(&env, "good", 3, &[&new, &more], &UPSTREAM);
    mirror(&env, "old", 2, &[&old], &UPSTREAM);
    mirror(&env, "torn", 3, &[&new, &more], &UPSTREAM);
    std::fs::remove_file(env.path("upstream/torn/alpine/v3.23/main/x86_64/more-1-r0.apk")).unwrap();
    mirror(&env, "odd", 3, &[&new, &more], &UPSTREAM);
    env.write("upstream/odd/alpine/v3.23/main/x86_64/more-1-r0.apk", b"short");
    mirror(&env, "strange", 4, &[&new], &STRANGER);
    std::fs::create_dir_all(env.path("upstream/empty")).unwrap();
    let Some(nginx) = Nginx::start(&env, &[Server::plain("")]) else { return };
    let mut urls: Vec<_> =
        ["good", "old", "torn", "odd", "strange", "empty"].map(|name| format!("{}/{name}", nginx.url(0))).to_vec();
    urls.push(format!("http://127.0.0.1:{}/away", free_port()));
    configure(&env, &urls);

    let ran = env.bivouac(&["--json", "source", "check"]);
    let report = ran.exits_with(3).json();
    let seen: Vec<_> = report["indexes"][0]["urls"].as_array().unwrap().iter().map(|url| &url["status"]).collect();
    assert_eq!(
        seen,
        ["current", "behind", "incomplete", "wrong-size", "unknown-signer", "not-found", "unavailable"],
        "{report}"
    );
    let codes: Vec<_> = report["findings"].as_array().unwrap().iter().map(|finding| &finding["code"]).collect();
    assert_eq!(codes, ["behind", "incomplete", "wrong-size", "unknown-signer", "not-found", "unavailable"], "{report}");
    for finding in report["findings"].as_array().unwrap() {
        let keys: Vec<_> =
            finding.as_object().unwrap().keys().map(String::as_str).filter(|key| *key != "hint").collect();
        assert_eq!(keys, ["code", "message", "severity", "subject"], "{finding}");
    }
    let good = &report["indexes"][0]["urls"][0];
    assert_eq!(good["description"], "v3.23.0-3-g0123456789");
    assert_eq!((&good["entries"], &good["sampled"]), (&2.into(), &2.into()));
    assert_eq!(good["signers"], serde_json::json!([UPSTREAM.name]));
    assert!(good["digest"].as_str().unwrap().len() == 64 && good["age_seconds"].is_u64(), "{good}");
    assert_eq!(report["checked"], serde_json::json!({"sources": 1, "urls": 7, "indexes": 7, "packages": 7}));
    assert!(!env.path("store").exists(), "it changed nothing");

    let text = env.bivouac(&["source", "check", "up"]);
    text.exits_with(3);
    for line in [
        "v3.23.0-2-g0123456789 is older than the newest, v3.23.0-3-g0123456789 (behind)",
        "1 of 2 packages looked for are not there: more-1-r0.apk (incomplete)",
        "more-1-r0.apk has 5 bytes, not ",
        "looked at sources: 1, URLs: 7, indexes: 7, packages: 7; 6 findings",
    ] {
        assert!(text.stdout.contains(line), "{line}\n{text}");
    }
}

#[test]
fn what_the_last_sync_accepted_counts_too() {
    let env = Env::new();
    mirror(&env, "one", 2, &[&hello("1.1-r0")], &UPSTREAM);
    let Some(nginx) = Nginx::start(&env, &[Server::plain("")]) else { return };
    configure(&env, &[format!("{}/one", nginx.url(0))]);
    env.bivouac(&["sync"]).exits_with(0);
    let before = env.files_below("store");
    let ran = env.bivouac(&["source", "check"]);
    ran.exits_with(0);
    assert!(ran.stdout.contains("looked at sources: 1, URLs: 1, indexes: 1, packages: 1; nothing is wrong"), "{ran}");

    mirror(&env, "one", 1, &[&hello("1.0-r0")], &UPSTREAM);
    let told = |code: i32, words: &[&str]| {
        let ran = env.bivouac(&["source", "check"]);
        ran.exits_with(code);
        for word in words {
            assert!(ran.stdout.contains(word), "{word}\n{ran}");
        }
        assert!(ran.stdout.ends_with("1 finding\n"), "{ran}");
    };
    told(
        3,
        &["in force: v3.23.0-2-g0123456789", "came: v3.23.0-1-g0123456789", "(older)", "hint: if upstream went back"],
    );
    assert_eq!(env.files_below("store"), before);
    // What a sync accepted before is no alarm.
    // Another length: to nginx a file of the same second and length is the same file.
    mirror(&env, "one", 3, &[&hello("1.2-r0"), &Package::new("more", "1-r0").build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    mirror(&env, "one", 2, &[&hello("1.1-r0")], &UPSTREAM);
    told(4, &["has v3.23.0-2-g0123456789, which was accepted before, on", "(lagging)"]);
    // Both keys are in the folder, and the other one was not seen before.
    let config = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    env.write("bivouac.toml", config.replace(&format!("trusted/{}", UPSTREAM.name), "trusted").as_bytes());
    mirror(&env, "one", 4, &[&hello("1.2-r0")], &CORP);
    told(3, &[CORP.name, "(new-signer)", "hint: if it is upstream's new key: `bivouac source accept-signer up`"]);
}

#[test]
fn a_check_runs_beside_a_sync_and_knows_its_sources() {
    let env = Env::new();
    mirror(&env, "one", 1, &[&hello("1.0-r0")], &UPSTREAM);
    let Some(nginx) = Nginx::start(&env, &[Server::plain("")]) else { return };
    configure(&env, &[format!("{}/one", nginx.url(0))]);
    env.bivouac(&["sync"]).exits_with(0);
    let lock = std::fs::File::open(env.path("store/lock")).unwrap();
    lock.lock().unwrap();
    env.bivouac(&["sync"]).exits_with(6);
    env.bivouac(&["source", "check"]).exits_with(0);
    env.bivouac(&["source", "check", "corp"]).exits_with(0);
    let ran = env.bivouac(&["--json", "source", "check", "upp"]);
    ran.exits_with(2).tells(&["no source is named \"upp\"", "hint: did you mean \"up\"?"]);
    assert_eq!(ran.json()["error"]["code"], "no-such-source");
    // This one changes something.
    env.bivouac(&["source", "accept-signer", "up"]).exits_with(6);
    lock.unlock().unwrap();
    let ran = env.bivouac(&["--json", "source", "accept-signer", "up"]);
    ran.exits_with(2).tells(&["no signer of source \"up\" is held back"]);
    assert_eq!(ran.json()["error"]["code"], "nothing-held");
}
