//! `index`, `sign` and `verify`: the engine on loose files, without a configuration.

use super::env::{Env, private_name, trusted};
use super::fixture::{Form, OURS, Package, STRANGER, UPSTREAM, signature_section};
use super::oracle;
use super::site::{extra, hello, index_of, libgreet};

/// A folder with three packages: two for the arch, one for all.
fn folder(env: &Env) {
    for package in [hello("1.0-r0").build(&UPSTREAM), libgreet().build(&UPSTREAM), extra("1.0-r0").build(&UPSTREAM)] {
        env.write(&format!("loose/{}", package.file), &package.bytes);
    }
}

#[test]
fn good_files_verify() {
    let env = Env::new();
    folder(&env);
    let hello = hello("1.0-r0").build(&UPSTREAM);
    env.write("loose/APKINDEX.tar.gz", &index_of(1, &[&hello], &UPSTREAM));
    let run = env.bivouac(&["verify", "--keys", "trusted", "loose/hello-1.0-r0.apk", "loose/APKINDEX.tar.gz"]);
    run.exits_with(0);
    assert!(run.stdout.contains("loose/hello-1.0-r0.apk") && run.stdout.contains("OK"), "{run}");
}

#[test]
fn bad_files_are_told_apart_one_by_one() {
    let env = Env::new();
    let right = hello("1.0-r0").build(&UPSTREAM);
    let mut data = right.bytes.clone();
    *data.last_mut().unwrap() ^= 1;
    env.write("changed.apk", &data);
    env.write("good.apk", &right.bytes);
    env.write("stranger.apk", &hello("1.0-r0").build(&STRANGER).bytes);
    env.write("unsigned.apk", &right.bytes[right.control_at..]);
    env.write("cut.apk", &right.bytes[..right.data_at - 3]);
    env.write("notes.apk", b"buy milk");
    env.write("v3.apk", b"ADBd....");
    let run = env.bivouac(&[
        "verify",
        "--keys",
        "trusted",
        "changed.apk",
        "good.apk",
        "stranger.apk",
        "unsigned.apk",
        "cut.apk",
        "notes.apk",
        "v3.apk",
    ]);
    run.exits_with(3);
    let all = format!("{}{}", run.stdout, run.stderr);
    for (file, reason) in [
        ("changed.apk", "datahash"),
        ("stranger.apk", STRANGER.name),
        ("unsigned.apk", "not signed"),
        ("cut.apk", "control"),
        ("notes.apk", "gzip"),
        ("v3.apk", "apk v3 package, not supported yet"),
    ] {
        assert!(all.lines().any(|line| line.contains(file) && line.contains(reason)), "{file}: {reason}\n{run}");
    }
    assert!(all.lines().any(|line| line.contains("good.apk") && line.contains("OK")), "{run}");
    let run = env.bivouac(&["verify", "--keys", "trusted", "absent.apk"]);
    assert!(run.exits_with(1).stdout.contains("absent.apk"), "{run}");
}

#[test]
fn an_index_of_a_folder_is_what_apk_would_write() {
    let env = Env::new();
    folder(&env);
    env.bivouac(&["index", "loose", "-o", "out.tar.gz", "-d", "three of them"]).exits_with(0);
    let bytes = std::fs::read(env.path("out.tar.gz")).unwrap();
    // By name, noarch made the folder's arch, nothing signed without a key.
    assert!(oracle::signature_names(&bytes).is_empty());
    assert_eq!(oracle::description(&bytes).as_deref(), Some("three of them"));
    let signed = [signature_section(&[OURS.sign(Form::Rsa256, &bytes)]), bytes.clone()].concat();
    let text = oracle::index_text(&signed, &[trusted(&OURS)]).unwrap();
    let entries = [extra("1.0-r0"), hello("1.0-r0"), libgreet()].map(|package| package.build(&UPSTREAM).entry + "\n");
    assert_eq!(text, entries.concat());
    // The same folder gives the same bytes.
    env.bivouac(&["index", "loose", "-o", "again.tar.gz", "-d", "three of them"]).exits_with(0);
    assert_eq!(std::fs::read(env.path("again.tar.gz")).unwrap(), bytes);
}

#[test]
fn an_index_is_signed_in_place_and_again() {
    let env = Env::new();
    folder(&env);
    let key = format!("keys/{}", private_name(&OURS));
    env.bivouac(&["index", "loose"]).exits_with(0);
    let unsigned = std::fs::read(env.path("loose/APKINDEX.tar.gz")).unwrap();
    for _ in 0..2 {
        // Signing twice replaces: a signature around a signature would be bad to every client.
        env.bivouac(&["sign", "--key", &key, "loose/APKINDEX.tar.gz"]).exits_with(0);
        let bytes = std::fs::read(env.path("loose/APKINDEX.tar.gz")).unwrap();
        assert_eq!(oracle::signature_names(&bytes), [format!(".SIGN.RSA256.{}", OURS.name)]);
        assert!(bytes.ends_with(&unsigned));
        assert_eq!(oracle::index(&bytes, &[trusted(&OURS)]).unwrap().len(), 3);
    }
    env.bivouac(&["verify", "--keys", "keys", "loose/APKINDEX.tar.gz"]).exits_with(0);
}

#[test]
fn a_package_is_signed_over_its_control_section() {
    let env = Env::new();
    let by_stranger = hello("1.0-r0").build(&STRANGER);
    env.write("hello-1.0-r0.apk", &by_stranger.bytes);
    env.bivouac(&["verify", "--keys", "keys", "hello-1.0-r0.apk"]).exits_with(3);
    env.bivouac(&["sign", "--key", &format!("keys/{}", private_name(&OURS)), "hello-1.0-r0.apk"]).exits_with(0);
    let bytes = std::fs::read(env.path("hello-1.0-r0.apk")).unwrap();
    assert!(bytes.ends_with(&by_stranger.bytes[by_stranger.control_at..]), "control and data stay byte for byte");
    env.bivouac(&["verify", "--keys", "keys", "hello-1.0-r0.apk"]).exits_with(0);
}

#[test]
fn a_detached_signature_is_what_openssl_verifies() {
    let env = Env::new();
    folder(&env);
    let key = format!("keys/{}", private_name(&OURS));
    env.bivouac(&["index", "loose", "--key", &key, "--detached"]).exits_with(0);
    let public = format!("keys/{}", OURS.name);
    let openssl = std::process::Command::new("openssl")
        .args([
            "dgst",
            "-sha256",
            "-verify",
            &public,
            "-signature",
            "loose/APKINDEX.tar.gz.sign",
            "loose/APKINDEX.tar.gz",
        ])
        .current_dir(env.path("."))
        .output()
        .expect("openssl is installed");
    assert!(openssl.status.success(), "{}", String::from_utf8_lossy(&openssl.stdout));
}

#[test]
fn a_folder_of_two_arches_is_no_index() {
    let env = Env::new();
    folder(&env);
    let other = Package::new("other", "1.0-r0").arch("aarch64").build(&UPSTREAM);
    env.write(&format!("loose/{}", other.file), &other.bytes);
    let run = env.bivouac(&["index", "loose"]);
    assert_ne!(run.code, Some(0), "{run}");
    run.tells(&["aarch64", "x86_64"]);
    assert!(!env.path("loose/APKINDEX.tar.gz").exists());
}
