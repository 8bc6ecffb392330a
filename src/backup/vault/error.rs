//! Why a vault was not sealed or opened.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::{MAX_RECIPIENTS, MAX_VAULT, MAX_WORK};
use crate::error::{Class, Trouble};
use crate::places::archive::BadArchive;
use crate::sign::key_file;
use crate::snapshot::backup::KeptPath;

/// Why a vault was not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// What is to be in it cannot be.
    #[error("the private keys cannot be sealed")]
    Unsealable(#[from] Unsealable),
    /// Another passphrase seals it, or its header is damaged, which is the same to see.
    #[error("the encrypted keys do not open with this passphrase")]
    WrongPassphrase,
    /// None of these identities is a recipient, or the header is damaged, which is the same to see.
    #[error("the encrypted keys are not for any of these identities")]
    NotARecipient,
    /// A passphrase seals it, and identities were given.
    #[error("the encrypted keys open with a passphrase, not with an identity")]
    NeedsPassphrase,
    /// It is for recipients, and a passphrase was given.
    #[error("the encrypted keys open with the identity of a recipient, not with a passphrase")]
    NeedsIdentity,
    /// Somebody wants this host to work for it.
    #[error("the encrypted keys ask for 2^{work} KiB of memory to be opened, and at most 2^{MAX_WORK} KiB are given")]
    TooCostly {
        /// scrypt's work factor.
        work: u8,
    },
    /// A later release of ours, or of age.
    #[error("the encrypted keys are of a later form")]
    Newer,
    /// It is not what was sealed.
    #[error("the encrypted keys are damaged")]
    Damaged(#[from] Flaw),
    /// The passphrase's file.
    #[error(transparent)]
    Passphrase(#[from] key_file::Error),
    /// A passphrase that age could not be told.
    #[error("passphrase file {} holds what cannot be typed: control characters, more than one line, or no UTF-8", .path.display())]
    Untypable {
        /// The file.
        path: PathBuf,
    },
    /// The identity's file is not there or cannot be read.
    #[error("identity file {} cannot be read", .path.display())]
    IdentityUnreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// Others than its owner may read the identity's file.
    #[error("identity file {} is open to others (mode {mode:04o})", .path.display())]
    IdentityExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is no identity in it.
    #[error("identity file {} {flaw}", .path.display())]
    IdentityUnusable {
        /// The file.
        path: PathBuf,
        /// What is the matter.
        flaw: IdentityFlaw,
    },
}

/// Why something cannot be in a vault.
#[derive(Debug, thiserror::Error)]
pub enum Unsealable {
    /// For nobody.
    #[error("no recipient is named")]
    NoRecipient,
    /// For too many.
    #[error("{count} recipients are named, and {MAX_RECIPIENTS} are the most")]
    Recipients {
        /// How many.
        count: usize,
    },
    /// More than private keys ever take.
    #[error("they would take {bytes} bytes, and {MAX_VAULT} are the most")]
    TooLarge {
        /// Bytes, encrypted.
        bytes: u64,
    },
    /// A path of the host.
    #[error("{from:?} is no absolute path, or not written in UTF-8")]
    From {
        /// The path.
        from: PathBuf,
    },
    /// A path that tar's plain form cannot say.
    #[error("{path} is too long for tar: 100 bytes for the file's name, 155 for its folder")]
    Long {
        /// The path in the vault.
        path: KeptPath,
    },
    /// Two files in one place.
    #[error("{path} is there twice, or in another file's place")]
    Clash {
        /// The path in the vault.
        path: KeptPath,
    },
}

/// What is the matter with a vault.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// Larger than any that we write.
    #[error("they have more than {MAX_VAULT} bytes")]
    TooLarge,
    /// No header of an age file.
    #[error("they do not begin as an age file does")]
    Header,
    /// Its header is not as it was written.
    #[error("their header was changed")]
    HeaderChanged,
    /// Its end is missing.
    #[error("they are cut short")]
    Cut,
    /// Its content is not as it was written.
    #[error("their content was changed")]
    Changed,
    /// What is in it is no tar of ours.
    #[error("what they hold is no archive of ours")]
    Tar(#[source] BadArchive),
    /// What is in it is not what it says.
    #[error("what they hold contradicts itself: {0}")]
    List(&'static str),
}

/// Why a file is no identity file. Lines count from 1; none is ever quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityFlaw {
    /// It is encrypted itself.
    Encrypted,
    /// A key of ssh or openssl.
    OtherKey,
    /// An identity that only another program can use.
    Plugin(usize),
    /// The other half of the pair.
    Public(usize),
    /// Nothing known.
    Line(usize),
    /// Nothing but comments, or nothing.
    None,
}

impl fmt::Display for IdentityFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityFlaw::Encrypted => f.write_str("is encrypted itself"),
            IdentityFlaw::OtherKey => f.write_str("holds a key of another kind than age's"),
            IdentityFlaw::Plugin(line) => write!(f, "names a plugin on line {line}, which is another program's to use"),
            IdentityFlaw::Public(line) => write!(f, "holds a recipient on line {line}, which opens nothing"),
            IdentityFlaw::Line(line) => write!(f, "holds no identity of age's on line {line}"),
            IdentityFlaw::None => f.write_str("holds no identity of age's"),
        }
    }
}

impl Trouble for VaultError {
    fn class(&self) -> Class {
        match self {
            VaultError::Unsealable(_)
            | VaultError::WrongPassphrase
            | VaultError::NotARecipient
            | VaultError::NeedsPassphrase
            | VaultError::NeedsIdentity
            | VaultError::Newer
            | VaultError::Untypable { .. }
            | VaultError::IdentityExposed { .. }
            | VaultError::IdentityUnusable { .. } => Class::Usage,
            VaultError::TooCostly { .. } => Class::Refused,
            VaultError::Damaged(_) => Class::Damaged,
            VaultError::Passphrase(error) => error.class(),
            VaultError::IdentityUnreadable { cause, .. } if cause.kind() == io::ErrorKind::NotFound => Class::Usage,
            VaultError::IdentityUnreadable { .. } => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            VaultError::Unsealable(_) => "vault-unsealable",
            VaultError::WrongPassphrase => "passphrase-wrong",
            VaultError::NotARecipient => "not-a-recipient",
            VaultError::NeedsPassphrase => "passphrase-missing",
            VaultError::NeedsIdentity => "identity-missing",
            VaultError::TooCostly { .. } => "vault-too-costly",
            VaultError::Newer => "vault-newer",
            VaultError::Damaged(_) => "vault-damaged",
            VaultError::Passphrase(error) => error.code(),
            VaultError::Untypable { .. } => "passphrase-unusable",
            VaultError::IdentityUnreadable { .. } => "identity-unreadable",
            VaultError::IdentityExposed { .. } => "identity-exposed",
            VaultError::IdentityUnusable { .. } => "identity-unusable",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            VaultError::Unsealable(Unsealable::NoRecipient) => {
                Some("`age-keygen -o identity` makes a pair: name its public half, and keep the file elsewhere".into())
            }
            VaultError::Unsealable(Unsealable::Recipients { .. }) => {
                Some("let those who share the duty share an identity, too".into())
            }
            VaultError::Unsealable(Unsealable::TooLarge { .. }) => Some(
                "private files are keys and passwords: see which one that the configuration names is so large".into(),
            ),
            VaultError::Unsealable(Unsealable::From { .. } | Unsealable::Long { .. } | Unsealable::Clash { .. }) => {
                Some("give the file another name, in the configuration too".into())
            }
            VaultError::WrongPassphrase => Some("`age -d keys.age` tries one by hand".into()),
            VaultError::NotARecipient => Some("`age-keygen -y FILE` shows whose identity a file is".into()),
            VaultError::NeedsPassphrase => Some("name the file that holds it with --passphrase-file".into()),
            VaultError::NeedsIdentity => Some("name the identity's file with --identity".into()),
            VaultError::TooCostly { .. } => {
                Some("if you made it so yourself, `age -d keys.age | tar -x` brings the keys back by hand".into())
            }
            VaultError::Newer => Some("take the release of bivouac that lies beside it, in tool/".into()),
            VaultError::Passphrase(error) => error.hint(),
            VaultError::Untypable { .. } => Some("one line of text; a newline behind it is dropped".into()),
            VaultError::IdentityUnreadable { .. } => None,
            VaultError::IdentityExposed { path, .. } => Some(format!(
                "chmod 600 {0}; where no modes can be kept, copy it: install -m 600 {0} /root/identity",
                path.display()
            )),
            VaultError::IdentityUnusable { path, flaw: IdentityFlaw::Encrypted } => {
                Some(format!("decrypt it first: (umask 077 && age -d {} > identity)", path.display()))
            }
            VaultError::IdentityUnusable { flaw: IdentityFlaw::Public(_), .. } => {
                Some("the identity is the file that age-keygen wrote, with AGE-SECRET-KEY-1…".into())
            }
            VaultError::IdentityUnusable { flaw: IdentityFlaw::Plugin(_) | IdentityFlaw::OtherKey, .. } => {
                Some("`age -d -i FILE keys.age | tar -x` brings the keys back by hand".into())
            }
            VaultError::IdentityUnusable { flaw: IdentityFlaw::Line(_) | IdentityFlaw::None, .. }
            | VaultError::Damaged(_) => None,
        }
    }
}
