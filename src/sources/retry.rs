//! When a request is tried again: by kind of fault, with exponential backoff and full jitter. The rules are pure; the two
//! things they need from the world, chance and sleep, come through [`Pause`].

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::fault::{Fault, Kind};

/// An attempt that brought the file this much further than any before starts the count anew, so that a file of a gigabyte
/// survives more cuts than one of a kilobyte. It ends: a file has only so many such steps.
const PROGRESS: u64 = 16 << 20;

/// How often and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Attempts at each URL, at least 1 (0 counts as 1).
    pub attempts: u32,
    /// Upper bound of the first wait; it doubles with each further attempt.
    pub first: Duration,
    /// Upper bound of any wait of our own choosing.
    pub longest: Duration,
    /// The most that a server's `Retry-After` is honoured.
    pub retry_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            attempts: 4,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
            retry_after: Duration::from_secs(120),
        }
    }
}

impl Backoff {
    /// How long to wait after the failed attempt number `attempt` (from 1). `chance` is uniform in `[0, 1)`: full jitter,
    /// so that many clients which one outage cut off at once do not come back at once.
    pub fn wait(&self, attempt: u32, fault: &Fault, chance: f64) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        let ours = doubled.min(self.longest).mul_f64(chance.clamp(0.0, 1.0));
        match fault {
            Fault::Busy { wait, .. } => ours.max((*wait).min(self.retry_after)),
            _ => ours,
        }
    }
}

/// What to do after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same URL again, after this wait.
    Again(Duration),
    /// This URL is done with.
    GiveUp,
}

/// The attempts at one URL.
#[derive(Clone, Debug)]
pub struct Attempts {
    backoff: Backoff,
    current: u32,
    furthest: u64,
}

impl Attempts {
    /// None failed yet. `held` is how many bytes of the file there are already.
    pub fn new(backoff: Backoff, held: u64) -> Self {
        Attempts { backoff, current: 1, furthest: held }
    }

    /// The attempt under way, from 1, and how many there may be.
    pub fn count(&self) -> (u32, u32) {
        (self.current, self.backoff.attempts.max(1))
    }

    /// Decides after a fault. `held` is how many bytes of the file there are now.
    pub fn failed(&mut self, fault: &Fault, held: u64, chance: f64) -> Next {
        if fault.kind() != Kind::Passing {
            return Next::GiveUp;
        }
        if held >= self.furthest.saturating_add(PROGRESS) {
            self.current = 1;
            self.furthest = held;
        }
        let (current, attempts) = self.count();
        if current >= attempts {
            return Next::GiveUp;
        }
        self.current += 1;
        Next::Again(self.backoff.wait(current, fault, chance))
    }
}

/// Chance and sleep.
pub trait Pause: Send + Sync {
    /// Uniform in `[0, 1)`.
    fn chance(&self) -> f64;
    /// Ends after `wait`.
    fn sleep(&self, wait: Duration) -> BoxFuture<'_, ()>;
}

/// Real chance and real time.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealPause;

impl Pause for RealPause {
    fn chance(&self) -> f64 {
        // Without randomness the longest wait is the safe choice.
        getrandom::u32().map_or(1.0, |chance| f64::from(chance) / (f64::from(u32::MAX) + 1.0))
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Fault = Fault::Cut { got: 1, of: Some(2) };

    fn seconds(wait: Duration) -> f64 {
        wait.as_secs_f64()
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_jittered_in_full() {
        let backoff = Backoff::default();
        let longest: Vec<f64> = (1..=8).map(|attempt| seconds(backoff.wait(attempt, &CUT, 1.0))).collect();
        assert_eq!(longest, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
        assert_eq!(seconds(backoff.wait(3, &CUT, 0.25)), 1.0);
        assert_eq!(seconds(backoff.wait(3, &CUT, 0.0)), 0.0);
        assert_eq!(seconds(backoff.wait(u32::MAX, &CUT, 1.0)), 30.0);
    }

    #[test]
    fn retry_after_is_honoured_up_to_its_cap() {
        let busy = |wait| Fault::Busy { status: 503, wait: Duration::from_secs(wait) };
        let backoff = Backoff::default();
        assert_eq!(seconds(backoff.wait(1, &busy(7), 0.5)), 7.0);
        assert_eq!(seconds(backoff.wait(1, &busy(86_400), 0.5)), 120.0);
        assert_eq!(seconds(backoff.wait(4, &busy(1), 1.0)), 8.0, "our own wait when it is longer");
    }

    #[test]
    fn only_what_may_pass_is_tried_again_and_only_so_often() {
        let mut attempts = Attempts::new(Backoff::default(), 0);
        for expected in [1.0, 2.0, 4.0] {
            assert_eq!(attempts.failed(&CUT, 1, 1.0), Next::Again(Duration::from_secs_f64(expected)));
        }
        assert_eq!(attempts.count(), (4, 4));
        assert_eq!(attempts.failed(&CUT, 1, 1.0), Next::GiveUp);
        for fault in [
            Fault::Status(404),
            Fault::Status(401),
            Fault::Tls("expired".to_owned()),
            Fault::Wrong("size".to_owned()),
            Fault::RedirectLoop(5),
        ] {
            assert_eq!(Attempts::new(Backoff::default(), 0).failed(&fault, 0, 1.0), Next::GiveUp, "{fault}");
        }
        let once = Backoff { attempts: 0, ..Backoff::default() };
        assert_eq!(Attempts::new(once, 0).failed(&CUT, 0, 1.0), Next::GiveUp);
    }

    #[test]
    fn real_progress_starts_the_count_anew_and_a_file_from_the_start_again_does_not() {
        let mut attempts = Attempts::new(Backoff::default(), 0);
        for step in 1..=10 {
            assert!(matches!(attempts.failed(&CUT, step * PROGRESS, 1.0), Next::Again(_)));
            assert_eq!(attempts.count(), (2, 4));
        }
        // The server ignores ranges: the same bytes again are no progress.
        for _ in 0..2 {
            assert!(matches!(attempts.failed(&CUT, 5 * PROGRESS, 1.0), Next::Again(_)));
        }
        assert_eq!(attempts.failed(&CUT, 5 * PROGRESS, 1.0), Next::GiveUp);
    }
}
