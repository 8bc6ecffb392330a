//! Connections, and a reply for each request.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::files::{self, Found, Missing};
use super::listing;
use super::pages::Pages;
use super::patience::Patience;
use super::request::{self, Answer, BadTarget, Conditions, Named, Version};
use crate::error::{Class, Trouble};

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not ours to take.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Listen { .. } => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Listen { .. } => "cannot-listen",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some("choose another with --listen; port 0 takes any that is free".to_owned())
            }
            Error::Listen { .. } => None,
        }
    }
}

/// Bounds on what clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at once; further ones wait in the system's queue.
    pub connections: usize,
    /// How long a client may take to send a request's head, the pause before it counted.
    pub head: Duration,
    /// How long a client may take nothing of a reply before it is cut off.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 512, head: Duration::from_secs(30), stall: Duration::from_secs(60) }
    }
}

/// Longest request head, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// One request, answered. Prints as a line of the combined log format.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who asked.
    pub peer: IpAddr,
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
            "{} - - [{time}] \"{} {} HTTP/1.1\" {} {} \"{}\" \"{}\"",
            self.peer,
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
}

/// Keeps no log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlogged;

impl AccessLog for Unlogged {
    fn answered(&self, _access: &Access) {}
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    limits: Limits,
}

struct Shared {
    tree: PathBuf,
    pages: Option<Arc<dyn Pages>>,
    clock: fn() -> SystemTime,
    log: Box<dyn AccessLog>,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

impl Server {
    /// Listens on `address` (port 0: any that is free) to serve what lies below `tree`, a folder or a link to one that need
    /// not be there yet. `clock` tells the time of day.
    pub async fn listen(
        address: SocketAddr,
        tree: PathBuf,
        limits: Limits,
        clock: fn() -> SystemTime,
        log: Box<dyn AccessLog>,
    ) -> Result<Server, Error> {
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Server { listener, address, shared: Arc::new(Shared { tree, pages: None, clock, log }), limits })
    }

    /// The same on a socket that listens already, such as one that a service manager handed over.
    pub fn on(
        listener: std::net::TcpListener,
        tree: PathBuf,
        limits: Limits,
        clock: fn() -> SystemTime,
        log: Box<dyn AccessLog>,
    ) -> Result<Server, Error> {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = listener.local_addr().map_err(|source| Error::Listen { address: unknown, source })?;
        let failed = |source| Error::Listen { address, source };
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        Ok(Server { listener, address, shared: Arc::new(Shared { tree, pages: None, clock, log }), limits })
    }

    /// With pages beside the tree.
    pub fn with(self, pages: Arc<dyn Pages>) -> Server {
        let shared = Arc::into_inner(self.shared).expect("nothing is served yet, so nobody else has it");
        Server { shared: Arc::new(Shared { pages: Some(pages), ..shared }), ..self }
    }

    /// Where it listens; the port is known now.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves for as long as it is polled. Requests under way end with the runtime.
    pub async fn run(self) -> Infallible {
        let free = Arc::new(Semaphore::new(self.limits.connections));
        loop {
            let permit = Arc::clone(&free).acquire_owned().await.expect("this semaphore is never closed");
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let shared = Arc::clone(&self.shared);
                    let limits = self.limits;
                    tokio::spawn(async move {
                        shared.connection(stream, peer.ip(), limits).await;
                        drop(permit);
                    });
                }
                // A client that went away before it was accepted, or no file descriptors left: both pass. Without the
                // pause the latter would spin.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

impl Shared {
    async fn connection(self: Arc<Self>, stream: TcpStream, peer: IpAddr, limits: Limits) {
        // Heads and small files are one write each; waiting to join them costs a round trip. Not vital.
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| {
            let shared = Arc::clone(&self);
            async move { Ok::<_, Infallible>(shared.reply(&request, peer).await) }
        });
        // What goes wrong on a connection is the client's affair: it went away, or it does not speak HTTP.
        let _ = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(Patience::new(stream, limits.stall)), service)
            .await;
    }

    async fn reply<B>(&self, request: &Request<B>, peer: IpAddr) -> Response<Body> {
        let now = (self.clock)();
        let mut response = self.answer(request, now).await;
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let bytes = headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
        if request.method() == Method::HEAD {
            *response.body_mut() = empty();
        }
        self.log.answered(&Access {
            peer,
            time: now,
            method: request.method().to_string(),
            target: request.uri().to_string(),
            status: response.status().as_u16(),
            bytes: if request.method() == Method::HEAD { 0 } else { bytes.unwrap_or_default() },
            referer: text_of(request.headers(), &header::REFERER).map(str::to_owned),
            agent: text_of(request.headers(), &header::USER_AGENT).map(str::to_owned),
        });
        response
    }

    async fn answer<B>(&self, request: &Request<B>, now: SystemTime) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = words(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served here");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        if let Some(pages) = self.pages.as_ref().filter(|pages| pages.has(request.uri().path())) {
            let (pages, path) = (Arc::clone(pages), request.uri().path().to_owned());
            return match tokio::task::spawn_blocking(move || pages.page(&path)).await {
                Ok(page) => made(page),
                Err(died) => self.unreadable(request.uri(), &io::Error::other(died)),
            };
        }
        let (segments, named) = match request::segments(request.uri().path()) {
            Ok(path) => path,
            Err(BadTarget::Malformed) => return words(StatusCode::BAD_REQUEST, "the path is malformed"),
            Err(BadTarget::Forbidden) => return not_found(),
        };
        let tree = self.tree.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let found = files::find(&tree, &segments)?;
            Ok(match found {
                Found::File(..) if named == Named::Folder => return Err(Missing::File),
                Found::File(file, version) => Ready::File(file, version),
                Found::Folder(_) if named == Named::Either => Ready::Elsewhere(segments),
                Found::Folder(path) => Ready::Page(listing::page(&path, &segments).map_err(Missing::Unreadable)?),
            })
        });
        match looked.await {
            Ok(Ok(Ready::File(file, version))) => send(request.headers(), file, version, now),
            Ok(Ok(Ready::Page(html))) => page(html),
            Ok(Ok(Ready::Elsewhere(segments))) => redirect(&segments),
            Ok(Err(Missing::File)) => not_found(),
            Ok(Err(Missing::Tree)) => words(StatusCode::SERVICE_UNAVAILABLE, "nothing is published yet"),
            Ok(Err(Missing::Unreadable(error))) => self.unreadable(request.uri(), &error),
            Err(died) => self.unreadable(request.uri(), &io::Error::other(died)),
        }
    }

    fn unreadable(&self, target: &Uri, error: &io::Error) -> Response<Body> {
        self.log.unreadable(&target.to_string(), error);
        words(StatusCode::INTERNAL_SERVER_ERROR, "it is there and cannot be read")
    }
}

/// What a path led to.
enum Ready {
    File(std::fs::File, Version),
    Page(String),
    /// A folder asked for without its slash: links on its page would lead astray.
    Elsewhere(Vec<String>),
}

/// A page of somebody else's.
fn made(page: super::Page) -> Response<Body> {
    let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = Bytes::from(page.body.into_owned());
    let length = HeaderValue::from(bytes.len());
    let mut response = Response::new(Full::new(bytes).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    headers.insert(header::CONTENT_LENGTH, length);
    // It is as of now.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn send(headers: &HeaderMap, file: std::fs::File, version: Version, now: SystemTime) -> Response<Body> {
    let conditions = Conditions {
        if_none_match: text_of(headers, &header::IF_NONE_MATCH),
        if_modified_since: text_of(headers, &header::IF_MODIFIED_SINCE),
        range: text_of(headers, &header::RANGE),
        if_range: text_of(headers, &header::IF_RANGE),
    };
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |past| i64::try_from(past.as_secs()).unwrap_or(i64::MAX));
    let body = |first: u64, last: u64| StreamBody::new(files::stream(file, first, last)).boxed_unsync();
    let size = version.size;
    let (status, length, range, body) = match conditions.answer(&version, seconds) {
        Answer::NotModified => (StatusCode::NOT_MODIFIED, None, None, empty()),
        Answer::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, Some(0), Some(format!("bytes */{size}")), empty()),
        Answer::Whole if size == 0 => (StatusCode::OK, Some(0), None, empty()),
        Answer::Whole => (StatusCode::OK, Some(size), None, body(0, size - 1)),
        Answer::Part { first, last } => (
            StatusCode::PARTIAL_CONTENT,
            Some(last - first + 1),
            Some(format!("bytes {first}-{last}/{size}")),
            body(first, last),
        ),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    put(headers, header::ETAG, &version.etag());
    if let Some(date) = version.last_modified() {
        put(headers, header::LAST_MODIFIED, &date);
    }
    put(headers, header::ACCEPT_RANGES, "bytes");
    if let Some(length) = length {
        put(headers, header::CONTENT_LENGTH, &length.to_string());
        put(headers, header::CONTENT_TYPE, "application/octet-stream");
    }
    if let Some(range) = range {
        put(headers, header::CONTENT_RANGE, &range);
    }
    response
}

fn page(html: String) -> Response<Body> {
    whole(StatusCode::OK, "text/html; charset=utf-8", html)
}

fn words(status: StatusCode, words: &str) -> Response<Body> {
    whole(status, "text/plain; charset=utf-8", format!("{words}\n"))
}

fn not_found() -> Response<Body> {
    words(StatusCode::NOT_FOUND, "not found")
}

/// 301, which every apk follows. The target is made from checked segments and starts with one slash, so it cannot name
/// another host.
fn redirect(segments: &[String]) -> Response<Body> {
    let target: String = segments.iter().map(|segment| format!("/{}", request::encode(segment))).collect();
    let mut response = words(StatusCode::MOVED_PERMANENTLY, "this is a folder");
    put(response.headers_mut(), header::LOCATION, &format!("{target}/"));
    response
}

fn whole(status: StatusCode, kind: &str, text: String) -> Response<Body> {
    let length = text.len().to_string();
    let mut response = Response::new(Full::from(text).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    put(response.headers_mut(), header::CONTENT_TYPE, kind);
    put(response.headers_mut(), header::CONTENT_LENGTH, &length);
    response
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).expect("made from ASCII without control characters"));
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests;
