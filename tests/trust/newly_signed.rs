//! An upstream that signs with a key which was not seen before.

use super::fixture::{Built, CORP, Key, Package, STRANGER, UPSTREAM, signed, unsigned_index};
use super::pair::{BY_FILE, Pair, URLS, state};

const FOLDER: &str = "[\"trusted\"]";

/// Upstream's next state, signed by these.
fn sign(pair: &Pair, count: u32, signers: &[&Key]) {
    for url in URLS {
        pair.serve(url, count);
        pair.index(url, state(count, signers));
    }
}

fn first(keyring: &str) -> Pair {
    let pair = Pair::new(keyring, "");
    sign(&pair, 1, &[&UPSTREAM]);
    pair.sync().exits_with(0);
    pair
}

fn recorded(pair: &Pair) -> Vec<(String, String)> {
    let text = std::fs::read(pair.env.path("store/trust.json")).unwrap();
    let trust: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let recorded = trust["signers"][0]["recorded"].as_array().unwrap();
    let word = |one: &serde_json::Value, key: &str| one[key].as_str().unwrap().to_owned();
    recorded.iter().map(|one| (word(one, "key"), word(one, "how"))).collect()
}

#[test]
fn a_new_key_that_is_listed_by_file_is_accepted_by_being_listed() {
    let pair = first(BY_FILE);
    sign(&pair, 2, &[&CORP]);
    pair.sync().exits_with(0);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
    let named = |key: &Key, how: &str| (key.name.to_owned(), how.to_owned());
    assert_eq!(recorded(&pair), [named(&UPSTREAM, "first-contact"), named(&CORP, "listed-by-file")]);
    // The former one may come back.
    sign(&pair, 3, &[&UPSTREAM]);
    pair.sync().exits_with(0);
}

#[test]
fn a_new_key_that_lies_in_a_folder_is_held_until_it_is_accepted() {
    let pair = first(FOLDER);
    sign(&pair, 2, &[&CORP]);
    for _ in 0..2 {
        let ran = pair.env.bivouac(&["--json", "sync"]);
        ran.exits_with(3).tells(&[
            "held index main/x86_64 from source \"up\"",
            CORP.name,
            "it is none of Alpine's official keys",
            "no package of keys",
            "`bivouac source accept-signer up`",
        ]);
        assert_eq!(ran.json()["repositories"][0]["error"]["code"], "new-signer");
        assert_eq!(pair.live(), ["tea-1.0-r0"]);
    }
    assert_eq!(pair.status()["held_signers"][0]["key"], CORP.name);
    let told = pair.env.bivouac(&["status"]);
    assert!(told.stdout.contains("is signed by a new key since"), "{told}");

    pair.env.bivouac(&["source", "accept-signer", "up", STRANGER.name]).exits_with(2).tells(&["is held back"]);
    let accepted = pair.env.bivouac(&["--json", "source", "accept-signer", "up"]);
    let accepted = accepted.exits_with(0).json()["accepted"][0].clone();
    assert_eq!((accepted["key"].as_str(), accepted["arch"].as_str()), (Some(CORP.name), Some("x86_64")));
    assert_eq!(pair.live(), ["tea-1.0-r0"], "the next sync takes it");
    pair.sync().exits_with(0);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
    assert_eq!(pair.status()["held_signers"].as_array().map(Vec::len), Some(0));
    let ran = pair.env.bivouac(&["source", "accept-signer", "up"]);
    ran.exits_with(2).tells(&["no signer of source \"up\" is held back"]);
}

#[test]
fn a_held_key_is_named_by_its_file_or_its_fingerprint() {
    for word in [CORP.name.to_owned(), fingerprint()[..12].to_uppercase()] {
        let pair = first(FOLDER);
        sign(&pair, 2, &[&CORP]);
        pair.sync().exits_with(3);
        pair.env.bivouac(&["source", "accept-signer", "up", &fingerprint()[..4]]).exits_with(2);
        pair.env.bivouac(&["source", "accept-signer", "up", &word]).exits_with(0);
        pair.sync().exits_with(0);
    }
}

fn fingerprint() -> String {
    use rsa::pkcs8::EncodePublicKey as _;
    use sha2::Digest as _;
    super::fixture::hex(&sha2::Sha256::digest(CORP.public().to_public_key_der().unwrap().as_bytes()))
}

/// The other URL has what a recorded signer vouches for.
#[test]
fn one_url_is_newly_signed_and_the_other_is_not() {
    let pair = first(FOLDER);
    sign(&pair, 2, &[&CORP]);
    pair.index(URLS[1], state(2, &[&UPSTREAM]));
    pair.sync().exits_with(0).tells(&[CORP.name, "another URL"]);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
}

/// Whoever has the new key could have put its signature beside the old one: nothing follows from that.
#[test]
fn a_signature_beside_a_recorded_one_makes_no_signer() {
    let pair = first(FOLDER);
    sign(&pair, 2, &[&UPSTREAM, &CORP]);
    pair.sync().exits_with(0);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
    sign(&pair, 3, &[&CORP]);
    pair.sync().exits_with(3).tells(&["held index"]);
}

#[test]
fn all_who_sign_at_first_contact_are_recorded() {
    let pair = Pair::new(FOLDER, "");
    sign(&pair, 1, &[&UPSTREAM, &CORP]);
    pair.sync().exits_with(0);
    assert_eq!(recorded(&pair).len(), 2);
    sign(&pair, 2, &[&CORP]);
    pair.sync().exits_with(0);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
}

/// The operator takes the recorded key out of the keyring: its state stays as history, and the next index needs a signer of
/// today's keyring, who is a new one.
#[test]
fn all_recorded_signers_are_gone_from_the_keyring() {
    let pair = first(FOLDER);
    std::fs::remove_file(pair.env.path(&format!("trusted/{}", UPSTREAM.name))).unwrap();
    pair.sync().exits_with(3).tells(&["signed by a key that is not in its keyring"]);
    sign(&pair, 2, &[&CORP]);
    pair.sync().exits_with(3).tells(&["held index"]);
    assert_eq!(pair.live(), ["tea-1.0-r0"]);
    pair.configure(&format!("[\"trusted/{}\"]", CORP.name), "");
    pair.sync().exits_with(0);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
}

fn keys_package(key: &Key, named: &Key) -> Built {
    let path = format!("usr/share/apk/keys/{}", named.name);
    Package::new("site-keys", "2-r0").with_file(&path, key.public_pem().as_bytes()).build(&UPSTREAM)
}

/// Upstream had told its next key in a package that its old key vouched for.
#[test]
fn a_package_of_keys_speaks_for_a_new_key_or_against_it() {
    for (key, expected) in [
        (&*CORP, "site-keys-2-r0.apk holds this very key (accepted "),
        (&*STRANGER, "site-keys-2-r0.apk holds ANOTHER key under this name (accepted "),
    ] {
        let pair = Pair::new(FOLDER, "");
        let keys = keys_package(key, &CORP);
        for url in URLS {
            pair.env.upstream.put(&format!("{url}/{}", keys.file), keys.bytes.clone());
            pair.index(url, signed(&unsigned_index(&[&keys.entry], "v3.23.0-1-gabc"), &[&UPSTREAM]));
        }
        pair.sync().exits_with(0);
        sign(&pair, 2, &[&CORP]);
        let vouches = format!("vouched for by {}", UPSTREAM.name);
        pair.sync().exits_with(3).tells(&["held index", expected, &vouches]);
        let evidence = pair.status()["held_signers"][0]["evidence"].to_string();
        assert!(evidence.contains(expected), "{evidence}");
    }
}
