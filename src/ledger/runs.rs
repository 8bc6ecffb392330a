//! How the last runs of each task ended: what is shown, measured and told. Losing it loses no package and no proof.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::snapshots::load_json_if_present;
use super::{Error, Ledger};
use crate::apk::{Arch, BackupName, ObjectId, RepositoryName};
use crate::disk::durable::{self, Attempt, LockFile};

const FOLDER_MODE: u32 = 0o700;
/// How often another run that writes here is waited for, and how long each time.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);
/// How many runs of a task are remembered.
const REMEMBERED: usize = 60;

/// What runs again and again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// `sync`.
    Sync,
    /// `import`.
    Import,
    /// `check`.
    Check,
    /// `backup NAME`.
    Backup(BackupName),
    /// `backup check NAME`.
    BackupCheck(BackupName),
}

impl fmt::Display for Task {
    /// The command as its user types it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Task::Sync => f.write_str("sync"),
            Task::Import => f.write_str("import"),
            Task::Check => f.write_str("check"),
            Task::Backup(name) => write!(f, "backup {name}"),
            Task::BackupCheck(name) => write!(f, "backup check {name}"),
        }
    }
}

impl Serialize for Task {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// No task is called so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTask;

impl FromStr for Task {
    type Err = NoTask;

    fn from_str(text: &str) -> Result<Self, NoTask> {
        let name = |name: &str| name.parse().map_err(|_| NoTask);
        // No backup is called "check".
        match text.split_once(' ') {
            None => match text {
                "sync" => Ok(Task::Sync),
                "import" => Ok(Task::Import),
                "check" => Ok(Task::Check),
                _ => Err(NoTask),
            },
            Some(("backup", rest)) => match rest.strip_prefix("check ") {
                Some(rest) => Ok(Task::BackupCheck(name(rest)?)),
                None => Ok(Task::Backup(name(rest)?)),
            },
            Some(_) => Err(NoTask),
        }
    }
}

/// What is remembered of one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// The last runs, the newest last.
    pub runs: Vec<Run>,
    /// When the last run began that was without trouble.
    #[serde(default)]
    pub last_success: Option<Timestamp>,
    /// Runs by their exit code, ever.
    #[serde(default)]
    pub ended: BTreeMap<u8, u64>,
    /// All that came over the wire, ever.
    #[serde(default)]
    pub totals: Totals,
    /// What the last run left of each repository; a run of some keeps what is known of the others.
    #[serde(default)]
    pub repositories: Vec<RepositoryRun>,
    /// The trouble that was told, until it is over.
    #[serde(default)]
    pub told: Option<Told>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it began.
    pub started: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// What it exited with.
    pub exit: u8,
    /// What came of it, in one line.
    pub summary: String,
    /// Packages that it fetched.
    #[serde(default)]
    pub fetched_packages: u64,
    /// Their bytes.
    #[serde(default)]
    pub fetched_bytes: u64,
}

/// Sums over all runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Packages that were fetched.
    pub fetched_packages: u64,
    /// Their bytes.
    pub fetched_bytes: u64,
    /// Packages that were refused or did not come.
    pub refused_packages: u64,
}

/// What the last sync left of one repository and arch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryRun {
    /// The repository.
    pub name: RepositoryName,
    /// The arch.
    pub arch: Arch,
    /// Whether something kept it, or one of its sources, as it was.
    pub failed: bool,
    /// Packages that were refused or did not come.
    pub refused: u64,
    /// Packages that keep a former version.
    pub carried: u64,
    /// Entries that lost in the merge.
    pub shadowed: u64,
    /// Of those, newer ones than what is supplied.
    pub shadowed_newer: u64,
}

/// A trouble that somebody was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The error words of the run, sorted.
    pub codes: Vec<String>,
    /// When the first such run began.
    pub since: Timestamp,
    /// When it was told last.
    pub last: Timestamp,
    /// Who could not be told then, and is told by the next run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unheard: Vec<Channel>,
}

/// By what somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// `[notify] webhook`.
    Webhook,
    /// `[notify] command`.
    Command,
}

impl Channel {
    /// Both.
    pub const ALL: [Channel; 2] = [Channel::Webhook, Channel::Command];
}

impl TaskRecord {
    /// Adds a run, its share of the sums with it.
    pub fn add(&mut self, run: Run, refused_packages: u64) {
        if run.exit == 0 {
            self.last_success = Some(run.started);
        }
        *self.ended.entry(run.exit).or_default() += 1;
        self.add_totals(&run, refused_packages);
        self.runs.push(run);
        let surplus = self.runs.len().saturating_sub(REMEMBERED);
        self.runs.drain(..surplus);
    }

    /// Adds a run's share of the sums alone.
    pub fn add_totals(&mut self, run: &Run, refused_packages: u64) {
        self.totals.fetched_packages += run.fetched_packages;
        self.totals.fetched_bytes += run.fetched_bytes;
        self.totals.refused_packages += refused_packages;
    }
}

impl Ledger {
    fn task_file(&self, task: &Task) -> PathBuf {
        self.store.runs_folder().join(format!("{}.json", task.to_string().replace(' ', ",")))
    }

    /// What is remembered of a task; nothing before its first run, or where the record does not read: it is for people and their
    /// monitoring, and what cannot be read of it does not keep them from the rest.
    pub fn task_record(&self, task: &Task) -> TaskRecord {
        load_json_if_present(&self.task_file(task)).ok().flatten().unwrap_or_default()
    }

    /// Every task of which something is remembered.
    pub fn task_records(&self) -> Result<Vec<(Task, TaskRecord)>, Error> {
        let names = durable::list(&self.store.runs_folder())?;
        let mut tasks: Vec<Task> =
            names.iter().filter_map(|name| name.strip_suffix(".json")?.replace(',', " ").parse().ok()).collect();
        tasks.sort();
        Ok(tasks.into_iter().map(|task| (task.clone(), self.task_record(&task))).collect())
    }

    /// Changes what is remembered of a task; nothing where there is no store. Several may end at once: each waits for the others.
    pub fn change_task_record(&self, task: &Task, change: impl FnOnce(&mut TaskRecord)) -> Result<(), Error> {
        if !self.store.format_file().is_file() {
            return Ok(());
        }
        let _held = self.hold_runs()?;
        let mut record = self.task_record(task);
        change(&mut record);
        let bytes = serde_json::to_vec(&record).expect("a struct of texts and numbers becomes JSON");
        self.save_as_the_stores(&self.task_file(task), &bytes)
    }

    /// The right to write in `runs/`, in which whatever looks half written was left by a killed run. It takes no more than a
    /// moment to write there, so somebody who does not let go has been stopped; then nobody waits for ever.
    fn hold_runs(&self) -> Result<LockFile, Error> {
        let folder = self.store.runs_folder();
        durable::create_folder(&folder, FOLDER_MODE)?;
        durable::give_like(&folder, self.store.root())?;
        let file = folder.join("lock");
        let lock = LockFile::open(file.clone())?;
        durable::give_like(&file, self.store.root())?;
        for _ in 0..ATTEMPTS {
            if lock.try_lock()? == Attempt::Taken {
                durable::sweep_temporaries(&folder)?;
                break;
            }
            std::thread::sleep(PAUSE);
        }
        Ok(lock)
    }

    /// After which object the pool is read again next; none: from the beginning.
    pub fn read_up_to(&self) -> Result<Option<ObjectId>, Error> {
        Ok(durable::read_if_present(&self.rota_file())?
            .and_then(|bytes| std::str::from_utf8(&bytes).ok()?.trim().parse().ok()))
    }

    /// Remembers it.
    pub fn save_read_up_to(&self, object: &ObjectId) -> Result<(), Error> {
        let _held = self.hold_runs()?;
        self.save_as_the_stores(&self.rota_file(), format!("{object}\n").as_bytes())
    }

    /// Objects of the pool that the last checks found damaged.
    pub fn damaged_objects(&self) -> Result<BTreeSet<ObjectId>, Error> {
        let bytes = durable::read_if_present(&self.damaged_file())?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Remembers them.
    pub fn save_damaged_objects(&self, objects: &BTreeSet<ObjectId>) -> Result<(), Error> {
        let _held = self.hold_runs()?;
        let text: String = objects.iter().map(|object| format!("{object}\n")).collect();
        self.save_as_the_stores(&self.damaged_file(), text.as_bytes())
    }

    /// A file of `runs/`. Whoever writes it, it belongs to whom the store does: a command that root ran once by hand is not to
    /// keep the service from its own records.
    fn save_as_the_stores(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        durable::write(path, bytes, 0o600)?;
        durable::give_like(path, self.store.root())?;
        Ok(())
    }

    fn damaged_file(&self) -> PathBuf {
        self.store.runs_folder().join("damaged")
    }

    fn rota_file(&self) -> PathBuf {
        self.store.runs_folder().join("read-up-to")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_as_it_is_shown() {
        for text in ["sync", "import", "check", "backup disk", "backup check disk"] {
            assert_eq!(text.parse::<Task>().map(|task| task.to_string()), Ok(text.to_owned()));
        }
        for bad in ["", "Sync", "backup", "backup ", "backup check", "backup check ", "backup ../x", "sync x"] {
            assert!(bad.parse::<Task>().is_err(), "{bad}");
        }
    }

    #[test]
    fn old_runs_are_forgotten_and_sums_are_not() {
        let mut record = TaskRecord::default();
        for minute in 0..70 {
            let started = Timestamp::from_second(minute * 60).unwrap();
            let exit = if minute == 69 { 4 } else { 0 };
            let (fetched_packages, fetched_bytes) = (1, 10);
            record.add(Run { started, seconds: 1.0, exit, summary: String::new(), fetched_packages, fetched_bytes }, 2);
        }
        assert_eq!(record.runs.len(), REMEMBERED);
        assert_eq!(record.last_success, Some(Timestamp::from_second(68 * 60).unwrap()));
        assert_eq!(record.ended, BTreeMap::from([(0, 69), (4, 1)]));
        assert_eq!(record.totals, Totals { fetched_packages: 70, fetched_bytes: 700, refused_packages: 140 });
    }
}
