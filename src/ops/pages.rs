//! What the server answers beside the public tree: `/metrics` and `/healthz`.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::metrics;
use crate::config::Config;
use crate::serve::{Asked, Kept, Page, Pages};

/// The configuration in use, which a reload replaces.
#[derive(Clone, Debug)]
pub struct Current(Arc<Mutex<Arc<Config>>>);

impl Current {
    /// This one, for now.
    pub fn new(config: Config) -> Current {
        Current(Arc::new(Mutex::new(Arc::new(config))))
    }

    /// The one in use.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on, this one.
    pub fn set(&self, config: Config) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

/// `/metrics`: all metrics, as in the textfile. `/healthz`: 200 where a generation is live, else 503.
pub struct OpsPages {
    config: Current,
    clock: fn() -> Timestamp,
    told: fn(&dyn std::fmt::Display),
}

impl OpsPages {
    /// Pages about the configuration in use. `told` hears why metrics cannot be made.
    pub fn new(config: Current, clock: fn() -> Timestamp, told: fn(&dyn std::fmt::Display)) -> OpsPages {
        OpsPages { config, clock, told }
    }
}

impl Pages for OpsPages {
    fn has(&self, path: &str) -> bool {
        matches!(path, "/metrics" | "/healthz")
    }

    fn page(&self, asked: &Asked) -> Page {
        let config = self.config.get();
        if asked.path == "/healthz" {
            return match crate::jobs::serve::is_live(&config) {
                true => Page::text(200, "ok\n"),
                false => Page::text(503, "nothing is published yet\n"),
            };
        }
        match metrics::page(&config, (self.clock)()) {
            Ok(text) => Page {
                status: 200,
                content_type: "text/plain; version=0.0.4; charset=utf-8",
                kept: Kept::Never,
                body: text.into_bytes().into(),
            },
            // The host's own words are for its own log.
            Err(error) => {
                (self.told)(&error);
                Page::text(500, "metrics cannot be made\n")
            }
        }
    }
}
