//! Brings objects of a backup back: each is what its digest says, or it is told as lost.
//!
//! Whole objects are read segment by segment, in the order in which they lie there, several segments at once; deltas after them,
//! each with the base that it is over. Whatever is wrong with one object (a flipped bit, a segment that is cut short or gone) is
//! that object's alone; only this host's own trouble ends all.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::catalog::Backup;
use super::segment;
use super::{Error, Target};
use crate::apk::ObjectId;
use crate::delta;
use crate::error::{Class, Trouble as _};
use crate::pool::{Put, RestoreError, Restoring};
use crate::snapshot::backup::{SegmentName, Stored, StoredForm};

/// What lies between two objects is read over up to this many bytes; beyond, the segment is opened anew.
const GAP: u64 = 256 << 10;

/// An object that did not come back.
#[derive(Debug)]
pub struct LostObject {
    /// Which.
    pub object: ObjectId,
    /// Where it is.
    pub segment: SegmentName,
    /// Why.
    pub why: Error,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Restored {
    /// Objects that are in the pool now, those that were there before included.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, how many took the place of one that was damaged.
    pub healed: u64,
    /// What did not.
    pub lost: Vec<LostObject>,
}

/// A backup whose objects are looked up.
#[derive(Debug)]
pub struct Shelf<'b> {
    target: &'b Target,
    backup: &'b Backup,
    objects: HashMap<ObjectId, &'b Stored>,
}

impl<'b> Shelf<'b> {
    /// For the objects of `backup`, which lies in `target`.
    pub fn new(target: &'b Target, backup: &'b Backup) -> Self {
        let objects = backup.objects().iter().map(|stored| (stored.sha256, stored)).collect();
        Shelf { target, backup, objects }
    }

    /// Where an object is; none where the backup lacks it.
    pub fn find(&self, object: &ObjectId) -> Option<&'b Stored> {
        self.objects.get(object).copied()
    }

    /// The whole of an object, which is in the backup, made whole where it is a delta. For what fits in memory.
    pub fn load(&self, stored: &Stored) -> Result<Vec<u8>, Error> {
        match stored.form {
            StoredForm::Whole => self.bytes(stored, &stored.sha256),
            StoredForm::Delta { delta, base, .. } => {
                let damaged = || self.damaged(stored);
                let delta = self.bytes(stored, &delta)?;
                // Checked when the backup was believed: it is there, and whole.
                let base = self.find(&base).ok_or_else(damaged)?;
                let base = self.bytes(base, &base.sha256)?;
                // The digest of the delta itself is signed, as `delta` asks for.
                let bytes = delta::apply(Some(&base), &delta, &delta::Limits::default()).map_err(|_| damaged())?;
                if ObjectId::new(Sha256::digest(&bytes).into()) == stored.sha256 { Ok(bytes) } else { Err(damaged()) }
            }
        }
    }

    /// The delta that an object is stored as.
    ///
    /// # Panics
    /// Where it is stored whole.
    pub fn load_delta(&self, stored: &Stored) -> Result<Vec<u8>, Error> {
        match stored.form {
            StoredForm::Delta { delta, .. } => self.bytes(stored, &delta),
            StoredForm::Whole => unreachable!("the caller has looked"),
        }
    }

    /// What lies in the segment for an object: bytes of this digest.
    fn bytes(&self, stored: &Stored, digest: &ObjectId) -> Result<Vec<u8>, Error> {
        let name = &self.backup.segment(stored).name;
        let mut bytes = Vec::new();
        let mut reader = self.open(name, stored.at, stored.length())?;
        reader.read_to_end(&mut bytes).map_err(|cause| self.unread(name, cause))?;
        if ObjectId::new(Sha256::digest(&bytes).into()) == *digest { Ok(bytes) } else { Err(self.damaged(stored)) }
    }

    fn open(&self, name: &SegmentName, at: u64, length: u64) -> Result<Box<dyn Read + Send>, Error> {
        let place = self.target.place();
        let path = segment::path(name);
        let expected = self.backup.manifest().segments.iter().find(|segment| segment.name == *name);
        match place.length(&path)? {
            Some(found) if found >= at.saturating_add(length) => Ok(place.read(&path, at, length)?),
            found => Err(Error::Segment {
                segment: name.clone(),
                place: place.shown(),
                found,
                expected: expected.map_or(0, |segment| segment.size),
            }),
        }
    }

    fn damaged(&self, stored: &Stored) -> Error {
        Error::Object { object: stored.sha256, segment: self.backup.segment(stored).name.clone() }
    }

    fn unread(&self, name: &SegmentName, cause: io::Error) -> Error {
        Error::Read { file: segment::path(name), place: self.target.place().shown(), cause }
    }

    /// Brings the objects that `wanted` names into the pool. `progress` is told bytes as they come.
    pub fn restore(
        &self,
        wanted: &(dyn Fn(&ObjectId) -> bool + Sync),
        restoring: &Restoring<'_>,
        threads: NonZeroUsize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Restored, Error> {
        let mut runs: BTreeMap<u32, Vec<&Stored>> = BTreeMap::new();
        let mut deltas = Vec::new();
        for stored in self.backup.objects().iter().filter(|stored| wanted(&stored.sha256)) {
            match stored.form {
                StoredForm::Whole => runs.entry(stored.segment).or_default().push(stored),
                StoredForm::Delta { .. } => deltas.push(stored),
            }
        }
        let mut runs: Vec<Vec<&Stored>> = runs.into_values().collect();
        runs.iter_mut().for_each(|run| run.sort_by_key(|stored| stored.at));
        let work = Work { shelf: self, restoring, progress, done: Mutex::default() };
        work.each(&runs, threads, |run| work.run(run));
        work.each(&deltas, threads, |stored| work.delta(stored));
        let Done { restored, failed } = work.done.into_inner().unwrap_or_else(PoisonError::into_inner);
        match failed {
            None => Ok(restored),
            Some(error) => Err(error),
        }
    }
}

struct Work<'w, 'b> {
    shelf: &'w Shelf<'b>,
    restoring: &'w Restoring<'w>,
    progress: &'w (dyn Fn(u64) + Sync),
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    restored: Restored,
    failed: Option<Error>,
}

impl Work<'_, '_> {
    fn each<T: Sync>(&self, all: &[T], threads: NonZeroUsize, work: impl Fn(&T) + Sync) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..threads.get().min(all.len()) {
                scope.spawn(|| {
                    while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if self.done().failed.is_some() {
                            return;
                        }
                        work(one);
                    }
                });
            }
        });
    }

    /// Whole objects of one segment, in their order there.
    fn run(&self, run: &[&Stored]) {
        let mut reader: Option<Counted> = None;
        for stored in run {
            if self.done().failed.is_some() {
                return;
            }
            let name = &self.shelf.backup.segment(stored).name;
            let mut at_its_begin = match reader.take().map(|reader| reader.forward(stored.at)) {
                Some(Ok(Some(reader))) => reader,
                // Too far, or the medium gave up: from here anew.
                Some(Ok(None) | Err(_)) | None => match self.open_rest(name, stored) {
                    Ok(reader) => reader,
                    Err(error) => {
                        self.lost(stored, error);
                        continue;
                    }
                },
            };
            let put = self.restoring.put(&stored.sha256, stored.size, &mut (&mut at_its_begin).take(stored.size));
            self.took(stored, put);
            reader = Some(at_its_begin);
        }
    }

    /// The segment from one of its objects on, which must be there whole.
    fn open_rest(&self, name: &SegmentName, stored: &Stored) -> Result<Counted, Error> {
        drop(self.shelf.open(name, stored.at, stored.size)?);
        let rest = self.shelf.backup.segment(stored).size - stored.at;
        let reader = self.shelf.target.place().read(&segment::path(name), stored.at, rest)?;
        Ok(Counted { reader, at: stored.at })
    }

    fn delta(&self, stored: &Stored) {
        match self.shelf.load(stored) {
            Ok(bytes) => {
                let put = self.restoring.put(&stored.sha256, stored.size, &mut &bytes[..]);
                self.took(stored, put);
            }
            Err(error) => self.lost(stored, error),
        }
    }

    fn took(&self, stored: &Stored, put: Result<Put, RestoreError>) {
        let name = &self.shelf.backup.segment(stored).name;
        match put {
            Ok(put) => {
                let mut done = self.done();
                done.restored.objects += 1;
                done.restored.bytes += stored.size;
                done.restored.healed += u64::from(put == Put::Healed);
                drop(done);
                (self.progress)(stored.size);
            }
            Err(RestoreError::Read { cause, .. }) => self.lost(stored, self.shelf.unread(name, cause)),
            Err(RestoreError::WrongBytes { .. }) => self.lost(stored, self.shelf.damaged(stored)),
            Err(error) => drop(self.done().failed.get_or_insert(error.into())),
        }
    }

    /// What is wrong with one object; or with this host, which ends all.
    fn lost(&self, stored: &Stored, why: Error) {
        let mut done = self.done();
        if why.class() == Class::Host {
            done.failed.get_or_insert(why);
            return;
        }
        let segment = self.shelf.backup.segment(stored).name.clone();
        done.restored.lost.push(LostObject { object: stored.sha256, segment, why });
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        // Whole at each point where a thread could panic.
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader that knows where it is.
struct Counted {
    reader: Box<dyn Read + Send>,
    at: u64,
}

impl Counted {
    /// The same at a later offset; none where that is too far off, or behind.
    fn forward(mut self, at: u64) -> io::Result<Option<Counted>> {
        let Some(gap) = at.checked_sub(self.at).filter(|gap| *gap <= GAP) else { return Ok(None) };
        io::copy(&mut (&mut self).take(gap), &mut io::sink())?;
        Ok((self.at == at).then_some(self))
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}
