//! A web server's configuration for the public tree, as text: what holds for every server; its words are one file each.
//!
//! - The document root is the public **link** itself, by its own name, and is looked up with each request: a switch of
//!   generations is seen at once. The folder that holds the link also holds `.generations` and may hold keys, so it is never a
//!   document root.
//! - Clients ask before they use an index that they hold; a package is kept for good, but where a source may replace its bytes
//!   under the same name (`rebuilt = "accept"`): a cache would hold the bytes of yesterday against the index of today.
//! - Nothing is packed on the way (apk understands no `Content-Encoding`), and no redirect is 307 or 308 (apk fails on them).

mod busybox;
mod caddy;
mod lighttpd;
mod nginx;
mod words;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::changing::Changing;
use crate::config::Config;
use crate::error::{Class, Trouble};
pub use words::{BadWord, Listen, ServerName};

/// A year: as long as any cache keeps something.
const FOR_GOOD: u32 = 31_536_000;

/// A web server whose language we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// nginx.
    Nginx,
    /// lighttpd.
    Lighttpd,
    /// Caddy.
    Caddy,
    /// The httpd of busybox.
    BusyboxHttpd,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// In whose words.
    pub server: Server,
    /// The name under which clients know it; none: any.
    pub name: Option<ServerName>,
    /// Where it listens; none: port 80, or 443 with TLS, on all addresses.
    pub listen: Option<Listen>,
    /// Its certificate.
    pub tls: Option<Tls>,
    /// Its access log, where the server has one to name; none: in the server's usual folder.
    pub log: Option<PathBuf>,
}

/// A certificate's files, absolute.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate, those that lead to its authority after it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WebConfig {
    /// For whom.
    pub server: Server,
    /// All of its lines.
    pub text: String,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's language has no way to write this path.
    #[error("{} cannot be written into a configuration of {server}: {why}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// The server.
        server: &'static str,
        /// What stands in the way.
        why: &'static str,
    },
    /// busybox httpd knows plain HTTP alone.
    #[error("busybox httpd speaks no TLS")]
    NoTls,
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Path { .. } | Error::NoTls => Class::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Path { .. } => "path-unspeakable",
            Error::NoTls => "server-without-tls",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Path { .. } => Some("name it by a link whose path is plain".to_owned()),
            Error::NoTls => Some("put another server before it, or take nginx, lighttpd or caddy".to_owned()),
        }
    }
}

/// Writes the configuration. `config` is as the file has it: what bundles carry is not known by name and counts as a whole.
pub fn web_config(config: &Config, wanted: &Wanted) -> Result<WebConfig, Error> {
    let changing = Changing::of(config);
    let text = match wanted.server {
        Server::Nginx => nginx::text(&config.public, &changing, wanted)?,
        Server::Lighttpd => lighttpd::text(&config.public, &changing, wanted)?,
        Server::Caddy => caddy::text(&config.public, &changing, wanted)?,
        Server::BusyboxHttpd => busybox::text(&config.public, wanted)?,
    };
    Ok(WebConfig { server: wanted.server, text })
}

impl Wanted {
    fn listen(&self) -> Listen {
        let port = if self.tls.is_some() { 443 } else { 80 };
        self.listen.unwrap_or(Listen { address: None, port })
    }

    fn log(&self, usual: &str) -> PathBuf {
        self.log.clone().unwrap_or_else(|| PathBuf::from(usual))
    }

    /// What `bivouac client` is told to print the lines for clients.
    fn address(&self) -> String {
        let Listen { port, .. } = self.listen();
        let (scheme, usual) = if self.tls.is_some() { ("https", 443) } else { ("http", 80) };
        let name = self.name.as_ref().map_or("HOST", ServerName::as_str);
        if port == usual { format!("{scheme}://{name}") } else { format!("{scheme}://{name}:{port}") }
    }
}

/// `path` between double quotes, with a backslash before each of `escaped`; refused with any of `never` in it.
fn quoted(path: &Path, server: &'static str, escaped: &[char], never: &[char]) -> Result<String, Error> {
    let refused = |why| Error::Path { path: path.to_owned(), server, why };
    let text = path.to_str().ok_or_else(|| refused("it is no text"))?;
    if text.contains(char::is_control) {
        return Err(refused("a control character is in it"));
    }
    if text.contains(never) {
        return Err(refused("it holds a character that means something else there"));
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if escaped.contains(&c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    Ok(quoted)
}

#[cfg(test)]
mod tests;
