//! Our private key, in a file as abuild-keygen and openssl make it.
//!
//! ```text
//! keys/ops@example.org-6743a0c1.rsa       0600  the private half: PEM, PKCS#8 or PKCS#1
//! keys/ops@example.org-6743a0c1.rsa.pub   0644  the public half, as clients need it in /etc/apk/keys: SubjectPublicKeyInfo
//!                                               (PKCS#1's "RSA PUBLIC KEY" fails on apk 2.12)
//! ```
//!
//! The public half's file name is part of every signature: clients look the key up by it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ring::signature::{self as second_opinion, UnparsedPublicKey};
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rsa::rand_core::TryCryptoRng;
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256, Sha512};

use super::Signer;
use crate::apk::KeyName;
use crate::apk::v2::signature::{Algorithm, Signature};
use crate::disk::durable;
use crate::disk::private_file::{self, Unread};
use crate::error::{Class, Trouble};

/// Largest key file that is read; a 4096-bit key takes 3.3 kB.
const MAX_FILE: u64 = 64 << 10;

/// Smallest and largest modulus that we sign with: below, forgery is within reach; above, 2.x clients were never tried.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or cannot be read.
    #[error("signing key {} cannot be read", .path.display())]
    Unreadable {
        /// The key's file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read the file.
    #[error("signing key {} is open to others (mode {mode:04o})", .path.display())]
    Exposed {
        /// The key's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file's content is not a key that we can sign with.
    #[error("signing key {} {flaw}", .path.display())]
    Unusable {
        /// The key's file.
        path: PathBuf,
        /// What is the matter with it.
        flaw: Flaw,
    },
    /// The file's name cannot become a public key's.
    #[error("signing key {} has a name that no client's /etc/apk/keys can hold", .path.display())]
    BadName {
        /// The key's file.
        path: PathBuf,
    },
    /// A new key would replace this file.
    #[error("{} is there already; a key is never overwritten", .path.display())]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// Something could not be computed: no randomness, or a fault in this machine's arithmetic.
    #[error("{what} with key {name} failed")]
    Arithmetic {
        /// What was computed.
        what: &'static str,
        /// The public key's file name.
        name: KeyName,
    },
    /// The new key's files could not be written.
    #[error("key {name} was not stored")]
    Unwritten {
        /// The public key's file name.
        name: KeyName,
        /// What failed.
        #[source]
        source: durable::Error,
    },
}

/// What is the matter with a key file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// No PEM block at all.
    NoKey,
    /// The public half.
    Public,
    /// Its key is encrypted with a passphrase.
    Encrypted,
    /// A key of another kind: EC, Ed25519, DSA, or in OpenSSH's own form.
    NotRsa,
    /// A PEM block whose content cannot be read, or whose numbers do not fit together.
    Broken,
    /// An RSA key of so many bits.
    Bits(usize),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::NoKey => f.write_str("holds no key in PEM form"),
            Flaw::Public => f.write_str("holds a public key; the private one belongs here"),
            Flaw::Encrypted => f.write_str("is encrypted with a passphrase, which is not supported yet"),
            Flaw::NotRsa => f.write_str("is not an RSA key; apk's indexes are signed with RSA"),
            Flaw::Broken => f.write_str("is damaged: its numbers cannot be read or do not fit together"),
            Flaw::Bits(bits) => {
                write!(f, "has {bits} bits, not {} to {}", MODULUS_BITS.start(), MODULUS_BITS.end())
            }
        }
    }
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => Class::Usage,
            Error::Unreadable { .. } | Error::Arithmetic { .. } => Class::Host,
            Error::Exposed { .. } | Error::Unusable { .. } | Error::BadName { .. } | Error::Exists { .. } => {
                Class::Usage
            }
            Error::Unwritten { source, .. } => source.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Unreadable { .. } => "key-unreadable",
            Error::Exposed { .. } => "key-exposed",
            Error::Unusable { .. } => "key-unusable",
            Error::BadName { .. } => "key-name",
            Error::Exists { .. } => "key-exists",
            Error::Arithmetic { .. } => "key-arithmetic",
            Error::Unwritten { source, .. } => source.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("`bivouac key new` makes one; name it under [signing] as key".into())
            }
            Error::Exposed { path, .. } => Some(format!("chmod 600 {}", path.display())),
            Error::Unusable { flaw: Flaw::Public, .. } => Some("the private key is the file without .pub".into()),
            Error::Unusable { path, flaw: Flaw::Encrypted } => {
                Some(format!("openssl pkey -in {} -out PLAIN.rsa, readable by you alone", path.display()))
            }
            Error::Unusable { .. } | Error::Unreadable { .. } | Error::BadName { .. } => None,
            Error::Exists { .. } => Some("choose another name".into()),
            Error::Arithmetic { .. } => None,
            Error::Unwritten { source, .. } => source.hint(),
        }
    }
}

/// How many bits a new key has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModulusBits {
    /// 2048, as Alpine's older keys have.
    Rsa2048,
    /// 4096, as abuild-keygen makes them.
    #[default]
    Rsa4096,
}

/// An RSA private key and the name by which clients know its public half. `Debug` shows the name alone.
pub struct PrivateKey {
    /// Primes and CRT exponents are precomputed by every constructor of the `rsa` crate.
    key: rsa::PrivateKey,
    name: KeyName,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PrivateKey {
    /// Reads a key's file: PEM, PKCS#8 or PKCS#1, unencrypted, RSA of 2048 to 4096 bits.
    ///
    /// A file that others may read is refused, by the rule of [`private_file::read`].
    pub fn load(path: &Path) -> Result<PrivateKey, Error> {
        let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
        let bytes = private_file::read(path, MAX_FILE).map_err(|unread| match unread {
            Unread::Io(source) => unreadable(source),
            Unread::Exposed { mode } => Error::Exposed { path: path.to_owned(), mode },
        })?;
        let name = public_name(path)?;
        let unusable = |flaw| Error::Unusable { path: path.to_owned(), flaw };
        let text = std::str::from_utf8(&bytes).map_err(|_| unusable(Flaw::NoKey))?;
        PrivateKey::parse(text, name).map_err(unusable)
    }

    /// Reads the first PEM block of `text`; `name` is the public half's file name.
    pub fn parse(text: &str, name: KeyName) -> Result<PrivateKey, Flaw> {
        let block = PemBlock::first_in(text).ok_or(Flaw::NoKey)?;
        let key = match block.label {
            "ENCRYPTED PRIVATE KEY" => return Err(Flaw::Encrypted),
            // The older form of encryption leaves the label and adds headers (RFC 1421 4.6).
            _ if block.text.contains("Proc-Type: 4,ENCRYPTED") => return Err(Flaw::Encrypted),
            "RSA PRIVATE KEY" => rsa::PrivateKey::from_pkcs1_pem(&block.text).map_err(|_| Flaw::Broken)?,
            "PRIVATE KEY" => rsa::PrivateKey::from_pkcs8_pem(&block.text).map_err(|error| match error {
                rsa::pkcs8::Error::PublicKey(rsa::pkcs8::spki::Error::OidUnknown { .. }) => Flaw::NotRsa,
                _ => Flaw::Broken,
            })?,
            "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => return Err(Flaw::Public),
            other if other.ends_with("PRIVATE KEY") => return Err(Flaw::NotRsa),
            _ => return Err(Flaw::NoKey),
        };
        let bits = key.n().bit_width_vartime() as usize;
        if !MODULUS_BITS.contains(&bits) {
            return Err(Flaw::Bits(bits));
        }
        Ok(PrivateKey { key, name })
    }

    /// Makes a new key; takes a second or two for 4096 bits, and much longer where `rng` is slow.
    pub fn generate(bits: ModulusBits, name: KeyName, rng: &mut impl TryCryptoRng) -> Result<PrivateKey, Error> {
        let bits = match bits {
            ModulusBits::Rsa2048 => 2048,
            ModulusBits::Rsa4096 => 4096,
        };
        match rsa::PrivateKey::new(rng, bits) {
            Ok(key) => Ok(PrivateKey { key, name }),
            Err(_) => Err(Error::Arithmetic { what: "making a key pair", name }),
        }
    }

    /// Writes both halves into `folder`, which is made (0700) where it is missing, and returns the private one's path.
    /// Neither file is ever overwritten.
    pub fn store(&self, folder: &Path) -> Result<PathBuf, Error> {
        let public = folder.join(self.name.as_str());
        let private = public.with_extension("");
        for path in [&private, &public] {
            match path.symlink_metadata() {
                Ok(_) => return Err(Error::Exists { path: path.clone() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::Unreadable { path: path.clone(), source }),
            }
        }
        let pem = self
            .key
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| Error::Arithmetic { what: "encoding the private half", name: self.name.clone() })?;
        durable::create_folder(folder, 0o700)
            .and_then(|()| durable::write(&private, pem.as_bytes(), 0o600))
            .and_then(|()| durable::write(&public, self.public_pem().as_bytes(), 0o644))
            .map_err(|source| Error::Unwritten { name: self.name.clone(), source })?;
        Ok(private)
    }

    /// The public half's file name, as it stands in signatures and in `/etc/apk/keys`.
    pub fn key_name(&self) -> &KeyName {
        &self.name
    }

    /// The modulus's bits.
    pub fn bits(&self) -> usize {
        self.key.n().bit_width_vartime() as usize
    }

    /// The public half as clients need it: PEM, SubjectPublicKeyInfo.
    pub fn public_pem(&self) -> String {
        self.key.as_public_key().to_public_key_pem(LineEnding::LF).expect("an RSA public key has an encoding")
    }

    /// SHA-256 of the public half's DER SubjectPublicKeyInfo, lower-case hex:
    /// `openssl pkey -pubin -in KEY.rsa.pub -outform DER | sha256sum`.
    pub fn fingerprint(&self) -> String {
        let der = self.key.as_public_key().to_public_key_der().expect("an RSA public key has an encoding");
        crate::apk::checksum::hex(&Sha256::digest(der.as_bytes()))
    }

    /// Signs `bytes`: RSA PKCS#1 v1.5 over their digest. The same key and bytes always give the same signature.
    ///
    /// The result is verified by a second implementation before it is returned: a bit that flips while signing with CRT
    /// gives away the key.
    pub fn sign(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Signature, Error> {
        let (signed, verifier): (_, &'static dyn second_opinion::VerificationAlgorithm) = match algorithm {
            Algorithm::Sha1 => (
                self.key.pkcs1v15_sign::<sha1::Sha1>(bytes),
                &second_opinion::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            ),
            Algorithm::Sha256 => (self.key.pkcs1v15_sign::<Sha256>(bytes), &second_opinion::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Sha512 => (self.key.pkcs1v15_sign::<Sha512>(bytes), &second_opinion::RSA_PKCS1_2048_8192_SHA512),
        };
        let failed = |what| Error::Arithmetic { what, name: self.name.clone() };
        let signature = signed.map_err(|_| failed("signing"))?;
        let public = self.key.as_public_key().to_pkcs1_der().map_err(|_| failed("encoding the public half"))?;
        UnparsedPublicKey::new(verifier, public.as_bytes())
            .verify(bytes, &signature)
            .map_err(|_| failed("checking a fresh signature"))?;
        Ok(Signature { algorithm, key: self.name.clone(), bytes: signature })
    }
}

impl Signer for PrivateKey {
    fn key_name(&self) -> &KeyName {
        PrivateKey::key_name(self)
    }

    fn fingerprint(&self) -> String {
        PrivateKey::fingerprint(self)
    }

    fn public_pem(&self) -> String {
        PrivateKey::public_pem(self)
    }

    fn bits(&self) -> usize {
        PrivateKey::bits(self)
    }

    fn sign(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Signature, super::Error> {
        Ok(PrivateKey::sign(self, algorithm, bytes)?)
    }
}

/// The public half's file name for a private key's path: its file name and `.pub`.
fn public_name(path: &Path) -> Result<KeyName, Error> {
    path.file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| format!("{name}.pub").parse().ok())
        .ok_or_else(|| Error::BadName { path: path.to_owned() })
}

/// One PEM block (RFC 7468), spelled as strict readers want it.
struct PemBlock<'a> {
    label: &'a str,
    text: String,
}

impl<'a> PemBlock<'a> {
    /// The first block of a text, without what stands before and after it (openssl prints the key's numbers there) and
    /// without stray white space at line ends.
    fn first_in(text: &'a str) -> Option<PemBlock<'a>> {
        let mut lines = text.lines().map(str::trim_end);
        let label = lines.find_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))?;
        let mut block = format!("-----BEGIN {label}-----\n");
        for line in lines {
            block.push_str(line);
            block.push('\n');
            if line.starts_with("-----END ") {
                break;
            }
        }
        Some(PemBlock { label, text: block })
    }
}

#[cfg(test)]
mod tests;
