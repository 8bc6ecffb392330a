//! Sign loose files in place: the signature part is replaced, what it is over stays byte for byte.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::seal::{digests, place_of};
use crate::apk::Datahash;
use crate::apk::names::KeyName;
use crate::apk::v2::sections::{BadSections, HeadReader, Limits, split_index};
use crate::apk::v2::signature;
use crate::config;
use crate::disk::durable;
use crate::error::{Class, Trouble};
use crate::sign::index::sign_member;
use crate::sign::{self, KeyFile, KeyPlace, Seal};
use crate::verify::package::{RefusedPackage, examine_head};

/// Bytes copied at a time.
const CHUNK: usize = 256 << 10;

/// Largest index file, in bytes.
const MAX_INDEX: u64 = 256 << 20;

/// A key, and which signatures to make with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Where it is.
    pub place: KeyPlace,
    /// Which signatures.
    pub digest: config::Digest,
}

impl From<&config::Signing> for SigningKey {
    fn from(signing: &config::Signing) -> SigningKey {
        SigningKey { place: place_of(signing), digest: signing.digest }
    }
}

impl SigningKey {
    /// A key in a file.
    pub fn in_file(file: PathBuf, digest: config::Digest) -> Self {
        SigningKey { place: KeyPlace::File(KeyFile::plain(file)), digest }
    }

    /// Reaches the key.
    pub(super) fn open(&self) -> Result<Seal, sign::Error> {
        Ok(Seal::of(sign::open(&self.place)?, digests(self.digest)))
    }
}

/// A file, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignReport {
    /// The file.
    pub file: PathBuf,
    /// What it is: `package` or `index`.
    pub kind: &'static str,
    /// The public key's name: what clients must have in `/etc/apk/keys`.
    pub signed_by: KeyName,
}

/// Why a file was not signed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no package that a client would install.
    #[error("{} is not signed anew", path.display())]
    Package {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: RefusedPackage,
    },
    /// It is no index that a client would read.
    #[error("{} is not signed anew", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: BadSections,
    },
    /// Larger than any index.
    #[error("{} has more than {MAX_INDEX} bytes, too many for an index", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The key, or signing with it.
    #[error(transparent)]
    Key(#[from] sign::Error),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] durable::Error),
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Unreadable { .. } => Class::Host,
            Error::Package { source, .. } => source.class(),
            Error::Index { .. } | Error::TooLarge { .. } => Class::Refused,
            Error::Key(error) => error.class(),
            Error::Disk(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Unreadable { .. } => "unreadable",
            Error::Package { source, .. } => source.code(),
            Error::Index { .. } => "bad-index",
            Error::TooLarge { .. } => "too-large",
            Error::Key(error) => error.code(),
            Error::Disk(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Key(error) => error.hint(),
            Error::Disk(error) => error.hint(),
            Error::Unreadable { .. } | Error::Package { .. } | Error::Index { .. } | Error::TooLarge { .. } => None,
        }
    }
}

/// Signs each file in turn; the first that fails ends it, and those before it stay signed. A package is a file whose name
/// ends with `.apk`, anything else an index.
pub fn sign(files: &[PathBuf], signing: &SigningKey) -> Result<Vec<SignReport>, Error> {
    let seal = signing.open()?;
    let mut reports = Vec::with_capacity(files.len());
    for path in files {
        // Through a link, so that the file it leads to is replaced and not the link.
        let target = path.canonicalize().map_err(|source| Error::Unreadable { path: path.clone(), source })?;
        let kind = if target.extension().is_some_and(|extension| extension == "apk") {
            sign_package(&target, &seal)?;
            "package"
        } else {
            sign_index(&target, &seal)?;
            "index"
        };
        reports.push(SignReport { file: path.clone(), kind, signed_by: seal.signers()[0].key_name().clone() });
    }
    Ok(reports)
}

fn sign_index(path: &Path, seal: &Seal) -> Result<(), Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    let mut bytes = Vec::new();
    (&file).take(MAX_INDEX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_INDEX {
        return Err(Error::TooLarge { path: path.to_owned() });
    }
    let parts =
        split_index(&bytes, &Limits::default()).map_err(|source| Error::Index { path: path.to_owned(), source })?;
    let signed = sign_member(&bytes[parts.signed_from..], &[], seal)?;
    Ok(durable::write(path, signed.bytes(), mode)?)
}

/// The new signatures, then the old file from its control section on. Its data is hashed on the way: nobody should sign
/// what no client would install.
fn sign_package(path: &Path, seal: &Seal) -> Result<(), Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let refused = |source| Error::Package { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;

    let mut chunk = vec![0; CHUNK];
    let mut reader = HeadReader::new(Limits::default());
    while reader.head().is_none() {
        let length = read(&mut file, &mut chunk).map_err(unreadable)?;
        if length == 0 {
            break;
        }
        let used = reader.feed(&chunk).map_err(|bad| refused(bad.into()))?;
        chunk.drain(..used);
    }
    let head = reader.finish().map_err(|bad| refused(bad.into()))?;
    let (_, info) = examine_head(&head).map_err(refused)?;

    let signatures = seal.signatures(&head.control)?;
    let mut staged = durable::Staged::beside(path)?;
    staged.write(&signature::member(&signatures))?;
    staged.write(&head.control)?;
    let mut data = Sha256::new();
    // What the last chunk holds behind the head, then the rest of the file.
    loop {
        data.update(&chunk);
        staged.write(&chunk)?;
        if read(&mut file, &mut chunk).map_err(unreadable)? == 0 {
            break;
        }
    }
    if info.datahash != Some(Datahash::new(data.finalize().into())) {
        return Err(refused(RefusedPackage::Datahash));
    }
    Ok(staged.persist(path, mode)?)
}

/// Fills `chunk` with the next bytes and says how many.
fn read(file: &mut File, chunk: &mut Vec<u8>) -> io::Result<usize> {
    chunk.clear();
    file.take(CHUNK as u64).read_to_end(chunk)
}
