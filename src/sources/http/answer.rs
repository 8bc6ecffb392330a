//! What an answer's head says.

use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::Response;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, RETRY_AFTER, TRANSFER_ENCODING,
};

use super::MAX_VALIDATOR;
use crate::sources::fault::Fault;

/// `Content-Range: bytes FIRST-LAST/TOTAL` (RFC 9110, 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    /// The whole file's length, where the server knows it.
    pub(super) total: Option<u64>,
}

/// How a body's end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By a length or a last chunk; a body that ends short of it is an error of the HTTP library's.
    Marked,
    /// Only by the end of the connection (RFC 9112, 6.3, case 8): a cut looks the same.
    Unmarked,
}

pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The body's length, if it is declared.
pub(super) fn length(response: &Response) -> Option<u64> {
    text(response.headers(), CONTENT_LENGTH)?.parse().ok()
}

pub(super) fn end(response: &Response) -> End {
    match response.headers().contains_key(CONTENT_LENGTH) || response.headers().contains_key(TRANSFER_ENCODING) {
        true => End::Marked,
        false => End::Unmarked,
    }
}

pub(super) fn content_range(response: &Response) -> Option<ContentRange> {
    parse_content_range(text(response.headers(), CONTENT_RANGE)?)
}

fn parse_content_range(value: &str) -> Option<ContentRange> {
    let (range, total) = value.strip_prefix("bytes ")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse::<u64>().ok()?);
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    (first <= last && total.is_none_or(|total| last < total)).then_some(ContentRange { first, total })
}

/// An `ETag` under which parts may be put together: not a weak one (RFC 9110, 13.1.5). `Last-Modified` is not used for
/// that: it is strong only beside a `Date` that is late enough, and what it would catch, the identity catches.
pub(super) fn strong_etag(response: &Response) -> Option<String> {
    let etag = text(response.headers(), ETAG)?;
    (etag.starts_with('"') && etag.len() <= MAX_VALIDATOR).then(|| etag.to_owned())
}

/// The fault of an answer that is not the file.
pub(super) fn fault(response: &Response) -> Fault {
    let status = response.status().as_u16();
    match (status, retry_after(response.headers())) {
        (429 | 500..=599, Some(wait)) => Fault::Busy { status, wait },
        _ => Fault::Status(status),
    }
}

/// `Retry-After` is seconds or a time (RFC 9110, 10.2.3). A time is measured against the answer's own `Date`, so that our
/// clock has no say.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let parse = |text| rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let (then, now) = (parse(value)?, parse(text(headers, DATE)?)?);
    Some(Duration::from_secs(u64::try_from(then.as_second() - now.as_second()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_exactly() {
        let range = |first, total| Some(ContentRange { first, total });
        for (value, expected) in [
            ("bytes 5-9/10", range(5, Some(10))),
            ("bytes 5-9/*", range(5, None)),
            ("bytes 5-7/10", range(5, Some(10))),
            ("bytes */10", None),
            ("bytes 5-10/10", None),
            ("bytes 9-5/10", None),
            ("bytes 5-9", None),
            ("bytes -5-9/10", None),
            ("items 5-9/10", None),
            ("bytes 5-99999999999999999999/*", None),
            ("", None),
        ] {
            assert_eq!(parse_content_range(value), expected, "{value}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_time() {
        let wait = |after: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, after.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        let date = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(wait("120", None), Some(120));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:45 GMT", date), Some(45));
        assert_eq!(wait("Wed, 21 Oct 2015 07:27:00 GMT", date), Some(0));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:45 GMT", None), None);
        assert_eq!(wait("soon", date), None);
        assert_eq!(wait("-1", date), None);
    }
}
