//! Pages for people beside the public tree: what is here and how fresh it is, packages, snapshots, and how a client is set
//! up. Made anew for each request from what jobs report; nothing on disk is the site's own.
//!
//! ```text
//! /            the mirror: repositories, last runs, keys      /setup      what a client needs
//! /search      names that fit ?q=                             /setup.sh   the same as a script
//! /package     ?name=, and ?version= of several               /files      the tree's top folder
//! /why         the chain by which ?name= is mirrored          /style.css  /copy.js  /icon.svg
//! /snapshots   generations and snapshots
//! /diff        what changed ?from= one ?to= another
//! ```
//!
//! What always holds:
//!
//! - Every page works without a script; `copy.js` only adds buttons.
//! - Every text goes through [`maud`], which escapes it; a link leads below this server, or by http(s) to a package's own
//!   page.
//! - Links are relative, so all of it may stand below a path of another server's.
//! - Only the paths above are taken, exactly: a folder of the tree that is called `search` is still there as `/search/`.

mod chart;
mod diff;
mod folder;
mod frame;
mod home;
mod package;
mod query;
mod search;
mod setup;
mod snapshots;
mod why;
mod words;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::config::Current;
use crate::error::Trouble as _;
use crate::jobs::Error;
use crate::jobs::catalogue::{self, Catalogue};
use crate::serve::{Asked, Kept, Listing, Page, Pages};
use frame::{Frame, Part};
use query::Query;

/// The pages.
pub struct Site {
    config: Current,
    clock: fn() -> Timestamp,
    told: fn(&dyn fmt::Display),
    catalogue: Mutex<Option<Arc<Catalogue>>>,
}

impl Site {
    /// Pages about the configuration in use. `told` hears why a page could not be made; who asked for it is told no more than
    /// that.
    pub fn new(config: Current, clock: fn() -> Timestamp, told: fn(&dyn fmt::Display)) -> Site {
        Site { config, clock, told, catalogue: Mutex::new(None) }
    }

    /// What is live, read once for a generation; `None` before the first.
    fn catalogue(&self) -> Result<Option<Arc<Catalogue>>, Error> {
        let config = self.config.get();
        // Held while it is read: whoever comes meanwhile waits for that one.
        let mut kept = self.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        let live = catalogue::live(&config)?;
        if kept.as_ref().map(|kept| kept.generation) != live {
            // The former one goes first: both at once are twice the memory.
            *kept = None;
            *kept = catalogue::catalogue(&config)?.map(Arc::new);
        }
        Ok(kept.clone())
    }

    fn make(&self, asked: &Asked) -> Result<Page, Error> {
        let (config, now, query) = (self.config.get(), (self.clock)(), Query::new(&asked.query));
        let base = setup::base(asked);
        let listed = |page: fn(&Catalogue, &Query) -> Page| {
            Ok(self.catalogue()?.map_or_else(nothing_yet, |catalogue| page(&catalogue, &query)))
        };
        match asked.path.as_str() {
            "/" => home::page(&config, &base, now),
            "/search" => listed(search::page),
            "/package" => listed(package::page),
            "/why" => why::page(&config, &query),
            "/snapshots" => snapshots::page(&config),
            "/diff" => diff::page(&config, &query),
            "/setup" => setup::page(&config, &base),
            "/setup.sh" => setup::script(&config, &base),
            // `has` knows no other.
            _ => folder::top(&config),
        }
    }
}

impl Pages for Site {
    fn has(&self, path: &str) -> bool {
        asset(path).is_some()
            || matches!(
                path,
                "/" | "/search" | "/package" | "/why" | "/snapshots" | "/diff" | "/setup" | "/setup.sh" | "/files"
            )
    }

    fn page(&self, asked: &Asked) -> Page {
        if let Some((content_type, text)) = asset(&asked.path) {
            return Page { status: 200, content_type, kept: Kept::Hour, body: text.as_bytes().into() };
        }
        self.make(asked).unwrap_or_else(|error| self.trouble(&error))
    }

    fn folder(&self, listing: &Listing) -> Option<Page> {
        Some(folder::page(listing))
    }
}

impl Site {
    /// What was named is not there, or something is wrong here; the latter is for the log alone.
    fn trouble(&self, error: &Error) -> Page {
        match error {
            Error::NoState(_) | Error::NoSuchPackage { .. } => {
                said(404, "Not found", &crate::error::in_one_line(error))
            }
            // Before the first sync there is no store.
            Error::Layout(absent) if absent.code() == "no-store" => nothing_yet(),
            _ => {
                (self.told)(error);
                said(500, "This page cannot be made", "The server's log says why.")
            }
        }
    }
}

/// What never changes.
fn asset(path: &str) -> Option<(&'static str, &'static str)> {
    Some(match path {
        "/style.css" => ("text/css; charset=utf-8", include_str!("assets/style.css")),
        "/copy.js" => ("text/javascript; charset=utf-8", include_str!("assets/copy.js")),
        "/icon.svg" => ("image/svg+xml", include_str!("assets/icon.svg")),
        _ => return None,
    })
}

/// A page that says one thing.
fn said(status: u16, title: &str, text: &str) -> Page {
    Frame { title, part: Part::Other, up: "" }.page(
        status,
        maud::html! {
            h1 { (title) }
            p { (text) }
            p { a href="./" { "To the first page" } }
        },
    )
}

fn nothing_yet() -> Page {
    said(503, "Nothing is published yet", "Packages will be here after the first sync.")
}

#[cfg(test)]
mod tests;
