//! A folder of this host, or a disk mounted there.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::{Error, Held, Place, Result, Upload};
use crate::disk::durable::{self, Attempt, LockFile, Staged};

/// Others need not read what we keep for a disaster.
const FOLDER_MODE: u32 = 0o700;

/// Held while somebody writes.
const LOCK: &str = "lock";

/// A folder that is a place.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The place that is this folder; nothing is looked at yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Folder { root: root.into() }
    }

    /// Where a file lies.
    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// Where a file lies, once every folder on the way there is found to be one, or not to be there. Whoever had the disk may
    /// have left a link, and what is listed, written and removed through it would be this host's.
    fn inside(&self, file: &str) -> Result<PathBuf> {
        let path = self.path(file);
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.root) {
            self.require_no_link(folder)?;
        }
        Ok(path)
    }

    /// The same of a folder, which is none itself either.
    fn folder(&self, folder: &str) -> Result<PathBuf> {
        if folder.is_empty() {
            return Ok(self.root.clone());
        }
        let path = self.inside(folder)?;
        self.require_no_link(&path)?;
        Ok(path)
    }

    fn require_no_link(&self, path: &Path) -> Result<()> {
        match path.symlink_metadata() {
            Ok(found) if found.is_symlink() => Err(Error::Link { path: path.display().to_string() }),
            // What else is wrong there is told by what is done next.
            _ => Ok(()),
        }
    }
}

impl Place for Folder {
    fn shown(&self) -> String {
        self.root.display().to_string()
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let mut names = durable::list(&self.folder(folder)?)?;
        names.retain(|name| !durable::is_temporary(name.as_ref()));
        names.sort();
        Ok(names)
    }

    fn length(&self, file: &str) -> Result<Option<u64>> {
        let path = self.inside(file)?;
        match path.symlink_metadata() {
            Ok(found) if found.is_file() => Ok(Some(found.len())),
            Ok(_) => Ok(None),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(durable::Error::new("look at", path, cause).into()),
        }
    }

    fn read(&self, file: &str, from: u64, length: u64) -> Result<Box<dyn Read + Send>> {
        let path = self.inside(file)?;
        let open = || {
            // Whoever had the disk may have put a pipe there, which would never end.
            if !path.symlink_metadata()?.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
            }
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(from))?;
            Ok(file.take(length))
        };
        let file = open().map_err(|cause| durable::Error::new("read", &path, cause))?;
        Ok(Box::new(file))
    }

    fn begin(&self, file: &str) -> Result<Box<dyn Upload>> {
        let path = self.inside(file)?;
        if let Some(folder) = path.parent() {
            durable::create_folder(folder, FOLDER_MODE)?;
        }
        Ok(Box::new(Writing { staged: Staged::beside(&path)?, path }))
    }

    fn let_run(&self, file: &str) {
        // A file system without modes runs everything, or nothing; either way the file is there.
        if let Ok(path) = self.folder(file) {
            let _ = durable::set_mode(&path, 0o700);
        }
    }

    fn remove(&self, file: &str) -> Result<()> {
        Ok(durable::remove_file(&self.inside(file)?)?)
    }

    fn free(&self) -> Result<Option<u64>> {
        Ok(Some(durable::free_bytes(&self.root)?))
    }

    fn lock(&self) -> Result<Box<dyn Held>> {
        let file = LockFile::open(self.folder(LOCK)?)?;
        match file.try_lock()? {
            Attempt::Taken => Ok(Box::new(HeldFolder { _file: file })),
            Attempt::Held => Err(Error::Held { place: self.shown() }),
        }
    }

    fn sweep(&self, folder: &str) -> Result<()> {
        let folder = self.folder(folder)?;
        if folder.is_dir() {
            durable::sweep_temporaries(&folder)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct HeldFolder {
    _file: LockFile,
}

impl Held for HeldFolder {}

#[derive(Debug)]
struct Writing {
    staged: Staged,
    path: PathBuf,
}

impl Upload for Writing {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.staged.write(bytes)?)
    }

    fn put(self: Box<Self>) -> Result<()> {
        if is_taken(&self.path) {
            return Err(Error::Taken { file: self.path.display().to_string() });
        }
        Ok(self.staged.persist_as_it_is(&self.path)?)
    }

    fn replace(self: Box<Self>) -> Result<()> {
        Ok(self.staged.persist_as_it_is(&self.path)?)
    }
}

fn is_taken(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests leave states behind by hand")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::error::{Class, Trouble as _};

    fn put(place: &Folder, file: &str, text: &str) -> Result<()> {
        let mut upload = place.begin(file)?;
        upload.write(text.as_bytes())?;
        upload.put()
    }

    fn text(place: &Folder, file: &str, from: u64, length: u64) -> String {
        let mut text = String::new();
        place.read(file, from, length).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_file_is_there_when_it_is_whole_and_is_not_written_to_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = Folder::new(folder.path());
        assert_eq!(place.list("a").unwrap(), [""; 0]);
        let mut upload = place.begin("a/b").unwrap();
        upload.write(b"hello, ").unwrap();
        assert_eq!((place.list("a").unwrap(), place.length("a/b").unwrap()), (vec![], None));
        upload.write(b"world").unwrap();
        upload.put().unwrap();
        assert_eq!((place.list("a").unwrap(), place.length("a/b").unwrap()), (vec!["b".to_owned()], Some(12)));
        assert_eq!(text(&place, "a/b", 7, 3), "wor");
        assert_eq!(text(&place, "a/b", 7, 99), "world");
        assert_eq!(folder.path().join("a/b").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(put(&place, "a/b", "other"), Err(Error::Taken { .. })));
        let mut upload = place.begin("a/b").unwrap();
        upload.write(b"anew").unwrap();
        upload.replace().unwrap();
        assert_eq!(text(&place, "a/b", 0, 99), "anew");
        drop(place.begin("a/c").unwrap());
        assert_eq!(std::fs::read_dir(folder.path().join("a")).unwrap().count(), 1, "what is dropped leaves nothing");
        place.remove("a/b").unwrap();
        place.remove("a/b").unwrap();
        assert_eq!(place.length("a/b").unwrap(), None);
    }

    #[test]
    fn nothing_is_listed_written_or_removed_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, host) = (folder.path().join("disk"), folder.path().join("host"));
        std::fs::create_dir(&disk).unwrap();
        std::fs::create_dir(&host).unwrap();
        std::fs::write(host.join("ours"), "ours").unwrap();
        std::fs::write(host.join(".tmp-1"), "half").unwrap();
        std::os::unix::fs::symlink("../host", disk.join("tool")).unwrap();
        std::os::unix::fs::symlink("../host/lock", disk.join("lock")).unwrap();
        let place = Folder::new(&disk);
        let errors = [
            place.list("tool").err(),
            place.length("tool/ours").err(),
            place.read("tool/ours", 0, 1).err(),
            put(&place, "tool/theirs", "theirs").err(),
            put(&place, "tool/a/theirs", "theirs").err(),
            place.remove("tool/ours").err(),
            place.sweep("tool").err(),
            place.lock().err(),
        ];
        for (at, error) in errors.into_iter().enumerate() {
            let error = error.unwrap_or_else(|| panic!("{at}"));
            assert_eq!((error.class(), error.code()), (Class::Damaged, "target-damaged"), "{at}: {error}");
        }
        place.let_run("tool/ours");
        let mut left: Vec<_> =
            std::fs::read_dir(&host).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, [".tmp-1", "ours"]);
        assert_eq!(host.join("ours").metadata().unwrap().permissions().mode() & 0o100, 0);
        // The place itself may be one: that is the operator's own.
        std::os::unix::fs::symlink("disk", folder.path().join("media")).unwrap();
        put(&Folder::new(folder.path().join("media")), "backups/a", "a").unwrap();
    }

    #[test]
    fn one_run_writes_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let place = Folder::new(folder.path());
        let held = place.lock().unwrap();
        let error = place.lock().unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Locked, "locked"));
        drop(held);
        place.lock().unwrap();
    }

    #[test]
    fn what_is_gone_is_the_mediums_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let place = Folder::new(folder.path().join("pulled out"));
        let error = place.read("a", 0, 1).err().unwrap();
        assert_eq!((error.class(), error.code()), (Class::Upstream, "medium"));
        std::fs::write(folder.path().join("file"), "").unwrap();
        let place = Folder::new(folder.path());
        assert!(place.read("file/a", 0, 1).is_err());
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("endless")).unwrap();
        assert!(place.read("endless", 0, u64::MAX).is_err());
        assert_eq!(place.length("endless").unwrap(), None);
    }
}
