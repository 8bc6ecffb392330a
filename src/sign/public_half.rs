//! The public half of a signing key: what clients have in `/etc/apk/keys`, and what every signature is checked by before it
//! leaves this room. A signer that is not a file of ours is known by this half alone.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ring::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::pkcs8::{DecodePublicKey as _, EncodePublicKey as _, LineEnding};
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256};

use crate::apk::KeyName;
use crate::apk::v2::signature::Algorithm;
use crate::error::{Class, Trouble};

/// Smallest and largest modulus that we sign with: below, forgery is within reach; above, 2.x clients were never tried.
pub(super) const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Largest file that is read; a public key of 4096 bits takes 800 bytes.
const MAX_FILE: u64 = 64 << 10;

/// Why a file does not tell which key signs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there or cannot be read.
    #[error("public half {} of the signing key cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its name cannot stand in signatures.
    #[error("public half {} has a name that no client's /etc/apk/keys can hold", .path.display())]
    BadName {
        /// The file.
        path: PathBuf,
    },
    /// A private key where the key is elsewhere.
    #[error("{} holds a private key; where another program or a token signs, the public half belongs here", .path.display())]
    Private {
        /// The file.
        path: PathBuf,
    },
    /// No RSA key in the form that clients need.
    #[error("public half {} is not an RSA key in PEM form (BEGIN PUBLIC KEY)", .path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// A key of a size that we do not sign with.
    #[error("public half {} has {bits} bits, not {} to {}", .path.display(), MODULUS_BITS.start(), MODULUS_BITS.end())]
    Bits {
        /// The file.
        path: PathBuf,
        /// The modulus's length.
        bits: usize,
    },
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Unreadable { source, .. } if source.kind() != io::ErrorKind::NotFound => Class::Host,
            Error::Unreadable { .. }
            | Error::BadName { .. }
            | Error::Private { .. }
            | Error::NotAKey { .. }
            | Error::Bits { .. } => Class::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Unreadable { .. } => "key-unreadable",
            Error::BadName { .. } => "key-name",
            Error::Private { .. } | Error::NotAKey { .. } | Error::Bits { .. } => "key-unusable",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Private { .. } => Some("name the file that ends with .pub under [signing] as key".into()),
            Error::NotAKey { path } => {
                Some(format!("openssl pkey -pubin -in {} -text -noout tells what it is", path.display()))
            }
            Error::Unreadable { .. } | Error::BadName { .. } | Error::Bits { .. } => None,
        }
    }
}

/// An RSA public key and the file name by which clients look it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicHalf {
    name: KeyName,
    key: rsa::PublicKey,
}

impl PublicHalf {
    /// The public half of a key that is at hand.
    pub(super) fn new(name: KeyName, key: rsa::PublicKey) -> Self {
        PublicHalf { name, key }
    }

    /// Reads a file as clients have it: PEM, SubjectPublicKeyInfo, RSA of 2048 to 4096 bits.
    pub fn load(path: &Path) -> Result<PublicHalf, Error> {
        let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let name = name.ok_or_else(|| Error::BadName { path: path.to_owned() })?;
        let mut bytes = Vec::new();
        File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes)).map_err(unreadable)?;
        let text = String::from_utf8_lossy(&bytes);
        if text.contains("PRIVATE KEY-----") {
            return Err(Error::Private { path: path.to_owned() });
        }
        let key = rsa::PublicKey::from_public_key_pem(text.trim());
        let half = PublicHalf { name, key: key.map_err(|_| Error::NotAKey { path: path.to_owned() })? };
        match half.bits() {
            bits if MODULUS_BITS.contains(&bits) => Ok(half),
            bits => Err(Error::Bits { path: path.to_owned(), bits }),
        }
    }

    /// Its file name, as it stands in signatures and in `/etc/apk/keys`.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The modulus's bits.
    pub fn bits(&self) -> usize {
        self.key.n().bit_width_vartime() as usize
    }

    /// A signature's bytes: as many as the modulus has.
    pub fn signature_len(&self) -> usize {
        self.bits().div_ceil(8)
    }

    /// The file's content: PEM, SubjectPublicKeyInfo.
    pub fn pem(&self) -> String {
        self.key.to_public_key_pem(LineEnding::LF).expect("an RSA public key has an encoding")
    }

    /// SHA-256 of its DER SubjectPublicKeyInfo, lower-case hex:
    /// `openssl pkey -pubin -in KEY.rsa.pub -outform DER | sha256sum`.
    pub fn fingerprint(&self) -> String {
        let der = self.key.to_public_key_der().expect("an RSA public key has an encoding");
        crate::apk::checksum::hex(&Sha256::digest(der.as_bytes()))
    }

    /// Whether `signature` is this key's over `bytes`, by another implementation than the one that signs key files.
    pub fn accepts(&self, algorithm: Algorithm, bytes: &[u8], signature: &[u8]) -> bool {
        let verifier: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::Sha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        };
        let der = self.key.to_pkcs1_der().expect("an RSA public key has an encoding");
        UnparsedPublicKey::new(verifier, der.as_bytes()).verify(bytes, signature).is_ok()
    }
}
