//! Folders of anybody's, looked through for files that may be what is wanted: by size, for the digest is known only when a file
//! was read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::look::INDEX;
use crate::backup::target::MARKER;
use crate::snapshot::manifest::SUFFIX;

/// How deep a folder is looked into: deeper than any repository lies.
const DEPTH: usize = 16;

/// The files of a folder, by their sizes in bytes.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) by_size: BTreeMap<u64, Vec<PathBuf>>,
    /// Files that are called as indexes are.
    pub(super) indexes: Vec<PathBuf>,
    /// Folders that are targets of backups.
    pub(super) targets: Vec<PathBuf>,
    /// Files that are called as bundles are.
    pub(super) bundles: Vec<PathBuf>,
    /// Folders that could not be read, each with the reason.
    pub(super) unreadable: Vec<String>,
}

impl Files {
    /// All plain files at `path` and below that `is_wanted` says of by their size, all indexes and bundles, and the targets of backups. Links are not followed:
    /// they may lead anywhere, also back.
    pub(super) fn below(path: &Path, is_wanted: &dyn Fn(u64) -> bool) -> Files {
        let mut files = Files::default();
        files.walk(path, DEPTH, is_wanted);
        files.by_size.values_mut().for_each(|paths| paths.sort());
        files.indexes.sort();
        files.targets.sort();
        files.bundles.sort();
        files
    }

    fn walk(&mut self, path: &Path, depth: usize, is_wanted: &dyn Fn(u64) -> bool) {
        let mut look = || -> std::io::Result<()> {
            let metadata = fs::symlink_metadata(path)?;
            if metadata.is_file() {
                match path.file_name().and_then(|name| name.to_str()) {
                    Some(INDEX) => self.indexes.push(path.to_owned()),
                    Some(MARKER) => self.targets.extend(path.parent().map(Path::to_owned)),
                    // Hidden ones are being written, or are what another system left beside each file.
                    Some(name) if name.ends_with(SUFFIX) && !name.starts_with('.') => {
                        self.bundles.push(path.to_owned())
                    }
                    _ => {}
                }
                if is_wanted(metadata.len()) {
                    self.by_size.entry(metadata.len()).or_default().push(path.to_owned());
                }
            } else if metadata.is_dir() && depth > 0 {
                for entry in fs::read_dir(path)? {
                    self.walk(&entry?.path(), depth - 1, is_wanted);
                }
            }
            Ok(())
        };
        if let Err(cause) = look() {
            self.unreadable.push(format!("{}: {cause}", path.display()));
        }
    }
}
