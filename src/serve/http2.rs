//! HTTP/2: many requests on one connection.
//!
//! What HTTP/1.1 gets from waiting for one head and one write is counted here: a connection on which no request is under way for as
//! long as a head may take is closed, and one on which requests are under way but replies are taken slower than by the pace is
//! cut (streams.rs). Pings, settings and window updates keep neither alive, nor do requests that are opened and given up. Streams
//! that are reset as soon as they are opened ("rapid reset") are bounded by h2 itself: more than 20 that were not looked at yet end
//! the connection.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{HOST, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::MAX_HEAD;
use super::server::Limits;
use super::streams::{Doing, SLICE, Sliced, Streams, Told};
use super::traffic::Cut;

/// Requests under way on one connection; a client keeps further ones to itself. Fewer than RFC 9113 (6.5.2) recommends would refuse
/// requests of those who have not read yet how many there may be, and take it for a hundred.
const STREAMS: u32 = 100;
/// Bytes of one reply that wait to be sent.
const WAITING: usize = 4 * SLICE;
/// What h2 refuses by itself, and tells nobody. Those between this and ours are refused by us, and logged.
const FAR_TOO_LONG: usize = 2 * MAX_HEAD;

/// Serves one connection. What `reply` gives beside a reply is told when that is at its end, and kept until then.
/// Returns why it closed the connection, if it was not the client.
pub(super) async fn serve<I, F, R, B, T>(io: I, limits: Limits, reply: F) -> Option<Cut>
where
    I: Read + Write + Unpin,
    F: Fn(Request<Incoming>) -> R,
    R: Future<Output = (Response<B>, T)> + Send + 'static,
    B: Body<Data = Bytes, Error = io::Error> + Send + Unpin + 'static,
    T: Told,
{
    let streams = Streams::new(limits);
    let counted = Arc::clone(&streams);
    let service = service_fn(move |request| {
        let under_way = counted.one_more();
        let reply = reply(as_of_old(request));
        async move {
            let (response, told) = reply.await;
            Ok::<_, std::convert::Infallible>(response.map(|body| Sliced::new(body, under_way, told)))
        }
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(FAR_TOO_LONG).expect("it is small"))
        .max_send_buf_size(WAITING)
        // Who is gone without a word is noticed before a stall is over.
        .keep_alive_interval(limits.head)
        .keep_alive_timeout(limits.head)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    // A request that begins while none was awaited, or the other way round, sets another bound: neither is overslept so.
    let shorter = limits.head.min(limits.pace.within);
    loop {
        let soon = Instant::now() + shorter;
        let (_, until) = streams.doing();
        tokio::select! {
            _ = connection.as_mut() => return None,
            () = sleep_until(until.map_or(soon, |until| until.min(soon))) => {}
        }
        match streams.doing() {
            (_, Some(until)) if until > Instant::now() => {}
            (Doing::Working, _) => {}
            (Doing::Replying, _) => return Some(Cut::Slow),
            // What was sent before the client hears of it is still answered.
            (Doing::Nothing, _) => {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(limits.head, connection).await;
                return Some(Cut::Idle);
            }
        }
    }
}

/// Bytes of a request's head as HTTP/2 counts them (RFC 9113, 6.5.2): 32 more for each field.
pub(super) fn length_of_head<B>(request: &Request<B>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 32);
    request.method().as_str().len() + target + fields.sum::<usize>()
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

#[cfg(test)]
mod tests;
