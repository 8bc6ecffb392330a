//! Plain tar (POSIX ustar) of plain files: written the same way every time, read strictly.
//!
//! Whatever a library would pass over is damage here: a header whose checksum is wrong, padding that is not empty, anything
//! but plain files, anything behind the end. So every byte of an archive is either a file's or accounted for.

use std::io::{self, Read};

use tar::{EntryType, Header};

/// A tar's unit, bytes.
pub const BLOCK: u64 = 512;
/// Bytes of zeros that a tar ends with.
pub const END: u64 = 2 * BLOCK;

/// The header of a plain file. `modified` is in seconds since 1970.
///
/// # Panics
/// When the name does not fit a header: those we give are short and plain.
pub fn header(name: &str, size: u64, mode: u32, modified: u64) -> [u8; 512] {
    let mut header = Header::new_ustar();
    header.set_path(name).expect("names in our archives are short and plain");
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(modified);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    *header.as_bytes()
}

/// Zeros that follow `size` bytes up to a whole block.
pub fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK) - size
}

/// Bytes that a file of `size` takes, with its header.
pub fn taken(size: u64) -> u64 {
    BLOCK + size + padding(size)
}

/// What a header tells of a plain file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, as it stands there.
    pub name: String,
    /// Its bytes.
    pub size: u64,
}

/// Why an archive is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadArchive {
    /// A flipped bit, or no tar at all.
    #[error("a header's checksum does not match")]
    Checksum,
    /// Something else than a plain file.
    #[error("it holds {name:?}, {what}")]
    Kind {
        /// The entry's name.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// A number that is none.
    #[error("a header has no size")]
    Size,
    /// A flipped bit between the files.
    #[error("what fills a block up is not empty")]
    Padding,
    /// Bytes behind the end.
    #[error("something follows its end")]
    Trailing,
    /// Its end is missing.
    #[error("it is cut short after {at} bytes")]
    Cut {
        /// Bytes that are there.
        at: u64,
    },
}

/// Reads one header; `None` for a block of zeros.
pub fn member(block: &[u8; 512]) -> Result<Option<Member>, BadArchive> {
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let header = Header::from_byte_slice(block);
    let mut again = header.clone();
    again.set_cksum();
    if again.as_bytes() != block {
        return Err(BadArchive::Checksum);
    }
    let name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
    let what = match header.entry_type() {
        EntryType::Regular => {
            let size = header.size().map_err(|_| BadArchive::Size)?;
            return Ok(Some(Member { name, size }));
        }
        EntryType::Char | EntryType::Block | EntryType::Fifo => "a device",
        EntryType::Symlink | EntryType::Link => "a link",
        EntryType::Directory => "a folder",
        _ => "no plain file",
    };
    Err(BadArchive::Kind { name, what })
}

/// Why a walk ended before the archive did.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The archive is none of ours.
    #[error(transparent)]
    Bad(#[from] BadArchive),
    /// The medium does not give its bytes.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
}

/// Walks through an archive from its beginning; never seeks. Between two calls of [`Walk::next`] it reads as the file.
#[derive(Debug)]
pub struct Walk<R> {
    reader: R,
    at: u64,
    left: u64,
    padding: u64,
}

impl<R: Read> Walk<R> {
    /// At the beginning.
    pub fn new(reader: R) -> Self {
        Walk { reader, at: 0, left: 0, padding: 0 }
    }

    /// The offset of the next byte.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next file; what is left of the one before is passed over. `None` at the end, behind which nothing is.
    #[expect(clippy::should_implement_trait, reason = "each item borrows the walk while it is read")]
    pub fn next(&mut self) -> Result<Option<Member>, Stopped> {
        io::copy(&mut (&mut *self), &mut io::sink())?;
        if self.left > 0 {
            return Err(BadArchive::Cut { at: self.at }.into());
        }
        let mut zeros = [0; 512];
        let zeros = &mut zeros[..std::mem::take(&mut self.padding) as usize];
        self.fill(zeros)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(BadArchive::Padding.into());
        }
        let mut block = [0; 512];
        self.fill(&mut block)?;
        let Some(member) = member(&block)? else {
            self.fill(&mut block)?;
            let over = block.iter().any(|byte| *byte != 0) || self.reader.read(&mut [0])? > 0;
            return if over { Err(BadArchive::Trailing.into()) } else { Ok(None) };
        };
        (self.left, self.padding) = (member.size, padding(member.size));
        Ok(Some(member))
    }

    /// All of the present file's bytes, which the caller finds few enough.
    pub fn content(&mut self, member: &Member) -> Result<Vec<u8>, Stopped> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        if bytes.len() as u64 == member.size { Ok(bytes) } else { Err(BadArchive::Cut { at: self.at }.into()) }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Stopped> {
        match self.reader.read_exact(buffer) {
            Ok(()) => {
                self.at += buffer.len() as u64;
                Ok(())
            }
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Err(BadArchive::Cut { at: self.at }.into()),
            Err(cause) => Err(cause.into()),
        }
    }
}

impl<R: Read> Read for Walk<R> {
    /// The present file's bytes; none behind its end, and none behind the end of an archive that is cut short.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.reader.read(&mut buffer[..most])?;
        self.left -= read as u64;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in files {
            bytes.extend(header(name, content.len() as u64, 0o644, 7));
            bytes.extend(*content);
            bytes.extend(vec![0; padding(content.len() as u64) as usize]);
        }
        bytes.extend([0; END as usize]);
        bytes
    }

    fn all(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Stopped> {
        let mut walk = Walk::new(bytes);
        let mut files = Vec::new();
        while let Some(member) = walk.next()? {
            let content = walk.content(&member)?;
            files.push((member.name, content));
        }
        Ok(files)
    }

    #[test]
    fn what_is_written_is_read_by_us_and_by_others() {
        let bytes = archive(&[("a", b"one"), ("b/c", &[7; 512]), ("empty", b"")]);
        let files = all(&bytes).unwrap();
        let expected = [("a", &b"one"[..]), ("b/c", &[7; 512]), ("empty", b"")];
        assert!(files.iter().map(|(name, content)| (name.as_str(), &content[..])).eq(expected));
        let mut others = tar::Archive::new(&bytes[..]);
        let names: Vec<_> =
            others.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).collect();
        assert_eq!(names, ["a", "b/c", "empty"].map(std::path::PathBuf::from));
        assert_eq!(bytes.len() as u64, taken(3) + taken(512) + taken(0) + END);
        let mut walk = Walk::new(&bytes[..]);
        while walk.next().unwrap().is_some() {}
        assert_eq!(walk.at(), bytes.len() as u64, "what is not read is passed over");
    }

    #[test]
    fn every_bit_that_is_no_file_is_accounted_for() {
        let good = archive(&[("a", b"one"), ("b", b"two")]);
        for at in 0..good.len() {
            let content = (512..515).contains(&at) || (1536..1539).contains(&at);
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            assert_eq!(all(&bytes).is_ok(), content, "byte {at}");
        }
    }

    #[test]
    fn a_cut_anywhere_is_told_with_what_is_there() {
        let good = archive(&[("a", b"one"), ("b", b"two")]);
        for end in 0..good.len() {
            match all(&good[..end]).unwrap_err() {
                Stopped::Bad(BadArchive::Cut { at }) => assert!(at as usize <= end, "{end}"),
                other => panic!("{end}: {other:?}"),
            }
        }
        assert!(matches!(all(&[&good[..], b"\0"].concat()), Err(Stopped::Bad(BadArchive::Trailing))));
    }

    #[test]
    fn what_is_no_plain_file_is_named() {
        for (kind, what) in [
            (EntryType::Symlink, "a link"),
            (EntryType::Link, "a link"),
            (EntryType::Directory, "a folder"),
            (EntryType::Fifo, "a device"),
            (EntryType::GNULongName, "no plain file"),
        ] {
            let mut header = Header::new_ustar();
            header.set_path("x").unwrap();
            header.set_size(0);
            header.set_entry_type(kind);
            header.set_cksum();
            assert_eq!(member(header.as_bytes()), Err(BadArchive::Kind { name: "x".into(), what }));
        }
    }
}
