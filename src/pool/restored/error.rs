//! Why an object was not taken in.

use std::io;

use super::super::Error;
use crate::apk::ObjectId;
use crate::disk::durable;
use crate::error::{Class, Trouble};

/// Why an object was not taken in. Nothing is left of it, and what lay in its place before still does.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Its bytes did not come: the medium's trouble.
    #[error("the bytes of object {object} cannot be read")]
    Read {
        /// The object.
        object: ObjectId,
        /// What the reader said.
        #[source]
        cause: io::Error,
    },
    /// Other bytes came than the list vouches for.
    #[error("what should be object {object} of {size} bytes is {found}")]
    WrongBytes {
        /// The object.
        object: ObjectId,
        /// Its size in bytes.
        size: u64,
        /// What came.
        found: Found,
    },
    /// Two parts of this program restore the same object at once. A bug.
    #[error("object {object} is already arriving")]
    Busy {
        /// The object.
        object: ObjectId,
    },
    /// The pool's own disk did not do it.
    #[error(transparent)]
    Pool(#[from] Error),
}

/// Bytes that came instead of an object's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// As many, with another SHA-256.
    Digest(ObjectId),
    /// So many, and no more.
    Fewer(u64),
    /// More; reading stopped there.
    More,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Found::Digest(digest) => write!(f, "other bytes, with the SHA-256 {digest}"),
            Found::Fewer(size) => write!(f, "{size} bytes long"),
            Found::More => f.write_str("longer"),
        }
    }
}

impl From<durable::Error> for RestoreError {
    fn from(error: durable::Error) -> Self {
        RestoreError::Pool(error.into())
    }
}

impl Trouble for RestoreError {
    fn class(&self) -> Class {
        match self {
            RestoreError::Read { .. } => Class::Upstream,
            RestoreError::WrongBytes { .. } => Class::Damaged,
            RestoreError::Busy { .. } => Class::Host,
            RestoreError::Pool(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            RestoreError::Read { .. } => "medium",
            RestoreError::WrongBytes { .. } => "object-damaged",
            RestoreError::Busy { .. } => "bug",
            RestoreError::Pool(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            RestoreError::Pool(error) => error.hint(),
            RestoreError::Read { .. } | RestoreError::WrongBytes { .. } | RestoreError::Busy { .. } => None,
        }
    }
}
