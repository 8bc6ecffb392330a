//! The files that objects are in.
//!
//! A segment is a plain tar of `objects/<sha256>` and `deltas/<sha256 of the delta>`, each once, in the order in which they
//! came. Everything in it is named by its digest, so a segment can be checked by itself ([`Scan`]).

use std::io::Read;
use std::thread::JoinHandle;

use sha2::{Digest as _, Sha256};

use super::Error;
use super::target::{SEGMENTS, Target};
use crate::apk::ObjectId;
use crate::places::archive::{self, END, Stopped, Walk, header, padding};
use crate::places::{self, Upload};
use crate::snapshot::backup::{BackupId, Segment, SegmentName, Stored, StoredForm};

/// How long a segment becomes, bytes: what a backup that is stopped has to write again at most. One object that is longer has a
/// segment of its own.
pub const LIMIT: u64 = 256 << 20;

const OBJECTS: &str = "objects/";
const DELTAS: &str = "deltas/";
/// Everybody may read them where the medium lets everybody in.
const MODE: u32 = 0o644;

/// A segment's path in its target.
pub fn path(name: &SegmentName) -> String {
    format!("{SEGMENTS}/{name}")
}

/// What a segment's entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object, whole.
    Whole,
    /// A delta.
    Delta,
}

/// What an entry's name says; none where it is not one that we give.
pub fn parse_name(name: &str) -> Option<(Kind, ObjectId)> {
    let (kind, hex) = match name.strip_prefix(OBJECTS) {
        Some(hex) => (Kind::Whole, hex),
        None => (Kind::Delta, name.strip_prefix(DELTAS)?),
    };
    let id: ObjectId = hex.parse().ok()?;
    (id.hex() == hex).then_some((kind, id))
}

/// Writes segments, one after the other. What it has written is in [`Segments::finish`]'s answer; dropped, what it had begun
/// never was.
#[derive(Debug)]
pub struct Segments<'t> {
    target: &'t Target,
    id: BackupId,
    modified: u64,
    limit: u64,
    open: Option<Open>,
    /// The one before, while the disk takes it.
    closing: Option<JoinHandle<Result<(), places::Error>>>,
    done: Vec<Segment>,
    stored: Vec<Stored>,
    bytes: u64,
    next: u32,
}

#[derive(Debug)]
struct Open {
    upload: Box<dyn Upload>,
    name: SegmentName,
    at: u64,
}

impl<'t> Segments<'t> {
    /// For what the backup `id` stores. Its segments are numbered from 1 on, past those that are there.
    pub fn new(target: &'t Target, id: BackupId) -> Result<Self, Error> {
        let there = target.place().list(SEGMENTS)?;
        let taken = |number: &u32| there.iter().any(|name| name == SegmentName::new(&id, *number).as_str());
        let next = (1..).find(|number| !taken(number)).expect("a target has not that many segments");
        let modified = id.time().and_then(|time| u64::try_from(time.as_second()).ok()).unwrap_or(0);
        Ok(Segments {
            target,
            id,
            modified,
            limit: LIMIT,
            open: None,
            closing: None,
            done: Vec::new(),
            stored: Vec::new(),
            bytes: 0,
            next,
        })
    }

    /// The same with segments of about `limit` bytes.
    pub fn with_limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Stores an object whole. The caller has found that its bytes have this digest.
    pub fn put(&mut self, object: &ObjectId, bytes: &[u8]) -> Result<(), Error> {
        let at = self.begin(&format!("{OBJECTS}{object}"), bytes.len() as u64)?;
        self.write(bytes)?;
        self.end(bytes.len() as u64)?;
        self.note(object, bytes.len() as u64, at, StoredForm::Whole);
        Ok(())
    }

    /// The same of an object that is too long to be held in memory. It is hashed once more on its way; one that changed since
    /// the caller looked ends the backup.
    pub fn put_long(&mut self, object: &ObjectId, size: u64, reader: &mut dyn Read) -> Result<(), Error> {
        let changed = |_| Error::Changed { object: *object };
        let at = self.begin(&format!("{OBJECTS}{object}"), size)?;
        let mut hash = Sha256::new();
        let mut left = size;
        let mut buffer = vec![0; 1 << 20];
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = reader.read(&mut buffer[..most]).map_err(changed)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            self.write(&buffer[..read])?;
            left -= read as u64;
        }
        if left > 0 || ObjectId::new(hash.finalize().into()) != *object {
            // What was written of it makes the whole segment worthless.
            self.open = None;
            return Err(Error::Changed { object: *object });
        }
        self.end(size)?;
        self.note(object, size, at, StoredForm::Whole);
        Ok(())
    }

    /// Stores an object of `size` bytes as a delta over `base`, which the target has whole.
    pub fn put_delta(&mut self, object: &ObjectId, size: u64, base: &ObjectId, delta: &[u8]) -> Result<(), Error> {
        let digest = ObjectId::new(Sha256::digest(delta).into());
        let length = delta.len() as u64;
        let at = self.begin(&format!("{DELTAS}{digest}"), length)?;
        self.write(delta)?;
        self.end(length)?;
        self.note(object, size, at, StoredForm::Delta { length, delta: digest, base: *base });
        Ok(())
    }

    /// Ends the last segment. Everything that was put is on the medium when this returns; of each object, which of the returned
    /// segments it is in.
    pub fn finish(mut self) -> Result<(Vec<Segment>, Vec<Stored>), Error> {
        self.close()?;
        self.settle()?;
        Ok((std::mem::take(&mut self.done), std::mem::take(&mut self.stored)))
    }

    fn begin(&mut self, name: &str, size: u64) -> Result<u64, Error> {
        if self.open.as_ref().is_some_and(|open| open.at + archive::taken(size) + END > self.limit) {
            self.close()?;
        }
        if self.open.is_none() {
            let name = SegmentName::new(&self.id, self.next);
            self.next += 1;
            self.open = Some(Open { upload: self.target.place().begin(&path(&name))?, name, at: 0 });
        }
        self.write(&header(name, size, MODE, self.modified))?;
        Ok(self.open.as_ref().expect("it was opened above").at)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let open = self.open.as_mut().expect("an entry is begun first");
        open.upload.write(bytes)?;
        open.at += bytes.len() as u64;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn end(&mut self, size: u64) -> Result<(), Error> {
        self.write(&[0; 512][..padding(size) as usize])
    }

    fn note(&mut self, object: &ObjectId, size: u64, at: u64, form: StoredForm) {
        let segment = u32::try_from(self.done.len()).expect("a backup has not that many segments");
        self.stored.push(Stored { sha256: *object, size, segment, at, form });
    }

    /// Gives the open segment its name, while the next one is filled.
    fn close(&mut self) -> Result<(), Error> {
        if self.open.is_none() {
            return Ok(());
        }
        self.write(&[0; END as usize])?;
        let Open { upload, name, at } = self.open.take().expect("there is one");
        self.settle()?;
        self.closing = Some(std::thread::spawn(move || upload.put()));
        self.done.push(Segment { name, size: at });
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Error> {
        let Some(closing) = self.closing.take() else { return Ok(()) };
        Ok(closing.join().expect("putting a file in its place does not panic")?)
    }
}

impl Drop for Segments<'_> {
    fn drop(&mut self) {
        // So that nothing is written any more once the caller has gone on; the trouble that ended it is the one to be told.
        let _ = self.settle();
    }
}

/// One entry of a segment that is read from its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// What it is.
    pub kind: Kind,
    /// The digest that its name tells.
    pub id: ObjectId,
    /// The offset of its first byte.
    pub at: u64,
    /// Its bytes.
    pub size: u64,
    /// Whether its bytes have that digest.
    pub state: State,
}

/// Whether bytes are what their name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They are.
    Good,
    /// They are not.
    Damaged,
}

/// Why a scan ended before the segment did.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The segment is no archive of ours from there on.
    #[error(transparent)]
    Bad(#[from] archive::BadArchive),
    /// An entry with another name than we give.
    #[error("it holds {0:?}")]
    Foreign(String),
    /// The medium does not give its bytes.
    #[error("it cannot be read")]
    Io(#[from] std::io::Error),
}

/// Reads a segment from its beginning and hashes all of it; `progress` is told bytes. Every bit of the file is either an entry's
/// or accounted for (see [`archive`]).
pub fn scan(reader: impl Read, progress: &dyn Fn(u64), mut each: impl FnMut(Scanned)) -> Result<(), ScanError> {
    let mut walk = Walk::new(reader);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let Some(member) = walk.next().map_err(stopped)? else { return Ok(()) };
        let (kind, id) = parse_name(&member.name).ok_or(ScanError::Foreign(member.name))?;
        let at = walk.at();
        let mut hash = Sha256::new();
        loop {
            match walk.read(&mut buffer)? {
                0 => break,
                read => {
                    hash.update(&buffer[..read]);
                    progress(read as u64);
                }
            }
        }
        if walk.at() - at < member.size {
            return Err(archive::BadArchive::Cut { at: walk.at() }.into());
        }
        let good = ObjectId::new(hash.finalize().into()) == id;
        each(Scanned { kind, id, at, size: member.size, state: if good { State::Good } else { State::Damaged } });
    }
}

fn stopped(stopped: Stopped) -> ScanError {
    match stopped {
        Stopped::Bad(bad) => ScanError::Bad(bad),
        Stopped::Io(cause) => ScanError::Io(cause),
    }
}
