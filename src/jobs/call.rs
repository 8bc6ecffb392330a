//! How a job begins that changes something: the store's lock is taken, what killed runs left is swept away, and what is live
//! must still be what we left.

use std::time::SystemTime;

use jiff::Timestamp;

use super::{Error, Mirror};
use crate::config::Config;
use crate::disk::layout::Store;
use crate::disk::lock::{Lock, Patience, Purpose};

/// How a job takes the store's lock, and the time of the call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// How long to wait for another run.
    pub patience: Patience,
    /// The time of the call.
    pub now: Timestamp,
}

impl Call {
    /// Opens the mirror with its lock held. Waiting for it blocks the thread.
    pub(super) fn open<'c>(&self, config: &'c Config, purpose: Purpose) -> Result<(Mirror<'c>, Lock), Error> {
        let store = Store::open(&config.store)?;
        let lock = Lock::take(&store, purpose, self.now, self.patience)?;
        let mirror = Mirror::on(config, store)?;
        begin(&mirror, &lock, self.now)?;
        Ok((mirror, lock))
    }

    /// The same for a repair, which is there for what the others stop at: a tree or a record of what is live may be gone.
    pub(super) fn open_damaged<'c>(&self, config: &'c Config, purpose: Purpose) -> Result<(Mirror<'c>, Lock), Error> {
        let store = Store::open(&config.store)?;
        let lock = Lock::take(&store, purpose, self.now, self.patience)?;
        let mirror = Mirror::on(config, store)?;
        sweep(&mirror, &lock, self.now)?;
        Ok((mirror, lock))
    }
}

/// What every run does first, with the lock held.
pub(super) fn begin(mirror: &Mirror<'_>, lock: &Lock, now: Timestamp) -> Result<(), Error> {
    sweep(mirror, lock, now)?;
    require_live(mirror)
}

/// Removes what a killed run left half done. First of all: it may be what fills the disk.
fn sweep(mirror: &Mirror<'_>, lock: &Lock, now: Timestamp) -> Result<(), Error> {
    mirror.store.sweep_temporaries(lock)?;
    mirror.ledger.sweep_bundled(lock)?;
    mirror.pool.sweep_incoming(system_time(now))?;
    // Where nothing of ours is live yet, the folder may still turn out to be another link's.
    if mirror.tree.live()?.is_some() {
        mirror.tree.sweep()?;
    }
    Ok(())
}

/// The same moment as the files of this host are dated.
pub(super) fn system_time(now: Timestamp) -> SystemTime {
    now.try_into().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// What is live must still be what we left: its tree, its record, and the snapshot that it shows. A run on a store that lost
/// the newest snapshot would take the one before for the state in force, and publish it over the live one.
fn require_live(mirror: &Mirror<'_>) -> Result<(), Error> {
    let Some(number) = mirror.tree.live()? else { return Ok(()) };
    mirror.tree.require_generation(number)?;
    let live = mirror.ledger.generation_summary(number)?;
    Ok(mirror.ledger.require_snapshot(&live.snapshot)?)
}
