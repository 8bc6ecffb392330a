use std::fs::Permissions;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::error::{Class, Trouble as _};

macro_rules! frozen {
    ($file:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/signing-keys/", $file))
    };
}

fn text(bytes: &'static [u8]) -> &'static str {
    std::str::from_utf8(bytes).unwrap()
}

fn name() -> KeyName {
    "ops@example.org-6743a0c1.rsa.pub".parse().unwrap()
}

fn parse(text: &str) -> Result<PrivateKey, Flaw> {
    PrivateKey::parse(text, name())
}

fn key() -> PrivateKey {
    parse(text(frozen!("pkcs1.rsa"))).unwrap()
}

/// A file with this content and mode, under a key's usual name.
fn file(folder: &tempfile::TempDir, content: &str, mode: u32) -> PathBuf {
    let path = folder.path().join("ops@example.org-6743a0c1.rsa");
    durable::write(&path, content.as_bytes(), mode).unwrap();
    path
}

#[test]
fn both_forms_are_read_and_are_one_key() {
    let surrounded = format!("Private-Key: (2048 bit)\nmodulus:\n  00:\r\n{}\ntrailing", text(frozen!("pkcs8.rsa")));
    let crlf = text(frozen!("pkcs8.rsa")).replace('\n', " \r\n");
    for form in [text(frozen!("pkcs1.rsa")), text(frozen!("pkcs8.rsa")), &surrounded, &crlf] {
        let key = parse(form).unwrap();
        assert_eq!(key.bits(), 2048);
        assert_eq!(key.fingerprint(), text(frozen!("fingerprint")).trim());
        assert_eq!(key.public_pem(), text(frozen!("public-half.rsa.pub")));
    }
}

#[test]
fn signatures_are_those_of_openssl() {
    let key = key();
    for (algorithm, expected) in [
        (Algorithm::Sha1, frozen!("message.sha1")),
        (Algorithm::Sha256, frozen!("message.sha256")),
        (Algorithm::Sha512, frozen!("message.sha512")),
    ] {
        let signature = key.sign(algorithm, frozen!("message")).unwrap();
        assert_eq!(signature.bytes, expected, "{algorithm}");
        assert_eq!((signature.algorithm, &signature.key), (algorithm, key.key_name()));
    }
}

#[test]
fn what_cannot_sign_is_refused_by_what_it_is() {
    // Fifty base64 digits into the modulus, one is changed: the numbers no longer belong together.
    let mut broken = text(frozen!("pkcs1.rsa")).to_owned();
    let digit = broken.find('\n').unwrap() + 50;
    let other = if broken.as_bytes()[digit] == b'A' { "B" } else { "A" };
    broken.replace_range(digit..=digit, other);
    let cut = &text(frozen!("pkcs8.rsa"))[..900];
    for (content, flaw) in [
        ("", Flaw::NoKey),
        ("ssh-rsa AAAA ops@example.org", Flaw::NoKey),
        ("-----BEGIN GARBAGE-----\n-----END GARBAGE-----\n", Flaw::NoKey),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n", Flaw::NotRsa),
        (text(frozen!("public-half.rsa.pub")), Flaw::Public),
        (text(frozen!("public-half-pkcs1.rsa.pub")), Flaw::Public),
        (text(frozen!("encrypted-pkcs1.rsa")), Flaw::LegacyEncryption),
        (text(frozen!("ec.pem")), Flaw::NotRsa),
        (text(frozen!("ec-pkcs8.pem")), Flaw::NotRsa),
        (text(frozen!("ed25519.pem")), Flaw::NotRsa),
        (text(frozen!("rsa-1024.rsa")), Flaw::Bits(1024)),
        (cut, Flaw::Broken),
        (&broken, Flaw::Broken),
    ] {
        assert_eq!(parse(content).err(), Some(flaw), "{content}");
    }
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, text(frozen!("pkcs1.rsa")), 0o600);
    assert_eq!(PrivateKey::load(&path).unwrap().key_name(), &name());
    for mode in [0o640, 0o604, 0o620, 0o666, 0o644] {
        std::fs::File::open(&path).unwrap().set_permissions(Permissions::from_mode(mode)).unwrap();
        let error = PrivateKey::load(&path).unwrap_err();
        let expected = format!("signing key {} is open to others (mode {mode:04o})", path.display());
        assert_eq!(error.to_string(), expected);
        assert_eq!(
            error.hint(),
            Some(format!(
                "chmod 600 {}; where no modes can be kept, exposed = \"accept\" under [signing]",
                path.display()
            ))
        );
        assert_eq!(error.class(), Class::Usage);
    }
}

#[test]
fn an_unusable_file_is_named_with_its_flaw() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, text(frozen!("public-half.rsa.pub")), 0o600);
    let error = PrivateKey::load(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("signing key {} holds a public key; the private one belongs here", path.display())
    );
    assert_eq!(error.hint().as_deref(), Some("the private key is the file without .pub"));
    let missing = PrivateKey::load(&folder.path().join("none.rsa")).unwrap_err();
    assert_eq!((missing.class(), missing.code()), (Class::Usage, "key-unreadable"));
    let odd = folder.path().join("white space.rsa");
    durable::write(&odd, frozen!("pkcs1.rsa"), 0o600).unwrap();
    assert_eq!(PrivateKey::load(&odd).unwrap_err().code(), "key-name");
}

#[test]
fn a_new_key_is_stored_closed_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let new = PrivateKey::generate(ModulusBits::Rsa2048, name(), &mut getrandom::SysRng).unwrap();
    let path = new.store(&keys).unwrap();
    assert_eq!(path, keys.join("ops@example.org-6743a0c1.rsa"));
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
    let public = keys.join(name().as_str());
    assert_eq!((mode(&path), mode(&public), mode(&keys)), (0o600, 0o644, 0o700));
    assert_eq!(std::fs::read_to_string(&public).unwrap(), new.public_pem());
    let read = PrivateKey::load(&path).unwrap();
    assert_eq!(read.fingerprint(), new.fingerprint());
    assert_eq!(read.bits(), 2048);
    let bytes = read.sign(Algorithm::Sha256, b"x").unwrap().bytes;
    assert_eq!(bytes, new.sign(Algorithm::Sha256, b"x").unwrap().bytes);
}

#[test]
fn a_key_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    for present in ["ops@example.org-6743a0c1.rsa", "ops@example.org-6743a0c1.rsa.pub"] {
        let keys = folder.path().join(present);
        durable::create_folder(&keys, 0o700).unwrap();
        durable::write(&keys.join(present), b"precious", 0o600).unwrap();
        let error = key().store(&keys).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{} is there already; a key is never overwritten", keys.join(present).display())
        );
        assert_eq!(std::fs::read(keys.join(present)).unwrap(), b"precious");
        assert_eq!(std::fs::read_dir(&keys).unwrap().count(), 1);
    }
}

#[test]
fn debug_shows_the_name_alone() {
    assert_eq!(format!("{:?}", key()), "PrivateKey { name: \"ops@example.org-6743a0c1.rsa.pub\", .. }");
}
