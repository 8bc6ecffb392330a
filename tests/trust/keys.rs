//! Private keys as openssl and abuild-keygen make them, and what keeps one from signing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::env::{Env, Ran};
use super::fixture::{CORP, Package};
use super::oracle;

/// The words under which a site signs its own packages.
const REPOSITORY: &str = r#"
[sources.corp]
directory = "packages"
keyring = ["trusted/builder@corp.example-00000004.rsa.pub"]

[[repositories]]
name = "site"
arches = ["x86_64"]
from = ["corp"]
"#;

/// The key that all these tests sign with.
pub(super) const KEY: &str = "keys/new@site.example-6743a0c1.rsa";

/// A site with one package that signs by `signing`.
pub(super) fn site(signing: &str) -> Env {
    let env = Env::new();
    let tool = Package::new("corp-tool", "1.0-r0").build(&CORP);
    env.write(&format!("packages/{}", tool.file), &tool.bytes);
    configure(&env, signing);
    env
}

pub(super) fn configure(env: &Env, signing: &str) {
    let head = "store = \"store\"\npublic = \"site/alpine\"\n[signing]\n";
    env.write("bivouac.toml", format!("{head}{signing}{REPOSITORY}").as_bytes());
}

pub(super) fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Writes a file that nobody else may read.
pub(super) fn secret(env: &Env, inside: &str, content: &[u8]) -> PathBuf {
    let path = env.write(inside, content);
    mode(&path, 0o600);
    path
}

/// Runs openssl in the root; it is on every machine that runs these tests.
pub(super) fn openssl(env: &Env, line: &str) -> Vec<u8> {
    let run = Command::new("openssl").args(line.split(' ')).current_dir(env.path("")).output().expect("openssl runs");
    assert!(run.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&run.stderr));
    run.stdout
}

/// A fresh key at [`KEY`], made by openssl, PKCS#8 in the clear, and its public half.
pub(super) fn make_key(env: &Env) {
    std::fs::create_dir_all(env.path("keys")).unwrap();
    openssl(env, &format!("genrsa -out {KEY} 2048"));
    publish_half(env);
    mode(&env.path(KEY), 0o600);
}

fn publish_half(env: &Env) {
    openssl(env, &format!("pkey -in {KEY} -passin pass:x -pubout -out {KEY}.pub"));
}

/// What is published, by a client that trusts the public half of [`KEY`] alone.
pub(super) fn live(env: &Env) -> Vec<String> {
    let pem = std::fs::read_to_string(env.path(&format!("{KEY}.pub"))).unwrap();
    let public = <rsa::PublicKey as rsa::pkcs8::DecodePublicKey>::from_public_key_pem(&pem).unwrap();
    let name = KEY.rsplit('/').next().unwrap();
    let listed = env.live_records("site", "x86_64", &[(format!("{name}.pub"), public)]);
    listed.iter().map(|listed: &oracle::Listed| listed.name.clone()).collect()
}

/// A site that signs with [`KEY`] under the passphrase "x".
pub(super) fn encrypted() -> Env {
    let signing = format!("key = \"{KEY}\"\npassphrase_file = \"passphrase\"\n");
    let env = site(&signing);
    make_key(&env);
    openssl(&env, &format!("pkcs8 -topk8 -v2 aes-256-cbc -in {KEY} -passout pass:x -out encrypted"));
    std::fs::rename(env.path("encrypted"), env.path(KEY)).unwrap();
    mode(&env.path(KEY), 0o600);
    secret(&env, "passphrase", b"x\n");
    env
}

/// The word of a failure, out of `--json`.
pub(super) fn code(ran: &Ran) -> String {
    ran.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("{ran}")).to_owned()
}

/// Each is what stands in a manual or in abuild-keygen, typed as it stands there.
#[test]
fn keys_as_openssl_and_abuild_keygen_make_them() {
    let env = site(&format!("key = \"{KEY}\"\npassphrase_file = \"passphrase\"\n"));
    secret(&env, "passphrase", b"x\n");
    std::fs::create_dir_all(env.path("keys")).unwrap();
    openssl(&env, "genrsa -out plain 2048");
    for line in [
        "genrsa -out KEY 2048",
        "genrsa -traditional -out KEY 2048",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out KEY",
        "genrsa -aes256 -passout pass:x -out KEY 2048",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -aes-128-cbc -pass pass:x -out KEY",
        "pkcs8 -topk8 -v2 aes-256-cbc -in plain -passout pass:x -out KEY",
        "pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA512 -iter 100000 -in plain -passout pass:x -out KEY",
        "pkcs8 -topk8 -v2 des3 -v2prf hmacWithSHA1 -in plain -passout pass:x -out KEY",
        "pkcs8 -topk8 -scrypt -in plain -passout pass:x -out KEY",
    ] {
        openssl(&env, &line.replace("KEY", KEY));
        signs(&env, line);
    }
}

#[track_caller]
fn signs(env: &Env, how: &str) {
    // Each is the site's first key: another one under the same name would be refused.
    for folder in ["store", "site"] {
        if env.path(folder).exists() {
            std::fs::remove_dir_all(env.path(folder)).unwrap();
        }
    }
    mode(&env.path(KEY), 0o600);
    publish_half(env);
    let run = env.bivouac(&["sync"]);
    assert_eq!(run.code, Some(0), "{how}: {run}");
    assert_eq!(live(env), ["corp-tool"], "{how}");
}

/// What `key new` encrypts, openssl opens, and so do we; in the clear stands nothing.
#[test]
fn a_new_key_is_encrypted_where_a_passphrase_is_named() {
    let env = Env::new();
    let secret_file = secret(&env, "passphrase", b"correct horse\n");
    env.bivouac(&["key", "new", "a@site.example-1", "--bits", "2048", "--passphrase-file", "passphrase"]).exits_with(0);
    // In a configuration that names one no flag is needed, even before it names a key.
    let text = "store = \"store\"\npublic = \"site/alpine\"\n[signing]\npassphrase_file = \"passphrase\"\n";
    env.write("bivouac.toml", text.as_bytes());
    let made = env.bivouac(&["--json", "key", "new", "b@site.example-1", "--bits", "2048"]);
    assert_eq!(made.exits_with(0).json()["encrypted"], true, "{made}");
    for name in ["a", "b"] {
        let path = format!("keys/{name}@site.example-1.rsa");
        let pem = std::fs::read_to_string(env.path(&path)).unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{pem}");
        assert_eq!(env.path(&path).metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        let half = openssl(&env, &format!("pkey -in {path} -passin file:{} -pubout", secret_file.display()));
        assert_eq!(half, std::fs::read(env.path(&format!("{path}.pub"))).unwrap());
        let scheme = String::from_utf8(openssl(&env, &format!("asn1parse -in {path}"))).unwrap();
        for word in ["PBES2", "PBKDF2", "INTEGER           :0927C0", "hmacWithSHA256", "aes-256-cbc"] {
            assert!(scheme.contains(word), "{word}: {scheme}");
        }
    }
    env.write("empty", b"");
    let refused = env.bivouac(&["key", "new", "c@site.example-1", "--bits", "2048", "--passphrase-file", "none"]);
    refused.exits_with(2).tells(&["passphrase file none cannot be read"]);
    assert!(!env.path("keys/c@site.example-1.rsa").exists());
}

/// The old form derives the key by one round of MD5; it is told how to leave it.
#[test]
fn a_key_encrypted_in_the_old_form() {
    let env = encrypted();
    openssl(&env, &format!("rsa -in {KEY} -passin pass:x -traditional -aes256 -passout pass:x -out old"));
    std::fs::rename(env.path("old"), env.path(KEY)).unwrap();
    mode(&env.path(KEY), 0o600);
    let run = env.bivouac(&["sync"]);
    run.exits_with(2).tells(&["Proc-Type: 4,ENCRYPTED", "hint: openssl pkcs8 -topk8 -v2 aes-256-cbc -in "]);
    // The hint, typed, mends it.
    let hint = run.stderr.lines().find_map(|line| line.trim().strip_prefix("hint: openssl ")).unwrap();
    let line = hint.split(',').next().unwrap().replace("NEW.rsa", "new.rsa");
    openssl(&env, &format!("{line} -passin pass:x -passout pass:x"));
    std::fs::rename(env.path("new.rsa"), env.path(KEY)).unwrap();
    mode(&env.path(KEY), 0o600);
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(live(&env), ["corp-tool"]);
}

/// Ages by name and by file, who trusts what for which arches: all in `--json`, and a line each.
#[test]
fn the_list_tells_age_and_use() {
    let env = site(&format!("key = \"{KEY}\"\n"));
    make_key(&env);
    let by_arch = "\n[sources.by-arch]\nurl = [\"http://127.0.0.1:1\"]\n\
                   keyring = { x86_64 = [\"trusted\"], aarch64 = [\"trusted/builder@corp.example-00000004.rsa.pub\"] }\n";
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    env.write(
        "bivouac.toml",
        format!("{text}{by_arch}[sources.alpine]\nurl = [\"http://127.0.0.1:1\"]\nkeyring = \"alpine\"\n").as_bytes(),
    );
    let list = env.bivouac(&["--json", "key", "list"]).exits_with(0).json();
    let ours = &list["signing"];
    // 0x6743a0c1.
    assert_eq!((ours["made"].as_str(), ours["bits"].as_u64()), (Some("2024-11-24T21:55:13Z"), Some(2048)), "{ours}");
    assert!(ours["age_seconds"].as_u64().unwrap() > 365 * 86_400, "{ours}");
    assert!(list["retiring"].as_array().unwrap().is_empty() && list["retired"].as_array().unwrap().is_empty());
    let trusted = |source: &str, name: &str| {
        let keys = list["trusted"].as_array().unwrap();
        let found = keys.iter().find(|key| key["source"] == source && key["name"].as_str().unwrap().starts_with(name));
        found.unwrap_or_else(|| panic!("{source} {name} in {list:#}")).clone()
    };
    let corp = trusted("by-arch", "builder@corp");
    assert_eq!(corp["arches"], serde_json::json!(["aarch64", "x86_64"]));
    // 00000004 tells no time.
    assert_eq!((&corp["made"], &corp["age_seconds"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!(trusted("by-arch", "builder@upstream")["arches"], serde_json::json!(["x86_64"]));
    assert_eq!(trusted("corp", "builder@corp")["arches"], serde_json::Value::Null);
    let alpine = trusted("alpine", "alpine-devel@lists.alpinelinux.org-4a6a0840");
    assert_eq!((&alpine["built_in"], &alpine["made"]), (&true.into(), &"2009-07-24T19:15:12Z".into()));
    let told = env.bivouac(&["key", "list"]).exits_with(0).stdout.clone();
    for line in ["signing   new@site.example-6743a0c1.rsa.pub  2048 bits  ", "source corp  all arches  age unknown  "] {
        assert!(told.contains(line), "{line}: {told}");
    }
}

/// What a client's /etc/apk/keys takes: by its name, open to all, and never over another key's file.
#[test]
fn export_writes_what_clients_need() {
    let env = site(&format!("key = \"{KEY}\"\n"));
    make_key(&env);
    let half = std::fs::read_to_string(env.path(&format!("{KEY}.pub"))).unwrap();
    let file = "clients/keys/new@site.example-6743a0c1.rsa.pub";
    for word in [None, Some("new@site.example-6743a0c1")] {
        let arguments = ["key", "export"].into_iter().chain(word).chain(["--to", "clients/keys"]).collect::<Vec<_>>();
        assert_eq!(env.bivouac(&arguments).exits_with(0).stdout, format!("{file}\n"));
        assert_eq!(std::fs::read_to_string(env.path(file)).unwrap(), half);
        assert_eq!(env.path(file).metadata().unwrap().permissions().mode() & 0o7777, 0o644);
    }
    let fingerprint = env.bivouac(&["--json", "key", "export"]).exits_with(0).json()["fingerprint"].clone();
    assert_eq!(env.bivouac(&["key", "export", &fingerprint.as_str().unwrap()[..12]]).exits_with(0).stdout, half);
    env.write(file, b"another key");
    let refused = env.bivouac(&["--json", "key", "export", "--to", "clients/keys"]);
    assert_eq!(code(refused.exits_with(2)), "key-exists");
    assert_eq!(std::fs::read(env.path(file)).unwrap(), b"another key");
    env.bivouac(&["key", "export", "none"]).exits_with(2).tells(&["is called \"none\"", "these sign now: new@site"]);
}

/// A warning, once a run, as long as the key is older than `max_key_age`; it stops nothing.
#[test]
fn a_key_that_should_have_been_rotated() {
    let age = |text: &str| format!("key = \"{KEY}\"\n{text}");
    let env = site(&age(""));
    make_key(&env);
    let told = [
        "signing key new@site.example-6743a0c1.rsa.pub is ",
        "days old, more than max_key_age (365 days)",
        "`bivouac key rotate`",
    ];
    for _ in 0..2 {
        let run = env.bivouac(&["sync"]);
        run.exits_with(0).tells(&told);
        assert_eq!(run.stderr.matches("max_key_age").count(), 1, "{run}");
    }
    for text in ["max_key_age = \"off\"\n", "max_key_age = \"90y\"\n"] {
        configure(&env, &age(text));
        let run = env.bivouac(&["sync"]);
        assert!(!run.exits_with(0).stderr.contains("max_key_age"), "{text}: {run}");
    }
    configure(&env, &age("max_key_age = \"1d\"\n"));
    env.bivouac(&["sync"]).exits_with(0).tells(&["more than max_key_age (1 days)"]);
    // A name that tells no time: the file's counts.
    let name = "keys/new@site.example.rsa";
    std::fs::copy(env.path(KEY), env.path(name)).unwrap();
    mode(&env.path(name), 0o600);
    configure(&env, &format!("key = \"{name}\"\nmax_key_age = \"1d\"\n"));
    let young = env.bivouac(&["sync"]);
    assert!(!young.exits_with(0).stderr.contains("max_key_age"), "{young}");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 86_400);
    std::fs::File::options().write(true).open(env.path(name)).unwrap().set_modified(old).unwrap();
    env.bivouac(&["sync"]).exits_with(0).tells(&["new@site.example.rsa.pub is 3 days old"]);
}
