//! Files that hold a secret: private keys, passwords. They are read only where nobody else can read them.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Why a secret was not read.
#[derive(Debug)]
pub enum Unread {
    /// The file is not there or cannot be read.
    Io(io::Error),
    /// Others than its owner may read the file.
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
}

/// What becomes of a secret that others may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exposed {
    /// It is not used.
    #[default]
    Refuse,
    /// It is used all the same: somebody said that this place cannot keep modes.
    Accept,
}

/// Reads at most `limit` bytes of a file that holds a secret.
///
/// A file that others may read is refused. Its group may read it if the file is another user's: that is how a service manager
/// hands out credentials, and OpenSSH's rule for private keys.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Unread> {
    read_unless(Exposed::Refuse, path, limit)
}

/// The same, where somebody may have said that exposure is borne.
pub fn read_unless(exposed: Exposed, path: &Path, limit: u64) -> Result<Vec<u8>, Unread> {
    let file = File::open(path).map_err(Unread::Io)?;
    let metadata = file.metadata().map_err(Unread::Io)?;
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    let forbidden = if is_ours { 0o077 } else { 0o007 };
    if exposed == Exposed::Refuse && metadata.mode() & forbidden != 0 {
        return Err(Unread::Exposed { mode: metadata.mode() & 0o7777 });
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(Unread::Io)?;
    Ok(bytes)
}
