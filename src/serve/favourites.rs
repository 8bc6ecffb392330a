//! Files that many ask for, such as the indexes after a publication, kept in memory: each is read once, and sent from there
//! without being copied.
//!
//! A file is looked up and opened for each request all the same; what is kept is taken only for the very file, by device,
//! number, size and times (another one could have them all only if it were made in the very tick of the clock in which this one
//! was removed). It is read when somebody asks for it a second time, so that a client that fetches everything once
//! changes nothing here.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::IoSliceMut;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::io::{ReadWriteFlags, preadv2};

/// Largest file that is kept, in bytes.
const LARGEST: u64 = 1 << 20;

/// Bytes of all of them, those included that are still being sent after they were let go.
const MOST: usize = 8 << 20;

/// How many files are remembered as asked for once.
const REMEMBERED: usize = 4096;

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    device: u64,
    number: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    pub(super) fn of(about: &Metadata) -> Identity {
        Identity {
            device: about.dev(),
            number: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }
}

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Favourites {
    kept: Mutex<Kept>,
    alive: Arc<AtomicUsize>,
}

/// What was asked for lately, and what was before that: when the former is half of all, it takes the place of the latter.
#[derive(Debug, Default)]
struct Kept {
    recent: HashMap<Identity, Bytes>,
    recent_bytes: usize,
    before: HashMap<Identity, Bytes>,
    once: HashSet<Identity>,
}

impl Favourites {
    /// All bytes of `file`, where it is a favourite and the kernel has it in memory.
    pub(super) fn get(&self, identity: Identity, file: &File) -> Option<Bytes> {
        if identity.size > LARGEST || identity.size == 0 {
            return None;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = kept.recent.get(&identity) {
            return Some(bytes.clone());
        }
        if let Some(bytes) = kept.before.remove(&identity) {
            kept.keep(identity, &bytes);
            return Some(bytes);
        }
        if !kept.once.remove(&identity) {
            if kept.once.len() == REMEMBERED {
                kept.once.clear();
            }
            kept.once.insert(identity);
            return None;
        }
        drop(kept);
        let bytes = self.read(file, usize::try_from(identity.size).ok()?)?;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).keep(identity, &bytes);
        Some(bytes)
    }

    fn read(&self, file: &File, size: usize) -> Option<Bytes> {
        if self.alive.fetch_add(size, Relaxed) + size > MOST {
            self.alive.fetch_sub(size, Relaxed);
            return None;
        }
        let mut held = Held { bytes: vec![0; size], alive: Arc::clone(&self.alive) };
        let read = preadv2(file, &mut [IoSliceMut::new(&mut held.bytes)], 0, ReadWriteFlags::NOWAIT);
        (read == Ok(size)).then(|| Bytes::from_owner(held))
    }
}

impl Kept {
    fn keep(&mut self, identity: Identity, bytes: &Bytes) {
        if self.recent_bytes + bytes.len() > MOST / 2 {
            self.before = std::mem::take(&mut self.recent);
            self.recent_bytes = 0;
        }
        if self.recent.insert(identity, bytes.clone()).is_none() {
            self.recent_bytes += bytes.len();
        }
    }
}

/// Bytes that count until the last who sends them is done.
struct Held {
    bytes: Vec<u8>,
    alive: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.alive.fetch_sub(self.bytes.len(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file(size: usize) -> (File, Identity) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; size]).unwrap();
        let identity = Identity::of(&file.metadata().unwrap());
        (file, identity)
    }

    #[test]
    fn a_file_is_kept_from_the_second_time_on_as_long_as_it_is_that_file() {
        let favourites = Favourites::default();
        let (one, identity) = file(1000);
        assert!(favourites.get(identity, &one).is_none());
        // Some file systems do not say what is in memory: then nothing is kept.
        let Some(bytes) = favourites.get(identity, &one) else { return };
        assert_eq!(bytes, vec![7; 1000]);
        assert_eq!(favourites.get(identity, &one), Some(bytes));
        let other = Identity { changed: (0, 0), ..identity };
        assert!(favourites.get(other, &one).is_none());
        for size in [0, LARGEST as usize + 1] {
            let (none, identity) = file(size);
            assert!(favourites.get(identity, &none).is_none() && favourites.get(identity, &none).is_none());
        }
    }

    #[test]
    fn no_more_is_held_than_may_be_however_long_it_is_sent() {
        let favourites = Favourites::default();
        // All are there at once, so that none has the number of another.
        let files: Vec<_> = (0..20).map(|_| file(LARGEST as usize)).collect();
        let mut sent = Vec::new();
        for round in 0..2 {
            for (one, identity) in &files {
                favourites.get(*identity, one);
                let got = favourites.get(*identity, one);
                if round == 0 {
                    sent.extend(got);
                }
                assert!(favourites.alive.load(Relaxed) <= MOST);
            }
            assert!(sent.len() <= MOST / LARGEST as usize);
            sent.clear();
        }
    }
}
