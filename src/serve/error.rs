//! Why the server cannot serve.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::disk::private_file::Unread;
use crate::error::{Class, Trouble};

/// Why the server cannot serve, or goes on with what it had. `what` is the configuration's key; nothing of a secret is told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not ours to take.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not there or cannot be read.
    #[error("{what} {} cannot be read", .path.display())]
    Unreadable {
        /// The key that names it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read the file.
    #[error("{what} {} is open to others (mode {mode:04o})", .path.display())]
    Exposed {
        /// The key that names it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file's content is not what belongs there.
    #[error("{what} {} {flaw}", .path.display())]
    Unusable {
        /// The key that names it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        flaw: String,
    },
    /// Certificate and key are each in order, and not of one pair.
    #[error("serve.tls.cert {} and serve.tls.key {} do not belong together", .certificate.display(), .key.display())]
    OtherPair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

impl Error {
    /// Of a file that holds a secret.
    pub(super) fn of_secret(what: &'static str, path: &Path, unread: Unread) -> Error {
        let path = path.to_owned();
        match unread {
            Unread::Io(source) => Error::Unreadable { what, path, source },
            Unread::Exposed { mode } => Error::Exposed { what, path, mode },
        }
    }

    pub(super) fn unusable(what: &'static str, path: &Path, flaw: impl Into<String>) -> Error {
        Error::Unusable { what, path: path.to_owned(), flaw: flaw.into() }
    }
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Listen { .. } => Class::Host,
            Error::Unreadable { source, .. } if source.kind() != io::ErrorKind::NotFound => Class::Host,
            Error::Unreadable { .. } | Error::Exposed { .. } | Error::Unusable { .. } | Error::OtherPair { .. } => {
                Class::Usage
            }
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Listen { .. } => "cannot-listen",
            Error::Unreadable { .. } => "serve-unreadable",
            Error::Exposed { .. } => "serve-exposed",
            Error::Unusable { .. } => "serve-unusable",
            Error::OtherPair { .. } => "serve-cert-mismatch",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some("choose another with --listen; port 0 takes any that is free".to_owned())
            }
            Error::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Some(
                "whoever serves must be able to read it; under systemd, LoadCredential= hands over what root alone reads"
                    .to_owned(),
            ),
            Error::Exposed { path, .. } => Some(format!("chmod 600 {}", path.display())),
            Error::OtherPair { .. } => {
                Some("the server's own certificate comes first in its file, then those that lead to its authority".to_owned())
            }
            Error::Listen { .. } | Error::Unreadable { .. } | Error::Unusable { .. } => None,
        }
    }
}
