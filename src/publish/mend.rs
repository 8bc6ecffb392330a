//! Puts single files of trees right that are not what was published. What a tree shows does not change: the same bytes, under
//! the same names, with the same dates.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::Error;
use super::generation::place_aliases;
use crate::apk::{Arch, ObjectId};
use crate::disk::durable::{self, LinkedTree};
use crate::disk::layout::PublicTree;
use crate::plan::publish::Generation;
use crate::pool::Pool;

/// Files of trees that get their bytes back. The caller holds the store's lock.
#[derive(Debug)]
pub struct Mending<'t> {
    /// On the trees' file system, and swept by the next run.
    aside: PathBuf,
    tree: &'t PublicTree,
    links: LinkedTree,
    changed: u64,
}

impl<'t> Mending<'t> {
    /// Of the trees beside this link.
    pub fn new(tree: &'t PublicTree) -> Self {
        Mending { aside: tree.folder(), tree, links: LinkedTree::new(), changed: 0 }
    }

    /// Has `path` be the pool's `object`, which is there and right, in one rename.
    pub fn package(&mut self, pool: &Pool, object: &ObjectId, path: &Path) -> Result<(), Error> {
        self.name(&pool.path(object), path)
    }

    /// Has `path` be the index file that was `published` at this time, and dated so.
    pub fn index(&mut self, published: Timestamp, bytes: &[u8], path: &Path) -> Result<(), Error> {
        self.folder_of(path)?;
        let seconds = u64::try_from(published.as_second()).unwrap_or(0);
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        durable::write_dated_aside(path, bytes, 0o644, modified, &self.aside)?;
        self.changed += 1;
        Ok(())
    }

    /// Has `path` be the same file as `from`, which has the right bytes and date.
    pub fn name(&mut self, from: &Path, path: &Path) -> Result<(), Error> {
        self.folder_of(path)?;
        self.links.replace(from, path, &self.aside)?;
        self.changed += 1;
        Ok(())
    }

    /// Puts back the link by which a repository's folder is found in itself.
    pub fn own_link(&mut self, arch: &Arch, folder: &Path) -> Result<(), Error> {
        durable::create_folder(folder, 0o755)?;
        durable::switch_link(&folder.join(arch.as_str()), Path::new("."))?;
        self.changed += 1;
        Ok(())
    }

    /// Puts back the links of a tree whose folder was lost: those for which it has what they lead to.
    pub fn aliases(&mut self, generation: &Generation) -> Result<(), Error> {
        self.changed += 1;
        place_aliases(generation, &self.tree.generation(generation.number))
    }

    /// Has the public link, which is not there, lead to the tree of generation `number`, which is.
    pub fn public_link(&mut self, number: u64) -> Result<(), Error> {
        self.tree.require_generation(number)?;
        Ok(durable::switch_link(self.tree.link(), &PublicTree::link_text(number))?)
    }

    /// What was put right so far is on the medium when this returns.
    pub fn flush(&mut self) -> Result<(), Error> {
        if self.changed > 0 {
            durable::flush_file_system(&self.tree.generations_folder())?;
            self.changed = 0;
        }
        Ok(())
    }

    fn folder_of(&self, path: &Path) -> Result<(), Error> {
        Ok(durable::create_folder(path.parent().expect("a file of a tree has a folder"), 0o755)?)
    }
}
