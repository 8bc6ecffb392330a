//! The stages' errors, joined: what ends a whole job. What concerns one index of a source ends up in its report instead.

use std::path::PathBuf;

use super::backup::CannotBackup;
use super::bundle::CannotBundle;
use super::keyring;
use super::keyring_package::NoPackage;
use super::publish::CannotShow;
use super::restore::CannotRestore;
use super::rotate::CannotRotate;
use super::states::NoState;
use super::sync::Shortage;
use crate::apk::names::{KeyName, PackageName, RepositoryName, SourceName};
use crate::disk::{durable, layout, lock};
pub(super) use crate::error::in_one_line;
use crate::error::{Class, Trouble};
use crate::{ledger, pool, publish, sign, sources};

/// Why a job ended before its work was done. The former state is in force.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store, or the public link's place, is not ours.
    #[error(transparent)]
    Layout(#[from] layout::Error),
    /// Another run holds the lock.
    #[error(transparent)]
    Lock(#[from] lock::Error),
    /// A record of ours.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// A package could not be taken in.
    #[error(transparent)]
    Pool(#[from] pool::Error),
    /// No tree was made.
    #[error(transparent)]
    Publish(#[from] publish::Error),
    /// A source could not be set up, or this host could not keep what it sent.
    #[error(transparent)]
    Source(#[from] sources::Error),
    /// No signature came.
    #[error(transparent)]
    Sign(#[from] sign::Error),
    /// A source trusts another key under our key's name.
    #[error("source \"{of}\" trusts another key under the name of ours, {name}; a client could have only one of them")]
    Namesake {
        /// The name.
        name: KeyName,
        /// The source.
        of: SourceName,
    },
    /// Which of our keys sign is not remembered, and what is live was signed by another than the configured one.
    #[error("{} is gone, which says who signs; what is live was signed by {signed}", path.display())]
    KeysForgotten {
        /// The record.
        path: PathBuf,
        /// The newest key that signed what is live.
        signed: KeyName,
    },
    /// Keys of ours stay as they are.
    #[error(transparent)]
    CannotRotate(#[from] CannotRotate),
    /// No key was made.
    #[error(transparent)]
    NewKey(#[from] Box<super::keys::Error>),
    /// The package that brings our keys to clients.
    #[error(transparent)]
    KeyringPackage(Box<NoPackage>),
    /// All that would be published comes in bundles, and none came yet.
    #[error("nothing to publish: no bundle was imported yet for source {}", names(sources))]
    NothingImported {
        /// The sources.
        sources: Vec<SourceName>,
    },
    /// A bundle's medium, or what a delta of it is over.
    #[error(transparent)]
    Bundle(Box<crate::bundle::Error>),
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] durable::Error),
    /// What was named is no state of ours.
    #[error(transparent)]
    NoState(#[from] NoState),
    /// An earlier state cannot be shown again.
    #[error(transparent)]
    CannotShow(#[from] CannotShow),
    /// Public keys that the configuration names.
    #[error("the keyring of source \"{of}\" cannot be read")]
    Keyring {
        /// The source.
        of: SourceName,
        /// Why.
        #[source]
        cause: keyring::Error,
    },
    /// A source's password, certificate or proxy cannot be used.
    #[error("source \"{of}\" cannot be asked")]
    Access {
        /// The source.
        of: SourceName,
        /// Why.
        #[source]
        cause: Box<sources::Error>,
    },
    /// A list of packages that the configuration names.
    #[error("repository \"{of}\": its list {} of packages cannot be used", path.display())]
    List {
        /// The repository.
        of: RepositoryName,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A reserved name that is none.
    #[error("source \"{of}\": a name that it reserves cannot be used")]
    Reserve {
        /// The source.
        of: SourceName,
        /// Why.
        #[source]
        cause: crate::select::BadSelector,
    },
    /// No source lists a package of this name.
    #[error("no source lists a package {name}")]
    NoSuchPackage {
        /// The name.
        name: PackageName,
        /// One that provides it, or one that is spelled much like it.
        nearest: Option<String>,
    },
    /// A selector that is none.
    #[error("repository \"{of}\": a selector of packages cannot be used")]
    Selector {
        /// The repository.
        of: RepositoryName,
        /// Why.
        #[source]
        cause: crate::select::filter::BadSelector,
    },
    /// The command line names what is not configured.
    #[error("no repository is named \"{name}\"")]
    NoSuchRepository {
        /// The name as typed.
        name: RepositoryName,
        /// The nearest one that is.
        nearest: Option<String>,
    },
    /// The command line names a source that is not configured.
    #[error("no source is named \"{name}\"")]
    NoSuchSource {
        /// The name as typed.
        name: SourceName,
        /// The nearest one that is.
        nearest: Option<SourceName>,
    },
    /// No signer of a source is held back, or not the one that was named.
    #[error("no signer of source \"{of}\"{} is held back", key.as_ref().map(|key| format!(" called {key:?}")).unwrap_or_default())]
    NothingHeld {
        /// The source.
        of: SourceName,
        /// The key as typed.
        key: Option<String>,
    },
    /// What a sync would fetch does not fit.
    #[error("{0}")]
    TooLittleSpace(Shortage),
    /// No bundle was made.
    #[error(transparent)]
    CannotBundle(Box<CannotBundle>),
    /// No backup was made.
    #[error(transparent)]
    CannotBackup(Box<CannotBackup>),
    /// Nothing was restored, or not all.
    #[error(transparent)]
    CannotRestore(Box<CannotRestore>),
    /// A part of this program ended before its time. A bug.
    #[error("a part of the program ended unexpectedly")]
    Crashed(#[source] tokio::task::JoinError),
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Layout(error) => error.class(),
            Error::Lock(error) => error.class(),
            Error::Ledger(error) => error.class(),
            Error::Pool(error) => error.class(),
            Error::Publish(error) => error.class(),
            Error::Source(error) => error.class(),
            Error::Sign(error) => error.class(),
            Error::CannotRotate(error) => error.class(),
            Error::NewKey(error) => error.class(),
            Error::KeyringPackage(error) => error.class(),
            Error::Bundle(error) => error.class(),
            Error::Disk(error) => error.class(),
            Error::NoState(error) => error.class(),
            Error::CannotShow(error) => error.class(),
            Error::Keyring { cause, .. } => cause.class(),
            Error::Access { cause, .. } => cause.class(),
            Error::Namesake { .. }
            | Error::List { .. }
            | Error::Selector { .. }
            | Error::Reserve { .. }
            | Error::NoSuchRepository { .. }
            | Error::NoSuchSource { .. }
            | Error::NothingHeld { .. }
            | Error::NoSuchPackage { .. } => Class::Usage,
            Error::NothingImported { .. } => Class::Upstream,
            Error::KeysForgotten { .. } => Class::Damaged,
            Error::CannotBundle(error) => error.class(),
            Error::CannotBackup(error) => error.class(),
            Error::CannotRestore(error) => error.class(),
            Error::TooLittleSpace(_) | Error::Crashed(_) => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Layout(error) => error.code(),
            Error::Lock(error) => error.code(),
            Error::Ledger(error) => error.code(),
            Error::Pool(error) => error.code(),
            Error::Publish(error) => error.code(),
            Error::Source(error) => error.code(),
            Error::Sign(error) => error.code(),
            Error::CannotRotate(error) => error.code(),
            Error::NewKey(error) => error.code(),
            Error::KeyringPackage(error) => error.code(),
            Error::Bundle(error) => error.code(),
            Error::Disk(error) => error.code(),
            Error::NoState(error) => error.code(),
            Error::CannotShow(error) => error.code(),
            Error::Keyring { cause, .. } => cause.code(),
            Error::Access { cause, .. } => cause.code(),
            Error::KeysForgotten { .. } => "record-missing",
            Error::NothingImported { .. } => "nothing-imported",
            Error::Namesake { .. } => "key-same-name",
            Error::List { .. } => "bad-list",
            Error::Selector { .. } | Error::Reserve { .. } => "bad-selector",
            Error::NoSuchRepository { .. } => "no-such-repository",
            Error::NoSuchPackage { .. } => "no-such-package",
            Error::NoSuchSource { .. } => "no-such-source",
            Error::NothingHeld { .. } => "nothing-held",
            Error::CannotBundle(error) => error.code(),
            Error::CannotBackup(error) => error.code(),
            Error::CannotRestore(error) => error.code(),
            Error::TooLittleSpace(_) => "too-little-space",
            Error::Crashed(_) => "bug",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Layout(error) => error.hint(),
            Error::Lock(error) => error.hint(),
            Error::Ledger(error) => error.hint(),
            Error::Pool(error) => error.hint(),
            Error::Publish(error) => error.hint(),
            Error::Source(error) => error.hint(),
            Error::Sign(error) => error.hint(),
            Error::CannotRotate(error) => error.hint(),
            Error::NewKey(error) => error.hint(),
            Error::KeyringPackage(error) => error.hint(),
            Error::Bundle(error) => error.hint(),
            Error::Disk(error) => error.hint(),
            Error::NoState(error) => error.hint(),
            Error::CannotShow(error) => error.hint(),
            Error::NoSuchRepository { nearest, .. } | Error::NoSuchPackage { nearest, .. } => {
                nearest.as_ref().map(|nearest| format!("did you mean \"{nearest}\"?"))
            }
            Error::NoSuchSource { nearest, .. } => {
                nearest.as_ref().map(|nearest| format!("did you mean \"{nearest}\"?"))
            }
            Error::NothingImported { .. } => {
                Some("`bivouac import PATH`, or mount the medium that the source's `bundles` names".into())
            }
            Error::NothingHeld { .. } => Some("`bivouac status` lists the signers that are held back".into()),
            Error::CannotBundle(error) => error.hint(),
            Error::CannotBackup(error) => error.hint(),
            Error::CannotRestore(error) => error.hint(),
            Error::TooLittleSpace(shortage) => Some(shortage.hint()),
            Error::Keyring { cause, .. } => cause.hint(),
            Error::Access { cause, .. } => cause.hint(),
            Error::KeysForgotten { signed, .. } => Some(format!(
                "put it back; or name {signed} in bivouac.toml, and `bivouac key rotate --key FILE` for one that signs beside it"
            )),
            Error::Namesake { .. } => Some("give one of the two another name; clients look keys up by it".into()),
            Error::List { .. } | Error::Selector { .. } | Error::Reserve { .. } | Error::Crashed(_) => None,
        }
    }
}

fn names(sources: &[SourceName]) -> String {
    sources.iter().map(|source| format!("\"{source}\"")).collect::<Vec<_>>().join(", ")
}

impl From<CannotBundle> for Error {
    fn from(error: CannotBundle) -> Self {
        Error::CannotBundle(Box::new(error))
    }
}

impl From<CannotBackup> for Error {
    fn from(error: CannotBackup) -> Self {
        Error::CannotBackup(Box::new(error))
    }
}

impl From<CannotRestore> for Error {
    fn from(error: CannotRestore) -> Self {
        Error::CannotRestore(Box::new(error))
    }
}

impl From<crate::backup::Error> for Error {
    fn from(error: crate::backup::Error) -> Self {
        CannotBackup::Target(error).into()
    }
}

impl From<crate::places::Error> for Error {
    fn from(error: crate::places::Error) -> Self {
        crate::backup::Error::from(error).into()
    }
}
