//! Who sent a request, and how far they get.

use super::pages::Scheme;

/// Who sent a request.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// How they came.
    pub(super) scheme: Scheme,
    /// As whom: they logged in, or showed a certificate.
    pub(super) user: Option<String>,
    pub(super) standing: Standing,
}

/// How far a client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// All that is public is theirs to read.
    Welcome,
    /// They must log in first: 401.
    LoginNeeded,
    /// So many passwords are being looked at that theirs has to wait: 503.
    TryLater,
    /// They speak plainly where TLS is spoken: 400.
    NotEncrypted,
    /// Too many requests are under way, theirs or everybody's: 503.
    NoRoom,
}
