//! The replies under way on one connection of HTTP/2: how much is taken of each, and by when some must be.
//!
//! A client can take much of one reply and nothing of ninety-nine others, each of which has a file open. So each reply has a
//! clock of its own, which runs until the pace's bytes were taken, be it of this reply or of another one: they always renew the
//! time of that which has waited for longest. All that are under way must be taken at the pace of each, together. A client that
//! reads one after the other, or a proxy one of whose clients has stopped, pays with the one for the others; requests that are
//! opened and given up pay for nothing.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::server::Limits;

/// Bytes of a reply that are handed over at a time, one frame of the usual size.
pub(super) const SLICE: usize = 16 << 10;

/// Who wants to know what became of a reply.
pub(super) trait Told: Send + Sync + 'static {
    /// So many bytes of its body were sent, and no more will be.
    fn sent(self, bytes: u64);
    /// It has no body. Its head may still have to be written.
    fn headed(self);
}

/// All requests under way on one connection.
pub(super) struct Streams {
    state: Mutex<State>,
    limits: Limits,
}

struct State {
    under_way: usize,
    /// Since when none is, where that is so.
    idle_since: Instant,
    /// The replies with a body, and since when each waits for its due: whichever has waited for longest is the first.
    waiting: VecDeque<(u64, Instant)>,
    /// Of the next reply.
    number: u64,
    /// Bytes taken that have renewed nobody's time yet.
    taken: u64,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Replies are being sent.
    Replying,
    /// Requests are under way, and all of them wait for us.
    Working,
    /// No request is under way.
    Nothing,
}

impl Streams {
    pub(super) fn new(limits: Limits) -> Arc<Streams> {
        let (idle_since, waiting) = (Instant::now(), VecDeque::new());
        let state = State { under_way: 0, idle_since, waiting, number: 0, taken: 0 };
        Arc::new(Streams { state: Mutex::new(state), limits })
    }

    /// A request, which is under way until what this returns is dropped.
    pub(super) fn one_more(self: &Arc<Self>) -> UnderWay {
        self.state().under_way += 1;
        UnderWay { streams: Arc::clone(self), reply: None }
    }

    /// What is done, and until when it may go on so if nothing happens.
    pub(super) fn doing(&self) -> (Doing, Option<Instant>) {
        let state = self.state();
        match (state.waiting.front(), state.under_way) {
            (Some((_, since)), _) => (Doing::Replying, Some(*since + self.limits.pace.within)),
            (None, 0) => (Doing::Nothing, Some(state.idle_since + self.limits.head)),
            (None, _) => (Doing::Working, None),
        }
    }

    fn took(&self, bytes: usize) {
        let least = self.limits.pace.least.max(1);
        let mut state = self.state();
        state.taken += bytes as u64;
        if state.taken < least {
            return;
        }
        let now = Instant::now();
        for _ in 0..(state.taken / least).min(state.waiting.len() as u64) {
            let Some((reply, _)) = state.waiting.pop_front() else { break };
            state.waiting.push_back((reply, now));
        }
        state.taken %= least;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request under way.
pub(super) struct UnderWay {
    streams: Arc<Streams>,
    /// Its reply, where that has a body.
    reply: Option<u64>,
}

impl UnderWay {
    /// Its reply is there to be taken.
    fn is_to_be_taken(&mut self) {
        let mut state = self.streams.state();
        let reply = state.number;
        state.number += 1;
        state.waiting.push_back((reply, Instant::now()));
        self.reply = Some(reply);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.streams.state();
        state.under_way -= 1;
        if let Some(reply) = self.reply {
            state.waiting.retain(|(other, _)| *other != reply);
        }
        if state.under_way == 0 {
            (state.idle_since, state.taken) = (Instant::now(), 0);
        }
    }
}

/// What was taken of one reply. At its end when the last slice of it was sent or thrown away.
struct Meter<T: Told> {
    sent: AtomicU64,
    told: Option<T>,
    under_way: UnderWay,
}

impl<T: Told> Drop for Meter<T> {
    fn drop(&mut self) {
        match (self.told.take(), self.under_way.reply) {
            (Some(told), Some(_)) => told.sent(*self.sent.get_mut()),
            (Some(told), None) => told.headed(),
            (None, _) => {}
        }
    }
}

/// A reply's body in slices that know when they are taken: by whoever writes them to the client, which h2 does when the client has
/// made room for them.
pub(super) struct Sliced<B, T: Told> {
    body: B,
    /// What is read and not handed over yet.
    rest: Bytes,
    meter: Arc<Meter<T>>,
}

impl<B: Body, T: Told> Sliced<B, T> {
    pub(super) fn new(body: B, mut under_way: UnderWay, told: T) -> Self {
        if !body.is_end_stream() {
            under_way.is_to_be_taken();
        }
        let meter = Meter { sent: AtomicU64::new(0), told: Some(told), under_way };
        Sliced { body, rest: Bytes::new(), meter: Arc::new(meter) }
    }
}

impl<B: Body<Data = Bytes, Error = io::Error> + Unpin, T: Told> Body for Sliced<B, T> {
    type Data = Slice<T>;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Slice<T>>, io::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                // No reply of ours has anything behind its body.
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(SLICE);
        let bytes = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(Slice { bytes, meter: Arc::clone(&self.meter) }))))
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

/// Bytes on their way.
pub(super) struct Slice<T: Told> {
    bytes: Bytes,
    meter: Arc<Meter<T>>,
}

impl<T: Told> Buf for Slice<T> {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.meter.sent.fetch_add(count as u64, Relaxed);
        self.meter.under_way.streams.took(count);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::Full;

    use super::*;
    use crate::serve::Pace;

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Option<u64>>>);

    impl Told for Heard {
        fn sent(self, bytes: u64) {
            *self.0.lock().unwrap() = Some(bytes);
        }

        fn headed(self) {
            *self.0.lock().unwrap() = Some(u64::MAX);
        }
    }

    fn streams() -> Arc<Streams> {
        let pace = Pace { least: 1000, within: Duration::from_secs(60) };
        Streams::new(Limits { head: Duration::from_secs(30), pace, ..Limits::default() })
    }

    fn reply(streams: &Arc<Streams>, bytes: usize) -> (Sliced<Whole, Heard>, Heard) {
        let heard = Heard::default();
        (Sliced::new(Whole(Full::new(Bytes::from(vec![7; bytes]))), streams.one_more(), heard.clone()), heard)
    }

    /// A body that fails as ours do, which is never.
    struct Whole(Full<Bytes>);

    impl Body for Whole {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            Pin::new(&mut self.0).poll_frame(context).map_err(|never| match never {})
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_end_stream()
        }
    }

    fn slice(body: &mut Sliced<Whole, Heard>) -> Option<Slice<Heard>> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match Pin::new(body).poll_frame(&mut context) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
            _ => None,
        }
    }

    /// Seconds that are left.
    fn left(streams: &Arc<Streams>) -> (Doing, u64) {
        let (doing, until) = streams.doing();
        (doing, until.map_or(u64::MAX, |until| (until - Instant::now()).as_secs()))
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_is_what_was_sent() {
        let streams = streams();
        let (mut body, heard) = reply(&streams, 2 * SLICE + 5);
        let (mut first, second) = (slice(&mut body).unwrap(), slice(&mut body).unwrap());
        assert_eq!((first.remaining(), second.remaining()), (SLICE, SLICE));
        first.advance(100);
        drop(body);
        drop(second);
        assert_eq!(*heard.0.lock().unwrap(), None, "a slice of it is still on its way");
        first.advance(10);
        drop(first);
        assert_eq!(*heard.0.lock().unwrap(), Some(110));
        let (body, heard) = reply(&streams, 0);
        assert_eq!(left(&streams).0, Doing::Working);
        drop(body);
        assert_eq!(*heard.0.lock().unwrap(), Some(u64::MAX));
        assert_eq!(left(&streams), (Doing::Nothing, 30));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_come_and_go_renew_no_time() {
        let streams = streams();
        let (_stalled, _) = reply(&streams, 10_000);
        for seconds in (0..60).step_by(20) {
            assert_eq!(left(&streams), (Doing::Replying, 60 - seconds));
            drop(streams.one_more());
            let (mut other, _) = reply(&streams, 10_000);
            // What was handed over is not taken.
            assert!(slice(&mut other).is_some());
            drop(other);
            pass(20).await;
        }
        assert_eq!(left(&streams), (Doing::Replying, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_renews_the_time_of_the_one_that_waited_for_longest() {
        let streams = streams();
        let mut replies = Vec::new();
        for _ in 0..3 {
            replies.push(reply(&streams, 16_000).0);
            pass(10).await;
        }
        let mut slice = slice(&mut replies[2]).unwrap();
        slice.advance(999);
        assert_eq!(left(&streams), (Doing::Replying, 30));
        slice.advance(1);
        assert_eq!(left(&streams), (Doing::Replying, 40));
        // However much is taken: nothing is saved for later.
        slice.advance(14_500);
        assert_eq!(left(&streams), (Doing::Replying, 60));
        pass(50).await;
        slice.advance(500);
        assert_eq!(left(&streams), (Doing::Replying, 10), "the second of three");
        drop((slice, replies));
        assert_eq!(left(&streams), (Doing::Nothing, 30));
    }
}
