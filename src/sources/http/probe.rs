//! Whether a package is there, without fetching it.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RANGE};

use super::{Http, address_of, answer};
use crate::report::Reporter;
use crate::sources::fault::{Fault, Kind};
use crate::sources::retry::Attempts;
use crate::sources::{Error, PackageRequest};

/// What a URL says of one package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is there and has the length that its index promises, or none is said.
    There,
    /// It is there and has another length, bytes.
    OtherLength(u64),
    /// It is not there.
    Absent,
}

impl Http {
    /// Asks the first URL for the first byte of a package, which every server and cache between answers as it answers a
    /// download, unlike `HEAD`.
    ///
    /// # Errors
    /// When it cannot be asked: see [`Error`].
    pub async fn probe(&self, request: &PackageRequest<'_>, reporter: &dyn Reporter) -> Result<Presence, Error> {
        let Some(base) = self.settings.urls.first() else { return Err(Error::BadUrl(String::new())) };
        let address = address_of(base, request.path, request.arch, request.file.as_str())?;
        let mut attempts = Attempts::new(self.settings.backoff, 0);
        loop {
            let fault = match self.probe_once(&address, request.size).await {
                Ok(presence) => {
                    self.standing[0].answered();
                    return Ok(presence);
                }
                Err(fault) if fault.kind() == Kind::Absent => return Ok(Presence::Absent),
                Err(fault) => fault,
            };
            let at = (0, &address);
            if let Some(failed) = self.pause_or_give_up(at, &mut attempts, fault, 0, reporter).await {
                return Err(Error::conclude(vec![failed]));
            }
        }
    }

    async fn probe_once(&self, address: &url::Url, size: u64) -> Result<Presence, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, "bytes=0-0".parse().expect("it may stand in a header"));
        let _slot = self.slot().await;
        let response = self.send(address, &headers, 0, None).await?;
        let length = match response.status() {
            StatusCode::PARTIAL_CONTENT => answer::content_range(&response).and_then(|range| range.total),
            // A server without ranges begins to send all of it; it is not listened to.
            StatusCode::OK => answer::length(&response),
            _ => return Err(answer::fault(&response)),
        };
        Ok(length.filter(|length| *length != size).map_or(Presence::There, Presence::OtherLength))
    }
}
