//! The test vectors of the format description, section 7, number by number.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use bivouac::apk::v2::pkginfo::PkgInfo;
use bivouac::apk::v2::sections::{Head, HeadReader, Limits, split_index};
use bivouac::apk::v2::signature::{Algorithm, Signature};
use bivouac::apk::v2::{index, tarball};
use bivouac::apk::{Entry, Identity, ObjectId};
use bivouac::verify::keyring::{Untrusted, Verdict};
use bivouac::verify::package::Promise;
use bivouac::verify::{self, RefusedIndex, RefusedPackage};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::real::{arch, key, keyring, promised, real_alpine, verify_package};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors");
const K1: &str = "k1@example.org-00000002.rsa.pub";
const K2: &str = "k2@example.org-00000002.rsa.pub";

fn vector(file: &str) -> Vec<u8> {
    std::fs::read(Path::new(VECTORS).join(file)).unwrap()
}

fn head(bytes: &[u8]) -> Head {
    let mut reader = HeadReader::new(Limits::default());
    reader.feed(bytes).unwrap();
    reader.finish().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha1(bytes: &[u8]) -> String {
    hex(&Sha1::digest(bytes))
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn names(signatures: &[Signature]) -> Vec<String> {
    signatures.iter().map(|one| format!("{}.{}", one.algorithm.word(), one.key)).collect()
}

#[test]
fn v7_1_an_official_package() {
    let Some(real) = real_alpine() else { return };
    let bytes = std::fs::read(real.join("official/packages/alpine-baselayout-3.2.0-r23.apk")).unwrap();
    assert_eq!(bytes.len(), 11012);
    assert_eq!(sha256(&bytes), "e6e3c36ed2f991bd0168ea076d30ff7a9fed0bfabeedade500d8aa949bba1835");
    let head = head(&bytes);
    let control = &bytes[666..2229];
    assert_eq!(head.signature_length, 666);
    assert_eq!(head.control, control);
    assert_eq!(sha1(&bytes[..666]), "7e86c8454b5aa531ce2e46d480d42305f2e17601");
    assert_eq!(sha1(control), "2cbab6a8336b4bfa919e1c50de1b18fec1db4277");
    assert_eq!(sha256(control), "7d0d786a01bb7bd169c5ecc867e26e705ec1f61b670bcd87ef86c0b499d6001e");

    let signer = "alpine-devel@lists.alpinelinux.org-616ae350.rsa.pub";
    assert_eq!(names(&head.signatures), [format!("RSA.{signer}")]);
    let signature = &head.signatures[0].bytes;
    assert_eq!((signature.len(), hex(&signature[..8])), (512, "13c4ea3c3312f31c".to_owned()));
    assert_eq!(sha256(signature), "6c905cbcc4771545cf1f93fb275eca91be31204c7ccdf1db38c1957cd6dc5362");
    let key = key(&real.join("official/keys/aarch64").join(signer));
    assert_eq!(key.verifies(Algorithm::Sha1, control, signature), Verdict::Good);
    // Signed is the control section and nothing around it.
    assert_eq!(key.verifies(Algorithm::Sha1, &bytes[666..], signature), Verdict::Bad);
    assert_eq!(key.verifies(Algorithm::Sha256, control, signature), Verdict::Bad);

    assert_eq!(head.pkginfo.len(), 760);
    let info = PkgInfo::parse(&head.pkginfo).unwrap();
    assert_eq!(info.depends, ["alpine-baselayout-data=3.2.0-r23", "/bin/sh", "so:libc.musl-aarch64.so.1"]);
    assert_eq!((info.provides.len(), info.install_if.len()), (1, 0));
    let datahash = "1a3a8e47d2287da6d505d973412cee1ad64bcc17bc5995069e4e932055ecb0c4";
    assert_eq!(info.datahash.unwrap().hex(), datahash);
    assert_eq!(sha256(&bytes[2229..]), datahash);

    let trust = Promise::Signature(Arc::new(keyring([key])), Some(arch("aarch64")));
    let verified = verify_package(&bytes, trust).unwrap();
    assert_eq!(verified.identity(), "Q1LLq2qDNrS/qRnhxQ3hsY/sHbQnc=".parse::<Identity>().unwrap());
    assert_eq!(verified.object_id(), ObjectId::new(Sha256::digest(&bytes).into()));
}

#[test]
fn v7_2_official_indexes() {
    let Some(real) = real_alpine() else { return };
    let bytes = std::fs::read(real.join("official/index/v3.16/main/x86_64/APKINDEX.tar.gz")).unwrap();
    assert_eq!(bytes.len(), 655_754);
    assert_eq!(sha256(&bytes), "2272d5ff591c25e1b34c9da94444fe97d56801371c9533459d15889211740cf1");
    let parts = split_index(&bytes, &Limits::default()).unwrap();
    assert_eq!(parts.signed_from, 667);
    assert_eq!(names(&parts.signatures), ["RSA.alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub"]);
    assert_eq!(parts.signatures[0].bytes.len(), 512);
    assert_eq!(hex(&parts.signatures[0].bytes[..8]), "b07b2dc3ca29d9ca");
    assert_eq!(sha1(&bytes[667..]), "88147fce4d7603561f6ae669fa0453149f7079bb");
    assert_eq!(sha256(&bytes[667..]), "71732e3ff2948dc0202da34f2be4a4b22a90fd1e755fba10718581ed15779c43");
    assert_eq!(parts.description.as_deref(), Some("v3.16.3-13-g4d933a1fa3"));
    assert_eq!(parts.text.len(), 1_908_830);
    assert!(parts.text.ends_with("\n\n"));
    let entries = index::parse(&parts.text).unwrap();
    assert_eq!(entries.len(), 4929);
    let first = &entries[0];
    assert_eq!((first.name().as_str(), first.version().as_str()), ("git-zsh-completion", "5.8.1-r4"));
    assert_eq!(*first.identity(), "Q1ZX+on7zBgcokTctj4tLSmx7q5O4=".parse::<Identity>().unwrap());
    assert_eq!((first.size(), first.installed_size()), (97_492, 405_504));
    assert_eq!(first.field(b'i'), Some("zsh=5.8.1-r4 git"));

    let bytes = std::fs::read(real.join("official/index/v3.17/main/aarch64/APKINDEX.tar.gz")).unwrap();
    assert_eq!(bytes.len(), 661_049);
    let parts = split_index(&bytes, &Limits::default()).unwrap();
    assert_eq!(parts.signed_from, 666);
    assert_eq!(names(&parts.signatures), ["RSA.alpine-devel@lists.alpinelinux.org-616ae350.rsa.pub"]);
    assert_eq!(sha1(&bytes[666..]), "942b8cf96b672b2fd2cdff062cf3075633d83d0d");
}

#[test]
fn v7_3_an_index_signed_with_sha256() {
    let Some(real) = real_alpine() else { return };
    let folder = real.join("formats/index-rsa256");
    let bytes = std::fs::read(folder.join("APKINDEX.tar.gz")).unwrap();
    assert_eq!(bytes.len(), 1047);
    let parts = split_index(&bytes, &Limits::default()).unwrap();
    assert_eq!(parts.signed_from, 638);
    assert_eq!(names(&parts.signatures), ["RSA256.test-rsa256.rsa.pub"]);
    assert_eq!(hex(&parts.signatures[0].bytes[..8]), "60ea8289a59e22a4");
    assert_eq!(sha256(&bytes[638..]), "8aa173d5a0044605f42b38780d0e225f7c1da181b3ff4359862fa523c83bd542");
    // APKINDEX stands before DESCRIPTION, which is empty.
    assert_eq!(parts.description, None);
    let ring = keyring([key(&folder.join("test-rsa256.rsa.pub"))]);
    verify::index::verify(bytes, &ring, &arch("aarch64"), &Limits::default()).unwrap();
}

#[test]
fn v7_4_an_index_with_three_signatures() {
    let Some(real) = real_alpine() else { return };
    let bytes = std::fs::read(real.join("formats/index-three-signatures/APKINDEX.tar.gz")).unwrap();
    assert_eq!(bytes.len(), 3969);
    let parts = split_index(&bytes, &Limits::default()).unwrap();
    assert_eq!(parts.signed_from, 1925);
    let first: Vec<_> = parts.signatures.iter().map(|one| hex(&one.bytes[..8])).collect();
    assert_eq!(first, ["8c9dfec4d38b7f91", "89f35fcd1454aa0c", "b572ddf3886f8d69"]);
    assert!(parts.signatures.iter().all(|one| one.algorithm == Algorithm::Sha256));
    assert_eq!(sha256(&bytes[1925..]), "53d2460550a4ddf39f56e07759343f3442423f4797319fb2a745c5d5e517157b");
}

#[test]
fn v7_5_a_small_package() {
    let bytes = vector("vec-1.0-r0.apk");
    assert_eq!(sha256(&bytes), "735be204fb883977dfbad8218e88d8ba106c39c9df3436a750c2876cbc6b0db4");
    let head = head(&bytes);
    assert_eq!((head.signature_length, head.control.len()), (386, 667 - 386));
    assert_eq!(sha1(&head.control), "50876d7941d368eddaffbf05221cec6ae4edbb35");
    assert_eq!(sha256(&bytes[667..]), "d195477f31a1a25673ce804291c38c653b5236e3c16fa7824dbbba8e95b4a990");
    let by_k1 = Promise::Signature(Arc::new(keyring([key(&Path::new(VECTORS).join(K1))])), Some(arch("x86_64")));
    let verified = verify_package(&bytes, by_k1).unwrap();
    assert_eq!(verified.identity(), "Q1UIdteUHTaO3a/78FIhzsauTtuzU=".parse::<Identity>().unwrap());
    let by_k2 = Promise::Signature(Arc::new(keyring([key(&Path::new(VECTORS).join(K2))])), Some(arch("x86_64")));
    let refused = verify_package(&bytes, by_k2).unwrap_err();
    assert!(matches!(refused, RefusedPackage::Untrusted(Untrusted::UnknownSigner(_))), "{refused}");
}

#[test]
fn v7_5_a_small_package_changed_anywhere_is_refused() {
    let bytes = vector("vec-1.0-r0.apk");
    let parts = split_index(&vector("APKINDEX.tar.gz"), &Limits::default()).unwrap();
    let entry: Entry = index::parse(&parts.text).unwrap().remove(0);
    verify_package(&bytes, promised(&entry)).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        // The index vouches for control and data sections; the package's own signature (before 386) is not asked.
        let verdict = verify_package(&changed, promised(&entry));
        assert!(verdict.is_err() || at < 386, "a change at {at} went through");
    }
    for length in 0..bytes.len() {
        assert!(verify_package(&bytes[..length], promised(&entry)).is_err(), "cut to {length} bytes");
    }
    let longer = [&bytes[..], b"\0"].concat();
    assert!(matches!(
        verify_package(&longer, promised(&entry)),
        Err(RefusedPackage::Size { promised: 882, found: 883 })
    ));
}

#[test]
fn v7_5_a_small_index() {
    let bytes = vector("APKINDEX.tar.gz");
    assert_eq!(bytes.len(), 934);
    assert_eq!(sha256(&bytes), "06b162a90202bde4c0670168594b3b3d1763e20411f12c4fb5205a1b42962e35");
    let parts = split_index(&bytes, &Limits::default()).unwrap();
    assert_eq!(parts.signed_from, 683);
    assert_eq!(names(&parts.signatures), [format!("RSA.{K1}"), format!("RSA256.{K2}")]);
    assert_eq!(sha1(&bytes[683..]), "100fdb2e604a45090a78cff68452aeeb1acdd440");
    assert_eq!(sha256(&bytes[683..]), "88a91023271b038a714787ef8eb8b365179110cd4aa048dfee5ca158496968e1");
    assert_eq!(parts.description.as_deref(), Some("vec"));
    let text = "C:Q1UIdteUHTaO3a/78FIhzsauTtuzU=\nP:vec\nV:1.0-r0\nA:x86_64\nS:882\nI:3\nT:vector\nU:https://example.org\n\
                L:MIT\no:vec\nt:1700000000\np:cmd:vec=1.0-r0\n\n";
    assert_eq!(parts.text, text);
    assert_eq!(index::print(&index::parse(text).unwrap()), text);
    // Either key alone is enough, and both together.
    let (k1, k2) = (key(&Path::new(VECTORS).join(K1)), key(&Path::new(VECTORS).join(K2)));
    for keys in [vec![k1.clone()], vec![k2.clone()], vec![k1, k2]] {
        let expected = keys.len();
        let verified =
            verify::index::verify(bytes.clone(), &keyring(keys), &arch("x86_64"), &Limits::default()).unwrap();
        assert_eq!(verified.signers().len(), expected);
    }
}

#[test]
fn v7_5_the_entry_follows_from_the_package() {
    let bytes = vector("vec-1.0-r0.apk");
    let head = head(&bytes);
    let info = PkgInfo::parse(&head.pkginfo).unwrap();
    let identity = Identity::new(Sha1::digest(&head.control).into());
    let entry = info.entry(&identity, bytes.len() as u64, &arch("x86_64")).unwrap();
    let parts = split_index(&vector("APKINDEX.tar.gz"), &Limits::default()).unwrap();
    assert_eq!(entry.text(), parts.text.trim_end());
}

#[test]
fn v7_6_an_apk_v3_index_is_refused_by_name() {
    let refused =
        verify::index::verify(vector("Packages.adb"), &keyring([]), &arch("x86_64"), &Limits::default()).unwrap_err();
    assert!(refused.to_string().contains("apk v3 index, not supported yet"), "{refused}");
    assert!(matches!(refused, RefusedIndex::Sections(_)));
}

#[test]
fn v7_7_a_pax_record_counts_its_own_length() {
    let record = "68 APK-TOOLS.checksum.SHA1=bdf9356a9516238c8b2468613517749098b17ef6\n";
    assert_eq!(tarball::pax_record("APK-TOOLS.checksum.SHA1", "bdf9356a9516238c8b2468613517749098b17ef6"), record);
    assert_eq!(record.len(), 68);
    // Where one digit more makes the length itself longer.
    assert_eq!(tarball::pax_record("k", &"v".repeat(93)), format!("99 k={}\n", "v".repeat(93)));
    assert_eq!(tarball::pax_record("k", &"v".repeat(94)), format!("101 k={}\n", "v".repeat(94)));
}

#[test]
fn an_identity_is_base64_of_twenty_bytes() {
    let bytes = base64::engine::general_purpose::STANDARD.decode("UIdteUHTaO3a/78FIhzsauTtuzU=").unwrap();
    let identity = Identity::new(bytes.try_into().unwrap());
    assert_eq!(identity.to_string(), "Q1UIdteUHTaO3a/78FIhzsauTtuzU=");
    assert_eq!(identity.hex(), "50876d7941d368eddaffbf05221cec6ae4edbb35");
}
