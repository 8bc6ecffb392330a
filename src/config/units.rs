//! Spans and sizes as people write them.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Text that is no span or size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not {expected}")]
pub struct BadUnit {
    /// The text as it came.
    pub text: String,
    /// What would have been accepted.
    pub expected: &'static str,
}

/// Longest span that a rule may name: with it, no sum of a time and a span leaves the calendar.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Parses a span: a whole number and one of `s`, `m` (minutes), `h`, `d`, `w`, `y` (365 days); at most 100 years.
pub fn parse_duration(text: &str) -> Result<Duration, BadUnit> {
    const UNITS: [(&str, u64); 6] =
        [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 7 * 86_400), ("y", 365 * 86_400)];
    number_and_unit(text, &UNITS).map(Duration::from_secs).filter(|span| *span <= LONGEST).ok_or_else(|| BadUnit {
        text: text.into(),
        expected: "a span like \"30s\", \"10m\", \"26h\", \"14d\", \"2w\", \"1y\"",
    })
}

/// A share of a whole, 0 % to 100 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(u8);

impl Percent {
    /// Of so many percent, at most 100; the rest of a larger number is cut off.
    pub const fn new(percent: u8) -> Self {
        Percent(if percent > 100 { 100 } else { percent })
    }

    /// This share of `whole`, rounded down.
    pub fn of(self, whole: u64) -> u64 {
        u64::try_from(u128::from(whole) * u128::from(self.0) / 100).expect("a share is no more than the whole")
    }

    /// Whether `part` of `whole` is more than this share.
    pub fn is_exceeded_by(self, part: usize, whole: usize) -> bool {
        part as u128 * 100 > whole as u128 * u128::from(self.0)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Parses a share: a whole number from 0 to 100 and `%`.
pub fn parse_percent(text: &str) -> Result<Percent, BadUnit> {
    number_and_unit(text, &[("%", 1)])
        .and_then(|percent| u8::try_from(percent).ok())
        .filter(|percent| *percent <= 100)
        .map(Percent)
        .ok_or_else(|| BadUnit { text: text.into(), expected: "a share like \"25%\", at most \"100%\"" })
}

/// Parses a size in bytes: a whole number and one of `B`, `kB`, `MB`, `GB`, `TB` (powers of 1000), `KiB`, `MiB`, `GiB`,
/// `TiB` (powers of 1024).
pub fn parse_size(text: &str) -> Result<u64, BadUnit> {
    const UNITS: [(&str, u64); 10] = [
        ("B", 1),
        ("kB", 1000),
        ("KB", 1000),
        ("MB", 1000_u64.pow(2)),
        ("GB", 1000_u64.pow(3)),
        ("TB", 1000_u64.pow(4)),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    number_and_unit(text, &UNITS)
        .ok_or_else(|| BadUnit { text: text.into(), expected: "a size like \"512kB\", \"20MB\", \"4GiB\"" })
}

/// Parses a rate in bytes a second: a size as in [`parse_size`] and `/s`.
pub fn parse_rate(text: &str) -> Result<u64, BadUnit> {
    let rate = text.strip_suffix("/s").and_then(|size| parse_size(size).ok());
    rate.ok_or_else(|| BadUnit { text: text.into(), expected: "a rate like \"512kB/s\", \"20MB/s\"" })
}

/// Parses a time of day, `00:00` to `24:00`: minutes after midnight.
pub fn parse_time_of_day(text: &str) -> Result<u16, BadUnit> {
    let two = |digits: &str| -> Option<u16> {
        (digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
    };
    let minutes = text.split_once(':').and_then(|(hours, minutes)| Some((two(hours)?, two(minutes)?)));
    match minutes {
        Some((hours @ 0..=23, minutes @ 0..=59)) => Ok(hours * 60 + minutes),
        Some((24, 0)) => Ok(24 * 60),
        _ => Err(BadUnit { text: text.into(), expected: "a time of day like \"08:00\", \"18:30\", \"24:00\"" }),
    }
}

/// The number times its unit; `None` for any other shape and for what does not fit 64 bits.
fn number_and_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (text, seconds) in [
            ("0s", 0),
            ("30s", 30),
            ("10m", 600),
            ("26h", 93_600),
            ("14d", 1_209_600),
            ("2w", 1_209_600),
            ("1y", 31_536_000),
            ("100y", 3_153_600_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in
            ["", "30", "s", "-1s", "+1s", "1.5h", "1 h", "1h30m", "1M", "1D", "101y", "18446744073709551615d", "٣s"]
        {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0B", 0),
            ("20MB", 20_000_000),
            ("512kB", 512_000),
            ("1KiB", 1024),
            ("4GiB", 4_294_967_296),
            ("2TB", 2_000_000_000_000),
            ("1TiB", 1_099_511_627_776),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "20", "MB", "20M", "20mb", "-1B", "1.5MB", "20 MB", "18446744073709551616B", "99999999TiB"] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn rates_and_times_of_day() {
        assert_eq!(parse_rate("20MB/s"), Ok(20_000_000));
        for bad in ["20MB", "20MB/m", "/s", "20MB /s", "20Mbit/s"] {
            assert!(parse_rate(bad).is_err(), "{bad:?}");
        }
        for (text, minutes) in [("00:00", 0), ("08:05", 485), ("23:59", 1439), ("24:00", 1440)] {
            assert_eq!(parse_time_of_day(text), Ok(minutes), "{text}");
        }
        for bad in ["8:00", "08:0", "24:01", "08:60", "08", "08:00:00", "+8:00", "٠٨:٠٠", ""] {
            assert!(parse_time_of_day(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn shares() {
        for (text, of_1000) in [("0%", 0), ("5%", 50), ("25%", 250), ("100%", 1000)] {
            let share = parse_percent(text).unwrap();
            assert_eq!((share.of(1000), share.to_string()), (of_1000, text.to_owned()));
        }
        for bad in ["", "5", "%", "101%", "256%", "-1%", "2.5%", "5 %", "5%%"] {
            assert!(parse_percent(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Percent::new(100).of(u64::MAX), u64::MAX);
        let quarter = Percent::new(25);
        assert!(quarter.is_exceeded_by(26, 100) && !quarter.is_exceeded_by(25, 100) && !quarter.is_exceeded_by(0, 0));
    }

    #[test]
    fn a_refusal_says_what_would_do() {
        let message = parse_duration("soon").unwrap_err().to_string();
        assert_eq!(message, r#""soon" is not a span like "30s", "10m", "26h", "14d", "2w", "1y""#);
    }
}
