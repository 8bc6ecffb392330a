//! Every path we own.
//!
//! ```text
//! <store>/                          0700, ours alone
//! ├── format                        "bivouac store 1"
//! ├── restoring                     only while a backup is restored here: its id; see below
//! ├── lock                          who works here now; see disk::lock
//! ├── state.json                    what the last run left to the next
//! ├── evidence.log                  what was decided, a line for each snapshot
//! ├── trust.json                    what was accepted before, and whose signatures vouch
//! ├── pins.json                     snapshots that stay
//! ├── withdrawn.json                packages that our indexes do not list
//! ├── signing.json                  which of our keys sign, do so no more, or ever did
//! ├── epochs.json                   which backups were restored here
//! ├── backups/                      what is remembered of targets of backups; see ledger
//! ├── runs/                         how the last runs of each task ended; see ledger
//! ├── bundles/                      what was sent to and came from other sites; see ledger
//! ├── keyring/                      the package that brings our public keys to clients, where it is asked for
//! ├── pool/                         packages by content; see pool
//! │   ├── objects/ab/<64 hex>       0444, by SHA-256
//! │   ├── incoming/<40 hex>.part    not finished, by identity
//! │   └── refs                      which object has which identity
//! ├── accepted/<id>/                one accepted index: accepted.json, APKINDEX.tar.gz, objects
//! ├── snapshots/<id>.json           which accepted indexes were in force
//! └── generations/<n>.json          what was published, and when
//!
//! <public>            → .generations/412      a relative link, switched by one rename
//! <public>/../.generations/412/v3.23/main/x86_64/{APKINDEX.tar.gz, *.apk}
//! <public>/../.generations/412/@qa  → ../413  a tree beside live; see publish
//! ```
//!
//! # A store that is being restored
//!
//! [`Store::begin_restore`] makes a folder with `restoring` and no `format`; [`Store::end_restore`] writes `format`, then removes
//! `restoring`, each on the medium before the next. As long as `restoring` is there the restore is not finished, and every other
//! command refuses the store: half of its records would be believed, and a prune would take what no record names yet.
//!
//! Killed between the two, the store has both files. It counts as unfinished then, although all of it is there: nobody was told
//! that the restore ended, so the operator will run it again, and that run finds everything in its place, removes `restoring`
//! and says what came back. The other reading would answer the same command with "there is a store already". And never is
//! there a moment with neither file, in which our own folder would look like somebody else's; nor, before the last step, one in
//! which a bivouac that does not know `restoring` would open the store: `format` is the last thing that is restored.

mod public;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::durable;
use crate::error::{Class, Trouble};

pub use public::PublicTree;

const FORMAT_PREFIX: &str = "bivouac store ";
const FORMAT_VERSION: u32 = 1;
const STORE_MODE: u32 = 0o700;

/// Why a store or public tree cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was stored here yet.
    #[error("there is no store at {}", path.display())]
    Absent {
        /// The store's folder.
        path: PathBuf,
    },
    /// Other people's files lie there.
    #[error("{} is not a store of bivouac's and not empty: it holds {found:?}", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// One of the files in it.
        found: String,
    },
    /// Written by a later bivouac.
    #[error("the store {} has the format {found:?}; this bivouac knows \"{FORMAT_PREFIX}{FORMAT_VERSION}\"", path.display())]
    Newer {
        /// The store's folder.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// A restore into it was stopped, and has to end first.
    #[error("the store {} is being restored from backup {backup}, which did not end yet", path.display())]
    Restoring {
        /// The store's folder.
        path: PathBuf,
        /// The backup's id.
        backup: String,
    },
    /// A restore of another backup into it was stopped.
    #[error("{} holds a restore of backup {begun} that did not end, and backup {asked} is to be restored", path.display())]
    RestoringOther {
        /// The store's folder.
        path: PathBuf,
        /// The backup whose restore was stopped.
        begun: String,
        /// The backup that was asked for.
        asked: String,
    },
    /// A whole store is to be restored where one is.
    #[error("there is a store at {} already", path.display())]
    Exists {
        /// The store's folder.
        path: PathBuf,
    },
    /// The format file says nothing known.
    #[error("{} does not say which format the store has", path.display())]
    Unreadable {
        /// The format file.
        path: PathBuf,
    },
    /// The place of the public link is taken by something else, or it leads elsewhere.
    #[error("{} is not a link to a generation of ours", path.display())]
    PublicTaken {
        /// The link's path.
        path: PathBuf,
    },
    /// The public link leads nowhere.
    #[error("{} leads to {}, which is gone", link.display(), path.display())]
    TreeGone {
        /// The live generation's tree.
        path: PathBuf,
        /// The link.
        link: PathBuf,
    },
    /// The host did not do it.
    #[error(transparent)]
    Disk(#[from] durable::Error),
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Absent { .. }
            | Error::Foreign { .. }
            | Error::Newer { .. }
            | Error::RestoringOther { .. }
            | Error::Exists { .. }
            | Error::PublicTaken { .. } => Class::Usage,
            Error::Restoring { .. } | Error::Unreadable { .. } | Error::TreeGone { .. } => Class::Damaged,
            Error::Disk(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Absent { .. } => "no-store",
            Error::Foreign { .. } => "not-a-store",
            Error::Newer { .. } => "store-newer",
            Error::Restoring { .. } => "restore-unfinished",
            Error::RestoringOther { .. } => "restoring-other",
            Error::Exists { .. } => "store-exists",
            Error::Unreadable { .. } => "store-format",
            Error::PublicTaken { .. } => "public-taken",
            Error::TreeGone { .. } => "tree-gone",
            Error::Disk(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Absent { .. } => Some("`bivouac sync` makes it".into()),
            Error::Foreign { .. } => Some("give `store` a folder of its own".into()),
            Error::Newer { .. } => Some("use the bivouac that wrote it, or a later one".into()),
            Error::PublicTaken { path } => Some(format!("move {} away, or give `public` another path", path.display())),
            Error::TreeGone { link, .. } => {
                Some(format!("put it back; or remove {}: the next sync then publishes all of it anew", link.display()))
            }
            Error::Restoring { .. } => {
                Some("run the same `bivouac restore` again: it goes on where it was stopped".into())
            }
            Error::RestoringOther { path, begun, .. } => Some(format!(
                "restore {begun} to its end; or give it up by removing {}, which holds nothing else",
                path.display()
            )),
            Error::Exists { .. } => Some("`--into-existing` adds what it lacks, and removes nothing".into()),
            Error::Unreadable { .. } => None,
            Error::Disk(error) => error.hint(),
        }
    }
}

/// The name of a record of ours: one path segment of `[0-9A-Za-z-]`, at most 100 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateName(Box<str>);

/// Text that is no [`StateName`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("it is not a record's name ([0-9A-Za-z-]+, at most 100 bytes)")]
pub struct BadStateName;

impl FromStr for StateName {
    type Err = BadStateName;

    fn from_str(text: &str) -> Result<Self, BadStateName> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if text.is_empty() || text.len() > 100 || !text.bytes().all(good) {
            return Err(BadStateName);
        }
        Ok(StateName(text.into()))
    }
}

impl StateName {
    /// The checked text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The store: a folder of our own whose format is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens the store at `root` and makes it, with its parents, where there is nothing or an empty folder. Refuses a folder
    /// with other files and a store of a later format, by name, before anything in it is touched.
    pub fn open_or_create(root: &Path) -> Result<Self, Error> {
        match Self::open(root) {
            Err(Error::Absent { .. }) => {}
            // A run may have been stopped between the format file and the folders.
            Ok(store) => {
                store.create_folders()?;
                return Ok(store);
            }
            Err(error) => return Err(error),
        }
        let store = Store { root: root.to_owned() };
        durable::create_folder(root, STORE_MODE)?;
        durable::set_mode(root, STORE_MODE)?;
        store.write_format()?;
        store.create_folders()?;
        Ok(store)
    }

    /// The store at `root` for a restore of the backup with this id: made where there is nothing or an empty folder, or the one
    /// into which a restore of the same backup was stopped. Until [`Store::end_restore`] nobody can open it otherwise.
    ///
    /// Two restores may begin at once: whoever got the lock calls this again, and is told whose store it is.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] for a store, [`Error::RestoringOther`] for one that another backup is being restored into,
    /// [`Error::Foreign`] for a folder with other files; nothing in it was touched.
    pub fn begin_restore(root: &Path, backup: &str) -> Result<Self, Error> {
        let store = Store { root: root.to_owned() };
        match Self::open(root) {
            Ok(_) => return Err(Error::Exists { path: root.to_owned() }),
            Err(Error::Restoring { backup: begun, path }) if begun != backup => {
                return Err(Error::RestoringOther { path, begun, asked: backup.to_owned() });
            }
            // A run may have been stopped between the file and the folders.
            Err(Error::Restoring { .. }) => {}
            Err(Error::Absent { .. }) => {
                durable::create_folder(root, STORE_MODE)?;
                durable::set_mode(root, STORE_MODE)?;
                durable::write(&store.restoring_file(), format!("{backup}\n").as_bytes(), 0o600)?;
            }
            Err(error) => return Err(error),
        }
        store.create_folders()?;
        Ok(store)
    }

    /// All that was restored is on the medium: from now on the store is one like any other. What runs of the restore that were
    /// killed left half written is removed, in folders of any record, as no later run looks for it there. The caller holds the
    /// [`super::Lock`].
    pub fn end_restore(&self, _held: &super::Lock) -> Result<(), Error> {
        self.sweep_below(&self.root)?;
        self.write_format()?;
        durable::remove_file(&self.restoring_file())?;
        Ok(durable::flush_folder(&self.root)?)
    }

    fn sweep_below(&self, folder: &Path) -> Result<(), durable::Error> {
        durable::sweep_temporaries(folder)?;
        for name in durable::list(folder)? {
            let below = folder.join(name);
            let is_folder = fs::symlink_metadata(&below).is_ok_and(|found| found.is_dir());
            // The pool has its own way, and many folders.
            if is_folder && below != self.pool_folder() {
                self.sweep_below(&below)?;
            }
        }
        Ok(())
    }

    fn write_format(&self) -> Result<(), durable::Error> {
        durable::write(&self.format_file(), format!("{FORMAT_PREFIX}{FORMAT_VERSION}\n").as_bytes(), 0o600)
    }

    /// Opens the store at `root`, changing nothing; where there is none that is an error.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let store = Store { root: root.to_owned() };
        let format_file = store.format_file();
        let restoring = durable::read_if_present(&store.restoring_file())?.map(|backup| Error::Restoring {
            path: root.to_owned(),
            backup: String::from_utf8_lossy(&backup).trim_end().to_owned(),
        });
        let Some(text) = durable::read_if_present(&format_file)? else {
            return Err(match (restoring, foreign_file(root)?) {
                (Some(unfinished), _) => unfinished,
                (None, Some(found)) => Error::Foreign { path: root.to_owned(), found },
                (None, None) => Error::Absent { path: root.to_owned() },
            });
        };
        let text = String::from_utf8_lossy(&text);
        let text = text.trim_end();
        match text.strip_prefix(FORMAT_PREFIX).map(str::parse::<u32>) {
            Some(Ok(FORMAT_VERSION)) => restoring.map_or(Ok(store), Err),
            Some(Ok(version)) if version > FORMAT_VERSION => {
                Err(Error::Newer { path: root.to_owned(), found: text.to_owned() })
            }
            _ => Err(Error::Unreadable { path: format_file }),
        }
    }

    /// Where a store at `root` would be, for one who only looks: where there is none yet, it is as if it were empty.
    pub fn look(root: &Path) -> Result<Self, Error> {
        match Self::open(root) {
            Err(Error::Absent { .. }) => Ok(Store { root: root.to_owned() }),
            opened => opened,
        }
    }

    /// The store's folder, or of one that is not made yet the nearest folder above it that is there.
    pub fn existing_root(&self) -> &Path {
        self.root.ancestors().find(|folder| folder.exists()).unwrap_or(&self.root)
    }

    fn create_folders(&self) -> Result<(), durable::Error> {
        for folder in [self.accepted_folder(), self.snapshots_folder(), self.generations_folder()] {
            durable::create_folder(&folder, STORE_MODE)?;
        }
        Ok(())
    }

    /// Removes what killed runs left half written in the store's own folders. The caller holds the [`super::Lock`].
    pub fn sweep_temporaries(&self, _held: &super::Lock) -> Result<(), durable::Error> {
        for folder in [self.root.clone(), self.accepted_folder(), self.snapshots_folder(), self.generations_folder()] {
            durable::sweep_temporaries(&folder)?;
        }
        for name in durable::list(&self.accepted_folder())?.iter().filter(|name| is_half_made(name)) {
            durable::remove_tree(&self.accepted_folder().join(name))?;
        }
        Ok(())
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `format`: which format the store has.
    pub fn format_file(&self) -> PathBuf {
        self.root.join("format")
    }

    /// `restoring`: from which backup the store is being restored.
    pub fn restoring_file(&self) -> PathBuf {
        self.root.join("restoring")
    }

    /// `epochs.json`: which backups were restored here.
    pub fn epochs_file(&self) -> PathBuf {
        self.root.join("epochs.json")
    }

    /// `lock`; see [`super::lock`].
    pub fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// `state.json`: what the last run left to the next.
    pub fn state_file(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// `evidence.log`: one line for each snapshot, chained and signed.
    pub fn evidence_file(&self) -> PathBuf {
        self.root.join("evidence.log")
    }

    /// `trust.json`: what was accepted of each index before, and whose signatures vouch for its source.
    pub fn trust_file(&self) -> PathBuf {
        self.root.join("trust.json")
    }

    /// `pins.json`: snapshots that stay until they are unpinned.
    pub fn pins_file(&self) -> PathBuf {
        self.root.join("pins.json")
    }

    /// `signing.json`: which of our keys sign, do so no more, or ever did.
    pub fn signing_file(&self) -> PathBuf {
        self.root.join("signing.json")
    }

    /// `withdrawn.json`: packages that our indexes do not list, whatever their sources say.
    pub fn withdrawn_file(&self) -> PathBuf {
        self.root.join("withdrawn.json")
    }

    /// `bundles/`: what was sent to and came from other sites.
    pub fn bundles_folder(&self) -> PathBuf {
        self.root.join("bundles")
    }

    /// `backups/`: what is remembered of targets of backups.
    pub fn backups_folder(&self) -> PathBuf {
        self.root.join("backups")
    }

    /// `runs/`: how the last runs of each task ended.
    pub fn runs_folder(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// `pool/`; the pool knows what is in it.
    pub fn pool_folder(&self) -> PathBuf {
        self.root.join("pool")
    }

    /// `accepted/`: a folder per accepted index.
    pub fn accepted_folder(&self) -> PathBuf {
        self.root.join("accepted")
    }

    /// `accepted/<id>/`.
    pub fn accepted(&self, id: &StateName) -> PathBuf {
        self.accepted_folder().join(id.as_str())
    }

    /// `accepted/.<id>.new/`: the same while it is made.
    pub fn half_made_accepted(&self, id: &StateName) -> PathBuf {
        self.accepted_folder().join(half_made_name(id))
    }

    /// `snapshots/`.
    pub fn snapshots_folder(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// `snapshots/<id>.json`.
    pub fn snapshot_file(&self, id: &StateName) -> PathBuf {
        self.snapshots_folder().join(format!("{id}.json"))
    }

    /// `generations/`: the records; the trees are beside the public link.
    pub fn generations_folder(&self) -> PathBuf {
        self.root.join("generations")
    }

    /// `generations/<number>.json`.
    pub fn generation_file(&self, number: u64) -> PathBuf {
        self.generations_folder().join(format!("{number}.json"))
    }
}

/// The name of a folder while it is made, beside where it will stay: a hidden one.
fn half_made_name(name: impl fmt::Display) -> String {
    format!(".{name}.new")
}

fn is_half_made(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".new")
}

/// A file in `folder` that we did not put there; `None` in an empty or absent folder. A fresh file system's `lost+found` and
/// the temporary of a run that was stopped while it made the store are nobody's.
fn foreign_file(folder: &Path) -> Result<Option<String>, durable::Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(durable::Error::new("list", folder, cause)),
    };
    for entry in entries {
        let name = entry.map_err(|cause| durable::Error::new("list", folder, cause))?.file_name();
        if name != "lost+found" && !durable::is_temporary(&name) {
            return Ok(Some(name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests leave states behind by hand")]
mod tests;
