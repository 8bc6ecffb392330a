//! What is known of one reply, told when it is at its end.
//!
//! A reply ends when its last byte was given to the system, or when the connection broke off. Until then nobody knows how
//! much of it was sent, so nothing is written down earlier.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Request, StatusCode, Uri, Version};
use tokio::time::Instant;

use super::access::Access;
use super::answer::Shared;
use super::body::Body;
use super::crowd::Place;
use super::streams::Told;
use super::traffic::Kind;

/// What other servers note where the client left before there was a reply.
const LEFT: u16 = 499;

/// One request and what became of it. Told to the log and counted when it is dropped.
pub(super) struct Account {
    shared: Arc<Shared>,
    place: Arc<Place>,
    access: Access,
    kind: Kind,
    began: Instant,
    /// What had been written on the connection before.
    written_before: u64,
}

impl Account {
    /// Begins with the request, at `time`, of whoever logged in.
    pub(super) fn open<B>(
        shared: &Arc<Shared>,
        place: &Arc<Place>,
        request: &Request<B>,
        user: Option<String>,
        time: SystemTime,
    ) -> Account {
        let text = |name: &HeaderName| text_of(request.headers(), name).map(str::to_owned);
        Account {
            written_before: place.request_began(),
            access: Access {
                peer: place.peer,
                user,
                time,
                method: request.method().to_string(),
                target: target_of(request.uri()),
                protocol: match request.version() {
                    Version::HTTP_09 | Version::HTTP_10 => "HTTP/1.0",
                    Version::HTTP_2 => "HTTP/2.0",
                    _ => "HTTP/1.1",
                },
                status: LEFT,
                bytes: 0,
                referer: text(&header::REFERER),
                agent: text(&header::USER_AGENT),
                took: Default::default(),
            },
            kind: Kind::Other,
            began: Instant::now(),
            shared: Arc::clone(shared),
            place: Arc::clone(place),
        }
    }

    /// Who asked, as they logged in.
    pub(super) fn is_of(&mut self, user: Option<String>) {
        self.access.user = user;
    }

    /// The reply's head is ready.
    pub(super) fn answered(&mut self, status: StatusCode, kind: Kind) {
        self.access.status = status.as_u16();
        self.kind = kind;
        self.shared.traffic.began(self.began.elapsed());
    }

    /// The connection ended before all was written that had been handed over: of that no more than was `written` on it can
    /// have been sent. The reply's head is part of that, so it may be some hundred bytes less.
    pub(super) fn broke_off(mut self, written: u64) {
        self.access.bytes = self.access.bytes.min(written.saturating_sub(self.written_before));
    }
}

/// Where a connection carries many replies at once, what was written on it tells nothing of any.
impl Told for Account {
    fn sent(mut self, bytes: u64) {
        self.access.bytes = bytes;
    }

    fn headed(self) {
        let place = Arc::clone(&self.place);
        place.handed(self);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.access.took = self.began.elapsed();
        self.shared.log.answered(&self.access);
        self.shared.traffic.answered(self.kind, self.access.status, self.access.bytes);
        self.place.reply_ended();
    }
}

/// A body whose bytes are counted.
pub(super) struct Counted {
    body: Body,
    account: Option<Account>,
}

impl Counted {
    pub(super) fn new(body: Body, account: Account) -> Counted {
        Counted { body, account: Some(account) }
    }

    /// Each by itself, for whoever counts the bytes.
    pub(super) fn apart(mut self) -> (Body, Account) {
        let account = self.account.take().expect("it is there until this is dropped");
        (std::mem::replace(&mut self.body, Body::empty()), account)
    }
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let (Poll::Ready(Some(Ok(frame))), Some(account)) = (&polled, &mut self.account) {
            account.access.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(account) = self.account.take() {
            let place = Arc::clone(&account.place);
            place.handed(account);
        }
    }
}

/// As it was sent.
fn target_of(uri: &Uri) -> String {
    match (uri.authority(), uri.path_and_query()) {
        (None, Some(target)) => target.as_str().to_owned(),
        _ => uri.to_string(),
    }
}

pub(super) fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
