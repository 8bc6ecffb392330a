//! Packages by content; nothing in it ever changes.
//!
//! ```text
//! <store>/pool/
//! ├── objects/ab/<64 hex>      a whole package file, by its SHA-256; 0444
//! ├── incoming/<40 hex>.part   a package that is arriving, by its identity; 0600, or 0444 once it is complete
//! ├── incoming/<64 hex>.part   an object that is restored, by its SHA-256; likewise
//! └── refs                     text, appended: `<identity hex> <size> <object hex> <name> <version>` a line
//! ```
//!
//! What always holds:
//! - A file under `objects/` is whole and was verified, when it came or before the backup from which it was restored: it gets its name only after its bytes are on the medium, by a rename
//!   within the file system. It is never written again; the public tree holds hard links to it.
//! - A file under `incoming/` is nothing to trust. It may be torn by a crash or power loss; the next [`Pool::begin`] of that
//!   identity hands it out for verifying again, so that what is good of it is not fetched twice.
//! - `refs` may name objects that are not there (a crash between its line and the rename, a prune): a line counts only while
//!   its object exists with that size. A lost or torn line costs one more download of that package, nothing else.
//!
//! The order of a commit, in batches: flush the file system; append to `refs`, flushed; rename into `objects/`; at the end of
//! [`Pool::commit`] flush the file system again, which makes the names safe. Flushing once for a thousand files instead of
//! each of them is what lets a first sync keep up with tools that flush nothing.
//!
//! A restore knows its objects by their SHA-256 alone. Its batches are flushed and renamed in the same way; what `refs` said of
//! them is added at the end, so that a line costs no flush of its own. One that was killed leaves objects without a line, which
//! the same restore, run again, gives them. A repair does the same for single objects: what lies in the place of a damaged one
//! stays until the right bytes, whole and flushed, take its name; the trees' links to it are the repair's to replace.
//!
//! Who locks: one process at a time has the pool open for writing, under the store's lock. Within it a [`Pool`] is one handle
//! for all threads. Readers (serving, hashing) need no lock: objects do not change, and one that is removed while it is read
//! stays readable to its reader.

mod audit;
mod objects;
mod refs;
mod restored;
mod sweep;

pub use audit::AuditReport;
pub use objects::{Incoming, Pool};
pub use refs::{Ref, parse_refs};
pub use restored::{Arriving, Found, Put, RestoreError, Restoring};
pub use sweep::{STALE_PART, Stored};

use std::path::PathBuf;

use crate::apk::Identity;
use crate::disk::durable;
use crate::error::{Class, Trouble};

/// Why the pool did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two parts of this program fetch the same package at once. A bug.
    #[error("package {identity} is already arriving")]
    Busy {
        /// Its identity.
        identity: Identity,
    },
    /// What was written is not what was verified. A bug.
    #[error("package {identity}: {written} bytes were written, {verified} verified")]
    Unmatched {
        /// The identity of the package that was written.
        identity: Identity,
        /// Bytes in the pool's file.
        written: u64,
        /// Bytes that were verified.
        verified: u64,
    },
    /// A file that was verified had other bytes when it was taken in.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The file, one of a source's.
        path: PathBuf,
    },
    /// The host did not do it.
    #[error(transparent)]
    Disk(#[from] durable::Error),
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Busy { .. } | Error::Unmatched { .. } => Class::Host,
            Error::Changed { .. } => Class::Upstream,
            Error::Disk(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Busy { .. } | Error::Unmatched { .. } => "bug",
            Error::Changed { .. } => "changed-meanwhile",
            Error::Disk(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Busy { .. } | Error::Unmatched { .. } | Error::Changed { .. } => None,
            Error::Disk(error) => error.hint(),
        }
    }
}
