//! The last runs of a task as bars: how long each took and how it ended.

use maud::{Markup, html};

use super::words::{self, Standing};
use crate::jobs::{Run, Task};

const BAR: usize = 10;
const STEP: usize = 14;
const HEIGHT: f64 = 64.0;
/// Above the bars is room for a sign on those that did not end well.
const TOP: f64 = 14.0;

/// A figure of these runs, the oldest first, and behind it the same as a table.
pub(super) fn runs(task: &Task, runs: &[Run]) -> Markup {
    let longest = runs.iter().map(|run| run.seconds).fold(0.0, f64::max);
    let ended_well = runs.iter().filter(|run| run.exit == 0).count();
    let summary = format!(
        "{} of {task}: {ended_well} ended well, {} did not. The longest took {}.",
        words::counted(runs.len() as u64, "run", "runs"),
        runs.len() - ended_well,
        seconds(longest),
    );
    let (width, bottom) = (runs.len() * STEP, TOP + HEIGHT);
    html! {
        figure {
            svg.chart role="img" aria-label=(summary) width=(width) height=(bottom + 1.0)
                viewBox={ "0 0 " (width) " " (bottom + 1.0) } {
                line.axis x1="0" x2=(width) y1=(bottom) y2=(bottom) {}
                @for (at, run) in runs.iter().enumerate() {
                    @let (standing, word) = words::ended(run.exit);
                    // By the root: a first sync of an hour and daily ones of seconds are both seen.
                    @let height = if longest > 0.0 { 4.0 + (HEIGHT - 4.0) * (run.seconds / longest).sqrt() } else { 4.0 };
                    @let (x, y) = (at * STEP + (STEP - BAR) / 2, bottom - height);
                    g class=(standing.class()) {
                        title { (run.started.strftime("%Y-%m-%d %H:%M")) " UTC, " (seconds(run.seconds)) ": " (word) }
                        rect x=(x) y={ (format!("{y:.1}")) } width=(BAR) height={ (format!("{height:.1}")) } {}
                        @if standing != Standing::Good {
                            // A sign beside the colour.
                            path d={ "M" (x + 1) " " (format!("{:.1}", y - 10.0)) "l8 8m0-8l-8 8" } {}
                        }
                    }
                }
            }
            figcaption { (summary) " The oldest is on the left; a cross marks what did not end well." }
        }
        details {
            summary { "These runs as a table" }
            div.sideways tabindex="0" role="region" aria-label={ "Runs of " (task) } {
                table.stack {
                    thead { tr { th scope="col" { "Began" } th scope="col" { "Took" } th scope="col" { "Ended" }
                        th scope="col" { "What came of it" } } }
                    tbody {
                        @for run in runs.iter().rev() {
                            @let (standing, word) = words::ended(run.exit);
                            tr {
                                th scope="row" { (words::time(run.started)) }
                                td.figure { (seconds(run.seconds)) }
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

/// Short runs to a tenth.
fn seconds(seconds: f64) -> String {
    // No run is negative or longer than the age of the universe.
    if seconds < 10.0 { format!("{seconds:.1} s") } else { words::span(seconds.round() as u64) }
}
