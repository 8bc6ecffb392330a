//! Complete repositories, package by package: size, identity, name, datahash and the package's own signature.

use std::path::Path;
use std::sync::Arc;

use bivouac::apk::v2::pkginfo::PkgInfo;
use bivouac::apk::v2::sections::{HeadReader, Limits};
use bivouac::verify::Keyring;
use bivouac::verify::index::verify;
use bivouac::verify::package::Promise;

use super::real::{arch, files_below, key, keyring, promised, real_alpine, verify_package};

/// Verifies one arch folder whole; answers how many packages it holds.
fn repository(folder: &Path, keyring: &Keyring, of: &str) -> usize {
    let index = std::fs::read(folder.join("APKINDEX.tar.gz")).unwrap();
    let verified = verify(index, keyring, &arch(of), &Limits::default()).unwrap();
    let on_disk = files_below(folder, ".apk");
    assert_eq!(on_disk.len(), verified.entries().len(), "{folder:?}");
    let keyring = Arc::new(keyring.clone());
    for entry in verified.entries() {
        let bytes = std::fs::read(folder.join(entry.file().as_str())).unwrap();
        let by_index = verify_package(&bytes, promised(entry)).unwrap();
        assert_eq!(by_index.identity(), *entry.identity());
        let by_signature = verify_package(&bytes, Promise::Signature(keyring.clone(), Some(arch(of)))).unwrap();
        assert_eq!(by_signature.signers().len(), 1, "{}", entry.file());
        assert_eq!(by_signature.object_id(), by_index.object_id());

        // The entry that we would write from the package is the one that apk wrote.
        let mut reader = HeadReader::new(Limits::default());
        reader.feed(&bytes).unwrap();
        let info = PkgInfo::parse(&reader.finish().unwrap().pkginfo).unwrap();
        let ours = info.entry(entry.identity(), bytes.len() as u64, &arch(of)).unwrap();
        assert_eq!(ours.text(), entry.text());
    }
    verified.entries().len()
}

#[test]
fn boot_media_3_19_1() {
    let Some(real) = real_alpine() else { return };
    let folder = real.join("official/boot-media/3.19.1/apks/x86_64");
    assert_eq!(repository(&folder, &Keyring::official(), "x86_64"), 100);
}

#[test]
fn boot_media_3_13_1_and_3_13_4() {
    let Some(real) = real_alpine() else { return };
    for version in ["3.13.1", "3.13.4"] {
        let folder = real.join("official/boot-media").join(version).join("apks/aarch64");
        assert_eq!(repository(&folder, &Keyring::official(), "aarch64"), 65);
    }
}

#[test]
fn third_party_connecteurs() {
    let Some(real) = real_alpine() else { return };
    let base = real.join("third-party/connecteurs");
    let ring = keyring([key(&base.join("signing.rsa.pub"))]);
    assert_eq!(repository(&base.join("main/x86_64"), &ring, "x86_64"), 18);
}

#[test]
fn third_party_jamesdkelly88() {
    let Some(real) = real_alpine() else { return };
    for state in ["1-before", "2-after"] {
        let base = real.join("third-party/jamesdkelly88").join(state);
        let ring = keyring([key(&base.join("jamesdkelly88.rsa.pub"))]);
        for (path, of) in [("v3.23", "x86_64"), ("v3.24", "aarch64"), ("v3.24", "armhf"), ("v3.24", "x86_64")] {
            assert_eq!(repository(&base.join(path).join("postgresql").join(of), &ring, of), 2);
        }
    }
}

#[test]
fn single_official_packages_are_signed_by_their_arch() {
    let Some(real) = real_alpine() else { return };
    for (file, of) in [
        ("packages/alpine-baselayout-3.2.0-r23.apk", "aarch64"),
        ("packages/curl-7.83.1-r1.apk", "x86_64"),
        ("packages/alpine-base-3.11.6-r0.apk", "aarch64"),
        ("packages/alpine-base-3.12.0-r0.apk", "aarch64"),
        ("index/v3.16/main/x86_64/strace-5.17-r0.apk", "x86_64"),
    ] {
        let bytes = std::fs::read(real.join("official").join(file)).unwrap();
        let trust = Promise::Signature(Arc::new(Keyring::official()), Some(arch(of)));
        verify_package(&bytes, trust).unwrap_or_else(|refused| panic!("{file}: {refused}"));
        let elsewhere = Promise::Signature(Arc::new(Keyring::official()), Some(arch("s390x")));
        assert!(verify_package(&bytes, elsewhere).is_err(), "{file}");
    }
}
