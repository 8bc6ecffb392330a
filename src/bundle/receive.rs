//! Takes the objects of a bundle in: packages into the pool, index files onto a shelf.
//!
//! Whatever comes is compared with the manifest's digests, and a package is verified by its own datahash, too. Nothing here is
//! undone when something fails: an object that is in is right, and the next attempt passes it over.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::Error;
use super::object::{Task, digest, tasks_of};
use super::read::{Verified, Volume};
use crate::apk::v2::sections::Limits as PackageLimits;
use crate::apk::{Identity, ObjectId, Sha1Policy};
use crate::delta;
use crate::disk::durable;
use crate::error::{Class, Trouble as _};
use crate::pool::Pool;
use crate::report::Reporter;
use crate::snapshot::manifest::{Form, Packed, What};
use crate::verify::package::{PackageVerifier, Promise};

/// Bytes moved at once.
const CHUNK: usize = 256 << 10;
/// The longest index file that is taken in, bytes. The largest of Alpine's has 2 MB.
const LARGEST_INDEX: u64 = 256 << 20;
/// Objects of more bytes than this are rebuilt one at a time: their plain forms take several times as much memory.
const LARGE: u64 = 8 << 20;
/// The same of the plain form of what is rebuilt, as its delta claims it.
const LARGE_PLAIN: u64 = 32 << 20;

/// Where index files are kept.
pub trait Shelf: Sync {
    /// The index file with this digest, if it is here.
    fn index(&self, id: &ObjectId) -> Result<Option<Vec<u8>>, durable::Error>;
    /// Keeps an index file.
    fn keep(&self, bytes: &[u8]) -> Result<(), durable::Error>;
}

/// Where the objects of a bundle go.
pub struct Place<'a> {
    /// Packages.
    pub pool: &'a Pool,
    /// Index files.
    pub shelf: &'a dyn Shelf,
    /// How far packages' identities are trusted.
    pub sha1: Sha1Policy,
    /// Who is told of each package.
    pub reporter: &'a dyn Reporter,
}

/// What came of one volume.
#[derive(Debug, Default)]
pub struct Received {
    /// Packages that are here now and were not before.
    pub packages: u64,
    /// Of those, how many were rebuilt from a delta.
    pub deltas: u64,
    /// Bytes of objects that were read.
    pub bytes_read: u64,
    /// What deltas could not be applied for: their bases, which are not here.
    pub lacking_bases: BTreeSet<ObjectId>,
    /// What was not taken in, the first first.
    pub refused: Vec<Error>,
}

impl Received {
    /// Adds what came of another volume.
    pub fn add(&mut self, other: Received) {
        self.packages += other.packages;
        self.deltas += other.deltas;
        self.bytes_read += other.bytes_read;
        self.lacking_bases.extend(other.lacking_bases);
        self.refused.extend(other.refused);
    }
}

/// Takes in what `volume` has and what is not here yet. What is refused does not keep the rest back; only this host's trouble
/// ends it.
pub fn receive(volume: &Volume, verified: &Verified, place: &Place<'_>) -> Result<Received, Error> {
    let tasks = by_identity(tasks_of(volume, verified));
    let receiver = Receiver { place, large: Mutex::new(()), received: Mutex::new(Received::default()) };
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let work = || -> Result<(), Error> {
        while let Some(group) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = group.iter().try_for_each(|task| receiver.take_in(task)) {
                // Nobody begins anything new.
                next.fetch_add(tasks.len(), Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.min(tasks.len())).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    Ok(receiver.received.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The tasks in their order, those of one identity together: a package arrives in the pool under its identity, one at a time, and
/// the same package signed anew is another object.
fn by_identity(tasks: Vec<Task<'_>>) -> Vec<Vec<Task<'_>>> {
    let mut places: HashMap<Identity, usize> = HashMap::new();
    let mut groups: Vec<Vec<Task<'_>>> = Vec::new();
    for task in tasks {
        let place = match &task.packed.what {
            What::Package(_, _, identity) => *places.entry(*identity).or_insert(groups.len()),
            What::Index(..) => groups.len(),
        };
        match groups.get_mut(place) {
            Some(group) => group.push(task),
            None => groups.push(vec![task]),
        }
    }
    groups
}

struct Receiver<'a> {
    place: &'a Place<'a>,
    /// Held while a large object is rebuilt.
    large: Mutex<()>,
    received: Mutex<Received>,
}

/// What came of one object.
enum Taken {
    /// It was here.
    Before,
    /// It is here now, whole or by a delta.
    Whole,
    Rebuilt,
    /// The base of its delta is not here.
    Lacks(ObjectId),
}

impl Receiver<'_> {
    /// Notes what becomes of one object; an error ends everything.
    fn take_in(&self, task: &Task<'_>) -> Result<(), Error> {
        let taken = match &task.packed.what {
            What::Index(..) => self.index(task),
            What::Package(_, _, identity) => self.package(task, identity),
        };
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let is_package = matches!(task.packed.what, What::Package(..));
        match taken {
            Ok(Taken::Before) => {}
            Ok(Taken::Lacks(base)) => {
                received.lacking_bases.insert(base);
            }
            Ok(taken) => {
                received.bytes_read += task.packed.length();
                if is_package {
                    received.packages += 1;
                    received.deltas += u64::from(matches!(taken, Taken::Rebuilt));
                }
            }
            Err(error) if ends_all(&error) => return Err(error),
            Err(error) => received.refused.push(error),
        }
        Ok(())
    }

    fn index(&self, task: &Task<'_>) -> Result<Taken, Error> {
        let Packed { sha256, size, form, .. } = task.packed;
        if self.place.shelf.index(sha256)?.is_some() {
            return Ok(Taken::Before);
        }
        if *size > LARGEST_INDEX {
            return Err(task.wrong());
        }
        let (bytes, taken) = match form {
            Form::Delta { base, .. } => {
                let base_bytes = match base {
                    Some(base) => match self.place.shelf.index(base)? {
                        Some(bytes) => Some(bytes),
                        None => return Ok(Taken::Lacks(*base)),
                    },
                    None => None,
                };
                let delta = task.delta()?;
                let _one_at_a_time = self.turn(task, &delta);
                (task.rebuild(base_bytes.as_deref(), &delta)?, Taken::Rebuilt)
            }
            Form::Whole { .. } | Form::Beside { .. } => (task.read_all(*size)?, Taken::Whole),
        };
        if digest(&bytes) != *sha256 {
            return Err(task.wrong());
        }
        self.place.shelf.keep(&bytes)?;
        Ok(taken)
    }

    fn package(&self, task: &Task<'_>, identity: &Identity) -> Result<Taken, Error> {
        let Packed { sha256, form, .. } = task.packed;
        if self.place.pool.has(sha256) {
            return Ok(Taken::Before);
        }
        match form {
            Form::Whole { .. } | Form::Beside { .. } => {
                self.insert(task, identity, &mut *task.open()?)?;
                Ok(Taken::Whole)
            }
            Form::Delta { base, .. } => {
                if let Some(base) = base.filter(|base| !self.place.pool.has(base)) {
                    return Ok(Taken::Lacks(base));
                }
                let delta = task.delta()?;
                let _one_at_a_time = self.turn(task, &delta);
                let base_bytes = match base {
                    Some(base) => match read_object(self.place.pool, base)? {
                        Some(bytes) => Some(bytes),
                        None => return Ok(Taken::Lacks(*base)),
                    },
                    None => None,
                };
                let bytes = task.rebuild(base_bytes.as_deref(), &delta)?;
                drop(base_bytes);
                self.insert(task, identity, &mut &bytes[..])?;
                Ok(Taken::Rebuilt)
            }
        }
    }

    /// Held while a delta is applied that takes much memory. A small package may have a large plain form.
    fn turn(&self, task: &Task<'_>, delta: &[u8]) -> Option<MutexGuard<'_, ()>> {
        let plain = delta::form::inspect(delta).map_or(0, |header| header.plain_len as u64);
        let is_large = task.packed.size > LARGE || plain > LARGE_PLAIN;
        is_large.then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a package into the pool, verified by itself and compared with what the manifest names.
    fn insert(&self, task: &Task<'_>, identity: &Identity, bytes: &mut dyn Read) -> Result<(), Error> {
        let mut incoming = self.place.pool.begin(identity)?;
        incoming.truncate(0)?;
        let mut verifier = PackageVerifier::new(Promise::AsItIs, PackageLimits::default()).under(self.place.sha1);
        let mut buffer = vec![0; CHUNK];
        let good = loop {
            let read = match bytes.read(&mut buffer) {
                Ok(0) => break true,
                Ok(read) => read,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(Error::medium(&task.path(), cause)),
            };
            if verifier.taken() + read as u64 > task.packed.size || verifier.feed(&buffer[..read]).is_err() {
                break false;
            }
            incoming.write(&buffer[..read])?;
        };
        let verified = if good { verifier.finish().ok() } else { None };
        let is_it = |package: &crate::verify::package::VerifiedPackage| {
            package.object_id() == task.packed.sha256 && package.identity() == *identity
        };
        let Some(package) = verified.filter(is_it) else {
            incoming.discard()?;
            return Err(task.wrong());
        };
        self.place.pool.insert(incoming, &package)?;
        self.place.reporter.bytes_fetched(task.packed.size);
        self.place.reporter.package_stored(&package.file());
        Ok(())
    }
}

/// Whether it is of no use to go on: the host is in trouble, or the medium is gone.
fn ends_all(error: &Error) -> bool {
    match error {
        // A file that is not there, on a medium that is.
        Error::Medium { cause, .. } => cause.kind() != io::ErrorKind::NotFound,
        error => error.class() == Class::Host,
    }
}

/// The whole of an object of the pool, if it is there and small enough to be a base.
fn read_object(pool: &Pool, object: &ObjectId) -> Result<Option<Vec<u8>>, Error> {
    let path = pool.path(object);
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(delta::LARGEST_TARGET as u64 + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(durable::Error::new("read", path, cause).into()),
    }
}
