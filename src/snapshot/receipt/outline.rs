//! What a site tells of packages that its sender may have dropped: enough for deltas over them.
//!
//! ```text
//! <object, 64 hex> <repository>/<arch> <name> <version> <base64 of the outline>\n
//! ```
//!
//! Such lines stand below a receipt's first line, which names how many there are and their SHA-256, and so are under its
//! signature. An outline is what `delta::signature` makes; it is only looked into where a delta is made over it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::BadReceipt;
use crate::apk::ObjectId;
use crate::apk::checksum::hex;
use crate::apk::names::{Arch, PackageName, RepositoryName, VersionText};

/// The longest line that is read, bytes. The outline of the largest package takes a fifth of that.
pub const LONGEST_LINE: u64 = 4 << 20;

/// The most bytes of all lines of a receipt.
pub const LARGEST: u64 = 1 << 30;

/// Which lines follow a receipt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlinesSum {
    /// How many.
    pub count: u64,
    /// SHA-256 over all of them, line feeds included; hex.
    pub sha256: String,
}

/// A package that the site has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// SHA-256 of it.
    pub object: ObjectId,
    /// Where the site lists it.
    pub place: (RepositoryName, Arch),
    /// Its name.
    pub name: PackageName,
    /// Its version.
    pub version: VersionText,
    /// What a delta needs of it.
    pub signature: Vec<u8>,
}

impl Outline {
    /// The line, with its line feed.
    pub fn print(&self) -> String {
        let Outline { object, place: (repository, arch), name, version, signature } = self;
        format!("{object} {repository}/{arch} {name} {version} {}\n", BASE64.encode(signature))
    }

    fn parse(line: &str) -> Option<Outline> {
        let [object, place, name, version, signature] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let (repository, arch) = place.rsplit_once('/')?;
        Some(Outline {
            object: object.parse().ok()?,
            place: (repository.parse().ok()?, arch.parse().ok()?),
            name: name.parse().ok()?,
            version: version.parse().ok()?,
            signature: BASE64.decode(signature).ok()?,
        })
    }
}

/// Counts and hashes lines as they go by.
#[derive(Debug, Default)]
pub struct Outlines {
    count: u64,
    hash: Sha256,
}

impl Outlines {
    /// A line that was printed.
    pub fn note(&mut self, line: &str) {
        self.count += 1;
        self.hash.update(line.as_bytes());
    }

    /// The next line of a receipt, whatever line end it has got. What it says counts when [`Outlines::check`] has agreed.
    pub fn read(&mut self, line: &[u8]) -> Result<Outline, BadReceipt> {
        let text = std::str::from_utf8(line).map_err(|_| BadReceipt::Outlines)?.trim_end_matches(['\r', '\n']);
        self.note(&format!("{text}\n"));
        Outline::parse(text).ok_or(BadReceipt::Outlines)
    }

    /// What stands in the receipt's first line of all that went by.
    pub fn sum(&self) -> OutlinesSum {
        OutlinesSum { count: self.count, sha256: hex(&self.hash.clone().finalize()) }
    }

    /// Whether these were the lines that the receipt names.
    pub fn check(&self, named: &OutlinesSum) -> Result<(), BadReceipt> {
        if self.sum() == *named { Ok(()) } else { Err(BadReceipt::Outlines) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(byte: u8) -> Outline {
        Outline {
            object: ObjectId::new([byte; 32]),
            place: ("{arch}/main".parse().unwrap(), "x86_64".parse().unwrap()),
            name: "gtk+3.0".parse().unwrap(),
            version: "3.24-r0".parse().unwrap(),
            signature: vec![byte; 50],
        }
    }

    fn printed() -> (Vec<String>, OutlinesSum) {
        let lines: Vec<String> = (1..=3).map(|byte| outline(byte).print()).collect();
        let mut all = Outlines::default();
        lines.iter().for_each(|line| all.note(line));
        (lines, all.sum())
    }

    fn read(lines: &[String], sum: &OutlinesSum) -> Result<Vec<Outline>, BadReceipt> {
        let mut all = Outlines::default();
        let outlines = lines.iter().map(|line| all.read(line.as_bytes())).collect::<Result<_, _>>()?;
        all.check(sum).map(|()| outlines)
    }

    #[test]
    fn what_is_printed_is_read() {
        let (lines, sum) = printed();
        assert_eq!(read(&lines, &sum).unwrap(), [1, 2, 3].map(outline));
        let carried_by_hand: Vec<String> = lines.iter().map(|line| line.replace('\n', "\r\n")).collect();
        assert!(read(&carried_by_hand, &sum).is_ok());
    }

    #[test]
    fn what_is_changed_missing_or_added_is_refused() {
        let (lines, sum) = printed();
        let mut all: Vec<Vec<String>> =
            vec![lines[1..].to_vec(), lines[..2].to_vec(), lines.iter().rev().cloned().collect()];
        all.push(lines.iter().chain(&lines[..1]).cloned().collect());
        for (from, to) in
            [("gtk", "gdk"), ("3.24", "3.25"), ("main", "mai\u{e4}"), (" ", "  "), ("/x86_64", ""), ("0101", "01")]
        {
            let mut changed = lines.clone();
            changed[0] = changed[0].replacen(from, to, 1);
            assert_ne!(changed, lines);
            all.push(changed);
        }
        for lines in all {
            assert!(read(&lines, &sum).is_err(), "{lines:?}");
        }
        assert!(read(&[], &sum).is_err());
        assert!(Outlines::default().read(b"\xff\n").is_err());
    }
}
