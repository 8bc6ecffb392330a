//! A key in a token signs, through SoftHSM2's module; what goes wrong there leaves the former state.

use super::env::Env;
use super::fixture::{CORP, Package};
use super::keys::{KEY, code, configure, live, make_key, mode, openssl, secret, site};
use super::softhsm::{PIN, SoftHsm};

/// A site whose key is in the token "site", under the label "ops" and the id a1, and nowhere else.
fn standing() -> Option<(Env, SoftHsm)> {
    let env = site("key = \"k\"\n");
    let hsm = SoftHsm::new(&env)?;
    make_key(&env);
    hsm.make_token("site");
    hsm.import("site", &env.path(KEY), "ops", "a1");
    std::fs::remove_file(env.path(KEY)).unwrap();
    secret(&env, "pin", format!("{PIN}\n").as_bytes());
    configure(&env, &signing(&hsm, "token=site;object=ops", "&pin-source=pin"));
    Some((env, hsm))
}

fn signing(hsm: &SoftHsm, key: &str, query: &str) -> String {
    format!("key = \"{KEY}.pub\"\npkcs11 = \"pkcs11:{key}?module-path={}{query}\"\n", hsm.module)
}

#[test]
fn a_key_in_a_token_signs() {
    let Some((env, hsm)) = standing() else { return };
    hsm.bivouac(&env, &["sync"]).exits_with(0);
    assert_eq!(live(&env), ["corp-tool"]);
    let index = env.public().join("site/x86_64/APKINDEX.tar.gz");
    let index = index.to_str().unwrap();
    env.bivouac(&["verify", index, "--keys", "keys"]).exits_with(0);
    // With no news the token is not asked: its PIN is not even read.
    std::fs::rename(env.path("pin"), env.path("away")).unwrap();
    hsm.bivouac(&env, &["sync"]).exits_with(0);
    env.bivouac(&["key", "list"]).exits_with(0);
    std::fs::rename(env.path("away"), env.path("pin")).unwrap();
    // Both digests; by id and serial number too, with the PIN by its own key; and loose files.
    let by_id = signing(&hsm, "id=%A1", "").replace("a1", "A1") + "pin_file = \"pin\"\ndigest = \"sha1\"\n";
    configure(&env, &by_id);
    hsm.bivouac(&env, &["sync"]).exits_with(0);
    assert_eq!(live(&env), ["corp-tool"]);
    env.bivouac(&["verify", index, "--keys", "keys"]).exits_with(0);
    let copy = env.write("loose/APKINDEX.tar.gz", &std::fs::read(index).unwrap());
    hsm.bivouac(&env, &["sign", copy.to_str().unwrap()]).exits_with(0);
    env.bivouac(&["verify", copy.to_str().unwrap(), "--keys", "keys"]).exits_with(0);
}

#[test]
fn what_is_wrong_with_a_token_is_told_and_leaves_the_former_state() {
    let Some((env, hsm)) = standing() else { return };
    hsm.bivouac(&env, &["sync"]).exits_with(0);
    let before = env.generation();
    let other = Package::new("corp-other", "1.0-r0").build(&CORP);
    env.write(&format!("packages/{}", other.file), &other.bytes);
    hsm.make_token("twin");
    hsm.make_token("twin");
    openssl(&env, "genrsa -out stranger 2048");
    hsm.import("site", &env.path("stranger"), "stranger", "b2");
    hsm.import("site", &env.path("stranger"), "stranger", "b3");
    mode(&secret(&env, "open-pin", PIN.as_bytes()), 0o644);
    secret(&env, "wrong-pin", b"4321\n");
    secret(&env, "empty-pin", b"\n");
    let right = "token=site;object=ops";
    for (key, query, word, told) in [
        ("token=nowhere", "&pin-source=pin", "token-missing", "has no token labelled \"nowhere\""),
        ("token=twin", "&pin-source=pin", "token-ambiguous", "has 2 tokens labelled \"twin\""),
        ("token=site;object=none", "&pin-source=pin", "token-key-missing", "no private RSA key labelled \"none\""),
        ("token=site;object=stranger", "&pin-source=pin", "token-key-ambiguous", "has 2 private RSA keys"),
        ("token=site;id=%B2", "&pin-source=pin", "token-other-key", "its signature does not fit"),
        (right, "", "token-key-missing", "(no PIN was given)"),
        (right, "&pin-source=none", "pin-unreadable", "cannot be read"),
        (right, "&pin-source=open-pin", "pin-exposed", "is open to others (mode 0644)"),
        (right, "&pin-source=empty-pin", "pin-unusable", "holds no PIN"),
        (right, "&pin-source=wrong-pin", "pin-refused", "it is not the right one; it was tried once"),
    ] {
        configure(&env, &signing(&hsm, key, query));
        hsm.bivouac(&env, &["sync"]).exits_with(2).tells(&[told]);
        assert_eq!(code(&hsm.bivouac(&env, &["--json", "sync"])), word);
        assert_eq!(env.generation(), before, "{word}");
    }
    for module in ["/nowhere/module.so", "/bin/sh"] {
        configure(&env, &signing(&hsm, right, "&pin-source=pin").replace(hsm.module, module));
        hsm.bivouac(&env, &["sync"]).exits_with(2).tells(&[&format!("module {module} was not loaded")]);
        assert_eq!(code(&hsm.bivouac(&env, &["--json", "sync"])), "token-module");
    }
    // An open PIN can be borne, like an open key.
    configure(&env, &(signing(&hsm, right, "&pin-source=open-pin") + "exposed = \"accept\"\n"));
    hsm.bivouac(&env, &["sync"]).exits_with(0);
    assert_eq!(live(&env), ["corp-other", "corp-tool"]);
}

/// It is refused where it stands, and not repeated.
#[test]
fn a_pin_in_the_configuration() {
    let env = site("key = \"k\"\npkcs11 = \"pkcs11:token=t?module-path=/m&pin-value=987654\"\n");
    let run = env.bivouac(&["config", "check"]);
    run.exits_with(2).tells(&["bivouac.toml:5", "holds a PIN (pin-value)", "pin_file"]);
    assert!(!run.stderr.contains("987654") && !run.stdout.contains("987654"), "{run}");
}
