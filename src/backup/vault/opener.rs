//! What opens a vault.

use std::fmt;
use std::path::{Path, PathBuf};

use age::{scrypt, x25519};
use zeroize::Zeroizing;

use super::error::{IdentityFlaw, VaultError};
use super::{MAX_WORK, Passphrase};
use crate::disk::private_file::{self, Exposed, Unread};

/// Largest identity file, in bytes. age-keygen's have 200 bytes for each identity.
const MAX_FILE: u64 = 64 << 10;

/// What opens a vault.
#[derive(Clone, Debug)]
pub enum Opener {
    /// Identities of recipients: one that fits is enough.
    Identity(Identities),
    /// The passphrase.
    Passphrase(Passphrase),
}

impl Opener {
    /// As age takes them.
    pub(super) fn identities(&self) -> Vec<Box<dyn age::Identity>> {
        match self {
            Opener::Identity(identities) => {
                identities.identities.iter().map(|one| Box::new(one.clone()) as Box<dyn age::Identity>).collect()
            }
            Opener::Passphrase(passphrase) => {
                let mut identity = scrypt::Identity::new(passphrase.0.clone());
                identity.set_max_work_factor(MAX_WORK);
                vec![Box::new(identity)]
            }
        }
    }
}

/// The identities in a file. `Debug` shows which file it is.
#[derive(Clone)]
pub struct Identities {
    path: PathBuf,
    /// At least one.
    identities: Vec<x25519::Identity>,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Identities {
    /// Reads a file as age-keygen makes it: an identity a line (`AGE-SECRET-KEY-1…`, X25519), comments begin with `#`.
    ///
    /// One that others may read is refused, by the rule of [`private_file::read`], unless that is borne.
    pub fn load(path: &Path, exposed: Exposed) -> Result<Identities, VaultError> {
        let path = path.to_owned();
        let bytes = match private_file::read_unless(exposed, &path, MAX_FILE) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(Unread::Io(cause)) => return Err(VaultError::IdentityUnreadable { path, cause }),
            Err(Unread::Exposed { mode }) => return Err(VaultError::IdentityExposed { path, mode }),
        };
        match parse(&bytes) {
            Ok(identities) => Ok(Identities { path, identities }),
            Err(flaw) => Err(VaultError::IdentityUnusable { path, flaw }),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<x25519::Identity>, IdentityFlaw> {
    if bytes.starts_with(b"age-encryption.org/") || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----") {
        return Err(IdentityFlaw::Encrypted);
    }
    if bytes.starts_with(b"-----BEGIN") {
        return Err(IdentityFlaw::OtherKey);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| IdentityFlaw::None)?;
    let mut identities = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let flaw = |_| match line {
            line if line.starts_with("AGE-PLUGIN-") => IdentityFlaw::Plugin(at + 1),
            line if line.starts_with("age1") => IdentityFlaw::Public(at + 1),
            _ => IdentityFlaw::Line(at + 1),
        };
        identities.push(line.parse().map_err(flaw)?);
    }
    if identities.is_empty() { Err(IdentityFlaw::None) } else { Ok(identities) }
}
