//! `[backups.NAME]`, resolved: where backups go, and who can open the keys in them.

use std::path::PathBuf;

use serde::Serialize;

use crate::apk::BackupName;

/// One target of backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// What it is called.
    pub name: BackupName,
    /// Its folder. Neither in the store or in what servers see nor around them, and apart from every other target.
    pub target: PathBuf,
    /// To whom private files are encrypted.
    pub sealing: Sealing,
    /// How a new version of a package is stored.
    pub deltas: Deltas,
    /// Which backups a prune leaves; absent: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// Whether the program that writes a backup is put beside it.
    pub tool: Tool,
}

/// To whom the private files of a backup (keys, passphrases, PINs, passwords) are encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sealing {
    /// To nobody: they are left out.
    None,
    /// To these recipients of age's, X25519 each (`age1…`), each once; at least one.
    Recipients(Vec<String>),
    /// Under the passphrase in this file.
    PassphraseFile(PathBuf),
}

/// How a new version of a package is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Deltas {
    /// Whole, so that `tar` reads it.
    #[default]
    No,
    /// As a delta against a whole former one, where that is smaller.
    Yes,
}

/// Which backups a prune leaves: the union of four rules, at least one of which keeps something. The newest one stays in any
/// case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Keep {
    /// The newest ones.
    pub last: u64,
    /// The newest of each of so many days (UTC) that have one.
    pub daily: u64,
    /// The newest of each of so many weeks (UTC, from Monday on) that have one.
    pub weekly: u64,
    /// The newest of each of so many months (UTC) that have one.
    pub monthly: u64,
}

/// Whether the program that writes a backup is put beside it, so that the medium can restore itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// It is.
    #[default]
    Carry,
    /// The target holds backups alone.
    Leave,
}
