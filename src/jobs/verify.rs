//! Verify loose files: no configuration, no store, nothing written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::apk::names::{Arch, KeyName};
use crate::apk::v2::sections::{BadSections, Limits};
use crate::error::{Class, Trouble};
use crate::finding::{Finding, Severity};
use crate::verify::index::{self, RefusedIndex};
use crate::verify::keyring::{Keyring, PublicKey, Signer};
use crate::verify::loose::LooseVerifier;
use crate::verify::package::RefusedPackage;

/// Bytes read at a time.
const CHUNK: usize = 256 << 10;

/// Largest index file, in bytes. Alpine's largest has 2 MB.
const MAX_INDEX: u64 = 256 << 20;

/// What to verify, and whom to believe.
#[derive(Clone, Debug)]
pub struct VerifyRequest {
    /// Packages and indexes, in any mixture.
    pub files: Vec<PathBuf>,
    /// Who is trusted.
    pub keys: TrustedKeys,
    /// Files verified at once.
    pub threads: NonZero<usize>,
}

/// Whose signatures count. As for `apk verify`, a key is trusted for every arch here: a loose file is in no arch's folder.
#[derive(Clone, Debug)]
pub enum TrustedKeys {
    /// The `*.pub` files of this folder.
    Folder(PathBuf),
    /// Alpine's official keys, and the `*.pub` files of this folder if it is there.
    OfficialAnd(PathBuf),
}

/// One file, verified or refused.
#[derive(Debug)]
pub struct FileVerdict {
    /// The file as it was named.
    pub path: PathBuf,
    /// What it is, or why not.
    pub outcome: Result<GoodFile, BadFile>,
}

/// A file whose signature and hashes are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoodFile {
    /// What it holds.
    pub kind: FileKind,
    /// Whose signatures were found good, in file order.
    pub signers: Vec<KeyName>,
    /// Bytes.
    pub size: u64,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A package, by its name and version.
    Package(String),
    /// An index of so many entries.
    Index(usize),
}

/// Why a file is not good.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// It cannot be read.
    #[error("cannot read it")]
    Unreadable(#[source] io::Error),
    /// An index of this size would fill the memory.
    #[error("it has {0} bytes, too many for an index")]
    TooLarge(u64),
    /// As a package.
    #[error(transparent)]
    Package(#[from] RefusedPackage),
    /// As an index.
    #[error(transparent)]
    Index(#[from] RefusedIndex),
}

impl Trouble for BadFile {
    fn class(&self) -> Class {
        match self {
            BadFile::Unreadable(_) => Class::Host,
            BadFile::TooLarge(_) => Class::Refused,
            BadFile::Package(refused) => refused.class(),
            BadFile::Index(refused) => refused.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            BadFile::Unreadable(_) => "unreadable",
            BadFile::TooLarge(_) => "too-large",
            BadFile::Package(refused) => refused.code(),
            BadFile::Index(refused) => refused.code(),
        }
    }
}

/// Why nothing could be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The folder of keys cannot be read.
    #[error("cannot read the folder of keys {}", path.display())]
    Keys {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Trouble for VerifyError {
    fn class(&self) -> Class {
        match self {
            VerifyError::Keys { source, .. } if source.kind() == io::ErrorKind::NotFound => Class::Usage,
            VerifyError::Keys { .. } => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            VerifyError::Keys { .. } => "no-keys",
        }
    }
}

/// Verifies every file, several at once, each read once and none inflated behind its head. `each` gets the verdicts in the
/// order of the request, as soon as all before them are known. Returned are the findings about keys that were passed over.
pub fn verify(request: &VerifyRequest, mut each: impl FnMut(FileVerdict)) -> Result<Vec<Finding>, VerifyError> {
    let mut findings = Vec::new();
    let keyring = trusted(&request.keys, &mut findings)?;
    let arch: Arch = "noarch".parse().expect("it is in the alphabet of arches");
    let next = AtomicUsize::new(0);
    let threads = request.threads.get().min(request.files.len());
    std::thread::scope(|scope| {
        let (done, verdicts) = mpsc::channel();
        for _ in 0..threads {
            let (done, next, keyring, arch) = (done.clone(), &next, &keyring, &arch);
            scope.spawn(move || {
                let mut buffer = vec![0; CHUNK];
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = request.files.get(number) else { return };
                    let outcome = verify_file(path, keyring, arch, &mut buffer);
                    if done.send((number, FileVerdict { path: path.clone(), outcome })).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        in_order(verdicts.iter(), &mut each);
    });
    Ok(findings)
}

/// Hands verdicts on in the order of their numbers, which start at 0 and leave none out.
fn in_order(verdicts: impl Iterator<Item = (usize, FileVerdict)>, each: &mut impl FnMut(FileVerdict)) {
    let mut early = BTreeMap::new();
    let mut wanted = 0;
    for (number, verdict) in verdicts {
        early.insert(number, verdict);
        while let Some(verdict) = early.remove(&wanted) {
            each(verdict);
            wanted += 1;
        }
    }
}

fn trusted(keys: &TrustedKeys, findings: &mut Vec<Finding>) -> Result<Keyring, VerifyError> {
    let mut keyring = Keyring::new();
    let folder = match keys {
        TrustedKeys::Folder(folder) => folder,
        TrustedKeys::OfficialAnd(folder) => {
            for key in Keyring::official().keys() {
                keyring.add(key.clone()).expect("no two built-in keys have one name; a test holds it");
            }
            folder
        }
    };
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound && matches!(keys, TrustedKeys::OfficialAnd(_)) => {
            return Ok(keyring);
        }
        Err(source) => return Err(VerifyError::Keys { path: folder.clone(), source }),
    };
    let failed = |source| VerifyError::Keys { path: folder.clone(), source };
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    // The order of a folder is chance; of two keys with one name the first stays.
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "pub")) {
        if let Err(message) = add_key(&mut keyring, path) {
            findings.push(Finding {
                code: "bad-key",
                severity: Severity::Warning,
                subject: path.display().to_string(),
                message,
                hint: None,
            });
        }
    }
    Ok(keyring)
}

fn add_key(keyring: &mut Keyring, path: &Path) -> Result<(), String> {
    let name: KeyName = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or("its name is not text")?
        .parse()
        .map_err(|bad: crate::apk::names::BadName| bad.to_string())?;
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let key = PublicKey::parse(name, &pem).map_err(|bad| bad.to_string())?;
    keyring.add(key).map_err(|bad| bad.to_string())
}

fn verify_file(path: &Path, keyring: &Keyring, arch: &Arch, buffer: &mut [u8]) -> Result<GoodFile, BadFile> {
    let package = |buffer: &mut [u8]| verify_package(path, keyring, arch, buffer);
    if path.extension().is_some_and(|extension| extension == "apk") {
        return package(buffer);
    }
    // A name says little: what holds no APKINDEX may still be a package.
    match verify_index(path, keyring) {
        Err(BadFile::Index(RefusedIndex::Sections(BadSections::MissingFile { .. })) | BadFile::TooLarge(_)) => {
            package(buffer)
        }
        verdict => verdict,
    }
}

fn verify_package(path: &Path, keyring: &Keyring, arch: &Arch, buffer: &mut [u8]) -> Result<GoodFile, BadFile> {
    let mut file = File::open(path).map_err(BadFile::Unreadable)?;
    let mut verifier = LooseVerifier::new(keyring, arch, Limits::default());
    loop {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(length) => verifier.feed(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BadFile::Unreadable(error)),
        }
    }
    let package = verifier.finish()?;
    Ok(GoodFile {
        kind: FileKind::Package(format!("{}-{}", package.info().name, package.info().version)),
        signers: names(package.signers()),
        size: package.size(),
    })
}

fn verify_index(path: &Path, keyring: &Keyring) -> Result<GoodFile, BadFile> {
    let file = File::open(path).map_err(BadFile::Unreadable)?;
    let mut bytes = Vec::new();
    (&file).take(MAX_INDEX + 1).read_to_end(&mut bytes).map_err(BadFile::Unreadable)?;
    let size = bytes.len() as u64;
    if size > MAX_INDEX {
        return Err(BadFile::TooLarge(size));
    }
    let index = index::verify_loose(bytes, keyring, &Limits::default())?;
    Ok(GoodFile { kind: FileKind::Index(index.entries().len()), signers: names(index.signers()), size })
}

fn names(signers: &[Signer]) -> Vec<KeyName> {
    signers.iter().map(|signer| signer.key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_come_in_the_order_asked_for() {
        let verdict = |name: &str| FileVerdict { path: name.into(), outcome: Err(BadFile::TooLarge(0)) };
        let mut seen = Vec::new();
        let done = [(3, "d"), (1, "b"), (0, "a"), (2, "c")].into_iter().map(|(number, name)| (number, verdict(name)));
        in_order(done, &mut |verdict| seen.push(verdict.path));
        assert_eq!(seen, ["a", "b", "c", "d"].map(PathBuf::from));
    }
}
