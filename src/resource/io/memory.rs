//! An in-memory connection: two ends, a bounded buffer each way, half-close and reset.

use crate::resource::io::{Io, Transport};
use bytes::{Buf, BytesMut};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Makes a connected pair whose buffers hold `capacity` octets in each direction.
///
/// Everything is deterministic: there is no clock and no kernel in it, so a million of them fit into
/// one process and a paused clock rules them.
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (mut client, mut server) = wireline::resource::io::memory::pair(64);
/// client.write_all(b"ping").await.unwrap();
/// let mut buf = [0; 4];
/// server.read_exact(&mut buf).await.unwrap();
/// assert_eq!(&buf, b"ping");
/// # });
/// ```
pub fn pair(capacity: usize) -> (MemoryStream, MemoryStream) {
    let wire = Arc::new(Mutex::new(Wire {
        halves: [Half::new(capacity), Half::new(capacity)],
        reset: false,
    }));
    (
        MemoryStream {
            wire: wire.clone(),
            end: 0,
        },
        MemoryStream { wire, end: 1 },
    )
}

/// One end of an in-memory connection. Dropping it closes both directions.
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use wireline::resource::io::memory;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let (mut client, mut server) = memory::pair(64);
/// client.write_all(b"half a reque").await.unwrap();
/// assert_eq!(client.unread_by_peer(), 12);
/// client.reset();
/// let error = server.read(&mut [0; 64]).await.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
/// # });
/// ```
#[derive(Debug)]
pub struct MemoryStream {
    wire: Arc<Mutex<Wire>>,
    /// Which half this end writes to; it reads from the other.
    end: usize,
}

#[derive(Debug)]
struct Wire {
    halves: [Half; 2],
    reset: bool,
}

#[derive(Debug)]
struct Half {
    buf: BytesMut,
    capacity: usize,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Half {
    fn new(capacity: usize) -> Self {
        Self {
            buf: BytesMut::new(),
            capacity,
            closed: false,
            reader: None,
            writer: None,
        }
    }

    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }
}

impl MemoryStream {
    /// Resets the connection: both ends get `ConnectionReset`, and what was on its way is lost.
    pub fn reset(&self) {
        let mut wire = self.wire();
        wire.reset = true;
        for half in &mut wire.halves {
            half.buf.clear();
            half.wake();
        }
    }

    /// How many octets this end sent that the other has not read.
    pub fn unread_by_peer(&self) -> usize {
        self.wire().halves[self.end].buf.len()
    }

    /// Changes how many octets may be on their way to the other end; 0 stalls this end's writes.
    pub fn set_capacity(&self, capacity: usize) {
        let mut wire = self.wire();
        wire.halves[self.end].capacity = capacity;
        wire.halves[self.end].wake();
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_into(
        &self,
        cx: &Context<'_>,
        limit: usize,
        mut sink: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.wire();
        if wire.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let half = &mut wire.halves[1 - self.end];
        if half.buf.is_empty() && !half.closed {
            half.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = half.buf.len().min(limit);
        sink(&half.buf[..len]);
        half.buf.advance(len);
        half.writer.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(len))
    }
}

impl From<MemoryStream> for Io {
    fn from(stream: MemoryStream) -> Self {
        Self::Dyn(Box::new(stream))
    }
}

impl Transport for MemoryStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.wire();
        let reset = wire.reset;
        let half = &mut wire.halves[1 - self.end];
        if half.buf.is_empty() && !half.closed && !reset {
            half.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let spare = buf.capacity() - buf.len();
        self.read_into(cx, spare, |octets| buf.extend_from_slice(octets))
    }

    fn poll_writev(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.wire();
        if wire.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let half = &mut wire.halves[self.end];
        if half.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut room = half.capacity.saturating_sub(half.buf.len());
        if room == 0 {
            half.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut written = 0;
        for buf in bufs {
            let take = buf.len().min(room);
            half.buf.extend_from_slice(&buf[..take]);
            room -= take;
            written += take;
        }
        half.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.wire();
        wire.halves[self.end].closed = true;
        wire.halves[self.end].wake();
        Poll::Ready(Ok(()))
    }

    fn is_reset(&mut self, _: &mut Context<'_>) -> bool {
        self.wire().reset
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        let mut wire = self.wire();
        for half in &mut wire.halves {
            half.closed = true;
            half.wake();
        }
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buf.remaining();
        self.read_into(cx, room, |octets| buf.put_slice(octets))
            .map_ok(drop)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        Transport::poll_writev(&mut *self, cx, &[IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Transport::poll_shutdown(&mut *self, cx)
    }
}
