//! What is read from files and read anew when they change: certificates are renewed and passwords changed while we serve.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::access::AccessLog;
use super::error::Error;

/// So often at most files are looked at.
const PAUSE: Duration = Duration::from_secs(1);

/// A value, as its files have it. There is always one: what cannot be used, such as a certificate that was renewed before its
/// key, changes nothing and is read again at each look until it can be.
pub(super) struct Watched<T> {
    files: Vec<PathBuf>,
    read: Box<dyn Fn() -> Result<T, Error> + Send + Sync>,
    state: Mutex<State<T>>,
    /// Held while files are looked at, so that what was read first is not put in place last.
    looking: Mutex<()>,
}

struct State<T> {
    value: Arc<T>,
    /// Which files it is from.
    from: Vec<Option<Identity>>,
    looked: Instant,
    /// Why what the files hold by now cannot be used, as it was told.
    told: Option<String>,
}

/// Which file it is, and whether it was written to.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the value for the first time; it depends on `files` and nothing else.
    pub(super) fn open(
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, Error> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        // Before they are read: whatever is written later makes them differ.
        let from = identities(&files);
        let state = State { value: Arc::new(read()?), from, looked: Instant::now(), told: None };
        Ok(Watched { files, read: Box::new(read), state: Mutex::new(state), looking: Mutex::new(()) })
    }

    /// The value for whoever comes now. Who comes first in a second waits until the files were looked at; the others do not.
    pub(super) async fn current(self: &Arc<Self>, log: &dyn AccessLog) -> Arc<T> {
        if self.is_due(Instant::now()) {
            let watched = Arc::clone(self);
            // A look that died has changed nothing.
            if let Ok(Some(error)) = tokio::task::spawn_blocking(move || watched.look()).await {
                log.not_renewed(&error);
            }
        }
        Arc::clone(&self.state().value)
    }

    /// Whether it is time for a look, which the caller then takes.
    fn is_due(&self, now: Instant) -> bool {
        let mut state = self.state();
        let is_due = now.saturating_duration_since(state.looked) >= PAUSE;
        if is_due {
            state.looked = now;
        }
        is_due
    }

    /// Reads the files anew if they are others than those of the value in use. Answers why they cannot be used, once for each
    /// reason. Blocks.
    pub(super) fn look(&self) -> Option<Error> {
        let _alone = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let from = identities(&self.files);
        {
            let state = self.state();
            if state.told.is_none() && state.from == from {
                return None;
            }
        }
        let read = (self.read)();
        let mut state = self.state();
        match read {
            Ok(value) => {
                (state.value, state.from, state.told) = (Arc::new(value), from, None);
                None
            }
            Err(error) => {
                let text = Some(error.to_string());
                let is_news = state.told != text;
                state.told = text;
                is_news.then_some(error)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn identities(files: &[PathBuf]) -> Vec<Option<Identity>> {
    files.iter().map(|file| identity(file)).collect()
}

/// Through links, which is how certbot renews. None: it is not there, or not ours to see.
fn identity(file: &Path) -> Option<Identity> {
    let found = file.metadata().ok()?;
    Some(Identity {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::durable;

    /// A number in a file; the word "half" stands for what cannot be used.
    fn number(path: &Path) -> Watched<u32> {
        let file = path.to_owned();
        let read = move || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            text.parse().map_err(|_| Error::unusable("number", &file, format!("is {text:?}")))
        };
        Watched::open(vec![path.to_owned()], read).unwrap()
    }

    fn put(path: &Path, text: &str) {
        durable::write(path, text.as_bytes(), 0o600).unwrap();
    }

    #[test]
    fn a_file_is_read_when_it_is_another_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let (path, reads) = (folder.path().join("n"), Arc::new(Mutex::new(0)));
        put(&path, "1");
        let (file, counted) = (path.clone(), Arc::clone(&reads));
        let read = move || {
            *counted.lock().unwrap() += 1;
            Ok(std::fs::read_to_string(&file).unwrap())
        };
        let watched = Watched::open(vec![path.clone()], read).unwrap();
        assert!(watched.look().is_none() && watched.look().is_none());
        assert_eq!(*reads.lock().unwrap(), 1);
        put(&path, "2");
        assert!(watched.look().is_none() && watched.look().is_none());
        assert_eq!((watched.state().value.as_str(), *reads.lock().unwrap()), ("2", 2));
    }

    #[test]
    fn what_cannot_be_used_changes_nothing_and_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        put(&path, "1");
        let watched = number(&path);
        put(&path, "half");
        assert!(watched.look().unwrap().to_string().ends_with("is \"half\""));
        assert!(watched.look().is_none(), "told already");
        assert_eq!(*watched.state().value, 1);
        put(&path, "hal");
        assert!(watched.look().is_some(), "another trouble");
        put(&path, "2");
        assert!(watched.look().is_none());
        assert_eq!(*watched.state().value, 2);
        put(&path, "hal");
        assert!(watched.look().is_some(), "it was well in between");
        assert_eq!(*watched.state().value, 2);
    }

    #[test]
    fn files_are_looked_at_once_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        put(&path, "1");
        let watched = number(&path);
        let start = watched.state().looked;
        assert!(!watched.is_due(start) && !watched.is_due(start + PAUSE / 2));
        assert!(watched.is_due(start + PAUSE));
        assert!(!watched.is_due(start + PAUSE), "one look is taken already");
        assert!(watched.is_due(start + PAUSE * 2));
    }

    #[test]
    fn without_a_usable_file_there_is_no_value_to_begin_with() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");
        let read = move || Err::<(), _>(Error::unusable("number", &missing, "is missing"));
        assert!(Watched::open(Vec::new(), read).is_err());
    }
}
