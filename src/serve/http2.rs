//! HTTP/2: many requests on one connection, and bounds on all of them together.
//!
//! What HTTP/1.1 gets from waiting for one head and one write is counted here: a connection on which no request is under way for as
//! long as a head may take is closed, and one on which requests are under way but nothing of any reply is taken for as long as a
//! stall may last is cut. Pings, settings and window updates keep neither alive. Streams that are reset as soon as they are opened
//! ("rapid reset") are bounded by h2 itself: more than 20 that were not looked at yet end the connection.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{HOST, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::MAX_HEAD;
use super::server::Limits;
use super::traffic::Cut;

/// Requests under way on one connection; a client keeps further ones to itself. Fewer than RFC 9113 (6.5.2) recommends would refuse
/// requests of those who have not read yet how many there may be, and take it for a hundred.
const STREAMS: u32 = 100;
/// Bytes that are given to be sent at a time, one frame of the usual size: by these it is told whether a client takes anything.
const SLICE: usize = 16 << 10;
/// Bytes of one reply that wait to be sent.
const WAITING: usize = 4 * SLICE;

/// Serves one connection. `requests` bounds those under way on all connections, each of which may have a file open.
/// Returns why it closed the connection, if it was not the client.
pub(super) async fn serve<I, F, R, B>(io: I, limits: Limits, requests: Arc<Semaphore>, reply: F) -> Option<Cut>
where
    I: Read + Write + Unpin,
    F: Fn(Request<Incoming>) -> R,
    R: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = io::Error> + Send + Unpin + 'static,
{
    let activity = Arc::new(Activity::begin());
    let counted = Arc::clone(&activity);
    let service = service_fn(move |request| {
        let (under_way, requests) = (counted.one_more(), Arc::clone(&requests));
        let reply = reply(as_of_old(request));
        async move {
            let permit = requests.acquire_owned().await.expect("this semaphore is never closed");
            let (head, body) = reply.await.into_parts();
            let body = Counted { body, rest: Bytes::new(), under_way, _permit: permit };
            Ok::<_, std::convert::Infallible>(Response::from_parts(head, body))
        }
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD).expect("it is small"))
        .max_send_buf_size(WAITING)
        // Who is gone without a word is noticed before a stall is over.
        .keep_alive_interval(limits.head)
        .keep_alive_timeout(limits.head)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    // A request that begins while none was awaited, or the other way round, sets another bound: neither is overslept so.
    let shorter = limits.head.min(limits.pace.within);
    loop {
        let (_, until) = activity.state(limits);
        tokio::select! {
            _ = connection.as_mut() => return None,
            () = sleep_until(until.min(Instant::now() + shorter)) => {}
        }
        match activity.state(limits) {
            (_, until) if until > Instant::now() => {}
            (State::Busy, _) => return Some(Cut::Slow),
            // What was sent before the client hears of it is still answered.
            (State::Idle, _) => {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(limits.head, connection).await;
                return Some(Cut::Idle);
            }
        }
    }
}

/// The target and the host where HTTP/1.1 has them, so that nobody else need know of this one.
fn as_of_old(mut request: Request<Incoming>) -> Request<Incoming> {
    let uri = request.uri();
    let host = uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    let target = uri.path_and_query().map_or_else(Uri::default, |target| Uri::from(target.clone()));
    if let Some(host) = host {
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = target;
    request
}

/// What happens on a connection.
struct Activity(Mutex<Happened>);

struct Happened {
    under_way: usize,
    /// When a request began or ended last, or something of a reply was taken.
    last: Instant,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Requests are under way.
    Busy,
    /// None is.
    Idle,
}

impl Activity {
    fn begin() -> Activity {
        Activity(Mutex::new(Happened { under_way: 0, last: Instant::now() }))
    }

    /// A request, which is under way until what this returns is dropped.
    fn one_more(self: &Arc<Self>) -> UnderWay {
        self.changed(|happened| happened.under_way += 1);
        UnderWay(Arc::clone(self))
    }

    fn changed(&self, change: impl FnOnce(&mut Happened)) {
        let mut happened = self.lock();
        change(&mut happened);
        happened.last = Instant::now();
    }

    /// What it does, and until when it may go on so if nothing happens.
    fn state(&self, limits: Limits) -> (State, Instant) {
        let happened = self.lock();
        match happened.under_way {
            0 => (State::Idle, happened.last + limits.head),
            _ => (State::Busy, happened.last + limits.pace.within),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Happened> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request under way.
struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.changed(|happened| happened.under_way -= 1);
    }
}

/// A reply's body in slices; each that is taken is something that happened.
struct Counted<B> {
    body: B,
    /// What is read and not taken yet.
    rest: Bytes,
    under_way: UnderWay,
    _permit: OwnedSemaphorePermit,
}

impl<B: Body<Data = Bytes, Error = io::Error> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(SLICE);
        let slice = self.rest.split_to(length);
        self.under_way.0.changed(|_| ());
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest + body.lower());
        if let Some(upper) = body.upper() {
            hint.set_upper(rest + upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests;
