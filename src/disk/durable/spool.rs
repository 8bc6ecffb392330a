//! A file without a name.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{Error, Naming as _, Result, staged};

/// Bytes that one run writes and reads again, and that nobody else ever sees: the file loses its name as soon as it is made, so
/// that nothing is left of it when the process ends, in whichever way. Never flushed.
#[derive(Debug)]
pub struct Spool {
    file: File,
    folder: PathBuf,
    len: u64,
}

impl Spool {
    /// An empty one on the file system of `folder`.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        loop {
            let path = folder.join(staged::temporary_name());
            match fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    fs::remove_file(&path).naming("remove", &path)?;
                    return Ok(Spool { file, folder: folder.to_owned(), len: 0 });
                }
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(Error::new("create a file in", folder, cause)),
            }
        }
    }

    /// Adds `bytes` at the end and says where they begin.
    pub fn add(&mut self, bytes: &[u8]) -> Result<u64> {
        let at = self.len;
        self.file.write_all_at(bytes, at).naming("write a file without a name in", &self.folder)?;
        self.len += bytes.len() as u64;
        Ok(at)
    }

    /// The `len` bytes that begin at `at`.
    pub fn read(&self, at: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, at).naming("read a file without a name in", &self.folder)?;
        Ok(bytes)
    }
}
