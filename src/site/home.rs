//! The first page: what the mirror holds and how fresh it is.

use jiff::Timestamp;
use maud::{Markup, html};

use super::frame::{Frame, Part};
use super::words::{self, Standing};
use super::{chart, setup};
use crate::config::Config;
use crate::jobs::client::{self, ClientReport};
use crate::jobs::runs::{self, TaskRecord};
use crate::jobs::status::{self, RepositoryStatus, StatusReport};
use crate::jobs::{Error, Task};
use crate::serve::Page;

pub(super) fn page(config: &Config, base: &str, now: Timestamp) -> Result<Page, Error> {
    let status = status::status(config, now)?;
    let client = client::client(config, base)?;
    let runs = runs::records(config)?;
    let content = html! {
        h1 { "What this mirror holds" }
        (in_short(&status))
        @for (branch, repositories) in by_branch(&status.repositories) {
            (branch_table(branch, &repositories))
        }
        section aria-labelledby="use" {
            h2 #use { "Use it on your machine" }
            (setup::lines(&client))
            p { a href="setup" { "Keys, and a script that does it" } }
        }
        (last_runs(&runs, now))
        (keys(&client))
    };
    Ok(Frame { title: "Mirror", part: Part::Home, up: "" }.page(200, content))
}

/// One sentence for who has no time.
fn in_short(status: &StatusReport) -> Markup {
    let standings: Vec<Standing> = status.repositories.iter().map(|one| standing(one).0).collect();
    let worst = standings.iter().max().copied().unwrap_or(Standing::Doubtful);
    let (stale, doubtful) = (count(&standings, Standing::Bad), count(&standings, Standing::Doubtful));
    let all = standings.len() as u64;
    let verdict = match worst {
        Standing::Good if all == 1 => "The only index is fresh.".to_owned(),
        Standing::Good => format!("All {all} indexes are fresh."),
        Standing::Doubtful => of_all(doubtful, "needs a look", "need a look", all),
        Standing::Bad => of_all(stale, "is stale", "are stale", all),
    };
    let packages: u64 = status.repositories.iter().map(|one| one.packages).sum();
    let bytes: u64 = status.repositories.iter().map(|one| one.bytes).sum();
    html! {
        p.short { (worst.badge(word(worst))) " " (verdict) " " (words::counted(packages, "package", "packages")) ", "
            (words::size(bytes)) "." }
        @if let (Some(live), Some(snapshot)) =
            (status.live, status.repositories.iter().find_map(|one| one.snapshot.as_deref()))
        {
            p { "Live is generation " (live) ", which shows snapshot " code { (snapshot) } "." }
        } @else {
            p { "Nothing is published yet." }
        }
        @if status.held {
            p.notice { strong { "Publishing is held. " } "An earlier state is shown again; newer ones wait until the operator \
                publishes." }
        }
        @if !status.withdrawn.is_empty() {
            p { "Withdrawn: " (status.withdrawn.join(", ")) "." }
        }
        @if !status.beside.is_empty() {
            p { "Beside live: "
                @for (at, (name, number)) in status.beside.iter().enumerate() {
                    @if at > 0 { ", " }
                    a href={ "@" (name) "/" } { "@" (name) } " (generation " (number) ")"
                }
                "."
            }
        }
    }
}

/// `1 of 6 indexes is stale.`
fn of_all(count: usize, one: &str, many: &str, all: u64) -> String {
    let verb = if count == 1 { one } else { many };
    format!("{count} of {} {verb}.", words::counted(all, "index", "indexes"))
}

fn count(standings: &[Standing], wanted: Standing) -> usize {
    standings.iter().filter(|standing| **standing == wanted).count()
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Good => "Fresh",
        Standing::Doubtful => "Needs a look",
        Standing::Bad => "Stale",
    }
}

/// How a repository stands, and why it is not fresh.
fn standing(repository: &RepositoryStatus) -> (Standing, Option<String>) {
    if repository.content.is_none() {
        return (Standing::Bad, Some("never published".to_owned()));
    }
    if repository.stale {
        let limit = repository.indexes.iter().filter(|index| index.stale).map(|index| index.stale_after_seconds).min();
        let limit = limit.map(|limit| format!("not confirmed for more than {}", words::span(limit)));
        return (Standing::Bad, limit);
    }
    let why = if let Some(error) = &repository.last_error {
        // Its message may tell of paths and addresses that are the operator's own affair.
        Some(format!("the last attempt failed ({}); what was accepted before stays", error.code))
    } else if repository.indexes.iter().any(|index| index.lagging.is_some()) {
        Some("no source has yet what is shown here; ours stays".to_owned())
    } else if repository.indexes.iter().any(|index| index.frozen) {
        Some("upstream has not changed for long".to_owned())
    } else if repository.indexes.iter().any(|index| !index.held_signers.is_empty()) {
        Some("upstream signs with a new key, which waits to be accepted".to_owned())
    } else {
        None
    };
    (if why.is_some() { Standing::Doubtful } else { Standing::Good }, why)
}

/// Repositories by the first part of their names, both in the configuration's order.
fn by_branch(repositories: &[RepositoryStatus]) -> Vec<(&str, Vec<&RepositoryStatus>)> {
    let mut branches: Vec<(&str, Vec<&RepositoryStatus>)> = Vec::new();
    for repository in repositories {
        let name = repository.name.as_str();
        // Where the arch comes first there is no branch.
        let branch = if repository.name.is_by_arch() { name } else { name.split('/').next().unwrap_or(name) };
        match branches.iter_mut().find(|(known, _)| *known == branch) {
            Some((_, of_branch)) => of_branch.push(repository),
            None => branches.push((branch, vec![repository])),
        }
    }
    branches
}

fn branch_table(branch: &str, repositories: &[&RepositoryStatus]) -> Markup {
    html! {
        section {
            h2 { (branch) }
            div.sideways tabindex="0" role="region" aria-label={ "Repositories of " (branch) } {
                table.stack {
                    thead { tr {
                        th scope="col" { "Repository" } th scope="col" { "Arch" } th scope="col" { "State" }
                        th scope="col" { "Confirmed" } th scope="col" { "Changed" }
                        th.figure scope="col" { "Packages" } th.figure scope="col" { "Size" }
                    } }
                    tbody {
                        @for repository in repositories {
                            @let (standing, why) = standing(repository);
                            tr {
                                th scope="row" {
                                    a href=(folder(repository)) { (repository.name) }
                                }
                                td { (repository.arch) }
                                td {
                                    (standing.badge(word(standing)))
                                    @if let Some(why) = why { " " span.why { (why) } }
                                }
                                td data-label="Confirmed" { (repository.age_seconds.map_or_else(|| "never".to_owned(), words::ago)) }
                                td data-label="Changed" {
                                    (repository.unchanged_seconds.map_or_else(|| "never".to_owned(), words::ago))
                                }
                                td.figure data-label="Packages" { (words::number(repository.packages)) }
                                td.figure data-label="Size" { (words::size(repository.bytes)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn folder(repository: &RepositoryStatus) -> String {
    format!("{}/", repository.name.folder(&repository.arch).display())
}

fn last_runs(records: &[(Task, TaskRecord)], now: Timestamp) -> Markup {
    let sync = records.iter().find(|(task, _)| *task == Task::Sync);
    let last = records.iter().filter_map(|(task, record)| Some((task, record.runs.last()?)));
    html! {
        section aria-labelledby="runs" {
            h2 #runs { "Last runs" }
            @if let Some((task, record)) = sync { (chart::runs(&task.to_string(), &record.runs)) }
            @if records.is_empty() { p { "No run was recorded yet." } } @else {
                div.sideways tabindex="0" role="region" aria-label="The last run of each task" {
                    table.stack {
                        thead { tr { th scope="col" { "Task" } th scope="col" { "Last run" } th scope="col" { "Ended" }
                            th scope="col" { "What came of it" } } }
                        tbody {
                            @for (task, run) in last {
                                @let (standing, word) = words::ended(run.exit);
                                tr {
                                    th scope="row" { (task) }
                                    td { (words::ago(seconds_since(run.started, now))) }
                                    td { (standing.badge(word)) }
                                    td.own-line { (words::outcome(run)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// 0 for what lies ahead, on a clock that was set back.
fn seconds_since(then: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0)
}

fn keys(client: &ClientReport) -> Markup {
    html! {
        section aria-labelledby="keys" {
            h2 #keys { "Keys that sign here" }
            dl.keys {
                @for key in &client.keys {
                    dt { code { (key.name) } }
                    dd {
                        "SHA-256 " code.fingerprint { (key.fingerprint) } br;
                        (if key.ours { "the operator's own" } else { "the source's" }) ", signs " (key.repositories.join(", "))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_keep_their_order() {
        let one = |name: &str| RepositoryStatus {
            name: name.parse().unwrap(),
            arch: "x86_64".parse().unwrap(),
            content: None,
            snapshot: None,
            packages: 0,
            bytes: 0,
            age_seconds: None,
            unchanged_seconds: None,
            stale: true,
            last_error: None,
            indexes: Vec::new(),
        };
        let all = ["v3.23/main", "edge/main", "v3.23/community", "{arch}/main"].map(one);
        let branches = by_branch(&all);
        let names: Vec<(&str, usize)> = branches.iter().map(|(name, all)| (*name, all.len())).collect();
        assert_eq!(names, [("v3.23", 2), ("edge", 1), ("{arch}/main", 1)]);
        assert_eq!(standing(&all[0]), (Standing::Bad, Some("never published".to_owned())));
    }
}
