//! Which object has which identity.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::apk::{Entry, Identity, ObjectId, PackageFile};
use crate::disk::durable;
use crate::verify::package::VerifiedPackage;

/// What is known of a package beside its bytes. An identity and a size do not name one file for good: the same package signed
/// anew has the same both, and either file is right for an index that lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    pub(super) identity: Identity,
    pub(super) size: u64,
    pub(super) object: ObjectId,
    /// The name and version that the package says it has: an index that calls these bytes otherwise does not mean them.
    pub(super) file: PackageFile,
}

impl Ref {
    /// The object that it is of.
    pub fn object(&self) -> ObjectId {
        self.object
    }

    pub(super) fn of(verified: &VerifiedPackage) -> Self {
        Ref {
            identity: verified.identity(),
            size: verified.size(),
            object: verified.object_id(),
            file: verified.file(),
        }
    }

    /// Whether `entry` lists this package. The file name alone would not tell: two names can make the same one.
    pub(super) fn is_listed_by(&self, entry: &Entry) -> bool {
        self.identity == *entry.identity()
            && self.size == entry.size()
            && (self.file.name(), self.file.version()) == (entry.name().as_str(), entry.version().as_str())
    }
}

/// The `refs` file and what it says.
#[derive(Debug)]
pub(super) struct Refs {
    path: PathBuf,
    /// Of several lines for one identity and size the last counts.
    objects: HashMap<(Identity, u64), Ref>,
    /// Objects that were looked for and found; never asked for twice in a run.
    present: HashSet<ObjectId>,
    /// Where the last whole line ends.
    end: u64,
    /// Whether bytes follow there that a crash tore off.
    torn: Torn,
    unreadable: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Torn {
    No,
    Yes,
}

impl Refs {
    /// Reads `path`; an absent file says nothing. Changes nothing on disk.
    pub(super) fn load(path: PathBuf) -> Result<Self, durable::Error> {
        let bytes = durable::read_if_present(&path)?.unwrap_or_default();
        let end = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
        let (lines, unreadable) = parse_lines(&bytes[..end]);
        Ok(Refs {
            path,
            objects: lines.into_iter().map(|one| ((one.identity, one.size), one)).collect(),
            present: HashSet::new(),
            end: end as u64,
            torn: if end < bytes.len() { Torn::Yes } else { Torn::No },
            unreadable,
        })
    }

    /// The lines of these objects, sorted.
    pub(super) fn text_of(&self, objects: &HashSet<ObjectId>) -> String {
        let mut lines: Vec<String> =
            self.objects.values().filter(|one| objects.contains(&one.object)).map(print).collect();
        lines.sort_unstable();
        lines.concat()
    }

    /// The package with this identity and size that is there, by `path_of`. Looks at the disk at most once per object: 5,000
    /// lookups are 5,000 stats of warm inodes, about 20 ms, where listing the pool would cost with all it ever held.
    pub(super) fn find(
        &mut self,
        identity: Identity,
        size: u64,
        path_of: impl Fn(&ObjectId) -> PathBuf,
    ) -> Option<&Ref> {
        let found = self.objects.get(&(identity, size))?;
        if !self.present.contains(&found.object) {
            if !is_there(&path_of(&found.object), size) {
                return None;
            }
            self.present.insert(found.object);
        }
        Some(found)
    }

    /// Adds what is not known yet, in one flushed append.
    pub(super) fn add(&mut self, refs: &[Ref]) -> Result<(), durable::Error> {
        let mut text = String::new();
        for one in refs {
            if self.objects.get(&(one.identity, one.size)) != Some(one) {
                text.push_str(&print(one));
            }
        }
        if text.is_empty() {
            return Ok(());
        }
        if self.torn == Torn::Yes {
            durable::truncate(&self.path, self.end)?;
            self.torn = Torn::No;
        }
        if let Err(error) = durable::append(&self.path, text.as_bytes(), 0o600) {
            // Any part of the text may be in the file now.
            self.torn = Torn::Yes;
            return Err(error);
        }
        self.end += text.len() as u64;
        for one in refs {
            self.objects.insert((one.identity, one.size), one.clone());
        }
        Ok(())
    }

    /// Forgets these objects: the file is written anew without them.
    pub(super) fn forget(&mut self, objects: &BTreeMap<ObjectId, u64>) -> Result<(), durable::Error> {
        let before = self.objects.len();
        self.objects.retain(|_, one| !objects.contains_key(&one.object));
        self.present.retain(|object| !objects.contains_key(object));
        if self.objects.len() == before { Ok(()) } else { self.write_anew() }
    }

    /// Writes the file anew, without lines that say nothing and without those that a later one took the place of.
    pub(super) fn write_anew(&mut self) -> Result<(), durable::Error> {
        let mut lines: Vec<String> = self.objects.values().map(print).collect();
        lines.sort();
        let text = lines.concat();
        durable::write(&self.path, text.as_bytes(), 0o600)?;
        self.end = text.len() as u64;
        self.torn = Torn::No;
        self.unreadable = 0;
        Ok(())
    }

    /// Notes that these objects have their names now.
    pub(super) fn note_present(&mut self, objects: impl IntoIterator<Item = ObjectId>) {
        self.present.extend(objects);
    }

    /// Whole lines that say nothing known: damage, though a harmless one.
    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether an object of this size lies at `path`.
pub(super) fn is_there(path: &Path, size: u64) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
}

/// What a text of `refs` lines says, in their order. A line that says nothing known is left out: with it goes the memory of one
/// package, which then is fetched once more.
pub fn parse_refs(text: &[u8]) -> Vec<Ref> {
    parse_lines(text).0
}

/// What whole lines say, and how many of them say nothing.
fn parse_lines(text: &[u8]) -> (Vec<Ref>, u64) {
    let (mut refs, mut unreadable) = (Vec::new(), 0);
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match parse(line) {
            Some(one) => refs.push(one),
            None => unreadable += 1,
        }
    }
    (refs, unreadable)
}

fn print(one: &Ref) -> String {
    let Ref { identity, size, object, file } = one;
    format!("{} {size} {object} {} {}\n", identity.hex(), file.name(), file.version())
}

fn parse(line: &[u8]) -> Option<Ref> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (identity, size, object) = (words.next()?, words.next()?, words.next()?);
    let (name, version) = (words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    Some(Ref {
        identity: parse_identity(identity)?,
        size: size.parse().ok()?,
        object: object.parse().ok()?,
        file: PackageFile::new(&name.parse().ok()?, &version.parse().ok()?).ok()?,
    })
}

/// 40 hex digits.
pub(super) fn parse_identity(text: &str) -> Option<Identity> {
    if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 20];
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(Identity::new(digest))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests leave states behind by hand")]
mod tests {
    use std::fs;

    use super::*;

    fn some(number: u8) -> Ref {
        Ref {
            identity: Identity::new([number; 20]),
            size: 5,
            object: ObjectId::new([number; 32]),
            file: PackageFile::new(&format!("p{number}").parse().unwrap(), &"1-r0".parse().unwrap()).unwrap(),
        }
    }

    fn load(folder: &Path) -> Refs {
        Refs::load(folder.join("refs")).unwrap()
    }

    fn find(refs: &mut Refs, folder: &Path, number: u8) -> Option<ObjectId> {
        refs.find(some(number).identity, 5, |object| folder.join(object.hex())).map(|found| found.object)
    }

    #[test]
    fn a_ref_counts_only_while_its_object_is_there_with_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        load(folder).add(&[some(1), some(2), some(3)]).unwrap();
        fs::write(folder.join(some(1).object.hex()), "12345").unwrap();
        fs::write(folder.join(some(2).object.hex()), "1234").unwrap();
        let mut refs = load(folder);
        assert_eq!(find(&mut refs, folder, 1), Some(some(1).object));
        assert_eq!(find(&mut refs, folder, 2), None);
        assert_eq!(find(&mut refs, folder, 3), None);
        assert_eq!(refs.find(some(1).identity, 6, |object| folder.join(object.hex())), None);
    }

    #[test]
    fn a_torn_end_is_ignored_then_cut_and_no_other_line_suffers() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        load(folder).add(&[some(1), some(2)]).unwrap();
        let path = folder.join("refs");
        let whole = fs::read(&path).unwrap();
        for number in 1..=4 {
            fs::write(folder.join(some(number).object.hex()), "12345").unwrap();
        }
        for cut in whole.len() / 2..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let mut refs = load(folder);
            assert!(find(&mut refs, folder, 1).is_some());
            assert!(find(&mut refs, folder, 2).is_none());
            refs.add(&[some(3)]).unwrap();
            let mut refs = load(folder);
            assert!(find(&mut refs, folder, 1).is_some() && find(&mut refs, folder, 3).is_some(), "cut at {cut}");
            assert_eq!(refs.unreadable(), 0, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_known_is_not_written_again_and_the_last_line_counts() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut refs = load(folder);
        refs.add(&[some(1)]).unwrap();
        refs.add(&[some(1)]).unwrap();
        assert_eq!(fs::read_to_string(folder.join("refs")).unwrap().lines().count(), 1);
        let anew = Ref { object: ObjectId::new([9; 32]), ..some(1) };
        refs.add(std::slice::from_ref(&anew)).unwrap();
        fs::write(folder.join(anew.object.hex()), "12345").unwrap();
        assert_eq!(find(&mut load(folder), folder, 1), Some(anew.object));
    }

    #[test]
    fn a_damaged_line_is_counted_and_hurts_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        load(folder).add(&[some(1)]).unwrap();
        let good = fs::read_to_string(folder.join("refs")).unwrap();
        fs::write(folder.join("refs"), format!("\0\0\0\n{good}zz 5 00\n{} 5\n", "0".repeat(40))).unwrap();
        fs::write(folder.join(some(1).object.hex()), "12345").unwrap();
        let mut refs = load(folder);
        assert_eq!(refs.unreadable(), 3);
        assert!(find(&mut refs, folder, 1).is_some());
    }
}
