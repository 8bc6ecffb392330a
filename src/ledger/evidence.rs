//! The evidence log on disk. It is only ever added to; a line that a crash tore is cut off before the next one.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::{Error, Ledger};
use crate::disk::durable;

/// How much of the end is read at first; a line of forty indexes takes 10 kB.
const TAIL: u64 = 64 << 10;

/// How the log ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct EvidenceEnd {
    /// The last whole line, without its line feed.
    pub last: Option<Vec<u8>>,
    /// Bytes behind it.
    pub torn: u64,
}

impl Ledger {
    /// The whole log; empty where there is none.
    pub fn evidence(&self) -> Result<Vec<u8>, Error> {
        Ok(durable::read_if_present(&self.store.evidence_file())?.unwrap_or_default())
    }

    /// Cuts off what a crash tore, and tells how the log ended.
    pub fn mend_evidence(&self) -> Result<EvidenceEnd, Error> {
        let path = self.store.evidence_file();
        let (end, length) = read_end(&path, TAIL).map_err(|cause| durable::Error::new("read", &path, cause))?;
        if end.torn > 0 {
            durable::truncate(&path, length - end.torn)?;
        }
        Ok(end)
    }

    /// Adds a line, with its line feed; it is on the medium when this returns.
    pub fn append_evidence(&self, line: &str) -> Result<(), Error> {
        Ok(durable::append(&self.store.evidence_file(), line.as_bytes(), 0o600)?)
    }
}

/// Reads the end of the log, and how long it is; `tail` bytes of it, and more where the last line is longer.
fn read_end(path: &Path, mut tail: u64) -> io::Result<(EvidenceEnd, u64)> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((EvidenceEnd::default(), 0)),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    loop {
        let from = length.saturating_sub(tail);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.by_ref().take(length - from).read_to_end(&mut bytes)?;
        let feeds: Vec<usize> = memchr::memrchr_iter(b'\n', &bytes).take(2).collect();
        let end = |start: usize, feed: usize| EvidenceEnd {
            last: Some(bytes[start..feed].to_vec()),
            torn: (bytes.len() - feed - 1) as u64,
        };
        match feeds[..] {
            [feed, before] => return Ok((end(before + 1, feed), length)),
            [feed] if from == 0 => return Ok((end(0, feed), length)),
            _ if from == 0 => return Ok((EvidenceEnd { last: None, torn: length }, length)),
            _ => tail *= 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_however_long_its_line_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert_eq!(read_end(&path, 4).unwrap(), (EvidenceEnd::default(), 0));
        for (text, last, torn) in [
            ("", None, 0),
            ("torn", None, 4),
            ("one line of some length\n", Some("one line of some length"), 0),
            ("first\nsecond line\n", Some("second line"), 0),
            ("first\nsecond line\nto", Some("second line"), 2),
            ("first\n\n", Some(""), 0),
        ] {
            durable::write(&path, text.as_bytes(), 0o600).unwrap();
            for tail in [1, 4, 100] {
                let end = EvidenceEnd { last: last.map(|last| last.as_bytes().to_vec()), torn };
                assert_eq!(read_end(&path, tail).unwrap(), (end, text.len() as u64), "{text:?} by {tail}");
            }
        }
    }
}
