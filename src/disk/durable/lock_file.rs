//! A file that is locked, and says who by.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::{Error, Naming as _, Result};

/// An open file for flock(2). The lock goes when this is dropped or the process ends.
#[derive(Debug)]
pub struct LockFile {
    file: File,
    path: PathBuf,
}

/// Whether a lock was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It is ours.
    Taken,
    /// Someone else has it.
    Held,
}

impl LockFile {
    /// Opens `path`, or makes it, without taking the lock. The file is never replaced: a lock is on the file, not on its name.
    pub fn open(path: PathBuf) -> Result<Self> {
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        Ok(LockFile { file: file.naming("open", &path)?, path })
    }

    /// Tries for the exclusive lock without waiting.
    pub fn try_lock(&self) -> Result<Attempt> {
        loop {
            match rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Attempt::Taken),
                Err(Errno::WOULDBLOCK) => return Ok(Attempt::Held),
                Err(Errno::INTR) => {}
                Err(cause) => return Err(Error::new("lock", &self.path, cause)),
            }
        }
    }

    /// Replaces the file's text, for others to read; in place and not flushed, so a reader may see a part of it.
    pub fn note(&mut self, text: &[u8]) -> Result<()> {
        self.file.set_len(0).naming("write", &self.path)?;
        self.file.seek(SeekFrom::Start(0)).naming("write", &self.path)?;
        self.file.write_all(text).naming("write", &self.path)
    }

    /// The file's text, at most its first 4 KiB.
    pub fn noted(&mut self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        self.file.seek(SeekFrom::Start(0)).naming("read", &self.path)?;
        (&self.file).take(4096).read_to_end(&mut text).naming("read", &self.path)?;
        Ok(text)
    }
}
