//! From a line and a time zone to the next instant.
//!
//! The line names times on the wall. Where a zone's clocks are set forward, some of those never come; where they are set back,
//! some come twice. Crontabs have an old answer (Vixie's): a line for certain hours runs right after the gap, and once for a
//! time that is repeated; a line for every hour follows the time that passes.

use chrono::{DateTime as CrateTime, NaiveDate, Utc};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::CrontabLine;
use super::line::Pace;

/// No clocks were ever set by more than a day. Near the moment, a time on the wall that lies so far back is still ahead.
const MOST_SET: SignedDuration = SignedDuration::from_hours(25);

/// The instants that one time on the wall stands for.
struct Instants {
    /// Never earlier than that of an earlier time on the wall.
    first: Timestamp,
    /// Whether that one counts: a time that never comes has an instant right after it, which is another's already where every
    /// hour counts.
    comes: bool,
    /// The second time, where the clocks are set back and that counts.
    again: Option<Timestamp>,
}

impl CrontabLine {
    /// The first instant after `after` at which this line is due in `zone`; none: not within this century.
    pub fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let here = zone.to_datetime(after);
        let sets = zone.preceding(after).next().into_iter().chain(zone.following(after).next());
        let is_near = sets.map(|set| after.duration_since(set.timestamp()).abs()).any(|span| span < MOST_SET);
        let from = if is_near && self.pace == Pace::EveryHour { here.saturating_sub(MOST_SET) } else { here };
        let mut best: Option<Timestamp> = None;
        for wall in self.walls(from) {
            let Some(Instants { first, comes, again }) = self.instants(zone, wall) else { break };
            if best.is_some_and(|best| first >= best) {
                break;
            }
            for instant in comes.then_some(first).into_iter().chain(again).filter(|instant| *instant > after) {
                best = Some(best.map_or(instant, |best| best.min(instant)));
            }
        }
        best
    }

    /// The times on the wall after `from`, ascending, each once.
    fn walls(&self, from: DateTime) -> impl Iterator<Item = DateTime> {
        let from = to_crate(from);
        let mut rules: Vec<_> =
            self.rules.iter().filter_map(|rule| from.map(|from| rule.after(&from).peekable())).collect();
        std::iter::from_fn(move || {
            let next = rules.iter_mut().filter_map(|rule| rule.peek().copied()).min()?;
            for rule in &mut rules {
                rule.next_if_eq(&next);
            }
            from_crate(next)
        })
    }

    /// None beyond all time.
    fn instants(&self, zone: &TimeZone, wall: DateTime) -> Option<Instants> {
        Some(match zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => {
                Instants { first: offset.to_timestamp(wall).ok()?, comes: true, again: None }
            }
            AmbiguousOffset::Gap { before, .. } => {
                // By the former offset the time lies behind the moment at which the clocks were set.
                let behind = before.to_timestamp(wall).ok()?;
                let at_or_before = behind.checked_add(SignedDuration::from_nanos(1)).ok()?;
                let first = zone.preceding(at_or_before).next().map_or(behind, |set| set.timestamp());
                Instants { first, comes: self.pace == Pace::WallClock, again: None }
            }
            AmbiguousOffset::Fold { before, after } => {
                let (first, second) = (before.to_timestamp(wall).ok()?, after.to_timestamp(wall).ok()?);
                Instants { first, comes: true, again: (self.pace == Pace::EveryHour).then_some(second) }
            }
        })
    }
}

fn to_crate(wall: DateTime) -> Option<CrateTime<Utc>> {
    let part = |number: i8| u32::from(number.unsigned_abs());
    NaiveDate::from_ymd_opt(i32::from(wall.year()), part(wall.month()), part(wall.day()))?
        .and_hms_opt(part(wall.hour()), part(wall.minute()), part(wall.second()))
        .map(|time| time.and_utc())
}

fn from_crate(time: CrateTime<Utc>) -> Option<DateTime> {
    use chrono::{Datelike as _, Timelike as _};
    let part = |number: u32| i8::try_from(number).ok();
    DateTime::new(
        i16::try_from(time.year()).ok()?,
        part(time.month())?,
        part(time.day())?,
        part(time.hour())?,
        part(time.minute())?,
        part(time.second())?,
        0,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many instants after `after`, as the zone's clocks show them.
    fn shown(line: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let (line, zone): (CrontabLine, _) = (line.parse().unwrap(), TimeZone::get(zone).unwrap());
        let mut at: Timestamp = after.parse().unwrap();
        let next = || {
            at = line.next(&zone, at)?;
            Some(at.to_zoned_datetime(zone.clone()).strftime("%a %m-%d %H:%M %:z").to_string())
        };
        std::iter::from_fn({
            let mut next = next;
            move || next()
        })
        .take(count)
        .collect()
    }

    #[test]
    fn lines_mean_what_crontabs_mean() {
        // 2026-12-01 is a Tuesday.
        for (line, expected) in [
            ("17 */4 * * *", ["Tue 12-01 04:17", "Tue 12-01 08:17", "Tue 12-01 12:17"]),
            ("* * * * *", ["Tue 12-01 02:31", "Tue 12-01 02:32", "Tue 12-01 02:33"]),
            ("*/20 * * * *", ["Tue 12-01 02:40", "Tue 12-01 03:00", "Tue 12-01 03:20"]),
            ("5-59/20 3 * * *", ["Tue 12-01 03:05", "Tue 12-01 03:25", "Tue 12-01 03:45"]),
            ("0 0 * * 0", ["Sun 12-06 00:00", "Sun 12-13 00:00", "Sun 12-20 00:00"]),
            ("0 0 * * 7", ["Sun 12-06 00:00", "Sun 12-13 00:00", "Sun 12-20 00:00"]),
            ("0 0 * * SUN", ["Sun 12-06 00:00", "Sun 12-13 00:00", "Sun 12-20 00:00"]),
            ("0 0 * * 1", ["Mon 12-07 00:00", "Mon 12-14 00:00", "Mon 12-21 00:00"]),
            ("0 0 * * 6", ["Sat 12-05 00:00", "Sat 12-12 00:00", "Sat 12-19 00:00"]),
            ("0 0 * * 5-7", ["Fri 12-04 00:00", "Sat 12-05 00:00", "Sun 12-06 00:00"]),
            ("0 0 * * fri-sun", ["Fri 12-04 00:00", "Sat 12-05 00:00", "Sun 12-06 00:00"]),
            ("0 0 * * mon-wed/2", ["Wed 12-02 00:00", "Mon 12-07 00:00", "Wed 12-09 00:00"]),
            // Both kinds of day: either will do.
            ("0 0 13 * 5", ["Fri 12-04 00:00", "Fri 12-11 00:00", "Sun 12-13 00:00"]),
            ("0 0 4 * fri", ["Fri 12-04 00:00", "Fri 12-11 00:00", "Fri 12-18 00:00"]),
            // One of them with a star in front: both must hold.
            ("0 0 */2 * 5", ["Fri 12-11 00:00", "Fri 12-25 00:00", "Fri 01-01 00:00"]),
            ("0 0 1-7 * *", ["Wed 12-02 00:00", "Thu 12-03 00:00", "Fri 12-04 00:00"]),
            ("0 0 29 2 *", ["Tue 02-29 00:00", "Sun 02-29 00:00", "Fri 02-29 00:00"]),
            ("30 2 1 jan,JUL *", ["Fri 01-01 02:30", "Thu 07-01 02:30", "Sat 01-01 02:30"]),
            ("0 0 31 * *", ["Thu 12-31 00:00", "Sun 01-31 00:00", "Wed 03-31 00:00"]),
        ] {
            let shown = shown(line, "UTC", "2026-12-01T02:30:00Z", 3);
            let shown: Vec<&str> = shown.iter().map(|time| time.trim_end_matches(" +00:00")).collect();
            assert_eq!(shown, expected, "{line}");
        }
    }

    #[test]
    fn dst_jumps_run_nothing_twice_and_nothing_never() {
        // Europe/Berlin: 2026-03-29 02:00 → 03:00, 2026-10-25 03:00 → 02:00.
        for (line, after, expected) in [
            // Skipped: right after the gap, once, and the next day as ever.
            ("30 2 * * *", "2026-03-28T12:00:00Z", vec!["Sun 03-29 03:00 +02:00", "Mon 03-30 02:30 +02:00"]),
            (
                "0,30 2,3 * * *",
                "2026-03-29T00:00:00Z",
                vec!["Sun 03-29 03:00 +02:00", "Sun 03-29 03:30 +02:00", "Mon 03-30 02:00 +02:00"],
            ),
            // Repeated: the first of the two.
            ("30 2 * * *", "2026-10-24T12:00:00Z", vec!["Sun 10-25 02:30 +02:00", "Mon 10-26 02:30 +01:00"]),
            // Asked in the middle of the second: not again.
            ("30 2 * * *", "2026-10-25T01:10:00Z", vec!["Mon 10-26 02:30 +01:00"]),
            // Every hour: as time passes.
            ("30 * * * *", "2026-03-29T00:00:00Z", vec!["Sun 03-29 01:30 +01:00", "Sun 03-29 03:30 +02:00"]),
            (
                "30 * * * *",
                "2026-10-24T23:45:00Z",
                vec!["Sun 10-25 02:30 +02:00", "Sun 10-25 02:30 +01:00", "Sun 10-25 03:30 +01:00"],
            ),
            (
                "*/30 * * * *",
                "2026-10-25T00:20:00Z",
                vec![
                    "Sun 10-25 02:30 +02:00",
                    "Sun 10-25 02:00 +01:00",
                    "Sun 10-25 02:30 +01:00",
                    "Sun 10-25 03:00 +01:00",
                ],
            ),
            (
                "17 */4 * * *",
                "2026-10-24T20:20:00Z",
                vec!["Sun 10-25 00:17 +02:00", "Sun 10-25 04:17 +01:00", "Sun 10-25 08:17 +01:00"],
            ),
        ] {
            assert_eq!(shown(line, "Europe/Berlin", after, expected.len()), expected, "{line} after {after}");
        }
        // By half an hour (Lord Howe), and a whole day that was left out (Apia, 2011-12-30).
        assert_eq!(shown("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", 1), ["Sun 10-04 02:30 +11:00"]);
        assert_eq!(shown("0 12 30 12 *", "Pacific/Apia", "2011-12-29T00:00:00Z", 1), ["Sat 12-31 00:00 +14:00"]);
    }

    #[test]
    fn every_half_hour_comes_once_in_zones_that_jump() {
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
            let zone = TimeZone::get(zone).unwrap();
            let line: CrontabLine = "*/30 * * * *".parse().unwrap();
            let end: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
            let mut at: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
            while at < end {
                let next = line.next(&zone, at).unwrap();
                assert_eq!(next.duration_since(at), SignedDuration::from_mins(30), "after {at}");
                at = next;
            }
        }
    }

    #[test]
    fn beyond_all_time_there_is_nothing() {
        let line: CrontabLine = "* * * * *".parse().unwrap();
        assert_eq!(line.next(&TimeZone::UTC, Timestamp::MAX), None);
        let first: Timestamp = "1970-01-01T00:01:00Z".parse().unwrap();
        assert_eq!(line.next(&TimeZone::UTC, Timestamp::UNIX_EPOCH), Some(first));
    }
}
