//! Whether a connection that is not silent is still too slow to wait for.

use std::time::Duration;

/// Counts what comes in, span by span. Only time spent waiting for the server counts: a slow disk of ours is not its fault.
pub(super) struct Pace {
    slowest: u64,
    span: Duration,
    bytes: u64,
    waited: Duration,
    left: Option<Duration>,
    within: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    FastEnough,
    TooSlow,
    /// All of it should have come within this time.
    TooLate(Duration),
}

impl Pace {
    /// `slowest` is in bytes a second, measured over each `span`.
    pub(super) fn new(slowest: u64, span: Duration) -> Self {
        Pace { slowest, span, bytes: 0, waited: Duration::ZERO, left: None, within: Duration::ZERO }
    }

    /// All of it must come within `within`.
    pub(super) fn within(self, within: Duration) -> Self {
        Pace { left: Some(within), within, ..self }
    }

    /// `bytes` came after `waited`.
    pub(super) fn add(&mut self, bytes: u64, waited: Duration) -> Verdict {
        self.bytes += bytes;
        self.waited += waited;
        if let Some(left) = &mut self.left {
            match left.checked_sub(waited) {
                Some(rest) => *left = rest,
                None => return Verdict::TooLate(self.within),
            }
        }
        if self.waited < self.span {
            return Verdict::FastEnough;
        }
        let least = self.waited.as_secs_f64() * self.slowest as f64;
        let verdict = if (self.bytes as f64) < least { Verdict::TooSlow } else { Verdict::FastEnough };
        (self.bytes, self.waited) = (0, Duration::ZERO);
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_too_slow_once_a_span_is_over() {
        let mut pace = Pace::new(512, Duration::from_secs(30));
        for _ in 0..2 {
            assert_eq!(pace.add(1, Duration::from_secs(10)), Verdict::FastEnough);
        }
        assert_eq!(pace.add(1, Duration::from_secs(10)), Verdict::TooSlow);
    }

    #[test]
    fn each_span_is_judged_by_itself() {
        let mut pace = Pace::new(512, Duration::from_secs(30));
        assert_eq!(pace.add(100 << 20, Duration::from_secs(30)), Verdict::FastEnough);
        assert_eq!(pace.add(512 * 30, Duration::from_secs(30)), Verdict::FastEnough);
        assert_eq!(pace.add(512 * 30 - 1, Duration::from_secs(30)), Verdict::TooSlow);
    }

    #[test]
    fn what_must_come_within_a_time_is_late_after_it_however_steadily_it_comes() {
        let mut pace = Pace::new(512, Duration::from_secs(30)).within(Duration::from_secs(900));
        for _ in 0..90 {
            assert_eq!(pace.add(600 * 10, Duration::from_secs(10)), Verdict::FastEnough);
        }
        assert_eq!(pace.add(600, Duration::from_secs(1)), Verdict::TooLate(Duration::from_secs(900)));
    }

    #[test]
    fn without_a_limit_nothing_is_too_slow() {
        assert_eq!(Pace::new(0, Duration::from_secs(1)).add(0, Duration::from_secs(100)), Verdict::FastEnough);
    }
}
