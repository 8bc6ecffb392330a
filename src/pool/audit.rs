//! Is the pool what we left there? Every object is hashed again; all that is wrong is told at once.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sha2::{Digest as _, Sha256};

use super::{Error, Pool};
use crate::apk::ObjectId;
use crate::disk::durable;
use crate::finding::{Finding, Severity};

const BUFFER: usize = 128 * 1024;
const CURE: &str = "`bivouac repair` brings it back from whoever has it";

/// What an audit saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// All that is wrong, ordered by subject.
    pub findings: Vec<Finding>,
    /// Objects that are there and are not what their names say, or cannot be read.
    pub damaged: BTreeSet<ObjectId>,
    /// Objects that were hashed, and are files of the pool's own with the bytes that their names say.
    pub right: BTreeSet<ObjectId>,
    /// Objects that were hashed.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Pool {
    /// The objects that come next by rota: after `last`, in the order of their ids, from the first one on again behind the last
    /// one, `percent` of all (rounded up). By SHA-256, so new ones fall in anywhere.
    pub fn rota(&self, last: Option<&ObjectId>, percent: u64) -> Result<Vec<ObjectId>, Error> {
        let (objects, _) = self.listed()?;
        let count = (objects.len() as u64 * percent.min(100)).div_ceil(100);
        let behind = objects.iter().filter(|object| last.is_none_or(|last| *object > last));
        let before = objects.iter().filter(|object| last.is_some_and(|last| *object <= last));
        Ok(behind.chain(before).take(usize::try_from(count).unwrap_or(usize::MAX)).copied().collect())
    }

    /// Hashes every object again, or of them only those in `only`, on `threads` threads with one buffer each, and looks whether
    /// all `required` are there. `progress` is told the bytes as they are read. Beside anything else: objects that are added or
    /// removed meanwhile are no findings.
    ///
    /// Findings: `object-missing`, `object-damaged` (other bytes than its name says, or a link), `object-unreadable` (the disk gives
    /// an error, also for a folder of objects), `object-mode` (not 0444), `pool-foreign-file`, `pool-refs-damaged`.
    pub fn audit(
        &self,
        required: &BTreeSet<ObjectId>,
        only: Option<&BTreeSet<ObjectId>>,
        threads: NonZeroUsize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<AuditReport, Error> {
        let (objects, mut findings) = self.listed()?;
        for missing in required.difference(&objects) {
            findings.push(Finding {
                code: "object-missing",
                severity: Severity::Error,
                subject: self.path(missing).display().to_string(),
                message: "a package that is in force is not in the pool".into(),
                hint: Some(CURE.into()),
            });
        }
        let (refs, unreadable) = self.refs_unreadable();
        if unreadable > 0 {
            findings.push(Finding {
                code: "pool-refs-damaged",
                severity: Severity::Warning,
                subject: refs.display().to_string(),
                message: format!("{unreadable} lines cannot be read; their packages may be fetched once more"),
                hint: Some("`bivouac repair` takes them out".into()),
            });
        }

        let objects: Vec<ObjectId> =
            objects.into_iter().filter(|object| only.is_none_or(|only| only.contains(object))).collect();
        let next = AtomicUsize::new(0);
        let report = Mutex::new(AuditReport { findings, ..AuditReport::default() });
        thread::scope(|scope| {
            for _ in 0..threads.get().min(objects.len()) {
                scope.spawn(|| {
                    let mut buffer = vec![0; BUFFER];
                    while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let path = self.path(object);
                        let Some((bytes, finding)) = examine(&path, object, &mut buffer, progress) else { continue };
                        let mut report = report.lock().expect("no thread panics while it holds this lock");
                        report.objects += 1;
                        report.bytes += bytes;
                        match finding.as_ref().map(|finding| finding.code) {
                            None | Some("object-mode") => drop(report.right.insert(*object)),
                            Some("object-damaged" | "object-unreadable") => drop(report.damaged.insert(*object)),
                            Some(_) => {}
                        }
                        report.findings.extend(finding);
                    }
                });
            }
        });
        let mut report = report.into_inner().expect("no thread panics while it holds this lock");
        report.findings.sort_by(|a, b| (&a.subject, a.code).cmp(&(&b.subject, b.code)));
        Ok(report)
    }

    /// Every object by its name, and a finding for whatever else lies there.
    pub(super) fn listed(&self) -> Result<(BTreeSet<ObjectId>, Vec<Finding>), Error> {
        let mut objects = BTreeSet::new();
        let mut findings = Vec::new();
        for shard in list(&self.objects_folder())? {
            if !shard.is_dir() {
                findings.push(foreign(&shard));
                continue;
            }
            let paths = match list(&shard) {
                Ok(paths) => paths,
                Err(error) => {
                    findings.push(Finding {
                        code: "object-unreadable",
                        severity: Severity::Error,
                        subject: shard.display().to_string(),
                        message: format!(
                            "this folder of objects cannot be read: {}",
                            crate::error::in_one_line(&error)
                        ),
                        hint: Some("see who owns it and what its mode is; if that is right, see to the disk".into()),
                    });
                    continue;
                }
            };
            for path in paths {
                let named = path.file_name().and_then(|name| name.to_str()?.parse::<ObjectId>().ok());
                match named {
                    // Its path is also the canonical one: right shard, lower-case name.
                    Some(object) if self.path(&object) == path => {
                        objects.insert(object);
                    }
                    _ => findings.push(foreign(&path)),
                }
            }
        }
        Ok((objects, findings))
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, durable::Error> {
    let failed = |cause| durable::Error::new("list", folder, cause);
    fs::read_dir(folder).map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}

fn foreign(path: &Path) -> Finding {
    Finding {
        code: "pool-foreign-file",
        severity: Severity::Warning,
        subject: path.display().to_string(),
        message: "it is no object of the pool's".into(),
        hint: Some("move it out of the store".into()),
    }
}

/// Hashes one object. `None` if it is gone: removed since it was listed.
fn examine(
    path: &Path,
    object: &ObjectId,
    buffer: &mut [u8],
    progress: &(dyn Fn(u64) + Sync),
) -> Option<(u64, Option<Finding>)> {
    let finding = |code, message: String| Finding {
        code,
        severity: Severity::Error,
        subject: path.display().to_string(),
        message,
        hint: Some(CURE.into()),
    };
    let mut bytes = 0;
    let mut look = || -> io::Result<Option<Finding>> {
        let metadata = fs::symlink_metadata(path)?;
        if metadata.is_symlink() {
            return Ok(Some(finding("object-damaged", "a link is in its place, and may lead to anything".into())));
        }
        if !metadata.is_file() {
            return Ok(Some(foreign(path)));
        }
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        loop {
            let length = match file.read(buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(cause),
            };
            hasher.update(&buffer[..length]);
            bytes += length as u64;
            progress(length as u64);
        }
        let found = ObjectId::new(hasher.finalize().into());
        if found != *object {
            return Ok(Some(finding("object-damaged", format!("its {bytes} bytes have the SHA-256 {found}"))));
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode != 0o444 {
            return Ok(Some(Finding {
                severity: Severity::Warning,
                hint: Some(format!("chmod 444 {}", path.display())),
                ..finding("object-mode", format!("its mode is {mode:04o}, not 0444"))
            }));
        }
        Ok(None)
    };
    match look() {
        Ok(found) => Some((bytes, found)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => Some((bytes, Some(finding("object-unreadable", format!("it cannot be read: {cause}"))))),
    }
}
