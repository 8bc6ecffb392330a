//! What an index is parsed to prints to a text that parses to the same, and an entry's typed fields are those of its text.

use bivouac::apk::dependency::{parse_list, parse_provides};
use bivouac::apk::v2::index;
use bivouac::apk::{Arch, Entry};

/// Reads `bytes` as the text of an APKINDEX.
pub(crate) fn law(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(entries) = index::parse(text) else { return };
    let printed = index::print(&entries);
    let again = index::parse(&printed).unwrap();
    assert_eq!(again, entries);
    assert_eq!(index::print(&again), printed);
    for entry in &entries {
        fields(entry);
        moved(entry, &"aarch64".parse().unwrap());
    }
}

fn fields(entry: &Entry) {
    assert_eq!(entry.field(b'P'), Some(entry.name().as_str()));
    assert_eq!(entry.field(b'V'), Some(entry.version().as_str()));
    assert_eq!(entry.field(b'C'), Some(entry.identity().to_string().as_str()));
    assert_eq!(entry.field(b'A'), entry.arch().map(Arch::as_str));
    assert_eq!(entry.field(b'S').and_then(|size| size.parse().ok()), Some(entry.size()));
    assert_eq!(entry.file().as_str(), format!("{}-{}.apk", entry.name(), entry.version()));
    for letter in *b"Di" {
        let line = entry.field(letter).unwrap_or_default();
        let terms: Vec<&str> =
            parse_list(line).map(|term| term.map_or_else(|bad| bad.text, |term| term.as_str())).collect();
        assert_eq!(terms, line.split(' ').filter(|term| !term.is_empty()).collect::<Vec<_>>());
    }
    for provide in parse_provides(entry.field(b'p').unwrap_or_default()).flatten() {
        assert!(!provide.name.is_empty() && !provide.name.contains(['<', '>', '=', '~', '@']));
    }
}

/// Under another arch it reads back as what it is there. Fields that apk does not know may stand elsewhere after that, once.
fn moved(entry: &Entry, arch: &Arch) {
    let there = entry.with_arch(arch);
    assert_eq!(there.arch(), Some(arch));
    assert_eq!(Entry::parse(there.text()).as_ref(), Ok(&there));
    assert_eq!((there.name(), there.identity(), there.size()), (entry.name(), entry.identity(), entry.size()));
    if let Some(home) = entry.arch() {
        assert_eq!(there.with_arch(home).with_arch(arch), there);
    }
}
