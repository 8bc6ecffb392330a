//! What the schedule makes due, and which commands that is.

use jiff::Timestamp;

use super::daemon::Chance;
use crate::calendar::{Appointment, Rule};
use crate::config::Schedule;
use crate::jobs::Task;

/// Every task of a schedule with its appointment.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    task: Task,
    rule: Rule,
    appointment: Appointment,
    /// Never ran: there is nothing that a client could use.
    is_first: bool,
}

impl Agenda {
    /// What `schedule` makes due from `now` on. What ran last before is known of `ran`: a time that has passed since then counts
    /// as missed. A sync that never ran is due at once; everything else waits for its time.
    pub(super) fn of(
        schedule: Option<&Schedule>,
        ran: &[(Task, Timestamp)],
        now: Timestamp,
        chance: &mut Chance<'_>,
    ) -> Agenda {
        let entries = rules(schedule).into_iter().map(|(task, rule)| {
            let last = ran.iter().find(|(ran, _)| *ran == task).map(|(_, time)| *time);
            let appointment = Appointment::new(rule.clone(), last.unwrap_or(now), chance);
            Entry { is_first: task == Task::Sync && last.is_none(), task, rule, appointment }
        });
        Agenda { entries: entries.collect() }
    }

    /// By another schedule. What is not changed keeps its next time, and its past.
    pub(super) fn change(&mut self, schedule: Option<&Schedule>, now: Timestamp, chance: &mut Chance<'_>) {
        let mut former = std::mem::take(&mut self.entries);
        for (task, rule) in rules(schedule) {
            match former.iter().position(|entry| entry.task == task && entry.rule == rule) {
                Some(at) => self.entries.push(former.swap_remove(at)),
                None => {
                    let appointment = Appointment::new(rule.clone(), now, chance);
                    self.entries.push(Entry { task, rule, appointment, is_first: false });
                }
            }
        }
    }

    /// What is due at `now`, each once.
    pub(super) fn take_due(&mut self, now: Timestamp, chance: &mut Chance<'_>) -> Vec<Task> {
        let mut due = Vec::new();
        for entry in &mut self.entries {
            if entry.appointment.take(now, chance) | std::mem::take(&mut entry.is_first) {
                due.push(entry.task.clone());
            }
        }
        due
    }

    /// What comes next, and when.
    pub(super) fn next(&self) -> Option<(&Task, Timestamp)> {
        let times = self.entries.iter().filter_map(|entry| Some((&entry.task, entry.appointment.next()?)));
        times.min_by_key(|(_, time)| *time)
    }
}

fn rules(schedule: Option<&Schedule>) -> Vec<(Task, Rule)> {
    let Some(schedule) = schedule else { return Vec::new() };
    let one = |task, line: &Option<_>| line.as_ref().map(|line| (task, schedule.rule(line)));
    let backups = schedule.backup.iter().map(|(name, line)| (Task::Backup(name.clone()), schedule.rule(line)));
    one(Task::Sync, &schedule.sync).into_iter().chain(one(Task::Check, &schedule.check)).chain(backups).collect()
}

/// The commands of a task, one after the other; what follows one that failed is left out.
pub(super) fn commands(task: &Task) -> Vec<Vec<String>> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    match task {
        Task::Sync => vec![words(&["sync"])],
        Task::Import => vec![words(&["import"])],
        Task::Check => vec![words(&["check", "--read-data", "5%"])],
        Task::BackupCheck(name) => vec![words(&["backup", "check", name.as_str(), "--read-data", "5%"])],
        Task::Backup(name) => vec![
            words(&["backup", name.as_str()]),
            words(&["backup", "check", name.as_str(), "--read-data", "5%"]),
            words(&["backup", "prune", name.as_str()]),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn at(text: &str) -> Timestamp {
        format!("2026-12-01T{text}:00Z").parse().unwrap()
    }

    fn schedule(sync: &str, check: &str) -> Schedule {
        Schedule {
            zone: jiff::tz::TimeZone::UTC,
            jitter: Duration::ZERO,
            sync: Some(sync.parse().unwrap()),
            check: Some(check.parse().unwrap()),
            backup: BTreeMap::from([("disk".parse().unwrap(), "30 3 * * *".parse().unwrap())]),
        }
    }

    #[test]
    fn a_sync_that_never_ran_is_due_at_once_and_what_was_missed_once() {
        let none = &mut |_| Duration::ZERO;
        let plan = schedule("17 */4 * * *", "40 4 * * *");
        let mut fresh = Agenda::of(Some(&plan), &[], at("02:00"), none);
        assert_eq!(fresh.take_due(at("02:00"), none), [Task::Sync]);
        assert!(fresh.take_due(at("02:00"), none).is_empty());
        let disk = Task::Backup("disk".parse().unwrap());
        assert_eq!(fresh.next(), Some((&disk, at("03:30"))));
        assert_eq!(fresh.take_due(at("04:40"), none), [Task::Sync, Task::Check, disk]);

        // Down from before 04:17 until 09:00.
        let mut back = Agenda::of(Some(&plan), &[(Task::Sync, at("00:17"))], at("09:00"), none);
        assert_eq!(back.take_due(at("09:00"), none), [Task::Sync]);
        assert!(back.take_due(at("12:16"), none).is_empty());
        assert_eq!(back.take_due(at("12:17"), none), [Task::Sync]);
    }

    #[test]
    fn what_a_new_schedule_does_not_change_keeps_its_time() {
        let mut chances = [Duration::from_secs(60), Duration::from_secs(120), Duration::from_secs(180)].into_iter();
        let mut chance = move |_| chances.next().unwrap_or_default();
        let mut plan = schedule("17 */4 * * *", "40 4 * * *");
        plan.jitter = Duration::from_secs(600);
        let mut agenda = Agenda::of(Some(&plan), &[(Task::Sync, at("00:17"))], at("02:00"), &mut chance);
        plan.check = Some("0 5 * * *".parse().unwrap());
        agenda.change(Some(&plan), at("02:30"), &mut chance);
        assert!(agenda.take_due(at("04:17"), &mut chance).len() == 1, "the backup alone");
        assert_eq!(agenda.take_due(at("04:18"), &mut chance), [Task::Sync]);
        assert!(agenda.take_due(at("04:59"), &mut chance).is_empty());
        assert_eq!(agenda.take_due(at("05:00"), &mut chance), [Task::Check]);
        agenda.change(None, at("05:00"), &mut chance);
        assert_eq!(agenda.next(), None);
    }
}
