//! What changed between two states.

use maud::{Markup, html};

use super::frame::{Frame, Part};
use super::query::{Query, link};
use super::{said, words};
use crate::apk::VersionText;
use crate::config::Config;
use crate::jobs::Error;
use crate::jobs::snapshots::{self, Change, Changed, IndexDiff, Origin};
use crate::serve::Page;

/// Packages of one index that are told; of a whole branch that came in there are thousands.
const MOST: usize = 1000;

pub(super) fn page(config: &Config, query: &Query) -> Result<Page, Error> {
    // Generations alone: a snapshot has also what was never published.
    let (Ok(from), Ok(to)) = (query.text("from").parse(), query.text("to").parse()) else {
        return Ok(said(404, "Nothing to compare", "Choose two generations on the page of snapshots."));
    };
    let report = snapshots::diff_of_generations(config, from, to)?;
    let title = format!("{} to {}", report.from, report.to);
    let content = html! {
        h1 { "What changed" }
        p.short { "From generation " (report.from) " to generation " (report.to) ". "
            a href=(link("diff", &[("from", &report.to), ("to", &report.from)])) { "The other way round" } }
        @if report.indexes.is_empty() { p { "Both list the same packages." } }
        @for index in &report.indexes { (of_index(index)) }
    };
    Ok(Frame { title: &title, part: Part::Snapshots, up: "" }.page(200, content))
}

fn of_index(index: &IndexDiff) -> Markup {
    let rows: Vec<(&Origin, &Changed)> =
        index.origins.iter().flat_map(|origin| origin.packages.iter().map(move |changed| (origin, changed))).collect();
    html! {
        section {
            h2 { (index.index) }
            p { (in_short(&rows)) }
            div.sideways tabindex="0" role="region" aria-label={ "Changes in " (index.index) } {
                table {
                    thead { tr { th scope="col" { "Package" } th scope="col" { "Change" } th scope="col" { "Before" }
                        th scope="col" { "After" } th scope="col" { "Source package" } } }
                    tbody {
                        @for (origin, changed) in rows.iter().take(MOST) {
                            @let (word, before, after) = words_of(&changed.change);
                            tr {
                                th scope="row" {
                                    // What went may have no page any more.
                                    @if after.is_empty() { (changed.name) } @else {
                                        a href=(link("package", &[("name", changed.name.as_str())])) { (changed.name) }
                                    }
                                }
                                td { (word) } td { (before) } td { (after) }
                                td { (origin.origin) }
                            }
                        }
                    }
                }
            }
            @if rows.len() > MOST {
                p { (words::number((rows.len() - MOST) as u64)) " more are not shown; " code { "bivouac diff" } " tells all." }
            }
        }
    }
}

/// `3 added, 1 upgraded`.
fn in_short(rows: &[(&Origin, &Changed)]) -> String {
    let mut counts: Vec<(&str, u64)> = Vec::new();
    for (_, changed) in rows {
        let (word, _, _) = words_of(&changed.change);
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{} {word}", words::number(*count))).collect();
    format!("{}.", counts.join(", "))
}

fn words_of(change: &Change) -> (&'static str, String, String) {
    let list = |versions: &[VersionText]| versions.iter().map(VersionText::as_str).collect::<Vec<_>>().join(", ");
    match change {
        Change::Added { to } => ("added", String::new(), list(to)),
        Change::Removed { from } => ("removed", list(from), String::new()),
        Change::Upgraded { from, to } => ("upgraded", list(from), list(to)),
        Change::Downgraded { from, to } => ("downgraded", list(from), list(to)),
        Change::Rebuilt { version } => ("rebuilt", version.to_string(), format!("{version}, other bytes")),
    }
}
