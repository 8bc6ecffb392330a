//! One crontab line of five fields: minute, hour, day of month, month, day of week (POSIX, crontab; names, steps and 7 for
//! Sunday as in Vixie's cron).
//!
//! The calendar itself is the `cron` crate's, whose lines mean something else: it counts days of the week from 1, wants both
//! kinds of day to match, and has seconds and years. So a line becomes sets of numbers here, and only those reach it.

use std::fmt;
use std::str::FromStr;

use cron::Schedule;
use serde::{Serialize, Serializer};

/// A crontab line that comes due some day.
#[derive(Clone)]
pub struct CrontabLine {
    text: String,
    /// The line comes due when one of these does: one, or two where both kinds of day are restricted.
    pub(super) rules: Vec<Schedule>,
    pub(super) pace: Pace,
}

/// What a line follows where a zone's clocks are set forward or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The time on the wall: a time that is skipped comes due right after, one that comes twice does so once.
    WallClock,
    /// Time as it passes: the line takes every hour, so each hour that passes is one of its.
    EveryHour,
}

/// Text that is no such line.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{problem} (at column {column} of {text:?})")]
pub struct BadLine {
    /// The text as it came.
    pub text: String,
    /// Where in it, in characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
}

/// One of the five.
struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    /// Names of the numbers from `least` on, where there are any.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of month", least: 1, most: 31, names: &[] },
    Field { name: "month", least: 1, most: 12, names: &MONTHS },
    Field { name: "day of week", least: 0, most: 7, names: &DAYS },
];

/// The numbers of a field, ascending.
struct Set {
    numbers: Vec<u8>,
    /// Whether it was written with a `*` in front: such a day restricts together with the other kind, never beside it.
    starred: bool,
    column: usize,
}

impl FromStr for CrontabLine {
    type Err = BadLine;

    fn from_str(text: &str) -> Result<Self, BadLine> {
        let bad = |column: usize, problem: String| BadLine { text: text.to_owned(), column, problem };
        let words = words(text);
        if words.len() != FIELDS.len() {
            let column = words.get(FIELDS.len()).map_or(text.chars().count() + 1, |(column, _)| *column);
            let wanted = "a line has five fields (minute, hour, day of month, month, day of week)";
            return Err(bad(column, format!("{wanted}, not {}", words.len())));
        }
        let mut sets = Vec::with_capacity(FIELDS.len());
        for (field, (column, word)) in FIELDS.iter().zip(&words) {
            sets.push(field.parse(*column, word).map_err(|(column, problem)| bad(column, problem))?);
        }
        let [minutes, hours, days, months, weekdays] = &sets[..] else { unreachable!("there are five fields") };
        let line = |days: &str, weekdays: &str| {
            let expression =
                format!("0 {} {} {days} {} {weekdays} *", listed(minutes, 0), listed(hours, 0), listed(months, 0));
            Schedule::from_str(&expression).expect("lists of numbers within their bounds are a line of the crate's")
        };
        // The crate counts from 1, a Sunday.
        let (days_text, weekdays_text) = (listed(days, 0), listed(weekdays, 1));
        let rules = match days.starred || weekdays.starred {
            true => vec![line(&days_text, &weekdays_text)],
            false => vec![line(&days_text, "*"), line("*", &weekdays_text)],
        };
        let some_leap_year = chrono::DateTime::<chrono::Utc>::UNIX_EPOCH;
        if rules.iter().all(|rule| rule.after(&some_leap_year).next().is_none()) {
            return Err(bad(days.column, "no such day ever comes".to_owned()));
        }
        let pace = if hours.numbers.len() == 24 { Pace::EveryHour } else { Pace::WallClock };
        Ok(CrontabLine { text: words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" "), rules, pace })
    }
}

/// The words of a line, each with its column.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut rest = text;
    let mut column = 1;
    loop {
        let word = rest.trim_start_matches([' ', '\t']);
        column += rest[..rest.len() - word.len()].chars().count();
        if word.is_empty() {
            return words;
        }
        let (word, after) = word.split_at(word.find([' ', '\t']).unwrap_or(word.len()));
        words.push((column, word));
        column += word.chars().count();
        rest = after;
    }
}

/// A list as the crate reads it, each number `more` than ours; all of them as a star, which it treats apart.
fn listed(set: &Set, more: u8) -> String {
    let numbers: Vec<String> = set.numbers.iter().map(|number| (number + more).to_string()).collect();
    numbers.join(",")
}

impl Field {
    /// The set that `word` stands for; else the column of what is wrong with it, and what that is.
    fn parse(&self, column: usize, word: &str) -> Result<Set, (usize, String)> {
        let mut taken = [false; 60];
        let mut at = column;
        for item in word.split(',') {
            for number in self.item(at, item)? {
                // 7 is the other name of Sunday.
                let number = if self.names.len() == DAYS.len() { number % 7 } else { number };
                taken[usize::from(number)] = true;
            }
            at += item.chars().count() + 1;
        }
        let numbers = (0_u8..60).filter(|number| taken[usize::from(*number)]).collect();
        Ok(Set { numbers, starred: word.starts_with('*'), column })
    }

    /// `*`, `5`, `5-9`, `*/2` or `5-9/2`.
    fn item(&self, column: usize, item: &str) -> Result<impl Iterator<Item = u8>, (usize, String)> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => {
                let at = column + range.chars().count() + 1;
                let number = digits(step).filter(|step| (1..=60).contains(step));
                (range, Some(number.ok_or_else(|| (at, format!("a step is 1 to 60, not {step:?}")))?))
            }
            None => (item, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.least, if self.most == 7 { 6 } else { self.most }),
            Some((first, last)) => {
                let at = column + first.chars().count() + 1;
                let (first, mut last_number) = (self.number(column, first)?, self.number(at, last)?);
                if last.eq_ignore_ascii_case("sun") && last_number == 0 {
                    last_number = 7;
                }
                if last_number < first {
                    return Err((column, format!("the range {range:?} runs backwards")));
                }
                (first, last_number)
            }
            None if step.is_some() => {
                return Err((column, format!("a step goes with a range or *, not with {range:?} alone")));
            }
            None => {
                let one = self.number(column, range)?;
                (one, one)
            }
        };
        Ok((first..=last).step_by(usize::from(step.unwrap_or(1))))
    }

    fn number(&self, column: usize, text: &str) -> Result<u8, (usize, String)> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = match named {
            Some(position) => u8::try_from(position).ok().map(|position| position + self.least),
            None => digits(text),
        };
        number.filter(|number| (self.least..=self.most).contains(number)).ok_or_else(|| {
            let names = match self.names {
                [] => String::new(),
                [first, ..] => format!(" or a name like \"{first}\""),
            };
            (column, format!("{}: {} to {}{names}, not {text:?}", self.name, self.least, self.most))
        })
    }
}

/// One to three digits and nothing else, up to 255.
fn digits(text: &str) -> Option<u8> {
    (!text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

impl PartialEq for CrontabLine {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CrontabLine {}

impl fmt::Display for CrontabLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CrontabLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CrontabLine({:?})", self.text)
    }
}

impl Serialize for CrontabLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_line_is_refused_with_its_column() {
        for (text, column, problem) in [
            ("", 1, "a line has five fields (minute, hour, day of month, month, day of week), not 0"),
            ("17 */4 * *", 11, "a line has five fields (minute, hour, day of month, month, day of week), not 4"),
            ("0 17 */4 * * *", 14, "a line has five fields (minute, hour, day of month, month, day of week), not 6"),
            ("@daily", 7, "a line has five fields (minute, hour, day of month, month, day of week), not 1"),
            ("60 * * * *", 1, "minute: 0 to 59, not \"60\""),
            ("17 24 * * *", 4, "hour: 0 to 23, not \"24\""),
            ("17\t 4  0 * *", 8, "day of month: 1 to 31, not \"0\""),
            ("17 4 1 13 *", 8, "month: 1 to 12 or a name like \"jan\", not \"13\""),
            ("17 4 1 janu *", 8, "month: 1 to 12 or a name like \"jan\", not \"janu\""),
            ("17 4 * * 8", 10, "day of week: 0 to 7 or a name like \"sun\", not \"8\""),
            ("17 4 * * mon,die", 14, "day of week: 0 to 7 or a name like \"sun\", not \"die\""),
            ("0,5,x * * * *", 5, "minute: 0 to 59, not \"x\""),
            ("0, * * * *", 3, "minute: 0 to 59, not \"\""),
            ("*/0 * * * *", 3, "a step is 1 to 60, not \"0\""),
            ("*/ * * * *", 3, "a step is 1 to 60, not \"\""),
            ("*/5/5 * * * *", 3, "a step is 1 to 60, not \"5/5\""),
            ("5/15 * * * *", 1, "a step goes with a range or *, not with \"5\" alone"),
            ("9-5 * * * *", 1, "the range \"9-5\" runs backwards"),
            ("0 9-x * * *", 5, "hour: 0 to 23, not \"x\""),
            ("-5 * * * *", 1, "minute: 0 to 59, not \"\""),
            ("+5 * * * *", 1, "minute: 0 to 59, not \"+5\""),
            ("٣ * * * *", 1, "minute: 0 to 59, not \"٣\""),
            ("300 * * * *", 1, "minute: 0 to 59, not \"300\""),
            ("0 0 L * *", 5, "day of month: 1 to 31, not \"L\""),
            ("0 0 ? * *", 5, "day of month: 1 to 31, not \"?\""),
            ("0 0 31 2,4,jun *", 5, "no such day ever comes"),
        ] {
            let bad = CrontabLine::from_str(text).unwrap_err();
            assert_eq!((bad.column, &bad.problem[..]), (column, problem), "{text:?}");
        }
        let told = CrontabLine::from_str("17 24 * * *").unwrap_err().to_string();
        assert_eq!(told, "hour: 0 to 23, not \"24\" (at column 4 of \"17 24 * * *\")");
    }

    #[test]
    fn a_line_is_shown_with_single_spaces() {
        assert_eq!(CrontabLine::from_str("  17\t*/4  * * * ").unwrap().to_string(), "17 */4 * * *");
    }
}
