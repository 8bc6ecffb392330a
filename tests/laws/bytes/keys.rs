//! A key that was read is the same key when its public half is printed and read again.

use bivouac::apk::KeyName;
use bivouac::sign::PrivateKey;
use bivouac::verify::keyring::PublicKey;

/// Reads `bytes` as a public key's file and as a private key's.
pub(crate) fn law(bytes: &[u8]) {
    let name: KeyName = "law@example.org-00000001.rsa.pub".parse().unwrap();
    if let Ok(key) = PublicKey::parse(name.clone(), bytes) {
        let again = PublicKey::parse(name.clone(), key.pem().as_bytes()).unwrap();
        assert_eq!((again.name(), again.fingerprint()), (&name, key.fingerprint()));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = PrivateKey::parse(text, name.clone()) {
        assert!((2048..=4096).contains(&key.bits()));
        let public = PublicKey::parse(name, key.public_pem().as_bytes()).unwrap();
        assert_eq!(public.fingerprint().to_string(), key.fingerprint());
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }
}
