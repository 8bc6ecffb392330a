//! Our private key, in a file as abuild-keygen and openssl make it.
//!
//! ```text
//! keys/ops@example.org-6743a0c1.rsa       0600  the private half: PEM, PKCS#8 (plain, or encrypted by PBES2) or PKCS#1
//! keys/ops@example.org-6743a0c1.rsa.pub   0644  the public half, as clients need it in /etc/apk/keys: SubjectPublicKeyInfo
//!                                               (PKCS#1's "RSA PUBLIC KEY" fails on apk 2.12)
//! ```
//!
//! The public half's file name is part of every signature: clients look the key up by it.

mod error;
mod passphrase;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use rsa::rand_core::TryCryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Sha256, Sha512};

use super::Signer;
use super::public_half::{MODULUS_BITS, PublicHalf};
use crate::apk::KeyName;
use crate::apk::v2::signature::{Algorithm, Signature};
use crate::disk::durable;
use crate::disk::private_file::{self, Exposed, Unread};

pub use error::{Error, Flaw, PassphraseFlaw};
pub use passphrase::Passphrase;

/// Largest key file that is read; an encrypted 4096-bit key takes 3.5 kB.
const MAX_FILE: u64 = 64 << 10;

/// A private key's file, and what is needed to read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFile {
    /// The file.
    pub path: PathBuf,
    /// The file that holds its passphrase; not read where the key is not encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// Whether key and passphrase are used even where others may read them.
    #[serde(default)]
    pub exposed: Exposed,
}

impl KeyFile {
    /// A file that holds a key in the clear and that nobody else may read.
    pub fn plain(path: impl Into<PathBuf>) -> Self {
        KeyFile { path: path.into(), passphrase_file: None, exposed: Exposed::Refuse }
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
    public: PublicHalf,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("name", self.key_name()).finish_non_exhaustive()
    }
}

impl PrivateKey {
    fn new(key: rsa::PrivateKey, name: KeyName) -> PrivateKey {
        let public = PublicHalf::new(name, key.as_public_key().clone());
        PrivateKey { key, public }
    }

    /// Reads a key's file that needs no passphrase; see [`PrivateKey::open`].
    pub fn load(path: &Path) -> Result<PrivateKey, Error> {
        PrivateKey::open(&KeyFile::plain(path))
    }

    /// Reads a key's file: PEM, PKCS#8 or PKCS#1, RSA of 2048 to 4096 bits; PKCS#8 may be encrypted by PBES2.
    ///
    /// A file that others may read is refused, by the rule of [`private_file::read`], unless `file` bears it. The passphrase's
    /// file is held to the same rule.
    pub fn open(file: &KeyFile) -> Result<PrivateKey, Error> {
        let path = &file.path;
        let bytes = private_file::read_unless(file.exposed, path, MAX_FILE).map_err(|unread| match unread {
            Unread::Io(source) => Error::Unreadable { path: path.clone(), source },
            Unread::Exposed { mode } => Error::Exposed { path: path.clone(), mode },
        })?;
        let name = public_name(path)?;
        let unusable = |flaw| Error::Unusable { path: path.clone(), flaw };
        let text = std::str::from_utf8(&bytes).map_err(|_| unusable(Flaw::NoKey))?;
        let block = PemBlock::first_in(text).ok_or(unusable(Flaw::NoKey))?;
        if block.label != passphrase::LABEL {
            return PrivateKey::of_block(&block, name).map_err(unusable);
        }
        let Some(passphrase_file) = &file.passphrase_file else {
            return Err(Error::NoPassphrase { path: path.clone() });
        };
        let opened = Passphrase::load(passphrase_file, file.exposed)?.open(&block.text).map_err(unusable)?;
        let wrong = || Error::WrongPassphrase { path: path.clone(), passphrase_file: passphrase_file.clone() };
        let key = opened.ok_or_else(wrong)?;
        PrivateKey::sized(key, name).map_err(unusable)
    }

    /// Reads the first PEM block of `text`, which is not encrypted; `name` is the public half's file name.
    pub fn parse(text: &str, name: KeyName) -> Result<PrivateKey, Flaw> {
        PrivateKey::of_block(&PemBlock::first_in(text).ok_or(Flaw::NoKey)?, name)
    }

    fn of_block(block: &PemBlock<'_>, name: KeyName) -> Result<PrivateKey, Flaw> {
        let key = match block.label {
            // The older form of encryption leaves the label and adds headers (RFC 1421 4.6).
            _ if block.text.contains("Proc-Type: 4,ENCRYPTED") => return Err(Flaw::LegacyEncryption),
            "RSA PRIVATE KEY" => rsa::PrivateKey::from_pkcs1_pem(&block.text).map_err(|_| Flaw::Broken)?,
            "PRIVATE KEY" => rsa::PrivateKey::from_pkcs8_pem(&block.text).map_err(|error| flaw_of(&error))?,
            "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => return Err(Flaw::Public),
            other if other.ends_with("PRIVATE KEY") => return Err(Flaw::NotRsa),
            _ => return Err(Flaw::NoKey),
        };
        PrivateKey::sized(key, name)
    }

    fn sized(key: rsa::PrivateKey, name: KeyName) -> Result<PrivateKey, Flaw> {
        let key = PrivateKey::new(key, name);
        match key.bits() {
            bits if MODULUS_BITS.contains(&bits) => Ok(key),
            bits => Err(Flaw::Bits(bits)),
        }
    }

    /// Makes a new key; takes a second or two for 4096 bits, and much longer where `rng` is slow.
    pub fn generate(bits: ModulusBits, name: KeyName, rng: &mut impl TryCryptoRng) -> Result<PrivateKey, Error> {
        let bits = match bits {
            ModulusBits::Rsa2048 => 2048,
            ModulusBits::Rsa4096 => 4096,
        };
        match rsa::PrivateKey::new(rng, bits) {
            Ok(key) => Ok(PrivateKey::new(key, name)),
            Err(_) => Err(Error::Arithmetic { what: "making a key pair", name }),
        }
    }

    /// Writes both halves into `folder`, which is made (0700) where it is missing, and returns the private one's path.
    /// Neither file is ever overwritten.
    pub fn store(&self, folder: &Path) -> Result<PathBuf, Error> {
        let pem = self.key.to_pkcs8_pem(LineEnding::LF).map_err(|_| self.failed("encoding the private half"))?;
        self.write(folder, &pem)
    }

    /// The same with the private half encrypted, by parameters that every openssl reads; see [`Passphrase::seal`].
    pub fn store_encrypted(
        &self,
        folder: &Path,
        passphrase: &Passphrase,
        rng: &mut impl TryCryptoRng,
    ) -> Result<PathBuf, Error> {
        let pem = passphrase.seal(&self.key, rng).ok_or_else(|| self.failed("encrypting the private half"))?;
        self.write(folder, &pem)
    }

    fn write(&self, folder: &Path, private_pem: &str) -> Result<PathBuf, Error> {
        let public = folder.join(self.key_name().as_str());
        let private = public.with_extension("");
        for path in [&private, &public] {
            match path.symlink_metadata() {
                Ok(_) => return Err(Error::Exists { path: path.clone() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::Unreadable { path: path.clone(), source }),
            }
        }
        durable::create_folder(folder, 0o700)
            .and_then(|()| durable::write(&private, private_pem.as_bytes(), 0o600))
            .and_then(|()| durable::write(&public, self.public_pem().as_bytes(), 0o644))
            .map_err(|source| Error::Unwritten { name: self.key_name().clone(), source })?;
        Ok(private)
    }

    fn failed(&self, what: &'static str) -> Error {
        Error::Arithmetic { what, name: self.key_name().clone() }
    }

    /// The public half's file name, as it stands in signatures and in `/etc/apk/keys`.
    pub fn key_name(&self) -> &KeyName {
        self.public.name()
    }

    /// The modulus's bits.
    pub fn bits(&self) -> usize {
        self.public.bits()
    }

    /// The public half as clients need it: PEM, SubjectPublicKeyInfo.
    pub fn public_pem(&self) -> String {
        self.public.pem()
    }

    /// SHA-256 of the public half's DER SubjectPublicKeyInfo, lower-case hex:
    /// `openssl pkey -pubin -in KEY.rsa.pub -outform DER | sha256sum`.
    pub fn fingerprint(&self) -> String {
        self.public.fingerprint()
    }

    /// Signs `bytes`: RSA PKCS#1 v1.5 over their digest. The same key and bytes always give the same signature.
    ///
    /// The result is verified by a second implementation before it is returned: a bit that flips while signing with CRT
    /// gives away the key.
    pub fn sign(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Signature, Error> {
        let signed = match algorithm {
            Algorithm::Sha1 => self.key.pkcs1v15_sign::<sha1::Sha1>(bytes),
            Algorithm::Sha256 => self.key.pkcs1v15_sign::<Sha256>(bytes),
            Algorithm::Sha512 => self.key.pkcs1v15_sign::<Sha512>(bytes),
        };
        let signature = signed.map_err(|_| self.failed("signing"))?;
        if !self.public.accepts(algorithm, bytes, &signature) {
            return Err(self.failed("checking a fresh signature"));
        }
        Ok(Signature { algorithm, key: self.key_name().clone(), bytes: signature })
    }
}

/// What is the matter with a key in PKCS#8.
fn flaw_of(error: &rsa::pkcs8::Error) -> Flaw {
    match error {
        rsa::pkcs8::Error::PublicKey(rsa::pkcs8::spki::Error::OidUnknown { .. }) => Flaw::NotRsa,
        _ => Flaw::Broken,
    }
}

impl Signer for PrivateKey {
    fn public_half(&self) -> &PublicHalf {
        &self.public
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
