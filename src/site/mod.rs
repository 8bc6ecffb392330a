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

use crate::config::{Config, Current};
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
    read: Mutex<Option<Read>>,
}

/// What was read of a mirror, and by which configuration.
struct Read {
    config: Arc<Config>,
    catalogue: Arc<Catalogue>,
}

impl Site {
    /// Pages about the configuration in use. `told` hears why a page could not be made; who asked for it is told no more than
    /// that.
    pub fn new(config: Current, clock: fn() -> Timestamp, told: fn(&dyn fmt::Display)) -> Site {
        Site { config, clock, told, read: Mutex::new(None) }
    }

    /// What is live, read once for a generation; `None` before the first.
    fn catalogue(&self, config: &Arc<Config>) -> Result<Option<Arc<Catalogue>>, Error> {
        // Held while it is read: whoever comes meanwhile waits for that one.
        let mut kept = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let live = catalogue::live(config)?;
        let known =
            kept.as_ref().filter(|read| Arc::ptr_eq(&read.config, config) && Some(read.catalogue.generation) == live);
        if let Some(read) = known {
            return Ok(Some(Arc::clone(&read.catalogue)));
        }
        // The former one goes first: both at once are twice the memory.
        *kept = None;
        let Some(catalogue) = catalogue::catalogue(config)?.map(Arc::new) else { return Ok(None) };
        *kept = Some(Read { config: Arc::clone(config), catalogue: Arc::clone(&catalogue) });
        Ok(Some(catalogue))
    }

    fn make(&self, route: Route, asked: &Asked) -> Result<Page, Error> {
        let (config, query) = (self.config.get(), Query::new(&asked.query));
        let base = setup::base(&config, asked);
        let known = base.as_deref().unwrap_or(setup::UNKNOWN);
        match route {
            Route::Home => Ok(home::page(&config, known, (self.clock)(), self.told)),
            Route::Search | Route::Package | Route::Why => {
                let Some(catalogue) = self.catalogue(&config)? else { return Ok(nothing_yet()) };
                match route {
                    Route::Search => Ok(search::page(&catalogue, &query)),
                    Route::Package => Ok(package::page(&catalogue, &query)),
                    _ => why::page(&config, &catalogue, &query),
                }
            }
            Route::Snapshots => snapshots::page(&config),
            Route::Diff => diff::page(&config, &query),
            Route::Setup => setup::page(&config, known),
            Route::Script => match base {
                Some(base) => setup::script(&config, &base),
                // What it would write into a client's repositories nobody knows.
                None => Ok(Page::text(400, "the Host header does not say under which name this server is known\n")),
            },
            Route::Files => folder::top(&config),
        }
    }

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

impl Pages for Site {
    fn has(&self, path: &str) -> bool {
        asset(path).is_some() || Route::of(path).is_some()
    }

    fn at_hand(&self, asked: &Asked) -> Option<Page> {
        let (content_type, text) = asset(&asked.path)?;
        Some(Page { status: 200, content_type, kept: Kept::Hour, body: text.as_bytes().into() })
    }

    fn page(&self, asked: &Asked) -> Page {
        let made = Route::of(&asked.path).map(|route| self.make(route, asked));
        made.map_or_else(
            || said(404, "Not found", "There is no such page."),
            |made| made.unwrap_or_else(|error| self.trouble(&error)),
        )
    }

    fn folder(&self, listing: &Listing) -> Option<Page> {
        Some(folder::page(listing))
    }
}

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Home,
    Search,
    Package,
    Why,
    Snapshots,
    Diff,
    Setup,
    Script,
    Files,
}

impl Route {
    fn of(path: &str) -> Option<Route> {
        Some(match path {
            "/" => Route::Home,
            "/search" => Route::Search,
            "/package" => Route::Package,
            "/why" => Route::Why,
            "/snapshots" => Route::Snapshots,
            "/diff" => Route::Diff,
            "/setup" => Route::Setup,
            "/setup.sh" => Route::Script,
            "/files" => Route::Files,
            _ => return None,
        })
    }
}

/// What never changes: its type, and the text.
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
