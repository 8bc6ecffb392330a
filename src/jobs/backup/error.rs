//! Why no backup was made.

use std::io;
use std::path::PathBuf;

use crate::apk::BackupName;
use crate::backup::{self, vault};
use crate::error::{Class, Trouble};

/// Why no backup was made, or none could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CannotBackup {
    /// No target is configured.
    #[error("no backup is configured")]
    NoneConfigured,
    /// None has this name.
    #[error("no backup is named \"{name}\"")]
    NoSuchBackup {
        /// The name as typed.
        name: BackupName,
        /// The nearest one that is.
        nearest: Option<BackupName>,
    },
    /// Nobody signs.
    #[error("a backup is signed, and no key of ours is configured")]
    Unsigned,
    /// Backups that another operator made lie there.
    #[error("the target {place} holds backups of another operator's: {id} is signed by {signer}")]
    OtherOperator {
        /// The target.
        place: String,
        /// One of them.
        id: String,
        /// Who signed it.
        signer: String,
    },
    /// A file whose name a backup cannot hold.
    #[error("{} has a name that a backup cannot hold", path.display())]
    Path {
        /// The file.
        path: PathBuf,
    },
    /// The program that is to lie beside it.
    #[error("the program {} cannot be read", path.display())]
    Tool {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A private file cannot be read.
    #[error("{} cannot be read, which is to be stored encrypted", path.display())]
    Private {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The encrypted part.
    #[error(transparent)]
    Vault(#[from] vault::VaultError),
    /// The target.
    #[error(transparent)]
    Target(#[from] backup::Error),
}

impl Trouble for CannotBackup {
    fn class(&self) -> Class {
        match self {
            CannotBackup::NoneConfigured | CannotBackup::NoSuchBackup { .. } | CannotBackup::Unsigned => Class::Usage,
            CannotBackup::OtherOperator { .. } => Class::Refused,
            CannotBackup::Path { .. } | CannotBackup::Tool { .. } | CannotBackup::Private { .. } => Class::Host,
            CannotBackup::Vault(error) => error.class(),
            CannotBackup::Target(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            CannotBackup::NoneConfigured | CannotBackup::NoSuchBackup { .. } => "no-such-backup",
            CannotBackup::Unsigned => "unsigned",
            CannotBackup::OtherOperator { .. } => "target-foreign",
            CannotBackup::Path { .. } => "bad-path",
            CannotBackup::Tool { .. } => "tool",
            CannotBackup::Private { .. } => "key-unreadable",
            CannotBackup::Vault(error) => error.code(),
            CannotBackup::Target(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CannotBackup::NoneConfigured => Some("write [backups.disk] with a target into bivouac.toml".into()),
            CannotBackup::NoSuchBackup { nearest, .. } => {
                nearest.as_ref().map(|nearest| format!("did you mean \"{nearest}\"?"))
            }
            CannotBackup::Unsigned => {
                Some("`bivouac key new` makes one; name it under [signing] in bivouac.toml".into())
            }
            CannotBackup::OtherOperator { .. } => Some(
                "give each mirror a target of its own; if it was yours, name its key with `bivouac restore`".into(),
            ),
            CannotBackup::Path { .. } => Some("give it a plain name".into()),
            CannotBackup::Tool { .. } | CannotBackup::Private { .. } => None,
            CannotBackup::Vault(error) => error.hint(),
            CannotBackup::Target(error) => error.hint(),
        }
    }
}
