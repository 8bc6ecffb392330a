//! A signed export for a site without a network: written here, read there.
//!
//! ```text
//! NAME.bundle                        a volume: a plain tar; of several, NAME.1.bundle, NAME.2.bundle, …
//!   manifest.json                    the whole manifest, in every volume; see snapshot::manifest
//!   manifest.json.<key>.sig          RSA PKCS#1 v1.5 over SHA-256 of exactly its bytes, one for each key that signs
//!   bivouac                          the program, in the first volume, where it was asked for
//!   objects.<n>                      the objects of volume n, one behind the other
//!
//! FOLDER/                            a whole bundle as a folder is a plain repository, too:
//!   v3.23/main/x86_64/{APKINDEX.tar.gz, *.apk}
//!   NAME.bundle                      manifest and signatures; its objects lie beside it
//! ```
//!
//! What always holds:
//! - Nothing of a volume but its manifest and signatures is looked at before a signature by a trusted key is found good
//!   ([`Volume::verify`]); and of the objects nothing is used whose SHA-256 is not the one in the manifest.
//! - Names in a volume lead nowhere: nothing is unpacked, the four above are known, any other is refused.
//! - A delta is applied only when the manifest vouches for its very bytes (see [`crate::delta`]).
//! - A volume is read only; it is written under a temporary name and has its own when it is whole.
//!
//! `tar`, `sha256sum` and `openssl` read and check all of it.

mod container;
mod object;
pub mod read;
pub mod receive;
pub mod write;

use std::io;
use std::path::{Path, PathBuf};

use crate::apk::{KeyName, ObjectId};
use crate::delta::BadDelta;
use crate::disk::durable;
use crate::error::{Class, Trouble};
use crate::snapshot::manifest::BadManifest;
use crate::{pool, sign};

pub use object::Offered;
pub use read::{Verified, Volume};
pub use receive::{Place, Received, Shelf, receive};
pub use write::{SignedManifest, sign};

/// The longest manifest that is read, bytes: some 200,000 objects.
pub const LARGEST_MANIFEST: u64 = 64 << 20;

/// Why a bundle was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another kind of file.
    #[error("{} is no bundle", path.display())]
    NotOne {
        /// The file.
        path: PathBuf,
    },
    /// A device, a pipe, a link or a folder where a file is looked for.
    #[error("{} is no plain file", path.display())]
    NotPlain {
        /// What is there.
        path: PathBuf,
    },
    /// Its end is missing.
    #[error("{} is cut short: it has {found} bytes of {expected}", path.display())]
    Cut {
        /// The file.
        path: PathBuf,
        /// Bytes that are there.
        found: u64,
        /// Bytes that there must be, at least.
        expected: u64,
    },
    /// A flipped bit, or worse, outside of manifest and objects.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        what: &'static str,
    },
    /// Something that no bundle holds.
    #[error("{} holds {name:?}, {what}: no bundle does", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The entry's name.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// No signature is by a key that may make bundles.
    #[error("{} is signed by {}, which is not in the keyring of a source with bundles", path.display(), names(signers))]
    UnknownSigner {
        /// The file.
        path: PathBuf,
        /// Who signed.
        signers: Vec<KeyName>,
    },
    /// There is no signature.
    #[error("{} is not signed", path.display())]
    Unsigned {
        /// The file.
        path: PathBuf,
    },
    /// A trusted key's signature is not over this manifest.
    #[error("{}: the signature of {signer} is not over this manifest", path.display())]
    BadSignature {
        /// The file.
        path: PathBuf,
        /// The key.
        signer: KeyName,
    },
    /// Its manifest is signed, and none.
    #[error("{}: its manifest is refused", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: BadManifest,
    },
    /// An object is not what the manifest says.
    #[error("{}: {what} is not what the manifest says", path.display())]
    WrongObject {
        /// The file.
        path: PathBuf,
        /// The object.
        what: String,
    },
    /// A delta that the manifest vouches for does not give what the manifest says.
    #[error("{}: the delta of {what} is refused", path.display())]
    Delta {
        /// The file.
        path: PathBuf,
        /// The object.
        what: String,
        /// Why.
        #[source]
        cause: BadDelta,
    },
    /// The medium does not give its bytes.
    #[error("cannot read {}", path.display())]
    Medium {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// A delta's base is not what it was when it was taken in.
    #[error("the pool's object {object} is damaged, over which a delta is")]
    DamagedBase {
        /// The base.
        object: ObjectId,
    },
    /// A package could not be taken in.
    #[error(transparent)]
    Pool(#[from] pool::Error),
    /// No signature came.
    #[error(transparent)]
    Sign(#[from] sign::Error),
    /// It could not be written.
    #[error(transparent)]
    Disk(#[from] durable::Error),
}

fn names(keys: &[KeyName]) -> String {
    keys.iter().map(KeyName::as_str).collect::<Vec<_>>().join(", ")
}

impl Error {
    pub(crate) fn medium(path: &Path, cause: io::Error) -> Self {
        Error::Medium { path: path.to_owned(), cause }
    }
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::NotOne { .. }
            | Error::NotPlain { .. }
            | Error::Damaged { .. }
            | Error::Foreign { .. }
            | Error::UnknownSigner { .. }
            | Error::Unsigned { .. }
            | Error::BadSignature { .. }
            | Error::Manifest { .. }
            | Error::WrongObject { .. }
            | Error::Delta { .. } => Class::Refused,
            Error::Cut { .. } | Error::Medium { .. } => Class::Upstream,
            Error::DamagedBase { .. } => Class::Damaged,
            Error::Pool(error) => error.class(),
            Error::Sign(error) => error.class(),
            Error::Disk(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NotOne { .. } | Error::NotPlain { .. } => "not-a-bundle",
            Error::Cut { .. } => "bundle-cut",
            Error::Damaged { .. } | Error::WrongObject { .. } | Error::Delta { .. } => "bundle-damaged",
            Error::Foreign { .. } => "bundle-foreign",
            Error::UnknownSigner { .. } => "unknown-signer",
            Error::Unsigned { .. } => "unsigned",
            Error::BadSignature { .. } => "bad-signature",
            Error::Manifest { .. } => "bad-manifest",
            Error::Medium { .. } => "medium",
            Error::DamagedBase { .. } => "object-damaged",
            Error::Pool(error) => error.code(),
            Error::Sign(error) => error.code(),
            Error::Disk(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::NotPlain { .. } => Some("a bundle is a file: ask the sender which".into()),
            Error::Manifest { cause: BadManifest::Newer(_), .. } => {
                Some("take a newer release of bivouac: ask the sender for theirs (`bundle --with-tool`)".into())
            }
            Error::Foreign { .. } | Error::Manifest { .. } => {
                Some("do not use it: ask the sender for the bundle again, and how this one came about".into())
            }
            Error::NotOne { .. }
            | Error::Cut { .. }
            | Error::Damaged { .. }
            | Error::WrongObject { .. }
            | Error::Delta { .. } => Some("copy it once more; or ask the sender for the same bundle again".into()),
            Error::UnknownSigner { .. } => Some(
                "if this key may make bundles, put its public half in keys/ and name it under the source's `keyring`"
                    .into(),
            ),
            Error::Unsigned { .. } | Error::BadSignature { .. } => {
                Some("do not trust it: ask the sender for the bundle, and how this one came about".into())
            }
            Error::DamagedBase { .. } => Some("`bivouac repair` brings back what is damaged".into()),
            Error::Pool(error) => error.hint(),
            Error::Medium { .. } => Some("mount the medium again, and try another reader".into()),
            Error::Sign(error) => error.hint(),
            Error::Disk(error) => error.hint(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests damage files by hand")]
mod tests;
