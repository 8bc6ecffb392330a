//! How a source is asked, and the client that asks so.

use std::sync::Arc;
use std::time::Duration;

use reqwest::ClientBuilder;
use reqwest::redirect::Policy;
use url::Url;

use super::access::{Authorities, ClientCertificate, Credentials};
use super::proxy::Proxies;
use super::rate::Limiter;
use crate::sources::retry::Backoff;

/// How a source is asked.
#[derive(Clone)]
pub struct HttpSettings {
    /// Bases, asked in order; `http` or `https`, at least one. A user and password in one are sent as basic authentication.
    pub urls: Vec<Url>,
    /// Requests under way at once; at least 1 (0 counts as 1).
    pub connections: usize,
    /// Limit on making a connection, and on silence once it is made.
    pub timeout: Duration,
    /// `User-Agent` of each request.
    pub user_agent: String,
    /// Attempts and waits.
    pub backoff: Backoff,
    /// Largest index that is read, bytes as sent.
    pub index_limit: u64,
    /// Longest that one answer with an index is waited for, redirects and headers not counted.
    pub index_within: Duration,
    /// A connection slower than this (bytes a second, measured over spans of `timeout`) is given up like a silent one;
    /// 0: none is.
    pub slowest: u64,
    /// What lets us in, at every URL; goes before what stands in a URL.
    pub credentials: Option<Credentials>,
    /// Through whom.
    pub proxies: Proxies,
    /// Who vouches for servers, beside the system's authorities.
    pub authorities: Authorities,
    /// Who we are, for servers that ask.
    pub client_certificate: Option<ClientCertificate>,
    /// How fast; each may be shared with other sources, and all hold.
    pub limiters: Vec<Arc<Limiter>>,
}

impl HttpSettings {
    /// The defaults: 8 connections, 30 s, 4 attempts, indexes up to 64 MiB and within 15 minutes, at least 512 bytes a second,
    /// no proxy.
    pub fn new(urls: Vec<Url>) -> Self {
        HttpSettings {
            urls,
            connections: 8,
            timeout: Duration::from_secs(30),
            user_agent: concat!("bivouac/", env!("CARGO_PKG_VERSION")).to_owned(),
            backoff: Backoff::default(),
            index_limit: 64 << 20,
            index_within: Duration::from_secs(15 * 60),
            slowest: 512,
            credentials: None,
            proxies: Proxies::none(),
            authorities: Authorities::default(),
            client_certificate: None,
            limiters: Vec::new(),
        }
    }

    /// A client as set here; nothing is sent yet. It reads no proxy from the environment and follows no redirect: both are
    /// decided here.
    pub(super) fn client(&self) -> reqwest::Result<ClientBuilder> {
        let mut builder = reqwest::Client::builder()
            .user_agent(&self.user_agent)
            .http1_only()
            .connect_timeout(self.timeout)
            .read_timeout(self.timeout)
            .pool_max_idle_per_host(self.connections.max(1))
            .tcp_nodelay(true)
            .referer(false)
            .redirect(Policy::none())
            .no_proxy()
            .tls_certs_merge(self.authorities.certificates());
        for rule in self.proxies.rules()? {
            builder = builder.proxy(rule);
        }
        match &self.client_certificate {
            Some(certificate) => Ok(builder.identity(certificate.identity()?)),
            None => Ok(builder),
        }
    }
}
