//! What the operator has taken out of our indexes.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::snapshots::{load_json_if_present, save_json};
use super::{Error, Ledger};
use crate::apk::names::{PackageFile, PackageName, VersionText};

/// A package that our indexes do not list any more, whatever its sources say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// Its name.
    pub name: PackageName,
    /// This version alone; absent: every version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionText>,
    /// Since when.
    pub time: Timestamp,
}

impl Withdrawn {
    /// Whether the package with this file name is meant.
    pub fn names(&self, file: &PackageFile) -> bool {
        file.name() == self.name.as_str()
            && self.version.as_ref().is_none_or(|version| file.version() == version.as_str())
    }

    /// Whether both mean the same packages.
    pub fn is_same(&self, other: &Withdrawn) -> bool {
        (&self.name, &self.version) == (&other.name, &other.version)
    }
}

impl fmt::Display for Withdrawn {
    /// `NAME` or `NAME=VERSION`, as the command takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}={version}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

impl Ledger {
    /// All that is withdrawn, in the order in which it was.
    pub fn withdrawn(&self) -> Result<Vec<Withdrawn>, Error> {
        Ok(load_json_if_present(&self.store.withdrawn_file())?.unwrap_or_default())
    }

    /// Replaces the list of what is withdrawn.
    pub fn save_withdrawn(&self, withdrawn: &[Withdrawn]) -> Result<(), Error> {
        save_json(&self.store.withdrawn_file(), &withdrawn)
    }
}
