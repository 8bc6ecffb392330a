//! What a request asks for: its path, its conditions, its range. Pure.

use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::pages::Kept;

/// Why a target was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadTarget {
    /// It is no path, or its escapes are broken: 400.
    Malformed,
    /// It asks for what is never served: 404, as for any other thing that is not there.
    Forbidden,
}

/// Splits a request's path into decoded segments. Escapes are decoded once; `+` stays. Empty segments are passed over, as
/// common web servers do. The flag-like last part of the answer says whether the path named a folder by its slash.
pub(super) fn segments(path: &str) -> Result<(Vec<String>, Named), BadTarget> {
    let rest = path.strip_prefix('/').ok_or(BadTarget::Malformed)?;
    let mut segments = Vec::new();
    for raw in rest.split('/').filter(|raw| !raw.is_empty()) {
        let segment = decode(raw)?;
        // An encoded slash would make one segment two; hidden names cover `.` and `..`.
        if segment.starts_with('.') || segment.contains(['/', '\0']) {
            return Err(BadTarget::Forbidden);
        }
        segments.push(segment);
    }
    let named = if rest.is_empty() || rest.ends_with('/') { Named::Folder } else { Named::Either };
    Ok((segments, named))
}

/// What a path's end says about the thing it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It ends with a slash.
    Folder,
    /// It does not.
    Either,
}

fn decode(raw: &str) -> Result<String, BadTarget> {
    if !raw.contains('%') {
        return Ok(raw.to_owned());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(BadTarget::Malformed);
            bytes.push((digit()? * 16 + digit()?) as u8);
        } else {
            bytes.push(byte);
        }
    }
    // No name of ours is anything but text.
    String::from_utf8(bytes).map_err(|_| BadTarget::Forbidden)
}

/// A segment as it stands in a URL or an attribute of HTML: everything but letters, digits and `-._~+@` escaped.
pub fn encode(segment: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~+@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
    text
}

/// What validators are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// Bytes.
    pub(super) size: u64,
    /// Seconds since 1970.
    pub(super) seconds: i64,
    /// And nanoseconds behind them.
    pub(super) nanoseconds: u32,
    /// Half of its object id, where that is known.
    pub(super) object: Option<[u8; 16]>,
}

impl Version {
    /// A strong validator: the file's bytes themselves; or its time and size, which no other one has under its name, as no file
    /// changes in place below a published tree.
    pub(super) fn etag(&self) -> String {
        if let Some(object) = self.object {
            return format!("\"{:032x}\"", u128::from_be_bytes(object));
        }
        format!("\"{:x}.{:x}-{:x}\"", self.seconds, self.nanoseconds, self.size)
    }

    /// In whole seconds, in the form of RFC 9110. `None` for times before 1970 or after 9999.
    pub(super) fn last_modified(&self) -> Option<String> {
        let seconds = u64::try_from(self.seconds).ok().filter(|seconds| *seconds < YEAR_10000)?;
        Some(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)))
    }
}

/// When four digits do not hold a year any more, in seconds since 1970.
const YEAR_10000: u64 = 253_402_300_800;

/// The headers that a reply depends on, as they came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conditions<'a> {
    pub(super) if_match: Option<&'a str>,
    pub(super) if_none_match: Option<&'a str>,
    pub(super) if_modified_since: Option<&'a str>,
    pub(super) range: Option<&'a str>,
    pub(super) if_range: Option<&'a str>,
}

/// Which bytes to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// 304.
    NotModified,
    /// 412: it is not what the client goes on with.
    Changed,
    /// 200, all of them.
    Whole,
    /// 206, from `first` to `last`, both counted.
    Part { first: u64, last: u64 },
    /// 416.
    Unsatisfiable,
}

/// How long after its publication a file is sent whole to whoever asks by date. apk sends the time of its last download, by
/// its own clock: shortly after a publication that may have been the former file.
const FRESH: i64 = 10 * 60;

impl Conditions<'_> {
    /// Decides in RFC 9110's order (13.2.2): `If-Match`; `If-None-Match`, else `If-Modified-Since`; then `Range`, if `If-Range` holds.
    /// `now` is in seconds since 1970.
    pub(super) fn answer(&self, version: &Version, kept: Kept, now: i64) -> Answer {
        if self.if_match.is_some_and(|tags| !matches_strongly(tags, &version.etag())) {
            return Answer::Changed;
        }
        let unchanged = match (self.if_none_match, self.if_modified_since) {
            (Some(tags), _) => matches_any(tags, &version.etag()),
            (None, Some(date)) => seconds(date).is_some_and(|since| {
                // What never changes may be asked for by the very date that it has, as `wget -N` does.
                let fresh = if kept == Kept::ForGood { 0 } else { FRESH };
                // A date in the future comes from a clock that runs ahead; taken at its word it would hide every update.
                since <= now && version.seconds.saturating_add(fresh) <= since
            }),
            (None, None) => false,
        };
        if unchanged {
            return Answer::NotModified;
        }
        match self.range {
            Some(range) if self.range_applies(version) => part(range, version.size),
            _ => Answer::Whole,
        }
    }

    fn range_applies(&self, version: &Version) -> bool {
        match self.if_range {
            None => true,
            Some(tag) if tag.starts_with('"') => tag == version.etag(),
            Some(date) => seconds(date) == Some(version.seconds),
        }
    }
}

fn seconds(date: &str) -> Option<i64> {
    DateTimeParser::new().parse_timestamp(date).ok().map(Timestamp::as_second)
}

/// Weak comparison (RFC 9110, 8.8.3.2), as `If-None-Match` asks for.
fn matches_any(tags: &str, etag: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Strong comparison, as `If-Match` asks for.
fn matches_strongly(tags: &str, etag: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag == etag)
}

/// One range of bytes; several, other units and what does not parse are ignored, as RFC 9110 (14.2) allows.
fn part(range: &str, size: u64) -> Answer {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|spec| spec.split_once('-')) else {
        return Answer::Whole;
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Answer::Whole;
    }
    // Numbers beyond 64 bits lie behind every end.
    let number = |text: &str| text.parse().unwrap_or(u64::MAX);
    let (first, last) = match (first, last) {
        ("", "") => return Answer::Whole,
        ("", suffix) => match number(suffix) {
            0 => return Answer::Unsatisfiable,
            suffix => (size.saturating_sub(suffix), u64::MAX),
        },
        (first, "") => (number(first), u64::MAX),
        (first, last) if number(last) < number(first) => return Answer::Whole,
        (first, last) => (number(first), number(last)),
    };
    if first >= size { Answer::Unsatisfiable } else { Answer::Part { first, last: last.min(size - 1) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: Version = Version { size: 1000, seconds: 784_111_777, nanoseconds: 5, object: None };
    const NOW: i64 = 784_111_777 + 3600;

    fn path(text: &str) -> Result<String, BadTarget> {
        segments(text).map(|(segments, _)| segments.join("|"))
    }

    #[test]
    fn tilde_is_one_file_and_plus_is_a_plus() {
        for spelling in ["/x/a~b+c.apk", "/x/a%7eb+c.apk", "/x/a%7Eb%2bc.apk", "//x///a~b+c.apk"] {
            assert_eq!(path(spelling).as_deref(), Ok("x|a~b+c.apk"), "{spelling}");
        }
        // Decoded once, not twice.
        assert_eq!(path("/a%257e").as_deref(), Ok("a%7e"));
    }

    #[test]
    fn no_path_leads_out() {
        for out in [
            "/..",
            "/../etc/passwd",
            "/a/../../b",
            "/%2e%2e/b",
            "/.%2E/b",
            "/a%2fb",
            "/a%2F..%2fb",
            "/a%00b",
            "/.generations/1",
            "/./a",
            "/%ff",
        ] {
            assert_eq!(path(out), Err(BadTarget::Forbidden), "{out}");
        }
        for malformed in ["", "a", "*", "/%", "/%4", "/%zz", "/%+1"] {
            assert_eq!(path(malformed), Err(BadTarget::Malformed), "{malformed}");
        }
    }

    #[test]
    fn a_slash_at_the_end_names_a_folder() {
        assert_eq!(segments("/"), Ok((vec![], Named::Folder)));
        assert_eq!(segments("/a/"), Ok((vec!["a".to_owned()], Named::Folder)));
        assert_eq!(segments("/a"), Ok((vec!["a".to_owned()], Named::Either)));
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        for text in ["a~b+c@d-1.0_r0", "ä <b>&\"'%", "a b"] {
            assert_eq!(decode(&encode(text)).as_deref(), Ok(text));
            assert!(!encode(text).contains(['<', '"', '&', ' ']));
        }
    }

    #[test]
    fn ranges_follow_rfc_9110() {
        let part =
            |range| Conditions { range: Some(range), ..Conditions::default() }.answer(&VERSION, Kept::ForGood, NOW);
        for (range, first, last) in [
            ("bytes=0-0", 0, 0),
            ("bytes=10-19", 10, 19),
            ("bytes=990-", 990, 999),
            ("bytes=-1", 999, 999),
            ("bytes=-5000", 0, 999),
            ("bytes=0-5000", 0, 999),
            ("bytes=0-99999999999999999999999", 0, 999),
        ] {
            assert_eq!(part(range), Answer::Part { first, last }, "{range}");
        }
        for range in ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(part(range), Answer::Unsatisfiable, "{range}");
        }
        for range in ["bytes=1-0", "bytes=0-1,5-6", "bytes=-", "bytes=a-b", "bytes=+1-2", "lines=0-1", "0-1"] {
            assert_eq!(part(range), Answer::Whole, "{range}");
        }
        let empty = Version { size: 0, ..VERSION };
        let range = Conditions { range: Some("bytes=0-"), ..Conditions::default() };
        assert_eq!(range.answer(&empty, Kept::ForGood, NOW), Answer::Unsatisfiable);
    }

    #[test]
    fn dates_are_rfc_9110s() {
        assert_eq!(VERSION.last_modified().as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("yesterday"), None);
        let at = |seconds| Version { seconds, ..VERSION }.last_modified();
        assert_eq!(at(253_402_300_799).as_deref(), Some("Fri, 31 Dec 9999 23:59:59 GMT"));
        assert_eq!((at(253_402_300_800), at(-1), at(i64::MAX)), (None, None, None));
    }

    #[test]
    fn a_tag_is_made_from_the_object_or_from_time_and_size() {
        assert_eq!(VERSION.etag(), "\"2ebc98a1.5-3e8\"");
        let object = Some(std::array::from_fn(|at| at as u8));
        assert_eq!(Version { object, ..VERSION }.etag(), "\"000102030405060708090a0b0c0d0e0f\"");
    }

    #[test]
    fn conditions_are_met_in_order() {
        let etag = VERSION.etag();
        let since = |date| {
            let conditions = Conditions { if_modified_since: Some(date), ..Conditions::default() };
            conditions.answer(&VERSION, Kept::ForGood, NOW)
        };
        assert_eq!(since("Sun, 06 Nov 1994 08:49:37 GMT"), Answer::NotModified);
        assert_eq!(since("Sun, 06 Nov 1994 08:50:37 GMT"), Answer::NotModified);
        assert_eq!(since("Sun, 06 Nov 1994 08:49:36 GMT"), Answer::Whole);
        // An hour ahead of our clock: as if it were absent.
        assert_eq!(since("Sun, 06 Nov 1994 10:49:37 GMT"), Answer::Whole);
        assert_eq!(since("rubbish"), Answer::Whole);

        let weak = format!("\"other\", W/{etag}");
        for (tags, answer) in
            [(etag.as_str(), Answer::NotModified), (&weak, Answer::NotModified), ("*", Answer::NotModified)]
        {
            let none = Conditions { if_none_match: Some(tags), ..Conditions::default() };
            assert_eq!(none.answer(&VERSION, Kept::UntilAsked, NOW), answer, "{tags}");
        }
        // A tag that differs wins over a date that does not.
        let both = Conditions {
            if_none_match: Some("\"other\""),
            if_modified_since: Some("Sun, 06 Nov 1994 08:49:37 GMT"),
            ..Conditions::default()
        };
        assert_eq!(both.answer(&VERSION, Kept::ForGood, NOW), Answer::Whole);

        let part = Answer::Part { first: 5, last: 999 };
        for (if_range, answer) in [
            (etag.as_str(), part),
            ("\"other\"", Answer::Whole),
            ("Sun, 06 Nov 1994 08:49:37 GMT", part),
            ("Sun, 06 Nov 1994 08:49:38 GMT", Answer::Whole),
        ] {
            let range = Conditions { range: Some("bytes=5-"), if_range: Some(if_range), ..Conditions::default() };
            assert_eq!(range.answer(&VERSION, Kept::ForGood, NOW), answer, "{if_range}");
        }
    }

    /// apk-tools ask with the time of their last download, not with what `Last-Modified` said.
    #[test]
    fn within_ten_minutes_of_publication_an_index_is_sent_whole() {
        let since = |seconds: i64, kept| {
            let date = Version { seconds, ..VERSION }.last_modified().unwrap();
            Conditions { if_modified_since: Some(&date), ..Conditions::default() }.answer(&VERSION, kept, NOW)
        };
        for (after, answer) in [
            (-1, Answer::Whole),
            // In the second of the publication: it may have been the former index that the client got.
            (0, Answer::Whole),
            (1, Answer::Whole),
            (FRESH - 1, Answer::Whole),
            (FRESH, Answer::NotModified),
            (3600, Answer::NotModified),
            (3601, Answer::Whole),
        ] {
            assert_eq!(since(VERSION.seconds + after, Kept::UntilAsked), answer, "{after}");
        }
        assert_eq!(since(VERSION.seconds, Kept::ForGood), Answer::NotModified);
        assert_eq!(since(VERSION.seconds - 1, Kept::ForGood), Answer::Whole);
    }
}
