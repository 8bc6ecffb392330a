//! How a run ended, remembered; and whether somebody is to be told.
//!
//! A trouble is told when it comes, when it becomes another one, and once a day while it lasts; and that it is over. It counts as
//! told when the telling went well: what nobody heard is told by the next run.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Error, mirror};
use crate::config::Config;
use crate::ledger::{Channel, RepositoryRun, Run, Task, Told};

pub use crate::ledger::TaskRecord;

/// After so long a trouble that lasts is told again.
const AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// What ran.
    pub task: Task,
    /// How much of it.
    pub scope: Scope,
    /// The run.
    pub run: Run,
    /// What went wrong, the worst first; empty where nothing did.
    pub troubles: Vec<TroubleSeen>,
    /// Packages that were refused or did not come.
    pub refused_packages: u64,
    /// What a sync left of each repository that it was about.
    pub repositories: Vec<RepositoryRun>,
}

/// How much of a task a run was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it, as the schedule has it.
    All,
    /// Some repositories, or nothing was to be published: somebody did it by hand, looks at what came of it, and the rest of the
    /// task is as it was.
    Part,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TroubleSeen {
    /// Stable word.
    pub code: String,
    /// One line.
    pub message: String,
}

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct News {
    /// What happened.
    pub event: Event,
    /// What ran.
    pub task: Task,
    /// When the run began.
    pub started: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// What it exited with.
    pub exit: u8,
    /// What came of it, in one line.
    pub summary: String,
    /// When the first run with this trouble began.
    pub since: Timestamp,
    /// What went wrong, the worst first.
    pub troubles: Vec<TroubleSeen>,
    /// The configuration.
    pub config: std::path::PathBuf,
    /// This host's name.
    pub host: String,
    /// Who has not heard of it yet.
    #[serde(skip)]
    pub to: Vec<Channel>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// A run failed, and it is the first, or failed otherwise than before, or has for a day.
    Failure,
    /// A run is without trouble again.
    Recovery,
}

/// Remembers a run, and says what there is to tell. That it cannot be remembered, with a disk that is full or a store that is
/// not ours, is no reason to say nothing; where there is no store yet nothing is.
pub fn record(config: &Config, ended: &Ended) -> (Option<News>, Result<(), Error>) {
    let ledger = match mirror::records(config) {
        Ok(ledger) => ledger,
        Err(error) => return (news(&TaskRecord::default(), ended, config), Err(error)),
    };
    let known = ledger.task_record(&ended.task);
    let remembered = ledger.change_task_record(&ended.task, |record| {
        match ended.scope {
            Scope::All => record.add(ended.run.clone(), ended.refused_packages),
            Scope::Part => record.add_totals(&ended.run, ended.refused_packages),
        }
        for repository in &ended.repositories {
            record.repositories.retain(|known| (&known.name, &known.arch) != (&repository.name, &repository.arch));
            record.repositories.push(repository.clone());
        }
    });
    (news(&known, ended, config), remembered.map_err(Error::from))
}

/// Remembers that it was told, but to those in `unheard`.
pub fn told(config: &Config, news: &News, unheard: Vec<Channel>, now: Timestamp) -> Result<(), Error> {
    let told = match news.event {
        Event::Failure => Some(Told { codes: codes(&news.troubles), since: news.since, last: now, unheard }),
        Event::Recovery => None,
    };
    Ok(mirror::records(config)?.change_task_record(&news.task, |record| record.told = told)?)
}

/// When each task began last, by what is remembered.
pub fn last_started(config: &Config) -> Result<Vec<(Task, Timestamp)>, Error> {
    let records = mirror::records(config)?.task_records()?;
    Ok(records.into_iter().filter_map(|(task, record)| Some((task, record.runs.last()?.started))).collect())
}

/// What is remembered of each task that the configuration still has: what was taken out is nothing that can be late or failed.
pub fn records(config: &Config) -> Result<Vec<(Task, TaskRecord)>, Error> {
    let mut records = mirror::records(config)?.task_records()?;
    records.retain(|(task, record)| is_configured(config, task) && !record.runs.is_empty());
    Ok(records)
}

fn is_configured(config: &Config, task: &Task) -> bool {
    match task {
        Task::Sync | Task::Import | Task::Check => true,
        Task::Backup(name) | Task::BackupCheck(name) => config.backups.contains_key(name),
    }
}

fn news(record: &TaskRecord, ended: &Ended, config: &Config) -> Option<News> {
    if ended.scope == Scope::Part {
        return None;
    }
    let Run { started, seconds, exit, ref summary, .. } = ended.run;
    let told = record.told.as_ref();
    let mut to = Channel::ALL.to_vec();
    let event = match (exit, told) {
        (0, None) => return None,
        (0, Some(_)) => Event::Recovery,
        (_, Some(told)) => {
            let is_known = told.codes == codes(&ended.troubles);
            // On a clock that was set back nothing is old.
            if is_known && started.duration_since(told.last) < AGAIN {
                if told.unheard.is_empty() {
                    return None;
                }
                to.clone_from(&told.unheard);
            }
            Event::Failure
        }
        (_, None) => Event::Failure,
    };
    Some(News {
        event,
        task: ended.task.clone(),
        started,
        seconds,
        exit,
        summary: summary.clone(),
        since: told.map_or(started, |told| told.since),
        troubles: ended.troubles.clone(),
        config: std::path::absolute(&config.file).unwrap_or_else(|_| config.file.clone()),
        to,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    })
}

fn codes(troubles: &[TroubleSeen]) -> Vec<String> {
    let mut codes: Vec<String> = troubles.iter().map(|trouble| trouble.code.clone()).collect();
    codes.sort();
    codes.dedup();
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn ended(minute: i64, codes: &[&str]) -> Ended {
        let trouble = |code: &&str| TroubleSeen { code: (*code).to_owned(), message: "m".to_owned() };
        Ended {
            task: Task::Sync,
            scope: Scope::All,
            run: Run {
                started: Timestamp::from_second(minute * 60).unwrap(),
                seconds: 1.0,
                exit: if codes.is_empty() { 0 } else { 4 },
                summary: "s".to_owned(),
                fetched_packages: 0,
                fetched_bytes: 0,
            },
            troubles: codes.iter().map(trouble).collect(),
            refused_packages: 0,
            repositories: Vec::new(),
        }
    }

    #[test]
    fn a_trouble_is_told_when_it_comes_changes_lasts_a_day_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let text = config::small_partial_mirror("ops.rsa", config::Layout::Beside);
        let config = Config::parse(&text, std::path::Path::new("b.toml"), folder.path(), None).unwrap();
        crate::disk::layout::Store::open_or_create(&config.store).unwrap();
        let run = |minute, codes: &[&str], hears: bool| {
            let (news, remembered) = record(&config, &ended(minute, codes));
            remembered.unwrap();
            let news = news?;
            if hears {
                told(&config, &news, Vec::new(), news.started).unwrap();
            }
            Some((news.event, news.since.as_second() / 60))
        };
        assert_eq!(run(0, &[], true), None);
        assert_eq!(run(10, &["away"], false), Some((Event::Failure, 10)), "nobody heard");
        assert_eq!(run(20, &["away"], true), Some((Event::Failure, 20)));
        assert_eq!(run(30, &["away", "away"], true), None, "known");
        assert_eq!(run(40, &["away", "refused"], true), Some((Event::Failure, 20)), "another one");
        assert_eq!(run(50, &["refused", "away"], true), None);
        assert_eq!(run(40 + 24 * 60, &["refused", "away"], true), Some((Event::Failure, 20)), "for a day");
        assert_eq!(run(5000, &[], false), Some((Event::Recovery, 20)), "nobody heard");
        assert_eq!(run(5010, &[], true), Some((Event::Recovery, 20)));
        assert_eq!(run(5020, &[], true), None);
    }
}
