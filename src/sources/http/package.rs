//! Packages: streamed into a sink, resumed where they were cut.

use std::io;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, IF_RANGE, RANGE};
use url::Url;

use super::answer::{self, ContentRange};
use super::{Http, address_of};
use crate::report::Reporter;
use crate::sources::address;
use crate::sources::fault::Fault;
use crate::sources::retry::Attempts;
use crate::sources::{Error, PackageRequest, PackageSink, SinkError, Tried};

/// How bytes came that a sink found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// All in one answer.
    Whole,
    /// In parts: from a former run, another URL or an earlier attempt, between which the file may have changed.
    Mixed,
}

/// Why one attempt at a package ended.
enum Stop {
    Fault(Fault),
    /// The sink has had wrong bytes and must be restarted.
    Spoiled(String, Origin),
    /// The server does not continue where we asked: ask again for the whole file.
    NoRange,
    Sink(io::Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl Stop {
    fn of(error: SinkError, origin: Origin) -> Self {
        match error {
            SinkError::Wrong(reason) => Stop::Spoiled(reason, origin),
            SinkError::Host(cause) => Stop::Sink(cause),
        }
    }
}

/// What is known of one URL's copy of a package while it is being fetched.
struct Copy {
    address: Url,
    /// A strong `ETag` of an answer in this run: a later part must be of the same file.
    etag: Option<String>,
    ranges: Ranges,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ranges {
    Asked,
    /// The server answered one with nonsense.
    NotAsked,
}

impl Http {
    /// Fetches a package into `sink`, going on where the sink is. Ends well only after the sink's `finish` did.
    ///
    /// # Errors
    /// When every URL failed: see [`Error`]. The sink then keeps what may still be right, for a later run. Trouble of the
    /// sink's own host ends it at once.
    pub async fn package(
        &self,
        request: &PackageRequest<'_>,
        sink: &mut dyn PackageSink,
        reporter: &dyn Reporter,
    ) -> Result<(), Error> {
        let mut tried = Vec::new();
        for (number, base) in self.settings.urls.iter().enumerate() {
            let address = address_of(base, request.path, request.arch, request.file.as_str())?;
            if let Some(given_up) = self.given_up(number, &address) {
                tried.push(given_up);
                continue;
            }
            match self.package_at((number, address), request.size, sink, reporter).await? {
                None => {
                    self.standing[number].answered();
                    return Ok(());
                }
                Some(failed) => tried.push(failed),
            }
        }
        Err(Error::conclude(tried))
    }

    /// All attempts at one URL; `None` when the sink is content.
    async fn package_at(
        &self,
        (number, address): (usize, Url),
        size: u64,
        sink: &mut dyn PackageSink,
        reporter: &dyn Reporter,
    ) -> Result<Option<Tried>, Error> {
        let mut attempts = Attempts::new(self.settings.backoff, sink.offset());
        let mut copy = Copy { address, etag: None, ranges: Ranges::Asked };
        let mut fresh_start = None;
        loop {
            let fault = match self.package_once(&mut copy, size, sink, reporter).await {
                Ok(()) => return Ok(None),
                Err(Stop::Sink(cause)) => return Err(Error::Sink { url: address::shown(&copy.address), cause }),
                Err(Stop::NoRange) => {
                    copy.ranges = Ranges::NotAsked;
                    continue;
                }
                Err(Stop::Spoiled(reason, origin)) => {
                    restart(&copy, sink)?;
                    copy.etag = None;
                    // Parts that do not fit together say nothing about this URL's copy: it is asked for the whole, once.
                    if origin == Origin::Mixed && fresh_start.replace(()).is_none() {
                        continue;
                    }
                    Fault::Wrong(reason)
                }
                Err(Stop::Fault(fault)) => fault,
            };
            let held = sink.offset();
            let at = (number, &copy.address);
            if let Some(failed) = self.pause_or_give_up(at, &mut attempts, fault, held, reporter).await {
                return Ok(Some(failed));
            }
        }
    }

    /// One request for a package, or for its rest.
    async fn package_once(
        &self,
        copy: &mut Copy,
        size: u64,
        sink: &mut dyn PackageSink,
        reporter: &dyn Reporter,
    ) -> Result<(), Stop> {
        if sink.offset() > size {
            sink.restart().map_err(|error| Stop::of(error, Origin::Mixed))?;
        }
        let mut at = sink.offset();
        if at == size && size > 0 {
            return sink.finish().map_err(|error| Stop::of(error, Origin::Mixed));
        }
        let ranged = at > 0 && copy.ranges == Ranges::Asked;
        let headers = if ranged { rest_from(at, copy.etag.as_deref()) } else { HeaderMap::new() };
        let _slot = self.slot().await;
        let mut response = self.send(&copy.address, &headers, at, Some(size)).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if ranged => match answer::content_range(&response) {
                Some(ContentRange { total: Some(total), .. }) if total != size => {
                    return Err(wrong_length(total, size));
                }
                Some(range) if range.first == at => {}
                _ => return Err(Stop::NoRange),
            },
            StatusCode::RANGE_NOT_SATISFIABLE if ranged => return Err(Stop::NoRange),
            StatusCode::OK => {
                // Before the sink forgets its part: an answer of another length has nothing to offer for it.
                if let Some(length) = answer::length(&response).filter(|length| *length != size) {
                    return Err(wrong_length(length, size));
                }
                if at > 0 {
                    sink.restart().map_err(|error| Stop::of(error, Origin::Mixed))?;
                    at = 0;
                }
            }
            _ => return Err(answer::fault(&response).into()),
        }
        copy.etag = answer::strong_etag(&response);
        let origin = if at > 0 { Origin::Mixed } else { Origin::Whole };
        let mut pace = self.pace();
        while let Some(chunk) = self.chunk(&mut response, &mut pace, at, Some(size)).await? {
            if chunk.len() as u64 > size - at {
                return Err(Stop::Spoiled(
                    format!("the file has more than the {size} bytes that the index promises"),
                    origin,
                ));
            }
            sink.feed(&chunk).map_err(|error| Stop::of(error, origin))?;
            at += chunk.len() as u64;
            reporter.bytes_fetched(chunk.len() as u64);
        }
        if at == size {
            return sink.finish().map_err(|error| Stop::of(error, origin));
        }
        match (answer::end(&response), response.status()) {
            (answer::End::Marked, StatusCode::OK) => {
                Err(Stop::Spoiled(format!("the file has {at} bytes, the index promises {size}"), origin))
            }
            // A range may rightly be shorter than asked for, and an unmarked end may be a cut: the rest is asked for.
            _ => Err(Fault::Cut { got: at, of: Some(size) }.into()),
        }
    }
}

fn restart(copy: &Copy, sink: &mut dyn PackageSink) -> Result<(), Error> {
    sink.restart().map_err(|error| Error::Sink {
        url: address::shown(&copy.address),
        cause: match error {
            SinkError::Host(cause) => cause,
            // A sink without bytes has nothing to find wrong; if it does, no URL can help it.
            SinkError::Wrong(reason) => io::Error::other(reason),
        },
    })
}

/// Asks for the bytes from `at` on, of the file that `etag` belongs to.
fn rest_from(at: u64, etag: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(RANGE, format!("bytes={at}-").parse().expect("digits may stand in a header"));
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
        headers.insert(IF_RANGE, etag);
    }
    headers
}

fn wrong_length(length: u64, size: u64) -> Stop {
    Stop::Fault(Fault::Wrong(format!("the file has {length} bytes, the index promises {size}")))
}
