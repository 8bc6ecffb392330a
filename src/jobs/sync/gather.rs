//! Directory sources: their packages are read and become an index for each arch.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::indexes::{Asked, Candidate};
use super::{Accepted, Error, Mirror, Refused, Setback};
use crate::apk::names::{Arch, SourceName};
use crate::apk::v2::sections::{BadSections, Limits};
use crate::apk::{Entry, Identity};
use crate::config::{KEYRING_SOURCE, SourceKind, Unsigned};
use crate::error::{Class, Trouble};
use crate::jobs::error::in_one_line;
use crate::ledger::SeenFile;
use crate::report::Reporter;
use crate::snapshot::SignedBy;
use crate::sources::directory::{self, Candidate as Listed};
use crate::verify::Keyring;
use crate::verify::package::{PackageVerifier, Promise, RefusedPackage, VerifiedPackage};

/// What a directory holds for one arch.
pub(in crate::jobs) struct Gathered {
    pub(super) index: Accepted,
    /// Where the packages lie that the pool does not have yet.
    pub(super) files: Arc<HashMap<Identity, (PathBuf, VerifiedPackage)>>,
}

/// One package file of a directory, looked at.
enum Looked {
    /// Known from a former run, unchanged since, and in the pool.
    Seen(SeenFile),
    /// Read and verified now.
    Read(Box<VerifiedPackage>),
    /// Not a package at all.
    NoPackage(String),
    /// Refused.
    Refused(RefusedPackage),
    /// Could not be read.
    Unreadable(std::io::Error),
}

/// Reads every directory source that is asked for.
pub(super) fn gather(
    mirror: &Mirror<'_>,
    asked: &mut Asked,
    now: Timestamp,
    reporter: &Arc<dyn Reporter>,
) -> Result<(), Error> {
    let mut by_source: BTreeMap<SourceName, Vec<usize>> = BTreeMap::new();
    for (at, index) in asked.indexes.iter().enumerate() {
        if let SourceKind::Directory { .. } = mirror.config.sources[&index.key.source].kind {
            by_source.entry(index.key.source.clone()).or_default().push(at);
        }
    }
    for (source, places) in by_source {
        let SourceKind::Directory { path, unsigned } = &mirror.config.sources[&source].kind else { continue };
        let keyring = Arc::clone(&asked.keyrings[&source]);
        let rule = rule(&keyring, *unsigned);
        let known = asked.state.directories.remove(&source).unwrap_or_default();
        let folder = Folder { source, path, unsigned: *unsigned, keyring, rule, known };
        gather_one(mirror, asked, folder, &places, now, reporter)?;
    }
    Ok(())
}

/// A directory source, and what is known of its files from a former run.
struct Folder<'c> {
    source: SourceName,
    path: &'c Path,
    unsigned: Unsigned,
    keyring: Arc<Keyring>,
    /// What its files are taken under.
    rule: String,
    known: BTreeMap<String, SeenFile>,
}

fn gather_one(
    mirror: &Mirror<'_>,
    asked: &mut Asked,
    folder: Folder<'_>,
    places: &[usize],
    now: Timestamp,
    reporter: &Arc<dyn Reporter>,
) -> Result<(), Error> {
    let source = &folder.source;
    for at in places {
        let key = &asked.indexes[*at].key;
        reporter.index_requested(&key.source, &key.path, &key.arch);
    }
    let scan = match directory::scan(folder.path) {
        // A dry run of a mirror that never ran: the package of our keys is not made yet.
        Err(_) if source.as_str() == KEYRING_SOURCE && !folder.path.exists() => directory::DirectoryScan::default(),
        Ok(scan) => scan,
        Err(error) if error.class() == Class::Upstream => {
            for at in places {
                let index = &mut asked.indexes[*at];
                let setback = Setback::of(format!("packages of {} could not be read", index.key), &error);
                reporter.index_failed(source, "", &index.key.arch, &setback.one_line());
                index.setback = Some(setback);
            }
            asked.state.directories.insert(folder.source, folder.known);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    for finding in &scan.findings {
        reporter.warning(&format!("{}: {}", finding.subject, finding.message));
    }
    let looked = look_at_all(&scan.candidates, |listed| look(mirror, listed, &folder));
    let mut seen_now = BTreeMap::new();
    let mut troubles: Vec<(Option<Arch>, Setback, Refused)> = Vec::new();
    let mut good: Vec<(Option<Arch>, SeenFile, Option<VerifiedPackage>, PathBuf)> = Vec::new();
    for (listed, looked) in scan.candidates.iter().zip(looked) {
        let shown = listed.path.display().to_string();
        let mut refuse = |class: Class, code: &'static str, reason: String| {
            let mut setback = Setback::new(class, code, format!("package {shown} of source \"{source}\" is refused"));
            setback.details.push(reason.clone());
            let refused = Refused { file: shown.clone(), reason, code: code.to_owned(), class };
            troubles.push((listed.folder_arch.clone(), setback, refused));
        };
        match looked {
            Looked::NoPackage(reason) => reporter.warning(&format!("{shown} is no package and is left out: {reason}")),
            Looked::Unreadable(cause) => refuse(Class::Host, "unreadable", format!("it cannot be read: {cause}")),
            Looked::Refused(error) => refuse(error.class(), error.code(), in_one_line(&error)),
            Looked::Seen(seen) => good.push((listed.folder_arch.clone(), seen, None, listed.path.clone())),
            Looked::Read(package) => {
                let arch = package.info().arch.clone();
                let misplaced = listed.folder_arch.as_ref().filter(|folder| **folder != arch && !arch.is_noarch());
                if let Some(folder) = misplaced {
                    refuse(
                        Class::Refused,
                        "other-arch",
                        format!("it is for {arch} and lies in the folder of {folder}"),
                    );
                    continue;
                }
                match package.info().entry(&package.identity(), package.size(), &arch) {
                    Err(error) => refuse(Class::Refused, "bad-entry", error.to_string()),
                    Ok(entry) => {
                        let signers = package
                            .signers()
                            .iter()
                            .map(|signer| SignedBy {
                                key: signer.key.clone(),
                                fingerprint: signer.fingerprint.to_string(),
                            })
                            .collect();
                        let seen = SeenFile {
                            stamp: listed.stamp,
                            object: package.object_id(),
                            entry: entry.text().to_owned(),
                            arch,
                            signers,
                            rule: folder.rule.clone(),
                        };
                        good.push((listed.folder_arch.clone(), seen, Some(*package), listed.path.clone()));
                    }
                }
            }
        }
    }
    for at in places {
        let arch = asked.indexes[*at].key.arch.clone();
        let concerns =
            |folder: &Option<Arch>| folder.as_ref().is_none_or(|folder| *folder == arch || folder.is_noarch());
        let mut entries = Vec::new();
        let mut signers: Vec<SignedBy> = Vec::new();
        let mut files = HashMap::new();
        for (folder, seen, package, path) in &good {
            let fits = concerns(folder) && (seen.arch.is_noarch() || seen.arch == arch);
            let Ok(entry) = Entry::parse(&seen.entry) else { continue };
            if !fits {
                continue;
            }
            for signer in &seen.signers {
                if !signers.contains(signer) {
                    signers.push(signer.clone());
                }
            }
            if let Some(package) = package {
                files.insert(*entry.identity(), (path.clone(), package.clone()));
            }
            entries.push((entry.with_arch(&arch), seen.object));
        }
        // The scan's order is that of paths; the index's is its own, so that the same packages give the same index.
        entries.sort_by(|(one, _), (other, _)| one.file().cmp(other.file()).then(one.identity().cmp(other.identity())));
        let index = &mut asked.indexes[*at];
        let mine: Vec<_> = troubles.iter().filter(|(folder, ..)| concerns(folder)).collect();
        if let Some((_, setback, _)) = mine.first() {
            index.setback = Some(setback.clone());
            index.refused = mine.iter().map(|(_, _, refused)| refused.clone()).collect();
            reporter.index_failed(source, "", &arch, &setback.one_line());
            continue;
        }
        let packages = entries.len() as u64;
        let gathered = Accepted::gathered(index.key.clone(), entries, signers, now);
        let state = asked.state.entry(&index.key);
        state.confirmed = Some(now);
        state.last_error = None;
        // What was read anew and is not in the pool was lost there, and this is where it comes back from.
        let whole = files.values().all(|(_, package)| mirror.pool.has(&package.object_id()));
        if whole && index.accepted_id.as_deref() == Some(gathered.id().as_str()) {
            reporter.index_unchanged(source, "", &arch);
        } else {
            reporter.index_verified(source, "", &arch, packages);
            index.candidate = Some(Candidate::Gathered(Gathered { index: gathered, files: Arc::new(files) }));
        }
    }
    for (_, seen, _, path) in good {
        seen_now.insert(path.display().to_string(), seen);
    }
    // A file that is refused now is remembered as the package that it was.
    for listed in &scan.candidates {
        let path = listed.path.display().to_string();
        if let Some(was) = folder.known.get(&path) {
            seen_now.entry(path).or_insert_with(|| was.clone());
        }
    }
    // A folder that is empty now may be one that is not mounted.
    asked.state.directories.insert(source.clone(), if seen_now.is_empty() { folder.known } else { seen_now });
    Ok(())
}

/// What a file was taken under: under another keyring it is read again.
fn rule(keyring: &Keyring, unsigned: Unsigned) -> String {
    let mut hash = Sha256::new();
    for word in keyring.words() {
        hash.update(word);
        hash.update([0]);
    }
    format!("unsigned={unsigned:?} keyring={}", crate::apk::checksum::hex(&hash.finalize()[..16])).to_lowercase()
}

/// Looks at all files on as many threads as there are processors.
fn look_at_all(listed: &[Listed], look: impl Fn(&Listed) -> Looked + Sync) -> Vec<Looked> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(listed.len().max(1));
    let next = AtomicUsize::new(0);
    let mut parts: Vec<(usize, Looked)> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(listed) = listed.get(at) else { return done };
                done.push((at, look(listed)));
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("looking at a file does not panic")).collect()
    });
    parts.sort_by_key(|(at, _)| *at);
    parts.into_iter().map(|(_, looked)| looked).collect()
}

fn look(mirror: &Mirror<'_>, listed: &Listed, folder: &Folder<'_>) -> Looked {
    let was = folder.known.get(&listed.path.display().to_string());
    if let Some(seen) = was
        && seen.stamp == listed.stamp
        && seen.rule == folder.rule
        && mirror.pool.has(&seen.object)
    {
        return Looked::Seen(seen.clone());
    }
    match read(&listed.path, listed.folder_arch.as_ref(), folder) {
        Ok(Ok(package)) => Looked::Read(Box::new(package)),
        // What was a package before, or begins like one, is a damaged package: leaving it out would withdraw it.
        Ok(Err(RefusedPackage::Sections(BadSections::Gzip(_)))) if was.is_none() && !begins_as_gzip(&listed.path) => {
            Looked::NoPackage("it is not gzip".into())
        }
        Ok(Err(error)) => Looked::Refused(error),
        Err(cause) => Looked::Unreadable(cause),
    }
}

fn begins_as_gzip(path: &Path) -> bool {
    let mut magic = [0; 2];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == [0x1f, 0x8b]
}

fn read(
    path: &Path,
    arch: Option<&Arch>,
    folder: &Folder<'_>,
) -> std::io::Result<Result<VerifiedPackage, RefusedPackage>> {
    let promise = match folder.unsigned {
        Unsigned::Accept => Promise::AsItIs,
        // Which arch a key is trusted for matters only where the folder tells one; a package at the top tells it later.
        Unsigned::Refuse => Promise::Signature(Arc::clone(&folder.keyring), arch.cloned()),
    };
    let mut verifier = PackageVerifier::new(promise, Limits::default()).under(folder.keyring.sha1());
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(verifier.finish()),
            length => {
                if let Err(error) = verifier.feed(&buffer[..length]) {
                    return Ok(Err(error));
                }
            }
        }
    }
}
