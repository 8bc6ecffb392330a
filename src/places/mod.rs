//! Where files of ours go that leave this host: a folder, a mounted disk; later an object store.
//!
//! What always holds of a [`Place`]: a file has its name only when it is whole and on the medium; a file that is there is
//! never written to. Names are paths of plain segments below the place, made by us alone. The folders on their way are the
//! place's own: a link among them leads to somebody else's files, and ends whatever is done.
//!
//! [`archive`] is the tar that such files are.

pub mod archive;
mod folder;

use std::fmt;
use std::io::Read;

use crate::disk::durable;
use crate::error::{Class, Trouble};

pub use folder::Folder;

/// A place's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Holds files.
pub trait Place: fmt::Debug + Send + Sync {
    /// How an operator knows it.
    fn shown(&self) -> String;
    /// The names in a folder, in order; none where there is no folder. What a stopped run left half written is not listed.
    fn list(&self, folder: &str) -> Result<Vec<String>>;
    /// A file's bytes; none where it is not there.
    fn length(&self, file: &str) -> Result<Option<u64>>;
    /// Reads `length` bytes from `from` on, or up to the file's end; a file that is not there is an error.
    fn read(&self, file: &str, from: u64, length: u64) -> Result<Box<dyn Read + Send>>;
    /// Begins a new file, with the folder that it lies in. Nobody sees it before [`Upload::put`]; dropped, it never was.
    fn begin(&self, file: &str) -> Result<Box<dyn Upload>>;
    /// Has a file run as a program, where the place knows of such a thing.
    fn let_run(&self, file: &str);
    /// Removes a file; one that is not there is fine.
    fn remove(&self, file: &str) -> Result<()>;
    /// Bytes that may still be written; none where nobody can say.
    fn free(&self) -> Result<Option<u64>>;
    /// Takes the place for writing until what is returned is dropped. Does not wait.
    fn lock(&self) -> Result<Box<dyn Held>>;
    /// Removes what stopped runs left half written. The caller holds the lock.
    fn sweep(&self, folder: &str) -> Result<()>;
}

/// A place that is held for writing.
pub trait Held: fmt::Debug + Send {}

/// A file that is being written.
pub trait Upload: fmt::Debug + Send {
    /// Adds bytes at the end.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
    /// Gives the file its name; whole and on the medium when this returns. One that is there is an error.
    fn put(self: Box<Self>) -> Result<()>;
    /// The same in place of a file that is there.
    fn replace(self: Box<Self>) -> Result<()>;
}

/// Why a place did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The medium said no.
    #[error(transparent)]
    Medium(durable::Error),
    /// A name that is taken is to be given again.
    #[error("{file} is there already")]
    Taken {
        /// The file, as an operator knows it.
        file: String,
    },
    /// A link is where a folder or file of the place's own must be.
    #[error("{path} is a link, which may lead anywhere: nothing there is read, written or removed")]
    Link {
        /// The link, as an operator knows it.
        path: String,
    },
    /// Another run writes there.
    #[error("another run writes to {place}")]
    Held {
        /// The place, as an operator knows it.
        place: String,
    },
}

impl From<durable::Error> for Error {
    fn from(error: durable::Error) -> Self {
        Error::Medium(error)
    }
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            // A full disk and a read-only mount are the operator's to mend; a disk that was pulled out may come back.
            Error::Medium(error) => match error.code() {
                "disk" => Class::Upstream,
                _ => Class::Host,
            },
            Error::Taken { .. } => Class::Host,
            Error::Link { .. } => Class::Damaged,
            Error::Held { .. } => Class::Locked,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Medium(error) => match error.code() {
                "disk" => "medium",
                code => code,
            },
            Error::Taken { .. } => "bug",
            Error::Link { .. } => "target-damaged",
            Error::Held { .. } => "locked",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Medium(error) => match error.code() {
                "disk" => {
                    Some("is the medium still there? Run again when it is: what was stored so far is kept".into())
                }
                "read-only" => Some("mount it for writing, then run again".into()),
                _ => error.hint(),
            },
            Error::Taken { .. } => None,
            Error::Link { .. } => Some("find out who put it there, remove it, and run again".into()),
            Error::Held { .. } => Some("let it end, then run again".into()),
        }
    }
}
