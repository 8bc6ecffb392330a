//! Every name in a tree that leads to a damaged file, or to none, is renamed over, one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use jiff::Timestamp;

use super::fetch::Outcome;
use super::indexes::Indexes;
use super::look::{BadFile, BadIndex, FileState, Seen, Whose};
use super::{Repaired, ends_all};
use crate::apk::ObjectId;
use crate::disk::durable;
use crate::error::{Trouble as _, in_one_line};
use crate::finding::{Finding, Severity};
use crate::jobs::{Error, Mirror};
use crate::publish::{Mending, show_beside};

/// What was put right outside the pool's objects.
#[derive(Debug, Default)]
pub(super) struct Mended {
    /// Files of trees, index files, links, and what else was told.
    pub(super) repaired: Vec<Repaired>,
    /// Names that led to a damaged object or to a copy.
    pub(super) relinked: u64,
    /// Which of the files that were looked at had their turn: all that could, unless the repair ended early.
    pub(super) tried: BTreeSet<usize>,
    /// Names that this host did not let us put right: of each folder one.
    pub(super) failed: Vec<Finding>,
}

/// Whether the pool has an object that this run hashed and found right, or took in; of a dry run, whether somebody may have it.
pub(super) fn is_good(seen: &Seen, outcome: &Outcome, object: &ObjectId) -> bool {
    outcome.from.contains_key(object) || seen.right.contains(object)
}

/// Names of one folder that could not be put right for one reason.
#[derive(Debug)]
struct Failed {
    path: PathBuf,
    message: String,
    hint: Option<String>,
    names: u64,
}

/// Puts right what can be, as soon as it can be: one pass before anybody is asked for objects, others as they come.
pub(super) struct Mender<'m> {
    mirror: &'m Mirror<'m>,
    seen: &'m Seen,
    indexes: &'m Indexes,
    mending: Mending<'m>,
    /// Places in the list of files that were tried: each is tried once.
    tried: BTreeSet<usize>,
    /// What needs no object is put right in the first pass.
    passes: u64,
    mended: Mended,
    failed: BTreeMap<(PathBuf, &'static str), Failed>,
}

impl<'m> Mender<'m> {
    pub(super) fn new(mirror: &'m Mirror<'m>, seen: &'m Seen, indexes: &'m Indexes) -> Self {
        Mender {
            mirror,
            seen,
            indexes,
            mending: Mending::new(&mirror.tree),
            tried: BTreeSet::new(),
            passes: 0,
            mended: Mended::default(),
            failed: BTreeMap::new(),
        }
    }

    /// Puts right what `outcome` allows by now, on the medium when this returns.
    ///
    /// # Errors
    /// What would end all the rest as well: a full or read-only disk. A single name that cannot be put right is told at the end.
    pub(super) fn pass(&mut self, outcome: &Outcome) -> Result<(), Error> {
        for (at, bad) in self.seen.files.iter().enumerate() {
            if is_good(self.seen, outcome, &bad.object) && self.tried.insert(at) {
                let done = self.file(bad);
                if let Err(error) = self.note(&bad.path, done) {
                    self.tried.remove(&at);
                    return Err(error);
                }
            }
        }
        self.passes += 1;
        if self.passes == 1 {
            self.what_needs_no_object()?;
        }
        Ok(self.mending.flush()?)
    }

    /// What was done, and what could not be.
    pub(super) fn end(mut self) -> Mended {
        for ((folder, code), failed) in self.failed {
            let others = match failed.names {
                1 => String::new(),
                2 => format!("; so does another name in {}", folder.display()),
                names => format!("; so do {} other names in {}", names - 1, folder.display()),
            };
            self.mended.failed.push(Finding {
                code,
                severity: Severity::Error,
                subject: failed.path.display().to_string(),
                message: format!("it stays as it is: {}{others}", failed.message),
                hint: failed.hint.or_else(|| Some("see what is in the way there, then `bivouac repair` again".into())),
            });
        }
        self.mended.tried = self.tried;
        self.mended
    }

    fn note(&mut self, path: &Path, done: Result<(), Error>) -> Result<(), Error> {
        let Err(error) = done else { return Ok(()) };
        if ends_all(&error) {
            return Err(error);
        }
        let folder = path.parent().unwrap_or(path).to_owned();
        let first = || Failed { path: path.to_owned(), message: in_one_line(&error), hint: error.hint(), names: 0 };
        self.failed.entry((folder, error.code())).or_insert_with(first).names += 1;
        Ok(())
    }

    fn file(&mut self, bad: &BadFile) -> Result<(), Error> {
        let pool = &self.mirror.pool;
        if bad.state == FileState::Right && !is_worth_linking(&pool.path(&bad.object), &bad.path) {
            return Ok(());
        }
        self.mending.package(pool, &bad.object, &bad.path)?;
        match &bad.state {
            FileState::Linked | FileState::Right => self.mended.relinked += 1,
            FileState::Wrong(..) => self.mended.repaired.push(repaired(bad)),
        }
        Ok(())
    }

    fn what_needs_no_object(&mut self) -> Result<(), Error> {
        let (mirror, seen) = (self.mirror, self.seen);
        let mut files: BTreeMap<ObjectId, PathBuf> = BTreeMap::new();
        for bad in &seen.indexes {
            let done = self.index(bad, &mut files);
            self.note(&bad.path, done)?;
        }
        for bad in &seen.links {
            let path = bad.folder.join(bad.arch.as_str());
            let done = self.mending.own_link(&bad.arch, &bad.folder).map_err(Error::from);
            let done = done.map(|()| self.came(path.display().to_string(), "its record"));
            self.note(&path, done)?;
        }
        for generation in &seen.gone {
            let done = self.mending.aliases(generation).map_err(Error::from);
            self.note(&mirror.tree.generation(generation.number), done)?;
        }
        for (name, number) in &seen.lost_names {
            let link = mirror.tree.link().join(format!("@{name}"));
            let done = show_beside(&mirror.tree, name, *number).map_err(Error::from);
            let done = done.map(|()| self.came(link.display().to_string(), "the record of what it showed"));
            self.note(&link, done)?;
        }
        if let Some(number) = seen.lost_link {
            let link = mirror.tree.link();
            let done = self.mending.public_link(number).map_err(Error::from);
            let done = done.map(|()| self.came(link.display().to_string(), "the record of what was live"));
            self.note(link, done)?;
        }
        for finding in &seen.modes {
            let path = Path::new(&finding.subject);
            let done = durable::set_mode(path, 0o444).map_err(Error::from);
            let done = done.map(|()| self.came(finding.subject.clone(), "its mode"));
            self.note(path, done)?;
        }
        if let Some(finding) = &seen.refs {
            let done = mirror.pool.mend_refs().map_err(Error::from);
            let done = done.map(|()| self.came(finding.subject.clone(), "its other lines"));
            self.note(Path::new(&finding.subject), done)?;
        }
        Ok(())
    }

    /// Puts an index file right, if somebody has it. `files` are those of trees that were put right before.
    fn index(&mut self, bad: &BadIndex, files: &mut BTreeMap<ObjectId, PathBuf>) -> Result<(), Error> {
        let Some(found) = self.indexes.of(&bad.index) else { return Ok(()) };
        match &bad.whose {
            Whose::Record(id) => self.mirror.ledger.mend_accepted(id, &found.bytes)?,
            Whose::Tree(_, published) => {
                let known = files.get(&bad.index).or(found.file.as_ref());
                match known.filter(|file| has_this_date(file, *published)) {
                    Some(file) => self.mending.name(file, &bad.path)?,
                    None => self.mending.index(*published, &found.bytes, &bad.path)?,
                }
                files.insert(bad.index, bad.path.clone());
            }
        }
        self.mended.repaired.push(repaired_index(bad, &found.from));
        Ok(())
    }

    fn came(&mut self, file: String, from: &str) {
        self.mended.repaired.push(Repaired { object: None, file, from: from.to_owned() });
    }
}

/// A file of a tree that the pool has.
pub(super) fn repaired(bad: &BadFile) -> Repaired {
    Repaired { object: Some(bad.object), file: bad.path.display().to_string(), from: "the pool".into() }
}

/// An index file that somebody has.
pub(super) fn repaired_index(bad: &BadIndex, from: &str) -> Repaired {
    Repaired { object: Some(bad.index), file: bad.path.display().to_string(), from: from.to_owned() }
}

/// Whether a right file can be one with the pool's, so that it is stored once. Across file systems it is a copy anyway.
fn is_worth_linking(object: &Path, file: &Path) -> bool {
    match (fs::metadata(object), fs::metadata(file)) {
        (Ok(object), Ok(file)) => object.dev() == file.dev() && object.ino() != file.ino(),
        _ => false,
    }
}

/// Whether a right index file elsewhere has the date at which this one was published: clients ask by it.
fn has_this_date(file: &Path, published: Timestamp) -> bool {
    let seconds = fs::metadata(file).and_then(|file| file.modified()).ok().map(|modified| {
        modified.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    });
    seconds == Some(published.as_second())
}
