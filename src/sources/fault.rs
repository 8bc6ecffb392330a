//! What can go wrong with one request, and what each wrong means for trying again.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;

/// What went wrong with one request. The texts are complete: the library's own chain of causes says the same thing four
/// times over, so its innermost text is taken and the rest dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection: name unknown, refused, unreachable, or not made in time.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The server's certificate or its TLS is not accepted.
    #[error("no trusted TLS connection: {0}")]
    Tls(String),
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
            | Fault::Silent { .. }
            | Fault::Slow { .. }
            | Fault::Cut { .. }
            | Fault::Busy { .. }
            | Fault::Protocol(_) => Kind::Passing,
            Fault::Status(403 | 404 | 410) => Kind::Absent,
            Fault::Status(408 | 425 | 429 | 500..=599) => Kind::Passing,
            Fault::Status(_) | Fault::Tls(_) | Fault::RedirectLoop(_) | Fault::Downgrade(_) => Kind::Lasting,
            Fault::Wrong(_) => Kind::Wrong,
        }
    }

    /// Sorts what the HTTP library reports. `got` and `of` are the file's bytes held and promised; `timeout` is the limit
    /// that was set on connecting and on silence.
    pub(super) fn of(error: &reqwest::Error, got: u64, of: Option<u64>, timeout: Duration) -> Fault {
        if let Some(refused) = find::<RedirectRefused>(error) {
            return match refused {
                RedirectRefused::TooMany(limit) => Fault::RedirectLoop(*limit),
                RedirectRefused::Downgrade(to) => Fault::Downgrade(to.clone()),
            };
        }
        if let Some(tls) = find::<rustls::Error>(error) {
            return Fault::Tls(tls.to_string());
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

/// Why a redirect is not followed; travels through the HTTP library as an error.
#[derive(Debug, thiserror::Error)]
pub(super) enum RedirectRefused {
    #[error("redirected more than {0} times")]
    TooMany(usize),
    #[error("redirected from https to {0}")]
    Downgrade(String),
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
    // Servers have a say in some of these texts; nothing of theirs may steer a terminal.
    let text = causes(error).last().map(ToString::to_string).unwrap_or_default();
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
