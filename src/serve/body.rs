//! What follows a reply's head: nothing, bytes in memory, or a part of a file.
//!
//! A file that the kernel has in memory is read right where the connection is served (`preadv2` with `RWF_NOWAIT`): handing
//! that to another thread would cost several times what it takes. What must come from the disk is read on the threads for
//! such waits, a chunk at a time, while the kernel reads ahead.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::task::JoinHandle;

use super::turns::Room;

/// Bytes read and sent at a time: few enough that they are still in the processor's cache when they are sent, and so many that
/// neither we nor the client wake up for little.
const CHUNK: usize = 256 << 10;

/// Chunks that there are, at most: 8 MiB of them, however many clients there are, and however slow.
const CHUNKS: usize = 32;

/// What is read at a time while all chunks are on their way to clients.
const MORSEL: usize = 16 << 10;

/// A reply's body.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it, until it is taken.
    Whole(Bytes),
    /// The same of a page, with its room in memory.
    Page { left: Bytes, _room: Room },
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
            Body::Whole(bytes) | Body::Page { left: bytes, .. } => bytes.len() as u64,
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
            Body::Whole(bytes) | Body::Page { left: bytes, .. } if bytes.is_empty() => Poll::Ready(None),
            Body::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            // A piece at a time: its room is kept until the last is asked for.
            Body::Page { left, .. } => Poll::Ready(Some(Ok(Frame::data(left.split_to(left.len().min(CHUNK)))))),
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
        let left = self.end - self.at;
        if let Some(file) = &self.file {
            let read = self.chunks.filled(left, |buffer| {
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
                        let read = chunks.filled(left, |buffer| file.read_at(buffer, at));
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
pub(super) struct Chunks(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    lent: usize,
    here: Vec<Vec<u8>>,
}

impl Chunks {
    /// The next `left` bytes, or the first of them, as many as `fill` says that it filled.
    fn filled(self: &Arc<Self>, left: u64, fill: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<Bytes> {
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        if left > MORSEL
            && let Some(mut lent) = self.lend()
        {
            lent.filled = fill(&mut lent.buffer[..left.min(CHUNK)])?;
            return Ok(Bytes::from_owner(lent));
        }
        let mut buffer = vec![0; left.min(MORSEL)];
        let filled = fill(&mut buffer)?;
        buffer.truncate(filled);
        Ok(buffer.into())
    }

    fn lend(self: &Arc<Self>) -> Option<Lent> {
        let mut shelf = self.shelf();
        if shelf.lent == CHUNKS {
            return None;
        }
        shelf.lent += 1;
        let buffer = shelf.here.pop();
        drop(shelf);
        Some(Lent { buffer: buffer.unwrap_or_else(|| vec![0; CHUNK]), filled: 0, chunks: Arc::clone(self) })
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut shelf = self.chunks.shelf();
        shelf.lent -= 1;
        shelf.here.push(std::mem::take(&mut self.buffer));
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
        let shelf = chunks.shelf();
        assert_eq!(shelf.lent, 0);
        assert!((1..=CHUNKS).contains(&shelf.here.len()) && shelf.here.iter().all(|chunk| chunk.len() == CHUNK));
    }

    #[test]
    fn when_all_chunks_are_lent_replies_go_on_in_morsels() {
        let chunks = Arc::new(Chunks::default());
        let lent: Vec<_> = std::iter::from_fn(|| chunks.lend()).collect();
        assert_eq!(lent.len(), CHUNKS);
        let content = vec![7; CHUNK + 1];
        assert!(collected(Part::new(file(&content), 0, content.len() as u64, &chunks)).unwrap() == content);
        assert!(chunks.shelf().here.is_empty());
        drop(lent);
        let shelf = chunks.shelf();
        assert_eq!((shelf.lent, shelf.here.len()), (0, CHUNKS));
    }

    #[test]
    fn a_file_that_is_shorter_than_promised_is_an_error() {
        let part = Part::new(file(b"short"), 0, 10, &Arc::default());
        assert_eq!(collected(part).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
