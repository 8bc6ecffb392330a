//! Where a request goes when it is sent elsewhere, and what of it may go there.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use url::Url;

use super::access::Credentials;
use crate::sources::address;
use crate::sources::fault::Fault;

/// As many redirects as apk itself follows (apk-tools' libfetch).
const MAX_REDIRECTS: usize = 5;

/// One request on its way from address to address.
pub(super) struct Route {
    target: Url,
    credentials: Option<Credentials>,
    hops: usize,
}

impl Route {
    /// Begins at `address`. Credentials are the source's own, else those of the address.
    pub(super) fn new(address: &Url, credentials: Option<&Credentials>) -> Self {
        let credentials = credentials.cloned().or_else(|| Credentials::of_url(address));
        Route { target: bare(address.clone()), credentials, hops: 0 }
    }

    /// Where it goes now; without user and password, which travel as a header.
    pub(super) fn target(&self) -> &Url {
        &self.target
    }

    /// What it carries there.
    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Goes on to where an answer points; says whether it points anywhere. Credentials stay behind when host, scheme or port
    /// change, and do not come back with a later hop: whoever led us away does not choose where they go.
    pub(super) fn follow(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<Hop, Fault> {
        let Some(next) = destination(&self.target, status, headers)? else { return Ok(Hop::Arrived) };
        if self.hops == MAX_REDIRECTS {
            return Err(Fault::RedirectLoop(MAX_REDIRECTS));
        }
        if next.scheme() == "http" && self.target.scheme() == "https" {
            return Err(Fault::Downgrade(address::shown(&next)));
        }
        if next.origin() != self.target.origin() {
            self.credentials = None;
        }
        self.hops += 1;
        self.target = next;
        Ok(Hop::Further)
    }
}

/// Whether an answer is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    Arrived,
    Further,
}

fn destination(from: &Url, status: StatusCode, headers: &HeaderMap) -> Result<Option<Url>, Fault> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let unusable = || Fault::Protocol("a redirect to what is no http or https URL".to_owned());
    let text = std::str::from_utf8(location.as_bytes()).map_err(|_| unusable())?;
    let next = from.join(text).map_err(|_| unusable())?;
    match next.scheme() {
        "http" | "https" => Ok(Some(bare(next))),
        _ => Err(unusable()),
    }
}

/// Without user and password: those of a redirect are not ours to send.
fn bare(mut url: Url) -> Url {
    // Both succeed on whatever has a host, and http and https URLs do.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(location: &str) -> HeaderMap {
        HeaderMap::from_iter([(LOCATION, location.parse().unwrap())])
    }

    fn route(address: &str) -> Route {
        Route::new(&address.parse().unwrap(), None)
    }

    fn step(route: &mut Route, location: &str) -> Result<Hop, Fault> {
        route.follow(StatusCode::FOUND, &to(location))
    }

    #[test]
    fn redirects_are_followed_five_times_and_never_out_of_tls() {
        let mut plain = route("http://m/a");
        for _ in 0..5 {
            assert_eq!(step(&mut plain, "/b"), Ok(Hop::Further));
        }
        assert_eq!(step(&mut plain, "/b"), Err(Fault::RedirectLoop(5)));
        let mut tls = route("http://m/a");
        assert_eq!(step(&mut tls, "https://m/a"), Ok(Hop::Further));
        assert_eq!(step(&mut tls, "//other/b"), Ok(Hop::Further));
        assert_eq!(tls.target().as_str(), "https://other/b");
        let refused = step(&mut tls, "http://me:secret@m/a?t=secret").unwrap_err();
        assert_eq!(refused.to_string(), "redirected from https to http://m/a?***, which is not followed");
        for odd in ["ftp://m/a", "http://", "file:///etc/passwd"] {
            assert!(matches!(step(&mut route("http://m/a"), odd), Err(Fault::Protocol(_))), "{odd}");
        }
    }

    #[test]
    fn only_redirects_with_a_place_to_go_are_followed() {
        let place = to("/b");
        for (status, hop) in [(200, Hop::Arrived), (304, Hop::Arrived), (300, Hop::Arrived), (307, Hop::Further)] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(route("http://m/a").follow(status, &place), Ok(hop), "{status}");
        }
        assert_eq!(route("http://m/a").follow(StatusCode::FOUND, &HeaderMap::new()), Ok(Hop::Arrived));
    }

    #[test]
    fn credentials_stay_with_host_scheme_and_port_and_never_come_back() {
        for (location, stay) in [
            ("/elsewhere", true),
            ("http://m:80/elsewhere", true),
            ("http://M/elsewhere", true),
            ("https://m/a", false),
            ("http://m:8080/a", false),
            ("http://other/a", false),
            ("http://m.other/a", false),
        ] {
            let mut route = route("http://me:secret@m/a");
            assert_eq!(step(&mut route, location), Ok(Hop::Further));
            assert_eq!(route.credentials().is_some(), stay, "{location}");
            assert!(route.target().username().is_empty() && route.target().password().is_none());
        }
        let mut route = route("http://me:secret@m/a");
        step(&mut route, "http://other/a").unwrap();
        step(&mut route, "http://m/a").unwrap();
        assert!(route.credentials().is_none());
    }

    #[test]
    fn a_redirect_brings_no_credentials_of_its_own() {
        let mut route = route("http://m/a");
        step(&mut route, "http://me:secret@m/b").unwrap();
        assert!(route.credentials().is_none());
        assert_eq!(route.target().as_str(), "http://m/b");
    }
}
