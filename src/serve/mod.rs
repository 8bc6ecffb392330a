//! Read-only HTTP/1.1 over the public tree: what apk clients ask for, and folders as simple pages.
//!
//! On disk there is nothing of its own; it reads below the folder that it is given, which may be a link (`public`). What
//! always holds:
//!
//! - The link is resolved once per request: a request sees one generation, whole.
//! - Nothing outside that folder is served: no `..`, no encoded slash or NUL, no link that leads out, nothing hidden.
//! - Bytes go out as they are. Never a `Content-Encoding` (apk does not know it), always `application/octet-stream`.
//! - `%7e`, `%7E` and `~` are one file, and `+` is a plus.
//!
//! It takes no lock: a published generation does not change.

mod access;
mod answer;
mod files;
mod listing;
mod pages;
mod patience;
mod request;
mod server;

pub use access::{Access, AccessLog, Unlogged};
pub use listing::{Listing, Row};
pub use pages::{Asked, Kept, Page, Pages};
pub use request::encode;
pub use server::{Error, Limits, Server};
