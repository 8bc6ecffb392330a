//! Which requests go through a proxy, and through which.

use std::fmt;

use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use crate::sources::{Error, address};

/// What stands for this machine itself. The environment's proxies are for what lies outside.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The usual variables of an environment, as its reader found them: `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`. They
/// may hold passwords; `Debug` shows none.
#[derive(Clone, Default)]
pub struct ProxyVariables {
    /// For `http` URLs.
    pub http: Option<String>,
    /// For `https` URLs.
    pub https: Option<String>,
    /// For both, where the two above say nothing.
    pub all: Option<String>,
    /// Who is asked directly: names (their subdomains too), addresses, networks (`10.0.0.0/8`), `*`; separated by commas.
    pub no: Option<String>,
}

impl fmt::Debug for ProxyVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyVariables(…)")
    }
}

/// Which proxy a request goes through, by its scheme and host.
#[derive(Clone, Default)]
pub struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    no: String,
}

impl Proxies {
    /// None at all.
    pub fn none() -> Self {
        Proxies::default()
    }

    /// This one for everything but the hosts of `no`, a list as in [`ProxyVariables::no`].
    pub fn all(proxy: Url, no: Option<&str>) -> Self {
        Proxies { http: Some(proxy.clone()), https: Some(proxy), no: no.unwrap_or_default().to_owned() }
    }

    /// Those that the environment names. This machine itself is never asked through one of them.
    ///
    /// # Errors
    /// [`Error::BadProxy`] for what is no URL of an http or https proxy: to go around it in silence could be what it was set to
    /// prevent.
    pub fn of_variables(variables: &ProxyVariables) -> Result<Self, Error> {
        let all = parse("all_proxy", variables.all.as_deref())?;
        let no = [variables.no.as_deref().unwrap_or_default(), THIS_MACHINE];
        Ok(Proxies {
            http: parse("http_proxy", variables.http.as_deref())?.or_else(|| all.clone()),
            https: parse("https_proxy", variables.https.as_deref())?.or(all),
            no: no.iter().filter(|list| !list.is_empty()).copied().collect::<Vec<_>>().join(","),
        })
    }

    /// As the HTTP library takes them.
    pub(super) fn rules(&self) -> reqwest::Result<Vec<reqwest::Proxy>> {
        let no = || reqwest::NoProxy::from_string(&self.no);
        let mut rules = Vec::new();
        if let Some(proxy) = &self.http {
            rules.push(reqwest::Proxy::http(proxy.clone())?.no_proxy(no()));
        }
        if let Some(proxy) = &self.https {
            rules.push(reqwest::Proxy::https(proxy.clone())?.no_proxy(no()));
        }
        Ok(rules)
    }

    /// The proxy for `target` as it may be shown.
    pub(super) fn shown_for(&self, target: &Url) -> Option<String> {
        let proxy = match target.scheme() {
            "https" => self.https.as_ref()?,
            _ => self.http.as_ref()?,
        };
        // The same matcher that the HTTP library asks.
        let goes = Matcher::builder().all(proxy.as_str()).no(self.no.as_str()).build();
        goes.intercept(&target.as_str().parse().ok()?)?;
        Some(address::shown(proxy).trim_end_matches('/').to_owned())
    }
}

/// `proxy.example:3128` stands for `http://proxy.example:3128`, as everywhere.
fn parse(name: &'static str, value: Option<&str>) -> Result<Option<Url>, Error> {
    let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    match text.parse::<Url>() {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Some(url)),
        Ok(_) | Err(_) => Err(Error::BadProxy(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(http: &str, all: &str, no: &str) -> ProxyVariables {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ProxyVariables { http: some(http), https: None, all: some(all), no: some(no) }
    }

    fn through(proxies: &Proxies, target: &str) -> Option<String> {
        proxies.shown_for(&target.parse().unwrap())
    }

    #[test]
    fn the_environments_proxies_go_by_scheme_and_not_for_this_machine() {
        let proxies = Proxies::of_variables(&variables("one:3128", "http://u:secret@two:8080/", "")).unwrap();
        for (target, proxy) in [
            ("http://m/a", Some("http://one:3128")),
            ("https://m/a", Some("http://***@two:8080")),
            ("http://127.0.0.1:99/a", None),
            ("http://[::1]/a", None),
            ("https://localhost/a", None),
            ("http://localhost.example.org/a", Some("http://one:3128")),
        ] {
            assert_eq!(through(&proxies, target).as_deref(), proxy, "{target}");
        }
    }

    #[test]
    fn who_is_named_in_no_proxy_is_asked_directly() {
        let no = "example.org, 10.0.0.0/8,[fd00::1]";
        for proxies in [
            Proxies::of_variables(&variables("", "p", no)).unwrap(),
            Proxies::all("http://p".parse().unwrap(), Some(no)),
        ] {
            for (target, goes) in [
                ("http://example.org/a", false),
                ("http://dl.example.org/a", false),
                ("http://notexample.org/a", true),
                ("http://10.1.2.3/a", false),
                ("http://11.1.2.3/a", true),
            ] {
                assert_eq!(through(&proxies, target).is_some(), goes, "{target}");
            }
        }
        let all = Proxies::all("http://p".parse().unwrap(), Some("*"));
        assert_eq!(through(&all, "http://m/a"), None);
        let named = Proxies::all("http://p".parse().unwrap(), None);
        assert!(through(&named, "http://127.0.0.1/a").is_some(), "who names a proxy for a source means it");
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_never_quoted() {
        for value in ["socks5://u:secret@p", "http://u:secret@", "http://u:secret@p:x", "file:///secret"] {
            let error = Proxies::of_variables(&variables(value, "", "")).map(|_| ()).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let held = variables("http://u:secret@p", "", "");
        assert!(!format!("{held:?}").contains("secret"));
    }
}
