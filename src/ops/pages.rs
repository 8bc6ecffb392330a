//! What the server answers beside the public tree: `/metrics` and `/healthz`.

use std::sync::Arc;

use jiff::Timestamp;

use super::metrics;
use crate::config::Current;
use crate::serve::{Asked, Kept, Page, Pages, Traffic};

/// `/metrics`: all metrics, as in the textfile, and those of the server itself. `/healthz`: 200 where a generation is live,
/// else 503.
pub struct OpsPages {
    config: Current,
    traffic: Arc<Traffic>,
    clock: fn() -> Timestamp,
    told: fn(&dyn std::fmt::Display),
}

impl OpsPages {
    /// Pages about the configuration in use, and what a server counts in `traffic`. `told` hears why metrics cannot be made.
    pub fn new(
        config: Current,
        traffic: Arc<Traffic>,
        clock: fn() -> Timestamp,
        told: fn(&dyn std::fmt::Display),
    ) -> OpsPages {
        OpsPages { config, traffic, clock, told }
    }
}

impl Pages for OpsPages {
    fn has(&self, path: &str) -> bool {
        matches!(path, "/metrics" | "/healthz")
    }

    fn at_hand(&self, asked: &Asked) -> Option<Page> {
        // Whoever probes us waits for no page; it is one look at a link.
        let page = || match crate::jobs::serve::is_live(&self.config.get()) {
            true => Page::text(200, "ok\n"),
            false => Page::text(503, "nothing is published yet\n"),
        };
        (asked.path == "/healthz").then(page)
    }

    fn page(&self, _asked: &Asked) -> Page {
        let config = self.config.get();
        match metrics::page(&config, (self.clock)()) {
            Ok(text) => Page {
                status: 200,
                content_type: "text/plain; version=0.0.4; charset=utf-8",
                kept: Kept::Never,
                body: (text + &metrics::traffic(&self.traffic)).into_bytes().into(),
            },
            // The host's own words are for its own log.
            Err(error) => {
                (self.told)(&error);
                Page::text(500, "metrics cannot be made\n")
            }
        }
    }
}
