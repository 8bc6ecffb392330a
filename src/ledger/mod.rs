//! What was accepted and published, on disk: loads and saves the records that `snapshot` and `plan` describe.
//!
//! ```text
//! accepted/<id>/accepted.json     which index, who signed it, when it was accepted
//! accepted/<id>/APKINDEX.tar.gz   the index file, byte for byte
//! accepted/<id>/objects           one line an entry: the object's id, or `-`
//! snapshots/<id>.json             the accepted indexes in force after a sync
//! generations/<n>.json            a published tree: per repository and arch the index file and its times
//! generations/<n>.files           its package files: object, identity, size, when it left the index (or `-`), path
//! pins.json                       snapshots that stay until they are unpinned
//! withdrawn.json                  packages that our indexes do not list, whatever their sources say
//! signing.json                    which of our keys sign, do so no more, or ever did; no private half
//! epochs.json                     which backups were restored here, and when
//! evidence.log                    one line a snapshot: what was decided, chained and signed; only ever added to
//! trust.json                      what was accepted of each index before, and whose signatures vouch for its source
//! bundles/sent/<id>.json          the manifest of a bundle that was made here; the newest 50
//! bundles/sent/<id>.objects       all packages of the state that it brings, whoever carried them; as a generation's files
//! bundles/sent/indexes/<64 hex>   index files that these manifests name
//! bundles/sites/<site>.json       what a site said last that it holds
//! bundles/from/<source>/          what came for a source with bundles:
//!   in-force.json                   the manifest whose state it gives
//!   pending/<id>.json               manifests of which something is still missing
//!   imported.json                   which bundles were complete here, and when
//!   indexes/<64 hex>                index files that these manifests name
//! backups/<target>.json           what is remembered of a target of backups
//! runs/<task>.json                how the last runs of a task ended, and who was told
//! runs/damaged                    objects that checks found damaged; `check --read-data` reads them each time
//! runs/read-up-to                 after which object `check --read-data` goes on
//! state.json                      what speeds up or describes the next run; nothing is lost with it but time
//! ```
//!
//! Accepted indexes, snapshots and generations are written once, under a name that says their content or number, and never change. An accepted
//! index is a folder made beside and renamed, so it is whole or absent. A snapshot counts from the moment its file is there;
//! of several the one with the latest id is in force. Only the holder of the store's lock writes here,
//! but for `bundles/sent`, `bundles/sites`, `backups` and `runs`: a bundle, backup or check is made beside anything.

mod backups;
mod bundles;
mod epochs;
mod error;
mod evidence;
mod generations;
mod pins;
mod runs;
mod sent;
mod signing;
mod sites;
mod snapshots;
mod state;
mod trust;
mod withdrawn;

pub use backups::{BackupRecord, Drill, LastBackup, SealedVault};
pub use bundles::Imported;
pub use epochs::Epoch;
pub use error::Error;
pub use evidence::EvidenceEnd;
pub use generations::complete;
pub use runs::{Channel, NoTask, RepositoryRun, Run, Task, TaskRecord, Told, Totals};
pub use sites::SiteRecord;
pub use state::{IndexState, Lagging, LastError, Links, SameIndexes, SeenFile, SeenUrl, State, UrlHad};
pub use trust::Trust;
pub use withdrawn::Withdrawn;

use crate::disk::layout::Store;

/// The records of one store.
#[derive(Clone, Debug)]
pub struct Ledger {
    store: Store,
}

impl Ledger {
    /// The records of `store`.
    pub fn new(store: Store) -> Self {
        Ledger { store }
    }
}
