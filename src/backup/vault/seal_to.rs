//! Whom a vault is sealed to.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use age::secrecy::SecretString;
use age::{scrypt, x25519};

use super::MAX_RECIPIENTS;
use super::error::{Unsealable, VaultError};
use crate::disk::private_file::Exposed;
use crate::sign::key_file;

/// Whom a vault is sealed to.
#[derive(Clone, Debug)]
pub enum SealTo {
    /// Whoever has the identity of one of them.
    Recipients(Vec<Recipient>),
    /// Whoever knows it.
    Passphrase(Passphrase),
}

impl SealTo {
    /// The recipients' public names, sorted, each once; none for a passphrase.
    pub fn names(&self) -> BTreeSet<String> {
        match self {
            SealTo::Recipients(recipients) => recipients.iter().map(Recipient::to_string).collect(),
            SealTo::Passphrase(_) => BTreeSet::new(),
        }
    }

    /// As age takes them: at least one and not too many, all of one kind, each once.
    pub(super) fn recipients(&self, work: u8) -> Result<Vec<Box<dyn age::Recipient>>, Unsealable> {
        match self {
            SealTo::Recipients(recipients) => {
                let mut seen = BTreeSet::new();
                let once: Vec<_> = recipients.iter().filter(|one| seen.insert(one.to_string())).collect();
                match once.len() {
                    0 => Err(Unsealable::NoRecipient),
                    1..=MAX_RECIPIENTS => Ok(once.iter().map(|one| one.boxed()).collect()),
                    count => Err(Unsealable::Recipients { count }),
                }
            }
            SealTo::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(passphrase.0.clone());
                recipient.set_work_factor(work);
                Ok(vec![Box::new(recipient)])
            }
        }
    }
}

/// A recipient: `age1…`, the public half of what age-keygen makes (X25519).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient(x25519::Recipient);

/// Text that is no recipient. Its message does not quote it: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecipient {
    /// The other half of the pair.
    #[error("it is a secret key, which nobody else may see; the recipient is the public one, `age1…`")]
    Secret,
    /// A key of ssh.
    #[error("it is a key of ssh; a recipient is `age1…`, as age-keygen makes it")]
    Ssh,
    /// Of a kind that needs another program, or a later age.
    #[error("it is a recipient of another kind than X25519, whose names are `age1` and 58 letters and digits")]
    OtherKind,
    /// Nothing known, or a slip of the pen.
    #[error(
        "it is no recipient, or has a misprint: `age1` and 58 letters and digits, of which the last six are a checksum"
    )]
    Garbled,
}

impl FromStr for Recipient {
    type Err = BadRecipient;

    fn from_str(text: &str) -> Result<Self, BadRecipient> {
        let other_kind = |text: &str| {
            // Bech32's separator is the last "1": what stands before it tells the kind.
            text.rsplit_once('1').is_some_and(|(kind, _)| kind.starts_with("age1") && kind.len() > 4)
        };
        match text.parse() {
            Ok(recipient) => Ok(Recipient(recipient)),
            Err(_) if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") => Err(BadRecipient::Secret),
            Err(_) if text.starts_with("ssh-") => Err(BadRecipient::Ssh),
            Err(_) if other_kind(text) => Err(BadRecipient::OtherKind),
            Err(_) => Err(BadRecipient::Garbled),
        }
    }
}

impl Recipient {
    fn boxed(&self) -> Box<dyn age::Recipient> {
        Box::new(self.0.clone())
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What opens a vault, and seals it. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Passphrase(pub(super) SecretString);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

impl Passphrase {
    /// Reads the file that holds it, by the rule of the signing key's: its whole content, without one newline at the end; at
    /// most 1024 bytes; not one that others may read, unless that is borne.
    pub fn load(path: &Path, exposed: Exposed) -> Result<Passphrase, VaultError> {
        let read = key_file::Passphrase::load(path, exposed)?;
        read.text().and_then(Passphrase::parse).ok_or_else(|| VaultError::Untypable { path: path.to_owned() })
    }

    /// `None` for what nobody can type where age asks for it: nothing, or control characters, among them line ends.
    pub fn parse(text: &str) -> Option<Passphrase> {
        let typable = !text.is_empty() && !text.contains(char::is_control);
        typable.then(|| Passphrase(SecretString::from(text)))
    }
}
