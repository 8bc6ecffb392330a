//! What follows a reply's head: nothing, bytes in memory, or a part of a file.
//!
//! A file that the kernel has in memory is read right where the connection is served (`preadv2` with `RWF_NOWAIT`): handing
//! that to another thread would cost several times what it takes. What must come from the disk is read on the threads for
//! such waits, a chunk at a time, while the kernel reads ahead.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::task::JoinHandle;

/// Bytes read and sent at a time: few enough that they are still in the processor's cache when they are sent.
const CHUNK: usize = 128 << 10;

/// Chunks kept for the next replies. More may be in use; those are given back to the system.
const KEPT: usize = 32;

/// A reply's body.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it, until it is taken.
    Whole(Bytes),
    /// A part of a file.
    File(Part),
}

impl Body {
    /// None.
    pub(super) fn empty() -> Body {
        Body::Whole(Bytes::new())
    }

    fn left(&self) -> u64 {
        match self {
            Body::Whole(bytes) => bytes.len() as u64,
            Body::File(part) => part.end - part.at,
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Body::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::File(part) if part.at == part.end => Poll::Ready(None),
            Body::File(part) => part.poll_chunk(context).map(|read| Some(read.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

/// Bytes of a file that are still to be sent.
#[derive(Debug)]
pub(super) struct Part {
    /// `None` while a thread reads from it.
    file: Option<File>,
    at: u64,
    end: u64,
    chunks: Arc<Chunks>,
    reading: Option<JoinHandle<(File, io::Result<Bytes>)>>,
}

impl Part {
    /// The bytes of `file` from `first` up to `end`, which is not counted.
    pub(super) fn new(file: File, first: u64, end: u64, chunks: &Arc<Chunks>) -> Part {
        Part { file: Some(file), at: first, end: end.max(first), chunks: Arc::clone(chunks), reading: None }
    }

    /// The next bytes. A file that turns out shorter is an error, which cuts the connection: the client sees that it has not
    /// got all.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let size = usize::try_from(self.end - self.at).map_or(CHUNK, |left| left.min(CHUNK));
        if let Some(file) = &self.file {
            let read = self.chunks.filled(size, |buffer| {
                let mut buffers = [IoSliceMut::new(buffer)];
                Ok(preadv2(file, &mut buffers, self.at, ReadWriteFlags::NOWAIT)?)
            });
            match read {
                Ok(bytes) => return Poll::Ready(self.took(bytes)),
                // AGAIN: not in memory. Others: a file system that cannot tell. A true fault is met again by the next read.
                Err(_) => {
                    let file = self.file.take().expect("it was just looked at");
                    let (chunks, at) = (Arc::clone(&self.chunks), self.at);
                    self.reading = Some(tokio::task::spawn_blocking(move || {
                        let read = chunks.filled(size, |buffer| file.read_at(buffer, at));
                        (file, read)
                    }));
                }
            }
        }
        let reading = self.reading.as_mut().expect("what has not the file is reading from it");
        let (file, read) = ready!(Pin::new(reading).poll(context)).map_err(io::Error::other)?;
        (self.file, self.reading) = (Some(file), None);
        Poll::Ready(read.and_then(|bytes| self.took(bytes)))
    }

    fn took(&mut self, bytes: Bytes) -> io::Result<Bytes> {
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += bytes.len() as u64;
        Ok(bytes)
    }
}

/// Memory for chunks, used again and again: to get it anew for each would mean to have it cleared for each.
#[derive(Debug, Default)]
pub(super) struct Chunks(Mutex<Vec<Vec<u8>>>);

impl Chunks {
    /// As many of `size` bytes, at most [`CHUNK`], as `fill` says that it filled.
    fn filled(self: &Arc<Self>, size: usize, fill: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<Bytes> {
        // What is small is not worth a chunk that stays in use until the client has taken it.
        if size <= CHUNK / 4 {
            let mut buffer = vec![0; size];
            let filled = fill(&mut buffer)?;
            buffer.truncate(filled);
            return Ok(buffer.into());
        }
        let buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut lent = Lent { buffer: buffer.unwrap_or_else(|| vec![0; CHUNK]), filled: 0, chunks: Arc::clone(self) };
        lent.filled = fill(&mut lent.buffer[..size])?;
        Ok(Bytes::from_owner(lent))
    }
}

/// A chunk on its way to a client.
struct Lent {
    buffer: Vec<u8>,
    filled: usize,
    chunks: Arc<Chunks>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut kept = self.chunks.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use std::io::Write as _;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn collected(part: Part) -> io::Result<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { Ok(Body::File(part).collect().await?.to_bytes().to_vec()) })
    }

    #[test]
    fn a_part_is_read_to_its_end_and_chunks_come_back() {
        let content: Vec<u8> = (0..3 * CHUNK as u32 + 7).map(|at| (at % 251) as u8).collect();
        let chunks = Arc::new(Chunks::default());
        for (first, end) in [(0, content.len()), (5, content.len() - 3), (0, 1), (CHUNK, CHUNK + 1), (9, 9)] {
            let part = Part::new(file(&content), first as u64, end as u64, &chunks);
            assert_eq!(Body::File(part).left(), (end - first) as u64);
            let part = Part::new(file(&content), first as u64, end as u64, &chunks);
            assert!(collected(part).unwrap() == content[first..end], "{first}..{end}");
        }
        let kept = chunks.0.lock().unwrap();
        assert!((1..=KEPT).contains(&kept.len()) && kept.iter().all(|chunk| chunk.len() == CHUNK));
    }

    #[test]
    fn a_file_that_is_shorter_than_promised_is_an_error() {
        let part = Part::new(file(b"short"), 0, 10, &Arc::default());
        assert_eq!(collected(part).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
