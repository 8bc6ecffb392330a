//! Why no bundle was made.

use std::io;
use std::path::PathBuf;

use crate::apk::{KeyId, ObjectId, SiteName};
use crate::disk::durable;
use crate::error::{Class, Trouble};
use crate::jobs::keyring;
use crate::plan::bundle::{MOST_VOLUMES, NoBundle};
use crate::snapshot::receipt::BadReceipt;

/// Why no bundle was made. Nothing of it is left on the medium unless the text says so.
#[derive(Debug, thiserror::Error)]
pub enum CannotBundle {
    /// Nobody signs here, and a bundle is signed.
    #[error("a bundle is signed, and the configuration has no [signing]")]
    Unsigned,
    /// What was to be built on is no bundle of ours.
    #[error(transparent)]
    NoBundle(#[from] NoBundle),
    /// The receipt could not be read.
    #[error("the receipt {} cannot be read", path.display())]
    ReceiptUnreadable {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The receipt is none, or damaged, or changed.
    #[error("refused receipt {}", path.display())]
    Receipt {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: BadReceipt,
    },
    /// Another key signed for a site than before, or none did.
    #[error(transparent)]
    OtherSiteKey(Box<OtherSiteKey>),
    /// Something is there already.
    #[error("{} is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The folder in which the bundle is to lie is not there.
    #[error("there is no folder {}", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The medium is too small.
    #[error("the bundle does not fit into {}: {needed} bytes are needed, {free} are free", path.display())]
    TooLittleSpace {
        /// The folder on it.
        path: PathBuf,
        /// Bytes of the bundle.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// A volume is too small for one object, or for the program.
    #[error("no volume of {size} bytes has room for {what} ({length} bytes)")]
    VolumeTooSmall {
        /// What does not fit.
        what: String,
        /// Bytes that it takes.
        length: u64,
        /// The size that was asked for.
        size: u64,
        /// The least that would do, bytes.
        least: u64,
    },
    /// So many volumes are none.
    #[error("it would take more than {MOST_VOLUMES} volumes of {size} bytes")]
    TooManyVolumes {
        /// The size that was asked for.
        size: u64,
    },
    /// The manifest would be longer than any that is read.
    #[error("{objects} objects are more than one bundle can list")]
    TooManyObjects {
        /// How many there are.
        objects: usize,
    },
    /// What is live moved on while the bundle was made, and a package of it is gone.
    #[error("{what} was dropped while the bundle was made")]
    Gone {
        /// The package or index.
        what: String,
    },
    /// What is live names it, and it is not there.
    #[error("the pool has lost {what} (object {object})")]
    Lost {
        /// The package.
        what: String,
        /// Its object.
        object: ObjectId,
    },
    /// The pool's bytes are not what they were.
    #[error("the pool's file of {what} is not what was stored there (object {object})")]
    Damaged {
        /// The package.
        what: String,
        /// Its object.
        object: ObjectId,
    },
    /// The program that is to ride along.
    #[error("the program {} cannot be read", path.display())]
    Tool {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Public keys that a bundle is to be checked by.
    #[error(transparent)]
    Keys(Box<keyring::Error>),
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] durable::Error),
}

/// Another key signed for a site than before, or none did.
#[derive(Debug, thiserror::Error)]
#[error(
    "refused receipt {}: {}, and site {site} signs with {} (SHA-256 {})",
    path.display(), by(found), known.name, known.fingerprint
)]
pub struct OtherSiteKey {
    /// The receipt's file.
    pub path: PathBuf,
    /// Whose it says to be.
    pub site: SiteName,
    /// The site's key, by its former receipts.
    pub known: KeyId,
    /// The key of this one, if it is signed.
    pub found: Option<KeyId>,
    /// Where the site's key is remembered.
    pub record: PathBuf,
}

fn by(found: &Option<KeyId>) -> String {
    match found {
        Some(key) => format!("it is signed by {} (SHA-256 {})", key.name, key.fingerprint),
        None => "it is not signed".to_owned(),
    }
}

impl Trouble for CannotBundle {
    fn class(&self) -> Class {
        match self {
            CannotBundle::Unsigned
            | CannotBundle::NoBundle(_)
            | CannotBundle::Exists { .. }
            | CannotBundle::NoFolder { .. }
            | CannotBundle::VolumeTooSmall { .. }
            | CannotBundle::TooManyVolumes { .. }
            | CannotBundle::TooManyObjects { .. } => Class::Usage,
            CannotBundle::TooLittleSpace { .. }
            | CannotBundle::Tool { .. }
            | CannotBundle::ReceiptUnreadable { .. } => Class::Host,
            CannotBundle::Receipt { .. } | CannotBundle::OtherSiteKey(_) => Class::Refused,
            CannotBundle::Disk(error) => error.class(),
            CannotBundle::Keys(error) => error.class(),
            CannotBundle::Gone { .. } => Class::Upstream,
            CannotBundle::Lost { .. } | CannotBundle::Damaged { .. } => Class::Damaged,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            CannotBundle::Unsigned => "no-signing-key",
            CannotBundle::NoBundle(NoBundle::Ambiguous { .. }) => "ambiguous",
            CannotBundle::NoBundle(_) => "no-such-bundle",
            CannotBundle::Exists { .. } => "exists",
            CannotBundle::NoFolder { .. } => "no-such-folder",
            CannotBundle::TooLittleSpace { .. } => "too-little-space",
            CannotBundle::VolumeTooSmall { .. } | CannotBundle::TooManyVolumes { .. } => "volume-too-small",
            CannotBundle::TooManyObjects { .. } => "too-many-objects",
            CannotBundle::Gone { .. } => "changed-meanwhile",
            CannotBundle::Lost { .. } => "object-missing",
            CannotBundle::Damaged { .. } => "object-damaged",
            CannotBundle::Tool { .. } | CannotBundle::ReceiptUnreadable { .. } => "unreadable",
            CannotBundle::Receipt { cause, .. } if cause.is_missigned() => "bad-signature",
            CannotBundle::Receipt { .. } => "bad-receipt",
            CannotBundle::OtherSiteKey(_) => "other-site-key",
            CannotBundle::Disk(error) => error.code(),
            CannotBundle::Keys(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CannotBundle::Unsigned => Some("`bivouac key new` makes a key; name it under [signing]".into()),
            CannotBundle::NoBundle(NoBundle::Ambiguous { .. }) => Some("type more of it".into()),
            CannotBundle::NoBundle(_) => Some("without --since a bundle is whole, and needs nothing before it".into()),
            CannotBundle::Exists { .. } => Some("give it another name, or move what is there away".into()),
            CannotBundle::NoFolder { .. } => Some("mount the medium, or make the folder".into()),
            CannotBundle::TooLittleSpace { .. } => {
                Some("take a larger medium, or `--volume-size` and several; `--since` sends less".into())
            }
            CannotBundle::VolumeTooSmall { least, .. } => {
                Some(format!("`--volume-size {least}B` is the least that does"))
            }
            CannotBundle::TooManyVolumes { .. } => Some("ask for larger volumes".into()),
            CannotBundle::TooManyObjects { .. } => {
                Some("name some of the repositories, and send the others to a source of their own".into())
            }
            CannotBundle::Gone { .. } => Some("run it again".into()),
            CannotBundle::Lost { .. } | CannotBundle::Damaged { .. } => {
                Some("`bivouac repair` brings back what is missing or damaged".into())
            }
            CannotBundle::Tool { .. } | CannotBundle::ReceiptUnreadable { .. } => None,
            CannotBundle::Receipt { cause: BadReceipt::Newer(_), .. } => {
                Some("take a release here that is as new as the site's".into())
            }
            CannotBundle::Receipt { .. } => {
                Some("copy it once more; or have `bivouac receipt` write it anew at the site".into())
            }
            CannotBundle::OtherSiteKey(other) => {
                let record = other.record.display();
                Some(format!("ask the site; if it has a new key, or is another one, remove {record} here"))
            }
            CannotBundle::Disk(error) => error.hint(),
            CannotBundle::Keys(error) => error.hint(),
        }
    }
}
