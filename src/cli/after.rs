//! What follows a run that somebody waits for by the clock: it is remembered, measured, and told where it failed. None of that
//! changes how it ended.

use std::time::Instant;

use bivouac::config::Config;
use bivouac::error::{Class, in_one_line};
use bivouac::jobs::runs::{self, Ended, Scope, TroubleSeen};
use bivouac::jobs::{Channel, RepositoryRun, Run, Task};
use bivouac::ops::{metrics, notify};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Failure, Global, Outcome, progress, sync};

/// A run under way.
pub(super) struct Begun {
    started: Timestamp,
    clock: Instant,
    scope: Scope,
}

/// What a run that did its work has to say of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    /// What came of it, in one line.
    pub(super) summary: String,
    /// What went wrong, the worst first.
    pub(super) troubles: Vec<TroubleSeen>,
    pub(super) fetched_packages: u64,
    pub(super) fetched_bytes: u64,
    pub(super) refused_packages: u64,
    pub(super) repositories: Vec<RepositoryRun>,
}

impl Account {
    /// One line, and nothing that went wrong.
    pub(super) fn of(summary: String) -> Account {
        Account { summary, ..Account::default() }
    }
}

impl Begun {
    /// It begins now.
    pub(super) fn now() -> Result<Begun, Failure> {
        Ok(Begun { started: sync::timestamp()?, clock: Instant::now(), scope: Scope::All })
    }

    /// The same, of a part of its task alone.
    pub(super) fn a_part() -> Result<Begun, Failure> {
        Ok(Begun { scope: Scope::Part, ..Begun::now()? })
    }

    /// It ended so. A run that found the store locked did not run.
    pub(super) fn end(
        &self,
        global: &Global,
        config: &Config,
        task: &Task,
        result: Result<(Outcome, Account), &Failure>,
    ) {
        let (class, account) = match result {
            Ok((Outcome::Done, account)) => (None, account),
            Ok((Outcome::Found(class), account)) => (Some(class), account),
            Err(failure) => {
                let Some((class, code, message)) = failure.as_trouble() else { return };
                let trouble = TroubleSeen { code: code.to_owned(), message: message.to_owned() };
                (Some(class), Account { troubles: vec![trouble], ..Account::of(message.to_owned()) })
            }
        };
        if class != Some(Class::Locked) {
            self.tell(global, config, task, class.map_or(0, Class::exit_code), &account);
        }
    }

    /// The same of a run that another process began and that said nothing of its end. Not on a thread that must not wait.
    pub(super) fn speak_for(&self, global: &Global, config: &Config, task: &Task, exit: u8, code: &str, message: &str) {
        let trouble = TroubleSeen { code: code.to_owned(), message: message.to_owned() };
        let account = Account { troubles: vec![trouble], ..Account::of(message.to_owned()) };
        self.tell(global, config, task, exit, &account);
    }

    fn tell(&self, global: &Global, config: &Config, task: &Task, exit: u8, account: &Account) {
        let run = Run {
            started: self.started,
            seconds: self.clock.elapsed().as_secs_f64(),
            exit,
            summary: account.summary.clone(),
            fetched_packages: account.fetched_packages,
            fetched_bytes: account.fetched_bytes,
        };
        let ended = Ended {
            task: task.clone(),
            scope: self.scope,
            troubles: account.troubles.clone(),
            refused_packages: account.refused_packages,
            repositories: account.repositories.clone(),
            run,
        };
        let (news, remembered) = runs::record(config, &ended);
        if let Err(error) = remembered {
            warn(global, "this run is not remembered", &error);
        }
        if let (Some(news), Some(notify)) = (news, &config.notify) {
            // A signal ends nobody here: it takes no longer than the configuration says, and the run is over.
            let told = async { Ok(notify::tell(notify, &news, &super::config::proxies()).await) };
            match super::block_on_unwatched(told) {
                Ok(failed) => {
                    failed.iter().for_each(|(_, error)| warn(global, "nobody was told", error));
                    let unheard: Vec<Channel> = failed.iter().map(|(channel, _)| *channel).collect();
                    let configured =
                        [notify.webhook.is_some(), notify.command.is_some()].into_iter().filter(|is| *is).count();
                    let now = sync::timestamp().unwrap_or(self.started);
                    // What nobody at all heard was not told.
                    if unheard.len() < configured.min(news.to.len())
                        && let Err(error) = runs::told(config, &news, unheard, now)
                    {
                        warn(global, "it is not remembered that this was told", &error);
                    }
                }
                Err(failure) => progress::warn(global, format_args!("nobody was told: {failure}")),
            }
        }
        if let Err(error) = metrics::write_textfile(config, sync::timestamp().unwrap_or(self.started)) {
            warn(global, "metrics were not written", &error);
        }
        let fields = Map::from_iter([
            ("task".to_owned(), Value::from(task.to_string())),
            ("exit".to_owned(), Value::from(exit)),
            ("seconds".to_owned(), Value::from(ended.run.seconds)),
            ("summary".to_owned(), Value::from(account.summary.clone())),
            ("codes".to_owned(), account.troubles.iter().map(|trouble| Value::from(trouble.code.clone())).collect()),
        ]);
        progress::run_done(global, exit, format!("{task}: {}", account.summary), fields);
    }
}

fn warn(global: &Global, what: &str, error: &dyn std::error::Error) {
    progress::warn(global, format_args!("{what}: {}", in_one_line(error)));
}

/// The metrics' file, after a command that changed what is in force and is no task of its own.
pub(super) fn measure(global: &Global, config: &Config) {
    if let Ok(now) = sync::timestamp()
        && let Err(error) = metrics::write_textfile(config, now)
    {
        warn(global, "metrics were not written", &error);
    }
}
