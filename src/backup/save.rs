//! Brings objects to a target: read and hashed on several threads, written by one.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use sha2::{Digest as _, Sha256};

use super::{Error, Segments};
use crate::apk::ObjectId;

/// Objects up to this size, bytes, are held in memory between reader and writer; a few at a time.
const HELD: u64 = 8 << 20;

/// How many of them may wait for the writer.
const WAITING: usize = 2;

/// An object that is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Its digest.
    pub object: ObjectId,
    /// Its size in bytes.
    pub size: u64,
}

/// Where objects come from.
pub trait Shelf: Sync {
    /// The bytes of one.
    fn open(&self, wanted: &Wanted) -> io::Result<Box<dyn Read + '_>>;
}

/// An object that was not stored.
#[derive(Debug)]
pub struct Lost {
    /// Which.
    pub wanted: Wanted,
    /// Why.
    pub why: Why,
}

/// Why an object was not stored.
#[derive(Debug)]
pub enum Why {
    /// Its bytes are not what its name says.
    Damaged,
    /// It is not there.
    Gone,
    /// The disk does not give it.
    Unreadable(io::Error),
}

/// What a reader hands to the writer.
enum Fetched {
    Held(Vec<u8>),
    Long,
    Lost(Why),
}

/// Stores all of `wanted` whole, each hashed on its way: what was damaged here is not spread. Tells which were not. `progress` is
/// told bytes as they are stored.
pub fn save(
    segments: &mut Segments<'_>,
    wanted: &[Wanted],
    shelf: &dyn Shelf,
    threads: NonZeroUsize,
    progress: &dyn Fn(u64),
) -> Result<Vec<Lost>, Error> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = sync_channel(WAITING);
    thread::scope(|scope| {
        for _ in 0..threads.get() {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(one) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // The writer is gone when it failed.
                    if sender.send((one, fetch(shelf, one))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut lost = Vec::new();
        // The receiver goes with this block, however it ends, so that no reader waits for ever.
        let receiver = receiver;
        for (one, read) in &receiver {
            match read {
                Fetched::Held(bytes) => segments.put(&one.object, &bytes)?,
                Fetched::Long => {
                    let changed = |_| Error::Changed { object: one.object };
                    segments.put_long(&one.object, one.size, &mut shelf.open(one).map_err(changed)?)?;
                }
                Fetched::Lost(why) => {
                    lost.push(Lost { wanted: *one, why });
                    continue;
                }
            }
            progress(one.size);
        }
        Ok(lost)
    })
}

fn fetch(shelf: &dyn Shelf, wanted: &Wanted) -> Fetched {
    let reader = match shelf.open(wanted) {
        Ok(reader) => reader,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Fetched::Lost(Why::Gone),
        Err(cause) => return Fetched::Lost(Why::Unreadable(cause)),
    };
    // One byte more than there must be tells a file that is too long.
    let mut reader = reader.take(wanted.size + 1);
    let (mut held, mut hash, mut size) = (Vec::new(), Sha256::new(), 0);
    let read = if wanted.size <= HELD {
        held.reserve_exact(wanted.size as usize + 1);
        reader.read_to_end(&mut held).map(|read| {
            hash.update(&held);
            size = read as u64;
        })
    } else {
        hash_all(&mut reader, &mut hash).map(|read| size = read)
    };
    match read {
        Err(cause) => Fetched::Lost(Why::Unreadable(cause)),
        Ok(()) if size != wanted.size || ObjectId::new(hash.finalize().into()) != wanted.object => {
            Fetched::Lost(Why::Damaged)
        }
        Ok(()) if wanted.size <= HELD => Fetched::Held(held),
        Ok(()) => Fetched::Long,
    }
}

fn hash_all(reader: &mut dyn Read, hash: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(read) => {
                hash.update(&buffer[..read]);
                size += read as u64;
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
}
