//! Where the real data lies, and how tests read it.

use std::path::{Path, PathBuf};

use bivouac::apk::v2::sections::Limits;
use bivouac::apk::{Arch, Entry, KeyName};
use bivouac::verify::package::Promise;
use bivouac::verify::{Keyring, PackageVerifier, PublicKey, RefusedPackage, VerifiedPackage};

/// The folder of real Alpine data. Where there is none the caller returns: this machine cannot run it.
pub(crate) fn real_alpine() -> Option<PathBuf> {
    let folder = std::env::var_os("BIVOUAC_REAL_ALPINE").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: no real Alpine data");
    }
    folder
}

pub(crate) fn arch(text: &str) -> Arch {
    text.parse().unwrap()
}

pub(crate) fn key(file: &Path) -> PublicKey {
    let name = file.file_name().unwrap().to_str().unwrap();
    key_named(name, &std::fs::read(file).unwrap())
}

/// A key under a name that need not be its file's.
pub(crate) fn key_named(name: &str, pem: &[u8]) -> PublicKey {
    PublicKey::parse(name.parse::<KeyName>().unwrap(), pem).unwrap()
}

pub(crate) fn keyring(keys: impl IntoIterator<Item = PublicKey>) -> Keyring {
    let mut keyring = Keyring::new();
    for key in keys {
        keyring.add(key).unwrap();
    }
    keyring
}

/// Feeds a package in chunks of an awkward size.
pub(crate) fn verify_package(bytes: &[u8], promise: Promise) -> Result<VerifiedPackage, RefusedPackage> {
    let mut verifier = PackageVerifier::new(promise, Limits::default());
    for chunk in bytes.chunks(977) {
        verifier.feed(chunk)?;
    }
    verifier.finish()
}

pub(crate) fn promised(entry: &Entry) -> Promise {
    Promise::Entry(entry.clone())
}

/// Every file below a folder that ends so.
pub(crate) fn files_below(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, end));
        } else if path.to_str().unwrap().ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    found
}
