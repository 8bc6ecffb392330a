//! How each task's last runs ended.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::seconds_since;
use crate::jobs::{Error, Mirror, runs};
use crate::ledger::{RepositoryRun, Task, Totals};

/// One task, and how its last run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskStatus {
    /// The command as its user types it: `sync`, `backup disk`.
    pub task: Task,
    /// When its last run began.
    pub started: Timestamp,
    /// Seconds since then.
    pub age_seconds: u64,
    /// How long it took.
    pub seconds: f64,
    /// What it exited with.
    pub exit: u8,
    /// What came of it, in one line.
    pub summary: String,
    /// When the last run began that was without trouble.
    pub last_success: Option<Timestamp>,
    /// Runs by their exit code, ever.
    pub ended: BTreeMap<u8, u64>,
    /// Sums over all runs.
    pub totals: Totals,
    /// What the last sync left of each repository.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<RepositoryRun>,
}

pub(super) fn of(mirror: &Mirror<'_>, now: Timestamp) -> Result<Vec<TaskStatus>, Error> {
    let mut tasks = Vec::new();
    for (task, record) in runs::records(mirror.config)? {
        let Some(last) = record.runs.last() else { continue };
        // What is configured no more is no news.
        let is_configured = |repository: &RepositoryRun| {
            let same = |one: &&crate::config::Repository| one.name == repository.name;
            mirror.config.repositories.iter().find(same).is_some_and(|one| one.arches.contains(&repository.arch))
        };
        tasks.push(TaskStatus {
            started: last.started,
            age_seconds: seconds_since(last.started, now),
            seconds: last.seconds,
            exit: last.exit,
            summary: last.summary.clone(),
            last_success: record.last_success,
            ended: record.ended,
            totals: record.totals,
            repositories: record.repositories.into_iter().filter(is_configured).collect(),
            task,
        });
    }
    Ok(tasks)
}
