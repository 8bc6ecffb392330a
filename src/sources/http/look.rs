//! What a server says of one address, told whole: status, head, and as many bytes as were asked for. For those who look for
//! what is wrong with a server, not for what it serves.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, DATE, HeaderMap, HeaderName, LAST_MODIFIED, RANGE,
};
use reqwest::{Response, StatusCode};
use url::Url;

use super::{Http, answer};
use crate::sources::address;
use crate::sources::fault::{Fault, Kind};

/// Before what may pass is asked once more.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Longest text of a header that is told.
const MAX_TEXT: usize = 100;

/// How much of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it, if it has no more bytes than this.
    Whole(u64),
    /// What lies from this byte on, counted from 0; the bytes are not read. Of a file whose length is known the last byte tells
    /// whether it is that long, and whether parts can be had.
    From(u64),
}

/// What came of asking for a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// The server gave it, or said that the file ends before it.
    Kept,
    /// The server sends the whole file.
    Ignored,
    /// None was asked for.
    NotAsked,
}

/// An answer that has the file.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The statuses of the redirects that led to it.
    pub redirects: Vec<u16>,
    /// The whole file's length, where the server says it.
    pub length: Option<u64>,
    /// `Content-Encoding`, unless it is `identity`.
    pub encoding: Option<String>,
    /// `Content-Type`, without parameters, in small letters.
    pub content_type: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<Timestamp>,
    /// `Date`: the server's clock.
    pub date: Option<Timestamp>,
    /// What came of asking for a part.
    pub ranges: Ranges,
    /// The file, if all of it was asked for.
    pub bytes: Vec<u8>,
}

impl Http {
    /// Asks for a file at any address; what may pass is tried twice.
    pub async fn look(&self, address: &Url, part: Part) -> Result<Answer, Fault> {
        match self.look_once(address, part).await {
            Err(fault) if fault.kind() == Kind::Passing => {
                self.pause.sleep(AGAIN_AFTER).await;
                self.look_once(address, part).await
            }
            answer => answer,
        }
    }

    /// Whether this machine finds an address for the URL's host.
    pub async fn knows_host(&self, url: &Url) -> bool {
        match (url.host_str(), url.port_or_known_default()) {
            // An IPv6 address stands in brackets in a URL, and nowhere else.
            (Some(host), Some(port)) => tokio::net::lookup_host((host.trim_matches(['[', ']']), port))
                .await
                .is_ok_and(|mut found| found.next().is_some()),
            _ => false,
        }
    }

    async fn look_once(&self, address: &Url, part: Part) -> Result<Answer, Fault> {
        let mut headers = HeaderMap::new();
        if let Part::From(first) = part {
            headers.insert(RANGE, format!("bytes={first}-").parse().expect("digits may stand in a header"));
        }
        let _slot = self.slot().await;
        let (mut response, redirects) = self.send_along(address, &headers, 0, None).await?;
        let mut answer = Answer::of(&response, part, redirects);
        match (response.status(), part) {
            (StatusCode::OK, _) => {}
            (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, Part::From(_)) => {}
            _ => return Err(answer::fault(&response)),
        }
        if let Part::Whole(limit) = part {
            let mut pace = self.pace().within(self.settings.index_within);
            let of = answer.length;
            while let Some(chunk) = self.chunk(&mut response, &mut pace, answer.bytes.len() as u64, of).await? {
                if (answer.bytes.len() + chunk.len()) as u64 > limit {
                    return Err(Fault::Wrong(format!("it is larger than {limit} bytes")));
                }
                answer.bytes.extend_from_slice(&chunk);
            }
        }
        Ok(answer)
    }
}

impl Answer {
    fn of(response: &Response, part: Part, redirects: Vec<u16>) -> Answer {
        let headers = response.headers();
        let (ranges, length) = match (part, response.status()) {
            (Part::Whole(_), _) => (Ranges::NotAsked, answer::length(response)),
            (Part::From(_), StatusCode::OK) => (Ranges::Ignored, answer::length(response)),
            (Part::From(_), StatusCode::RANGE_NOT_SATISFIABLE) => (Ranges::Kept, length_of_unsatisfied(headers)),
            (Part::From(_), _) => (Ranges::Kept, answer::content_range(response).and_then(|range| range.total)),
        };
        let time = |name: HeaderName| {
            let text = answer::text(headers, name)?;
            rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
        };
        let told = |name: HeaderName| {
            let text = answer::text(headers, name)?.split(';').next()?.trim().to_ascii_lowercase();
            (!text.is_empty()).then(|| text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect::<String>())
        };
        Answer {
            redirects,
            length,
            encoding: told(CONTENT_ENCODING).filter(|coding| coding != "identity"),
            content_type: told(CONTENT_TYPE),
            last_modified: time(LAST_MODIFIED),
            date: time(DATE),
            ranges,
            bytes: Vec::new(),
        }
    }
}

/// `Content-Range: bytes */TOTAL`, which goes with 416 (RFC 9110, 15.5.17).
fn length_of_unsatisfied(headers: &HeaderMap) -> Option<u64> {
    answer::text(headers, CONTENT_RANGE)?.strip_prefix("bytes */")?.parse().ok()
}

/// A URL as it may be shown, without user, password and query.
pub fn shown(url: &Url) -> String {
    address::shown(url)
}
