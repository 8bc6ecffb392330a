//! Backups of our own state: written here, read there, without us if need be.
//!
//! ```text
//! <target>/
//! ├── bivouac-backup               the marker: `bivouac backup 1 <32 hex>`; see target
//! ├── README.txt                   how to read all of this with tar, sha256sum and openssl
//! ├── lock                         flock(2) while somebody writes here
//! ├── backups/<id>.tar             one backup; see snapshot::backup
//! ├── segments/<id>.<n>.tar        objects: `objects/<64 hex>` whole, `deltas/<64 hex>` over another one; see segment
//! └── tool/bivouac-<8 hex>         the program that wrote it
//! ```
//!
//! What always holds:
//! - Nothing is written where the marker is not: an unmounted mount point has none.
//! - A file has its name only when it is whole and on the medium, and is not written to again. [`prune`] alone removes
//!   files, none that a kept backup names, and replaces backups (with others that say the same of moved objects).
//! - A backup is there with its file under `backups/`, which comes last: what it names is on the medium before it. Segments
//!   that no backup names are of a run that was stopped; the next one hashes them, and uses what is good.
//! - An object is stored once, whatever number of backups name it. One that is stored as a delta is over one that is stored
//!   whole, so that two reads bring back anything.
//! - What is read is believed for its SHA-256 alone, and that for the signature over the backup that names it.
//! - Private files are in [`vault`] and nowhere else.
//!
//! Who locks: whoever writes holds [`Place::lock`](crate::places::Place::lock). Readers hold nothing; one that meets a prune
//! finds a segment gone, and says so.

pub mod catalog;
pub mod restore;
pub mod save;
pub mod segment;
pub mod target;
pub mod vault;

use std::io;

use crate::apk::names::KeyName;
use crate::apk::{KeyId, ObjectId};
use crate::error::{Class, Trouble};
use crate::places::{self, archive};
use crate::pool::RestoreError;
use crate::sign;
use crate::snapshot::backup::{BackupId, BadBackup, SegmentName, TargetId};

pub use catalog::{Backup, Unverified};
pub use segment::Segments;
pub use target::Target;
pub use vault::Vault;

/// Why a backup was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No marker, so no target of ours.
    #[error("there is no backup target at {place}")]
    NoMarker {
        /// The place.
        place: String,
    },
    /// The marker says nothing known.
    #[error("the marker of the backup target {place} is damaged: it says {text:?}")]
    BadMarker {
        /// The place.
        place: String,
        /// Its beginning.
        text: String,
    },
    /// A later release made it.
    #[error("the backup target {place} is of a later form: {text:?}")]
    NewerTarget {
        /// The place.
        place: String,
        /// What its marker says.
        text: String,
    },
    /// Other people's files lie where a target is to be made.
    #[error("{place} is not empty: it holds {found:?}")]
    Foreign {
        /// The place.
        place: String,
        /// One of the files in it.
        found: String,
    },
    /// A target is there already.
    #[error("{place} is a backup target already")]
    Target {
        /// The place.
        place: String,
    },
    /// The folder of a target is not there.
    #[error("there is no folder {place}")]
    NoFolder {
        /// The place.
        place: String,
    },
    /// A backup's file is no archive of ours, or cut short.
    #[error("backup {id} in {place} is damaged")]
    Archive {
        /// Which.
        id: BackupId,
        /// The target.
        place: String,
        /// What is wrong.
        #[source]
        cause: archive::BadArchive,
    },
    /// A backup's file holds something else than it must.
    #[error("backup {id} in {place} is damaged: {what}")]
    Contents {
        /// Which.
        id: BackupId,
        /// The target.
        place: String,
        /// What is missing or too much.
        what: String,
    },
    /// What it says is signed, and cannot be.
    #[error("backup {id} in {place} is damaged")]
    Manifest {
        /// Which.
        id: BackupId,
        /// The target.
        place: String,
        /// What is wrong.
        #[source]
        cause: BadBackup,
    },
    /// What is to be signed is not what a reader would take.
    #[error("backup {id} is not signed: it would not read")]
    Unsound {
        /// Which.
        id: BackupId,
        /// What is wrong.
        #[source]
        cause: BadBackup,
    },
    /// Nobody signed it.
    #[error("backup {id} in {place} is not signed")]
    Unsigned {
        /// Which.
        id: BackupId,
        /// The target.
        place: String,
    },
    /// A signature that is not over this manifest.
    #[error("backup {id} in {place}: the signature of {signer} is not over its manifest")]
    BadSignature {
        /// Which.
        id: BackupId,
        /// The target.
        place: String,
        /// The key.
        signer: KeyName,
    },
    /// Another key signed it than those that are trusted.
    #[error("backup {id} in {place} is signed by {}", keys(signers))]
    UnknownSigner {
        /// Which.
        id: BackupId,
        /// The target.
        place: String,
        /// Who signed it, by good signatures.
        signers: Vec<KeyId>,
    },
    /// A backup under another one's name.
    #[error("{place} has backup {found} under the name of {id}")]
    Misnamed {
        /// The name.
        id: BackupId,
        /// The target.
        place: String,
        /// What it is.
        found: BackupId,
    },
    /// A backup of another target.
    #[error("backup {id} in {place} was made on another target: {found}")]
    Misplaced {
        /// Which.
        id: BackupId,
        /// The target.
        place: String,
        /// Where it was made.
        found: TargetId,
    },
    /// A segment that a backup names is not there, or is shorter than it was.
    #[error("the segment {segment} in {place} is {}", match found { None => "missing".to_owned(), Some(found) => format!("cut short: it has {found} bytes of {expected}") })]
    Segment {
        /// Which.
        segment: SegmentName,
        /// The target.
        place: String,
        /// Bytes that are there.
        found: Option<u64>,
        /// Bytes that there must be.
        expected: u64,
    },
    /// The medium gives other bytes than were stored.
    #[error("object {object} in the segment {segment} is damaged")]
    Object {
        /// The object.
        object: ObjectId,
        /// Where it is.
        segment: SegmentName,
    },
    /// The medium does not give its bytes.
    #[error("cannot read {file} in {place}")]
    Read {
        /// The file.
        file: String,
        /// The target.
        place: String,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// A file changed while it was read.
    #[error("object {object} changed while it was backed up")]
    Changed {
        /// The object.
        object: ObjectId,
    },
    /// It does not fit.
    #[error("{place} has {free} bytes free, and this backup takes about {needed}")]
    TooLittleSpace {
        /// The target.
        place: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The pool of this host did not take it.
    #[error(transparent)]
    Pool(#[from] RestoreError),
    /// The place did not do it.
    #[error(transparent)]
    Place(#[from] places::Error),
    /// No signature came.
    #[error(transparent)]
    Sign(#[from] sign::Error),
}

fn keys(keys: &[KeyId]) -> String {
    let shown: Vec<String> = keys.iter().map(|key| format!("{} (SHA-256 {})", key.name, key.fingerprint)).collect();
    shown.join(" and ")
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::NoMarker { .. } | Error::NoFolder { .. } | Error::Read { .. } => Class::Upstream,
            Error::Foreign { .. } | Error::Target { .. } | Error::NewerTarget { .. } => Class::Usage,
            Error::Unsigned { .. }
            | Error::BadSignature { .. }
            | Error::UnknownSigner { .. }
            | Error::Misnamed { .. }
            | Error::Misplaced { .. } => Class::Refused,
            Error::BadMarker { .. }
            | Error::Archive { .. }
            | Error::Contents { .. }
            | Error::Segment { .. }
            | Error::Object { .. } => Class::Damaged,
            Error::Manifest { cause: BadBackup::Newer(_), .. } => Class::Usage,
            Error::Manifest { .. } => Class::Damaged,
            Error::Unsound { .. } | Error::Changed { .. } | Error::TooLittleSpace { .. } => Class::Host,
            Error::Pool(error) => error.class(),
            Error::Place(error) => error.class(),
            Error::Sign(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NoMarker { .. } | Error::NoFolder { .. } => "no-target",
            Error::BadMarker { .. } => "target-damaged",
            Error::Foreign { .. } => "target-foreign",
            Error::Target { .. } => "target-exists",
            Error::NewerTarget { .. } => "target-newer",
            Error::Archive { .. } | Error::Contents { .. } | Error::Manifest { .. } => "backup-damaged",
            Error::Unsound { .. } => "bug",
            Error::Unsigned { .. } => "unsigned",
            Error::BadSignature { .. } => "bad-signature",
            Error::UnknownSigner { .. } => "unknown-signer",
            Error::Misnamed { .. } | Error::Misplaced { .. } => "backup-misplaced",
            Error::Segment { found: None, .. } => "segment-missing",
            Error::Segment { found: Some(_), .. } => "segment-cut",
            Error::Object { .. } => "object-damaged",
            Error::Read { .. } => "medium",
            Error::Changed { .. } => "changed-meanwhile",
            Error::TooLittleSpace { .. } => "disk-full",
            Error::Pool(error) => error.code(),
            Error::Place(error) => error.code(),
            Error::Sign(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::NoMarker { .. } => {
                Some("is the disk mounted? A new one is made a target by `bivouac backup init`".into())
            }
            Error::NoFolder { .. } => Some("mount the disk, or make the folder, then `bivouac backup init`".into()),
            Error::Foreign { .. } => Some("give the target a folder of its own".into()),
            Error::Target { .. } => None,
            Error::NewerTarget { .. } | Error::Manifest { cause: BadBackup::Newer(_), .. } => {
                Some("take the release of bivouac that lies beside it, in tool/".into())
            }
            Error::Read { .. } => Some("mount the medium again, and try another reader".into()),
            Error::TooLittleSpace { .. } => {
                Some("free space there (`bivouac backup prune`), or take a larger disk".into())
            }
            Error::BadMarker { .. }
            | Error::Archive { .. }
            | Error::Contents { .. }
            | Error::Manifest { .. }
            | Error::Segment { .. }
            | Error::Object { .. } => Some("`bivouac backup check` lists all that is damaged".into()),
            Error::Unsigned { .. } | Error::BadSignature { .. } | Error::Misnamed { .. } | Error::Misplaced { .. } => {
                Some("do not trust it: find out who wrote to the disk".into())
            }
            Error::Unsound { .. } | Error::UnknownSigner { .. } | Error::Changed { .. } => None,
            Error::Pool(error) => error.hint(),
            Error::Place(error) => error.hint(),
            Error::Sign(error) => error.hint(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests leave states behind by hand")]
mod tests;
