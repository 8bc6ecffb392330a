//! One line kept: what is due now, once, whatever the clock does meanwhile.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::CrontabLine;

/// A clock that is set back by no more than this is waited for: what ran already in that time is not run again. Set back
/// further it was wrong before, and nothing that it said counts (the bound is Vixie cron's).
const WAITED_FOR: SignedDuration = SignedDuration::from_hours(3);

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// When.
    pub line: CrontabLine,
    /// On whose wall.
    pub zone: TimeZone,
    /// At most so much later, by chance, and always before the line's next time.
    pub jitter: Duration,
}

/// A rule with what is known of its past and its next time.
#[derive(Clone, Debug)]
pub struct Appointment {
    rule: Rule,
    /// All up to here is done with.
    since: Timestamp,
    /// The next time with its share of chance; none: never again.
    next: Option<Timestamp>,
    /// How far all was done with, by a clock that was ahead of this one. If this one comes so far it was right: a host without a
    /// clock of its own begins in 1970.
    ahead: Option<Timestamp>,
}

impl Appointment {
    /// Keeps `rule`, all times after `since`. `chance` picks a span below the one it is given.
    pub fn new(rule: Rule, since: Timestamp, chance: &mut dyn FnMut(Duration) -> Duration) -> Self {
        let mut appointment = Appointment { rule, since, next: None, ahead: None };
        appointment.renew(since, chance);
        appointment
    }

    /// The next time.
    pub fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Whether it is due at `now`. If it is, all times up to now are done with: however many were missed, it is due once.
    pub fn take(&mut self, now: Timestamp, chance: &mut dyn FnMut(Duration) -> Duration) -> bool {
        if self.since.duration_since(now) > WAITED_FOR {
            self.ahead = Some(self.since);
            self.renew(now, chance);
        }
        if let Some(ahead) = self.ahead.take_if(|ahead| *ahead <= now) {
            self.renew(ahead, chance);
        }
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.renew(now, chance);
        }
        due
    }

    fn renew(&mut self, since: Timestamp, chance: &mut dyn FnMut(Duration) -> Duration) {
        let Rule { line, zone, jitter } = &self.rule;
        self.since = since;
        self.next = line.next(zone, since).map(|due| {
            // Past the following time it would swallow that one.
            let following = line.next(zone, due).map(|following| following.duration_since(due).unsigned_abs());
            let most = following.map_or(*jitter, |following| following.min(*jitter));
            if most.is_zero() { due } else { due.checked_add(chance(most)).unwrap_or(due) }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-12-{text}:00Z").parse().unwrap()
    }

    fn rule(line: &str, jitter: u64) -> Rule {
        Rule { line: line.parse().unwrap(), zone: TimeZone::UTC, jitter: Duration::from_secs(jitter) }
    }

    fn no_chance(_: Duration) -> Duration {
        Duration::ZERO
    }

    #[test]
    fn due_once_at_its_time() {
        let mut hourly = Appointment::new(rule("17 * * * *", 0), at("01T02:30"), &mut no_chance);
        assert_eq!(hourly.next(), Some(at("01T03:17")));
        assert!(!hourly.take(at("01T03:16"), &mut no_chance));
        assert!(hourly.take(at("01T03:17"), &mut no_chance));
        assert!(!hourly.take(at("01T03:17"), &mut no_chance));
        assert_eq!(hourly.next(), Some(at("01T04:17")));
    }

    #[test]
    fn after_a_sleep_it_is_caught_up_with_once() {
        let mut hourly = Appointment::new(rule("17 * * * *", 0), at("01T02:30"), &mut no_chance);
        assert!(hourly.take(at("02T09:00"), &mut no_chance));
        assert!(!hourly.take(at("02T09:00"), &mut no_chance));
        assert_eq!(hourly.next(), Some(at("02T09:17")));
    }

    #[test]
    fn clock_steps_run_nothing_twice_and_never_stop_it() {
        let mut hourly = Appointment::new(rule("17 * * * *", 0), at("05T02:30"), &mut no_chance);
        assert!(hourly.take(at("05T03:17"), &mut no_chance));
        // Back by a few minutes: 03:17 was there already.
        assert!(!hourly.take(at("05T03:10"), &mut no_chance));
        assert!(!hourly.take(at("05T03:17"), &mut no_chance));
        assert!(!hourly.take(at("05T04:16"), &mut no_chance));
        assert!(hourly.take(at("05T04:17"), &mut no_chance));
        // It was a day ahead all the time.
        assert!(!hourly.take(at("04T04:20"), &mut no_chance));
        assert_eq!(hourly.next(), Some(at("04T05:17")));
        assert!(hourly.take(at("04T05:17"), &mut no_chance));
        // A year ahead by mistake, and back.
        assert!(hourly.take("2027-12-04T06:00:00Z".parse().unwrap(), &mut no_chance));
        assert!(!hourly.take(at("04T06:01"), &mut no_chance));
        assert!(hourly.take(at("04T06:17"), &mut no_chance));
    }

    #[test]
    fn a_host_that_begins_in_1970_runs_nothing_again_that_ran() {
        let mut daily = Appointment::new(rule("40 4 * * *", 0), at("05T04:40"), &mut no_chance);
        assert!(!daily.take(Timestamp::UNIX_EPOCH, &mut no_chance));
        assert!(!daily.take(at("05T05:00"), &mut no_chance), "it ran at 04:40");
        assert!(daily.take(at("06T04:40"), &mut no_chance));
        // What was missed meanwhile is not forgotten either.
        let mut daily = Appointment::new(rule("40 4 * * *", 0), at("05T04:40"), &mut no_chance);
        assert!(!daily.take(Timestamp::UNIX_EPOCH, &mut no_chance));
        assert!(daily.take(at("09T05:00"), &mut no_chance));
        assert!(!daily.take(at("09T05:00"), &mut no_chance));
    }

    #[test]
    fn jitter_is_later_and_never_past_the_next_time() {
        let mut most = |span: Duration| span - Duration::from_secs(1);
        let mut hourly = Appointment::new(rule("17 * * * *", 600), at("01T02:30"), &mut most);
        assert_eq!(hourly.next(), Some("2026-12-01T03:26:59Z".parse().unwrap()));
        assert!(!hourly.take(at("01T03:20"), &mut most));
        assert!(hourly.take(at("01T03:27"), &mut most));
        let often = Appointment::new(rule("*/5 * * * *", 600), at("01T02:30"), &mut most);
        assert_eq!(often.next(), Some("2026-12-01T02:39:59Z".parse().unwrap()));
    }
}
