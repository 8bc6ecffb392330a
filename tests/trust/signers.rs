//! Another program signs: what it may do wrong, the former state outlives.

use super::env::{Env, Ran};
use super::fixture::{CORP, Package};
use super::keys::{KEY, configure, live, make_key, mode, openssl, secret, site};

/// `command`, with the key's public half as `key`.
fn signing(command: &str) -> String {
    format!("key = \"{KEY}.pub\"\ncommand = {command}\n")
}

/// As README writes it down.
fn by_openssl(env: &Env) -> String {
    signing(&format!("[\"openssl\", \"dgst\", \"-{{digest}}\", \"-sign\", {:?}]", env.path(KEY)))
}

fn standing() -> Env {
    let env = site("key = \"k\"\n");
    make_key(&env);
    configure(&env, &by_openssl(&env));
    env
}

#[test]
fn openssl_signs_as_it_is() {
    let env = standing();
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(live(&env), ["corp-tool"]);
    // The same bytes as by the key's file: no client sees who held the key, and no new generation is made.
    let before = env.generation();
    configure(&env, &format!("key = \"{KEY}\"\n"));
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.generation(), before);
    // Both digests, each by its name.
    configure(&env, &format!("{}digest = \"sha1\"\n", by_openssl(&env)));
    env.bivouac(&["sync"]).exits_with(0);
    assert_ne!(env.generation(), before);
    let index = env.public().join("site/x86_64/APKINDEX.tar.gz");
    env.bivouac(&["verify", index.to_str().unwrap(), "--keys", "keys"]).exits_with(0);
    let list = env.bivouac(&["--json", "key", "list"]).exits_with(0).json();
    assert_eq!(list["signing"]["bits"], 2048, "{list}");
    let half = std::fs::read_to_string(env.path(&format!("{KEY}.pub"))).unwrap();
    assert_eq!(env.bivouac(&["key", "export"]).exits_with(0).stdout, half);
}

/// The program's folder is the configuration's, its arguments are handed on as they stand, and what it is given is what is
/// signed.
#[test]
fn a_program_beside_the_configuration() {
    let env = standing();
    script(
        &env,
        "[ $# = 2 ] && [ \"$1\" = '$(touch no) *' ] && openssl dgst -$2 -sign keys/new@site.example-6743a0c1.rsa",
    );
    configure(&env, &signing("[\"./signer\", \"$(touch no) *\", \"{digest}\"]"));
    let elsewhere = env.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let config = env.path("bivouac.toml");
    let mut command = env.command(&["--config", config.to_str().unwrap(), "sync"]);
    assert!(command.current_dir(elsewhere).status().unwrap().success());
    assert_eq!(live(&env), ["corp-tool"]);
    assert!(!env.path("no").exists());
}

/// Writes `signer`, a shell script.
fn script(env: &Env, text: &str) {
    mode(&env.write("signer", format!("#!/bin/sh\n{text}\n").as_bytes()), 0o755);
}

fn code(ran: &Ran) -> String {
    ran.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("{ran}")).to_owned()
}

/// After a sync that went well there is news, and the program does `what` with it.
#[track_caller]
fn goes_wrong(what: &str, exit: i32, word: &str, told: &[&str]) {
    let env = standing();
    env.bivouac(&["sync"]).exits_with(0);
    let before = env.generation();
    let other = Package::new("corp-other", "1.0-r0").build(&CORP);
    env.write(&format!("packages/{}", other.file), &other.bytes);
    openssl(&env, "genrsa -out stranger 2048");
    secret(&env, "short", b"not a signature");
    script(&env, what);
    configure(&env, &format!("{}command_timeout = \"2s\"\n", signing("[\"./signer\", \"{digest}\"]")));
    env.bivouac(&["sync"]).exits_with(exit).tells(told);
    assert_eq!(code(&env.bivouac(&["--json", "sync"])), word);
    assert_eq!(env.generation(), before);
    assert_eq!(live(&env), ["corp-tool"]);
    // And it goes on as soon as the program does.
    configure(&env, &by_openssl(&env));
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(live(&env), ["corp-other", "corp-tool"]);
}

#[test]
fn a_program_that_signs_with_another_key() {
    let told = ["is no signature by new@site.example-6743a0c1.rsa.pub", "hint: key under [signing] names"];
    goes_wrong("exec openssl dgst -$1 -sign stranger", 2, "signer-other-key", &told);
}

#[test]
fn a_program_that_signs_other_bytes() {
    let told = ["is no signature by new@site.example-6743a0c1.rsa.pub"];
    goes_wrong(&format!("echo | openssl dgst -$1 -sign {KEY}"), 2, "signer-other-key", &told);
}

#[test]
fn a_program_that_takes_another_digest() {
    let told = ["signed by sha512 where sha256 was asked for", "hint: {digest} in its arguments"];
    goes_wrong(&format!("exec openssl dgst -sha512 -sign {KEY}"), 2, "signer-other-digest", &told);
}

#[test]
fn a_program_that_answers_garbage() {
    goes_wrong("cat short", 1, "signer-garbage", &["answered 15 bytes", "has 256", "neither hex nor base64"]);
}

/// It would go on for ever; nothing of it is kept beyond a signature's bytes.
#[test]
fn a_program_that_answers_too_much() {
    goes_wrong("exec cat /dev/zero", 1, "signer-too-much", &["more than the 256 bytes of a signature"]);
}

#[test]
fn a_program_that_answers_nothing() {
    goes_wrong("echo no card >&2", 1, "signer-silent", &["answered nothing: no card"]);
}

#[test]
fn a_program_that_fails() {
    let what = format!("openssl dgst -$1 -sign {KEY}; echo first >&2; echo second >&2; exit 7");
    goes_wrong(&what, 1, "signer-failed", &["failed: exit status: 7: first; second"]);
}

/// It neither reads nor answers, and waits in a child of its own: both are ended.
#[test]
fn a_program_that_is_too_slow() {
    goes_wrong("echo waiting >&2; sleep 600; echo", 1, "signer-too-slow", &["within 2 s and was ended: waiting"]);
}

/// A child in the background keeps the outputs open; the answer counts all the same.
#[test]
fn a_program_that_leaves_a_child_behind() {
    let env = standing();
    script(&env, &format!("sleep 600 >/dev/null & openssl dgst -$1 -sign {KEY}"));
    configure(&env, &signing("[\"./signer\", \"{digest}\"]"));
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(live(&env), ["corp-tool"]);
}

#[test]
fn a_program_that_is_not_there() {
    let env = standing();
    for (command, word, exit) in [
        ("[\"./none\"]", "signer-missing", 2),
        ("[\"none\"]", "signer-missing", 2),
        ("[\"./packages\"]", "signer-not-started", 1),
    ] {
        configure(&env, &signing(command));
        let run = env.bivouac(&["--json", "sync"]);
        assert_eq!((code(run.exits_with(exit)), env.public().exists()), (word.to_owned(), false), "{command}");
    }
}

/// The index is larger than any pipe: a program that answers before it has read everything must not stop us, nor we it.
#[test]
fn a_program_that_does_not_read_its_input() {
    let env = standing();
    for number in 0..600 {
        let package = Package::new(&format!("corp-{number}"), "1.0-r0").provides(&noise(number)).build(&CORP);
        env.write(&format!("packages/{}", package.file), &package.bytes);
    }
    script(&env, "head -c 256 /dev/urandom");
    configure(&env, &signing("[\"./signer\"]"));
    assert_eq!(code(&env.bivouac(&["--json", "sync"])), "signer-other-key");
    configure(&env, &by_openssl(&env));
    env.bivouac(&["sync"]).exits_with(0);
    let index = env.public().join("site/x86_64/APKINDEX.tar.gz").metadata().unwrap().len();
    assert!(index > 64 << 10, "{index} bytes fit a pipe");
}

/// Names that do not compress.
fn noise(seed: u64) -> String {
    let mut state = seed + 0x9e37_79b9_7f4a_7c15;
    let mut name = "cmd:".to_owned();
    for _ in 0..12 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        name.push_str(&format!("{state:016x}"));
    }
    name
}

/// A private key where the public half belongs would tell whoever reads the configuration's copy of it.
#[test]
fn the_private_half_where_a_program_signs() {
    let env = standing();
    configure(&env, &by_openssl(&env).replace(&format!("{KEY}.pub"), KEY));
    env.bivouac(&["sync"]).exits_with(2).tells(&["holds a private key", "ends with .pub"]);
}
