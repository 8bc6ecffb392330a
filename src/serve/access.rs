//! Who asked for what, and what became of it.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::error::Error;

/// One request and what became of it. Prints as a line of the combined log format.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who asked.
    pub peer: IpAddr,
    /// As whom: they logged in so, or it is the name of the certificate that they showed.
    pub user: Option<String>,
    /// When the request came.
    pub time: SystemTime,
    /// `GET`, as sent; empty where what was sent is no request.
    pub method: String,
    /// The target as sent, escapes and all.
    pub target: String,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: &'static str,
    /// The reply's status code; 499 where the client left before there was one.
    pub status: u16,
    /// Bytes of the body that were sent: fewer than promised where the client left or was cut off. They were given to the
    /// system; whether all of them arrived is not known.
    pub bytes: u64,
    /// `Referer`, as sent.
    pub referer: Option<String>,
    /// `User-Agent`, as sent.
    pub agent: Option<String>,
    /// From the request's arrival to the reply's end. Not part of the line.
    pub took: Duration,
}

impl Access {
    /// Something came that is no request: it was too long (431), made no sense (400) or did not come to an end in time (408).
    pub(super) fn unheard(peer: IpAddr, time: SystemTime, status: u16) -> Access {
        Access {
            peer,
            user: None,
            time,
            method: String::new(),
            target: String::new(),
            protocol: "HTTP/1.1",
            status,
            bytes: 0,
            referer: None,
            agent: None,
            took: Duration::ZERO,
        }
    }

    /// Many requests come in one second: its text is made once.
    fn write_time(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        thread_local! {
            static LAST: RefCell<(Timestamp, String)> = RefCell::default();
        }
        let time = Timestamp::try_from(self.time).unwrap_or_default();
        LAST.with_borrow_mut(|(second, text)| {
            if text.is_empty() || second.as_second() != time.as_second() {
                (*second, *text) = (time, time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string());
            }
            f.write_str(text)
        })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {} [", self.peer, User(self.user.as_deref().unwrap_or("-")))?;
        self.write_time(f)?;
        f.write_str("] \"")?;
        if self.method.is_empty() {
            f.write_str("-")?;
        } else {
            write!(f, "{} {} {}", Field(&self.method), Field(&self.target), self.protocol)?;
        }
        let (referer, agent) = (self.referer.as_deref().unwrap_or("-"), self.agent.as_deref().unwrap_or("-"));
        write!(f, "\" {} {} \"{}\" \"{}\"", self.status, self.bytes, Field(referer), Field(agent))
    }
}

/// What a client sent, so that it cannot end the field or the line.
struct Field<'t>(&'t str);

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = memchr::memchr2(b'\\', b'"', rest.as_bytes()) {
            f.write_str(&rest[..at])?;
            f.write_str(if rest.as_bytes()[at] == b'"' { "\\x22" } else { "\\x5C" })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// The same for a name that stands between spaces.
struct User<'t>(&'t str);

impl fmt::Display for User<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.split(char::is_whitespace).enumerate();
        words.into_iter().try_for_each(|(at, word)| {
            f.write_str(if at == 0 { "" } else { "\\x20" })?;
            Field(word).fmt(f)
        })
    }
}

/// Is told of every request. Called from several threads; must not block for long.
pub trait AccessLog: Send + Sync {
    /// A reply is at its end.
    fn answered(&self, access: &Access);
    /// What a target names is there and could not be read; the client was told no more than that.
    fn unreadable(&self, _target: &str, _error: &io::Error) {}
    /// So many connections are open that those which are idle are closed for new ones: as many as there may be, or as one
    /// address may have. Told once a minute at most.
    fn crowded(&self, _open: usize, _of: Option<IpAddr>) {}
    /// A certificate, its key or the logins were changed and cannot be used so; those from before stay in use. Told once for each
    /// reason.
    fn not_renewed(&self, _error: &Error) {}
}

/// Keeps no log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlogged;

impl AccessLog for Unlogged {
    fn answered(&self, _access: &Access) {}
}
