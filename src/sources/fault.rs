//! What can go wrong with one request, and what each wrong means for trying again.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;

/// What went wrong with one request. The texts are complete: the library's own chain of causes says the same thing four
/// times over, so its innermost text is taken and the rest dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection: name unknown, refused, unreachable, or not made in time.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The proxy could not be reached, or did not lead further.
    #[error("cannot connect through the proxy {proxy}: {reason}")]
    Proxy {
        /// The proxy, without user and password.
        proxy: String,
        /// Why.
        reason: String,
    },
    /// The proxy asks for a user and password, or does not take ours.
    #[error("the proxy {0} does not let us through: it asks for a user and password")]
    ProxyDenied(String),
    /// The server's certificate is not believed.
    #[error("{0}")]
    Certificate(BadCertificate),
    /// The server's TLS is not accepted, for another reason.
    #[error("no trusted TLS connection: {0}")]
    Tls(String),
    /// The credentials that we have are not accepted: 401 or 403.
    #[error("answered {}: it does not accept our credentials", Status(*.0))]
    Denied(u16),
    /// 401, and there are no credentials.
    #[error("answered {}: it asks for credentials, and there are none", Status(401))]
    AsksForPassword,
    /// Connected, but nothing was received for so long.
    #[error("nothing received for {} s, after {}", .waited.as_secs_f32(), Received(*.got, *.of))]
    Silent {
        /// The time waited.
        waited: Duration,
        /// Bytes of the file held by then.
        got: u64,
        /// Bytes it should have, where known.
        of: Option<u64>,
    },
    /// Bytes came, but fewer each second than the settings allow.
    #[error("slower than {} a second, after {}", Bytes(*.slowest), Received(*.got, *.of))]
    Slow {
        /// The least that is allowed, bytes a second.
        slowest: u64,
        /// Bytes of the file held by then.
        got: u64,
        /// Bytes it should have, where known.
        of: Option<u64>,
    },
    /// It did not come whole in the time that it was given.
    #[error("not whole within {} s: {}", .within.as_secs(), Received(*.got, *.of))]
    Late {
        /// The time given.
        within: Duration,
        /// Bytes of the file held by then.
        got: u64,
        /// Bytes it should have, where known.
        of: Option<u64>,
    },
    /// The URL was not asked: nothing came from it for so long that this run leaves it alone.
    #[error("left alone for this run: nothing came from there for 10 minutes")]
    LeftAlone,
    /// The connection ended before the file did.
    #[error("connection closed after {}", Received(*.got, *.of))]
    Cut {
        /// Bytes of the file held by then.
        got: u64,
        /// Bytes it should have, where known.
        of: Option<u64>,
    },
    /// An answer other than the file.
    #[error("answered {}", Status(*.0))]
    Status(u16),
    /// An answer that says when to come back.
    #[error("answered {}", Status(*.status))]
    Busy {
        /// The HTTP status.
        status: u16,
        /// What `Retry-After` asks for.
        wait: Duration,
    },
    /// One redirect more than is followed.
    #[error("redirected more than {0} times")]
    RedirectLoop(usize),
    /// A redirect from https to http; what follows could be read and changed on the way.
    #[error("redirected from https to {0}, which is not followed")]
    Downgrade(String),
    /// What came is not HTTP as we speak it.
    #[error("answered what is not understood: {0}")]
    Protocol(String),
    /// The bytes are not what was promised.
    #[error("wrong bytes: {0}")]
    Wrong(String),
}

/// Why a server's certificate is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// No authority that we believe vouches for it.
    #[error("its certificate is from an authority that is not trusted here")]
    Untrusted,
    /// It is an authority's own certificate, as `openssl req -x509` makes it, where one for a host belongs.
    #[error("its certificate is an authority's own (self-signed), and not one for a host")]
    SelfSigned,
    /// Its time is over.
    #[error("its certificate has expired{}", since(.0))]
    Expired(Option<Timestamp>),
    /// Its time has not come.
    #[error("its certificate is not valid yet{}", since(.0))]
    NotYet(Option<Timestamp>),
    /// It belongs to others.
    #[error("its certificate is for {}, not for this host", others(.0))]
    OtherHost(Vec<String>),
}

fn since(time: &Option<Timestamp>) -> String {
    time.map(|time| format!(" ({time})")).unwrap_or_default()
}

fn others(names: &[String]) -> String {
    match names {
        [] => "other names".to_owned(),
        names => names.join(", "),
    }
}

impl BadCertificate {
    fn of(error: &rustls::CertificateError) -> Option<Self> {
        use rustls::CertificateError as Error;
        let time = |time: &rustls::pki_types::UnixTime| Timestamp::from_second(time.as_secs().try_into().ok()?).ok();
        Some(match error {
            Error::UnknownIssuer => BadCertificate::Untrusted,
            Error::Expired => BadCertificate::Expired(None),
            Error::ExpiredContext { not_after, .. } => BadCertificate::Expired(time(not_after)),
            Error::NotValidYet => BadCertificate::NotYet(None),
            Error::NotValidYetContext { not_before, .. } => BadCertificate::NotYet(time(not_before)),
            Error::NotValidForName => BadCertificate::OtherHost(Vec::new()),
            // The verifier's own error has no type here.
            Error::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => BadCertificate::SelfSigned,
            Error::NotValidForNameContext { presented, .. } => {
                BadCertificate::OtherHost(presented.iter().take(4).map(|name| plain(presented_name(name))).collect())
            }
            _ => return None,
        })
    }
}

/// The TLS library writes a presented name as `DnsName("a.example")` or `IpAddress(127.0.0.1)`.
fn presented_name(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}

/// What a fault means for trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// May pass: the same URL is asked again, later.
    Passing,
    /// The URL does not have it: the next one is asked at once.
    Absent,
    /// The URL has it wrong: the next one is asked at once.
    Wrong,
    /// Asking again would give the same: the next one is asked at once.
    Lasting,
}

impl Fault {
    /// What it means for trying again.
    pub fn kind(&self) -> Kind {
        match self {
            Fault::Connect(_)
            | Fault::Proxy { .. }
            | Fault::Silent { .. }
            | Fault::Slow { .. }
            | Fault::Cut { .. }
            | Fault::Busy { .. }
            | Fault::Protocol(_) => Kind::Passing,
            Fault::Status(403 | 404 | 410) => Kind::Absent,
            Fault::Status(408 | 425 | 429 | 500..=599) => Kind::Passing,
            Fault::Status(_)
            | Fault::Tls(_)
            | Fault::Certificate(_)
            | Fault::Denied(_)
            | Fault::AsksForPassword
            | Fault::ProxyDenied(_)
            | Fault::Late { .. }
            | Fault::LeftAlone
            | Fault::RedirectLoop(_)
            | Fault::Downgrade(_) => Kind::Lasting,
            Fault::Wrong(_) => Kind::Wrong,
        }
    }

    /// A stable word for it, where there is a more exact one than that the source is unavailable.
    pub fn code(&self) -> &'static str {
        match self {
            Fault::Proxy { .. } => "proxy-unreachable",
            Fault::ProxyDenied(_) => "proxy-denied",
            Fault::Certificate(BadCertificate::Untrusted) => "certificate-untrusted",
            Fault::Certificate(BadCertificate::SelfSigned) => "certificate-self-signed",
            Fault::Certificate(BadCertificate::Expired(_)) => "certificate-expired",
            Fault::Certificate(BadCertificate::NotYet(_)) => "certificate-not-yet",
            Fault::Certificate(BadCertificate::OtherHost(_)) => "certificate-other-host",
            Fault::Tls(_) => "tls",
            Fault::Denied(_) => "login-refused",
            Fault::AsksForPassword => "login-needed",
            Fault::Late { .. } | Fault::Slow { .. } => "too-slow",
            Fault::Status(404 | 410) => "not-found",
            Fault::Wrong(_) => "wrong-bytes",
            Fault::Connect(_)
            | Fault::Silent { .. }
            | Fault::LeftAlone
            | Fault::Cut { .. }
            | Fault::Status(_)
            | Fault::Busy { .. }
            | Fault::RedirectLoop(_)
            | Fault::Downgrade(_)
            | Fault::Protocol(_) => "unavailable",
        }
    }

    /// An action that mends it, if there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Fault::Denied(_) => Some("look at the file that the source's auth names: basic_file holds user:password"),
            Fault::AsksForPassword => Some("name a file with user:password: auth = { basic_file = \"…\" }"),
            Fault::Proxy { .. } => {
                Some("look at the source's proxy, or the environment's; no_proxy names who needs none")
            }
            Fault::ProxyDenied(_) => Some("put the user and password into the proxy's URL: http://user:password@proxy"),
            Fault::Certificate(BadCertificate::Untrusted) => Some(
                "for an authority of your own, name its certificate: ca = \"…\"; for public ones, look at this machine's \
                 CA certificates (package ca-certificates)",
            ),
            Fault::Certificate(BadCertificate::SelfSigned) => Some(
                "let an authority of yours make one for the host: openssl req -x509 -CA ca.pem -CAkey ca.key -nodes -keyout host.key \
                 -out host.pem -subj /CN=HOST -addext subjectAltName=DNS:HOST -addext basicConstraints=CA:FALSE",
            ),
            Fault::Certificate(BadCertificate::Expired(_) | BadCertificate::NotYet(_)) => {
                Some("look at this machine's clock; if it is right, the server's certificate must be renewed")
            }
            Fault::Certificate(BadCertificate::OtherHost(_)) => {
                Some("name the host in the URL as its certificate does")
            }
            Fault::Tls(_) => Some("look at the server's TLS, and at client_cert and client_key if it asks for them"),
            _ => None,
        }
    }

    /// Whether nothing at all came, or too little to wait for.
    pub(super) fn is_no_answer(&self) -> bool {
        matches!(
            self,
            Fault::Connect(_) | Fault::Proxy { .. } | Fault::Silent { .. } | Fault::Slow { .. } | Fault::Late { .. }
        )
    }

    /// The same for a request that went through a proxy: what could not be connected to is then the proxy, or what lies behind
    /// it.
    pub(super) fn through(self, proxy: Option<String>) -> Fault {
        match (self, proxy) {
            (Fault::Connect(reason), Some(proxy)) if reason.contains("proxy authorization required") => {
                Fault::ProxyDenied(proxy)
            }
            (Fault::Connect(reason), Some(proxy)) => Fault::Proxy { proxy, reason },
            (fault, _) => fault,
        }
    }

    /// Sorts what the HTTP library reports. `got` and `of` are the file's bytes held and promised; `timeout` is the limit
    /// that was set on connecting and on silence.
    pub(super) fn of(error: &reqwest::Error, got: u64, of: Option<u64>, timeout: Duration) -> Fault {
        if let Some(tls) = find::<rustls::Error>(error) {
            let certificate = match tls {
                rustls::Error::InvalidCertificate(certificate) => BadCertificate::of(certificate),
                _ => None,
            };
            return certificate.map_or_else(|| Fault::Tls(plain(&tls.to_string())), Fault::Certificate);
        }
        if error.is_connect() {
            return Fault::Connect(match error.is_timeout() {
                true => format!("no connection within {} s", timeout.as_secs_f32()),
                false => innermost(error),
            });
        }
        if error.is_timeout() {
            return Fault::Silent { waited: timeout, got, of };
        }
        if error.is_builder() || error.is_redirect() || find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse)
        {
            return Fault::Protocol(innermost(error));
        }
        Fault::Cut { got, of }
    }
}

/// The causes of `error`, itself first. An `io::Error` that wraps another error names that one's cause as its own and would
/// skip the wrapped one (rustls errors travel so), hence the detour.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    fn next<'a>(error: &&'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            // Of the error itself, not of this reference to it.
            None => (*error).source(),
        }
    }
    std::iter::successors(Some(error), next)
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref::<E>())
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    plain(&causes(error).last().map(ToString::to_string).unwrap_or_default())
}

/// Servers have a say in some of these texts; nothing of theirs may steer a terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// `404 Not Found`.
struct Status(u16);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match StatusCode::from_u16(self.0).ok().and_then(|status| status.canonical_reason()) {
            Some(reason) => write!(f, "{} {reason}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

/// `214 KiB of 512 KiB`.
struct Received(u64, Option<u64>);

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(of) => write!(f, "{} of {}", Bytes(self.0), Bytes(of)),
            None => write!(f, "{}", Bytes(self.0)),
        }
    }
}

/// A size as people read it: `512 bytes`, `214 KiB`, `1.4 GiB`. Rounded down, so that a part never looks whole.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            0..1024 => return write!(f, "{} bytes", self.0),
            1024..0x10_0000 => (1 << 10, "KiB"),
            0x10_0000..0x4000_0000 => (1 << 20, "MiB"),
            _ => (1 << 30, "GiB"),
        };
        match (self.0 / unit, self.0 % unit * 10 / unit) {
            (whole, tenths) if whole < 10 && tenths > 0 => write!(f, "{whole}.{tenths} {name}"),
            (whole, _) => write!(f, "{whole} {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable_and_never_rounded_up() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (219_136, "214 KiB"),
            ((1 << 20) - 1, "1023 KiB"),
            (1_220_849_376, "1.1 GiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn each_answer_has_its_kind() {
        for (status, kind) in [
            (404, Kind::Absent),
            (403, Kind::Absent),
            (410, Kind::Absent),
            (401, Kind::Lasting),
            (400, Kind::Lasting),
            (408, Kind::Passing),
            (429, Kind::Passing),
            (500, Kind::Passing),
            (503, Kind::Passing),
            (304, Kind::Lasting),
        ] {
            assert_eq!(Fault::Status(status).kind(), kind, "{status}");
        }
        assert_eq!(Fault::Tls(String::new()).kind(), Kind::Lasting);
        assert_eq!(Fault::Cut { got: 0, of: None }.kind(), Kind::Passing);
    }

    #[test]
    fn an_error_inside_an_io_error_is_found() {
        let inner = rustls::Error::HandshakeNotComplete;
        let outer = io::Error::other(io::Error::other(inner.clone()));
        assert_eq!(find::<rustls::Error>(&outer), Some(&inner));
        assert_eq!(innermost(&outer), inner.to_string());
    }
}
