//! One file under several names.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::io::Errno;

use super::{Error, Naming as _, Result, Staged, flush_file_system, flush_folders_below, staged, step};

/// How a second name came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Linked {
    /// A hard link: the same file.
    Hard,
    /// Another file that shares its blocks until one is written.
    Reflink,
    /// Another file with the same bytes.
    Copy,
}

/// Fills a tree that nobody looks at yet with names for files that lie elsewhere, and makes all of it safe at the end: no
/// flush for each name, so that 30,000 hard links take well under a second.
#[derive(Debug, Default)]
pub struct LinkedTree {
    hard: u64,
    reflinks: u64,
    copies: u64,
}

impl LinkedTree {
    /// Nothing linked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the file `from` the name `to`, which must be free, in a folder that is there. A hard link; where none can be had
    /// (other file system, 65,000 links on ext4, `fs.protected_hardlinks`) a reflink, else a copy, both with `from`'s mode and
    /// time. Not flushed; `from` must be.
    pub fn add(&mut self, from: &Path, to: &Path) -> Result<Linked> {
        let linked = match fs::hard_link(from, to) {
            Ok(()) => Linked::Hard,
            Err(cause) if refuses_links(&cause) => copy(from, to)?,
            Err(cause) => return Err(Error::new("link a file as", to, cause)),
        };
        match linked {
            Linked::Hard => self.hard += 1,
            Linked::Reflink => self.reflinks += 1,
            Linked::Copy => self.copies += 1,
        }
        Ok(linked)
    }

    /// Gives the file `from` the name `to` in place of what has it, in one rename: whoever asks for `to` finds the old file or the
    /// new one. The name is made in the folder `aside` first, on `to`'s file system, where a sweep finds it if this run is killed.
    /// A copy is flushed before it gets its name; names are not: see [`LinkedTree::flush`]. `from` is flushed, and another file
    /// than the one at `to`.
    pub fn replace(&mut self, from: &Path, to: &Path, aside: &Path) -> Result<Linked> {
        let (temporary, linked) = loop {
            let temporary = aside.join(staged::temporary_name());
            match self.add(from, &temporary) {
                Ok(linked) => break (temporary, linked),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        let flushed = match linked {
            Linked::Hard => Ok(()),
            Linked::Reflink | Linked::Copy => {
                File::open(&temporary).and_then(|file| file.sync_all()).naming("flush", &temporary)
            }
        };
        step("replace a name");
        if let Err(error) = flushed.and_then(|()| fs::rename(&temporary, to).naming("rename a file to", to)) {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        Ok(linked)
    }

    /// How many names came to be in this way.
    pub fn count(&self, linked: Linked) -> u64 {
        match linked {
            Linked::Hard => self.hard,
            Linked::Reflink => self.reflinks,
            Linked::Copy => self.copies,
        }
    }

    /// Makes everything below `root` safe: its folders, and where files were copied the file system, in one call.
    pub fn flush(&self, root: &Path) -> Result<()> {
        if self.reflinks + self.copies > 0 { flush_file_system(root) } else { flush_folders_below(root) }
    }
}

fn refuses_links(cause: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(cause),
        Some(Errno::XDEV | Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS)
    )
}

fn copy(from: &Path, to: &Path) -> Result<Linked> {
    let source = File::open(from).naming("open", from)?;
    let metadata = source.metadata().naming("look at", from)?;
    let mut staged = Staged::beside(to)?;
    let target = staged.file()?;
    let linked = if rustix::fs::ioctl_ficlone(target, &source).is_ok() {
        Linked::Reflink
    } else {
        io::copy(&mut &source, &mut &*target).naming("copy a file to", to)?;
        Linked::Copy
    };
    staged.set_modified(metadata.modified().naming("look at", from)?)?;
    staged.persist_unflushed(to, metadata.permissions().mode() & 0o7777)?;
    Ok(linked)
}
