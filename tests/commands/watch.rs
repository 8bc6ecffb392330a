//! A watcher beside the runs: reads the public tree as clients do, without pause, and keeps the first thing that was wrong.
//!
//! What it holds, each time around:
//! - once something is published, the public link always leads somewhere;
//! - every index below it is signed by a key that clients trust;
//! - every package that an index names is there, and is what the index promises;
//! - what an index named once stays downloadable (clients may hold that index still);
//! - nothing else lies there, and no bytes that were declared poison, not even in a generation that is not live.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use sha2::{Digest as _, Sha256};

use super::oracle::{self, Listed, Trusted};

/// A running watcher. [`Watch::stop`] must be called: a watcher that is dropped has proven nothing, and says so.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    public: PathBuf,
    trusted: Vec<Trusted>,
    stop: AtomicBool,
    rounds: AtomicU64,
    poison: Mutex<BTreeSet<[u8; 32]>>,
    wrong: Mutex<Option<String>>,
}

impl Watch {
    pub(crate) fn start(public: &Path, trusted: Vec<Trusted>) -> Watch {
        let shared = Arc::new(Shared {
            public: public.to_owned(),
            trusted,
            stop: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
            poison: Mutex::new(BTreeSet::new()),
            wrong: Mutex::new(None),
        });
        let thread = {
            let shared = shared.clone();
            std::thread::spawn(move || {
                let mut seen = Seen::default();
                loop {
                    // Read before the round: the last round begins after the last change.
                    let last = shared.stop.load(Ordering::SeqCst);
                    if let Err(why) = shared.round(&mut seen) {
                        *shared.wrong.lock().unwrap() = Some(why);
                        return;
                    }
                    shared.rounds.fetch_add(1, Ordering::SeqCst);
                    if last {
                        return;
                    }
                    if !seen.published {
                        // Nothing to see yet: leave the processor to those who make it.
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                }
            })
        };
        Watch { shared, thread: Some(thread) }
    }

    /// Waits until one whole round has passed.
    pub(crate) fn has_looked(&self) {
        let before = self.shared.rounds.load(Ordering::SeqCst);
        while self.shared.rounds.load(Ordering::SeqCst) < before + 2 && self.shared.wrong.lock().unwrap().is_none() {
            std::thread::yield_now();
        }
    }

    /// These bytes must never be seen below the public folder.
    pub(crate) fn poison(&self, bytes: &[u8]) {
        self.shared.poison.lock().unwrap().insert(Sha256::digest(bytes).into());
    }

    /// One more round over the tree as it is now; fails with the first thing that was wrong in any round.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().expect("the watcher does not panic");
        if let Some(why) = self.shared.wrong.lock().unwrap().take() {
            panic!("the watcher saw, in round {}: {why}", self.shared.rounds.load(Ordering::SeqCst) + 1);
        }
        assert!(self.shared.rounds.load(Ordering::SeqCst) > 0, "the watcher looked once at least");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
            assert!(std::thread::panicking(), "a watcher was dropped without being asked what it saw");
        }
    }
}

/// What earlier rounds saw promised.
#[derive(Default)]
struct Seen {
    published: bool,
    promised: BTreeMap<PathBuf, Listed>,
}

impl Shared {
    fn round(&self, seen: &mut Seen) -> Result<(), String> {
        if std::fs::symlink_metadata(&self.public).is_err() {
            return if seen.published {
                Err(format!("{}: the public link is gone", self.public.display()))
            } else {
                Ok(())
            };
        }
        seen.published = true;
        // As a client: the index through the link, then each package through the link, whatever was switched in between.
        for folder in self.index_folders()? {
            let index = self.public.join(&folder).join("APKINDEX.tar.gz");
            let bytes = std::fs::read(&index).map_err(|error| format!("{}: {error}", index.display()))?;
            let listed = oracle::index(&bytes, &self.trusted).map_err(|why| format!("{}: {why}", index.display()))?;
            for listed in listed {
                if !folder.ends_with(&listed.arch) {
                    return Err(format!("{}: {} is for {}", index.display(), listed.file(), listed.arch));
                }
                seen.promised.insert(folder.join(listed.file()), listed);
            }
        }
        for (path, promised) in &seen.promised {
            let path = self.public.join(path);
            let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            oracle::package(&bytes, promised).map_err(|why| format!("{}: {why}", path.display()))?;
        }
        self.nothing_else(seen)
    }

    /// Folders of the live tree that hold an index, by path inside it. A generation that is dropped while we walk it is
    /// walked again through the link.
    fn index_folders(&self) -> Result<Vec<PathBuf>, String> {
        loop {
            let live =
                std::fs::read_link(&self.public).map_err(|error| format!("{}: {error}", self.public.display()))?;
            let mut files = Vec::new();
            walk(&self.public, &mut files);
            let indexes = files.iter().filter(|file| file.ends_with("APKINDEX.tar.gz"));
            let folders: Vec<PathBuf> =
                indexes.map(|file| file.strip_prefix(&self.public).unwrap().parent().unwrap().to_owned()).collect();
            let still =
                std::fs::read_link(&self.public).map_err(|error| format!("{}: {error}", self.public.display()))?;
            if live == still {
                return Ok(folders);
            }
        }
    }

    /// All that a web server of the public folder could be asked for, half-built generations included.
    fn nothing_else(&self, seen: &Seen) -> Result<(), String> {
        let mut files = Vec::new();
        walk(self.public.parent().unwrap(), &mut files);
        let promised: BTreeSet<_> = seen.promised.keys().filter_map(|path| path.file_name()).collect();
        for file in files {
            let name = file.file_name().unwrap();
            let text = name.to_string_lossy();
            let expected = promised.contains(name)
                || text == "APKINDEX.tar.gz"
                || text == "APKINDEX.tar.gz.sign"
                || text.ends_with(".rsa.pub")
                || text.starts_with(".bivouac-");
            // A generation is dropped while we walk it: nothing is wrong with that.
            let Ok(bytes) = std::fs::read(&file) else { continue };
            if self.poison.lock().unwrap().contains(&<[u8; 32]>::from(Sha256::digest(&bytes))) {
                return Err(format!("{}: bytes that must never be there", file.display()));
            }
            // A new generation's packages lie there before its index is live; by the next round they are promised.
            if !expected && !text.ends_with(".apk") {
                return Err(format!("{}: a file that no index names", file.display()));
            }
        }
        Ok(())
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), files),
            // The public link itself, and aliases: followed as the link, not here.
            Ok(kind) if kind.is_symlink() => {}
            _ => files.push(entry.path()),
        }
    }
}
