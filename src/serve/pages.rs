//! Pages that somebody else makes, at paths of their own beside the tree.

use std::borrow::Cow;

/// Makes pages. Called from several threads.
pub trait Pages: Send + Sync {
    /// Whether `path` (absolute, as sent) is one of these; whatever the tree has there is not seen then.
    fn has(&self, path: &str) -> bool;
    /// The page at `path`. May block.
    fn page(&self, path: &str) -> Page;
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// 200, or what is wrong.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The bytes.
    pub body: Cow<'static, [u8]>,
}

impl Page {
    /// Plain text.
    pub fn text(status: u16, text: &str) -> Page {
        let body = Cow::Owned(text.as_bytes().to_vec());
        Page { status, content_type: "text/plain; charset=utf-8", body }
    }
}
