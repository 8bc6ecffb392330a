//! What is old, and whose clock is wrong.

use std::time::Duration;

use jiff::Timestamp;

use super::{Diagnosis, Weight};
use crate::error::Class;

/// Clocks may differ by so much; certificates and caches go wrong beyond it.
const MAX_DRIFT: i64 = 5 * 60;

/// An index that was published longer ago than `max_age`, by the server's word.
pub fn stale(
    subject: &str,
    published: Option<Timestamp>,
    max_age: Option<Duration>,
    now: Timestamp,
) -> Option<Diagnosis> {
    let (published, max_age) = (published?, max_age?);
    let age = u64::try_from(now.duration_since(published).as_secs()).unwrap_or(0);
    (age > max_age.as_secs()).then(|| Diagnosis {
        code: "stale",
        weight: Weight::Error(Class::Upstream),
        subject: subject.to_owned(),
        message: format!("last changed {published}, {} ago; --max-age bears {}", span(age), span(max_age.as_secs())),
        hint: Some("look on the server whether its sync runs and what it said last: `bivouac status`".to_owned()),
    })
}

/// This machine's clock against a server's.
pub fn clock(subject: &str, server: Option<Timestamp>, now: Timestamp) -> Option<Diagnosis> {
    let server = server?;
    let drift = now.duration_since(server).as_secs();
    (drift.abs() > MAX_DRIFT).then(|| Diagnosis {
        code: "clock",
        weight: Weight::Error(Class::Host),
        subject: subject.to_owned(),
        message: format!(
            "its clock says {server}; this machine's is {} {}",
            span(drift.unsigned_abs()),
            if drift > 0 { "ahead" } else { "behind" }
        ),
        hint: Some("set the clock of whichever is wrong: run an NTP service (rc-service chronyd start)".to_owned()),
    })
}

/// Seconds as people say them: the largest unit that holds at least two.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn five_minutes_are_borne_either_way() {
        for (server, off) in [(0, false), (300, false), (-300, false), (301, true), (-301, true)] {
            assert_eq!(clock("m", Some(at(1_000_000 + server)), at(1_000_000)).is_some(), off, "{server}");
        }
        assert_eq!(clock("m", None, at(0)), None);
        let ahead = clock("m", Some(at(0)), at(7_200)).unwrap();
        assert!(ahead.message.ends_with("this machine's is 2 h ahead"), "{}", ahead.message);
    }

    #[test]
    fn age_counts_only_where_somebody_set_a_limit() {
        let day = Duration::from_secs(86_400);
        assert_eq!(stale("i", Some(at(0)), None, at(1_000_000)), None);
        assert_eq!(stale("i", None, Some(day), at(1_000_000)), None);
        assert_eq!(stale("i", Some(at(0)), Some(day), at(86_400)), None);
        assert_eq!(stale("i", Some(at(0)), Some(day), at(86_401)).unwrap().code, "stale");
        assert_eq!(stale("i", Some(at(99)), Some(day), at(0)), None);
    }

    #[test]
    fn spans_are_said_in_the_largest_fitting_unit() {
        for (seconds, text) in [(119, "119 s"), (120, "2 min"), (7_199, "119 min"), (7_200, "2 h"), (172_800, "2 days")]
        {
            assert_eq!(span(seconds), text);
        }
    }
}
