//! Keys and signatures that are not what they should be, each by its name.

use super::env::{Env, private_name};
use super::fixture::{CORP, Form, OURS, Package, STRANGER, UPSTREAM, signature_section, signed, unsigned_index};
use super::keys::{KEY, code, configure, encrypted, live, mode, secret};
use super::site::{FIRST, MAIN, Site, hello, index_of, libgreet};

/// What upstream lists next; its packages are there.
fn next(site: &Site) -> Vec<u8> {
    let built = [hello("1.1-r0").build(&UPSTREAM), libgreet().build(&UPSTREAM)];
    site.env.upstream.put(&format!("{MAIN}/{}", built[0].file), built[0].bytes.clone());
    unsigned_index(&[&built[0].entry, &built[1].entry], "v3.23.0-2-g0123456789")
}

/// The index that `make` puts in front of upstream's next one is refused with this word; then the right one is taken.
#[track_caller]
fn is_refused(word: &str, told: &[&str], make: impl FnOnce(&[u8]) -> Vec<u8>) {
    let site = Site::standing();
    let member = next(&site);
    site.main_index(make(&member));
    site.env.bivouac(&["sync"]).exits_with(3).tells(told);
    let report = site.env.bivouac(&["--json", "sync"]).exits_with(3).json();
    let refused = &report["repositories"][0]["error"];
    assert_eq!((refused["code"].as_str(), site.live()), (Some(word), FIRST.map(str::to_owned).to_vec()), "{report:#}");
    site.main_index(signed(&member, &[&UPSTREAM]));
    site.env.bivouac(&["sync"]).exits_with(0);
    assert!(site.live().contains(&"hello-1.1-r0".to_owned()));
    site.watch.stop();
}

#[test]
fn a_signature_over_other_bytes() {
    is_refused("bad-signature", &["bad signature", UPSTREAM.name], |member| {
        [signature_section(&[UPSTREAM.sign(Form::Rsa256, b"other bytes")]), member.to_vec()].concat()
    });
}

/// It costs a few hundred kilobytes on the wire and is never held: what inflates is counted while it does.
#[test]
fn a_signature_file_of_100_mb() {
    is_refused("bad-index", &["signature section inflates to more than 65536 bytes"], |member| {
        let (name, _) = UPSTREAM.sign(Form::Rsa256, member);
        [signature_section(&[(name, vec![0; 100 << 20])]), member.to_vec()].concat()
    });
}

/// Each would cost a hash of the whole index, and the trusted one comes last.
#[test]
fn a_thousand_signatures_in_one_index() {
    is_refused("bad-index", &["signature section inflates to more than 65536 bytes"], |member| {
        let (_, bytes) = STRANGER.sign(Form::Rsa256, member);
        let by = |number: u32| (format!(".SIGN.RSA256.builder@elsewhere.example-{number:08x}.rsa.pub"), bytes.clone());
        let mut signatures: Vec<_> = (0..999).map(by).collect();
        signatures.push(UPSTREAM.sign(Form::Rsa256, member));
        [signature_section(&signatures), member.to_vec()].concat()
    });
}

/// A keyring by arch: a key that is right for one arch is nobody's for the other.
#[test]
fn an_index_signed_by_another_archs_key() {
    let env = Env::new();
    env.write(&format!("trusted/{}", STRANGER.name), STRANGER.public_pem().as_bytes());
    let keyring = |key: &str| format!("[\"trusted/{key}\"]");
    env.configure(&format!(
        "[sources.up]\nurl = [\"{{upstream}}/alpine\"]\nkeyring = {{ x86_64 = {}, aarch64 = {} }}\n\
         [[repositories]]\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\n",
        keyring(UPSTREAM.name),
        keyring(STRANGER.name)
    ));
    let package = Package::new("hello", "1.0-r0").build(&UPSTREAM);
    env.upstream.put(&format!("{MAIN}/{}", package.file), package.bytes.clone());
    let put = |index: Vec<u8>| env.upstream.put(&format!("{MAIN}/APKINDEX.tar.gz"), index);
    put(index_of(1, &[&package], &STRANGER));
    env.bivouac(&["sync"]).exits_with(3).tells(&["v3.23/main/x86_64", STRANGER.name, "x86_64"]);
    let report = env.bivouac(&["--json", "sync"]).exits_with(3).json();
    assert_eq!(report["repositories"][0]["error"]["code"], "signer-of-other-arch", "{report:#}");
    assert!(!env.public().exists());
    put(index_of(1, &[&package], &UPSTREAM));
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ["hello-1.0-r0"]);
}

/// A signature names its key by file name alone: which of the two would be meant?
#[test]
fn two_keys_with_one_name() {
    let site = Site::standing();
    site.env.write(&format!("other/{}", UPSTREAM.name), STRANGER.public_pem().as_bytes());
    let text = std::fs::read_to_string(site.env.path("bivouac.toml")).unwrap();
    let one = format!("[\"trusted/{}\"]", UPSTREAM.name);
    let two = format!("[\"trusted/{name}\", \"other/{name}\"]", name = UPSTREAM.name);
    assert!(text.contains(&one));
    site.env.write("bivouac.toml", text.replace(&one, &two).as_bytes());
    let told = format!("two different public keys are named {}", UPSTREAM.name);
    site.env.bivouac(&["sync"]).exits_with(2).tells(&[&told, "source \"up\""]);
    assert_eq!(code(&site.env.bivouac(&["--json", "sync"])), "keyring-bad-key");
    assert_eq!(site.live(), FIRST);
    // The same key twice is one key.
    site.env.write(&format!("other/{}", UPSTREAM.name), UPSTREAM.public_pem().as_bytes());
    site.env.bivouac(&["sync"]).exits_with(0);
    // Nor may a source know another key under the name of ours.
    site.env.write(&format!("other/{}", OURS.name), STRANGER.public_pem().as_bytes());
    let two = format!("[\"trusted/{}\", \"other/{}\"]", UPSTREAM.name, OURS.name);
    site.env.write("bivouac.toml", text.replace(&one, &two).as_bytes());
    site.env.bivouac(&["sync"]).exits_with(2).tells(&["under the name of ours", OURS.name, "source \"up\""]);
    assert_eq!(site.live(), FIRST);
    site.watch.stop();
}

/// After a first sync `content` stands in the signing key's file, and there is something to sign.
#[track_caller]
fn key_file_is_refused(content: &str, told: &[&str]) {
    let site = Site::standing();
    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    let file = format!("keys/{}", private_name(&OURS));
    secret(&site.env, &file, content.as_bytes());
    site.env.bivouac(&["sync"]).exits_with(2).tells(told);
    assert_eq!(code(&site.env.bivouac(&["--json", "sync"])), "key-unusable");
    assert_eq!(site.live(), FIRST);
    secret(&site.env, &file, OURS.private_pem().as_bytes());
    site.env.bivouac(&["sync"]).exits_with(0);
    assert!(site.live().contains(&"hello-1.1-r0".to_owned()));
    site.watch.stop();
}

#[test]
fn a_key_file_that_is_no_key() {
    key_file_is_refused("ssh-rsa AAAAB3NzaC1yc2E ops@site.example\n", &["holds no key in PEM form"]);
    let pem = OURS.private_pem();
    key_file_is_refused(&pem[..pem.len() / 2], &["is damaged"]);
}

#[test]
fn the_public_half_where_the_private_belongs() {
    let hint = "hint: the private key is the file without .pub";
    key_file_is_refused(&OURS.public_pem(), &["holds a public key; the private one belongs here", hint]);
}

#[test]
fn a_missing_or_wrong_passphrase_file() {
    let env = encrypted();
    env.bivouac(&["sync"]).exits_with(0);
    let before = env.generation();
    // Something new is to be signed each time.
    let tool = Package::new("corp-other", "1.0-r0").build(&CORP);
    env.write(&format!("packages/{}", tool.file), &tool.bytes);
    let refused = |word: &str, told: &[&str]| {
        env.bivouac(&["sync"]).exits_with(2).tells(told);
        assert_eq!(code(&env.bivouac(&["--json", "sync"])), word);
        assert_eq!(env.generation(), before);
    };
    secret(&env, "passphrase", b"y\n");
    refused("passphrase-wrong", &["does not open with the passphrase in", "hint: openssl pkey -in"]);
    secret(&env, "passphrase", b"x\n\n");
    refused("passphrase-wrong", &["does not open with the passphrase in"]);
    secret(&env, "passphrase", b"\n");
    refused("passphrase-unusable", &["is empty", "hint: one line, the passphrase"]);
    secret(&env, "passphrase", &[b'x'; 5000]);
    refused("passphrase-unusable", &["has more than 1024 bytes"]);
    std::fs::remove_file(env.path("passphrase")).unwrap();
    refused("passphrase-unreadable", &["cannot be read", "hint: write the passphrase there"]);
    configure(&env, &format!("key = \"{KEY}\"\n"));
    refused("passphrase-missing", &["is encrypted, and no file with its passphrase is named", "as passphrase_file"]);
    configure(&env, &format!("key = \"{KEY}\"\npassphrase_file = \"passphrase\"\n"));
    mode(&secret(&env, "passphrase", b"x"), 0o644);
    refused("passphrase-exposed", &["is open to others (mode 0644)", "hint: chmod 600"]);
    secret(&env, "passphrase", b"x");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(live(&env), ["corp-other", "corp-tool"]);
}

#[test]
fn a_key_readable_by_others_is_refused_unless_told() {
    let env = encrypted();
    mode(&env.path(KEY), 0o644);
    mode(&env.path("passphrase"), 0o640);
    env.bivouac(&["sync"]).exits_with(2).tells(&["is open to others (mode 0644)", "exposed = \"accept\""]);
    assert_eq!(code(&env.bivouac(&["--json", "sync"])), "key-exposed");
    assert!(!env.public().exists());
    let told = format!("key = \"{KEY}\"\npassphrase_file = \"passphrase\"\nexposed = \"accept\"\n");
    configure(&env, &told);
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(live(&env), ["corp-tool"]);
    configure(&env, &told.replace("accept", "refuse"));
    env.bivouac(&["sync"]).exits_with(2).tells(&["is open to others (mode 0644)"]);
}
