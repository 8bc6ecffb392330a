//! From a checked path to an open file or folder below the tree, and from an open file to a body.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::Frame;
use rustix::io::Errno;

use super::request::Version;

/// Bytes read and sent at a time.
const CHUNK: u64 = 256 << 10;

/// What a path names.
#[derive(Debug)]
pub(super) enum Found {
    /// A regular file, open.
    File(File, Version),
    /// A folder, by its real path.
    Folder(PathBuf),
}

/// Why there is nothing to send.
#[derive(Debug)]
pub(super) enum Missing {
    /// The tree itself is not there: nothing was published yet.
    Tree,
    /// No such thing below it, or none that is served.
    File,
    /// It is there and cannot be read.
    Unreadable(io::Error),
}

/// Finds what `segments` name below `tree`. Links are followed while they stay below the folder that `tree` leads to at
/// this moment; `@NAME` in it may lead to a tree beside that folder, and is then looked up once, so that one path is never
/// half of one tree and half of another.
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
    // A look-up below a file answers "not a directory"; a name that no file system takes, "name too long".
    let path = path.canonicalize().map_err(|error| missing(error, Missing::File))?;
    if !path.starts_with(&root) {
        return Err(Missing::File);
    }
    let about = path.metadata().map_err(|error| missing(error, Missing::File))?;
    if about.is_dir() {
        return Ok(Found::Folder(path));
    }
    // Opening a pipe or a device would block, or worse.
    if !about.is_file() {
        return Err(Missing::File);
    }
    let file = File::open(&path).map_err(|error| missing(error, Missing::File))?;
    let about = file.metadata().map_err(Missing::Unreadable)?;
    Ok(Found::File(file, version(&about)))
}

fn missing(error: io::Error, absent: Missing) -> Missing {
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP) => absent,
        _ => Missing::Unreadable(error),
    }
}

fn version(about: &Metadata) -> Version {
    Version {
        size: about.len(),
        seconds: about.mtime(),
        nanoseconds: u32::try_from(about.mtime_nsec()).unwrap_or_default(),
    }
}

/// The bytes of `file` from `first` to `last`, both counted, a chunk in memory at a time. A file that turns out shorter is
/// an error, which cuts the connection: the client sees that it has not got all.
pub(super) fn stream(file: File, first: u64, last: u64) -> impl Stream<Item = io::Result<Frame<Bytes>>> {
    futures_util::stream::try_unfold((file, first), move |(mut file, at)| async move {
        if at > last {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = Vec::with_capacity(usize::try_from((last - at + 1).min(CHUNK)).unwrap_or_default());
            file.seek(SeekFrom::Start(at))?;
            (&mut file).take((last - at + 1).min(CHUNK)).read_to_end(&mut chunk)?;
            if chunk.is_empty() { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) } else { Ok((file, chunk)) }
        });
        let (file, chunk) = read.await.map_err(io::Error::other)??;
        let next = at + chunk.len() as u64;
        Ok(Some((Frame::data(Bytes::from(chunk)), (file, next))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let generation = root.path().join(".generations/1/v3.23/main");
        make(&generation);
        put(&generation.join("a~1.apk"), b"a");
        put(&root.path().join("secret"), b"s");
        link("v3.23", &root.path().join(".generations/1/latest-stable"));
        link("../../secret", &root.path().join(".generations/1/out"));
        let beside = root.path().join(".generations/2/v3.23/main");
        make(&beside);
        put(&beside.join("b.apk"), b"bb");
        link("../2", &root.path().join(".generations/1/@qa"));
        link("../..", &root.path().join(".generations/1/@up"));
        link("../2/v3.23", &root.path().join(".generations/1/@deep"));
        link("loop", &root.path().join(".generations/1/loop"));
        link(".generations/1", &root.path().join("public"));
        root
    }

    #[expect(clippy::disallowed_methods, reason = "a test lays out its own folder")]
    fn make(path: &Path) {
        std::fs::create_dir_all(path).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "a test lays out its own folder")]
    fn put(path: &Path, content: &[u8]) {
        std::fs::write(path, content).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "a test lays out its own folder")]
    fn link(target: &str, path: &Path) {
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    fn look(root: &Path, path: &str) -> Result<Found, Missing> {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        find(&root.join("public"), &segments)
    }

    #[test]
    fn files_are_found_through_links_that_stay_inside() {
        let root = tree();
        let Ok(Found::File(_, version)) = look(root.path(), "@qa/v3.23/main/b.apk") else { panic!("@qa") };
        assert_eq!(version.size, 2);
        for path in ["v3.23/main/a~1.apk", "latest-stable/main/a~1.apk"] {
            let Ok(Found::File(_, version)) = look(root.path(), path) else { panic!("{path}") };
            assert_eq!(version.size, 1);
        }
        assert!(matches!(look(root.path(), "latest-stable"), Ok(Found::Folder(_))));
    }

    #[test]
    fn a_link_that_leads_out_is_not_there() {
        let root = tree();
        let long = "x".repeat(300);
        for path in [
            "out",
            "@up",
            "@up/secret",
            "@deep/main/b.apk",
            "@qa/@qa",
            "@none/x",
            "loop",
            "v3.23/none",
            "v3.23/main/a~1.apk/below",
            &long,
        ] {
            assert!(matches!(look(root.path(), path), Err(Missing::File)), "{path}");
        }
        assert!(matches!(find(&root.path().join("none"), &[]), Err(Missing::Tree)));
    }
}
