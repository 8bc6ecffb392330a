//! Pages that somebody else makes, at paths of their own beside the tree.

use std::borrow::Cow;

use super::listing::Listing;

/// Makes pages. Called from several threads.
pub trait Pages: Send + Sync {
    /// Whether `path` (absolute, as sent) is one of these; whatever the tree has there is not seen then.
    fn has(&self, path: &str) -> bool;
    /// The page, where it takes neither time nor the disk: nobody waits for it. Must not block.
    fn at_hand(&self, _asked: &Asked) -> Option<Page> {
        None
    }
    /// The page at a path that [`has`](Pages::has) said yes to. May block; few are made at once.
    fn page(&self, asked: &Asked) -> Page;
    /// A better page of a folder than the plain one, if there is any. May block.
    fn folder(&self, _listing: &Listing) -> Option<Page> {
        None
    }
}

/// A request for a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The path, as sent.
    pub path: String,
    /// What follows `?`, as sent; empty if there is nothing.
    pub query: String,
    /// How it came.
    pub scheme: Scheme,
    /// Under which name, with its port, the client knows this server: letters, digits and `_.-:[]`.
    pub host: Option<String>,
}

/// How a request came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Plainly.
    #[default]
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As a URL begins.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// 200, or what is wrong.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// How long the client may keep it.
    pub kept: Kept,
    /// The bytes.
    pub body: Cow<'static, [u8]>,
}

/// How long a client, or a cache on the way, may keep what it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is as of now.
    Never,
    /// An hour: a part of the program, such as a style sheet.
    Hour,
    /// For as long as it likes; it asks whether it is still the same before each use.
    UntilAsked,
    /// For good: it never becomes another under its name.
    ForGood,
}

/// For whom a server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Audience {
    /// For everybody.
    #[default]
    All,
    /// For those who log in, or show a certificate: a cache on the way may not keep for others what they get (RFC 9111, 3.5).
    Some,
}

impl Kept {
    pub(super) fn as_header(self, audience: Audience) -> &'static str {
        match (self, audience) {
            (Kept::Never, _) => "no-store",
            (Kept::Hour, _) => "max-age=3600",
            (Kept::UntilAsked, _) => "no-cache",
            (Kept::ForGood, Audience::All) => "public, max-age=31536000, immutable",
            (Kept::ForGood, Audience::Some) => "private, max-age=31536000, immutable",
        }
    }
}

impl Page {
    /// Plain text.
    pub fn text(status: u16, text: &str) -> Page {
        let body = Cow::Owned(text.as_bytes().to_vec());
        Page { status, content_type: "text/plain; charset=utf-8", kept: Kept::Never, body }
    }

    /// HTML.
    pub fn html(status: u16, html: String) -> Page {
        let body = Cow::Owned(html.into_bytes());
        Page { status, content_type: "text/html; charset=utf-8", kept: Kept::Never, body }
    }
}
