//! When no bundle is made, and what is found in one that was damaged.

use super::*;

#[track_caller]
fn refused(ran: &Ran, code: i32, word: &str) {
    assert_eq!(ran.exits_with(code).json()["error"]["code"], word, "{ran}");
}

fn ask(env: &Env, arguments: &[&str]) -> Ran {
    env.bivouac(&[&["bundle", "--json"], arguments].concat())
}

#[test]
fn what_is_there_is_never_overwritten() {
    let env = &standing();
    env.write("x.bundle", b"mine");
    refused(&ask(env, &["--to", "x.bundle"]), 2, "exists");
    assert_eq!(std::fs::read(env.path("x.bundle")).unwrap(), b"mine");
    std::os::unix::fs::symlink("nowhere", env.path("link.bundle")).unwrap();
    refused(&ask(env, &["--to", "link.bundle"]), 2, "exists");
}

#[test]
fn without_a_place_a_state_or_a_key_there_is_no_bundle() {
    let Site { env, watch } = Site::before_the_first_sync();
    let env = &env;
    refused(&ask(env, &["--to", "x.bundle"]), 2, "no-store");
    refused(&ask(env, &[]), 2, "usage");
    env.bivouac(&["sync", "--no-publish"]).exits_with(0);
    refused(&ask(env, &["--to", "x.bundle"]), 2, "nothing-live");
    env.bivouac(&["sync"]).exits_with(0);
    refused(&ask(env, &["--to", "away/x.bundle"]), 2, "no-such-folder");
    refused(&ask(env, &["--to", "x.bundle", "v3.23/sit"]), 2, "no-such-repository");
    assert!(ask(env, &["--to", "x.bundle", "v3.23/sit"]).stdout.contains("did you mean \\\"v3.23/site\\\"?"));
    assert!(!env.path("x.bundle").exists());
    bundle(env, &["--to", "x.bundle", "v3.23/site"]);
    watch.stop();
}

#[test]
fn upstreams_indexes_need_our_key_for_a_bundle_too() {
    let env = Env::new();
    let sources = super::super::site::SOURCES.replace("{upstream}", &env.upstream.url());
    let text = format!(
        "store = \"store\"\npublic = \"site/alpine\"\n{sources}\n[[repositories]]\nname = \"v3.23/main\"\n\
         arches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\nindex = \"upstream\"\n"
    );
    env.write("bivouac.toml", text.as_bytes());
    let hello = super::super::site::hello("1.0-r0").build(&super::super::fixture::UPSTREAM);
    super::super::site::publish(&env, super::super::site::MAIN, 1, &[&hello], &super::super::fixture::UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    refused(&ask(&env, &["--to", "x.bundle"]), 2, "no-signing-key");

    // With a key: upstream's own index is its own origin, and all of it is there.
    let signing = format!("[signing]\nkey = \"keys/{}\"\n", super::super::env::private_name(&OURS));
    env.write("bivouac.toml", text.replacen("[sources.up]", &format!("{signing}\n[sources.up]"), 1).as_bytes());
    bundle(&env, &["--to", "x.bundle"]);
    let manifest = Volume::open(&env.path("x.bundle")).manifest();
    let place = &manifest["repositories"][0];
    assert_eq!(place["origins"], serde_json::json!([place["index"]]));
    assert_eq!(place["whole"], place["index"]);
    assert_eq!(manifest["objects"].as_array().unwrap().len(), 2);
}

#[test]
fn damage_in_the_pool_does_not_go_out() {
    let env = &standing();
    let object = digest_of(&env.public().join("v3.23/site/x86_64/hello-1.0-r0.apk"));
    let path = env.path(&format!("store/pool/objects/{}/{object}", &object[..2]));
    let good = std::fs::read(&path).unwrap();
    for at in [0, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let ran = ask(env, &["--to", "x.bundle"]);
        refused(&ran, 5, "object-damaged");
        ran.tells(&["hello-1.0-r0.apk", "bivouac repair"]);
    }
    std::fs::write(&path, &good[1..]).unwrap();
    refused(&ask(env, &["--to", "x.bundle"]), 5, "object-damaged");
    std::fs::remove_file(&path).unwrap();
    refused(&ask(env, &["--to", "x.bundle"]), 5, "object-missing");
    assert!(!file_names(&env.path("")).iter().any(|name| name.contains("bundle") && name != "bundles"));
    // And it is not remembered as sent.
    assert!(!env.path("store/bundles/sent").exists());
}

#[test]
fn what_another_run_drops_meanwhile_is_told_and_asked_for_again() {
    let env = &standing();
    let object = digest_of(&env.public().join("v3.23/site/x86_64/libgreet-1.0-r0.apk"));
    let pooled = format!("store/pool/objects/{}/{object}", &object[..2]);
    env.write(&format!("keys/{}", OURS.name), OURS.public_pem().as_bytes());
    // The signature is asked for between the look at what is live and the first package: here others are at work then.
    let private = super::super::env::private_name(&OURS);
    let meanwhile =
        format!("rm {pooled}; ln -sfn .generations/77 site/alpine; openssl dgst -{{digest}} -sign keys/{private}");
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    let (key, program) = (
        format!("key = \"keys/{private}\""),
        format!("key = \"keys/{}\"\ncommand = [\"/bin/sh\", \"-c\", \"{meanwhile}\"]", OURS.name),
    );
    assert!(text.contains(&key));
    env.write("bivouac.toml", text.replace(&key, &program).as_bytes());
    let ran = env.bivouac_with(&[("PATH", "/usr/bin:/bin")], &["bundle", "--json", "--to", "x.bundle"]);
    refused(&ran, 4, "changed-meanwhile");
    ran.tells(&["libgreet-1.0-r0.apk was dropped while the bundle was made", "hint: run it again"]);
    assert!(!env.path("x.bundle").exists());
}

#[test]
fn inspect_finds_damage() {
    let env = &standing();
    bundle(env, &["--to", "x.bundle"]);
    env.write(&format!("ours/{}", OURS.name), OURS.public_pem().as_bytes());
    let good = std::fs::read(env.path("x.bundle")).unwrap();
    let look = || env.bivouac(&["bundle", "inspect", "x.bundle", "--json", "--keys", "ours"]);
    look().exits_with(0);
    let mut bytes = good.clone();
    let at = good.windows(10).position(|window| window == b"\"packages\"").unwrap();
    bytes[at + 11] = b'9';
    env.write("x.bundle", &bytes);
    let seen = look().exits_with(3).json();
    assert_eq!(seen["bundles"][0]["signature"]["code"], "bad-signature", "{seen}");
    env.write("x.bundle", &good[..good.len() - 1]);
    refused(&look(), 4, "bundle-cut");
    env.write("x.bundle", b"no tar at all");
    refused(&look(), 3, "not-a-bundle");

    // In a folder, what is good is told beside what is broken.
    env.write("folder/a.bundle", &good);
    env.write("folder/b.bundle", &good[..good.len() - 1]);
    let ran = env.bivouac(&["bundle", "inspect", "folder", "--json"]);
    let seen = ran.exits_with(4).json();
    assert_eq!((seen["bundles"].as_array().unwrap().len(), &seen["broken"][0]["code"]), (1, &"bundle-cut".into()));
}
