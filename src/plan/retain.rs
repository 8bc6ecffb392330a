//! Which snapshots, generations and backups stay. Time is told by what is kept, not by a clock: a host whose clock was set back or far
//! ahead loses nothing by it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How many of what was made over time stay: the union of four rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The newest ones.
    pub last: u64,
    /// The newest of each of so many days (UTC) that have one.
    pub daily: u64,
    /// The newest of each of so many weeks (UTC, from Monday on) that have one.
    pub weekly: u64,
    /// The newest of each of so many months (UTC) that have one.
    pub monthly: u64,
}

/// Which of those made at `times` stay by `rules`: their places in the list. The newest always does.
pub fn by_time(times: &[Timestamp], rules: &Rules) -> BTreeSet<usize> {
    let mut newest_first: Vec<usize> = (0..times.len()).collect();
    // Of two at the same instant the later in the list is the newer.
    newest_first.sort_by_key(|at| std::cmp::Reverse((times[*at], *at)));
    let date = |at: &usize| TimeZone::UTC.to_datetime(times[*at]).date();
    let mut stay: BTreeSet<usize> = newest_first.iter().take(count(rules.last.max(1))).copied().collect();
    stay.extend(first_of_each(&newest_first, rules.daily, date));
    // The ISO week's year goes with it: a year's last days may be of the next one's first week.
    stay.extend(first_of_each(&newest_first, rules.weekly, |at| {
        let week = date(at).iso_week_date();
        (week.year(), week.week())
    }));
    stay.extend(first_of_each(&newest_first, rules.monthly, |at| date(at).first_of_month()));
    stay
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The first of each of the first `limit` spans.
fn first_of_each<S: Ord>(newest_first: &[usize], limit: u64, span: impl Fn(&usize) -> S) -> Vec<usize> {
    let mut seen: BTreeSet<S> = BTreeSet::new();
    newest_first.iter().filter(|at| seen.len() < count(limit) && seen.insert(span(at))).copied().collect()
}

/// Which generations stay: of each place the `last` newest, so that a place that moves often does not take another's way back,
/// and all that are `shown` somewhere.
pub fn generations<P: Ord>(made: &[(u64, P)], last: u64, shown: &BTreeSet<u64>) -> BTreeSet<u64> {
    let mut places: BTreeMap<&P, Vec<u64>> = BTreeMap::new();
    for (number, place) in made {
        places.entry(place).or_default().push(*number);
    }
    let mut stay: BTreeSet<u64> =
        made.iter().map(|(number, _)| *number).filter(|number| shown.contains(number)).collect();
    for mut numbers in places.into_values() {
        numbers.sort_unstable();
        stay.extend(numbers.iter().rev().take(count(last)));
    }
    stay
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(texts: &[&str]) -> Vec<Timestamp> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn kept(texts: &[&str], last: u64, daily: u64, monthly: u64) -> Vec<usize> {
        by_time(&times(texts), &Rules { last, daily, weekly: 0, monthly }).into_iter().collect()
    }

    #[test]
    fn a_week_begins_on_monday_and_may_lie_in_two_years() {
        // Thursday, Friday; Sunday, Monday of the week after.
        let texts = ["2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z", "2027-01-03T00:00:00Z", "2027-01-04T00:00:00Z"];
        let weekly = |weekly| by_time(&times(&texts), &Rules { last: 0, daily: 0, weekly, monthly: 0 });
        assert_eq!(weekly(1), [3].into());
        assert_eq!(weekly(2), [2, 3].into());
        assert_eq!(weekly(9), [2, 3].into());
    }

    const HISTORY: [&str; 7] = [
        "2026-09-30T23:59:59Z",
        "2026-10-01T00:00:00Z",
        "2026-10-20T04:00:00Z",
        "2026-11-23T04:00:00Z",
        "2026-11-23T08:00:00Z",
        "2026-11-24T00:00:00Z",
        "2026-11-24T04:00:00Z",
    ];

    #[test]
    fn each_rule_keeps_the_newest_of_its_spans() {
        assert_eq!(kept(&HISTORY, 2, 0, 0), [5, 6]);
        assert_eq!(kept(&HISTORY, 1, 2, 0), [4, 6]);
        assert_eq!(kept(&HISTORY, 1, 0, 3), [0, 2, 6]);
        assert_eq!(kept(&HISTORY, 1, 3, 2), [2, 4, 6]);
        assert_eq!(kept(&HISTORY, 0, 99, 99), [0, 1, 2, 4, 6]);
        assert_eq!(kept(&HISTORY, u64::MAX, 0, 0).len(), 7);
    }

    #[test]
    fn the_newest_stays_whatever_the_rules_say() {
        assert_eq!(kept(&HISTORY, 0, 0, 0), [6]);
        assert!(kept(&[], 5, 5, 5).is_empty());
    }

    #[test]
    fn a_clock_that_was_set_back_loses_nothing_that_order_would_keep() {
        assert_eq!(kept(&["2030-01-01T00:00:00Z", "2026-11-24T00:00:00Z", "2026-11-24T00:00:00Z"], 1, 2, 0), [0, 2]);
    }

    #[test]
    fn generations_that_are_shown_stay_beyond_the_last_of_their_place() {
        let live = |numbers: &[u64]| numbers.iter().map(|number| (*number, "live")).collect::<Vec<_>>();
        let shown = BTreeSet::from([2, 7, 99]);
        assert_eq!(generations(&live(&[1, 2, 3, 5, 7, 8]), 2, &shown), BTreeSet::from([2, 7, 8]));
        assert_eq!(generations(&live(&[1, 2]), 0, &BTreeSet::new()), BTreeSet::new());
        let mut made = live(&[1, 8]);
        made.extend((2..8).map(|number| (number, "qa")));
        assert_eq!(generations(&made, 2, &BTreeSet::from([8])), BTreeSet::from([1, 6, 7, 8]));
    }
}
