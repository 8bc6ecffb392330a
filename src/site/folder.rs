//! Folders of the public tree.

use maud::html;

use super::frame::{Frame, Part};
use super::nothing_yet;
use crate::config::Config;
use crate::jobs::Error;
use crate::serve::{Listing, Page};

/// A folder's page.
pub(super) fn page(listing: &Listing) -> Page {
    let up = "../".repeat(listing.segments.len());
    show(listing, &up)
}

/// The top folder, which has no path of its own: the first page stands there.
pub(super) fn top(config: &Config) -> Result<Page, Error> {
    let read = config.public.canonicalize().and_then(|folder| Listing::read(&folder, Vec::new()));
    // It is away, or was switched in this moment.
    Ok(read.map_or_else(|_| nothing_yet(), |listing| show(&listing, "")))
}

fn show(listing: &Listing, up: &str) -> Page {
    let title = format!("/{}", listing.segments.join("/"));
    let depth = listing.segments.len();
    let content = html! {
        nav.crumbs aria-label="Folders above" {
            ol {
                li { a href={ (up) "files" } { "Files" } }
                @for (at, segment) in listing.segments.iter().enumerate() {
                    li {
                        @if at + 1 == depth { span aria-current="location" { (segment) } }
                        @else { a href=("../".repeat(depth - at - 1)) { (segment) } }
                    }
                }
            }
        }
        h1.path { (title) }
        @if listing.rows.is_empty() { p { "Nothing lies in this folder." } } @else {
            div.sideways tabindex="0" role="region" aria-label="What lies in this folder" {
                table.files {
                    thead { tr { th scope="col" { "Name" } th.figure scope="col" { "Size" } th scope="col" { "Changed (UTC)" } } }
                    tbody {
                        @for row in &listing.rows {
                            tr {
                                td { a href=(row.href()) { (row.name) (row.slash()) } }
                                // Nothing but what is read: a folder of a whole branch has thousands of rows.
                                td.figure { @if row.is_file { (crate::report::bytes(row.size)) } }
                                td { @if let Some(time) = row.modified { (time.strftime("%Y-%m-%d %H:%M")) } }
                            }
                        }
                    }
                }
            }
        }
    };
    Frame { title: &title, part: Part::Files, up }.page(200, content)
}
