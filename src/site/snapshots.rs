//! What was published when, and what was accepted when.

use maud::{Markup, html};

use super::frame::{Frame, Part};
use super::words;
use crate::config::Config;
use crate::jobs::Error;
use crate::jobs::history::{self, CauseWord, GenerationReport};
use crate::jobs::snapshots::{self, SnapshotReport};
use crate::serve::Page;

pub(super) fn page(config: &Config) -> Result<Page, Error> {
    let (generations, snapshots) = (history::history(config, None)?, snapshots::snapshots(config)?);
    if generations.is_empty() {
        return Ok(super::nothing_yet());
    }
    let content = html! {
        h1 { "Snapshots" }
        p { "A snapshot is what was accepted from the sources; a generation shows one to clients, by the rules of its day. Choose \
            two to see what changed between them for clients." }
        section aria-labelledby="generations" {
            h2 #generations { "Generations" }
            form action="diff" { (generation_table(&generations)) (compare(generations.len())) }
        }
        section aria-labelledby="snapshots" {
            h2 #snapshots { "Snapshots" }
            form action="diff" {
                @let shown: Vec<Option<u64>> = snapshots.iter().map(|snapshot| shown_by(snapshot, &generations)).collect();
                (snapshot_table(&snapshots, &shown))
                (compare(shown.iter().flatten().count()))
            }
        }
    };
    Ok(Frame { title: "Snapshots", part: Part::Snapshots, up: "" }.page(200, content))
}

fn generation_table(generations: &[GenerationReport]) -> Markup {
    html! {
        div.sideways tabindex="0" role="region" aria-label="All generations" {
            table {
                thead { tr {
                    th scope="col" { "From" } th scope="col" { "To" } th scope="col" { "Number" } th scope="col" { "Made" }
                    th scope="col" { "By" } th.figure scope="col" { "Packages" } th.figure scope="col" { "Size" }
                    th scope="col" { "Shows" }
                } }
                tbody {
                    @for (at, generation) in generations.iter().enumerate() {
                        tr {
                            (choice(at, generation.id, &format!("generation {}", generation.id)))
                            th scope="row" { (generation.id) @if generation.live { " " span.tag { "live" } } }
                            td { (words::time(generation.time)) }
                            td { (cause(generation.cause)) @if let Some(shows) = generation.shows { " of " (shows) } }
                            td.figure { (words::number(generation.packages)) }
                            td.figure { (words::size(generation.bytes)) }
                            td { code { (generation.snapshot) } }
                        }
                    }
                }
            }
        }
    }
}

fn snapshot_table(snapshots: &[SnapshotReport], shown: &[Option<u64>]) -> Markup {
    let mut chosen = 0..;
    html! {
        div.sideways tabindex="0" role="region" aria-label="All snapshots" {
            table {
                thead { tr {
                    th scope="col" { "From" } th scope="col" { "To" } th scope="col" { "Id" } th scope="col" { "Taken" }
                    th scope="col" { "Shown by" }
                } }
                tbody {
                    @for (snapshot, shown) in snapshots.iter().zip(shown) {
                        tr {
                            // What no generation shows was never published, and is nobody's affair.
                            @match shown {
                                Some(number) => (choice(chosen.next().unwrap_or(usize::MAX), *number, &snapshot.id)),
                                None => { td {} td {} }
                            }
                            th scope="row" {
                                code { (snapshot.id) }
                                @if snapshot.live { " " span.tag { "live" } }
                                @if snapshot.pinned { " " span.tag { "pinned" } }
                                @for name in &snapshot.at { " " span.tag { "@" (name) } }
                            }
                            td { (words::time(snapshot.time)) }
                            td { @if let Some(number) = shown { "generation " (number) } @else { "none that is kept" } }
                        }
                    }
                }
            }
        }
    }
}

/// The newest generation that shows it.
fn shown_by(snapshot: &SnapshotReport, generations: &[GenerationReport]) -> Option<u64> {
    generations.iter().find(|generation| generation.snapshot == snapshot.id).map(|generation| generation.id)
}

/// Two cells: from here, and to here. At first the newest is compared with the one before.
fn choice(at: usize, generation: u64, what: &str) -> Markup {
    html! {
        td { input type="radio" name="from" value=(generation) checked[at == 1] aria-label={ "From " (what) }; }
        td { input type="radio" name="to" value=(generation) checked[at == 0] aria-label={ "To " (what) }; }
    }
}

fn compare(count: usize) -> Markup {
    html! { @if count > 1 { p { button { "Compare" } } } }
}

fn cause(cause: CauseWord) -> &'static str {
    match cause {
        CauseWord::Publication => "publication",
        CauseWord::Rollback => "rollback",
        CauseWord::Promotion => "promotion",
        CauseWord::Restore => "restore",
    }
}
