//! The hand-over of a connection to another protocol.

#[cfg(feature = "websocket")]
mod placed;

use crate::resource::io::Io;
use crate::resource::worker::{Slot, Worker};
use bytes::{Buf, Bytes};
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[cfg(feature = "websocket")]
pub(crate) use placed::Watch;

/// A connection that HTTP has let go of: its transport, and what was already read of the new protocol.
///
/// Through tokio's traits the read-ahead comes first, so that a protocol need not know of it.
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use wireline::service::upgrade::Upgraded;
/// use wireline::{Response, Router};
///
/// /// What comes goes back, until the peer ends it.
/// async fn echo(mut connection: Upgraded) {
///     let mut octets = [0; 1024];
///     while let Ok(count @ 1..) = connection.read(&mut octets).await {
///         if connection.write_all(&octets[..count]).await.is_err() || connection.flush().await.is_err() {
///             return;
///         }
///     }
/// }
///
/// let router = Router::new().get("/echo", async || Response::upgrade("echo", echo));
/// # let _ = router;
/// ```
#[derive(Debug)]
pub struct Upgraded {
    io: Io,
    read_ahead: Bytes,
    place: Option<Place>,
}

impl Upgraded {
    pub(crate) const fn new(io: Io, read_ahead: Bytes, place: Option<Place>) -> Self {
        Self {
            io,
            read_ahead,
            place,
        }
    }

    /// The transport and the octets that came before it was handed over. The server forgets the
    /// connection when the function that was given it ends.
    pub fn into_parts(self) -> (Io, Bytes) {
        let Self {
            io,
            read_ahead,
            place,
        } = self;
        drop(place);
        (io, read_ahead)
    }
}

/// A connection's place in its server: deadlines, drain, byte budget. While it lives the connection counts.
#[derive(Debug)]
pub(crate) struct Place {
    worker: Arc<Worker>,
    slot: Arc<Slot>,
}

impl Place {
    pub(crate) fn new(worker: Arc<Worker>, slot: Arc<Slot>) -> Self {
        slot.set_kept(true);
        Self { worker, slot }
    }

    /// Charges what the connection holds while it waits.
    pub(crate) fn charge(&self, octets: usize) {
        self.worker.charge(&self.slot, octets);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.charge(0);
        self.slot.set_kept(false);
        self.slot.wake();
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_ahead.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let len = self.read_ahead.len().min(buf.remaining());
        buf.put_slice(&self.read_ahead[..len]);
        self.read_ahead.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The future of an upgraded connection.
pub(crate) type UpgradeFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What runs once the answer is on the wire.
pub(crate) struct OnUpgrade(Box<dyn FnOnce(Upgraded) -> UpgradeFuture + Send>);

impl OnUpgrade {
    pub(crate) fn new<F, Fut>(on_upgrade: F) -> Self
    where
        F: FnOnce(Upgraded) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self(Box::new(move |upgraded| Box::pin(on_upgrade(upgraded))))
    }

    pub(crate) fn run(self, upgraded: Upgraded) -> UpgradeFuture {
        (self.0)(upgraded)
    }
}

impl fmt::Debug for OnUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnUpgrade")
    }
}
