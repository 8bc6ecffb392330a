//! Read-only HTTP/1.1 and 2 over the public tree: what apk clients ask for, and folders as simple pages.
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
//!
//! ```text
//! server.rs accepts ──▶ connection.rs: TLS or not, which protocol ──▶ entrance.rs: who it is ──▶ answer.rs: one reply
//! ```
//!
//! HTTP/2 is for those who speak TLS and ask for it (ALPN); how many requests of it there are, and for how long, is bounded beside
//! the connections (shares.rs, streams.rs). Certificate, key and logins are watched files (watched.rs): renewed
//! ones are taken up by themselves, and one that cannot be used changes nothing.

mod access;
mod account;
mod answer;
mod body;
mod client;
mod connection;
mod crowd;
mod entrance;
mod error;
mod favourites;
mod http2;
mod listing;
mod logins;
mod objects;
mod pages;
mod patience;
mod request;
mod server;
mod shares;
mod streams;
mod subject;
mod tls;
mod traffic;
mod tree;
mod turns;
mod watched;

pub use access::{Access, AccessLog, Unlogged};
pub use answer::{Rules, Usual};
pub use entrance::Entrance;
pub use error::Error;
pub use listing::{Listing, Row};
pub use objects::Objects;
pub use pages::{Asked, Kept, Page, Pages, Scheme};
pub use patience::Pace;
pub use request::encode;
pub use server::{Limits, Server};
pub use tls::TlsFiles;
pub use traffic::{Cut, Kind, Latencies, Traffic};
