//! The look-up for kernels that do not keep a path inside by themselves: the path is made free of links, compared with the
//! folder's own, and opened. Somebody who may write below the tree could put a link there between the two; nobody but the
//! publisher may.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::{Found, Missing, version};

pub(super) fn find(tree: &Path, segments: &[String]) -> Result<Found, Missing> {
    let mut root = tree.canonicalize().ok();
    loop {
        let found = find_once(tree, segments);
        // The tree may have been switched away from and dropped in the middle of the look-up.
        let now = tree.canonicalize().ok();
        if found.is_ok() || now == root {
            return found;
        }
        root = now;
    }
}

fn find_once(tree: &Path, segments: &[String]) -> Result<Found, Missing> {
    let mut root = tree.canonicalize().map_err(|error| missing(error, Missing::Tree))?;
    let mut segments = segments;
    if let [first, rest @ ..] = segments
        && first.starts_with('@')
    {
        let named = root.join(first).canonicalize().map_err(|error| missing(error, Missing::File))?;
        if named.parent() != root.parent() {
            return Err(Missing::File);
        }
        (root, segments) = (named, rest);
    }
    let mut path = root.clone();
    path.extend(segments);
    let path = path.canonicalize().map_err(|error| missing(error, Missing::File))?;
    if !path.starts_with(&root) {
        return Err(Missing::File);
    }
    let about = path.metadata().map_err(|error| missing(error, Missing::File))?;
    // Opening a pipe would block.
    if !about.is_dir() && !about.is_file() {
        return Err(Missing::File);
    }
    let file = File::open(&path).map_err(|error| missing(error, Missing::File))?;
    let about = file.metadata().map_err(Missing::Unreadable)?;
    if about.is_dir() {
        Ok(Found::Folder(file.into()))
    } else {
        Ok(Found::File { file, version: version(&about), generation: None })
    }
}

fn missing(error: io::Error, absent: Missing) -> Missing {
    Errno::from_io_error(&error).map_or(Missing::Unreadable(error), |number| super::missing(number, absent))
}
