//! Indexes: asked for conditionally, read whole.

use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Http, MAX_VALIDATOR, address_of, answer};
use crate::apk::Arch;
use crate::report::Reporter;
use crate::sources::Error;
use crate::sources::fault::Fault;
use crate::sources::retry::Attempts;

/// What a server gave to ask "still the same?" with. Sent back byte for byte to the URL that gave it, and to no other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// `ETag`, with its quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// `Last-Modified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

impl Validators {
    fn of(response: &Response) -> Self {
        let text = |name| {
            let value = response.headers().get(name)?.to_str().ok()?;
            (!value.is_empty() && value.len() <= MAX_VALIDATOR).then(|| value.to_owned())
        };
        Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
    }

    fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

/// An index to be asked for.
#[derive(Clone, Copy, Debug)]
pub struct IndexRequest<'a> {
    /// The folder below the source's URL: `v3.23/main`; empty for the top.
    pub path: &'a str,
    /// The arch folder.
    pub arch: &'a Arch,
    /// By URL, in the settings' order: what belongs to the accepted index. Shorter than the URLs: none for the rest.
    pub known: &'a [Option<Validators>],
    /// The URL to begin with: 0, or one more than the one whose bytes were refused or lag.
    pub first_url: usize,
}

/// What a source says of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexReply {
    /// That URL still has what its known validators belong to.
    Unchanged {
        /// Which URL, from 0.
        url: usize,
    },
    /// That URL's index, not verified.
    Fetched {
        /// Which URL, from 0.
        url: usize,
        /// The file as sent.
        bytes: Vec<u8>,
        /// What to ask with next time, at this URL, if these bytes are accepted.
        validators: Validators,
    },
}

impl Http {
    /// Asks for an index, at the first URL that has it from `first_url` on.
    ///
    /// # Errors
    /// When every URL failed: see [`Error`]. [`Error::NoFurtherUrl`] when `first_url` is past the last.
    pub async fn index(&self, request: &IndexRequest<'_>, reporter: &dyn Reporter) -> Result<IndexReply, Error> {
        const FILE: &str = "APKINDEX.tar.gz";
        let mut tried = Vec::new();
        for (number, base) in self.settings.urls.iter().enumerate().skip(request.first_url) {
            let address = address_of(base, request.path, request.arch, FILE)?;
            let known = request.known.get(number).and_then(Option::as_ref);
            if let Some(given_up) = self.given_up(number, &address) {
                tried.push(given_up);
                continue;
            }
            let mut attempts = Attempts::new(self.settings.backoff, 0);
            loop {
                let answer = self.index_once(&address, known).await;
                if answer.is_ok() {
                    self.standing[number].answered();
                }
                let fault = match answer {
                    Ok(None) => return Ok(IndexReply::Unchanged { url: number }),
                    Ok(Some((bytes, validators))) => {
                        return Ok(IndexReply::Fetched { url: number, bytes, validators });
                    }
                    Err(fault) => fault,
                };
                let at = (number, &address);
                if let Some(failed) = self.pause_or_give_up(at, &mut attempts, fault, 0, reporter).await {
                    tried.push(failed);
                    break;
                }
            }
        }
        match tried.is_empty() {
            true => Err(Error::NoFurtherUrl(format!("{}/{}/{FILE}", request.path, request.arch))),
            false => Err(Error::conclude(tried)),
        }
    }

    /// One conditional request; `None` is "not modified".
    async fn index_once(
        &self,
        address: &Url,
        known: Option<&Validators>,
    ) -> Result<Option<(Vec<u8>, Validators)>, Fault> {
        let known = known.filter(|known| !known.is_empty());
        let mut headers = HeaderMap::new();
        let mut add = |name: HeaderName, text: Option<&String>| {
            // They came out of a header, or out of a record of ours that holds what did.
            if let Some(value) = text.and_then(|text| HeaderValue::from_str(text).ok()) {
                headers.insert(name, value);
            }
        };
        add(IF_NONE_MATCH, known.and_then(|known| known.etag.as_ref()));
        add(IF_MODIFIED_SINCE, known.and_then(|known| known.last_modified.as_ref()));
        let _slot = self.slot().await;
        let mut response = self.send(address, &headers, 0, None).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if known.is_some() => return Ok(None),
            _ => return Err(answer::fault(&response)),
        }
        let limit = self.settings.index_limit;
        let too_large = || Fault::Wrong(format!("the index is larger than {limit} bytes"));
        let length = answer::length(&response);
        if length.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let validators = Validators::of(&response);
        // A declared length is a promise of the server's only: room is made as bytes come.
        let mut bytes = Vec::new();
        let mut pace = self.pace().within(self.settings.index_within);
        while let Some(chunk) = self.chunk(&mut response, &mut pace, bytes.len() as u64, length).await? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some((bytes, validators)))
    }
}
