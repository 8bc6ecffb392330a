//! From a checked path to an open file or folder below the tree.
//!
//! Each look-up sees to which folder the public link leads at that moment, and opens the path below that folder, which is held
//! open until the link leads elsewhere: what happens to the link during a look-up does not matter. The kernel sees to it that the path stays inside (`openat2` with
//! `RESOLVE_BENEATH`): no link, and no rename while it walks, leads out. Links that stay inside are followed, absolute ones
//! are not. Kernels before 5.6, and sandboxes that do not know the call, get the walk in [`by_hand`].

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat2, readlinkat, stat};
use rustix::io::Errno;

use super::request::Version;
use crate::disk::layout::PublicTree;

mod by_hand;

/// What a path names.
#[derive(Debug)]
pub(super) enum Found {
    /// A regular file.
    File {
        file: File,
        version: Version,
        /// The generation in which it was found, where that has a number.
        generation: Option<u64>,
    },
    /// A folder.
    Folder(OwnedFd),
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
    /// The disk must be asked, and was not to be waited for.
    NotInMemory,
}

/// How long a look-up may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// As long as the disk takes.
    ForDisk,
    /// Not at all: only what the kernel remembers is found, else the answer is [`Missing::NotInMemory`].
    Never,
}

/// A folder, or a link to one, whose content is served.
#[derive(Debug)]
pub(super) struct Tree {
    link: PathBuf,
    means: Means,
    /// What the link led to last.
    root: Mutex<Option<Arc<Root>>>,
}

/// Who keeps a path inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    Kernel,
    Hand,
}

/// How often a look-up begins anew that the kernel gave up because of a rename somewhere on the machine.
const TRIES: usize = 16;

impl Tree {
    /// What `link` leads to, now and later; it need not be there yet.
    pub(super) fn new(link: PathBuf) -> Tree {
        let tried = openat2(CWD, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::BENEATH);
        Tree { link, means: if tried.is_ok() { Means::Kernel } else { Means::Hand }, root: Mutex::default() }
    }

    /// Finds what `segments` name. `@NAME` in the tree may lead to a tree beside it, and is looked up once, so that one path
    /// is never half of one tree and half of another.
    pub(super) fn find(&self, segments: &[String], wait: Wait) -> Result<Found, Missing> {
        match (self.means, wait) {
            (Means::Kernel, _) => self.by_kernel(segments, wait),
            (Means::Hand, Wait::ForDisk) => by_hand::find(&self.link, segments),
            (Means::Hand, Wait::Never) => Err(Missing::NotInMemory),
        }
    }

    fn by_kernel(&self, segments: &[String], wait: Wait) -> Result<Found, Missing> {
        let mut root = self.root(wait)?;
        loop {
            let found = below(&root, segments, wait);
            if !matches!(found, Err(Missing::File | Missing::Unreadable(_))) {
                return found;
            }
            // The tree may have been switched away from and dropped in the middle of the look-up.
            let now = self.root(wait)?;
            if Arc::ptr_eq(&root, &now) {
                return found;
            }
            root = now;
        }
    }

    /// The tree that is live now: the one that is held open, if the link still leads there. Nothing else has its number as
    /// long as it is. To ask that may wait for the disk where nobody has asked for long, however many have no time.
    fn root(&self, wait: Wait) -> Result<Arc<Root>, Missing> {
        let about = stat(&self.link).map_err(|error| missing(error, Missing::Tree))?;
        let mut root = self.root.lock().unwrap_or_else(PoisonError::into_inner);
        match &*root {
            Some(root) if root.identity == (about.st_dev, about.st_ino) => Ok(Arc::clone(root)),
            _ => {
                let opened = Arc::new(self.open(wait)?);
                *root = Some(Arc::clone(&opened));
                Ok(opened)
            }
        }
    }

    /// Opens the tree that is live now. The link itself may lead anywhere: it is the operator's. What it says is read, and that
    /// opened, so that the number is that of the tree which is open.
    fn open(&self, wait: Wait) -> Result<Root, Missing> {
        let (target, generation) = match readlinkat(CWD, &self.link, Vec::new()) {
            Ok(text) => {
                let text = Path::new(OsStr::from_bytes(text.as_bytes()));
                let number = text.file_name().and_then(OsStr::to_str).and_then(|name| name.parse().ok());
                let number = number.filter(|number| PublicTree::link_text(*number) == text);
                (self.link.parent().map_or_else(|| text.to_owned(), |parent| parent.join(text)), number)
            }
            // A folder that is served as it is.
            Err(Errno::INVAL) => (self.link.clone(), None),
            Err(error) => return Err(missing(error, Missing::Tree)),
        };
        let folder =
            open(CWD, &target, FOLDER, ResolveFlags::empty(), wait).map_err(|error| missing(error, Missing::Tree))?;
        Root::new(folder, generation)
    }
}

/// An open tree.
#[derive(Debug)]
struct Root {
    folder: OwnedFd,
    /// Device and number of the folder.
    identity: (u64, u64),
    generation: Option<u64>,
}

impl Root {
    fn new(folder: OwnedFd, generation: Option<u64>) -> Result<Root, Missing> {
        let about = fstat(&folder).map_err(|error| Missing::Unreadable(error.into()))?;
        Ok(Root { folder, identity: (about.st_dev, about.st_ino), generation })
    }
}

/// A folder that others are looked up from; it need not be readable.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
/// `NONBLOCK`: a pipe that lies there is not waited for.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

fn open(
    from: impl std::os::fd::AsFd,
    path: impl rustix::path::Arg + Copy,
    flags: OFlags,
    resolve: ResolveFlags,
    wait: Wait,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    match wait {
        // AGAIN: the disk must be asked. INVAL: kernels before 5.12 do not know how to answer that.
        Wait::Never => match openat2(&from, path, flags, Mode::empty(), resolve | ResolveFlags::CACHED) {
            Err(Errno::INVAL) => Err(Errno::AGAIN),
            answer => answer,
        },
        Wait::ForDisk => {
            let mut answer = Err(Errno::AGAIN);
            for _ in 0..TRIES {
                answer = openat2(&from, path, flags, Mode::empty(), resolve);
                if !matches!(answer, Err(Errno::AGAIN)) {
                    break;
                }
            }
            // Not to be taken for the other answer.
            answer.map_err(|error| if error == Errno::AGAIN { Errno::BUSY } else { error })
        }
    }
}

fn below(root: &Root, segments: &[String], wait: Wait) -> Result<Found, Missing> {
    match segments {
        [first, rest @ ..] if first.starts_with('@') => match wait {
            Wait::Never => Err(Missing::NotInMemory),
            Wait::ForDisk => inside(&beside(&root.folder, first)?, rest, wait),
        },
        segments => inside(root, segments, wait),
    }
}

/// The tree beside `root` to which the link `name` in it leads: `../413`, and nothing else.
fn beside(root: &OwnedFd, name: &str) -> Result<Root, Missing> {
    let text = readlinkat(root, name, Vec::new()).map_err(|error| match error {
        // It is there, and no link.
        Errno::INVAL => Missing::File,
        error => missing(error, Missing::File),
    })?;
    let sibling = text.to_str().ok().and_then(|text| text.strip_prefix("../")).ok_or(Missing::File)?;
    if sibling.is_empty() || sibling.starts_with('.') || sibling.contains('/') {
        return Err(Missing::File);
    }
    let folder = open(root, text.as_c_str(), FOLDER | OFlags::NOFOLLOW, ResolveFlags::NO_SYMLINKS, Wait::ForDisk)
        .map_err(|error| missing(error, Missing::File))?;
    Root::new(folder, sibling.parse().ok())
}

fn inside(root: &Root, segments: &[String], wait: Wait) -> Result<Found, Missing> {
    let joined;
    let path = match segments {
        [] => ".",
        segments => {
            joined = segments.join("/");
            &joined
        }
    };
    let opened =
        open(&root.folder, path, READ, ResolveFlags::BENEATH, wait).map_err(|error| missing(error, Missing::File))?;
    let file = File::from(opened);
    let about = file.metadata().map_err(Missing::Unreadable)?;
    if about.is_dir() {
        Ok(Found::Folder(file.into()))
    } else if about.is_file() {
        Ok(Found::File { file, version: version(&about), generation: root.generation })
    } else {
        Err(Missing::File)
    }
}

/// Below a file the answer is "not a directory"; to a name that no file system takes, "name too long"; to a link that leads
/// out, "cross-device link"; to a socket, "no such device".
fn missing(error: Errno, absent: Missing) -> Missing {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP | Errno::XDEV | Errno::NXIO => absent,
        Errno::AGAIN => Missing::NotInMemory,
        error => Missing::Unreadable(error.into()),
    }
}

fn version(about: &Metadata) -> Version {
    Version {
        size: about.len(),
        seconds: about.mtime(),
        nanoseconds: u32::try_from(about.mtime_nsec()).unwrap_or_default(),
        object: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ground(tempfile::TempDir);

    impl Ground {
        fn new() -> Ground {
            let root = tempfile::tempdir().unwrap();
            let generation = root.path().join(".generations/1/v3.23/main");
            make(&generation);
            put(&generation.join("a~1.apk"), b"a");
            put(&root.path().join("secret"), b"s");
            link("v3.23", &root.path().join(".generations/1/latest-stable"));
            link("../v3.23/../v3.23", &generation.join("../round"));
            link("../../secret", &root.path().join(".generations/1/out"));
            link("/etc/passwd", &root.path().join(".generations/1/absolute"));
            link("/proc/self/root", &root.path().join(".generations/1/magic"));
            let beside = root.path().join(".generations/2/v3.23/main");
            make(&beside);
            put(&beside.join("b.apk"), b"bb");
            make(&root.path().join(".generations/1/@folder"));
            link("../2", &root.path().join(".generations/1/@qa"));
            link("../..", &root.path().join(".generations/1/@up"));
            link("../2/v3.23", &root.path().join(".generations/1/@deep"));
            link("loop", &root.path().join(".generations/1/loop"));
            rustix::fs::mkfifoat(CWD, generation.join("pipe"), Mode::from_raw_mode(0o600)).unwrap();
            link(".generations/1", &root.path().join("public"));
            Ground(root)
        }

        /// By each means; they must agree.
        fn look(&self, path: &str) -> [Result<Found, Missing>; 2] {
            let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
            let link = self.0.path().join("public");
            [Means::Kernel, Means::Hand]
                .map(|means| Tree { link: link.clone(), means, root: Mutex::default() }.find(&segments, Wait::ForDisk))
        }
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

    #[test]
    fn files_are_found_through_links_that_stay_inside() {
        let ground = Ground::new();
        for (path, size) in [
            ("@qa/v3.23/main/b.apk", 2),
            ("v3.23/main/a~1.apk", 1),
            ("latest-stable/main/a~1.apk", 1),
            ("v3.23/round/main/a~1.apk", 1),
        ] {
            for found in ground.look(path) {
                let Ok(Found::File { version, .. }) = found else { panic!("{path}: {found:?}") };
                assert_eq!(version.size, size);
            }
        }
        for found in ground.look("latest-stable") {
            assert!(matches!(found, Ok(Found::Folder(_))), "{found:?}");
        }
    }

    #[test]
    fn the_generation_is_told_in_which_a_file_was_found() {
        let ground = Ground::new();
        for (path, number) in [("v3.23/main/a~1.apk", 1), ("@qa/v3.23/main/b.apk", 2)] {
            let [found, _] = ground.look(path);
            let Ok(Found::File { generation, .. }) = found else { panic!("{path}: {found:?}") };
            assert_eq!(generation, Some(number));
        }
        // A folder that is served as it is has none.
        let folder = Tree::new(ground.0.path().join(".generations/1"));
        let found = folder.find(&["v3.23", "main", "a~1.apk"].map(str::to_owned), Wait::ForDisk);
        assert!(matches!(found, Ok(Found::File { generation: None, .. })), "{found:?}");
    }

    #[test]
    fn a_link_that_leads_out_is_not_there() {
        let ground = Ground::new();
        let long = "x".repeat(300);
        for path in [
            "out",
            "absolute",
            "magic",
            "magic/etc/passwd",
            "@up",
            "@up/secret",
            "@deep/main/b.apk",
            "@qa/@qa",
            "@none/x",
            "@folder",
            "loop",
            "v3.23/none",
            "v3.23/main/pipe",
            "v3.23/main/a~1.apk/below",
            &long,
        ] {
            for found in ground.look(path) {
                assert!(matches!(found, Err(Missing::File)), "{path}: {found:?}");
            }
        }
        for means in [Means::Kernel, Means::Hand] {
            let none = Tree { link: ground.0.path().join("none"), means, root: Mutex::default() };
            assert!(matches!(none.find(&[], Wait::ForDisk), Err(Missing::Tree)));
        }
    }

    #[test]
    fn what_the_kernel_remembers_is_found_without_waiting() {
        let ground = Ground::new();
        let tree = Tree::new(ground.0.path().join("public"));
        let segments = ["v3.23", "main", "a~1.apk"].map(str::to_owned);
        assert!(tree.find(&segments, Wait::ForDisk).is_ok());
        // Others may have pushed it out again: then the answer is that it must be waited for.
        let found = tree.find(&segments, Wait::Never);
        assert!(matches!(found, Ok(Found::File { .. }) | Err(Missing::NotInMemory)), "{found:?}");
    }
}
