//! Every odd v2 file that was found in the wild gives what the three clients give.

use std::path::Path;
use std::sync::Arc;

use bivouac::apk::Entry;
use bivouac::apk::v2::index;
use bivouac::apk::v2::sections::{Limits, split_index};
use bivouac::verify::index::verify;
use bivouac::verify::keyring::Untrusted;
use bivouac::verify::package::Promise;
use bivouac::verify::{Keyring, RefusedIndex, RefusedPackage, VerifiedIndex};

use super::real::{arch, files_below, key, keyring, promised, real_alpine, verify_package};

fn index_file(folder: &Path, keyring: &Keyring, of: &str) -> Result<VerifiedIndex, RefusedIndex> {
    verify(std::fs::read(folder.join("APKINDEX.tar.gz")).unwrap(), keyring, &arch(of), &Limits::default())
}

#[test]
fn index_rsa256_verifies_and_its_package_is_the_promised_one() {
    let Some(real) = real_alpine() else { return };
    let folder = real.join("formats/index-rsa256");
    let verified = index_file(&folder, &keyring([key(&folder.join("test-rsa256.rsa.pub"))]), "aarch64").unwrap();
    assert_eq!(verified.entries().len(), 1);
    let package = std::fs::read(folder.join("alpine-baselayout-3.2.0-r23.apk")).unwrap();
    verify_package(&package, promised(&verified.entries()[0])).unwrap();
    // The package itself is signed by Alpine, not by the index's key.
    let official = Promise::Signature(Arc::new(Keyring::official()), Some(arch("aarch64")));
    let signer = verify_package(&package, official).unwrap().signers()[0].key.to_string();
    assert_eq!(signer, "alpine-devel@lists.alpinelinux.org-616ae350.rsa.pub");
}

#[test]
fn index_three_signatures_any_one_key_is_enough() {
    let Some(real) = real_alpine() else { return };
    let folder = real.join("formats/index-three-signatures");
    let keys = files_below(&folder.join("keys"), ".rsa.pub");
    assert_eq!(keys.len(), 3);
    for file in &keys {
        let verified = index_file(&folder, &keyring([key(file)]), "aarch64").unwrap();
        assert_eq!(verified.entries().len(), 16);
        assert_eq!(verified.signers().len(), 1);
    }
    let all = keyring(keys.iter().map(|file| key(file)));
    assert_eq!(index_file(&folder, &all, "aarch64").unwrap().signers().len(), 3);
    let refused = index_file(&folder, &keyring([]), "aarch64").unwrap_err();
    assert!(
        matches!(refused, RefusedIndex::Untrusted(Untrusted::UnknownSigner(ref names)) if names.len() == 3),
        "{refused}"
    );
}

#[test]
fn index_signature_as_plain_entry_counts_as_unsigned() {
    let Some(real) = real_alpine() else { return };
    let folder = real.join("formats/index-signature-as-plain-entry");
    let refused = index_file(&folder, &Keyring::official(), "x86_64").unwrap_err();
    assert!(matches!(refused, RefusedIndex::Untrusted(Untrusted::Unsigned)), "{refused}");
    let parts = split_index(&std::fs::read(folder.join("APKINDEX.tar.gz")).unwrap(), &Limits::default()).unwrap();
    assert_eq!(index::parse(&parts.text).unwrap().len(), 2);
}

#[test]
fn index_unsigned_is_refused_as_such() {
    let Some(real) = real_alpine() else { return };
    // Its tar is cut short, too, which 2.12.9 stumbles over first; the later clients look at the missing signature, and so
    // do we: nothing of an index is inflated before its signature is good.
    let refused = index_file(&real.join("formats/index-unsigned"), &Keyring::official(), "x86_64").unwrap_err();
    assert!(matches!(refused, RefusedIndex::Untrusted(Untrusted::Unsigned)), "{refused}");
}

#[test]
fn an_index_without_a_signature_is_unsigned() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors/APKINDEX.tar.gz")).unwrap();
    let refused = verify(bytes[683..].to_vec(), &Keyring::official(), &arch("x86_64"), &Limits::default()).unwrap_err();
    assert!(matches!(refused, RefusedIndex::Untrusted(Untrusted::Unsigned)), "{refused}");
}

#[test]
fn index_unknown_signature_type_is_a_format_error() {
    let Some(real) = real_alpine() else { return };
    let folder = real.join("formats/index-unknown-signature-type");
    let refused = index_file(&folder, &Keyring::official(), "x86_64").unwrap_err();
    assert!(matches!(refused, RefusedIndex::Sections(_)), "{refused}");
}

#[test]
fn index_pax_header_before_signature_verifies() {
    let Some(real) = real_alpine() else { return };
    let folder = real.join("formats/index-pax-header-before-signature");
    let ring = keyring([key(&folder.join("raspbeguy.rsa.pub"))]);
    let verified = index_file(&folder.join("main/x86_64"), &ring, "x86_64").unwrap();
    assert_eq!(verified.entries().len(), 2);
}

#[test]
fn package_unsigned_is_taken_on_an_index_word_only() {
    let Some(real) = real_alpine() else { return };
    let files = files_below(&real.join("formats/package-unsigned"), ".apk");
    assert_eq!(files.len(), 2);
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        // Its datahash is right.
        let verified = verify_package(&bytes, Promise::AsItIs).unwrap();
        assert!(verified.signers().is_empty());
        let trust = Promise::Signature(Arc::new(Keyring::official()), Some(arch("x86_64")));
        let refused = verify_package(&bytes, trust).unwrap_err();
        assert!(matches!(refused, RefusedPackage::Untrusted(Untrusted::Unsigned)), "{file:?}: {refused}");
    }
}

#[test]
fn package_melange_has_a_right_datahash_and_an_unknown_signer() {
    let Some(real) = real_alpine() else { return };
    let bytes = std::fs::read(real.join("formats/package-melange/hello-wolfi-2.12.1-r0.apk")).unwrap();
    assert_eq!(verify_package(&bytes, Promise::AsItIs).unwrap().info().name.as_str(), "hello-wolfi");
    let trust = Promise::Signature(Arc::new(Keyring::official()), Some(arch("x86_64")));
    match verify_package(&bytes, trust).unwrap_err() {
        RefusedPackage::Untrusted(Untrusted::UnknownSigner(names)) => assert_eq!(names[0].as_str(), "melange.rsa.pub"),
        other => panic!("{other}"),
    }
}

#[test]
fn package_wrong_content_is_refused_though_its_signature_is_good() {
    let Some(real) = real_alpine() else { return };
    let bytes = std::fs::read(real.join("formats/package-wrong-content/alpine-baselayout-3.4.0-r0.apk")).unwrap();
    let trust = Promise::Signature(Arc::new(Keyring::official()), Some(arch("aarch64")));
    verify_package(&bytes, trust).unwrap();
    let listed = index_file(&real.join("official/index/v3.17/main/aarch64"), &Keyring::official(), "aarch64").unwrap();
    let entry =
        listed.entries().iter().find(|entry| entry.file().as_str() == "alpine-baselayout-3.4.0-r0.apk").unwrap();
    let refused = verify_package(&bytes, promised(entry)).unwrap_err();
    // Fed in chunks, the control section is complete before the size is exceeded.
    assert!(matches!(refused, RefusedPackage::Identity { .. }), "{refused}");
    // Of bytes that are right as far as they go, the size tells; were that right, too, the name would.
    let identified = entry.text().replace("C:Q1/eXfmbYT1WXenFSqKjroYyK84NE=", "C:Q1LLq2qDNrS/qRnhxQ3hsY/sHbQnc=");
    let refused = verify_package(&bytes, promised(&Entry::parse(&identified).unwrap())).unwrap_err();
    assert!(matches!(refused, RefusedPackage::Name { .. } | RefusedPackage::Size { .. }), "{refused}");
    let sized = entry.text().replace("S:8895", "S:11012");
    let renamed = sized.replace("C:Q1/eXfmbYT1WXenFSqKjroYyK84NE=", "C:Q1LLq2qDNrS/qRnhxQ3hsY/sHbQnc=");
    let refused = verify_package(&bytes, promised(&Entry::parse(&renamed).unwrap())).unwrap_err();
    assert!(
        matches!(refused, RefusedPackage::Name { ref found, .. } if found == "alpine-baselayout-3.2.0-r23"),
        "{refused}"
    );
}

#[test]
fn stangri_v3_is_refused_by_name() {
    let Some(real) = real_alpine() else { return };
    let folder = real.join("third-party/stangri-v3");
    let bytes = std::fs::read(folder.join("packages.adb")).unwrap();
    let refused = verify(bytes, &Keyring::official(), &arch("x86_64"), &Limits::default()).unwrap_err();
    assert_eq!(refused.to_string(), "it is an apk v3 index, not supported yet");
    let packages = files_below(&folder, ".apk");
    assert_eq!(packages.len(), 13);
    for file in packages {
        let refused = verify_package(&std::fs::read(&file).unwrap(), Promise::AsItIs).unwrap_err();
        assert_eq!(refused.to_string(), "it is an apk v3 package, not supported yet", "{file:?}");
    }
}
