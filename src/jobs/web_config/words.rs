//! What comes from the command line into a server's configuration, checked at the door.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Why a word was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWord {
    /// No host name.
    #[error("not a host name: letters, digits, `.`, `-` and `_`, at most 253")]
    Name,
    /// No address to listen on.
    #[error("neither a port nor an address with a port, such as 8080, 127.0.0.1:8080 or [::1]:8080")]
    Listen,
}

/// A host name: nothing in it means anything to a web server's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName(String);

impl ServerName {
    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerName {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let fits = (1..=253).contains(&text.len()) && text.bytes().all(known);
        // A name that begins with a dash or a dot means something else to some servers.
        if fits && !text.starts_with(['-', '.']) { Ok(ServerName(text.to_owned())) } else { Err(BadWord::Name) }
    }
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// On this address; none: on all.
    pub address: Option<IpAddr>,
    /// On this port; not 0.
    pub port: u16,
}

impl FromStr for Listen {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let (address, port) = match text.parse::<SocketAddr>() {
            Ok(both) => (Some(both.ip()), both.port()),
            Err(_) => (None, text.strip_prefix(':').unwrap_or(text).parse().map_err(|_| BadWord::Listen)?),
        };
        if port == 0 { Err(BadWord::Listen) } else { Ok(Listen { address, port }) }
    }
}

impl fmt::Display for Listen {
    /// `80`, `127.0.0.1:80` or `[::1]:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => SocketAddr::new(address, self.port).fmt(f),
            None => self.port.fmt(f),
        }
    }
}
