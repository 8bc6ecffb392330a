//! A key's passphrase, and PKCS#8's encryption with it (PBES2, RFC 8018).

use std::fmt;
use std::path::Path;

use pkcs8::pkcs5::{self, pbes2};
use pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncryptedPrivateKeyInfoRef, LineEnding, SecretDocument};
use rsa::rand_core::TryCryptoRng;

use super::error::{Error, Flaw, PassphraseFlaw};
use super::flaw_of;
use crate::disk::private_file::{self, Exposed, Unread};

/// The label of an encrypted key's PEM block.
pub(super) const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// Longest passphrase, in bytes; openssl takes 1024.
pub(super) const MAX_PASSPHRASE: usize = 1024;

/// What opens a private key. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Vec<u8>);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

impl Passphrase {
    /// Reads the file that holds it: its whole content, without one newline at the end.
    pub fn load(path: &Path, exposed: Exposed) -> Result<Passphrase, Error> {
        let limit = MAX_PASSPHRASE as u64 + 2;
        let bytes = private_file::read_unless(exposed, path, limit).map_err(|unread| match unread {
            Unread::Io(source) => Error::PassphraseUnreadable { path: path.to_owned(), source },
            Unread::Exposed { mode } => Error::PassphraseExposed { path: path.to_owned(), mode },
        })?;
        Passphrase::parse(bytes).map_err(|flaw| Error::PassphraseUnusable { path: path.to_owned(), flaw })
    }

    /// Takes a file's content for what it holds.
    pub fn parse(mut bytes: Vec<u8>) -> Result<Passphrase, PassphraseFlaw> {
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        match bytes.len() {
            0 => Err(PassphraseFlaw::Empty),
            1..=MAX_PASSPHRASE => Ok(Passphrase(bytes)),
            _ => Err(PassphraseFlaw::TooLong),
        }
    }

    /// It as text, for what takes no bytes; `None` where it is none.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The RSA key in an encrypted PEM block; `None` where this is not its passphrase.
    pub(super) fn open(&self, pem: &str) -> Result<Option<rsa::PrivateKey>, Flaw> {
        let (_, document) = SecretDocument::from_pem(pem).map_err(|_| Flaw::Broken)?;
        let encrypted = match EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()) {
            Ok(encrypted) => encrypted,
            Err(pkcs8::Error::Asn1(error)) if is_unknown_scheme(&error) => return Err(Flaw::Cipher),
            Err(_) => return Err(Flaw::Broken),
        };
        let opened = match encrypted.decrypt(&self.0) {
            Ok(opened) => opened,
            Err(pkcs8::Error::EncryptedPrivateKey(
                pkcs5::Error::NoPbes1CryptSupport
                | pkcs5::Error::UnsupportedAlgorithm { .. }
                | pkcs5::Error::AlgorithmParametersInvalid { .. },
            )) => return Err(Flaw::Cipher),
            Err(_) => return Ok(None),
        };
        match rsa::PrivateKey::from_pkcs8_der(opened.as_bytes()) {
            Ok(key) => Ok(Some(key)),
            Err(error) => match flaw_of(&error) {
                Flaw::NotRsa => Err(Flaw::NotRsa),
                // Of 256 wrong passphrases about one gives bytes whose padding looks right.
                _ => Ok(None),
            },
        }
    }

    /// Encrypts `key`: PBES2 with PBKDF2-HMAC-SHA-256, 600,000 rounds (OWASP's figure), and AES-256-CBC.
    ///
    /// Every openssl since 1.0.1 and LibreSSL read that (`openssl pkey -in KEY -passin file:F`); scrypt, which would cost a
    /// guesser more, is missing in some builds, and a key must be readable on whatever machine is at hand. `None` where
    /// there is no randomness.
    pub(super) fn seal(&self, key: &rsa::PrivateKey, rng: &mut impl TryCryptoRng) -> Option<String> {
        let parameters = pbes2::Parameters::generate_pbkdf2(rng).ok()?;
        let plain = key.to_pkcs8_der().ok()?;
        let encrypted = parameters.encrypt(&self.0, plain.as_bytes()).ok()?;
        let info = pkcs8::EncryptedPrivateKeyInfoOwned {
            encryption_algorithm: parameters.into(),
            encrypted_data: pkcs8::der::asn1::OctetString::new(encrypted).ok()?,
        };
        let document = SecretDocument::try_from(info).ok()?;
        document.to_pem(LABEL, LineEnding::LF).ok().map(|pem| pem.to_string())
    }
}

/// Whether a structure was right but for a cipher or derivation that has no name here.
fn is_unknown_scheme(error: &pkcs8::der::Error) -> bool {
    use pkcs8::der::ErrorKind::{OidUnknown, Value};
    matches!(error.kind(), OidUnknown { .. } | Value { .. })
}
