//! One line of an access log in the combined format, or the common one, which lacks the last two fields; or of Caddy's, which is
//! JSON.

use std::borrow::Cow;

use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Longest line that is looked at, in bytes, its end not counted.
pub const LONGEST_LINE: usize = 64 << 10;

/// One request as a server wrote it down, escapes undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'l> {
    /// Who asked: an address, or a name where the server looks them up.
    pub client: Cow<'l, str>,
    /// When, in seconds since 1970.
    pub time: i64,
    /// `GET`; empty where what was sent is no HTTP.
    pub method: Cow<'l, str>,
    /// The target as sent; where what was sent is no HTTP, all of it.
    pub target: Cow<'l, str>,
    /// The reply's status code.
    pub status: u16,
    /// Bytes sent.
    pub bytes: u64,
    /// `User-Agent`; empty where there is none.
    pub agent: Cow<'l, str>,
}

/// Parses one line, without its end. `None`: it is no line of an access log.
pub fn parse(line: &[u8]) -> Option<Request<'_>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.starts_with(b"{") {
        return super::json::parse(line);
    }
    let end = memchr::memchr(b' ', line)?;
    let client = Some(&line[..end]).filter(|client| !client.is_empty() && client.len() <= 255)?;
    // The user is what a client called itself: brackets, too. The time is what stands in the first that hold one.
    let (time, rest) =
        memchr::memchr_iter(b'[', &line[end..]).filter(|at| line[end + at - 1] == b' ').find_map(|at| {
            let inside = &line[end + at + 1..];
            let close = memchr::memchr(b']', inside.get(..40).unwrap_or(inside))?;
            Some((time(&inside[..close])?, &inside[close + 1..]))
        })?;
    let (sent, rest) = quoted(rest)?;
    let mut words = rest.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let status: u16 = number(words.next()?).and_then(|status| status.try_into().ok())?;
    if !(100..1000).contains(&status) {
        return None;
    }
    let bytes = match words.next()? {
        b"-" => 0,
        digits => number(digits)?,
    };
    let agent = quoted(rest).and_then(|(_, rest)| quoted(rest)).map_or(&b""[..], |(agent, _)| agent);
    let (method, target) = split(sent).unwrap_or((b"", sent));
    let agent = if agent == b"-" { &b""[..] } else { agent };
    Some(Request {
        client: String::from_utf8_lossy(client),
        time,
        method: text(method),
        target: text(target),
        status,
        bytes,
        agent: text(agent),
    })
}

/// Method and target of `GET /path HTTP/1.1`.
fn split(sent: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = memchr::memchr(b' ', sent)?;
    let last = memchr::memrchr(b' ', sent)?;
    let (method, protocol) = (&sent[..first], &sent[last + 1..]);
    let is_http = protocol.starts_with(b"HTTP/") && last > first && method.iter().all(u8::is_ascii_alphabetic);
    (is_http && !method.is_empty() && method.len() <= 20).then(|| (method, &sent[first + 1..last]))
}

/// What stands in the next quotes, escapes and all, and what comes behind. A quote behind a backslash ends nothing.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = memchr::memchr(b'"', text)? + 1;
    let mut at = start;
    loop {
        at += memchr::memchr2(b'"', b'\\', &text[at..])?;
        if text[at] == b'"' {
            return Some((&text[start..at], &text[at + 1..]));
        }
        at += 2;
        if at > text.len() {
            return None;
        }
    }
}

/// Undoes what servers write for what would end a field: `\x22`, `\"`, `\\`, `\n`, `\t` and their like.
fn text(field: &[u8]) -> Cow<'_, str> {
    if !field.contains(&b'\\') {
        return String::from_utf8_lossy(field);
    }
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let (byte, length) = match (first, after) {
            (b'\\', [b'x' | b'X', high, low, ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => (b'\\', 1),
            },
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [escaped @ (b'"' | b'\\'), ..]) => (*escaped, 2),
            (other, _) => (other, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// The value of a hex digit.
pub(super) fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// `30/Nov/2026:23:59:59 +0130`.
fn time(text: &[u8]) -> Option<i64> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let right = text.len() == 26
        && [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')]
            .iter()
            .all(|(at, byte)| text[*at] == *byte);
    if !right {
        return None;
    }
    let small = |at: usize| number(&text[at..at + 2]).and_then(|number| i8::try_from(number).ok());
    let month = MONTHS.iter().position(|month| text[3..6].eq_ignore_ascii_case(*month))?;
    let year = number(&text[7..11]).and_then(|year| i16::try_from(year).ok())?;
    // A leap second is told as :60.
    let second = small(18)?.min(59);
    let civil =
        DateTime::new(year, i8::try_from(month).ok()? + 1, small(0)?, small(12)?, small(15)?, second, 0).ok()?;
    let sign = match text[21] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let offset = sign * (i32::from(small(22)?) * 3600 + i32::from(small(24)?) * 60);
    Some(Offset::from_seconds(offset).ok()?.to_timestamp(civil).ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "192.0.2.7 - - [30/Nov/2026:12:00:00 +0000] \"GET /v3.23/main/x86_64/APKINDEX.tar.gz HTTP/1.1\" 200 1234 \"-\" \"apk-tools/2.14.4\"";

    fn one(line: &str) -> Request<'_> {
        parse(line.as_bytes()).unwrap_or_else(|| panic!("{line}"))
    }

    #[test]
    fn a_line_has_its_fields() {
        let request = one(PLAIN);
        assert_eq!((request.client.as_ref(), request.method.as_ref()), ("192.0.2.7", "GET"));
        assert_eq!(request.target, "/v3.23/main/x86_64/APKINDEX.tar.gz");
        assert_eq!((request.status, request.bytes, request.agent.as_ref()), (200, 1234, "apk-tools/2.14.4"));
        let noon: jiff::Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        assert_eq!(request.time, noon.as_second());
    }

    #[test]
    fn times_of_any_offset_are_one() {
        let noon = one(PLAIN).time;
        for same in [
            "30/Nov/2026:13:30:00 +0130",
            "30/Nov/2026:04:15:00 -0745",
            "01/Dec/2026:02:00:00 +1400",
            "30/nov/2026:12:00:00 -0000",
        ] {
            let line = PLAIN.replace("30/Nov/2026:12:00:00 +0000", same);
            assert_eq!(one(&line).time, noon, "{same}");
        }
    }

    #[test]
    fn escapes_of_every_server_are_undone() {
        for (sent, target) in [
            ("GET /a\\x22b HTTP/1.1", "/a\"b"),
            ("GET /a\\\"b HTTP/1.1", "/a\"b"),
            ("GET /a\\\\b HTTP/1.1", "/a\\b"),
            ("GET /\\x1B[2J HTTP/1.1", "/\u{1b}[2J"),
            ("GET /a\\xZZ HTTP/1.1", "/a\\xZZ"),
            ("GET /with blank HTTP/1.1", "/with blank"),
        ] {
            let line = PLAIN.replace("GET /v3.23/main/x86_64/APKINDEX.tar.gz HTTP/1.1", sent);
            assert_eq!(one(&line).target, target, "{line}");
        }
    }

    #[test]
    fn other_shapes_are_read() {
        let common = PLAIN.split(" \"-\"").next().unwrap();
        assert_eq!(one(common).agent, "");
        assert_eq!(one(&PLAIN.replace("200 1234", "304 -")).bytes, 0);
        assert_eq!(one(&format!("{PLAIN} 0.003 \"more\"")).agent, "apk-tools/2.14.4");
        assert_eq!(one(&format!("{PLAIN}\r")).agent, "apk-tools/2.14.4");
        // lighttpd has the host there; a user may be called anything.
        assert_eq!(one(&PLAIN.replacen("- -", "mirror.example [a] b [30/Nov", 1)).status, 200);
        assert_eq!(one(&PLAIN.replace("192.0.2.7", "2001:db8::7")).client, "2001:db8::7");
        let not_http = one("192.0.2.7 - - [30/Nov/2026:12:00:00 +0000] \"\\x16\\x03\\x01\" 400 157 \"-\" \"-\"")
            .target
            .into_owned();
        assert_eq!(not_http, "\u{16}\u{3}\u{1}");
        assert_eq!(one("192.0.2.7 - - [30/Nov/2026:12:00:00 +0000] \"-\" 408 0 \"-\" \"-\"").method, "");
    }

    #[test]
    fn garbage_is_no_request() {
        for garbage in [
            "",
            " ",
            "hello",
            "[",
            "a [",
            "a [30/Nov/2026:12:00:00 +0000]",
            "a - - [31/Feb/2026:12:00:00 +0000] \"GET / HTTP/1.1\" 200 1",
            "a - - [30/Nov/2026:25:00:00 +0000] \"GET / HTTP/1.1\" 200 1",
            "a - - [30/Nov/2026:12:00:00 +0000] \"GET / HTTP/1.1\" 2000 1",
            "a - - [30/Nov/2026:12:00:00 +0000] \"GET / HTTP/1.1\" 200 -1",
            "a - - [30/Nov/2026:12:00:00 +0000] \"GET / HTTP/1.1\\",
            "a - - [30/Nov/2026:12:00:00 +0000] \"GET / HTTP/1.1\\\"",
            "{\"level\":\"info\",\"ts\":1}",
        ] {
            assert_eq!(parse(garbage.as_bytes()), None, "{garbage:?}");
        }
        assert_eq!(parse(&[0xff; 300]), None);
        // Every line cut anywhere is read or refused, and never more than that.
        for end in 0..PLAIN.len() {
            let _ = parse(&PLAIN.as_bytes()[..end]);
        }
    }
}
