//! One file per job, each a paragraph: plan, perform, report. Only here several stages are seen at work, and only here (and
//! in the command line) the configuration: a stage takes plain arguments.
//!
//! - [`sync`]: fetch → verify → pool → snapshot → merge → sign → publish.
//! - [`import`]: what bundles bring, at a site without a network.
//! - [`publish`]: a snapshot, a tree beside live or an earlier generation, by one switch each.
//! - [`prune`]: what nothing reaches goes.
//! - [`status`], [`history`], [`snapshots`]: what is in force and what was published.
//! - [`check`]: is everything what we left there?
//! - [`repair`]: what is not comes back, by its digest, from wherever it still is.
//! - [`audit`]: access logs, explained by what the mirror showed when.
//! - [`doctor`]: the usual faults, of a server or of our own ground, and what to do.
//! - [`catalogue`]: what the live tree lists, for those who look packages up.
//! - [`why`]: the chain by which a package is mirrored, or why it is not.
//! - [`source`]: every URL of a source compared.
//! - [`client`], [`client_script`]: what a client needs, and a script that sets it up.
//! - [`index`], [`sign`], [`verify`]: loose files, no configuration needed.
//! - [`rotate`], [`keyring_package`]: another key of ours, and how clients get it.
//! - [`init`], [`keys`], [`keyring`]: a first configuration, our keys, and those that we trust.
//! - [`bundle`]: a signed export for a site without a network; what is in one.
//! - [`backup`]: our own state on a disk that is put away; what is there, and is it whole?
//! - [`restore`]: all of it from there.
//! - [`receipt`]: what a site without a network holds.
//! - [`runs`]: how runs ended, and who is to be told.
//! - [`serve`]: the public tree over HTTP.
//! - [`web_config`]: a web server's configuration for the public tree.
//! - [`demo`]: a small upstream to try all of it on.
//!
//! A job that changes something holds the store's lock from its first look to its last write; jobs that only look take none,
//! because what they look at never changes under its name.

pub mod audit;
pub mod backup;
mod budget;
pub mod bundle;
mod call;
pub mod carried;
pub mod catalogue;
mod changing;
pub mod check;
pub mod client;
pub mod client_script;
pub mod demo;
pub mod doctor;
mod error;
mod evidence;
pub mod history;
pub mod import;
pub mod index;
pub mod init;
mod key_age;
pub mod keyring;
pub mod keyring_package;
pub mod keys;
mod mirror;
pub mod prune;
pub mod publish;
pub mod receipt;
pub mod repair;
mod reserve;
pub mod restore;
pub mod rotate;
pub mod runs;
mod seal;
mod selection;
pub mod serve;
pub mod sign;
pub mod snapshots;
pub mod source;
mod states;
pub mod status;
pub mod sync;
mod trust;
mod upstream;
pub mod verify;
pub mod web_config;
pub mod why;

/// Lets a crash test stop a job at a chosen step; release builds have none of it.
#[cfg(debug_assertions)]
pub use crate::disk::durable::Rehearsal;
pub use crate::ledger::{Channel, RepositoryRun, Run, Task, UrlHad};
pub use crate::sources::http::ProxyVariables;
pub use call::Call;
pub use changing::Changing;
pub use error::Error;
pub use mirror::Mirror;
pub use states::NoState;
