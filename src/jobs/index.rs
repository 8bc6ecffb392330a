//! Write the index of a folder of loose packages, as `apk index` does: only their heads are read.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

use super::sign::SigningKey;
use crate::apk::Entry;
use crate::apk::entry::BadEntry;
use crate::apk::names::{ALPINE_ARCHES, Arch, KeyName};
use crate::apk::v2::index::{self, MAX_DESCRIPTION};
use crate::apk::v2::sections::{HeadReader, Limits};
use crate::apk::v2::signature::Algorithm;
use crate::disk::durable;
use crate::error::{Class, Trouble};
use crate::merge;
use crate::sign;
use crate::sign::index::sign_member;
use crate::verify::package::{RefusedPackage, examine_head};

/// Bytes read at a time; nearly every head fits.
const CHUNK: usize = 8 << 10;

/// apk 2 reads sizes as 32 bits.
const MAX_PACKAGE: u64 = u32::MAX as u64;

/// What to list, and where.
#[derive(Clone, Debug)]
pub struct IndexRequest {
    /// The folder whose `*.apk` files are listed. Folders below it are not looked into.
    pub folder: PathBuf,
    /// The index's file; replaced in one step.
    pub output: PathBuf,
    /// The index's arch; absent, the one that the packages have, else the folder's name.
    pub arch: Option<Arch>,
    /// `DESCRIPTION`; empty: none.
    pub description: String,
    /// Who signs it; absent: nobody, as `apk index`.
    pub signing: Option<SigningKey>,
    /// Whether the signature is written beside it, too.
    pub detached: Detached,
    /// Packages read at once.
    pub threads: NonZero<usize>,
}

/// A raw signature in a file beside the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detached {
    /// None.
    Leave,
    /// `<index>.sign`: RSA PKCS#1 v1.5 over the SHA-256 of the index file as it lies there. `openssl dgst -sha256 -verify
    /// KEY.rsa.pub -signature APKINDEX.tar.gz.sign APKINDEX.tar.gz` checks it. Needs a key.
    Write,
}

/// An index, written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IndexReport {
    /// Its file.
    pub file: PathBuf,
    /// Its arch; absent for an empty index that nobody named one for.
    pub arch: Option<Arch>,
    /// How many packages it lists.
    pub packages: usize,
    /// Bytes of the file.
    pub bytes: usize,
    /// The public key's name, if it is signed.
    pub signed_by: Option<KeyName>,
    /// The signature's file.
    pub detached: Option<PathBuf>,
}

/// Why no index was written. What lay there before still does.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be read.
    #[error("cannot read the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Packages that no index can list.
    #[error("no index of {} was written: {} of {packages} packages cannot be listed", path.display(), refused.len())]
    Packages {
        /// The folder.
        path: PathBuf,
        /// How many files were looked at.
        packages: usize,
        /// Each of them, in the order of their names.
        refused: Vec<RefusedFile>,
    },
    /// No arch follows from the packages.
    #[error("the packages in {} are of {}; an index is of one arch", path.display(), list(arches))]
    Arch {
        /// The folder.
        path: PathBuf,
        /// The arches found.
        arches: Vec<Arch>,
    },
    /// apk 3 drops longer ones, and scripts break on line ends.
    #[error("a description has at most {MAX_DESCRIPTION} bytes and no control characters")]
    Description,
    /// Nothing to sign with.
    #[error("a detached signature needs a key")]
    NoKey,
    /// The key, or signing with it.
    #[error(transparent)]
    Key(#[from] sign::Error),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] durable::Error),
}

/// One file that cannot be listed.
#[derive(Debug)]
pub struct RefusedFile {
    /// Its name in the folder.
    pub name: String,
    /// Why.
    pub reason: Unlistable,
}

/// Why a package cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum Unlistable {
    /// It cannot be read.
    #[error("cannot read it")]
    Unreadable(#[source] io::Error),
    /// It is no package.
    #[error(transparent)]
    Refused(#[from] RefusedPackage),
    /// Its record would break clients.
    #[error("its record would break clients")]
    Entry(#[from] BadEntry),
    /// Clients build the file's name from name and version, so they would not find it.
    #[error("it is {0}, and clients will ask for that file")]
    FileName(String),
    /// It belongs to another arch.
    #[error("it is for {found}, the index for {wanted}")]
    Arch {
        /// Its own.
        found: Arch,
        /// The index's.
        wanted: Arch,
    },
    /// apk 2 cannot tell its size.
    #[error("it has {0} bytes; apk 2 reads packages of less than 4 GiB")]
    TooLarge(u64),
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Folder { source, .. } if source.kind() == io::ErrorKind::NotFound => Class::Usage,
            Error::Folder { .. } => Class::Host,
            Error::Packages { .. } => Class::Refused,
            Error::Arch { .. } | Error::Description | Error::NoKey => Class::Usage,
            Error::Key(error) => error.class(),
            Error::Disk(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Folder { .. } => "unreadable",
            Error::Packages { .. } => "bad-package",
            Error::Arch { .. } => "mixed-arches",
            Error::Description => "bad-description",
            Error::NoKey => "no-signing-key",
            Error::Key(error) => error.code(),
            Error::Disk(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Arch { arches, .. } if arches.is_empty() => Some("name it with --arch".to_owned()),
            Error::Arch { .. } => Some("one folder for each arch; noarch packages go into all of them".to_owned()),
            Error::NoKey => Some("name one with --key, or make one with `bivouac key new`".to_owned()),
            Error::Key(error) => error.hint(),
            Error::Disk(error) => error.hint(),
            Error::Folder { .. } | Error::Packages { .. } | Error::Description => None,
        }
    }
}

fn list(arches: &[Arch]) -> String {
    if arches.is_empty() {
        return "no arch in particular".to_owned();
    }
    arches.iter().map(Arch::as_str).collect::<Vec<_>>().join(" and ")
}

/// Reads the head of every package, several at once, and writes the index. The same packages give the same bytes.
pub fn index(request: &IndexRequest) -> Result<IndexReport, Error> {
    let description = &request.description;
    if description.len() > MAX_DESCRIPTION || description.chars().any(char::is_control) {
        return Err(Error::Description);
    }
    let seal = match (&request.signing, request.detached) {
        (Some(signing), _) => Some(signing.open()?),
        (None, Detached::Write) => return Err(Error::NoKey),
        (None, Detached::Leave) => None,
    };

    let names = package_names(&request.folder)?;
    let (found, mut refused) = read_heads(&request.folder, &names, request.threads);
    let arch = match &request.arch {
        Some(arch) => Some(arch.clone()),
        None => common_arch(&request.folder, &found)?,
    };
    let mut entries = Vec::with_capacity(found.len());
    if let Some(arch) = &arch {
        for entry in &found {
            match entry.arch().filter(|own| *own != arch && !own.is_noarch()) {
                None => entries.push(entry.with_arch(arch)),
                Some(own) => {
                    let reason = Unlistable::Arch { found: own.clone(), wanted: arch.clone() };
                    refused.push(RefusedFile { name: entry.file().to_string(), reason });
                }
            }
        }
    }
    if !refused.is_empty() {
        refused.sort_by(|one, other| one.name.cmp(&other.name));
        return Err(Error::Packages { path: request.folder.clone(), packages: names.len(), refused });
    }

    entries.sort_by(merge::order);
    let member = index::member(description, &index::print(&entries), 0);
    let bytes = match &seal {
        Some(seal) => sign_member(&member, &[], seal)?.bytes().to_vec(),
        None => member,
    };
    durable::write(&request.output, &bytes, 0o644)?;
    let mut report = IndexReport {
        file: request.output.clone(),
        arch,
        packages: entries.len(),
        bytes: bytes.len(),
        signed_by: seal.as_ref().map(|seal| seal.signers()[0].key_name().clone()),
        detached: None,
    };
    if let (Detached::Write, Some(seal)) = (request.detached, &seal) {
        let mut beside = request.output.clone().into_os_string();
        beside.push(".sign");
        let beside = PathBuf::from(beside);
        durable::write(&beside, &seal.signers()[0].sign(Algorithm::Sha256, &bytes)?.bytes, 0o644)?;
        report.detached = Some(beside);
    }
    Ok(report)
}

fn package_names(folder: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::Folder { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in folder.read_dir().map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        // A name that is no text is no NAME-VERSION.apk; escaped it is refused as such, and the reader sees which it is.
        let name = name.to_string_lossy();
        if name.ends_with(".apk") && !name.starts_with('.') {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The entries of all packages under their own arches, in no order, and what cannot be listed.
///
/// While heads are read their records are kept as one text for each thread. Kept one by one, they would settle in the holes
/// that each file's inflate buffers leave behind, and 5,000 packages would take 250 MB.
fn read_heads(folder: &Path, names: &[String], threads: NonZero<usize>) -> (Vec<Entry>, Vec<RefusedFile>) {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut text, mut refused) = (String::new(), Vec::new());
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            match read_head(folder, name) {
                Ok(entry) => text.push_str(&index::print([&entry])),
                Err(reason) => refused.push(RefusedFile { name: name.clone(), reason }),
            }
        }
        (text, refused)
    };
    let (mut entries, mut refused) = (Vec::with_capacity(names.len()), Vec::new());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get().min(names.len())).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let (text, bad) = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            entries.extend(index::parse(&text).expect("each record was parsed before it was printed"));
            refused.extend(bad);
        }
    });
    (entries, refused)
}

fn read_head(folder: &Path, name: &str) -> Result<Entry, Unlistable> {
    let mut file = File::open(folder.join(name)).map_err(Unlistable::Unreadable)?;
    let size = file.metadata().map_err(Unlistable::Unreadable)?.len();
    if size > MAX_PACKAGE {
        return Err(Unlistable::TooLarge(size));
    }
    let mut reader = HeadReader::new(Limits::default());
    let mut buffer = [0; CHUNK];
    while reader.head().is_none() {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                reader.feed(&buffer[..length]).map_err(RefusedPackage::Sections)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Unlistable::Unreadable(error)),
        }
    }
    let head = reader.finish().map_err(RefusedPackage::Sections)?;
    let (identity, info) = examine_head(&head)?;
    let entry = info.entry(&identity, size, &info.arch)?;
    if name != entry.file().as_str() {
        return Err(Unlistable::FileName(entry.file().to_string()));
    }
    Ok(entry)
}

/// The one arch of all packages that have one; where none has, the folder's name, which in every repository is its arch.
fn common_arch(folder: &Path, entries: &[Entry]) -> Result<Option<Arch>, Error> {
    let arches: BTreeSet<&Arch> = entries.iter().filter_map(Entry::arch).filter(|arch| !arch.is_noarch()).collect();
    let mixed = |arches: Vec<Arch>| Error::Arch { path: folder.to_owned(), arches };
    match arches.len() {
        0 if entries.is_empty() => Ok(None),
        0 => {
            let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
            let name = folder.file_name().and_then(|name| name.to_str()?.parse::<Arch>().ok());
            name.filter(|name| ALPINE_ARCHES.contains(&name.as_str())).map(Some).ok_or_else(|| mixed(Vec::new()))
        }
        1 => Ok(arches.into_iter().next().cloned()),
        _ => Err(mixed(arches.into_iter().cloned().collect())),
    }
}

#[cfg(test)]
mod tests;
