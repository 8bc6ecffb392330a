//! Who asked for what, and what became of it.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::SystemTime;

use jiff::Timestamp;

use super::error::Error;

/// One request, answered. Prints as a line of the combined log format.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who asked.
    pub peer: IpAddr,
    /// As whom: they logged in so, or it is the name of the certificate that they showed.
    pub user: Option<String>,
    /// When the reply began.
    pub time: SystemTime,
    /// `GET`, as sent.
    pub method: String,
    /// The target as sent, escapes and all.
    pub target: String,
    /// The reply's status code.
    pub status: u16,
    /// Bytes of the body that were promised.
    pub bytes: u64,
    /// `Referer`, as sent.
    pub referer: Option<String>,
    /// `User-Agent`, as sent.
    pub agent: Option<String>,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::try_from(self.time).unwrap_or_default().strftime("%d/%b/%Y:%H:%M:%S +0000");
        // What a client sent cannot end the field or the line.
        let field = |text: &str| text.replace('\\', "\\x5C").replace('"', "\\x22");
        let optional = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), field);
        write!(
            f,
            "{} - {} [{time}] \"{} {} HTTP/1.1\" {} {} \"{}\" \"{}\"",
            self.peer,
            self.user.as_deref().map_or("-".to_owned(), |user| field(user).replace(char::is_whitespace, "\\x20")),
            field(&self.method),
            field(&self.target),
            self.status,
            self.bytes,
            optional(&self.referer),
            optional(&self.agent),
        )
    }
}

/// Is told of every request. Called from several threads; must not block for long.
pub trait AccessLog: Send + Sync {
    /// A request was answered.
    fn answered(&self, access: &Access);
    /// What a target names is there and could not be read; the client was told no more than that.
    fn unreadable(&self, _target: &str, _error: &io::Error) {}
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
