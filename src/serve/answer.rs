//! A reply for each request.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use rustix::io::Errno;

use super::access::{Access, AccessLog};
use super::account::{Account, Counted, text_of};
use super::body::{Body, Chunks, Part};
use super::client::{Client, Standing};
use super::crowd::Place;
use super::favourites::{Favourites, Identity};
use super::listing::Listing;
use super::objects::{Generations, Objects};
use super::pages::{Asked, Audience, Kept, Page, Pages, Scheme};
use super::request::{self, Answer, BadTarget, Conditions, Named, Version};
use super::traffic::{Cut, Kind, Traffic};
use super::tree::{Found, Missing, Tree, Wait};
use super::turns::{Busy, Turns};

/// What every request needs.
pub(super) struct Shared {
    pub(super) tree: Arc<Tree>,
    pub(super) pages: Vec<Beside>,
    pub(super) folders: Turns,
    pub(super) rules: Arc<dyn Rules>,
    pub(super) audience: Audience,
    pub(super) generations: Generations,
    pub(super) clock: fn() -> SystemTime,
    pub(super) log: Box<dyn AccessLog>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) chunks: Arc<Chunks>,
    pub(super) favourites: Favourites,
}

/// What is known of the tree's files by whoever publishes them. Called from several threads.
pub trait Rules: Send + Sync {
    /// How long clients may keep the file at this path, decoded. Must not block.
    fn kept(&self, segments: &[String]) -> Kept;
    /// Which objects the files of a generation are, if that is known. May block; asked once, more or less.
    fn objects(&self, _generation: u64) -> Option<Objects> {
        None
    }
}

/// Packages are kept for good, all else until it is asked for: how it is where no source may replace what it has supplied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usual;

impl Rules for Usual {
    fn kept(&self, segments: &[String]) -> Kept {
        if segments.last().is_some_and(|name| name.ends_with(".apk")) { Kept::ForGood } else { Kept::UntilAsked }
    }
}

/// Pages of one maker. Whoever wants them waits for nobody who wants those of another.
pub(super) struct Beside {
    pages: Arc<dyn Pages>,
    turns: Turns,
}

impl Beside {
    pub(super) fn new(pages: Arc<dyn Pages>) -> Beside {
        Beside { pages, turns: Turns::new() }
    }
}

/// For the browser: style sheets, pictures and scripts are files of this server.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

impl Shared {
    /// A request came.
    pub(super) fn account<B>(self: &Arc<Self>, request: &Request<B>, client: &Client, place: &Arc<Place>) -> Account {
        Account::open(self, place, request, client.user.clone(), (self.clock)())
    }

    /// What it gets.
    pub(super) async fn reply<B>(
        self: &Arc<Self>,
        request: &Request<B>,
        client: &Client,
        mut account: Account,
    ) -> Response<Counted> {
        let now = (self.clock)();
        let (kind, mut response) = match client.standing {
            Standing::Welcome => self.answer(request, client.scheme, now).await,
            Standing::LoginNeeded => (Kind::of(request.uri().path()), login_needed()),
            Standing::TryLater => (Kind::of(request.uri().path()), later("too many logins are being looked at")),
            Standing::NotEncrypted => {
                (Kind::Other, words(StatusCode::BAD_REQUEST, "TLS is spoken here: the URL begins with https://"))
            }
            Standing::NoRoom => (Kind::of(request.uri().path()), later("too many requests are under way")),
        };
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        account.answered(response.status(), kind);
        let is_head = request.method() == Method::HEAD;
        response.map(|body| Counted::new(if is_head { Body::empty() } else { body }, account))
    }

    /// What came on a connection that broke off is told if it was no request. What becomes of replies, their accounts tell.
    pub(super) fn broke_off(&self, place: &Place, error: &hyper::Error) {
        match error {
            error if error.is_parse_too_large() => self.unheard(place, 431),
            error if error.is_parse() => self.unheard(place, 400),
            // The client left.
            _ => {}
        }
    }

    /// A request, or a handshake, did not come to its end in time, or none came: a client that is done with us, and leaves its
    /// connection open, has asked for nothing.
    pub(super) fn waited_in_vain(&self, place: &Place) {
        if place.has_unheard() {
            self.traffic.cut(Cut::Head);
            self.unheard(place, 408);
        } else {
            self.traffic.cut(Cut::Idle);
        }
    }

    /// A request whose head was longer than one may be; what it asked for is not repeated.
    pub(super) fn too_long(&self, place: &Place) -> Response<Body> {
        self.unheard(place, 431);
        words(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request is too long")
    }

    fn unheard(&self, place: &Place, status: u16) {
        self.log.answered(&Access::unheard(place.peer, (self.clock)(), status));
        self.traffic.answered(Kind::Other, status, 0);
    }

    async fn answer<B>(&self, request: &Request<B>, scheme: Scheme, now: SystemTime) -> (Kind, Response<Body>) {
        let path = request.uri().path();
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = words(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served here");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return (Kind::Other, response);
        }
        // RFC 9112, 3.2: of two hosts nobody knows which is meant.
        if request.headers().get_all(header::HOST).iter().nth(1).is_some() {
            return (Kind::Other, words(StatusCode::BAD_REQUEST, "there is more than one Host header"));
        }
        if let Some(Beside { pages, turns }) = self.pages.iter().find(|beside| beside.pages.has(path)) {
            let (pages, asked) = (Arc::clone(pages), asked(request, scheme));
            let response = match pages.at_hand(&asked) {
                Some(page) => made(page, turns),
                None => self.made_in_turn(turns, request.uri(), move || Ok(pages.page(&asked))).await,
            };
            return (Kind::Page, response);
        }
        let kind = Kind::of(path);
        let (segments, named) = match request::segments(path) {
            Ok(path) => path,
            Err(BadTarget::Malformed) => return (kind, words(StatusCode::BAD_REQUEST, "the path is malformed")),
            Err(BadTarget::Forbidden) => return (kind, not_found()),
        };
        let kept = self.rules.kept(&segments);
        let mut found = self.tree.find(&segments, Wait::Never);
        if matches!(found, Err(Missing::NotInMemory)) {
            let (tree, segments) = (Arc::clone(&self.tree), segments.clone());
            let looked = tokio::task::spawn_blocking(move || tree.find(&segments, Wait::ForDisk));
            found = looked.await.unwrap_or_else(|died| Err(Missing::Unreadable(io::Error::other(died))));
        }
        match found {
            Ok(Found::File { .. }) if named == Named::Folder => (kind, not_found()),
            Ok(Found::File { file, mut version, identity, generation }) => {
                if let Some(number) = generation {
                    version.object = self.object(number, &segments, version.size).await;
                }
                let conditions = Conditions::of(request);
                (kind, self.send(&conditions, (file, identity), version, kept, now))
            }
            // Links on its page would lead astray without the slash, and with several of them.
            Ok(Found::Folder(_)) if named == Named::Either || path.contains("//") => {
                (Kind::Page, redirect(path, &segments))
            }
            Ok(Found::Folder(folder)) => {
                let pages: Vec<Arc<dyn Pages>> = self.pages.iter().map(|beside| Arc::clone(&beside.pages)).collect();
                let make = move || {
                    let listing = Listing::of(folder, segments)?;
                    let page = pages.iter().find_map(|pages| pages.folder(&listing));
                    Ok(page.unwrap_or_else(|| Page::html(200, listing.plain())))
                };
                (Kind::Page, self.made_in_turn(&self.folders, request.uri(), make).await)
            }
            Err(Missing::File) => (kind, not_found()),
            Err(Missing::Tree) => (kind, words(StatusCode::SERVICE_UNAVAILABLE, "nothing is published yet")),
            Err(Missing::Unreadable(error)) => (kind, self.unreadable(request.uri(), &error)),
            Err(Missing::NotInMemory) => (kind, self.unreadable(request.uri(), &io::ErrorKind::WouldBlock.into())),
        }
    }

    /// The object of the file at this path in generation `number`.
    async fn object(&self, number: u64, segments: &[String], size: u64) -> Option<[u8; 16]> {
        let rules = Arc::clone(&self.rules);
        let objects = self.generations.objects(number, move || rules.objects(number)).await?;
        // In a tree beside live, what it is called there.
        let inside = segments.iter().position(|segment| !segment.starts_with('@')).unwrap_or_default();
        objects.of(&segments[inside..], size)
    }

    async fn made_in_turn(
        &self,
        turns: &Turns,
        target: &Uri,
        make: impl FnOnce() -> io::Result<Page> + Send + 'static,
    ) -> Response<Body> {
        match turns.take(make).await {
            Ok(Ok(Ok(page))) => made(page, turns),
            Ok(Ok(Err(error))) => self.unreadable(target, &error),
            Ok(Err(died)) => self.unreadable(target, &io::Error::other(died)),
            Err(Busy) => busy(),
        }
    }

    fn unreadable(&self, target: &Uri, error: &io::Error) -> Response<Body> {
        self.log.unreadable(&target.to_string(), error);
        cannot_be_read(error)
    }

    fn send(
        &self,
        conditions: &Conditions<'_>,
        (file, identity): (File, Identity),
        version: Version,
        kept: Kept,
        now: SystemTime,
    ) -> Response<Body> {
        let seconds =
            now.duration_since(UNIX_EPOCH).map_or(0, |past| i64::try_from(past.as_secs()).unwrap_or(i64::MAX));
        let size = version.size;
        let (status, sent, range) = match conditions.answer(&version, kept, seconds) {
            Answer::NotModified => (StatusCode::NOT_MODIFIED, None, None),
            Answer::Changed => (StatusCode::PRECONDITION_FAILED, Some(0..0), None),
            Answer::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, Some(0..0), Some(format!("bytes */{size}"))),
            Answer::Whole => (StatusCode::OK, Some(0..size), None),
            Answer::Part { first, last } => {
                (StatusCode::PARTIAL_CONTENT, Some(first..last + 1), Some(format!("bytes {first}-{last}/{size}")))
            }
        };
        let body = match sent.clone() {
            Some(sent) if !sent.is_empty() => match self.favourites.get(identity, &file) {
                Some(bytes) => Body::Whole(bytes.slice(sent.start as usize..sent.end as usize)),
                None => Body::File(Part::new(file, sent.start, sent.end, &self.chunks)),
            },
            _ => Body::empty(),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        // All there will be, so that there is one piece of memory for them.
        headers.reserve(10);
        put(headers, header::ETAG, &version.etag());
        if let Some(date) = version.last_modified() {
            put(headers, header::LAST_MODIFIED, &date);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept.as_header(self.audience)));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(sent) = sent {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(sent.end - sent.start));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        }
        if let Some(range) = range {
            put(headers, header::CONTENT_RANGE, &range);
        }
        response
    }
}

impl<'h> Conditions<'h> {
    fn of<B>(request: &'h Request<B>) -> Conditions<'h> {
        let headers = request.headers();
        Conditions {
            if_match: text_of(headers, &header::IF_MATCH),
            if_none_match: text_of(headers, &header::IF_NONE_MATCH),
            if_modified_since: text_of(headers, &header::IF_MODIFIED_SINCE),
            // RFC 9110, 14.2: a range is for GET alone.
            range: text_of(headers, &header::RANGE).filter(|_| request.method() == Method::GET),
            if_range: text_of(headers, &header::IF_RANGE),
        }
    }
}

/// What a page's maker may know of a request.
fn asked<B>(request: &Request<B>, scheme: Scheme) -> Asked {
    let uri = request.uri();
    // A target may be a whole URL.
    let host = uri.authority().map(|host| host.as_str()).or_else(|| text_of(request.headers(), &header::HOST));
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-:[]".contains(c);
    Asked {
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        scheme,
        host: host
            .filter(|host| host.contains(|c: char| c.is_ascii_alphanumeric()) && host.chars().all(plain))
            .map(str::to_owned),
    }
}

/// A page, as a reply.
fn made(page: Page, turns: &Turns) -> Response<Body> {
    let Ok(room) = turns.room(page.body.len()) else { return busy() };
    let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = Bytes::from(page.body.into_owned());
    let length = HeaderValue::from(bytes.len());
    let mut response = Response::new(Body::Page { left: bytes, _room: room });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(page.kept.as_header(Audience::Some)));
    // A page is complete in itself: whatever a name on it may say, nothing is loaded from elsewhere or run.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn busy() -> Response<Body> {
    later("too many pages are being made; packages are served all the same")
}

/// The same request may be answered in a few seconds.
fn later(why: &str) -> Response<Body> {
    let mut response = words(StatusCode::SERVICE_UNAVAILABLE, why);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// That no more files can be opened is no fault of this one, and passes.
fn cannot_be_read(error: &io::Error) -> Response<Body> {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE) => later("too many files are open"),
        _ => words(StatusCode::INTERNAL_SERVER_ERROR, "it is there and cannot be read"),
    }
}

fn words(status: StatusCode, words: &str) -> Response<Body> {
    whole(status, "text/plain; charset=utf-8", format!("{words}\n"))
}

fn login_needed() -> Response<Body> {
    let mut response = words(StatusCode::UNAUTHORIZED, "log in first");
    // RFC 7617, 2.1: names and passwords are UTF-8.
    put(response.headers_mut(), header::WWW_AUTHENTICATE, "Basic realm=\"bivouac\", charset=\"UTF-8\"");
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn not_found() -> Response<Body> {
    words(StatusCode::NOT_FOUND, "not found")
}

/// 301, which every apk follows. The target is made from checked segments. It is relative, for we may stand below a path of
/// another server's; where the path has empty segments it begins with one slash, so that it cannot name another host.
fn redirect(path: &str, segments: &[String]) -> Response<Body> {
    let encoded = |segment: &String| request::encode(segment);
    let target = match segments.last() {
        // `./` keeps a name with a colon from being read as a scheme.
        Some(last) if !path.contains("//") => format!("./{}", encoded(last)),
        _ => segments.iter().map(|segment| format!("/{}", encoded(segment))).collect(),
    };
    let mut response = words(StatusCode::MOVED_PERMANENTLY, "this is a folder");
    put(response.headers_mut(), header::LOCATION, &format!("{target}/"));
    response
}

fn whole(status: StatusCode, kind: &str, text: String) -> Response<Body> {
    let length = text.len().to_string();
    let mut response = Response::new(Body::Whole(text.into()));
    *response.status_mut() = status;
    put(response.headers_mut(), header::CONTENT_TYPE, kind);
    put(response.headers_mut(), header::CONTENT_LENGTH, &length);
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).expect("made from ASCII without control characters"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_cannot_be_opened_now_may_be_later() {
        for (error, status, later) in [(Errno::MFILE, 503, true), (Errno::NFILE, 503, true), (Errno::IO, 500, false)] {
            let response = cannot_be_read(&error.into());
            assert_eq!(
                (response.status().as_u16(), response.headers().contains_key(header::RETRY_AFTER)),
                (status, later)
            );
        }
    }
}
