//! How many bytes a second may come, by the time of day. The rule is pure; the clock is the caller's.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

const NANOS_PER_SECOND: u128 = 1_000_000_000;
const MINUTE: u128 = 60 * NANOS_PER_SECOND;
const DAY: u128 = 24 * 60 * MINUTE;

/// A limit for a part of each day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Bytes a second, more than 0.
    pub limit: u64,
    /// Where it begins: minutes after midnight UTC, 0 to 1439.
    pub from: u16,
    /// Where it ends, 1 to 1440; at or before `from`: on the next day.
    pub to: u16,
}

impl Window {
    /// All day.
    pub fn always(limit: u64) -> Self {
        Window { limit, from: 0, to: 1440 }
    }

    fn holds(&self, minute: u16) -> bool {
        match self.from < self.to {
            true => (self.from..self.to).contains(&minute),
            false => minute >= self.from || minute < self.to,
        }
    }
}

/// Which limit holds when. Where windows overlap the first holds; where none does, there is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Window>);

impl Schedule {
    /// From windows of the day.
    pub fn new(windows: Vec<Window>) -> Self {
        Schedule(windows)
    }

    /// The limit at a time (nanoseconds since 1970), and when it may change next.
    fn at(&self, time: u128) -> (Option<u64>, u128) {
        let minute = u16::try_from(time % DAY / MINUTE).unwrap_or(0);
        let limit = self.0.iter().find(|window| window.holds(minute)).map(|window| window.limit);
        let midnight = time - time % DAY;
        let edges =
            self.0.iter().flat_map(|window| [window.from, window.to]).map(|edge| midnight + u128::from(edge) * MINUTE);
        let next = edges.filter(|edge| *edge > time).min().unwrap_or(midnight + DAY);
        (limit, next)
    }

    /// When `bytes` have passed, if the first of them sets out at `from`.
    fn passed(&self, bytes: u64, from: u128) -> u128 {
        let (mut at, mut left) = (from, u128::from(bytes) * NANOS_PER_SECOND);
        loop {
            let (limit, until) = self.at(at);
            let Some(limit) = limit.map(|limit| u128::from(limit.max(1))) else { return at };
            let fit = (until - at) * limit;
            if left <= fit {
                return at + left.div_ceil(limit);
            }
            left -= fit;
            at = until;
        }
    }
}

/// One limit for all who share it.
pub struct Limiter {
    schedule: Schedule,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// When all that was taken so far has passed, nanoseconds since 1970.
    free_at: Mutex<u128>,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("schedule", &self.schedule).finish_non_exhaustive()
    }
}

impl Limiter {
    /// `clock` must not go back: a step of the host's clock would stop or free the wire.
    pub fn new(schedule: Schedule, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Limiter { schedule, clock: Box::new(clock), free_at: Mutex::new(0) }
    }

    /// Takes note of bytes that came, and says how long to wait before the next are asked for. What was not used while nothing
    /// came is not saved up.
    pub fn take(&self, bytes: u64) -> Duration {
        let now = u128::try_from((self.clock)().as_nanosecond()).unwrap_or(0);
        // A number that a panicking thread left half changed does not exist.
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        *free_at = self.schedule.passed(bytes, now.max(*free_at));
        Duration::from_nanos(u64::try_from(*free_at - now).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// A clock that stands until it is moved.
    fn limiter(windows: Vec<Window>, start: &str) -> (Limiter, Arc<Mutex<Timestamp>>) {
        let now = Arc::new(Mutex::new(start.parse::<Timestamp>().unwrap()));
        let clock = Arc::clone(&now);
        (Limiter::new(Schedule::new(windows), move || *clock.lock().unwrap()), now)
    }

    fn pass(now: &Mutex<Timestamp>, span: Duration) {
        let mut now = now.lock().unwrap();
        *now = now.checked_add(span).unwrap();
    }

    const MORNING: &str = "2026-03-02T07:59:50Z";

    #[test]
    fn bytes_of_all_who_share_it_add_up() {
        let (limiter, now) = limiter(vec![Window::always(1000)], MORNING);
        assert_eq!(limiter.take(500), Duration::from_millis(500));
        assert_eq!(limiter.take(1500), Duration::from_secs(2), "another connection, at the same instant");
        pass(&now, Duration::from_secs(1));
        assert_eq!(limiter.take(1000), Duration::from_secs(2));
    }

    #[test]
    fn time_in_which_nothing_came_is_not_saved_up() {
        let (limiter, now) = limiter(vec![Window::always(1000)], MORNING);
        limiter.take(1000);
        pass(&now, Duration::from_secs(3600));
        assert_eq!(limiter.take(1000), Duration::from_secs(1));
    }

    #[test]
    fn whoever_waits_as_told_is_never_above_the_limit() {
        let (limiter, now) = limiter(vec![Window::always(20_000_000)], MORNING);
        let start = *now.lock().unwrap();
        let mut bytes = 0;
        for chunk in (1..2000).map(|n| n * 37 % 65_536) {
            bytes += chunk;
            pass(&now, limiter.take(chunk));
        }
        let seconds = now.lock().unwrap().duration_since(start).as_secs_f64();
        let rate = bytes as f64 / seconds;
        assert!((19_999_000.0..=20_000_000.0).contains(&rate), "{rate}");
    }

    #[test]
    fn a_window_begins_in_the_middle_of_what_is_under_way_and_ends_so() {
        let day = Window { limit: 1000, from: 8 * 60, to: 18 * 60 };
        let (before, now) = limiter(vec![day], MORNING);
        assert_eq!(before.take(1 << 40), Duration::ZERO, "no window, no limit");
        pass(&now, Duration::from_secs(10));
        assert_eq!(before.take(2000), Duration::from_secs(2));
        let (evening, _) = limiter(vec![day], "2026-03-02T17:59:55Z");
        assert_eq!(evening.take(1 << 40), Duration::from_secs(5), "the rest passes when the window is over");
        let slower = Window { limit: 100, from: 18 * 60, to: 8 * 60 };
        let (evening, _) = limiter(vec![day, slower], "2026-03-02T17:59:55Z");
        assert_eq!(evening.take(6000), Duration::from_secs(5 + 10));
    }

    #[test]
    fn a_window_may_hold_over_midnight_and_all_day() {
        let night = Window { limit: 10, from: 22 * 60, to: 6 * 60 };
        let limit = |time: &str| limiter(vec![night], time).0.take(10);
        assert_eq!(limit("2026-03-02T23:30:00Z"), Duration::from_secs(1));
        assert_eq!(limit("2026-03-02T05:59:00Z"), Duration::from_secs(1));
        assert_eq!(limit("2026-03-02T06:00:00Z"), Duration::ZERO);
        assert_eq!(limit("2026-03-02T21:59:59Z"), Duration::ZERO);
        let (always, _) = limiter(vec![Window::always(1)], MORNING);
        assert_eq!(always.take(3 * 86_400), Duration::from_secs(3 * 86_400), "over midnights");
    }
}
