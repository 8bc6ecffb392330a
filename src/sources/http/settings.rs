//! How a source is asked, and the client that asks so.

use std::time::Duration;

use reqwest::ClientBuilder;
use reqwest::redirect::{Action, Attempt, Policy};
use url::Url;

use crate::sources::address;
use crate::sources::fault::RedirectRefused;
use crate::sources::retry::Backoff;

/// As many redirects as apk itself follows (apk-tools' libfetch).
const MAX_REDIRECTS: usize = 5;

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
    /// A connection slower than this (bytes a second, measured over spans of `timeout`) is given up like a silent one;
    /// 0: none is.
    pub slowest: u64,
}

impl HttpSettings {
    /// The defaults: 8 connections, 30 s, 4 attempts, indexes up to 64 MiB, at least 512 bytes a second.
    pub fn new(urls: Vec<Url>) -> Self {
        HttpSettings {
            urls,
            connections: 8,
            timeout: Duration::from_secs(30),
            user_agent: concat!("bivouac/", env!("CARGO_PKG_VERSION")).to_owned(),
            backoff: Backoff::default(),
            index_limit: 64 << 20,
            slowest: 512,
        }
    }

    /// A client as set here; nothing is sent yet.
    pub(super) fn client(&self) -> ClientBuilder {
        let builder = reqwest::Client::builder()
            .user_agent(&self.user_agent)
            .http1_only()
            .connect_timeout(self.timeout)
            .read_timeout(self.timeout)
            .pool_max_idle_per_host(self.connections.max(1))
            .tcp_nodelay(true)
            .referer(false)
            .redirect(Policy::custom(follow));
        match self.urls.iter().all(is_local) {
            true => builder.no_proxy(),
            false => builder,
        }
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn follow(attempt: Attempt<'_>) -> Action {
    match refusal(attempt.previous(), attempt.url()) {
        Some(refused) => attempt.error(refused),
        None => attempt.follow(),
    }
}

/// Why the redirect to `next` is not followed; `previous` are the addresses asked so far, the first one included.
fn refusal(previous: &[Url], next: &Url) -> Option<RedirectRefused> {
    let leaves_tls = next.scheme() == "http" && previous.last().is_some_and(|last| last.scheme() == "https");
    if previous.len() > MAX_REDIRECTS {
        Some(RedirectRefused::TooMany(MAX_REDIRECTS))
    } else if leaves_tls {
        Some(RedirectRefused::Downgrade(address::shown(next)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_followed_five_times_and_never_out_of_tls() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let (plain, tls) = (url("http://m/a"), url("https://m/a"));
        let refused = |previous: &[&Url], next: &Url| {
            refusal(&previous.iter().map(|url| (*url).clone()).collect::<Vec<_>>(), next).map(|why| why.to_string())
        };
        assert_eq!(refused(&[&plain], &plain), None);
        assert_eq!(refused(&[&plain], &tls), None);
        assert_eq!(refused(&[&tls], &tls), None);
        assert_eq!(refused(&[&tls], &plain).unwrap(), "redirected from https to http://m/a");
        assert_eq!(refused(&[&plain, &tls], &plain).unwrap(), "redirected from https to http://m/a");
        assert_eq!(refused(&[&plain; 5], &plain), None);
        assert_eq!(refused(&[&plain; 6], &plain).unwrap(), "redirected more than 5 times");
    }

    #[test]
    fn only_addresses_of_this_machine_are_local() {
        for (text, local) in [
            ("http://127.0.0.1:8080/a", true),
            ("http://[::1]/a", true),
            ("http://localhost/a", true),
            ("http://10.0.0.1/a", false),
            ("http://localhost.example.org/a", false),
        ] {
            assert_eq!(is_local(&text.parse().unwrap()), local, "{text}");
        }
    }
}
