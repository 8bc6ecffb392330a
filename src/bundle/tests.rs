use std::io::{Cursor, Read as _};
use std::path::PathBuf;

use super::write::write_volume;
use super::*;
use crate::apk::ObjectId;
use crate::disk::private_file::Exposed;
use crate::sign::{Digests, KeyFile, KeyPlace, Seal};
use crate::snapshot::manifest::{BundleId, FORM, Form, Manifest, Packed, What};
use crate::verify::{Keyring, PublicKey};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

fn seal() -> Seal {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/signing-keys/pkcs8.rsa");
    let place = KeyPlace::File(KeyFile { path, passphrase_file: None, exposed: Exposed::Accept });
    Seal::of(crate::sign::open(&place).unwrap(), Digests::Sha256)
}

fn keyring(seal: &Seal) -> Keyring {
    let mut keyring = Keyring::new();
    for signer in seal.signers() {
        let key = PublicKey::parse(signer.key_name().clone(), signer.public_pem().as_bytes()).unwrap();
        keyring.add(key).unwrap();
    }
    keyring
}

const TEXTS: [&str; 3] = ["one", "", "the third object"];

fn manifest() -> Manifest {
    let time: Timestamp = "2026-11-24T03:17:00Z".parse().unwrap();
    let what = What::Index("main".parse().unwrap(), "x86_64".parse().unwrap());
    let packed = |text: &str, volume| Packed {
        sha256: ObjectId::new(Sha256::digest(text).into()),
        size: text.len() as u64,
        what: what.clone(),
        form: Form::Whole { volume },
    };
    Manifest {
        bundle: FORM,
        id: BundleId::new(time, [1; 4]),
        time,
        expires: time,
        base: None,
        keys: Vec::new(),
        repositories: Vec::new(),
        volumes: 2,
        objects: vec![packed(TEXTS[0], 1), packed(TEXTS[1], 2), packed(TEXTS[2], 1)],
        tool: None,
    }
}

fn written(folder: &tempfile::TempDir, seal: &Seal, manifest: &Manifest) -> PathBuf {
    let path = folder.path().join("a.bundle");
    let signed = sign(manifest, seal).unwrap();
    let objects = manifest.volume(1).map(|(_, packed)| packed);
    let bytes = write_volume(&path, &signed, 1, None, objects.collect::<Vec<_>>().into_iter(), |packed| {
        let text = TEXTS.iter().find(|text| ObjectId::new(Sha256::digest(text).into()) == packed.sha256).unwrap();
        Ok(Box::new(Cursor::new(text.as_bytes())))
    });
    assert_eq!(bytes.unwrap(), std::fs::metadata(&path).unwrap().len());
    path
}

#[test]
fn what_is_written_is_read() {
    let (folder, seal, manifest) = (tempfile::tempdir().unwrap(), seal(), manifest());
    let volume = Volume::open(&written(&folder, &seal, &manifest)).unwrap();
    let verified = volume.verify(&keyring(&seal)).unwrap();
    assert_eq!(*verified.manifest(), manifest);
    assert_eq!(volume.number(), Some(1));
    for ((begin, packed), text) in manifest.volume(1).zip([TEXTS[0], TEXTS[2]]) {
        let mut read = String::new();
        volume.objects(begin, packed.length()).unwrap().read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
    }
    assert!(matches!(volume.verify(&Keyring::new()), Err(Error::UnknownSigner { .. })));
}

#[test]
fn tar_lists_it() {
    let (folder, seal) = (tempfile::tempdir().unwrap(), seal());
    let path = written(&folder, &seal, &manifest());
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let names: Vec<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    let key = seal.signers()[0].key_name();
    assert_eq!(names, ["manifest.json", &format!("manifest.json.{key}.sig"), "objects.1"]);
}

/// Whether something of the file is refused: by its form, its signature, or the digest of an object.
fn is_found(path: &Path, keyring: &Keyring) -> bool {
    let Ok(volume) = Volume::open(path) else { return true };
    let Ok(verified) = volume.verify(keyring) else { return true };
    verified.manifest().volume(1).any(|(begin, packed)| {
        let mut bytes = Vec::new();
        volume.objects(begin, packed.length()).unwrap().read_to_end(&mut bytes).unwrap();
        ObjectId::new(Sha256::digest(&bytes).into()) != packed.sha256
    })
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let (folder, seal, manifest) = (tempfile::tempdir().unwrap(), seal(), manifest());
    let path = written(&folder, &seal, &manifest);
    let keyring = keyring(&seal);
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bytes).unwrap();
        assert!(is_found(&path, &keyring), "byte {at} of {}", good.len());
    }
}

#[test]
fn a_cut_anywhere_is_found() {
    let (folder, seal, manifest) = (tempfile::tempdir().unwrap(), seal(), manifest());
    let path = written(&folder, &seal, &manifest);
    let good = std::fs::read(&path).unwrap();
    for end in 0..good.len() {
        std::fs::write(&path, &good[..end]).unwrap();
        let error = Volume::open(&path).unwrap_err();
        let named = if end < 512 { "not-a-bundle" } else { "bundle-cut" };
        assert_eq!(error.code(), named, "{end}: {error}");
    }
    std::fs::write(&path, [&good[..], b"\0"].concat()).unwrap();
    assert_eq!(Volume::open(&path).unwrap_err().code(), "bundle-damaged");
}

/// A volume with one more entry.
fn with_entry(good: &[u8], name: &str, kind: tar::EntryType, link: Option<&str>) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(0);
    header.set_entry_type(kind);
    if let Some(link) = link {
        header.set_link_name(link).unwrap();
    }
    header.set_cksum();
    let end = good.len() - 1024;
    [&good[..end], header.as_bytes(), &good[end..]].concat()
}

#[test]
fn what_no_bundle_holds_is_refused_by_name() {
    let (folder, seal, manifest) = (tempfile::tempdir().unwrap(), seal(), manifest());
    let path = written(&folder, &seal, &manifest);
    let good = std::fs::read(&path).unwrap();
    use tar::EntryType::*;
    for (name, kind, link, what) in [
        ("../../etc/passwd", Regular, None, "a file"),
        ("/etc/passwd", Regular, None, "a file"),
        ("objects.2", Regular, None, "a file"),
        ("manifest.json", Regular, None, "a file"),
        ("dev", Block, None, "a device"),
        ("dev", Char, None, "a device"),
        ("pipe", Fifo, None, "a device"),
        ("bivouac", Symlink, Some("/bin/sh"), "a link"),
        ("folder", Directory, None, "a folder"),
        ("long", GNULongName, None, "no plain file"),
    ] {
        std::fs::write(&path, with_entry(&good, name, kind, link)).unwrap();
        let error = Volume::open(&path).unwrap_err();
        assert_eq!(error.code(), "bundle-foreign", "{name} {kind:?}: {error}");
        assert!(error.to_string().contains(name) && error.to_string().contains(what), "{error}");
    }
}

#[test]
fn a_forged_manifest_is_refused() {
    let (folder, seal, manifest) = (tempfile::tempdir().unwrap(), seal(), manifest());
    let path = written(&folder, &seal, &manifest);
    let good = std::fs::read(&path).unwrap();
    // Another manifest of the same length under the same signature.
    let at = good.windows(8).position(|window| window == b"01010101").unwrap();
    let mut bytes = good.clone();
    bytes[at] = b'2';
    std::fs::write(&path, &bytes).unwrap();
    let error = Volume::open(&path).unwrap().verify(&keyring(&seal)).unwrap_err();
    assert_eq!(error.code(), "bad-signature", "{error}");
}
