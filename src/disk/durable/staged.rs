//! A file that is written before anyone can see it.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::{Error, Naming as _, Result, flush_folder, parent, step};

pub(super) const PREFIX: &str = ".bivouac-";
pub(super) const SUFFIX: &str = ".tmp";

/// A name no other thread of this process uses. In a container every run may have the same pid, so a killed run's leftover
/// can have the name: callers create exclusively and ask again.
pub(super) fn temporary_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{PREFIX}{}-{}{SUFFIX}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A temporary file in the folder where it will stay. Dropped without [`Staged::persist`], it is removed.
#[derive(Debug)]
pub struct Staged {
    file: BufWriter<File>,
    path: PathBuf,
    len: u64,
    kept: Kept,
}

#[derive(Debug, PartialEq)]
enum Kept {
    No,
    Yes,
}

impl Staged {
    /// An empty temporary in `folder`, readable by us alone until it is persisted.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        loop {
            let path = folder.join(temporary_name());
            match fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    let file = BufWriter::with_capacity(64 * 1024, file);
                    return Ok(Staged { file, path, len: 0, kept: Kept::No });
                }
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(Error::new("create a file in", folder, cause)),
            }
        }
    }

    /// An empty temporary beside `target`, to be persisted as it.
    pub fn beside(target: &Path) -> Result<Self> {
        Self::in_folder(parent(target))
    }

    /// Adds `bytes` at the end.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).naming("write", &self.path)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets the modification time. Nothing may be written after it.
    pub fn set_modified(&mut self, modified: SystemTime) -> Result<()> {
        self.file.flush().naming("write", &self.path)?;
        self.file.get_ref().set_modified(modified).naming("set the time of", &self.path)
    }

    /// Flushes the file, renames it to `target` (same folder), with exactly `mode`, and flushes the folder.
    pub fn persist(mut self, target: &Path, mode: u32) -> Result<()> {
        self.finish(mode)?;
        step("flush file");
        self.file.get_ref().sync_all().naming("flush", &self.path)?;
        step("rename");
        self.rename(target)?;
        flush_folder(parent(target))
    }

    /// As [`Staged::persist`], with the mode that the file has: 0600, or what a file system without modes gives to all.
    pub fn persist_as_it_is(mut self, target: &Path) -> Result<()> {
        self.file.flush().naming("write", &self.path)?;
        step("flush file");
        self.file.get_ref().sync_all().naming("flush", &self.path)?;
        step("rename");
        self.rename(target)?;
        flush_folder(parent(target))
    }

    /// As [`Staged::persist`] without any flush: for many files in a place that nobody looks at until one
    /// [`super::flush_file_system`] made all of them safe.
    pub fn persist_unflushed(mut self, target: &Path, mode: u32) -> Result<()> {
        self.finish(mode)?;
        self.rename(target)
    }

    /// The open file, everything written so far included.
    pub(super) fn file(&mut self) -> Result<&File> {
        self.file.flush().naming("write", &self.path)?;
        Ok(self.file.get_ref())
    }

    fn finish(&mut self, mode: u32) -> Result<()> {
        self.file.flush().naming("write", &self.path)?;
        self.file.get_ref().set_permissions(Permissions::from_mode(mode)).naming("set the mode of", &self.path)
    }

    fn rename(&mut self, target: &Path) -> Result<()> {
        fs::rename(&self.path, target).naming("rename a file to", target)?;
        self.kept = Kept::Yes;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.kept == Kept::No {
            // Bytes still in the buffer are not worth writing; a failure leaves a temporary, which the next sweep takes.
            let _ = fs::remove_file(&self.path);
        }
    }
}
