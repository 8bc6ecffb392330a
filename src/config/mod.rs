//! The operator's configuration: as written, and resolved.
//!
//! ```text
//! bivouac.toml ──▶ written.rs: the text, every value with its line; unknown keys and wrong types refused
//!                     └──▶ resolve/: references found, units parsed, paths made absolute ──▶ resolved.rs: Config
//! ```
//!
//! What always holds: a [`Config`] names only sources that exist, repositories whose folders do not overlap, and absolute
//! paths. No key of the file is ignored: what is not known is refused. Nothing here opens a key, a keyring or a package; only
//! [`find`] and [`Config::load`] touch the disk, and both only read.

mod backups;
mod carried;
mod current;
mod named;
mod operations;
mod print;
mod problem;
mod redacted;
mod relocate;
mod repository;
mod resolve;
mod resolved;
mod signing;
mod template;
mod token;
mod units;
mod written;

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Class, Trouble};

pub use backups::{Backup, Deltas, Keep, Sealing, Tool};
pub use carried::Starred;
pub use current::Current;
pub use named::{FileKind, NamedFile, homes};
pub use operations::{Metrics, Notify, Schedule, Serve, ServerFiles, Webhook};
pub use problem::{Problem, Problems};
pub use redacted::{SourceUrl, WebhookUrl};
pub use relocate::{CannotRelocate, relocate};
pub use repository::{Dependencies, FromPath, Incomplete, IndexMode, Packages, Prefer, Repository, Rules};
use resolved::keyring_folder;
pub use resolved::{
    Access, Auth, ClientFiles, Config, KEYRING_SOURCE, KeyringChoice, MinFree, Policy, ProxyChoice, Prune, Publish,
    RateWindow, Rebuilt, Retain, RetainSnapshots, Source, SourceKind, Unsigned,
};
pub use signing::{Digest, ExposedKey, KeyHolder, Signing};
pub use template::{Layout, PACKAGED, small_partial_mirror};
pub use token::{BadTokenUri, TokenKey, TokenModule};
pub use units::{BadUnit, Percent, parse_duration, parse_percent, parse_rate, parse_size, parse_time_of_day};

/// Where a configuration is looked for when none is named, relative to the working directory.
const IN_WORKING_DIRECTORY: &str = "bivouac.toml";
/// And where after that.
const OF_THE_SYSTEM: &str = "/etc/bivouac/bivouac.toml";

/// Why there is no configuration to work with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None was named, and none lies in the usual places.
    #[error("no configuration found: neither {} nor {} exists", .looked_at[0].display(), .looked_at[1].display())]
    NotFound {
        /// The usual places, in the order in which they were asked.
        looked_at: [PathBuf; 2],
    },
    /// The file is named but is not there.
    #[error("configuration {} does not exist", .file.display())]
    Missing {
        /// The file as it was named.
        file: PathBuf,
    },
    /// The file is there but cannot be read.
    #[error("configuration {} cannot be read", .file.display())]
    Unreadable {
        /// The file as it was named.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file says what cannot be; everything that is wrong with it, in the order of its lines.
    #[error(transparent)]
    Refused(Problems),
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::NotFound { .. } | Error::Missing { .. } | Error::Refused(_) => Class::Usage,
            Error::Unreadable { .. } => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NotFound { .. } | Error::Missing { .. } => "config-not-found",
            Error::Unreadable { .. } => "config-unreadable",
            Error::Refused(_) => "config-invalid",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::NotFound { .. } => Some("`bivouac init` writes one; or name yours with --config FILE".into()),
            Error::Missing { .. } | Error::Unreadable { .. } => None,
            Error::Refused(problems) => problems.hint(),
        }
    }
}

/// The configuration to use: `named` by the command line, else by the `environment` (an empty value counts as none), else
/// the first that exists of `bivouac.toml` in `working_directory` and `/etc/bivouac/bivouac.toml`.
///
/// A named file is returned whether or not it exists: a missing one is an error of [`Config::load`], never a reason to use
/// another. The result is spelled as its user would spell it, since every message about the file begins with it.
pub fn find(named: Option<&Path>, environment: Option<&Path>, working_directory: &Path) -> Result<PathBuf, Error> {
    if let Some(file) = named.or(environment.filter(|file| !file.as_os_str().is_empty())) {
        return Ok(file.to_owned());
    }
    // A file that we may not look at counts as found, so that the reader hears of it.
    let exists = |file: &Path| file.try_exists().unwrap_or(true);
    if exists(&working_directory.join(IN_WORKING_DIRECTORY)) {
        return Ok(PathBuf::from(IN_WORKING_DIRECTORY));
    }
    if exists(Path::new(OF_THE_SYSTEM)) {
        return Ok(PathBuf::from(OF_THE_SYSTEM));
    }
    Err(Error::NotFound { looked_at: [PathBuf::from(IN_WORKING_DIRECTORY), PathBuf::from(OF_THE_SYSTEM)] })
}

impl Config {
    /// The file that holds the passphrase of our key, as `file` names it under `[signing]`, even where the rest does not
    /// resolve: a key may be made before it is named.
    pub fn passphrase_file(file: &Path, credentials: Option<&Path>) -> Result<Option<PathBuf>, Error> {
        Config::read(file, |text, folder| {
            let written = written::Written::parse(text, file)?;
            resolve::passphrase_file(&written, file, folder, credentials)
        })
    }

    /// Reads and resolves `file`. `credentials` is systemd's `$CREDENTIALS_DIRECTORY`, which the keys of the file may name.
    pub fn load(file: &Path, credentials: Option<&Path>) -> Result<Config, Error> {
        Config::read(file, |text, folder| {
            let written = written::Written::parse(text, file)?;
            resolve::resolve(&written, file, folder, credentials)
        })
    }

    /// Hands the file's text and the folder that it lies in to `take`.
    fn read<T>(file: &Path, take: impl FnOnce(&str, &Path) -> Result<T, Problems>) -> Result<T, Error> {
        let unreadable = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => Error::Missing { file: file.to_owned() },
            _ => Error::Unreadable { file: file.to_owned(), source },
        };
        let bytes = std::fs::read(file).map_err(unreadable)?;
        let place = std::path::absolute(file).map_err(unreadable)?;
        let folder = place.parent().expect("a file that was read has a folder");
        match std::str::from_utf8(&bytes) {
            Ok(text) => take(text, folder).map_err(Error::Refused),
            Err(error) => {
                let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
                let mut problems = Problems::new(file);
                problems.add(Some(line), "this line is not UTF-8");
                Err(Error::Refused(problems))
            }
        }
    }

    /// Resolves the text of a configuration. `file` is what messages call it, `folder` (absolute) what its relative paths
    /// start from.
    pub fn parse(text: &str, file: &Path, folder: &Path, credentials: Option<&Path>) -> Result<Config, Error> {
        let written = written::Written::parse(text, file).map_err(Error::Refused)?;
        resolve::resolve(&written, file, folder, credentials).map_err(Error::Refused)
    }
}

#[cfg(test)]
mod tests;
