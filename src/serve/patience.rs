//! A connection whose client must go on taking what it asked for.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::crowd::Place;
use super::traffic::{Cut, Traffic};

/// How fast a client must take a reply, at the least, while we wait for it.
///
/// Without such a bound a client that takes a byte now and then holds its connection for years. The bound is an average, so
/// a link that stops for half of the time is as good as one of half the speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes …
    pub least: u64,
    /// … within this time. A client that takes nothing at all is cut off after as long.
    pub within: Duration,
}

/// A stream on which writing fails once the client has fallen behind its pace. Tells the connection's place what happens on it.
pub(super) struct Patience<S> {
    stream: S,
    pace: Pace,
    place: Arc<Place>,
    traffic: Arc<Traffic>,
    waiting: Option<Waiting>,
}

/// Since a write had to wait, and until the client has taken its due or all there was.
struct Waiting {
    until: Pin<Box<Sleep>>,
    taken: u64,
}

impl<S> Patience<S> {
    pub(super) fn new(stream: S, pace: Pace, place: &Arc<Place>, traffic: &Arc<Traffic>) -> Patience<S> {
        Patience { stream, pace, place: Arc::clone(place), traffic: Arc::clone(traffic), waiting: None }
    }

    fn wrote(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let Poll::Ready(result) = written else { return self.waits(context) };
        if let Ok(bytes) = &result {
            self.place.wrote(*bytes);
            if let Some(waiting) = &mut self.waiting {
                waiting.taken += *bytes as u64;
                if waiting.taken >= self.pace.least {
                    self.waiting = None;
                }
            }
        }
        Poll::Ready(result)
    }

    fn waits<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let within = self.pace.within;
        let waiting = self.waiting.get_or_insert_with(|| Waiting { until: Box::pin(sleep(within)), taken: 0 });
        ready!(waiting.until.as_mut().poll(context));
        self.traffic.cut(Cut::Slow);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.place.read();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Whoever writes here flushes when it has nothing more to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(context) else { return self.waits(context) };
        if flushed.is_ok() {
            self.waiting = None;
            self.place.flushed();
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(context) {
            Poll::Ready(shut) => Poll::Ready(shut),
            Poll::Pending => self.waits(context),
        }
    }
}

impl<S> Drop for Patience<S> {
    fn drop(&mut self) {
        self.place.closed();
    }
}
