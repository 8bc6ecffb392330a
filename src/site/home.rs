//! The first page: what the mirror holds and how fresh it is.

use std::fmt;

use jiff::Timestamp;
use maud::{Markup, html};

use super::frame::{Frame, Part};
use super::words::{self, Standing};
use super::{chart, setup};
use crate::config::Config;
use crate::error::Trouble as _;
use crate::jobs::client::{self, ClientReport};
use crate::jobs::runs::{self, TaskRecord};
use crate::jobs::status::{self, RepositoryStatus, StatusReport};
use crate::jobs::{Error, Task};
use crate::serve::Page;

/// Each part is told as far as it can be: one record that cannot be read does not take the page away. `told` hears what could
/// not.
pub(super) fn page(config: &Config, base: &str, now: Timestamp, told: fn(&dyn fmt::Display)) -> Page {
    let parts = Parts { told };
    let status = status::status(config, now);
    if matches!(&status, Err(Error::Layout(absent)) if absent.code() == "no-store") {
        return super::nothing_yet();
    }
    let client = client::client_of_live(config, base);
    let runs = runs::records(config);
    let content = html! {
        h1 { "What this mirror holds" }
        (parts.of("The state", status.as_ref(), |status| in_short(status, runs.as_deref().unwrap_or_default(), now)))
        (parts.of("Client set-up", client.as_ref(), |client| html! {
            @if let Some(client) = client { (use_it(client)) }
        }))
        (parts.of("The last runs", runs.as_ref(), |runs| last_runs(runs, now)))
        (parts.of("The repositories", status.as_ref(), |status| repositories(&status.repositories)))
        (parts.of("The keys", client.as_ref(), |client| html! { @if let Some(client) = client { (keys(client)) } }))
    };
    Frame { title: "Mirror", part: Part::Home, up: "" }.page(200, content)
}

/// Parts of the page, each on its own.
struct Parts {
    told: fn(&dyn fmt::Display),
}

impl Parts {
    fn of<T>(&self, name: &str, told: Result<&T, &Error>, show: impl FnOnce(&T) -> Markup) -> Markup {
        match told {
            Ok(known) => show(known),
            Err(error) => {
                (self.told)(error);
                html! { p.notice { strong { (name) " cannot be told (" (error.code()) "). " } "The server's log says why." } }
            }
        }
    }
}

fn use_it(client: &ClientReport) -> Markup {
    html! {
        section aria-labelledby="use" {
            h2 #use { "Use it on your machine" }
            (setup::lines(client))
            p { a href="setup" { "Keys, and a script that does it" } }
        }
    }
}

/// Of many that are not fresh so many are named at once.
const NAMED: usize = 12;

/// For who has no time: is all well, and if not, what is it?
fn in_short(status: &StatusReport, runs: &[(Task, TaskRecord)], now: Timestamp) -> Markup {
    let all = status.repositories.len() as u64;
    let troubles = troubles(status, runs, now);
    let worst = troubles.iter().map(|(standing, _)| *standing).max().unwrap_or(Standing::Good);
    let verdict = match troubles.len() {
        0 if all == 1 => "Its index is fresh.".to_owned(),
        0 => format!("All {all} indexes are fresh."),
        1 => "One thing is not as it should be:".to_owned(),
        many => format!("{many} things are not as they should be:"),
    };
    let packages: u64 = status.repositories.iter().map(|one| one.packages).sum();
    let bytes: u64 = status.repositories.iter().map(|one| one.bytes).sum();
    html! {
        p.short { (worst.badge(word(worst))) " " (verdict) }
        @if !troubles.is_empty() {
            ul.troubles {
                @for (standing, trouble) in troubles.iter().take(NAMED) { li class=(standing.class()) { (trouble) } }
                @if troubles.len() > NAMED { li { "and " (troubles.len() - NAMED) " more, below" } }
            }
        }
        p {
            (words::counted(packages, "package", "packages")) ", " (words::size(bytes)) ". "
            @if let (Some(live), Some(snapshot)) =
                (status.live, status.repositories.iter().find_map(|one| one.snapshot.as_deref()))
            {
                "Live is generation " (live) ", which shows snapshot " code { (snapshot) } "."
            } @else {
                "Nothing is published yet."
            }
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

/// What is not as it should be, the worst first; in words that give away nothing of the operator's own.
fn troubles(status: &StatusReport, runs: &[(Task, TaskRecord)], now: Timestamp) -> Vec<(Standing, String)> {
    let mut troubles = Vec::new();
    if status.damaged_objects > 0 {
        let packages = words::counted(status.damaged_objects, "package is", "packages are");
        troubles.push((Standing::Bad, format!("{packages} damaged on the server's disk")));
    }
    for repository in &status.repositories {
        let (standing, why) = standing(repository);
        if standing != Standing::Good {
            let name = format!("{}, {}", repository.name, repository.arch);
            troubles.push((standing, format!("{name}: {}", why.as_deref().unwrap_or("stale"))));
        }
    }
    for bundles in status.bundles.iter().filter(|bundles| bundles.stale) {
        let age =
            bundles.age_seconds.map_or_else(|| "came yet".to_owned(), |age| format!("came for {}", words::span(age)));
        troubles.push((Standing::Bad, format!("no bundle of {} {age}", bundles.source)));
    }
    for (task, record) in runs {
        let Some(run) = record.runs.last() else { continue };
        let (standing, word) = words::ended(run.exit);
        // That another was busy, or that it was stopped, is no trouble.
        if standing != Standing::Good && !matches!(run.exit, 6 | 128..) {
            let ago = words::ago(status::seconds_since(run.started, now));
            troubles.push((standing, format!("the last {task}, {ago}: {word}")));
        }
    }
    for backup in &status.backups {
        if backup.last.is_none() {
            troubles.push((Standing::Doubtful, format!("backup {} was never made", backup.name)));
        } else if backup.damaged > 0 {
            troubles.push((Standing::Doubtful, format!("backup {} has damage that the next one mends", backup.name)));
        }
    }
    if let Some(number) = status.restored_from {
        troubles.push((
            Standing::Doubtful,
            format!("what is live was brought back from a backup (its generation {number})"),
        ));
    }
    // The worst first; equals stay in this order.
    troubles.sort_by_key(|(standing, _)| std::cmp::Reverse(*standing));
    troubles
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Good => "Fresh",
        Standing::Doubtful => "Needs a look",
        Standing::Bad => "Trouble",
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

/// Branch by branch; of many those alone are open in which something is not fresh.
fn repositories(repositories: &[RepositoryStatus]) -> Markup {
    let branches = by_branch(repositories);
    html! {
        section aria-labelledby="repositories" {
            h2 #repositories { "Repositories" }
            @for (branch, repositories) in &branches {
                @let fresh = repositories.iter().filter(|one| standing(one).0 == Standing::Good).count();
                details.branch open[branches.len() <= FEW || fresh < repositories.len()] {
                    summary {
                        (branch) " "
                        span.count { (fresh) " of " (words::counted(repositories.len() as u64, "index", "indexes")) " fresh" }
                    }
                    (branch_table(branch, repositories))
                }
            }
        }
    }
}

/// So many branches are seen at a glance.
const FEW: usize = 4;

fn branch_table(branch: &str, repositories: &[&RepositoryStatus]) -> Markup {
    html! {
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
                                (standing.badge(match standing {
                                    Standing::Good => "Fresh",
                                    Standing::Doubtful => "Needs a look",
                                    Standing::Bad => "Stale",
                                }))
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

fn folder(repository: &RepositoryStatus) -> String {
    format!("{}/", repository.name.folder(&repository.arch).display())
}

fn last_runs(records: &[(Task, TaskRecord)], now: Timestamp) -> Markup {
    let sync = records.iter().find(|(task, _)| *task == Task::Sync);
    let last = records.iter().filter_map(|(task, record)| Some((task, record.runs.last()?)));
    html! {
        section aria-labelledby="runs" {
            h2 #runs { "Last runs" }
            @if let Some((task, record)) = sync { (chart::runs(task, &record.runs)) }
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
                                    td { (words::ago(status::seconds_since(run.started, now))) }
                                    td { (standing.badge(word)) }
                                    td.own-line { (words::outcome(task, run)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
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
