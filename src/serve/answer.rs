//! A reply for each request.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::Semaphore;

use super::access::{Access, AccessLog};
use super::client::{Client, Standing};
use super::files::{self, Found, Missing};
use super::listing::Listing;
use super::pages::{Asked, Page, Pages, Scheme};
use super::request::{self, Answer, BadTarget, Conditions, Named, Version};

/// What every request needs.
pub(super) struct Shared {
    pub(super) tree: PathBuf,
    pub(super) pages: Vec<Beside>,
    pub(super) clock: fn() -> SystemTime,
    pub(super) log: Box<dyn AccessLog>,
}

/// Pages of one maker. Few are made at once: some take a while and memory, and files are to be served meanwhile.
pub(super) struct Beside {
    pages: Arc<dyn Pages>,
    turns: Semaphore,
}

impl Beside {
    pub(super) fn new(pages: Arc<dyn Pages>) -> Beside {
        Beside { pages, turns: Semaphore::new(PAGES_AT_ONCE) }
    }
}

const PAGES_AT_ONCE: usize = 2;

/// For the browser: style sheets, pictures and scripts are files of this server.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

impl Shared {
    pub(super) async fn reply<B>(&self, request: &Request<B>, client: &Client) -> Response<Body> {
        let now = (self.clock)();
        let mut response = match client.standing {
            Standing::Welcome => self.answer(request, client.scheme, now).await,
            Standing::LoginNeeded => login_needed(),
            Standing::NotEncrypted => {
                words(StatusCode::BAD_REQUEST, "TLS is spoken here: the URL begins with https://")
            }
        };
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let bytes = headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
        if request.method() == Method::HEAD {
            *response.body_mut() = empty();
        }
        self.log.answered(&Access {
            peer: client.peer,
            user: client.user.clone(),
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

    async fn answer<B>(&self, request: &Request<B>, scheme: Scheme, now: SystemTime) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = words(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served here");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        if let Some(beside) = self.pages.iter().find(|beside| beside.pages.has(request.uri().path())) {
            let _turn = beside.turns.acquire().await.expect("this semaphore is never closed");
            let (pages, asked) = (Arc::clone(&beside.pages), asked(request, scheme));
            return match tokio::task::spawn_blocking(move || pages.page(&asked)).await {
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
        let pages: Vec<Arc<dyn Pages>> = self.pages.iter().map(|beside| Arc::clone(&beside.pages)).collect();
        let looked = tokio::task::spawn_blocking(move || {
            let found = files::find(&tree, &segments)?;
            Ok(match found {
                Found::File(..) if named == Named::Folder => return Err(Missing::File),
                Found::File(file, version) => Ready::File(file, version),
                Found::Folder(_) if named == Named::Either => Ready::Elsewhere(segments),
                Found::Folder(path) => {
                    let listing = Listing::read(&path, segments).map_err(Missing::Unreadable)?;
                    let page = pages.iter().find_map(|pages| pages.folder(&listing));
                    Ready::Page(page.unwrap_or_else(|| Page::html(200, listing.plain())))
                }
            })
        });
        match looked.await {
            Ok(Ok(Ready::File(file, version))) => send(request.headers(), file, version, now),
            Ok(Ok(Ready::Page(page))) => made(page),
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
    Page(Page),
    /// A folder asked for without its slash: links on its page would lead astray.
    Elsewhere(Vec<String>),
}

/// What a page's maker may know of a request.
fn asked<B>(request: &Request<B>, scheme: Scheme) -> Asked {
    let uri = request.uri();
    // A target may be a whole URL.
    let host = uri.authority().map(|host| host.as_str()).or_else(|| text_of(request.headers(), &header::HOST));
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    Asked {
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        scheme,
        host: host.filter(|host| !host.is_empty() && host.chars().all(plain)).map(str::to_owned),
    }
}

/// A page, as a reply.
fn made(page: Page) -> Response<Body> {
    let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = Bytes::from(page.body.into_owned());
    let length = HeaderValue::from(bytes.len());
    let mut response = Response::new(Full::new(bytes).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(page.kept.as_header()));
    // A page is complete in itself: whatever a name on it may say, nothing is loaded from elsewhere or run.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
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

fn words(status: StatusCode, words: &str) -> Response<Body> {
    whole(status, "text/plain; charset=utf-8", format!("{words}\n"))
}

fn login_needed() -> Response<Body> {
    let mut response = words(StatusCode::UNAUTHORIZED, "log in first");
    // RFC 7617, 2.1: names and passwords are UTF-8.
    put(response.headers_mut(), header::WWW_AUTHENTICATE, "Basic realm=\"bivouac\", charset=\"UTF-8\"");
    response
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
