//! What was lost or garbled comes back: objects of the pool by their digest, from wherever they still are, and the files of the
//! trees that show them.
//!
//! ```text
//! look ──▶ what is wrong ──offers──▶ who may have it ──fetch──▶ pool ──trees──▶ every name that showed the damaged file
//! ```
//!
//! - [`look`]: what records reach and the pool lacks or garbles, and what is wrong in the trees that are kept.
//! - [`offers`]: who may have it, the nearest first: another copy in a tree, seeds and directory sources, backups, bundles, URLs.
//! - [`fetch`]: one after the other is asked until the digest is right. The digest is all the trust there is: it was verified
//!   when it came, and is the object's name.
//! - [`indexes`]: index files, of trees and of records, have no object; another tree, an accepted record, a backup or a bundle
//!   may have the same file.
//! - [`trees`]: each name that leads to a damaged file is renamed over, one by one.
//! - [`told`]: what stays damaged, why, and what to do.
//!
//! What is damaged stays where it is until the right bytes, whole and flushed, take its name. Killed at any moment, a repair
//! that is run again goes on: what is in the pool is seen to be right, and names that still lead elsewhere are found by looking.

mod fetch;
mod folders;
mod indexes;
mod look;
mod offers;
mod told;
mod trees;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::check::Checked;
use super::sync::{Broken, Setback};
use super::{Call, Error, Mirror, ProxyVariables};
use crate::apk::ObjectId;
use crate::config::Config;
use crate::disk::lock::{Lock, Purpose};
use crate::error::{Class, Trouble};
use crate::finding::Finding;
use crate::report::Reporter;
use look::Seen;
use offers::Offers;
use trees::Mender;

/// What is to be repaired.
#[derive(Clone, Debug)]
pub struct RepairRequest {
    /// Where else to look: folders, packages, bundles, targets of backups.
    pub from: Vec<PathBuf>,
    /// How much is looked at first.
    pub extent: Extent,
    /// How many threads hash.
    pub threads: NonZeroUsize,
    /// The lock, and the time of the call.
    pub call: Call,
    /// What the environment says of proxies.
    pub proxies: ProxyVariables,
}

/// How much is looked at for damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every object and every file of the trees is read again.
    All,
    /// Of the objects those are read that the last checks found damaged; whether the others are there is looked at.
    Known,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// What is still wrong.
    pub findings: Vec<Finding>,
    /// How much was looked at.
    pub checked: Checked,
    /// What came back; of a dry run, what would be tried first.
    pub repaired: Vec<Repaired>,
    /// Names in trees that lead to good files again, beyond the files above.
    pub relinked: u64,
    /// Whether this was only shown.
    pub dry_run: bool,
    /// Why it is not remembered what is damaged still; absent where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_remembered: Option<String>,
    /// What ended it early; absent where nothing did. What came before is kept, and told above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Broken>,
    /// Whose trouble each of the findings is; of a repair that ended early, whose that was.
    #[serde(skip)]
    pub troubles: Vec<Class>,
}

/// Something that is right again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Its digest; none of what has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
    /// What it is: a package as clients ask for it, or a path in a tree.
    pub file: String,
    /// Where its bytes came from.
    pub from: String,
}

/// Says what is wrong and where it would be looked for. Takes no lock, asks nobody on the network and changes nothing.
pub fn show(
    config: &Config,
    request: &RepairRequest,
    reporter: &Arc<dyn Reporter>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<RepairReport, Error> {
    let mirror = Mirror::open(config)?;
    let seen = look::look(&mirror, request.extent, request.threads, progress)?;
    let offers = Offers::collect(&mirror, &seen, &request.from, &**reporter)?;
    let indexes = indexes::Indexes::find(&mirror, &seen, &offers)?;
    Ok(told::shown(&mirror, seen, &offers, &indexes))
}

/// A repair that is decided: what is wrong, and who will be asked. The store's lock is held.
pub struct Decided<'c> {
    mirror: Mirror<'c>,
    _lock: Lock,
    seen: Seen,
    offers: Offers,
    request: &'c RepairRequest,
}

/// Takes the store's lock and looks; waiting and reading block the thread. `progress` is told bytes as they are read.
pub fn decide<'c>(
    config: &'c Config,
    request: &'c RepairRequest,
    reporter: &Arc<dyn Reporter>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Decided<'c>, Error> {
    let (mirror, lock) = request.call.open_damaged(config, Purpose::Repair)?;
    let seen = look::look(&mirror, request.extent, request.threads, progress)?;
    let offers = Offers::collect(&mirror, &seen, &request.from, &**reporter)?;
    Ok(Decided { mirror, _lock: lock, seen, offers, request })
}

impl Decided<'_> {
    /// Brings back what somebody has, the nearest first, and shows it as it comes. What nobody has stays as it is and is told;
    /// so is what this host does not let us put right. A full or read-only disk ends it: see [`RepairReport::error`].
    ///
    /// # Errors
    /// Records that cannot be read for this host's trouble.
    pub async fn perform(self, reporter: &Arc<dyn Reporter>) -> Result<RepairReport, Error> {
        let Decided { mirror, _lock, seen, offers, request } = self;
        let indexes = indexes::Indexes::find(&mirror, &seen, &offers)?;
        let mut mender = Mender::new(&mirror, &seen, &indexes);
        let mut outcome = fetch::Outcome::default();
        // What is at hand waits for nobody.
        let stopped = match mender.pass(&outcome) {
            Ok(()) => {
                fetch::fetch(&mirror, &seen, &offers, request, &**reporter, &mut outcome, &mut mender).await.err()
            }
            Err(error) => Some(error),
        };
        let mended = mender.end();
        let not_remembered = remember(&mirror, &seen, &outcome.mended()).err();
        let mut report = told::told(&mirror, seen, &offers, &outcome, &indexes, mended, stopped.as_ref());
        report.not_remembered = not_remembered.map(|error| super::error::in_one_line(&error));
        if let Some(error) = stopped {
            report.troubles = vec![error.class()];
            report.error = Some(Broken::from(&Setback::of("the repair ended early".to_owned(), &error)));
        }
        Ok(report)
    }
}

/// Whether all the rest would end in the same way: the disk is full, or nothing may be written.
fn ends_all(error: &dyn Trouble) -> bool {
    matches!(error.code(), "disk-full" | "read-only")
}

/// What is still damaged is what later checks read each time, and what is measured.
fn remember(mirror: &Mirror<'_>, seen: &Seen, mended: &BTreeSet<ObjectId>) -> Result<(), Error> {
    let damaged: BTreeSet<ObjectId> = seen.damaged.difference(mended).copied().collect();
    if mirror.ledger.damaged_objects()? != damaged {
        mirror.ledger.save_damaged_objects(&damaged)?;
    }
    Ok(())
}
