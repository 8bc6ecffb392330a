//! From one signing key to the next: both sign, then one retires, and no package is touched.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::env::{Env, Ran, private_name, trusted};
use super::fixture::{CORP, Key, NEXT, OURS, Package, UPSTREAM};
use super::oracle::{self, signature_names};
use super::site::{COMMUNITY, FIRST, Site, extra, publish};

const INDEX: &str = "v3.23/site/x86_64/APKINDEX.tar.gz";

fn index(env: &Env) -> Vec<u8> {
    std::fs::read(env.public().join(INDEX)).unwrap()
}

fn entry(key: &Key) -> String {
    format!(".SIGN.RSA256.{}", key.name)
}

/// Whether a client that has this key alone takes the index.
fn accepts(env: &Env, key: &Key) -> bool {
    oracle::index(&index(env), &[trusted(key)]).is_ok()
}

fn rotate(env: &Env) -> Ran {
    let next = env.private_key(&NEXT);
    env.bivouac(&["--json", "key", "rotate", "--key", &next])
}

#[track_caller]
fn prints(run: &Ran, words: &[&str]) {
    words.iter().for_each(|word| assert!(run.stdout.contains(word), "not printed: {word:?}\n{run}"));
}

/// Makes the rotation's beginning lie in the past.
fn ripen(env: &Env) {
    let file = env.path("store/signing.json");
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    record["rotation"]["since"] = "2026-01-01T00:00:00Z".into();
    std::fs::write(&file, record.to_string()).unwrap();
}

fn replace(env: &Env, old: &str, new: &str) {
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    assert!(text.contains(old), "{text}");
    std::fs::write(env.path("bivouac.toml"), text.replacen(old, new, 1)).unwrap();
}

#[test]
fn both_keys_sign_the_same_text_and_no_package_is_read() {
    let site = Site::standing();
    let (before, text) = (index(&site.env), oracle::index_text(&index(&site.env), &[trusted(&OURS)]).unwrap());
    let package = site.env.public().join("v3.23/site/x86_64/hello-1.0-r0.apk");
    let inode = package.metadata().unwrap().ino();
    // Neither upstream nor a pool that can be read is needed.
    site.env.upstream.take_log();
    let run = rotate(&site.env);
    let report = run.exits_with(0).json();
    assert_eq!(report["places"][0]["generation"], 2, "{run}");
    assert_eq!(report["signing"][0]["name"], NEXT.name, "{run}");
    assert_eq!(site.env.upstream.take_log().len(), 0);
    assert_ne!(index(&site.env), before);
    assert_eq!(signature_names(&index(&site.env)), [entry(&NEXT), entry(&OURS)]);
    for key in [&OURS, &NEXT] {
        assert_eq!(oracle::index_text(&index(&site.env), &[trusted(key)]).unwrap(), text);
    }
    assert_eq!(package.metadata().unwrap().ino(), inode, "the same file in both trees");
    site.env.bivouac(&["check"]).exits_with(0);
    // The next sync finds what it would have made.
    let run = site.env.bivouac(&["--json", "sync"]);
    assert_eq!(run.exits_with(0).json()["published"], false, "{run}");
    // And one with news signs with both.
    publish(&site.env, COMMUNITY, 2, &[&extra("1.1-r0").build(&UPSTREAM)], &UPSTREAM);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(signature_names(&index(&site.env)), [entry(&NEXT), entry(&OURS)]);
    site.watch.stop();
}

#[test]
fn status_tells_of_a_rotation_and_client_prints_both_keys() {
    let site = Site::standing();
    assert_eq!(site.env.bivouac(&["--json", "status"]).json()["signing"]["keys"].as_array().unwrap().len(), 1);
    rotate(&site.env).exits_with(0);
    prints(site.env.bivouac(&["status"]).exits_with(0), &["two keys sign since", NEXT.name, OURS.name]);
    let status = site.env.bivouac(&["--json", "status"]).json();
    assert_eq!(status["signing"]["keys"][0]["name"], NEXT.name);
    assert!(status["signing"]["ripe"].is_string());
    prints(site.env.bivouac(&["client"]).exits_with(0), &[NEXT.name, OURS.name]);
    site.watch.stop();
}

#[test]
fn a_key_is_not_retired_before_clients_had_the_time_unless_told() {
    let site = Site::standing();
    rotate(&site.env).exits_with(0);
    let run = site.env.bivouac(&["key", "retire", OURS.name]);
    run.exits_with(3).tells(&["signs until", OURS.name, NEXT.name, "--now"]);
    assert!(accepts(&site.env, &OURS));
    replace(&site.env, "[signing]\n", "[signing]\nmin_overlap = \"10000d\"\n");
    ripen(&site.env);
    site.env.bivouac(&["key", "retire", OURS.name]).exits_with(3);
    replace(&site.env, "min_overlap = \"10000d\"", "min_overlap = \"30d\"");
    // The watcher trusts the old key alone, as a client that nobody told.
    site.watch.stop();
    let run = site.env.bivouac(&["key", "retire", OURS.name]);
    prints(run.exits_with(0), &["retired", "UNTRUSTED signature", "key = "]);
    assert_eq!(signature_names(&index(&site.env)), [entry(&NEXT)]);
    assert!(accepts(&site.env, &NEXT) && !accepts(&site.env, &OURS));
    // A second time changes nothing.
    let generation = site.env.generation();
    site.env.bivouac(&["key", "retire", OURS.name]).exits_with(0);
    assert_eq!(site.env.generation(), generation);
}

#[test]
fn a_retired_key_never_signs_again_though_the_configuration_names_it() {
    let site = Site::standing();
    rotate(&site.env).exits_with(0);
    site.watch.stop();
    site.env.bivouac(&["key", "retire", OURS.name, "--now"]).exits_with(0);
    // The private half may be destroyed once the configuration names the other.
    publish(&site.env, COMMUNITY, 2, &[&extra("1.1-r0").build(&UPSTREAM)], &UPSTREAM);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(signature_names(&index(&site.env)), [entry(&NEXT)]);
    replace(&site.env, private_name(&OURS), private_name(&NEXT));
    std::fs::remove_file(site.env.path(&format!("keys/{}", private_name(&OURS)))).unwrap();
    let run = site.env.bivouac(&["--json", "sync"]);
    assert_eq!(run.exits_with(0).json()["published"], false, "the same key by its own name: {run}");
    // Back to it is no way.
    site.env.private_key(&OURS);
    let ours = format!("keys/{}", private_name(&OURS));
    let run = site.env.bivouac(&["--json", "key", "rotate", "--key", &ours]);
    assert_eq!(run.exits_with(2).json()["error"]["code"], "key-retired", "{run}");
}

#[test]
fn a_new_key_is_made_beside_the_one_that_signs() {
    let site = Site::standing();
    let run = site.env.bivouac(&["--json", "key", "rotate", "--bits", "2048"]);
    let report = run.exits_with(0).json();
    let name = report["signing"][0]["name"].as_str().unwrap();
    assert!(name.starts_with("ops@site.example-") && name.ends_with(".rsa.pub"), "{name}");
    let private = site.env.path("keys").join(name.trim_end_matches(".pub"));
    assert_eq!(private.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(Path::new(report["file"].as_str().unwrap()).file_name(), private.file_name());
    assert_eq!(report["configuration_is_behind"], true);
    // One at a time.
    let run = site.env.bivouac(&["--json", "key", "rotate", "--bits", "2048"]);
    assert_eq!(run.exits_with(2).json()["error"]["code"], "rotation-under-way", "{run}");
    // A rotation begun with the wrong key is taken back by retiring that one.
    site.env.bivouac(&["key", "retire", name, "--now"]).exits_with(0);
    assert_eq!(signature_names(&index(&site.env)), [entry(&OURS)]);
    site.watch.stop();
}

#[test]
fn a_rotation_holds_no_less_and_reaches_trees_beside_live() {
    let site = Site::standing();
    publish(&site.env, COMMUNITY, 2, &[&extra("1.1-r0").build(&UPSTREAM)], &UPSTREAM);
    site.env.bivouac(&["sync"]).exits_with(0);
    site.env.bivouac(&["publish", "--as", "qa"]).exits_with(0);
    site.env.bivouac(&["rollback"]).exits_with(0);
    let listed = site.live();
    rotate(&site.env).exits_with(0);
    assert_eq!(site.env.bivouac(&["--json", "status"]).json()["held"], true);
    assert_eq!(site.live(), listed);
    for place in ["", "@qa/"] {
        let bytes = std::fs::read(site.env.public().join(format!("{place}{INDEX}"))).unwrap();
        assert_eq!(signature_names(&bytes), [entry(&NEXT), entry(&OURS)], "{place}");
    }
    site.watch.stop();
    // What is gone back to later is signed by who signs then.
    site.env.bivouac(&["key", "retire", OURS.name, "--now"]).exits_with(0);
    site.env.bivouac(&["rollback", "1"]).exits_with(0);
    assert_eq!(signature_names(&index(&site.env)), [entry(&NEXT)]);
}

#[test]
fn the_new_key_must_be_another_one_by_name_and_number() {
    let site = Site::standing();
    let ours = format!("keys/{}", private_name(&OURS));
    let run = site.env.bivouac(&["--json", "key", "rotate", "--key", &ours]);
    assert_eq!(run.exits_with(2).json()["error"]["code"], "key-same-name", "{run}");
    let other = site.env.private_key(&NEXT);
    let named_alike = format!("other/{}", private_name(&OURS));
    std::fs::create_dir(site.env.path("other")).unwrap();
    std::fs::rename(site.env.path(&other), site.env.path(&named_alike)).unwrap();
    let run = site.env.bivouac(&["--json", "key", "rotate", "--key", &named_alike]);
    assert_eq!(run.exits_with(2).json()["error"]["code"], "key-same-name", "{run}");
    for (arguments, code) in [
        (&["--json", "key", "rotate", "--key", "keys/none.rsa"][..], "key-unreadable"),
        (&["--json", "key", "retire", "somebody"], "no-such-key"),
    ] {
        let run = site.env.bivouac(arguments);
        assert_eq!(run.exits_with(2).json()["error"]["code"], code, "{run}");
    }
    assert_eq!(signature_names(&index(&site.env)), [entry(&OURS)]);
    site.watch.stop();
}

#[test]
fn a_key_that_is_not_the_recorded_one_any_more_is_refused() {
    let site = Site::standing();
    rotate(&site.env).exits_with(0);
    let next = site.env.path(&format!("keys/{}", private_name(&NEXT)));
    std::fs::write(&next, CORP.private_pem()).unwrap();
    publish(&site.env, COMMUNITY, 2, &[&extra("1.1-r0").build(&UPSTREAM)], &UPSTREAM);
    let run = site.env.bivouac(&["--json", "sync"]);
    assert_eq!(run.exits_with(2).json()["error"]["code"], "key-changed", "{run}");
    assert!(accepts(&site.env, &OURS) && accepts(&site.env, &NEXT), "the former state stays");
    // A lost new key is retired; the old one signs on.
    std::fs::remove_file(&next).unwrap();
    site.env.bivouac(&["key", "retire", NEXT.name, "--now"]).exits_with(0);
    assert_eq!(signature_names(&index(&site.env)), [entry(&OURS)]);
    site.watch.stop();
}

#[test]
fn a_key_that_a_program_holds_takes_over_and_hands_on() {
    let site = Site::standing();
    let next = site.env.private_key(&NEXT);
    site.env.write(&format!("keys/{}", NEXT.name), NEXT.public_pem().as_bytes());
    let ours = format!("key = \"keys/{}\"", private_name(&OURS));
    let theirs = format!(
        "key = \"keys/{}\"\ncommand = [\"openssl\", \"dgst\", \"-{{digest}}\", \"-sign\", \"{next}\"]",
        NEXT.name
    );
    // Named in the configuration first: the rotation finds who signed until now.
    replace(&site.env, &ours, &theirs);
    let run = site.env.bivouac(&["--json", "key", "rotate"]);
    let report = run.exits_with(0).json();
    assert_eq!(report["configuration_is_behind"], false, "{run}");
    assert_eq!(signature_names(&index(&site.env)), [entry(&NEXT), entry(&OURS)]);
    site.watch.stop();
    site.env.bivouac(&["key", "retire", OURS.name, "--now"]).exits_with(0);
    assert_eq!(signature_names(&index(&site.env)), [entry(&NEXT)]);
    // Beside a key that is elsewhere none is made; one in a file is taken.
    let run = site.env.bivouac(&["--json", "key", "rotate", "--name", "ops@site.example-00000009"]);
    assert_eq!(run.exits_with(2).json()["error"]["code"], "key-elsewhere", "{run}");
    let corp = site.env.private_key(&CORP);
    site.env.bivouac(&["key", "rotate", "--key", &corp]).exits_with(0);
    assert_eq!(signature_names(&index(&site.env)), [entry(&CORP), entry(&NEXT)]);
}

#[test]
fn a_key_that_is_changed_by_hand_is_told_of() {
    let site = Site::standing();
    let next = site.env.private_key(&NEXT);
    site.watch.stop();
    replace(&site.env, &format!("keys/{}", private_name(&OURS)), &next);
    site.env.bivouac(&["sync"]).exits_with(0).tells(&[NEXT.name, OURS.name, "`bivouac key rotate`"]);
}

#[test]
fn a_third_key_beside_a_rotation_is_refused() {
    let site = Site::standing();
    rotate(&site.env).exits_with(0);
    let corp = site.env.private_key(&CORP);
    replace(&site.env, &format!("keys/{}", private_name(&OURS)), &corp);
    let run = site.env.bivouac(&["--json", "sync"]);
    assert_eq!(run.exits_with(2).json()["error"]["code"], "rotation-under-way", "{run}");
    ripen(&site.env);
    site.env.bivouac(&["key", "retire", OURS.name]).exits_with(2).tells(&[CORP.name, NEXT.name, OURS.name]);
    assert!(accepts(&site.env, &OURS) && accepts(&site.env, &NEXT), "the former state stays");
    site.watch.stop();
    // Both are lost: the word for that leads out.
    site.env.bivouac(&["key", "retire", OURS.name, "--now"]).exits_with(0);
    assert_eq!(signature_names(&index(&site.env)), [entry(&CORP)]);
}

#[test]
fn another_key_under_the_name_of_one_that_signed_is_refused() {
    let site = Site::standing();
    let ours = site.env.path(&format!("keys/{}", private_name(&OURS)));
    std::fs::write(&ours, CORP.private_pem()).unwrap();
    for arguments in [&["--json", "sync"][..], &["--json", "key", "rotate"]] {
        let run = site.env.bivouac(arguments);
        assert_eq!(run.exits_with(2).json()["error"]["code"], "key-changed", "{run}");
    }
    std::fs::write(&ours, OURS.private_pem()).unwrap();
    let run = site.env.bivouac(&["--json", "sync"]);
    assert_eq!(run.exits_with(0).json()["published"], false, "{run}");
    site.watch.stop();
}

#[test]
fn a_key_that_is_forgotten_in_a_rotation_is_told_of() {
    let site = Site::standing();
    rotate(&site.env).exits_with(0);
    std::fs::remove_file(site.env.path("store/signing.json")).unwrap();
    let run = site.env.bivouac(&["--json", "sync"]);
    assert_eq!(run.exits_with(5).json()["error"]["code"], "record-missing", "{run}");
    run.tells(&["signing.json is gone", NEXT.name]);
    assert!(accepts(&site.env, &OURS) && accepts(&site.env, &NEXT));
    site.watch.stop();
    // The newest key signs on by its name; that the other does not is told.
    replace(&site.env, private_name(&OURS), private_name(&NEXT));
    site.env.bivouac(&["sync"]).exits_with(0).tells(&[&format!("{} no longer does", OURS.name)]);
    let ours = format!("keys/{}", private_name(&OURS));
    site.env.bivouac(&["key", "rotate", "--key", &ours]).exits_with(0);
    assert_eq!(signature_names(&index(&site.env)), [entry(&OURS), entry(&NEXT)]);
}

#[test]
fn no_key_is_retired_before_the_keyring_package_is_published() {
    let site = Site::standing();
    replace(&site.env, "[signing]\n", "[signing]\nkeyring_package = \"site-keys\"\n");
    site.env.bivouac(&["sync"]).exits_with(0);
    site.env.bivouac(&["rollback"]).exits_with(0);
    rotate(&site.env).exits_with(0);
    ripen(&site.env);
    // The rollback holds: this publishes nothing.
    site.env.bivouac(&["sync"]).exits_with(0);
    let run = site.env.bivouac(&["key", "retire", OURS.name]);
    run.exits_with(3).tells(&["site-keys", "not every live index lists it", "`bivouac publish`"]);
    assert!(accepts(&site.env, &OURS) && accepts(&site.env, &NEXT), "the former state stays");
    site.env.bivouac(&["publish"]).exits_with(0);
    site.watch.stop();
    site.env.bivouac(&["key", "retire", OURS.name]).exits_with(0);
    assert_eq!(signature_names(&index(&site.env)), [entry(&NEXT)]);
}

#[test]
fn a_keyring_package_of_other_bytes_is_another_edition() {
    let site = Site::standing();
    replace(&site.env, "[signing]\n", "[signing]\nkeyring_package = \"site-keys\"\n");
    let version = |env: &Env| {
        let records = env.live_records("v3.23/site", "x86_64", &[trusted(&OURS)]);
        records.into_iter().find(|one| one.name == "site-keys").unwrap().version
    };
    site.env.bivouac(&["sync"]).exits_with(0);
    let first = version(&site.env);
    // The same key makes other signatures.
    replace(&site.env, "[signing]\n", "[signing]\ndigest = \"sha1\"\n");
    site.env.bivouac(&["sync"]).exits_with(0);
    let second = version(&site.env);
    assert_ne!(second, first);
    let run = site.env.bivouac(&["--json", "sync"]);
    assert_eq!(run.exits_with(0).json()["published"], false, "{run}");
    assert_eq!(version(&site.env), second);
    site.watch.stop();
}

#[test]
fn the_keyring_package_follows_the_keys() {
    let site = Site::standing();
    replace(&site.env, "[signing]\n", "[signing]\nkeyring_package = \"site-keys\"\n");
    site.env.bivouac(&["sync", "--dry-run"]).exits_with(0);
    let keys_listed = |env: &Env, key: &Key| {
        let records = env.live_records("v3.23/site", "x86_64", &[trusted(key)]);
        let mut versions: Vec<String> =
            records.iter().filter(|one| one.name == "site-keys").map(|one| one.version.clone()).collect();
        assert_eq!(versions.len(), 1);
        versions.remove(0)
    };
    site.env.bivouac(&["sync"]).exits_with(0);
    let first = keys_listed(&site.env, &OURS);
    assert!(first.ends_with("-r0"), "{first}");
    assert_eq!(site.live().len(), FIRST.len() + 1);
    assert_eq!(site.env.files_below("packages").len(), 1, "nothing is written into the operator's folder");
    let run = rotate(&site.env);
    assert!(run.exits_with(0).json()["keyring_package"].as_str().unwrap().starts_with("site-keys-"), "{run}");
    site.env.bivouac(&["sync"]).exits_with(0);
    let second = keys_listed(&site.env, &NEXT);
    assert_ne!(second, first);
    let run = site.env.bivouac(&["--json", "sync"]);
    assert_eq!(run.exits_with(0).json()["published"], false, "{run}");
    // The same package as a file, signed by both.
    let run = site.env.bivouac(&["--json", "key", "package", "--to", "."]);
    let file = run.exits_with(0).json()["file"].as_str().unwrap().to_owned();
    let published = site.env.public().join(format!("v3.23/site/x86_64/site-keys-{second}.apk"));
    assert_eq!(std::fs::read(site.env.path(&file)).unwrap(), std::fs::read(published).unwrap());
    // Nobody else supplies that name.
    let rival = Package::new("site-keys", "99999999-r0").build(&CORP);
    site.env.write(&format!("packages/{}", rival.file), &rival.bytes);
    site.env.bivouac(&["sync"]);
    assert_eq!(keys_listed(&site.env, &NEXT), second);
    site.watch.stop();
}

#[test]
fn a_keyring_package_needs_an_index_that_we_merge_and_a_name_of_its_own() {
    let env = Env::new();
    env.configure(
        "[sources.keyring-package]\nurl = [\"{upstream}\"]\nkeyring = \"alpine\"\n\
         [[repositories]]\nfrom = [\"keyring-package:x\"]\narches = [\"x86_64\"]\n",
    );
    replace(&env, "[signing]\n", "[signing]\nkeyring_package = \"site-keys\"\n");
    env.bivouac(&["config", "check"]).exits_with(2).tells(&["which a source has"]);
    env.configure(
        "[sources.up]\nurl = [\"{upstream}\"]\nkeyring = \"alpine\"\n\
         [[repositories]]\nfrom = [\"up:x\"]\narches = [\"x86_64\"]\nindex = \"cosigned\"\n",
    );
    replace(&env, "[signing]\n", "[signing]\nkeyring_package = \"site-keys\"\n");
    env.bivouac(&["config", "check"]).exits_with(2).tells(&["a repository whose index is merged by us"]);
    replace(&env, "\"site-keys\"", "\"no name\"");
    env.bivouac(&["config", "check"]).exits_with(2).tells(&["signing.keyring_package"]);
}
