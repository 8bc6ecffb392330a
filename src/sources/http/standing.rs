//! Whether a URL is still worth asking in this run.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long nothing may have come from a URL, and so many requests in a row must have failed for it, before it is left alone. A
/// server that restarts is back long before; one that is silent for every package would hold the run for days.
const PATIENCE: Duration = Duration::from_secs(600);
const FAILURES: u32 = 3;

/// What became of the last requests to one URL.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<Failing>);

#[derive(Debug, Default)]
struct Failing {
    requests: u32,
    since: Option<Instant>,
}

impl Standing {
    /// Something came.
    pub(super) fn answered(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Failing::default();
    }

    /// A request was given up, all its attempts without an answer.
    pub(super) fn failed(&self, now: Instant) {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failing.requests = failing.requests.saturating_add(1);
        failing.since.get_or_insert(now);
    }

    /// Whether it is left alone from now on.
    pub(super) fn is_given_up(&self, now: Instant) -> bool {
        let failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failing.requests >= FAILURES && failing.since.is_some_and(|since| now.duration_since(since) >= PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_left_alone_after_many_failures_and_a_long_time() {
        let (standing, start) = (Standing::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        for second in 0..100 {
            standing.failed(after(second));
        }
        assert!(!standing.is_given_up(after(599)), "a restart may take minutes");
        assert!(standing.is_given_up(after(600)));
        standing.answered();
        standing.failed(after(601));
        standing.failed(after(1300));
        assert!(!standing.is_given_up(after(1300)), "two failures may be chance");
        standing.failed(after(1300));
        assert!(standing.is_given_up(after(1300)));
    }
}
