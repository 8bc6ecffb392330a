//! What the server answers beside the public tree: `/metrics` and `/healthz`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::metrics;
use crate::config::Config;
use crate::jobs::Changing;
use crate::serve::{Asked, Kept, Objects, Page, Pages, Rules, Traffic, Usual};

/// The configuration in use, which a reload replaces.
#[derive(Clone, Debug)]
pub struct Current(Arc<Mutex<InUse>>);

#[derive(Debug)]
struct InUse {
    config: Arc<Config>,
    changing: Arc<Changing>,
}

impl InUse {
    fn new(config: Config) -> InUse {
        InUse { changing: Arc::new(Changing::of(&config)), config: Arc::new(config) }
    }
}

impl Current {
    /// This one, for now.
    pub fn new(config: Config) -> Current {
        Current(Arc::new(Mutex::new(InUse::new(config))))
    }

    /// The one in use.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.in_use().config)
    }

    /// From now on, this one.
    pub fn set(&self, config: Config) {
        *self.in_use() = InUse::new(config);
    }

    fn in_use(&self) -> MutexGuard<'_, InUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As the web servers are told by `web-config`: packages are kept for good, but where a source may replace them.
impl Rules for Current {
    fn kept(&self, segments: &[String]) -> Kept {
        match Usual.kept(segments) {
            Kept::ForGood => {
                let changing = Arc::clone(&self.in_use().changing);
                if changing.has(segments) { Kept::UntilAsked } else { Kept::ForGood }
            }
            usual => usual,
        }
    }

    fn objects(&self, generation: u64) -> Option<Objects> {
        crate::jobs::serve::objects(&self.get(), generation)
    }
}

/// `/metrics`: all metrics, as in the textfile, and those of the server itself. `/healthz`: 200 where a generation is live, else 503.
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
