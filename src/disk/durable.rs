//! The only writer. A file is written to a temporary beside its target, flushed, renamed over the target, and the folder is
//! flushed: after a crash or power loss there is the old file or the new one, never a torn one.
//!
//! What always holds:
//! - A function that promises a *flushed* result has it on the medium when it returns (as far as the disk is honest).
//! - Temporaries are named `.bivouac-<pid>-<n>.tmp`. A run that is killed leaves them behind; [`sweep_temporaries`] removes
//!   them, called by whoever holds the store's lock.
//! - Every durable step announces itself to [`on_step`]'s hook before it is done, so a test can kill the process there.
//!   Bulk work (hard links, bytes of a file not yet renamed) is not a step: it is invisible until the step after it.
//!
//! Modes are set exactly, whatever the umask: a public tree made by root with umask 077 must still be readable.
#![expect(clippy::disallowed_methods, reason = "this is the one writer that the lint points to")]

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::error::{Class, Trouble};

mod link;
mod lock_file;
mod part;
#[cfg(debug_assertions)]
mod rehearsal;
mod spool;
mod staged;

pub use link::{Linked, LinkedTree};
pub use lock_file::{Attempt, LockFile};
pub use part::{PartFile, Shared};
#[cfg(debug_assertions)]
pub use rehearsal::Rehearsal;
pub use spool::Spool;
pub use staged::Staged;

/// An operation on a file of ours that the host did not do.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
pub struct Error {
    operation: &'static str,
    path: PathBuf,
    #[source]
    cause: io::Error,
}

impl Error {
    /// An error of `operation` (a verb phrase that stands before the path: "read", "list") on `path`.
    pub fn new(operation: &'static str, path: impl Into<PathBuf>, cause: impl Into<io::Error>) -> Self {
        Error { operation, path: path.into(), cause: cause.into() }
    }

    /// What was tried.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The file or folder it was tried on.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The host's answer.
    pub fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }

    /// Whether it would be the same with every other file there: the disk is full, a quota is reached, or nothing may be written.
    pub fn is_for_all(&self) -> bool {
        matches!(self.code(), "disk-full" | "read-only")
    }
}

impl Trouble for Error {
    fn class(&self) -> Class {
        Class::Host
    }

    fn code(&self) -> &'static str {
        match self.cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk-full",
            io::ErrorKind::ReadOnlyFilesystem => "read-only",
            io::ErrorKind::PermissionDenied => "no-permission",
            _ => "disk",
        }
    }

    fn hint(&self) -> Option<String> {
        match self.cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("free space there, then run again: what was stored so far is kept".into())
            }
            _ => None,
        }
    }
}

/// This module's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

trait Naming<T> {
    fn naming(self, operation: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> Naming<T> for std::result::Result<T, E> {
    fn naming(self, operation: &'static str, path: &Path) -> Result<T> {
        self.map_err(|cause| Error::new(operation, path, cause))
    }
}

type Hook = Box<dyn Fn(u64, &'static str) + Send + Sync>;

static HOOK: OnceLock<Hook> = OnceLock::new();
static STEPS: AtomicU64 = AtomicU64::new(0);

/// Has `hook` called before each durable step of this process, with the step's running number (from 1, counted from the
/// first hook on) and its name. For crash tests; the first hook installed stays.
pub fn on_step(hook: impl Fn(u64, &'static str) + Send + Sync + 'static) {
    // A second hook would split one count between two listeners; there is one crash test per process.
    let _ = HOOK.set(Box::new(hook));
}

fn step(name: &'static str) {
    if let Some(hook) = HOOK.get() {
        hook(STEPS.fetch_add(1, Ordering::Relaxed) + 1, name);
    }
}

/// The whole of a file, or `None` where there is none. For small files of ours; the size is not bounded.
pub fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::new("read", path, cause)),
    }
}

/// The names in a folder, in no order; none where there is no folder. Names that are not UTF-8 are never ours and left out.
pub fn list(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Error::new("list", folder, cause)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.naming("list", folder)?;
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

/// Writes `bytes` as `path`, replacing what is there; flushed. `mode` is exact.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut staged = Staged::beside(path)?;
    staged.write(bytes)?;
    staged.persist(path, mode)
}

/// As [`write`], with the file's modification time set before it becomes visible.
pub fn write_dated(path: &Path, bytes: &[u8], mode: u32, modified: SystemTime) -> Result<()> {
    let mut staged = Staged::beside(path)?;
    staged.write(bytes)?;
    staged.set_modified(modified)?;
    staged.persist(path, mode)
}

/// As [`write_dated`], with the temporary in the folder `aside`, on the same file system: for a folder that others look at, and
/// that no sweep does.
pub fn write_dated_aside(path: &Path, bytes: &[u8], mode: u32, modified: SystemTime, aside: &Path) -> Result<()> {
    let mut staged = Staged::in_folder(aside)?;
    staged.write(bytes)?;
    staged.set_modified(modified)?;
    staged.persist(path, mode)
}

/// As [`write_dated`], **not** flushed: for many files in a place that nobody looks at until one [`flush_file_system`] made all
/// of them safe.
pub fn write_dated_unflushed(path: &Path, bytes: &[u8], mode: u32, modified: SystemTime) -> Result<()> {
    let mut staged = Staged::beside(path)?;
    staged.write(bytes)?;
    staged.set_modified(modified)?;
    staged.persist_unflushed(path, mode)
}

/// Adds `bytes` to the end of `path` and flushes it. The file is made, with `mode`, where there is none. After a crash any
/// first part of `bytes` may be there: the reader must know a torn end.
pub fn append(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    use io::Write as _;
    let existed = path.exists();
    let mut file = fs::OpenOptions::new().append(true).create(true).mode(mode).open(path).naming("open", path)?;
    step("append");
    file.write_all(bytes).naming("write", path)?;
    step("flush append");
    file.sync_data().naming("flush", path)?;
    if !existed {
        file.set_permissions(Permissions::from_mode(mode)).naming("set the mode of", path)?;
        flush_folder(parent(path))?;
    }
    Ok(())
}

/// Cuts `path` to its first `len` bytes; flushed. For what a crash tore off in the middle of an [`append`].
pub fn truncate(path: &Path, len: u64) -> Result<()> {
    let file = fs::OpenOptions::new().write(true).open(path).naming("open", path)?;
    step("truncate");
    file.set_len(len).and_then(|()| file.sync_all()).naming("cut", path)
}

/// Makes the folder `path` and the parents it lacks, each with `mode`, flushed; one that is there is left as it is.
pub fn create_folder(path: &Path, mode: u32) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    if above != path {
        create_folder(above, mode)?;
    }
    step("create folder");
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        // Another process was faster, or a link to a folder stands there.
        Err(_) if path.is_dir() => return Ok(()),
        Err(cause) => return Err(Error::new("create the folder", path, cause)),
    }
    set_mode(path, mode)?;
    flush_folder(above)
}

/// Makes the folder `path` and the parents that are missing, with `mode`; **not** flushed. One that is there is left as it
/// is.
pub fn create_folder_unflushed(path: &Path, mode: u32) -> Result<()> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => set_mode(path, mode),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => match path.parent() {
            Some(parent) => {
                create_folder_unflushed(parent, mode)?;
                create_folder_unflushed(path, mode)
            }
            None => Err(Error::new("create the folder", path, cause)),
        },
        Err(_) if path.is_dir() => Ok(()),
        Err(cause) => Err(Error::new("create the folder", path, cause)),
    }
}

/// Sets the mode of a file or folder; not flushed.
pub fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode)).naming("set the mode of", path)
}

/// Sets the modification time of a file, folder or link itself; not flushed.
pub fn set_modified(path: &Path, modified: SystemTime) -> Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
    let since = match modified.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since,
        Err(_) => std::time::Duration::ZERO,
    };
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: since.as_secs() as i64, tv_nsec: since.subsec_nanos().into() },
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).naming("set the time of", path)
}

/// Renames `from` to `to`, replacing a file there; both folders are flushed. What `from` holds must be flushed already.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    step("rename");
    fs::rename(from, to).naming("rename a file to", to)?;
    flush_folder(parent(to))?;
    if parent(from) != parent(to) {
        flush_folder(parent(from))?;
    }
    Ok(())
}

/// Renames many files; **not** flushed: follow with [`flush_file_system`]. What they hold must be flushed already. Two steps
/// for a test to stop at: before the first rename, and half-way.
pub fn rename_all(pairs: &[(PathBuf, PathBuf)]) -> Result<()> {
    step("rename all");
    for (number, (from, to)) in pairs.iter().enumerate() {
        if number > 0 && number == pairs.len() / 2 {
            step("rename all, half-way");
        }
        fs::rename(from, to).naming("rename a file to", to)?;
    }
    Ok(())
}

/// Makes `link` a symbolic link with the text `target`, in one rename over whatever link was there; the folder is flushed.
/// At every instant `link` leads to the old target or to the new one. A real folder at `link` is an error.
pub fn switch_link(link: &Path, target: &Path) -> Result<()> {
    let folder = parent(link);
    let temporary = loop {
        let temporary = folder.join(staged::temporary_name());
        match std::os::unix::fs::symlink(target, &temporary) {
            Ok(()) => break temporary,
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(Error::new("create a link in", folder, cause)),
        }
    };
    step("switch link");
    if let Err(cause) = fs::rename(&temporary, link) {
        let _ = fs::remove_file(&temporary);
        return Err(Error::new("switch the link", link, cause));
    }
    flush_folder(folder)
}

/// Removes the file or link `path`; one that is not there is fine. Not flushed: a file that comes back after power loss is
/// removed by whoever removed it before.
pub fn remove_file(path: &Path) -> Result<()> {
    step("remove file");
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::new("remove", path, cause)),
        _ => Ok(()),
    }
}

/// Removes the folder `path` and all below it, following no link; one that is not there is fine. Not flushed, and not
/// atomic: rename what others may look at out of the way first.
pub fn remove_tree(path: &Path) -> Result<()> {
    step("remove tree");
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::new("remove", path, cause)),
        _ => Ok(()),
    }
}

/// Flushes a folder: the names in it are on the medium when this returns.
pub fn flush_folder(path: &Path) -> Result<()> {
    step("flush folder");
    File::open(path).and_then(|folder| folder.sync_all()).naming("flush the folder", path)
}

/// Flushes every folder of a tree, `root` included, children first, and no file: enough where each file in it is a hard
/// link to one that was flushed before.
pub fn flush_folders_below(root: &Path) -> Result<()> {
    for entry in fs::read_dir(root).naming("list", root)? {
        let entry = entry.naming("list", root)?;
        if entry.file_type().naming("look at", &entry.path())?.is_dir() {
            flush_folders_below(&entry.path())?;
        }
    }
    flush_folder(root)
}

/// Flushes everything written so far to the file system that holds `path` (syncfs): files, names and modes, of all processes.
/// One such call is the cheapest way to make many new files safe. Kernels before 5.8 do not report failed write-back here.
pub fn flush_file_system(path: &Path) -> Result<()> {
    step("flush file system");
    let folder = File::open(path).naming("open", path)?;
    rustix::fs::syncfs(&folder).naming("flush the file system of", path)
}

/// Gives `path` to the owner and the group of `like`. Where it is theirs already nothing is done.
pub fn give_like(path: &Path, like: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = fs::metadata(like).naming("ask for the owner of", like)?;
    let now = fs::metadata(path).naming("ask for the owner of", path)?;
    if (owner.uid(), owner.gid()) == (now.uid(), now.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid())).naming("give away", path)
}

/// Bytes that this process may still write to the file system that holds `path`.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(path).naming("ask for free space of", path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Bytes of the file system that holds `path`, used or not.
pub fn total_bytes(path: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(path).naming("ask for the size of", path)?;
    Ok(stat.f_blocks.saturating_mul(stat.f_frsize))
}

/// Removes temporaries that a killed run left in `folder` (not below it). The caller holds the lock under which this folder is
/// written: a temporary of a living process looks the same.
pub fn sweep_temporaries(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).naming("list", folder)? {
        let entry = entry.naming("list", folder)?;
        if is_temporary(&entry.file_name()) {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes temporaries in `folder` (not below it) that nobody has written to since `before`: where several may write at once and
/// no lock is held, age tells what a killed run left.
pub fn sweep_old_temporaries(folder: &Path, before: SystemTime) -> Result<()> {
    for name in list(folder)?.iter().filter(|name| is_temporary(name.as_ref())) {
        let path = folder.join(name);
        match fs::symlink_metadata(&path).and_then(|found| found.modified()) {
            Ok(modified) if modified < before => remove_file(&path)?,
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(Error::new("look at", &path, cause)),
        }
    }
    Ok(())
}

/// Whether a file name is one of this module's temporaries.
pub fn is_temporary(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(staged::PREFIX) && name.ends_with(staged::SUFFIX))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

#[cfg(test)]
mod tests;
