//! A file that grows over several runs.

use std::fs::{self, File, Permissions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{Error, Naming as _, Result, step};

/// A file that may have been begun by an earlier run and survives this one. It is never flushed by itself: after power loss
/// any of its bytes may be missing or wrong, so what is there is material to verify again, never to trust.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    path: PathBuf,
    len: u64,
}

/// Whether two files share their blocks now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// They do.
    Yes,
    /// The file system cannot, or not between these two.
    No,
}

impl PartFile {
    /// Opens `path` as it stands, or makes it, empty; ours alone to read (0600) until it is finished.
    pub fn open(path: PathBuf) -> Result<Self> {
        let open =
            || fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = match open() {
            // A run that was stopped between finishing and naming the file left it read-only.
            Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied && path.is_file() => {
                fs::set_permissions(&path, Permissions::from_mode(0o600)).naming("set the mode of", &path)?;
                open()
            }
            opened => opened,
        }
        .naming("open", &path)?;
        let len = file.seek(SeekFrom::End(0)).naming("read", &path)?;
        Ok(PartFile { file, path, len })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds `bytes` at the end; unbuffered, so hand over whole chunks.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.len += bytes.len() as u64;
                Ok(())
            }
            Err(cause) => {
                // Some of the bytes may have been written; a caller that goes on must find the length we told.
                let _ = self.file.set_len(self.len);
                let _ = self.file.seek(SeekFrom::Start(self.len));
                Err(Error::new("write", &self.path, cause))
            }
        }
    }

    /// Keeps the first `len` bytes only.
    pub fn truncate(&mut self, len: u64) -> Result<()> {
        let len = len.min(self.len);
        self.file.set_len(len).naming("cut", &self.path)?;
        self.file.seek(SeekFrom::Start(len)).naming("read", &self.path)?;
        self.len = len;
        Ok(())
    }

    /// Reads what is there from the beginning, on a descriptor of its own: writing goes on at the end.
    pub fn reader(&self) -> Result<impl io::Read + Send + use<>> {
        let file = File::open(&self.path).naming("open", &self.path)?;
        Ok(io::Read::take(file, self.len))
    }

    /// Takes in all of `source`, in place of what is there, at the cost of no bytes, where the file system can share them
    /// (FICLONE); else does nothing.
    pub fn clone_from_file(&mut self, source: &File) -> Result<Shared> {
        if rustix::fs::ioctl_ficlone(&self.file, source).is_err() {
            return Ok(Shared::No);
        }
        self.len = self.file.seek(SeekFrom::End(0)).naming("read", &self.path)?;
        Ok(Shared::Yes)
    }

    /// No more bytes come: sets exactly `mode` and has the kernel begin to write the file out, so that a later
    /// [`super::flush_file_system`] finds little to do. Returns the path; nothing is flushed.
    pub fn finish(self, mode: u32) -> Result<PathBuf> {
        step("finish part");
        self.file.set_permissions(Permissions::from_mode(mode)).naming("set the mode of", &self.path)?;
        // On Linux this advice starts write-back of dirty pages and drops only clean ones. A kernel without it is no fault.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
        Ok(self.path)
    }

    /// Removes the file: its bytes are of no use.
    pub fn remove(self) -> Result<()> {
        super::remove_file(&self.path)
    }
}
