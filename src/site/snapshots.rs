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
    let content = html! {
        h1 { "Snapshots" }
        p { "A generation is what clients saw; a snapshot is what was accepted from the sources. Choose two of a kind to see \
            what changed between them." }
        section aria-labelledby="generations" {
            h2 #generations { "Generations" }
            form action="diff" { (generation_table(&generations)) (compare(generations.len())) }
        }
        section aria-labelledby="snapshots" {
            h2 #snapshots { "Snapshots" }
            form action="diff" { (snapshot_table(&snapshots)) (compare(snapshots.len())) }
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
                            (choice(at, &generation.id.to_string(), "generation"))
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

fn snapshot_table(snapshots: &[SnapshotReport]) -> Markup {
    html! {
        div.sideways tabindex="0" role="region" aria-label="All snapshots" {
            table {
                thead { tr {
                    th scope="col" { "From" } th scope="col" { "To" } th scope="col" { "Id" } th scope="col" { "Taken" }
                    th.figure scope="col" { "Indexes" }
                } }
                tbody {
                    @for (at, snapshot) in snapshots.iter().enumerate() {
                        tr {
                            (choice(at, &snapshot.id, "snapshot"))
                            th scope="row" {
                                code { (snapshot.id) }
                                @if snapshot.live { " " span.tag { "live" } }
                                @if snapshot.pinned { " " span.tag { "pinned" } }
                                @for name in &snapshot.at { " " span.tag { "@" (name) } }
                            }
                            td { (words::time(snapshot.time)) }
                            td.figure { (words::number(snapshot.indexes)) }
                        }
                    }
                }
            }
        }
    }
}

/// Two cells: from here, and to here. At first the newest is compared with the one before.
fn choice(at: usize, id: &str, what: &str) -> Markup {
    html! {
        td { input type="radio" name="from" value=(id) checked[at == 1] aria-label={ "From " (what) " " (id) }; }
        td { input type="radio" name="to" value=(id) checked[at == 0] aria-label={ "To " (what) " " (id) }; }
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
