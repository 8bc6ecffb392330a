//! Taking packages in, and finding them again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::Error;
use super::refs::{Ref, Refs, is_there};
use crate::apk::{Entry, Identity, ObjectId};
use crate::disk::durable::{self, PartFile, Shared};
use crate::verify::package::VerifiedPackage;

pub(super) const OBJECT_MODE: u32 = 0o444;
pub(super) const FOLDER_MODE: u32 = 0o700;

/// A batch is committed by itself when it holds so many bytes or packages: what a crash may cost is bounded, and the disk
/// writes while the wire still delivers.
pub(super) const BATCH_BYTES: u64 = 256 << 20;
pub(super) const BATCH_PACKAGES: usize = 1_000;

/// The pool. A handle: clones share one pool, and all threads may use it at once. All methods that touch the disk block.
#[derive(Clone, Debug)]
pub struct Pool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    state: Mutex<State>,
    /// Held through a commit, so that there is one at a time; never taken while `state` is held.
    committing: Mutex<()>,
}

#[derive(Debug)]
struct State {
    refs: Refs,
    /// Identities that have an [`Incoming`].
    arriving: HashSet<Identity>,
    /// Complete, verified, and not yet in `objects/`.
    pending: HashMap<Identity, Ref>,
    /// Packages of `pending`, and their bytes, that no commit has begun with yet.
    uncommitted: usize,
    uncommitted_bytes: u64,
    /// Whether names were given in `objects/` that are not flushed yet.
    names: Names,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Flushed,
    Unflushed,
}

impl State {
    /// All that is pending belongs to a commit from now on; a new batch fills up.
    fn begin_batch(&mut self) {
        self.uncommitted = 0;
        self.uncommitted_bytes = 0;
    }
}

impl Pool {
    /// Opens the pool in `root` (a store's `pool` folder) and makes what is missing of it. The caller holds the store's lock,
    /// or only reads.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let pool = Pool::look(root)?;
        durable::create_folder(&pool.inner.objects_folder(), FOLDER_MODE)?;
        durable::create_folder(&pool.inner.incoming_folder(), FOLDER_MODE)?;
        Ok(pool)
    }

    /// Opens the pool in `root` to look at it, and makes nothing.
    pub fn look(root: &Path) -> Result<Self, Error> {
        let inner = Inner {
            root: root.to_owned(),
            state: Mutex::new(State {
                refs: Refs::load(root.join("refs"))?,
                arriving: HashSet::new(),
                pending: HashMap::new(),
                uncommitted: 0,
                uncommitted_bytes: 0,
                // A run that was killed may have left names behind, which count from now on as if they were safe.
                names: Names::Unflushed,
            }),
            committing: Mutex::new(()),
        };
        Ok(Pool { inner: Arc::new(inner) })
    }

    /// Where `object` lies once it is committed.
    pub fn path(&self, object: &ObjectId) -> PathBuf {
        self.inner.path(object)
    }

    /// Whether `object` is in the pool, or will be with the next commit.
    pub fn has(&self, object: &ObjectId) -> bool {
        self.path(object).is_file() || self.inner.state().pending.values().any(|pending| pending.object == *object)
    }

    /// The object that holds the package which `entry` lists, in the pool or there with the next commit. One that has the
    /// identity and size and calls itself something else is not it: identities are upstream's to write into an index, and what
    /// came for one entry must not stand in for another.
    pub fn find(&self, entry: &Entry) -> Option<ObjectId> {
        self.with_found(entry.identity(), entry.size(), |found| found.is_listed_by(entry).then_some(found.object))
            .flatten()
    }

    fn with_found<T>(&self, identity: &Identity, size: u64, look: impl FnOnce(&Ref) -> T) -> Option<T> {
        let mut state = self.inner.state();
        if let Some(pending) = state.pending.get(identity).filter(|pending| pending.size == size) {
            return Some(look(pending));
        }
        state.refs.find(*identity, size, |object| self.inner.path(object)).map(look)
    }

    /// Begins to take in the package with this identity. What an earlier run left of it is there to be read, verified again
    /// and continued: see [`Incoming`]. One [`Incoming`] per identity at a time.
    pub fn begin(&self, identity: &Identity) -> Result<Incoming, Error> {
        loop {
            let mut state = self.inner.state();
            if state.pending.contains_key(identity) {
                // The same package once more, signed anew perhaps: its part file is taken until it has its name.
                drop(state);
                self.inner.commit_batch()?;
                continue;
            }
            if !state.arriving.insert(*identity) {
                return Err(Error::Busy { identity: *identity });
            }
            break;
        }
        let arrival = Arrival { inner: Arc::clone(&self.inner), identity: *identity };
        let part = PartFile::open(self.inner.part(identity))?;
        Ok(Incoming { part, arrival })
    }

    /// Takes in a package whose bytes, all of them and no others, were written to `incoming` and fed to the verifier that made
    /// `verified`. It is found from now on, and has its place and survives power loss after the next [`Pool::commit`]. Commits
    /// by itself when much is pending, and blocks for it.
    pub fn insert(&self, incoming: Incoming, verified: &VerifiedPackage) -> Result<ObjectId, Error> {
        self.insert_ref(incoming, Ref::of(verified))
    }

    fn insert_ref(&self, incoming: Incoming, verified: Ref) -> Result<ObjectId, Error> {
        let Incoming { part, arrival } = incoming;
        if arrival.identity != verified.identity || part.len() != verified.size {
            return Err(Error::Unmatched { identity: arrival.identity, written: part.len(), verified: verified.size });
        }
        part.finish(OBJECT_MODE)?;
        let object = verified.object;
        let full = {
            let mut state = self.inner.state();
            state.uncommitted += 1;
            state.uncommitted_bytes += verified.size;
            state.pending.insert(verified.identity, verified);
            let full = state.uncommitted_bytes >= BATCH_BYTES || state.uncommitted >= BATCH_PACKAGES;
            if full {
                // This caller alone commits the batch. The others begin to fill the next one while it waits for the disk:
                // if they waited, too, nothing would arrive meanwhile.
                state.begin_batch();
            }
            full
        };
        drop(arrival);
        if full {
            self.inner.commit_batch()?;
        }
        Ok(object)
    }

    /// Takes in a package that lies in a file of someone else's (a directory source, a seed) and was verified there. The bytes
    /// are shared where the file system can, else copied, and hashed again on our side: a file that changed meanwhile is
    /// refused. Never a hard link: its owner could write to it.
    pub fn insert_file(&self, path: &Path, verified: &VerifiedPackage) -> Result<ObjectId, Error> {
        self.insert_file_ref(path, Ref::of(verified))
    }

    fn insert_file_ref(&self, path: &Path, verified: Ref) -> Result<ObjectId, Error> {
        if self.with_found(&verified.identity, verified.size, |found| found.object) == Some(verified.object) {
            return Ok(verified.object);
        }
        let source = File::open(path).map_err(|cause| durable::Error::new("open", path, cause))?;
        let mut incoming = self.begin(&verified.identity)?;
        incoming.truncate(0)?;
        let shared = incoming.part.clone_from_file(&source)?;
        let mut reader: Box<dyn io::Read> = match shared {
            Shared::Yes => Box::new(incoming.reader()?),
            // One byte more than was verified tells a file that grew, and stops at one that grows without end.
            Shared::No => Box::new(source.take(verified.size + 1)),
        };
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let length = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(durable::Error::new("read", path, cause).into()),
            };
            hasher.update(&buffer[..length]);
            if shared == Shared::No {
                incoming.write(&buffer[..length])?;
            }
        }
        if incoming.len() != verified.size || ObjectId::new(hasher.finalize().into()) != verified.object {
            incoming.discard()?;
            return Err(Error::Changed { path: path.to_owned() });
        }
        self.insert_ref(incoming, verified)
    }

    /// Gives every package taken in so far its place, safe from power loss when this returns, with all that earlier
    /// runs left in the store. Costs two flushes of the file system, whatever the number of packages; a second call with
    /// nothing new in between costs nothing.
    pub fn commit(&self) -> Result<(), Error> {
        self.inner.commit_batch()?;
        let _one_at_a_time = lock(&self.inner.committing);
        if self.inner.state().names == Names::Unflushed {
            durable::flush_file_system(&self.inner.objects_folder())?;
            self.inner.state().names = Names::Flushed;
        }
        Ok(())
    }

    pub(super) fn objects_folder(&self) -> PathBuf {
        self.inner.objects_folder()
    }

    pub(super) fn incoming_folder(&self) -> PathBuf {
        self.inner.incoming_folder()
    }

    /// The refs file and how many of its lines say nothing.
    pub(super) fn refs_unreadable(&self) -> (PathBuf, u64) {
        let state = self.inner.state();
        (state.refs.path().to_owned(), state.refs.unreadable())
    }

    pub(super) fn forget(&self, objects: &BTreeMap<ObjectId, u64>) -> Result<(), Error> {
        Ok(self.inner.state().refs.forget(objects)?)
    }

    pub(super) fn with_refs<T>(&self, look: impl FnOnce(&mut Refs) -> T) -> T {
        look(&mut self.inner.state().refs)
    }

    pub(super) fn shard(&self, object: &ObjectId) -> PathBuf {
        self.inner.shard(object)
    }

    /// Where what arrives is written of an object whose identity nobody asks for.
    pub(super) fn part_of(&self, object: &ObjectId) -> PathBuf {
        self.incoming_folder().join(format!("{}.part", object.hex()))
    }

    /// The next [`Pool::commit`] has names to flush.
    pub(super) fn note_unflushed_names(&self) {
        self.inner.state().names = Names::Unflushed;
    }

    /// Whether this run still needs the part file of `identity`.
    pub(super) fn is_in_use(&self, identity: &Identity) -> bool {
        let state = self.inner.state();
        state.arriving.contains(identity) || state.pending.contains_key(identity)
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn objects_folder(&self) -> PathBuf {
        self.root.join("objects")
    }

    fn incoming_folder(&self) -> PathBuf {
        self.root.join("incoming")
    }

    fn shard(&self, object: &ObjectId) -> PathBuf {
        self.objects_folder().join(&object.hex()[..2])
    }

    fn path(&self, object: &ObjectId) -> PathBuf {
        self.shard(object).join(object.hex())
    }

    fn part(&self, identity: &Identity) -> PathBuf {
        self.incoming_folder().join(format!("{}.part", identity.hex()))
    }

    /// Gives what is pending its place; the names are not flushed yet. The order is the module page's.
    fn commit_batch(&self) -> Result<(), Error> {
        let _one_at_a_time = lock(&self.committing);
        // What is pending stays findable while the disk works, and new packages are taken in meanwhile.
        let batch: Vec<Ref> = {
            let mut state = self.state();
            state.begin_batch();
            state.pending.values().cloned().collect()
        };
        if batch.is_empty() {
            return Ok(());
        }
        durable::flush_file_system(&self.incoming_folder())?;
        self.state().refs.add(&batch)?;

        // An object that is there stays: the public tree has links to it.
        let (there, new): (Vec<&Ref>, Vec<&Ref>) =
            batch.iter().partition(|pending| is_there(&self.path(&pending.object), pending.size));
        for shard in new.iter().map(|pending| self.shard(&pending.object)).collect::<HashSet<_>>() {
            durable::create_folder_unflushed(&shard, FOLDER_MODE)?;
        }
        let renames: Vec<_> =
            new.iter().map(|pending| (self.part(&pending.identity), self.path(&pending.object))).collect();
        durable::rename_all(&renames)?;
        for pending in there {
            durable::remove_file(&self.part(&pending.identity))?;
        }

        let mut state = self.state();
        state.names = Names::Unflushed;
        for pending in &batch {
            state.pending.remove(&pending.identity);
        }
        state.refs.note_present(batch.iter().map(|pending| pending.object));
        Ok(())
    }
}

/// Everything under our mutexes is left consistent at each point where a panic could happen: no `?` or call to the disk
/// stands between two changes that belong together.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A package that is arriving. Dropped, it leaves what was written for the next [`Pool::begin`].
///
/// What is there at the beginning came from an earlier run and may be torn: feed [`Incoming::reader`] to a new verifier, then
/// go on at [`Incoming::len`]; or [`Incoming::truncate`] to 0 and start over.
#[derive(Debug)]
pub struct Incoming {
    part: PartFile,
    arrival: Arrival,
}

/// Gives the identity free again.
#[derive(Debug)]
struct Arrival {
    inner: Arc<Inner>,
    identity: Identity,
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.inner.state().arriving.remove(&self.identity);
    }
}

impl Incoming {
    /// The identity of the package that is expected.
    pub fn identity(&self) -> &Identity {
        &self.arrival.identity
    }

    /// Bytes there are.
    pub fn len(&self) -> u64 {
        self.part.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.part.is_empty()
    }

    /// Adds a chunk at the end; each call is one write to the file system.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        Ok(self.part.write(chunk)?)
    }

    /// Keeps the first `len` bytes only.
    pub fn truncate(&mut self, len: u64) -> Result<(), Error> {
        Ok(self.part.truncate(len)?)
    }

    /// Reads what is there, from the beginning.
    pub fn reader(&self) -> Result<impl io::Read + Send + use<>, Error> {
        Ok(self.part.reader()?)
    }

    /// Removes what is there: its bytes are refused.
    pub fn discard(self) -> Result<(), Error> {
        Ok(self.part.remove()?)
    }
}

#[cfg(test)]
mod tests;
