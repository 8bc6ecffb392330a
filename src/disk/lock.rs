//! Who works in the store now.
//!
//! The lock is an exclusive flock(2) on `<store>/lock`: the kernel lets go of it when its holder ends, however it ends, so no
//! lock is ever stale. The file's text only tells others who holds it; nothing is decided by it.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Store;
use super::durable::{self, Attempt, LockFile};
use crate::error::{Class, Trouble};

const POLL: Duration = Duration::from_millis(200);

/// What a run takes the lock for: the command as the user typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `bivouac sync`.
    Sync,
    /// `bivouac import`.
    Import,
    /// `bivouac publish`.
    Publish,
    /// `bivouac promote`.
    Promote,
    /// `bivouac rollback`.
    Rollback,
    /// `bivouac withdraw`.
    Withdraw,
    /// `bivouac snapshots pin` and `unpin`.
    Pin,
    /// `bivouac prune`.
    Prune,
    /// `bivouac key rotate`.
    Rotate,
    /// `bivouac key retire`.
    Retire,
    /// `bivouac restore`.
    Restore,
    /// `bivouac repair`.
    Repair,
    /// `bivouac source accept-signer`.
    AcceptSigner,
}

impl Purpose {
    /// The command's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Sync => "sync",
            Purpose::Import => "import",
            Purpose::Publish => "publish",
            Purpose::Promote => "promote",
            Purpose::Rollback => "rollback",
            Purpose::Withdraw => "withdraw",
            Purpose::Pin => "snapshots pin",
            Purpose::Prune => "prune",
            Purpose::Rotate => "key rotate",
            Purpose::Retire => "key retire",
            Purpose::Restore => "restore",
            Purpose::Repair => "repair",
            Purpose::AcceptSigner => "source accept-signer",
        }
    }
}

/// How long to wait for another run to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// At most so long; asked again every 200 ms.
    Wait(Duration),
}

/// Who holds the lock, as far as it has said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The command's word: `sync`.
    pub command: String,
    /// Its process, as it sees itself (a container has pids of its own).
    pub pid: u32,
    /// When it took the lock, RFC 3339 UTC.
    pub since: String,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another run has it.
    #[error("the store {} is locked by {}", store.display(), describe(holder.as_ref()))]
    Held {
        /// The store's folder.
        store: PathBuf,
        /// Who has it; `None` in the instant before it says so.
        holder: Option<Holder>,
    },
    /// The host did not do it.
    #[error(transparent)]
    Disk(#[from] durable::Error),
}

fn describe(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { command, pid, since }) => format!("`{command}` (process {pid}) since {since}"),
        None => "another run".into(),
    }
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Held { .. } => Class::Locked,
            Error::Disk(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Held { .. } => "locked",
            Error::Disk(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Held { .. } => Some("let it end, or wait for it with --wait=30m".into()),
            Error::Disk(error) => error.hint(),
        }
    }
}

/// The right to change the store and its public tree; given back when dropped.
#[derive(Debug)]
pub struct Lock {
    file: LockFile,
}

impl Lock {
    /// Takes the store's lock for `purpose`, blocking this thread as long as `patience` says. `now` is the time of the call;
    /// it is what others are told, plus the time waited.
    pub fn take(store: &Store, purpose: Purpose, now: Timestamp, patience: Patience) -> Result<Self, Error> {
        let mut file = LockFile::open(store.lock_file())?;
        let asked = Instant::now();
        while file.try_lock()? == Attempt::Held {
            let left = match patience {
                Patience::None => Duration::ZERO,
                Patience::Wait(most) => most.saturating_sub(asked.elapsed()),
            };
            if left.is_zero() {
                return Err(Error::Held { store: store.root().to_owned(), holder: holder(&mut file) });
            }
            thread::sleep(left.min(POLL));
        }
        let since = now.checked_add(asked.elapsed()).unwrap_or(now).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let holder = Holder { command: purpose.as_str().into(), pid: std::process::id(), since };
        // Others are told who we are if the disk lets us; the lock is ours in any case.
        let _ = file.note(&serde_json::to_vec(&holder).expect("a struct of strings and a number becomes JSON"));
        Ok(Lock { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // So that the next holder is not taken for this one in the instant before it says who it is.
        let _ = self.file.note(b"");
    }
}

fn holder(file: &mut LockFile) -> Option<Holder> {
    serde_json::from_slice(&file.noted().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-02T04:10:00Z".parse().unwrap()
    }

    #[test]
    fn a_second_run_is_told_who_holds_the_lock_and_gets_it_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_or_create(&folder.path().join("store")).unwrap();
        let first = Lock::take(&store, Purpose::Sync, now(), Patience::None).unwrap();
        let error = Lock::take(&store, Purpose::Publish, now(), Patience::None).unwrap_err();
        let message = error.to_string();
        let pid = std::process::id();
        assert!(message.ends_with(&format!("by `sync` (process {pid}) since 2026-03-02T04:10:00Z")), "{message}");
        assert_eq!((error.class(), error.code()), (Class::Locked, "locked"));
        drop(first);
        Lock::take(&store, Purpose::Publish, now(), Patience::None).unwrap();
    }

    #[test]
    fn patience_waits_for_the_holder_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_or_create(&folder.path().join("store")).unwrap();
        let first = Lock::take(&store, Purpose::Sync, now(), Patience::None).unwrap();
        let waiting = thread::spawn({
            let store = store.clone();
            move || Lock::take(&store, Purpose::Prune, now(), Patience::Wait(Duration::from_secs(3600))).map(drop)
        });
        let error = Lock::take(&store, Purpose::Prune, now(), Patience::Wait(Duration::from_millis(1))).unwrap_err();
        assert!(matches!(error, Error::Held { .. }));
        drop(first);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn what_a_killed_holder_wrote_decides_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_or_create(&folder.path().join("store")).unwrap();
        durable::write(&store.lock_file(), br#"{"command":"sync","pid":1,"since":"2020-01-01T00:00:00Z"}"#, 0o600)
            .unwrap();
        Lock::take(&store, Purpose::Sync, now(), Patience::None).unwrap();
    }
}
