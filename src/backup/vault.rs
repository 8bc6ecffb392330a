//! What nobody else may read, encrypted: `keys.age`.
//!
//! ```text
//! keys.age                 an age file (age-encryption.org/v1): X25519 recipients, or a passphrase (scrypt)
//! └── plain tar (ustar), every file 0600
//!     ├── signers.json     {"backup":1,"signers":[{"name","fingerprint"}],"files":[{"path","from","mode"}]}
//!     └── keys/ops.rsa …   the private files, sorted, under the paths that a restore --to DIR gives them
//! ```
//!
//! By hand, with the `age` program (<https://age-encryption.org>) and tar:
//!
//! ```text
//! age -d -i IDENTITY keys.age | tar -x        with the identity file of a recipient, as age-keygen made it
//! age -d keys.age | tar -x                    with the passphrase, which it asks for
//! ```
//!
//! What always holds:
//! - Nothing of a private file is in the clear in it, nor its name or number; its size shows, within half a kibibyte a file.
//! - A vault that opens is the one that was sealed: age authenticates its header and every chunk of its content, whose end is
//!   marked. So it needs no digest of ours inside.
//! - That it opens does not say who sealed it. To recipients anybody can seal who knows them, and they are no secret; under a
//!   passphrase only who knows it. [`Vault::signers`] is to be read with that in mind.
//! - Whoever opens it by hand or here finds paths that stay below their folder, each once.
//!
//! Chance comes from the operating system, which the `age` crate asks by itself (`OsRng`): file key, nonce, salt and ephemeral
//! keys are new for each sealing, so that the same vault never gives the same bytes twice.
//!
//! Secrets are wiped from memory when they are dropped, where they are ours; what the allocator and age's own buffers held is
//! not.

mod contents;
mod error;
mod opener;
mod seal_to;

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use age::{DecryptError, Decryptor, Encryptor};
use jiff::Timestamp;
use memchr::memmem;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub use error::{Flaw, IdentityFlaw, Unsealable, VaultError};
pub use opener::{Identities, Opener};
pub use seal_to::{BadRecipient, Passphrase, Recipient, SealTo};

use crate::apk::KeyId;
use crate::apk::checksum::hex;
use crate::snapshot::backup::KeptPath;

/// Largest vault, encrypted, in bytes; what is in it is smaller. A site has a handful of keys of 3 kB each.
pub const MAX_VAULT: u64 = 16 << 20;

/// Most recipients. Each takes 121 bytes of the header.
const MAX_RECIPIENTS: usize = 100;

/// How a header begins, and what its last line begins with.
const V1: &[u8] = b"age-encryption.org/v1\n";
const END: &[u8] = b"\n--- ";

/// Largest header, in bytes. age reads one from its beginning again for each of its lines, so that one of megabytes, which
/// whoever writes to the medium could leave there, would take hours.
const MAX_HEADER: usize = 16 << 10;

/// scrypt's work factor, the binary logarithm of N, with r = 8 and p = 1: what `age` takes itself. A guess costs 256 MiB and
/// about a second, and so does each sealing and opening. OWASP asks for 17 at least.
const WORK: u8 = 18;

/// The greatest work factor that is gone along with: 1 GiB and some four seconds. A vault's header is read before anything in
/// it is known to be true, so whoever writes to the medium would choose how much memory a restore takes. Two steps above
/// [`WORK`] leave room for a later release, and for who seals by hand with a program that measures its machine (rage).
const MAX_WORK: u8 = 20;

/// Bytes that nobody else may see. `Debug` shows how many they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes them.
    pub fn new(bytes: Vec<u8>) -> Self {
        Secret(Zeroizing::new(bytes))
    }

    /// Them.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// A file that nobody else may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateFile {
    /// Where a restore below another folder puts it.
    pub path: KeptPath,
    /// Where it was: absolute.
    pub from: PathBuf,
    /// Its permission bits, at most 0777.
    pub mode: u32,
    /// What is in it.
    pub bytes: Secret,
}

/// The mode that a private file has once it was in a vault: its owner's bits, and that he may read it. Whatever others could do
/// with it where it was (a medium without modes, a service's credential), after a restore they cannot.
pub fn owners_mode(mode: u32) -> u32 {
    (mode & 0o700) | 0o400
}

/// All that nobody else may read, and who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    /// The keys that signed the backup that it was sealed for.
    pub signers: Vec<KeyId>,
    /// The private files, by path.
    pub files: Vec<PrivateFile>,
}

/// What opens a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Its passphrase.
    Passphrase,
    /// The identity of one of its recipients.
    Identity,
}

/// Tells whether two vaults are the same; see [`Vault::digest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VaultDigest([u8; 32]);

impl fmt::Display for VaultDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Vault {
    /// Encrypts it. `time` stands in it as the time of each file.
    ///
    /// Under a passphrase this takes 256 MiB of memory and about a second.
    pub fn seal(&self, to: &SealTo, time: Timestamp) -> Result<Vec<u8>, VaultError> {
        self.seal_with_work(to, time, WORK)
    }

    /// The same with another work factor. Private, so that tests of this file can be quick and nothing else can be weak.
    fn seal_with_work(&self, to: &SealTo, time: Timestamp, work: u8) -> Result<Vec<u8>, VaultError> {
        let plain = contents::print(self, time)?;
        let recipients = to.recipients(work)?;
        let encryptor = Encryptor::with_recipients(recipients.iter().map(|one| &**one))
            .expect("there are recipients, all of one kind");
        let mut sealed = Vec::with_capacity(plain.len() + (64 << 10));
        encryptor
            .wrap_output(&mut sealed)
            .and_then(|mut writer| {
                writer.write_all(&plain)?;
                writer.finish()
            })
            .expect("memory takes everything");
        if sealed.len() as u64 > MAX_VAULT {
            return Err(VaultError::Unsealable(Unsealable::TooLarge { bytes: sealed.len() as u64 }));
        }
        Ok(sealed)
    }

    /// Decrypts one, and checks that everything in it is as it must be.
    pub fn open(bytes: &[u8], opener: &Opener) -> Result<Vault, VaultError> {
        let decryptor = header(bytes)?;
        let identities = match (needs(&decryptor), opener) {
            (Needs::Passphrase, Opener::Identity(_)) => return Err(VaultError::NeedsPassphrase),
            (Needs::Identity, Opener::Passphrase(_)) => return Err(VaultError::NeedsIdentity),
            (Needs::Passphrase | Needs::Identity, opener) => opener.identities(),
        };
        let mut reader = decryptor.decrypt(identities.iter().map(|one| &**one)).map_err(not_opened)?;
        // It never grows: copies that nobody wipes would stay behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(bytes.len()));
        reader.read_to_end(&mut plain).map_err(broken)?;
        contents::parse(&plain)
    }

    /// Over all that is in it, and its recipients: where it is as it was, the vault that is sealed already will do.
    ///
    /// A passphrase is not in it. Whoever saw the digest could try words against it, without scrypt's price for each. Whether
    /// it is still the same is told by [`Vault::open`] of what was sealed.
    ///
    /// Nor is a digest of what is guessed easily a secret: if all but a token's PIN is known, the digest gives the PIN away.
    /// So it belongs where private files may be, which a backup's target is not.
    pub fn digest(&self, to: &SealTo) -> VaultDigest {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(b"bivouac vault 1");
        let recipients = to.names();
        add(&(recipients.len() as u64).to_le_bytes());
        recipients.iter().for_each(|name| add(name.as_bytes()));
        add(&(self.signers.len() as u64).to_le_bytes());
        for KeyId { name, fingerprint } in &self.signers {
            add(name.as_str().as_bytes());
            add(fingerprint.as_bytes());
        }
        for file in contents::sorted(&self.files) {
            add(file.path.as_str().as_bytes());
            add(file.from.as_os_str().as_encoded_bytes());
            add(&file.mode.to_le_bytes());
            add(file.bytes.reveal());
        }
        VaultDigest(hash.finalize().into())
    }
}

/// What opens a vault, from its header, which anybody can read.
pub fn what_opens(bytes: &[u8]) -> Result<Needs, VaultError> {
    header(bytes).map(|decryptor| needs(&decryptor))
}

fn header(bytes: &[u8]) -> Result<Decryptor<&[u8]>, VaultError> {
    if bytes.len() as u64 > MAX_VAULT {
        return Err(VaultError::Damaged(Flaw::TooLarge));
    }
    let begin = &bytes[..bytes.len().min(MAX_HEADER)];
    let endless = begin.len() == MAX_HEADER && begin.starts_with(V1) && memmem::find(begin, END).is_none();
    if endless {
        return Err(VaultError::Damaged(Flaw::Header));
    }
    Decryptor::new_buffered(bytes).map_err(not_opened)
}

fn needs(decryptor: &Decryptor<&[u8]>) -> Needs {
    if decryptor.is_scrypt() { Needs::Passphrase } else { Needs::Identity }
}

/// Why there is no key to the content.
fn not_opened(error: DecryptError) -> VaultError {
    match error {
        // Only a passphrase's stanza ends so; of an identity that does not fit one, age says that none matches.
        DecryptError::DecryptionFailed => VaultError::WrongPassphrase,
        DecryptError::NoMatchingKeys => VaultError::NotARecipient,
        DecryptError::ExcessiveWork { required, .. } => VaultError::TooCostly { work: required },
        DecryptError::UnknownFormat => VaultError::Newer,
        DecryptError::InvalidMac => VaultError::Damaged(Flaw::HeaderChanged),
        DecryptError::Io(error) => broken(error),
        _ => VaultError::Damaged(Flaw::Header),
    }
}

/// Why the content ended; it is read from memory, so that age alone makes these errors.
fn broken(error: io::Error) -> VaultError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => VaultError::Damaged(Flaw::Cut),
        _ => VaultError::Damaged(Flaw::Changed),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests leave files behind by hand")]
mod tests;
