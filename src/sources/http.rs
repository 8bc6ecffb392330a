//! An upstream over HTTP: conditional index requests, package downloads that go on where they were cut, several URLs.
//!
//! One [`Http`] serves one source. Its connections are kept alive and shared by all its requests; at most
//! [`HttpSettings::connections`] requests are under way at once, whoever asks. HTTP/1.1 only, so that this number is what it
//! says; no content coding is asked for, because what is verified are the file's own bytes.
//!
//! Each request tries the URLs in order, each URL as often as [`Backoff`](super::retry::Backoff) allows.

mod answer;
mod index;
mod pace;
mod package;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Once};
use std::time::Instant;

use reqwest::{RequestBuilder, Response};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use super::retry::{Attempts, Next, Pause, RealPause};
use super::{Error, Tried, address, fault::Fault};
use crate::apk::Arch;
use crate::report::Reporter;

pub use index::{IndexReply, IndexRequest, Validators};
pub use settings::HttpSettings;

use pace::Pace;

/// Longest validator that is kept and sent back; a longer one is taken as none.
const MAX_VALIDATOR: usize = 1024;

/// An upstream.
pub struct Http {
    settings: HttpSettings,
    client: reqwest::Client,
    slots: Semaphore,
    pause: Arc<dyn Pause>,
}

impl Http {
    /// Sets the client up; nothing is sent yet. Proxies are taken from the environment (`http_proxy`, `https_proxy`,
    /// `no_proxy`), except for a source all of whose URLs are on this machine.
    pub fn new(settings: HttpSettings) -> Result<Self, Error> {
        Http::with_pause(settings, Arc::new(RealPause))
    }

    /// As [`Http::new`], with chance and sleep of the caller's.
    pub fn with_pause(settings: HttpSettings, pause: Arc<dyn Pause>) -> Result<Self, Error> {
        static PROVIDER: Once = Once::new();
        // Fails only when the process has chosen a provider already; then that one serves.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let unusable = |url: &&Url| !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base();
        if let Some(url) = settings.urls.iter().find(unusable) {
            return Err(Error::BadUrl(address::shown(url)));
        }
        if settings.urls.is_empty() {
            return Err(Error::BadUrl(String::new()));
        }
        let client = settings.client().build().or_else(|error| {
            match settings.urls.iter().any(|url| url.scheme() == "https") {
                true => Err(Error::Client(error)),
                // A machine without CA certificates can still use plain http; https behind a redirect stays untrusted.
                false => settings.client().tls_certs_only([]).build().map_err(Error::Client),
            }
        })?;
        Ok(Http { slots: Semaphore::new(settings.connections.max(1)), settings, client, pause })
    }

    /// How many URLs there are; [`IndexRequest::first_url`] is below it.
    pub fn url_count(&self) -> usize {
        self.settings.urls.len()
    }

    /// A URL of this source's as it may be shown, without user, password and query.
    pub fn shown_url(&self, url: usize) -> Option<String> {
        self.settings.urls.get(url).map(address::shown)
    }

    /// Waits before the next attempt at the same URL, or says that there is none.
    async fn pause_or_give_up(
        &self,
        attempts: &mut Attempts,
        address: &Url,
        fault: Fault,
        held: u64,
        reporter: &dyn Reporter,
    ) -> Option<Tried> {
        let count = attempts.count();
        match attempts.failed(&fault, held, self.pause.chance()) {
            Next::GiveUp => Some(Tried { url: address::shown(address), fault, attempt: count }),
            Next::Again(wait) => {
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                reporter.retrying(&address::shown(address), &fault.to_string(), count.0, wait_ms);
                self.pause.sleep(wait).await;
                None
            }
        }
    }

    /// Waits until a request may be sent; it may while the permit lives.
    async fn slot(&self) -> SemaphorePermit<'_> {
        self.slots.acquire().await.expect("the semaphore is never closed")
    }

    async fn send(&self, request: RequestBuilder, got: u64, of: Option<u64>) -> Result<Response, Fault> {
        request.send().await.map_err(|error| Fault::of(&error, got, of, self.settings.timeout))
    }

    async fn chunk(
        &self,
        response: &mut Response,
        pace: &mut Pace,
        got: u64,
        of: Option<u64>,
    ) -> Result<Option<bytes::Bytes>, Fault> {
        let asked = Instant::now();
        let chunk = response.chunk().await.map_err(|error| Fault::of(&error, got, of, self.settings.timeout))?;
        let received = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        match chunk.is_some() && pace.add(received, asked.elapsed()) == pace::Verdict::TooSlow {
            true => Err(Fault::Slow { slowest: self.settings.slowest, got, of }),
            false => Ok(chunk),
        }
    }

    fn pace(&self) -> Pace {
        Pace::new(self.settings.slowest, self.settings.timeout)
    }
}

fn address_of(base: &Url, path: &str, arch: &Arch, file: &str) -> Result<Url, Error> {
    address::file(base, path, arch, file).ok_or_else(|| Error::BadUrl(address::shown(base)))
}
