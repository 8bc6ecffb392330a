//! The tar of a volume: headers of plain files, and nothing else.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::Error;
use crate::places::archive::{self, BLOCK, BadArchive};

pub(super) use crate::places::archive::{END, header, padding};

/// The manifest's name.
pub(super) const MANIFEST: &str = "manifest.json";
/// The program's name.
pub(super) const TOOL: &str = "bivouac";
/// What the objects' name begins with; the volume's number follows.
pub(super) const OBJECTS: &str = "objects.";

/// The name of the signature by the key with this file name.
pub(super) fn signature_name(key: &str) -> String {
    format!("{MANIFEST}.{key}.sig")
}

/// Bytes that a file of `size` takes in a tar; `None` beyond all sizes.
fn padded(size: u64) -> Option<u64> {
    size.checked_next_multiple_of(BLOCK)
}

/// Opens a file of a medium. Whoever made the medium may have put a device or a pipe there, which would never end, or a link
/// that leads off it.
pub(super) fn open_plain(path: &Path) -> Result<File, Error> {
    let medium = |cause| Error::medium(path, cause);
    if !path.symlink_metadata().map_err(medium)?.is_file() {
        return Err(Error::NotPlain { path: path.to_owned() });
    }
    File::open(path).map_err(medium)
}

/// One file of a tar.
pub(super) struct Entry {
    pub(super) name: String,
    /// Where its bytes begin.
    pub(super) at: u64,
    pub(super) size: u64,
}

/// Reads a tar from its beginning.
pub(super) struct Reader {
    file: File,
    path: PathBuf,
    length: u64,
    at: u64,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = open_plain(path)?;
        let length = file.metadata().map_err(|cause| Error::medium(path, cause))?.len();
        Ok(Reader { file, path: path.to_owned(), length, at: 0 })
    }

    pub(super) fn into_file(self) -> File {
        self.file
    }

    /// The next file; `None` at the end, behind which nothing is.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Error> {
        let block = self.take::<512>()?;
        let member = match archive::member(&block) {
            Ok(Some(member)) => member,
            Ok(None) => {
                let rest = self.take::<512>()?;
                let over = self.at != self.length || rest.iter().any(|byte| *byte != 0);
                return if over { Err(self.damaged("something follows its end")) } else { Ok(None) };
            }
            Err(BadArchive::Checksum) if self.at == BLOCK => return Err(Error::NotOne { path: self.path.clone() }),
            Err(BadArchive::Kind { name, what }) => return Err(self.foreign(name, what)),
            Err(BadArchive::Size) => return Err(self.damaged("a header has no size")),
            Err(_) => return Err(self.damaged("a header's checksum does not match")),
        };
        let archive::Member { name, size } = member;
        let begin = self.at;
        let end = padded(size).and_then(|padded| begin.checked_add(padded)).unwrap_or(u64::MAX);
        if end.saturating_add(END) > self.length {
            return Err(Error::Cut { path: self.path.clone(), found: self.length, expected: end.saturating_add(END) });
        }
        self.at = end - padding(size);
        self.seek()?;
        let zeros = self.read(padding(size))?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(self.damaged("what fills a block up is not empty"));
        }
        Ok(Some(Entry { name, at: begin, size }))
    }

    /// The bytes of `entry`, which the caller finds small enough.
    pub(super) fn bytes(&mut self, entry: &Entry) -> Result<Vec<u8>, Error> {
        let next = self.at;
        self.at = entry.at;
        self.seek()?;
        let bytes = self.read(entry.size)?;
        self.at = next;
        self.seek()?;
        Ok(bytes)
    }

    pub(super) fn foreign(&self, name: String, what: &'static str) -> Error {
        Error::Foreign { path: self.path.clone(), name: name.chars().take(80).collect(), what }
    }

    pub(super) fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged { path: self.path.clone(), what }
    }

    fn seek(&mut self) -> Result<(), Error> {
        self.file.seek(SeekFrom::Start(self.at)).map_err(|cause| Error::medium(&self.path, cause))?;
        Ok(())
    }

    fn read(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(length).read_to_end(&mut bytes);
        let read = read.map_err(|cause| Error::medium(&self.path, cause))? as u64;
        self.at += read;
        if read < length {
            return Err(Error::Cut { path: self.path.clone(), found: self.at, expected: self.at - read + length });
        }
        Ok(bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.read(N as u64).map_err(|error| match error {
            // Shorter than one header: no tar at all.
            Error::Cut { .. } if self.at < BLOCK => Error::NotOne { path: self.path.clone() },
            error => error,
        })?;
        Ok(bytes.try_into().expect("so many were read"))
    }
}
