//! Versions as apk reads and orders them (apk-formats.md 4.1 to 4.3).
//!
//! One walk over the grammar serves all questions: it yields the parts of a version one by one and ends in `End` or, where
//! the grammar breaks, in `Invalid`. A version is valid when its walk ends in `End`; two versions compare by their walks,
//! part by part. [`Rules`] says whose grammar: apk 3.0 ([`Rules::V3`]), or apk 2.12.12 to 2.14 ([`Rules::V2`]), whose word
//! counts where an old client will choose. (2.12.0 to 2.12.11 have a defect, `1.0_alpha > 1.0`, that is not modelled.)
//!
//! ```text
//! 3.0:  number ( "." number )* [ letter ] ( "_" suffix [ number ] )* [ "~" hash ] [ "-r" number ]
//! 2.x:  numbers may be empty, digits may follow the letter, "-r" may repeat; no "~" hash; a number has at most 17 digits
//! ```

use std::cmp::Ordering;

/// Whose rules: the two generations of apk differ in grammar, order and `~`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rules {
    /// apk 2.12.12 to 2.14.
    V2,
    /// apk 3.0; what this project itself sorts by.
    V3,
}

/// A version's text, valid or not: real indexes hold a few that apk calls invalid and lists all the same.
///
/// There is no `==` on purpose: texts may differ and versions be equal (`1.0` and `01.0`).
#[derive(Clone, Copy, Debug)]
pub struct Version<'a>(&'a str);

/// Text that is no version under the rules that were asked for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a version that apk accepts")]
pub struct BadVersion {
    /// The text as it came, at most its first 80 characters.
    pub text: String,
}

impl<'a> Version<'a> {
    /// Takes any text; [`is_valid`](Self::is_valid) is a separate question, and [`compare`](Self::compare) orders all.
    pub fn new(text: &'a str) -> Self {
        Version(text)
    }

    /// Takes only what `rules` call valid.
    pub fn parse(text: &'a str, rules: Rules) -> Result<Self, BadVersion> {
        let version = Version(text);
        if version.is_valid(rules) { Ok(version) } else { Err(BadVersion { text: text.chars().take(80).collect() }) }
    }

    /// The text as it came.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether the whole text follows the grammar of `rules`. Empty text never does.
    pub fn is_valid(self, rules: Rules) -> bool {
        let mut walk = Walk::new(self.0, rules);
        !self.0.is_empty()
            && loop {
                match walk.next().kind {
                    Kind::End => break true,
                    Kind::Invalid => break false,
                    _ => {}
                }
            }
    }

    /// The order of apk 3.0. A total preorder on all texts: reflexive, antisymmetric up to `Equal`, transitive.
    ///
    /// Where the grammar breaks, apk's own result is arbitrary. Ours: all that precedes compares by the rules; a broken
    /// remainder stands below the end of a version and above a pre-release suffix; two broken remainders compare in natural
    /// order (runs of digits by value, all else by byte), so that `6.8.0p2-r10` is newer than `6.8.0p2-r4`.
    pub fn compare(self, other: Version<'_>) -> Ordering {
        self.compare_under(other, Rules::V3)
    }

    /// The order under either generation's rules; a total preorder under each. 2.x takes all broken remainders for equal,
    /// and so does [`Rules::V2`].
    pub fn compare_under(self, other: Version<'_>, rules: Rules) -> Ordering {
        let (mut ours, mut theirs) = (Walk::new(self.0, rules), Walk::new(other.0, rules));
        loop {
            let (a, b) = (ours.next(), theirs.next());
            let order = a.compare(&b, rules);
            if order != Ordering::Equal || matches!(a.kind, Kind::End | Kind::Invalid) {
                return order;
            }
        }
    }

    /// How this version stands to the `pattern` of a `~`, `<~` or `>~`: `Equal` when it matches.
    ///
    /// 3.0: when every part of the pattern equals this version's part there (`3.8.1-r2`, `3.8_rc1`, `3.8a` match `3.8`;
    /// `3.80` does not). 2.x: when neither contradicts the other, so `3.8-r0` matches `3.8.1` as well.
    pub fn compare_fuzzy(self, pattern: Version<'_>, rules: Rules) -> Ordering {
        let (mut ours, mut wanted) = (Walk::new(self.0, rules), Walk::new(pattern.0, rules));
        loop {
            let (a, b) = (ours.next(), wanted.next());
            let settled = match rules {
                Rules::V2 => a.kind != b.kind || a.kind == Kind::End || a.kind == Kind::Invalid,
                Rules::V3 => b.kind == Kind::End,
            };
            if settled {
                return Ordering::Equal;
            }
            let order = a.compare(&b, rules);
            if order != Ordering::Equal || b.kind == Kind::Invalid {
                return order;
            }
        }
    }

    /// Whether `~pattern` accepts this version.
    pub fn matches_fuzzy(self, pattern: Version<'_>, rules: Rules) -> bool {
        self.compare_fuzzy(pattern, rules) == Ordering::Equal
    }
}

/// What a part is. Where two versions differ in kind, the kind that stands earlier here makes the greater version
/// (`1.0.1 > 1.0a > 1.0_p > 1.0-r1 > 1.0`), pre-release suffixes and `Invalid` apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A number after a dot.
    Component,
    /// The first number; in 2.x also the digits after leading zeros or after the letter.
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
    End,
    Invalid,
}

/// A part's worth within its kind.
enum Value<'a> {
    /// Digits of a number that compare by value (any length), or a hash's that compare as bytes.
    Digits(&'a [u8]),
    /// 2.x numbers, letters, and suffixes' places in [`SUFFIXES`] (negative for a pre-release).
    Number(i64),
    /// What follows the place where the grammar broke, or nothing at the end.
    Rest(&'a [u8]),
}

struct Part<'a> {
    kind: Kind,
    value: Value<'a>,
}

/// Suffixes with their order: pre-releases are negative. `pre` stands before `p`, whose text it begins with.
const SUFFIXES: [(&[u8], i64); 9] = [
    (b"alpha", -4),
    (b"beta", -3),
    (b"pre", -2),
    (b"rc", -1),
    (b"cvs", 0),
    (b"svn", 1),
    (b"git", 2),
    (b"hg", 3),
    (b"p", 4),
];

/// What 2.x takes for the value of a part that it cannot read.
const UNREADABLE: i64 = -1;

impl Part<'_> {
    /// The order of two parts that stand at the same place after equal parts.
    fn compare(&self, other: &Part<'_>, rules: Rules) -> Ordering {
        self.standing(rules).cmp(&other.standing(rules)).then_with(|| match (&self.value, &other.value) {
            (Value::Digits(a), Value::Digits(b)) => match self.kind {
                Kind::Hash => a.cmp(b),
                // 3.0: as soon as one of two later numbers begins with a zero, both are fractions, not counts.
                Kind::Component if a.starts_with(b"0") || b.starts_with(b"0") => a.cmp(b),
                _ => compare_numbers(a, b),
            },
            (Value::Number(a), Value::Number(b)) => a.cmp(b),
            (Value::Rest(a), Value::Rest(b)) if rules == Rules::V3 => compare_naturally(a, b),
            (Value::Rest(_), Value::Rest(_)) => Ordering::Equal,
            // One kind has one form of value under one set of rules.
            (Value::Digits(_) | Value::Number(_) | Value::Rest(_), _) => Ordering::Equal,
        })
    }

    /// How high this part's kind lifts a version over one that has another kind at this place.
    fn standing(&self, rules: Rules) -> u8 {
        match (self.kind, &self.value) {
            (Kind::Suffix, Value::Number(place)) if *place < 0 => 0,
            // 3.0 ranks what it cannot read below the end, 2.x above everything.
            (Kind::Invalid, _) if rules == Rules::V2 => u8::MAX,
            (kind, _) => 1 + (Kind::Invalid as u8 - kind as u8),
        }
    }
}

fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (strip_zeros(a), strip_zeros(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn strip_zeros(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().take_while(|&&digit| digit == b'0').count()..]
}

fn compare_naturally(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let order = match (digits(a), digits(b)) {
            (0, _) | (_, 0) => match (a.split_first(), b.split_first()) {
                (Some((x, rest_a)), Some((y, rest_b))) => {
                    (a, b) = (rest_a, rest_b);
                    x.cmp(y)
                }
                (x, y) => return x.is_some().cmp(&y.is_some()),
            },
            (n, m) => {
                let (x, y) = (&a[..n], &b[..m]);
                (a, b) = (&a[n..], &b[m..]);
                compare_numbers(x, y)
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// How many digits `text` begins with.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The walk over a version's parts. After `End` or `Invalid` it yields that again.
struct Walk<'a> {
    rest: &'a [u8],
    /// The kind of the part that comes next; its introducing `.`, `_`, `~` or `-r` is already consumed.
    next: Kind,
    rules: Rules,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, rules: Rules) -> Self {
        Walk { rest: text.as_bytes(), next: Kind::Number, rules }
    }

    fn next(&mut self) -> Part<'a> {
        let kind = self.next;
        let value = match kind {
            Kind::End | Kind::Invalid => return Part { kind, value: Value::Rest(self.rest) },
            Kind::Letter => {
                let letter = self.rest[0];
                self.rest = &self.rest[1..];
                Some(Value::Number(letter.into()))
            }
            Kind::Suffix => self.suffix(),
            Kind::Hash => self.run(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)),
            Kind::Component if self.rules == Rules::V2 && self.rest.starts_with(b"0") => return self.leading_zeros(),
            Kind::Component | Kind::Number | Kind::SuffixNumber | Kind::Revision => match self.rules {
                Rules::V2 => self.old_number(),
                Rules::V3 => self.run(|byte| byte.is_ascii_digit()),
            },
        };
        match (value, self.rules) {
            (Some(value), _) => {
                self.next = self.follow(kind);
                Part { kind, value }
            }
            // 2.x compares the value of what it could not read before it notices.
            (None, Rules::V2) => {
                self.next = Kind::Invalid;
                Part { kind, value: Value::Number(UNREADABLE) }
            }
            (None, Rules::V3) => {
                self.next = Kind::Invalid;
                Part { kind: Kind::Invalid, value: Value::Rest(self.rest) }
            }
        }
    }

    /// The kind that follows one of `kind`; consumes what introduces it.
    fn follow(&mut self, kind: Kind) -> Kind {
        use Kind::*;
        let old = self.rules == Rules::V2;
        let (next, introduction) = match *self.rest {
            [] => (End, 0),
            [b'a'..=b'z', ..] if matches!(kind, Component | Number) => (Letter, 0),
            [b'0'..=b'9', ..] if kind == Suffix => (SuffixNumber, 0),
            [b'0'..=b'9', ..] if old && kind == Letter => (Number, 0),
            [b'.', ..] if matches!(kind, Component | Number) => (Component, 1),
            [b'_', ..] if kind <= SuffixNumber => (Suffix, 1),
            [b'~', ..] if !old && kind < Hash => (Hash, 1),
            [b'-', b'r', ..] if kind < Revision || old => (Revision, 2),
            _ => (Invalid, 0),
        };
        self.rest = &self.rest[introduction..];
        next
    }

    /// One or more bytes of a class.
    fn run(&mut self, class: impl Fn(u8) -> bool) -> Option<Value<'a>> {
        let length = self.rest.iter().take_while(|&&byte| class(byte)).count();
        let (run, rest) = self.rest.split_at(length);
        self.rest = rest;
        (!run.is_empty()).then_some(Value::Digits(run))
    }

    /// A number of 2.x: empty is 0, and 18 digits are too many.
    fn old_number(&mut self) -> Option<Value<'a>> {
        let (run, rest) = self.rest.split_at(digits(self.rest));
        self.rest = rest;
        let value = run.iter().fold(0_i64, |value, digit| value.wrapping_mul(10).wrapping_add((digit - b'0').into()));
        (run.len() < 18).then_some(Value::Number(value))
    }

    /// 2.x: the leading zeros of a later number are a part of their own, worth less the more there are. What remains is
    /// always read as a new number, of value 0 when no digit remains.
    fn leading_zeros(&mut self) -> Part<'a> {
        let remaining = strip_zeros(self.rest);
        let zeros = self.rest.len() - remaining.len();
        self.rest = remaining;
        self.next = Kind::Number;
        Part { kind: Kind::Component, value: Value::Number(1 - i64::try_from(zeros).unwrap_or(i64::MAX)) }
    }

    fn suffix(&mut self) -> Option<Value<'a>> {
        if self.rules == Rules::V2 && self.rest.is_empty() {
            return Some(Value::Number(0));
        }
        let (text, place) = SUFFIXES.iter().find(|(text, _)| self.rest.starts_with(text))?;
        self.rest = &self.rest[text.len()..];
        Some(Value::Number(*place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row of the file answers under both rules; its head says how to read it.
    #[test]
    fn every_row_of_version_data_holds() {
        let (mut relations, mut validities) = (0, 0);
        for line in include_str!("../../tests/data/version.data").lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            match fields[..] {
                [] => {}
                [comment, ..] if comment.starts_with('#') => {}
                [a, old, new, b] => {
                    for (rules, sign) in [(Rules::V2, old), (Rules::V3, new)] {
                        let expected = match sign {
                            "<" => Ordering::Less,
                            "=" => Ordering::Equal,
                            ">" => Ordering::Greater,
                            other => panic!("{other:?} is no relation: {line}"),
                        };
                        let (a, b) = (Version::new(a), Version::new(b));
                        assert_eq!(a.compare_under(b, rules), expected, "{line} under {rules:?}");
                        assert_eq!(b.compare_under(a, rules), expected.reverse(), "{line} reversed, under {rules:?}");
                        assert_eq!(a.compare_under(a, rules), Ordering::Equal, "{line}");
                    }
                    relations += 1;
                }
                [who, text] => {
                    let expected = match who {
                        "both" => [true, true],
                        "2.x" => [true, false],
                        "3.0" => [false, true],
                        "none" => [false, false],
                        other => panic!("{other:?} is nobody: {line}"),
                    };
                    let version = Version::new(text);
                    assert_eq!([version.is_valid(Rules::V2), version.is_valid(Rules::V3)], expected, "{line}");
                    validities += 1;
                }
                _ => panic!("cannot read {line:?}"),
            }
        }
        assert_eq!((relations, validities), (180, 85), "no row went unread");
    }

    #[test]
    fn tilde_matches_by_prefix_and_in_2x_both_ways() {
        for (version, pattern, old, new) in [
            ("3.8-r0", "3.8", true, true),
            ("3.8.1-r2", "3.8", true, true),
            ("3.8_rc1", "3.8", true, true),
            ("3.8a", "3.8", true, true),
            ("3.8", "3.8", true, true),
            ("3.80", "3.8", false, false),
            ("3.9-r0", "3.8", false, false),
            ("3.8-r0", "3.8.1", true, false),
            ("3.8.2-r0", "3.8.1", false, false),
            ("1.0-r1", "1.0-r1", true, true),
            ("1.0-r10", "1.0-r1", false, false),
        ] {
            let (version_, pattern_) = (Version::new(version), Version::new(pattern));
            assert_eq!(version_.matches_fuzzy(pattern_, Rules::V2), old, "{version} ~ {pattern} in 2.x");
            assert_eq!(version_.matches_fuzzy(pattern_, Rules::V3), new, "{version} ~ {pattern} in 3.0");
        }
        let below = Version::new("3.7.9-r1").compare_fuzzy(Version::new("3.8"), Rules::V3);
        assert_eq!(below, Ordering::Less, "what does not match still has a side, for <~ and >~");
    }

    #[test]
    fn numbers_have_any_length() {
        let long = |last: &str| format!("1.{}{last}-r0", "9".repeat(1000));
        let (a, b) = (long("1"), long("2"));
        assert_eq!(Version::new(&a).compare(Version::new(&b)), Ordering::Less);
        assert!(Version::new(&a).is_valid(Rules::V3));
        assert!(!Version::new(&a).is_valid(Rules::V2));
        let seventeen = format!("1.{}", "9".repeat(17));
        assert!(Version::new(&seventeen).is_valid(Rules::V2));
        assert!(!Version::new(&format!("{seventeen}9")).is_valid(Rules::V2));
        // 2^64 and one more wrap in the clients, not here.
        assert_eq!(Version::new("18446744073709551617").compare(Version::new("2")), Ordering::Greater);
    }

    #[test]
    fn broken_remainders_have_a_documented_place() {
        let order = |a, b| Version::new(a).compare(Version::new(b));
        assert_eq!(order("6.8.0p2-r10", "6.8.0p2-r4"), Ordering::Greater);
        assert_eq!(order("1.0!", "1.0"), Ordering::Less);
        assert_eq!(order("1.0!", "1.0_rc1"), Ordering::Greater);
        assert_eq!(order("1.1!", "1.0"), Ordering::Greater);
        assert_eq!(order("", ""), Ordering::Equal);
        assert_eq!(order("", "1"), Ordering::Less);
    }

    #[test]
    fn parse_takes_what_the_rules_call_valid() {
        assert_eq!(Version::parse("1.2-r3", Rules::V3).unwrap().as_str(), "1.2-r3");
        assert_eq!(Version::parse("0.99f7-r0", Rules::V2).unwrap().as_str(), "0.99f7-r0");
        assert_eq!(Version::parse("0.99f7-r0", Rules::V3).unwrap_err(), BadVersion { text: "0.99f7-r0".into() });
        assert!(Version::parse("", Rules::V2).is_err());
    }
}
