//! `APKINDEX` text ↔ entries, and the gzip member that carries it.

use std::io::Write as _;

use flate2::GzBuilder;

use super::tarball;
use crate::apk::entry::{BadEntry, Entry};

/// Longest `DESCRIPTION` that apk 3 does not silently drop, in bytes.
pub const MAX_DESCRIPTION: usize = 160;

/// An entry that was refused, and with it the index.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("its entry {number}{name} is refused")]
pub struct BadIndex {
    /// Counted from 1.
    pub number: usize,
    /// ` (NAME)` where the record says one that can be printed.
    name: String,
    /// Why.
    #[source]
    pub source: BadEntry,
}

/// Parses the whole text. One bad entry refuses all of it: clients would skip, merge or crash on it, each in its own way.
pub fn parse(text: &str) -> Result<Vec<Entry>, BadIndex> {
    let mut entries = Vec::with_capacity(text.len() / 400);
    let mut rest = text;
    while !rest.is_empty() {
        let (record, behind) = rest.split_once("\n\n").unwrap_or((rest, ""));
        rest = behind;
        let record = record.trim_matches('\n');
        if record.is_empty() {
            continue;
        }
        let number = entries.len() + 1;
        let entry = Entry::parse(record).map_err(|source| {
            let name = record.lines().find_map(|line| line.strip_prefix("P:")).unwrap_or_default();
            let safe = !name.is_empty() && name.len() <= 100 && !name.chars().any(char::is_control);
            BadIndex { number, name: if safe { format!(" ({name})") } else { String::new() }, source }
        })?;
        entries.push(entry);
    }
    Ok(entries)
}

/// Prints entries in the given order, each ended by an empty line: the last one would be lost without it.
pub fn print<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let mut text = String::new();
    for entry in entries {
        text.push_str(entry.text());
        text.push_str("\n\n");
    }
    text
}

/// The unsigned index member: one gzip stream of a tar with `DESCRIPTION` and `APKINDEX`, ended by 1024 zero bytes.
/// The same arguments give the same bytes. `modified` is in seconds since 1970.
pub fn member(description: &str, text: &str, modified: u64) -> Vec<u8> {
    let mut tar = Vec::with_capacity(text.len() + 4096);
    if !description.is_empty() {
        tarball::append(&mut tar, "DESCRIPTION", description.as_bytes(), modified);
    }
    tarball::append(&mut tar, "APKINDEX", text.as_bytes(), modified);
    tar.extend([0; 1024]);
    gzip(&tar)
}

/// One gzip member with the header that Alpine's own files have (`gzip -n -9` on Unix: no name, no time), and nothing that
/// depends on the host. Level 6 all the same: level 9 makes an index of
/// 20,000 entries smaller by less than 1 %.
pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .operating_system(3)
        .write(Vec::with_capacity(content.len() / 3), flate2::Compression::new(6));
    let mut member =
        encoder.write_all(content).and_then(|()| encoder.finish()).expect("writing to memory does not fail");
    // XFL, which the encoder derives from the level.
    member[8] = 2;
    member
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apk::v2::sections::{Limits, split_index};

    const A: &str = "C:Q1UIdteUHTaO3a/78FIhzsauTtuzU=\nP:a\nV:1\nA:x86\nS:1\nI:2\nT:\nU:\nL:";

    #[test]
    fn text_prints_back() {
        let text = format!("{A}\n\n{}\n\n", A.replace("P:a", "P:b"));
        assert_eq!(print(&parse(&text).unwrap()), text);
        // Leading and repeated blank lines are ignored; a last entry without its blank line counts.
        let loose = format!("\n\n{A}\n\n\n{}", A.replace("P:a", "P:b"));
        assert_eq!(print(&parse(&loose).unwrap()), text);
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn a_bad_entry_is_named() {
        let text = format!("{A}\n\n{}\n\n", A.replace("V:1", "V:/"));
        let error = parse(&text).unwrap_err();
        assert_eq!(error.to_string(), "its entry 2 (a) is refused");
    }

    #[test]
    fn the_member_is_deterministic_and_reads_back() {
        let text = format!("{A}\n\n");
        let member = member("words", &text, 0);
        assert_eq!(&member[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3]);
        let parts = split_index(&member, &Limits::default()).unwrap();
        assert_eq!((parts.description.as_deref(), parts.text.as_str()), (Some("words"), text.as_str()));
    }
}
