//! What was accepted, for good.
//!
//! An [`AcceptedIndex`] is one source's index for a path and arch as it was verified: its bytes, its entries, and the object
//! that each entry stands for. A [`Snapshot`] names all accepted indexes in force after a sync. Both are values here;
//! `ledger` keeps them on disk. While some packages of an index cannot be had, origins may keep an earlier state's entries
//! ([`CarriedFrom`]): the snapshot names that state too. A [`Manifest`](manifest::Manifest) is what a bundle carries,
//! and a [`Receipt`](receipt::Receipt) what its receiver says to have; a
//! [`BackupManifest`](backup::BackupManifest) is what a backup holds of our own state. None of them ever changes: what is accepted next gets a
//! record of its own.

pub mod accepted;
pub mod backup;
pub mod carried;
mod dated_id;
pub mod diff;
pub mod evidence;
pub mod manifest;
pub mod receipt;
pub mod record;

pub use accepted::{AcceptedIndex, IndexKey, Kind, SignedBy};
pub use carried::CarriedFrom;
pub use record::{InForce, Role, Snapshot};
