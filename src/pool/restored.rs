//! Taking in objects that were in a pool before: those for which a signed list of a backup vouches, and those that our own
//! records name and the pool lost.
//!
//! A package that comes from outside is unpacked and verified before it is an object. These were verified when they first came,
//! and the list or the record names each by its SHA-256: here that digest is all that is compared, and so a restore is as fast
//! as the disk.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard};

use sha2::{Digest as _, Sha256};

use super::objects::{BATCH_BYTES, BATCH_PACKAGES, FOLDER_MODE, OBJECT_MODE, lock};
use super::refs::{Ref, is_there};
use super::{Error, Pool};
use crate::apk::ObjectId;
use crate::disk::durable::{self, PartFile};

mod error;

pub use error::{Found, RestoreError};

const BUFFER: usize = 128 * 1024;

/// What became of an object that was put into the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It was not there; it has its place after the next batch.
    New,
    /// What lay in its place was damaged or could not be read; the right bytes take the place with the next batch.
    Healed,
    /// It was there, and its bytes were read and are right. Nothing was read of what was offered.
    Already,
}

/// A restore into a pool, for all threads at once. The caller holds the store's lock; nothing else takes packages in
/// meanwhile.
///
/// Objects get their names in batches (256 MB or 1,000 of them), each after one flush of the file system: killed at any moment,
/// the pool holds whole objects alone, and a restore that is run again finds them [`Put::Already`]. Dropped without
/// [`Restoring::finish`], it loses what is not yet named.
#[derive(Debug)]
pub struct Restoring<'p> {
    pool: &'p Pool,
    batch: Mutex<Batch>,
    /// Held through a batch's commit; never taken while `batch` is held.
    committing: Mutex<()>,
    failing: Failing,
}

/// What it means that one object cannot get its name.
#[derive(Debug)]
enum Failing {
    /// The batch ends there.
    EndsAll,
    /// It is told, and the others get theirs; a full or read-only disk ends all the same.
    IsTold(Mutex<Vec<(ObjectId, durable::Error)>>),
}

#[derive(Debug, Default)]
struct Batch {
    /// Being written by some thread.
    arriving: HashSet<ObjectId>,
    /// Complete, and not yet in `objects/`.
    pending: HashSet<ObjectId>,
    /// Of `pending`, what no commit has begun with.
    uncommitted: usize,
    uncommitted_bytes: u64,
}

impl Batch {
    /// All that is pending belongs to a commit from now on.
    fn begin(&mut self) {
        self.uncommitted = 0;
        self.uncommitted_bytes = 0;
    }

    fn is_full(&self) -> bool {
        self.uncommitted_bytes >= BATCH_BYTES || self.uncommitted >= BATCH_PACKAGES
    }
}

impl Pool {
    /// Begins to restore. Removes what a restore that was stopped left half written: it is cheaper to read again than to judge.
    pub fn restoring(&self) -> Result<Restoring<'_>, Error> {
        let folder = self.incoming_folder();
        for name in durable::list(&folder)?.iter().filter(|name| is_part_of_object(name)) {
            durable::remove_file(&folder.join(name))?;
        }
        Ok(Restoring { failing: Failing::EndsAll, ..self.mending() })
    }

    /// The same for single objects that may come from afar: what an earlier run left half written is gone on from, where
    /// [`Restoring::begin`] asks for that object, and one that cannot get its name holds up no other: see [`Restoring::failed`].
    pub fn mending(&self) -> Restoring<'_> {
        let failing = Failing::IsTold(Mutex::default());
        Restoring { pool: self, batch: Mutex::default(), committing: Mutex::default(), failing }
    }

    /// What `refs` says of these objects, as its lines, sorted: what a backup keeps, and [`Restoring::finish`] takes in again.
    pub fn refs_text(&self, objects: &HashSet<ObjectId>) -> String {
        self.with_refs(|refs| refs.text_of(objects))
    }
}

/// Whether this is what is written of an object that is restored: `<64 hex>.part`.
pub(super) fn is_part_of_object(name: &str) -> bool {
    name.strip_suffix(".part").is_some_and(|name| name.parse::<ObjectId>().is_ok())
}

impl Restoring<'_> {
    /// Takes in the object of `size` bytes that `bytes` gives, all of them and no others. One that is there already with this
    /// size is hashed first; a damaged one stays until the right bytes replace it by a rename, so names that trees have for it
    /// keep what they have. Commits a full batch, and blocks for it.
    pub fn put(&self, object: &ObjectId, size: u64, bytes: &mut dyn Read) -> Result<Put, RestoreError> {
        let Some(_arrival) = self.arrive(object)? else { return Ok(Put::Already) };
        let put = match self.look(object, size) {
            Place::Right => return Ok(Put::Already),
            Place::Free => Put::New,
            Place::Damaged => Put::Healed,
        };
        let mut part = PartFile::open(self.pool.part_of(object))?;
        match fill(&mut part, object, size, bytes) {
            Ok(()) => part.finish(OBJECT_MODE)?,
            Err(error) => {
                // Why it failed is what matters; what stays of the part is swept by the next restore.
                let _ = part.remove();
                return Err(error);
            }
        };
        if self.note(object, size) {
            self.commit_batch()?;
        }
        Ok(put)
    }

    /// Begins to take in the object of `size` bytes, chunk by chunk, for who is handed bytes instead of reading them; `None` where
    /// it is there already, and right. What an earlier run left of it is hashed again and counts: see [`Arriving::len`].
    pub fn begin(&self, object: &ObjectId, size: u64) -> Result<Option<Arriving<'_>>, RestoreError> {
        let Some(arrival) = self.arrive(object)? else { return Ok(None) };
        let put = match self.look(object, size) {
            Place::Right => return Ok(None),
            Place::Free => Put::New,
            Place::Damaged => Put::Healed,
        };
        let part = PartFile::open(self.pool.part_of(object))?;
        let mut arriving = Arriving { restoring: self, arrival, part, size, put, hasher: Sha256::new() };
        arriving.take_up()?;
        Ok(Some(arriving))
    }

    /// Gives all objects their names, adds what `refs` says of those that are there now, and flushes: the pool holds all that was
    /// put when this returns. What is said of objects that are not there is left out.
    pub fn finish(self, refs: &[Ref]) -> Result<(), Error> {
        self.commit_batch()?;
        self.pool.commit()?;
        let there: Vec<Ref> =
            refs.iter().filter(|one| is_there(&self.pool.path(&one.object), one.size)).cloned().collect();
        Ok(self.pool.with_refs(|refs| refs.add(&there))?)
    }

    /// Gives what was put so far its names, so that others can read it.
    pub fn commit(&self) -> Result<(), Error> {
        self.commit_batch()
    }

    /// Of a mending, the objects that could not get their names since this was asked last, each with the reason. Nothing is left
    /// of them.
    pub fn failed(&self) -> Vec<(ObjectId, durable::Error)> {
        match &self.failing {
            Failing::EndsAll => Vec::new(),
            Failing::IsTold(told) => std::mem::take(&mut *lock(told)),
        }
    }

    /// Whether an object was put and has no name yet.
    pub fn is_pending(&self, object: &ObjectId) -> bool {
        self.batch().pending.contains(object)
    }

    /// `None` for what is complete and waits for its batch.
    fn arrive(&self, object: &ObjectId) -> Result<Option<Arrival<'_>>, RestoreError> {
        let mut batch = self.batch();
        if batch.pending.contains(object) {
            return Ok(None);
        }
        if !batch.arriving.insert(*object) {
            return Err(RestoreError::Busy { object: *object });
        }
        Ok(Some(Arrival { batch: &self.batch, object: *object }))
    }

    fn look(&self, object: &ObjectId, size: u64) -> Place {
        let path = self.pool.path(object);
        if fs::symlink_metadata(&path).is_err_and(|cause| cause.kind() == io::ErrorKind::NotFound) {
            return Place::Free;
        }
        // A disk that does not give the bytes is as good as one that gives others.
        let is_right = is_there(&path, size)
            && File::open(&path).and_then(|mut file| digest_of(&mut file, size)).is_ok_and(|found| found == *object);
        if is_right { Place::Right } else { Place::Damaged }
    }

    /// Whether the caller is to commit the batch: the others fill the next one meanwhile.
    fn note(&self, object: &ObjectId, size: u64) -> bool {
        let mut batch = self.batch();
        batch.pending.insert(*object);
        batch.uncommitted += 1;
        batch.uncommitted_bytes += size;
        let full = batch.is_full();
        if full {
            batch.begin();
        }
        full
    }

    fn commit_batch(&self) -> Result<(), Error> {
        let _one_at_a_time = lock(&self.committing);
        // What is pending stays known while the disk works.
        let objects: Vec<ObjectId> = {
            let mut batch = self.batch();
            batch.begin();
            batch.pending.iter().copied().collect()
        };
        if objects.is_empty() {
            return Ok(());
        }
        durable::flush_file_system(&self.pool.incoming_folder())?;
        match &self.failing {
            Failing::EndsAll => {
                for shard in objects.iter().map(|object| self.pool.shard(object)).collect::<HashSet<_>>() {
                    durable::create_folder_unflushed(&shard, FOLDER_MODE)?;
                }
                let renames: Vec<_> =
                    objects.iter().map(|object| (self.pool.part_of(object), self.pool.path(object))).collect();
                durable::rename_all(&renames)?;
                self.pool.note_unflushed_names();
                let mut batch = self.batch();
                for object in &objects {
                    batch.pending.remove(object);
                }
            }
            Failing::IsTold(told) => {
                self.pool.note_unflushed_names();
                for object in &objects {
                    if let Err(error) = self.name(object) {
                        if error.is_for_all() {
                            return Err(error.into());
                        }
                        lock(told).push((*object, error));
                        // Why it failed is what matters; what stays is swept when it is old.
                        let _ = durable::remove_file(&self.pool.part_of(object));
                    }
                    self.batch().pending.remove(object);
                }
            }
        }
        Ok(())
    }

    fn name(&self, object: &ObjectId) -> durable::Result<()> {
        durable::create_folder_unflushed(&self.pool.shard(object), FOLDER_MODE)?;
        durable::rename_all(&[(self.pool.part_of(object), self.pool.path(object))])
    }

    fn batch(&self) -> MutexGuard<'_, Batch> {
        lock(&self.batch)
    }
}

/// An object that is handed over chunk by chunk. Dropped, it leaves what was written for a later [`Restoring::begin`].
#[derive(Debug)]
pub struct Arriving<'r> {
    restoring: &'r Restoring<'r>,
    arrival: Arrival<'r>,
    part: PartFile,
    size: u64,
    put: Put,
    hasher: Sha256,
}

impl Arriving<'_> {
    /// Hashes what is there from an earlier run; what cannot be a beginning of the object is forgotten.
    fn take_up(&mut self) -> Result<(), RestoreError> {
        if self.part.len() > self.size {
            return self.restart();
        }
        let mut reader = self.part.reader()?;
        let mut buffer = buffer_for(self.part.len());
        let mut read = 0;
        let whole = loop {
            match next(&mut reader, &mut buffer) {
                Ok(Some(chunk)) => {
                    self.hasher.update(chunk);
                    read += chunk.len() as u64;
                }
                Ok(None) => break read == self.part.len(),
                Err(_) => break false,
            }
        };
        if whole { Ok(()) } else { self.restart() }
    }

    /// Bytes there are: where the next chunk belongs.
    pub fn len(&self) -> u64 {
        self.part.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.part.is_empty()
    }

    /// Forgets all bytes.
    pub fn restart(&mut self) -> Result<(), RestoreError> {
        self.hasher = Sha256::new();
        Ok(self.part.truncate(0)?)
    }

    /// Takes the next bytes; more than the object has are refused.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), RestoreError> {
        if self.part.len() + chunk.len() as u64 > self.size {
            return Err(self.wrong(Found::More));
        }
        self.part.write(chunk)?;
        self.hasher.update(chunk);
        Ok(())
    }

    /// Removes what is there.
    pub fn discard(self) -> Result<(), RestoreError> {
        Ok(self.part.remove()?)
    }

    /// Whether what is there is the object, all of it.
    pub fn check(&self) -> Result<(), RestoreError> {
        if self.part.len() < self.size {
            return Err(self.wrong(Found::Fewer(self.part.len())));
        }
        let found = ObjectId::new(self.hasher.clone().finalize().into());
        if found == self.arrival.object { Ok(()) } else { Err(self.wrong(Found::Digest(found))) }
    }

    /// Hands the object over, if [`Arriving::check`] agrees; it has its place after the next batch, for which this may block.
    pub fn settle(self) -> Result<Put, RestoreError> {
        self.check()?;
        let Arriving { restoring, arrival, part, size, put, .. } = self;
        part.finish(OBJECT_MODE)?;
        if restoring.note(&arrival.object, size) {
            restoring.commit_batch()?;
        }
        Ok(put)
    }

    fn wrong(&self, found: Found) -> RestoreError {
        RestoreError::WrongBytes { object: self.arrival.object, size: self.size, found }
    }
}

/// What lies in an object's place.
enum Place {
    Free,
    Right,
    Damaged,
}

/// Gives the object free again.
#[derive(Debug)]
struct Arrival<'r> {
    batch: &'r Mutex<Batch>,
    object: ObjectId,
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        lock(self.batch).arriving.remove(&self.object);
    }
}

/// Writes what `bytes` gives, and refuses all but the object.
fn fill(part: &mut PartFile, object: &ObjectId, size: u64, bytes: &mut dyn Read) -> Result<(), RestoreError> {
    let wrong = |found| RestoreError::WrongBytes { object: *object, size, found };
    part.truncate(0)?;
    let mut hasher = Sha256::new();
    let mut buffer = buffer_for(size);
    while let Some(chunk) = next(bytes, &mut buffer).map_err(|cause| RestoreError::Read { object: *object, cause })? {
        if part.len() + chunk.len() as u64 > size {
            return Err(wrong(Found::More));
        }
        hasher.update(chunk);
        part.write(chunk)?;
    }
    if part.len() < size {
        return Err(wrong(Found::Fewer(part.len())));
    }
    let found = ObjectId::new(hasher.finalize().into());
    if found == *object { Ok(()) } else { Err(wrong(Found::Digest(found))) }
}

fn digest_of(bytes: &mut dyn Read, size: u64) -> io::Result<ObjectId> {
    let mut hasher = Sha256::new();
    let mut buffer = buffer_for(size);
    while let Some(chunk) = next(bytes, &mut buffer)? {
        hasher.update(chunk);
    }
    Ok(ObjectId::new(hasher.finalize().into()))
}

/// Room for one byte more than a small object has, which tells one that is longer.
fn buffer_for(size: u64) -> Vec<u8> {
    vec![0; usize::try_from(size).map_or(BUFFER, |size| BUFFER.min(size.saturating_add(1)))]
}

/// The next bytes; `None` at the end.
fn next<'b>(bytes: &mut dyn Read, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
    loop {
        match bytes.read(buffer) {
            Ok(0) => return Ok(None),
            Ok(length) => return Ok(Some(&buffer[..length])),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests leave states behind by hand")]
mod tests;
