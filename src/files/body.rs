//! The content of a file on its way into a response, in constant memory.

use crate::files::root::{Disk, State};
use crate::service::body::BodyError;
use crate::service::range::ByteRange;
use crate::service::representation::Multipart;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Pieces of a file, and what stands between them. One piece of [`CHUNK`] octets is in memory at a time, and a small
/// one at first.
///
/// It ends with an error, and the response is cut short, when the file was changed since it was opened.
pub(super) struct FileBody {
    disk: Disk,
    state: State,
    segments: VecDeque<Segment>,
    /// The octets still to be sent.
    left: u64,
    /// How much was given so far, until it is [`TRUSTED_FROM`].
    given: usize,
    /// A read that has to wait for a disk.
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

enum Segment {
    Octets(Bytes),
    /// From, and how many.
    File(u64, u64),
}

impl FileBody {
    /// Octets from `first` on, `count` of them.
    pub(super) fn new(disk: Disk, state: State, first: u64, count: u64) -> Self {
        Self {
            disk,
            state,
            segments: VecDeque::from([Segment::File(first, count)]),
            left: count,
            given: 0,
            reading: None,
        }
    }

    /// Several ranges.
    pub(super) fn multipart(disk: Disk, state: State, parts: Multipart) -> Self {
        let pair = |(head, range): (Bytes, ByteRange)| {
            [
                Segment::Octets(head),
                Segment::File(range.first, range.count()),
            ]
        };
        let mut segments: VecDeque<Segment> = parts.heads.into_iter().flat_map(pair).collect();
        segments.push_back(Segment::Octets(parts.end));
        Self {
            disk,
            state,
            segments,
            left: parts.length,
            given: 0,
            reading: None,
        }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let (from, count) = match self.segments.front_mut() {
                None => return Poll::Ready(None),
                Some(Segment::File(_, 0)) => {
                    self.segments.pop_front();
                    continue;
                }
                Some(Segment::Octets(octets)) => {
                    let octets = std::mem::take(octets);
                    self.segments.pop_front();
                    self.left = self.left.saturating_sub(octets.len() as u64);
                    return Poll::Ready(Some(Ok(octets)));
                }
                Some(Segment::File(from, count)) => (from, count),
            };
            let most = if self.given < TRUSTED_FROM {
                FIRST_CHUNKS
            } else {
                CHUNK
            };
            let wanted = usize::try_from(*count).map_or(most, |count| count.min(most));
            let read = match &mut self.reading {
                None => match self.disk.read_now(self.state, *from, wanted) {
                    Ok(Some(octets)) => Ok(octets),
                    Ok(None) => {
                        self.reading = Some(Box::pin(self.disk.read(self.state, *from, wanted)));
                        continue;
                    }
                    Err(error) => Err(error),
                },
                Some(reading) => ready!(reading.as_mut().poll(cx)),
            };
            self.reading = None;
            match &read {
                Ok(octets) => {
                    self.given = self.given.saturating_add(octets.len());
                    let read = octets.len() as u64;
                    *from += read;
                    *count -= read.min(*count);
                    self.left = self.left.saturating_sub(read);
                }
                Err(_) => self.segments.clear(),
            }
            return Poll::Ready(Some(read));
        }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let chunk = ready!(self.poll_chunk(cx));
        Poll::Ready(chunk.map(|read| {
            read.map(Frame::data)
                .map_err(|error| BodyError::Foreign(Box::new(error)))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.segments.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The most octets that are read at a time.
pub(super) const CHUNK: usize = 64 * 1024;

/// The same for a client that has not taken much yet: whoever asks for large files and does not read holds this.
const FIRST_CHUNKS: usize = 16 * 1024;

/// So much a client has to take before the pieces are large.
const TRUSTED_FROM: usize = 256 * 1024;
