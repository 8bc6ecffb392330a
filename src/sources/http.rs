//! An upstream over HTTP: conditional index requests, package downloads that go on where they were cut, several URLs.
//!
//! One [`Http`] serves one source. Its connections are kept alive and shared by all its requests; at most
//! [`HttpSettings::connections`] requests are under way at once, whoever asks. HTTP/1.1 only, so that this number is what it
//! says; no content coding is asked for, because what is verified are the file's own bytes.
//!
//! Each request tries the URLs in order, each URL as often as [`Backoff`](super::retry::Backoff) allows. A server that never
//! answers or only trickles does not hold a run: an index has a deadline of its own, and a URL from which nothing comes for
//! ten minutes is left alone for the rest of the run.
//!
//! Nothing is read from the environment; files of secrets are read by [`access`] when the settings are made.

pub mod access;
mod answer;
mod index;
pub mod look;
mod pace;
mod package;
mod probe;
mod proxy;
pub mod rate;
mod redirect;
mod settings;
mod standing;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Once};
use std::time::Instant;

use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use super::retry::{Attempts, Next, Pause, RealPause};
use super::{Error, Tried, address, fault::Fault};
use crate::apk::Arch;
use crate::report::Reporter;

pub use index::{IndexReply, IndexRequest, Validators};
pub use probe::Presence;
pub use proxy::{Proxies, ProxyVariables};
pub use settings::HttpSettings;

use pace::Pace;
use redirect::{Hop, Route};
use standing::Standing;

/// Longest validator that is kept and sent back; a longer one is taken as none.
const MAX_VALIDATOR: usize = 1024;

/// An upstream.
pub struct Http {
    settings: HttpSettings,
    client: reqwest::Client,
    slots: Semaphore,
    pause: Arc<dyn Pause>,
    /// By URL.
    standing: Vec<Standing>,
}

impl Http {
    /// Sets the client up; nothing is sent yet.
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
        let build = |only: Option<[reqwest::Certificate; 0]>| {
            let builder = settings.client()?;
            only.into_iter().fold(builder, reqwest::ClientBuilder::tls_certs_only).build()
        };
        let client = build(None).or_else(|error| match settings.urls.iter().any(|url| url.scheme() == "https") {
            true => Err(Error::Client(error)),
            // A machine without CA certificates can still use plain http; https behind a redirect stays untrusted.
            false => build(Some([])).map_err(Error::Client),
        })?;
        let standing = settings.urls.iter().map(|_| Standing::default()).collect();
        Ok(Http { slots: Semaphore::new(settings.connections.max(1)), settings, client, pause, standing })
    }

    /// How many URLs there are; [`IndexRequest::first_url`] is below it.
    pub fn url_count(&self) -> usize {
        self.settings.urls.len()
    }

    /// A URL of this source's as it may be shown, without user, password and query.
    pub fn shown_url(&self, url: usize) -> Option<String> {
        self.settings.urls.get(url).map(address::shown)
    }

    /// What is said of a URL that is not asked any more in this run.
    fn given_up(&self, url: usize, address: &Url) -> Option<Tried> {
        let is_given_up = self.standing[url].is_given_up(Instant::now());
        is_given_up.then(|| Tried { url: address::shown(address), fault: Fault::LeftAlone, attempt: (1, 1) })
    }

    /// Waits before the next attempt at the same URL, or says that there is none.
    async fn pause_or_give_up(
        &self,
        (url, address): (usize, &Url),
        attempts: &mut Attempts,
        fault: Fault,
        held: u64,
        reporter: &dyn Reporter,
    ) -> Option<Tried> {
        let count = attempts.count();
        match attempts.failed(&fault, held, self.pause.chance()) {
            Next::GiveUp => {
                match fault.is_no_answer() {
                    true => self.standing[url].failed(Instant::now()),
                    false => self.standing[url].answered(),
                }
                Some(Tried { url: address::shown(address), fault, attempt: count })
            }
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

    /// Sends a request and follows redirects to its answer. One that does not let us in is a fault here, because only here is
    /// known what was shown.
    async fn send(&self, address: &Url, headers: &HeaderMap, got: u64, of: Option<u64>) -> Result<Response, Fault> {
        let (response, _) = self.send_along(address, headers, got, of).await?;
        Ok(response)
    }

    /// The same, and the status of each redirect on the way.
    async fn send_along(
        &self,
        address: &Url,
        headers: &HeaderMap,
        got: u64,
        of: Option<u64>,
    ) -> Result<(Response, Vec<u16>), Fault> {
        let mut route = Route::new(address, self.settings.credentials.as_ref());
        let mut redirects = Vec::new();
        loop {
            let mut request = self.client.get(route.target().clone()).headers(headers.clone());
            if let Some(credentials) = route.credentials() {
                let (name, value) = credentials.header();
                request = request.header(name, value);
            }
            let response = request.send().await.map_err(|error| {
                let fault = Fault::of(&error, got, of, self.settings.timeout);
                fault.through(self.settings.proxies.shown_for(route.target()))
            })?;
            match (response.status(), route.credentials()) {
                (StatusCode::UNAUTHORIZED, Some(_)) | (StatusCode::FORBIDDEN, Some(_)) => {
                    return Err(Fault::Denied(response.status().as_u16()));
                }
                (StatusCode::UNAUTHORIZED, None) => return Err(Fault::AsksForPassword),
                (StatusCode::PROXY_AUTHENTICATION_REQUIRED, _) => {
                    let proxy = self.settings.proxies.shown_for(route.target());
                    return Err(proxy.map_or(Fault::Status(407), Fault::ProxyDenied));
                }
                _ => {}
            }
            if route.follow(response.status(), response.headers())? == Hop::Arrived {
                return Ok((response, redirects));
            }
            redirects.push(response.status().as_u16());
        }
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
        let Some(chunk) = chunk else { return Ok(None) };
        let received = chunk.len() as u64;
        match pace.add(received, asked.elapsed()) {
            pace::Verdict::FastEnough => {}
            pace::Verdict::TooSlow => return Err(Fault::Slow { slowest: self.settings.slowest, got, of }),
            pace::Verdict::TooLate(within) => return Err(Fault::Late { within, got, of }),
        }
        let waits = self.settings.limiters.iter().map(|limiter| limiter.take(received));
        if let Some(wait) = waits.max().filter(|wait| !wait.is_zero()) {
            self.pause.sleep(wait).await;
        }
        Ok(Some(chunk))
    }

    fn pace(&self) -> Pace {
        Pace::new(self.settings.slowest, self.settings.timeout)
    }
}

fn address_of(base: &Url, path: &str, arch: &Arch, file: &str) -> Result<Url, Error> {
    address::file(base, path, arch, file).ok_or_else(|| Error::BadUrl(address::shown(base)))
}
