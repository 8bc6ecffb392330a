//! Laws that hold for any bytes whatever: one function a format, which panics where its law is broken. `fuzz/` drives the
//! same functions with bytes that it makes up; here they meet the real files that its search starts from.

pub(crate) mod delta;
pub(crate) mod index;
pub(crate) mod keys;
pub(crate) mod pkginfo;
pub(crate) mod sections;
pub(crate) mod signature;
pub(crate) mod version;

use std::path::Path;

/// Tries a law on every seed of its target, whole, cut at some places and with single bits turned.
fn seeds(target: &str, law: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut tried = 0;
    for file in folder.read_dir().unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        law(&bytes);
        for step in 1..16 {
            let at = bytes.len() * step / 16;
            law(&bytes[..at]);
            let mut turned = bytes.clone();
            turned[at] ^= 1 << (step % 8);
            law(&turned);
        }
        tried += 1;
    }
    assert!(tried > 0, "{target} has no seeds");
}

#[test]
fn sections_hold_on_the_seeds() {
    seeds("sections", sections::law);
}

#[test]
fn pkginfo_holds_on_the_seeds() {
    seeds("pkginfo", pkginfo::law);
}

#[test]
fn index_holds_on_the_seeds() {
    seeds("index", index::law);
}

#[test]
fn version_holds_on_the_seeds() {
    seeds("version", version::law);
}

#[test]
fn signature_holds_on_the_seeds() {
    seeds("signature", signature::law);
}

#[test]
fn keys_hold_on_the_seeds() {
    seeds("keys", keys::law);
}

#[test]
fn delta_holds_on_the_seeds() {
    seeds("delta", delta::law);
}
