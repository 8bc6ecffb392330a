use std::path::PathBuf;

use crate::disk::durable;
use crate::error::{Class, Trouble};
use crate::snapshot::accepted::Damage;

/// Why a record was not loaded or saved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] durable::Error),
    /// A record that must be there is not.
    #[error("the store's record {} is missing", .0.display())]
    Missing(PathBuf),
    /// A record does not parse.
    #[error("the store's record {} is damaged", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An accepted index is not what was accepted.
    #[error("the store's record {} is damaged", path.display())]
    Accepted {
        /// Its folder.
        path: PathBuf,
        /// What differs.
        #[source]
        cause: Damage,
    },
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Disk(error) => error.class(),
            Error::Missing(_) | Error::Unreadable { .. } | Error::Accepted { .. } => Class::Damaged,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Disk(error) => error.code(),
            Error::Missing(_) => "record-missing",
            Error::Unreadable { .. } | Error::Accepted { .. } => "record-damaged",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Disk(error) => error.hint(),
            Error::Accepted { cause: Damage::Index, .. } => {
                Some("`bivouac repair` brings it back if somebody has it".into())
            }
            Error::Missing(_) | Error::Unreadable { .. } | Error::Accepted { .. } => None,
        }
    }
}
