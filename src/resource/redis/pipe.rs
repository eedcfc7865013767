//! A transport as the `redis` crate wants it, which notes what comes and reads no more than is wanted.

use crate::resource::io::{Io, Transport};
use bytes::{Buf, BytesMut};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is known of a connection from outside.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The octets that have come.
    heard: AtomicU64,
    /// The octets of messages that wait for whoever wanted them.
    waiting: AtomicUsize,
    /// Reads again when there are fewer.
    reader: Mutex<Option<Waker>>,
}

impl Watch {
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Whether nothing is read because too much waits.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) >= MOST_WAITING
    }

    pub(super) fn add(&self, octets: usize) {
        self.waiting.fetch_add(octets, Ordering::SeqCst);
    }

    pub(super) fn take(&self, octets: usize) {
        self.waiting.fetch_sub(octets, Ordering::SeqCst);
        if !self.is_full()
            && let Some(reader) = self.lock().take()
        {
            reader.wake();
        }
    }

    /// Whether there is room for more; if not, the reader is woken when there is.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.is_full() {
            return Poll::Ready(());
        }
        *self.lock() = Some(cx.waker().clone());
        // It may have been made meanwhile.
        if self.is_full() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The transport.
pub(super) struct Pipe {
    io: Io,
    incoming: BytesMut,
    watch: Arc<Watch>,
}

impl Pipe {
    pub(super) fn new(io: Io, watch: Arc<Watch>) -> Self {
        Self {
            io,
            incoming: BytesMut::new(),
            watch,
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        ready!(own.watch.poll_room(cx));
        if own.incoming.is_empty() {
            own.incoming.reserve(LEAST_READ);
            ready!(own.io.poll_read(cx, &mut own.incoming))?;
        }
        let octets = own.incoming.len().min(buf.remaining());
        buf.put_slice(&own.incoming[..octets]);
        own.incoming.advance(octets);
        let heard = u64::try_from(octets).unwrap_or_default();
        own.watch.heard.fetch_add(heard, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if octets.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.get_mut().io.poll_writev(cx, &[IoSlice::new(octets)])
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io.poll_shutdown(cx)
    }
}

const LEAST_READ: usize = 16 << 10;

/// One node that is slow holds so much, and one read more.
const MOST_WAITING: usize = 1 << 20;
