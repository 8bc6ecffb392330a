//! One record of an index. The text is kept as it came, unknown fields included; the fields that decide what is fetched
//! and where it goes are checked and typed on the way in.

use std::fmt;
use std::sync::Arc;

use super::checksum::{BadIdentity, Identity};
use super::names::{Arch, BadName, PackageFile, PackageName, VersionText};

/// The order in which every apk writes an entry's fields.
const ORDER: &[u8] = b"CPVASITULomtckDpi";

/// Fields that append when repeated; of all others the last one counts, as apk reads them.
const LISTS: &[u8] = b"Dpi";

/// Longest line that apk reads: its buffer holds 131072 bytes, and one line that does not fit rejects the whole index.
pub const MAX_LINE: usize = 131_071;

/// Most lines of one record: apk knows 17 fields, and real records have fewer lines. What repeats a list's field without end
/// would cost its square to fold.
const MAX_LINES: usize = 256;

/// Largest `S:` and `I:`, 1 TiB: sums over a whole index stay far from overflow.
const MAX_SIZE: u64 = 1 << 40;

/// A client stores the fields `C` to `k` of what it installs in one block of 2048 bytes; more breaks its database.
const MAX_BLOCK: usize = 2047;

/// Longest single dependency that a client's database takes.
const MAX_TERM: usize = 255;

/// Why a record was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadEntry {
    /// apk rejects a whole index for such a line (also for comments).
    #[error("line {line:?} is not a field: its second byte is not `:`")]
    NotAField {
        /// The line's beginning.
        line: String,
    },
    /// A line longer than apk's buffer.
    #[error("field `{letter}:` is {length} bytes long; apk reads at most {MAX_LINE}")]
    LongLine {
        /// The field.
        letter: char,
        /// Its line's length in bytes.
        length: usize,
    },
    /// More lines than a record can mean.
    #[error("it has more than {MAX_LINES} lines")]
    ManyLines,
    /// A size that no package has.
    #[error("field `{letter}:` says {size} bytes; at most {MAX_SIZE} are believed")]
    Size {
        /// The field.
        letter: char,
        /// Its value, in bytes.
        size: u64,
    },
    /// A control character (CR included), which apk would pass into names and terminals.
    #[error("field `{letter}:` holds a control character")]
    ControlCharacter {
        /// The field.
        letter: char,
    },
    /// A field without which no client can use the entry safely.
    #[error("field `{letter}:` is missing")]
    Missing {
        /// The field.
        letter: char,
    },
    /// A number that is not plain decimal.
    #[error("field `{letter}:` is not a decimal number: {text:?}")]
    Number {
        /// The field.
        letter: char,
        /// Its text.
        text: String,
    },
    /// A name, version or arch outside the alphabet that cannot leave a folder.
    #[error("field `{letter}:` is refused")]
    Name {
        /// The field.
        letter: char,
        /// Why.
        #[source]
        source: BadName,
    },
    /// `C:` in a form that turns verification off in some client.
    #[error("field `C:` is refused")]
    Identity(#[source] BadIdentity),
    /// More than a client's database can store.
    #[error("{what} is {length} bytes long; a client's database takes at most {limit}")]
    TooLongToInstall {
        /// The part that is too long.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

/// One record of an index, its text kept. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    text: Box<str>,
    name: PackageName,
    version: VersionText,
    arch: Option<Arch>,
    identity: Identity,
    size: u64,
    installed_size: u64,
    file: PackageFile,
}

impl Entry {
    /// Parses one record: its lines without the empty line that ends it. Fields come out in apk's order, repeated ones
    /// folded as apk reads them; a field that apk does not know keeps its place behind the one it followed.
    pub fn parse(text: &str) -> Result<Entry, BadEntry> {
        let mut canonical = true;
        let mut last_rank = 0;
        let mut fields = Fields::default();
        for (number, line) in text.lines_by_newline().enumerate() {
            if number == MAX_LINES {
                return Err(BadEntry::ManyLines);
            }
            let (letter, value) = split_field(line)?;
            fields.note(letter, value);
            // The first field may have rank 0; any later one must have a higher rank than the one before.
            if let Some(rank) = rank(letter) {
                canonical &= rank + 1 > last_rank;
                last_rank = rank + 1;
            }
        }
        let text = if canonical { text.strip_suffix('\n').unwrap_or(text).into() } else { reorder(text) };
        if !canonical {
            // Lines that were each short enough may be too long together.
            text.lines_by_newline().try_for_each(|line| split_field(line).map(|_| ()))?;
        }
        let required = |letter: u8, value: Option<&str>| {
            value.map(str::to_owned).ok_or(BadEntry::Missing { letter: char::from(letter) })
        };
        let name = |letter: char| move |source: BadName| BadEntry::Name { letter, source };
        let package: PackageName = required(b'P', fields.name)?.parse().map_err(name('P'))?;
        let version: VersionText = required(b'V', fields.version)?.parse().map_err(name('V'))?;
        let file = PackageFile::new(&package, &version).map_err(name('P'))?;
        let inner = Inner {
            arch: fields.arch.map(str::parse).transpose().map_err(name('A'))?,
            identity: required(b'C', fields.identity)?.parse().map_err(BadEntry::Identity)?,
            size: size('S', &required(b'S', fields.size)?)?,
            installed_size: size('I', &required(b'I', fields.installed_size)?)?,
            name: package,
            version,
            file,
            text,
        };
        Ok(Entry(Arc::new(inner)))
    }

    /// The record's lines, without a final newline or the empty line that ends it.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// `P:`.
    pub fn name(&self) -> &PackageName {
        &self.0.name
    }

    /// `V:`.
    pub fn version(&self) -> &VersionText {
        &self.0.version
    }

    /// `A:`; absent in a few hand-made indexes.
    pub fn arch(&self) -> Option<&Arch> {
        self.0.arch.as_ref()
    }

    /// `C:`.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// `S:`, the package file's size in bytes.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// `I:`, bytes when installed. 0 means a meta package: clients install it without downloading anything.
    pub fn installed_size(&self) -> u64 {
        self.0.installed_size
    }

    /// `NAME-VERSION.apk`.
    pub fn file(&self) -> &PackageFile {
        &self.0.file
    }

    /// The value of the field `letter`, as it stands in the text.
    pub fn field(&self, letter: u8) -> Option<&str> {
        self.0.text.split('\n').find_map(|line| {
            (line.as_bytes().first() == Some(&letter)).then(|| &line[2..]).filter(|value| !value.is_empty())
        })
    }

    /// `o:`, the aport that the package was built from.
    pub fn origin(&self) -> Option<&str> {
        self.field(b'o')
    }

    /// The same entry for the folder of `arch`. A client builds the download path from `A:`, so an entry that says
    /// `noarch` would be looked for beside its folder.
    pub fn with_arch(&self, arch: &Arch) -> Entry {
        if self.arch() == Some(arch) {
            return self.clone();
        }
        let mut text = String::with_capacity(self.0.text.len() + 40);
        let mut placed = false;
        for line in self.0.text.split('\n') {
            let letter = line.as_bytes()[0];
            if letter == b'A' {
                continue;
            }
            // `A:` stands behind C, P and V: before the first field of a later rank.
            if !placed
                && rank(letter).is_some_and(|rank| ORDER[rank] != b'C' && ORDER[rank] != b'P' && ORDER[rank] != b'V')
            {
                push_line(&mut text, &format!("A:{arch}"));
                placed = true;
            }
            push_line(&mut text, line);
        }
        if !placed {
            push_line(&mut text, &format!("A:{arch}"));
        }
        Entry(Arc::new(Inner {
            text: text.into(),
            name: self.0.name.clone(),
            version: self.0.version.clone(),
            arch: Some(arch.clone()),
            identity: self.0.identity,
            size: self.0.size,
            installed_size: self.0.installed_size,
            file: self.0.file.clone(),
        }))
    }

    /// Whether a client can install the package and still write its database: the fields `C` to `k` below 2048 bytes,
    /// each dependency below 256. Found by experiment; 2.x loses records silently past it.
    pub fn check_installable(&self) -> Result<(), BadEntry> {
        let mut block = 0;
        for line in self.0.text.split('\n') {
            if LISTS.contains(&line.as_bytes()[0]) {
                if let Some(term) = line[2..].split(' ').find(|term| term.len() > MAX_TERM) {
                    let length = term.len();
                    return Err(BadEntry::TooLongToInstall { what: "a dependency", length, limit: MAX_TERM });
                }
            } else {
                block += line.len() + 1;
            }
        }
        if block > MAX_BLOCK {
            return Err(BadEntry::TooLongToInstall {
                what: "its description in the index",
                length: block,
                limit: MAX_BLOCK,
            });
        }
        Ok(())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({}-{} {})", self.name(), self.version(), self.identity())
    }
}

/// The fields that are typed; of repeated ones the last.
#[derive(Default)]
struct Fields<'a> {
    name: Option<&'a str>,
    version: Option<&'a str>,
    arch: Option<&'a str>,
    identity: Option<&'a str>,
    size: Option<&'a str>,
    installed_size: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn note(&mut self, letter: u8, value: &'a str) {
        let slot = match letter {
            b'P' => &mut self.name,
            b'V' => &mut self.version,
            b'A' => &mut self.arch,
            b'C' => &mut self.identity,
            b'S' => &mut self.size,
            b'I' => &mut self.installed_size,
            _ => return,
        };
        *slot = Some(value);
    }
}

trait LinesByNewline {
    fn lines_by_newline(&self) -> impl Iterator<Item = &str>;
}

impl LinesByNewline for str {
    /// Like `lines`, but only LF ends a line: a CR is a control character here, as it is for apk.
    fn lines_by_newline(&self) -> impl Iterator<Item = &str> {
        self.split('\n').filter(|line| !line.is_empty())
    }
}

fn rank(letter: u8) -> Option<usize> {
    ORDER.iter().position(|known| *known == letter)
}

fn split_field(line: &str) -> Result<(u8, &str), BadEntry> {
    let bytes = line.as_bytes();
    if bytes.len() < 2 || bytes[1] != b':' || !bytes[0].is_ascii_graphic() {
        return Err(BadEntry::NotAField { line: line.chars().take(40).collect() });
    }
    let letter = char::from(bytes[0]);
    if bytes.len() > MAX_LINE {
        return Err(BadEntry::LongLine { letter, length: bytes.len() });
    }
    if bytes.iter().any(|byte| byte.is_ascii_control()) {
        return Err(BadEntry::ControlCharacter { letter });
    }
    Ok((bytes[0], &line[2..]))
}

fn number(letter: char, text: &str) -> Result<u64, BadEntry> {
    // `parse` alone would take a leading plus sign.
    if text.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(value) = text.parse()
    {
        return Ok(value);
    }
    Err(BadEntry::Number { letter, text: text.chars().take(40).collect() })
}

fn size(letter: char, text: &str) -> Result<u64, BadEntry> {
    match number(letter, text)? {
        size if size > MAX_SIZE => Err(BadEntry::Size { letter, size }),
        size => Ok(size),
    }
}

fn push_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// The record in apk's order: known fields sorted and folded, each unknown one behind the known field it followed.
fn reorder(text: &str) -> Box<str> {
    let mut groups: Vec<(usize, String)> = Vec::new();
    let mut current: Option<usize> = None;
    for line in text.lines_by_newline() {
        let letter = line.as_bytes()[0];
        match rank(letter) {
            None => match current {
                Some(at) => push_line(&mut groups[at].1, line),
                // Before any known field: stays at the front (rank 0 is shared with `C`, and the sort is stable).
                None => groups.push((0, line.to_owned())),
            },
            Some(rank) => {
                let wanted = rank + 1;
                match groups.iter().position(|(have, _)| *have == wanted) {
                    None => {
                        groups.push((wanted, line.to_owned()));
                        current = Some(groups.len() - 1);
                    }
                    Some(at) => {
                        let group = &mut groups[at].1;
                        let end = group.find('\n').unwrap_or(group.len());
                        if LISTS.contains(&letter) {
                            group.insert_str(end, &format!(" {}", &line[2..]));
                        } else {
                            group.replace_range(..end, line);
                        }
                        current = Some(at);
                    }
                }
            }
        }
    }
    groups.sort_by_key(|(rank, _)| *rank);
    let mut out = String::with_capacity(text.len());
    for (_, group) in &groups {
        push_line(&mut out, group);
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VEC: &str = "C:Q1UIdteUHTaO3a/78FIhzsauTtuzU=\nP:vec\nV:1.0-r0\nA:x86_64\nS:882\nI:3\nT:vector\n\
                       U:https://example.org\nL:MIT\no:vec\nt:1700000000\np:cmd:vec=1.0-r0";

    #[test]
    fn a_record_in_apks_order_keeps_its_text() {
        let entry = Entry::parse(VEC).unwrap();
        assert_eq!(entry.text(), VEC);
        assert_eq!(entry.file().as_str(), "vec-1.0-r0.apk");
        assert_eq!((entry.size(), entry.installed_size()), (882, 3));
        assert_eq!(entry.field(b'p'), Some("cmd:vec=1.0-r0"));
        assert_eq!(entry.field(b'D'), None);
    }

    #[test]
    fn another_order_comes_out_in_apks_with_unknown_fields_behind_their_neighbour() {
        let odd = "P:a\nx:1\nC:Q1UIdteUHTaO3a/78FIhzsauTtuzU=\nD:b\nV:1\nS:1\nI:2\ny:9\nD:c d\nV:2\nA:x86";
        let entry = Entry::parse(odd).unwrap();
        assert_eq!(entry.text(), "C:Q1UIdteUHTaO3a/78FIhzsauTtuzU=\nP:a\nx:1\nV:2\nA:x86\nS:1\nI:2\ny:9\nD:b c d",);
        assert_eq!(Entry::parse(entry.text()).unwrap(), entry);
    }

    #[test]
    fn arch_is_rewritten_in_its_place() {
        let entry = Entry::parse(VEC).unwrap();
        let arm: Arch = "aarch64".parse().unwrap();
        assert_eq!(entry.with_arch(&arm).text(), VEC.replace("x86_64", "aarch64"));
        let without = Entry::parse(&VEC.replace("A:x86_64\n", "")).unwrap();
        assert_eq!(without.arch(), None);
        assert_eq!(without.with_arch(&arm).text(), VEC.replace("x86_64", "aarch64"));
    }

    #[test]
    fn records_that_would_turn_checks_off_or_walk_out_are_refused() {
        let cases = [
            (VEC.replace("C:Q1UIdteUHTaO3a/78FIhzsauTtuzU=\n", ""), "field `C:` is missing"),
            (VEC.replace("C:Q1", "C:X1"), "field `C:` is refused"),
            (VEC.replace("P:vec", "P:../../x"), "field `P:` is refused"),
            (VEC.replace("V:1.0", "V:1/0"), "field `V:` is refused"),
            (VEC.replace("A:x86_64", "A:../x"), "field `A:` is refused"),
            (VEC.replace("I:3\n", ""), "field `I:` is missing"),
            (VEC.replace("S:882", "S:882abc"), "field `S:` is not a decimal number: \"882abc\""),
            (VEC.replace("S:882", "S:+882"), "field `S:` is not a decimal number: \"+882\""),
            (
                VEC.replace("S:882", "S:99999999999999999999"),
                "field `S:` is not a decimal number: \"99999999999999999999\"",
            ),
            (VEC.replace("T:vector", "T:vec\rtor"), "field `T:` holds a control character"),
            (VEC.replace("T:vector", "# note"), "line \"# note\" is not a field: its second byte is not `:`"),
        ];
        for (text, message) in cases {
            assert_eq!(Entry::parse(&text).unwrap_err().to_string(), message);
        }
        let huge = VEC.replace("S:882", "S:1099511627777");
        assert_eq!(Entry::parse(&huge), Err(BadEntry::Size { letter: 'S', size: 1_099_511_627_777 }));
        let long = VEC.replace("T:vector", &format!("T:{}", "x".repeat(MAX_LINE)));
        assert!(matches!(Entry::parse(&long), Err(BadEntry::LongLine { letter: 'T', .. })));
    }

    #[test]
    fn a_list_in_many_lines_is_bounded_as_one_line_is() {
        let in_lines = |count: usize, length: usize| {
            Entry::parse(&format!("{VEC}{}", format!("\np:{}", "x".repeat(length)).repeat(count)))
        };
        assert_eq!(in_lines(200, 10).unwrap().field(b'p').unwrap().len(), "cmd:vec=1.0-r0".len() + 200 * 11);
        assert!(matches!(in_lines(200, 1000), Err(BadEntry::LongLine { letter: 'p', .. })));
        assert_eq!(in_lines(300_000, 1), Err(BadEntry::ManyLines));
    }

    #[test]
    fn what_a_clients_database_cannot_store_is_found() {
        let entry = Entry::parse(VEC).unwrap();
        assert_eq!(entry.check_installable(), Ok(()));
        let wordy = Entry::parse(&VEC.replace("vector", &"x".repeat(2000))).unwrap();
        assert!(wordy.check_installable().is_err());
        let term = Entry::parse(&VEC.replace("cmd:vec=1.0-r0", &"x".repeat(256))).unwrap();
        assert!(term.check_installable().is_err());
    }
}
