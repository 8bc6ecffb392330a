//! URLs that may carry a password do not show it.

use std::fmt;

use url::Url;

/// A source's or a proxy's URL. `Debug`, `Display` and the serialised form hide its password (and a user name that stands alone, which
/// is how tokens are passed); only [`SourceUrl::reveal`] gives all of it, for the request itself.
///
/// Always http or https, with a host, without query or fragment, and with a path that ends in `/`, so that
/// [`Url::join`] goes below it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SourceUrl(Url);

/// What stands in place of what is hidden.
const HIDDEN: &str = "****";

impl SourceUrl {
    /// Checks a URL as its user wrote it. The reason for a refusal never quotes the text: it may hold a password.
    pub(super) fn parse(text: &str) -> Result<SourceUrl, String> {
        let mut url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("has the scheme {:?}; only http and https are fetched", url.scheme()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("ends in a query or a fragment; a repository's URL is a folder".into());
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(SourceUrl(url))
    }

    /// Whether a user or password stands in it.
    pub fn has_secret(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some()
    }

    /// The whole URL, with its password.
    pub fn reveal(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        // Neither call can fail: http and https URLs have a host.
        let _ = match (self.0.username(), self.0.password()) {
            ("", None) => Ok(()),
            (_, Some(_)) => shown.set_password(Some(HIDDEN)),
            (_, None) => shown.set_username(HIDDEN),
        };
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl serde::Serialize for SourceUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A webhook's URL. Such URLs carry their secret anywhere (path, query, password), so only scheme, host and port are ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// Checks a URL as its user wrote it. The reason for a refusal never quotes the text.
    pub(super) fn parse(text: &str) -> Result<WebhookUrl, String> {
        let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("has the scheme {:?}; only http and https are posted to", url.scheme()));
        }
        Ok(WebhookUrl(url))
    }

    /// The URL that a webhook's text is, white space around it left out. See [`WebhookUrl::parse`].
    pub fn of_text(text: &str) -> Result<WebhookUrl, String> {
        WebhookUrl::parse(text.trim())
    }

    /// The whole URL, with its secret.
    pub fn reveal(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = self.0.path() == "/" && self.0.query().is_none() && self.0.fragment().is_none();
        let rest = if bare { "" } else { HIDDEN };
        let port = self.0.port().map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "{}://{}{port}/{rest}", self.0.scheme(), self.0.host_str().unwrap_or_default())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl serde::Serialize for WebhookUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens_are_hidden_everywhere() {
        for (text, shown) in [
            ("https://host/alpine", "https://host/alpine/"),
            ("https://ops:s3cret@host/alpine/", "https://ops:****@host/alpine/"),
            ("https://:s3cret@host/", "https://:****@host/"),
            ("http://s3cret@host:8080", "http://****@host:8080/"),
        ] {
            let url = SourceUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("{shown:?}"));
            assert_eq!(serde_json::to_string(&url).unwrap(), format!("{shown:?}"));
            assert_eq!(url.reveal().as_str().contains("s3cret"), text.contains("s3cret"));
        }
    }

    #[test]
    fn a_refusal_does_not_quote_the_text() {
        for bad in
            ["s3cret", "ftp://u:s3cret@host/", "https://u:s3cret@/", "https://h/?token=s3cret", "https://h/#s3cret", ""]
        {
            let reason = SourceUrl::parse(bad).unwrap_err();
            assert!(!reason.contains("s3cret"), "{reason}");
        }
    }
}
