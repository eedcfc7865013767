//! The transport seam: one trait between the drivers and whatever carries octets.
//!
//! It has no buffer in it. A driver first waits until there is something to read, which needs no
//! buffer, then borrows one from its worker's pool, reads, and gives it back when it is empty: that is
//! why an idle connection costs next to nothing.
//!
//! `tests/transport_contract.rs` is the contract as a suite; every transport passes it, a TLS stream
//! among them.

#[cfg(any(test, feature = "test"))]
pub mod fault;
#[cfg(feature = "websocket")]
mod gone;
#[cfg(any(test, feature = "test"))]
pub mod memory;
#[cfg(not(all(feature = "raw-syscalls", target_os = "linux")))]
mod no_raw_calls;
#[cfg(all(feature = "raw-syscalls", target_os = "linux"))]
mod raw_calls;
mod socket;
pub(crate) mod unsent;

#[cfg(feature = "websocket")]
pub(crate) use self::gone::Gone;

use crate::resource::io::socket::{Small, Tried};
use crate::resource::pool;
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connection's octet stream, as a driver needs it.
///
/// Implementations keep these promises; the contract suite holds them to it:
///
/// - `Pending` arms the waker of the context. `Ready` of [`poll_readable`](Self::poll_readable) may be
///   spurious: a read after it may still be `Pending`.
/// - Octets that were taken off the underlying transport but not yet delivered (a TLS record) make the
///   stream readable.
/// - The end of the peer's stream is `Ok(0)` from a read, again and again. A half-close leaves writing possible.
/// - A write of nothing is never asked for, and a write that takes 0 octets is an error.
///
/// ```
/// use bytes::BytesMut;
/// use std::io::{self, IoSlice};
/// use std::task::{Context, Poll};
/// use wireline::resource::io::{Io, Transport, memory};
///
/// /// A transport that counts what it reads.
/// struct Counted<T> {
///     inner: T,
///     read: u64,
/// }
///
/// impl<T: Transport> Transport for Counted<T> {
///     fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
///         self.inner.poll_readable(cx)
///     }
///
///     fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
///         let polled = self.inner.poll_read(cx, buf);
///         if let Poll::Ready(Ok(octets)) = polled {
///             self.read += octets as u64;
///         }
///         polled
///     }
///
///     fn poll_writev(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
///         self.inner.poll_writev(cx, bufs)
///     }
///
///     fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
///         self.inner.poll_flush(cx)
///     }
///
///     fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
///         self.inner.poll_shutdown(cx)
///     }
/// }
///
/// let (_client, server) = memory::pair(1024);
/// let io = Io::Dyn(Box::new(Counted { inner: server, read: 0 }));
/// # drop(io);
/// ```
pub trait Transport: Send + Unpin + 'static {
    /// Waits until a read would give octets, the end, or an error. Needs no buffer.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads into the spare capacity of `buf`, which the caller has reserved. `Ok(0)` is the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Writes from `bufs`, none of them empty; gives how many octets were taken.
    fn poll_writev(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Sends what the transport itself holds back (a TLS record in progress).
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends our side of the stream, with whatever farewell the transport has.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether the connection was reset. Looks, never waits: for the case in which unread octets hide a
    /// reset from [`poll_readable`](Self::poll_readable). A transport that cannot tell says `false`.
    fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        let _ = cx;
        false
    }

    /// How many octets the transport itself keeps while it waits, to be charged to the budget.
    fn held(&self) -> usize {
        0
    }
}

/// The transports that a driver knows by name, so that the common ones cost no virtual call.
///
/// ```
/// use wireline::resource::io::{Io, memory};
///
/// /// Whatever is accepted, as a driver takes it.
/// fn accepted(socket: tokio::net::TcpStream) -> Io {
///     Io::Tcp(socket)
/// }
/// # let _ = accepted;
///
/// // What no driver knows by name goes into a box.
/// let (_client, server) = memory::pair(1024);
/// let io = Io::Dyn(Box::new(server));
/// # drop(io);
/// ```
pub enum Io {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix domain socket.
    Unix(UnixStream),
    /// Anything else: TLS, tunnels, in-memory, fault injection.
    Dyn(Box<dyn Transport>),
}

macro_rules! each {
    ($self:ident, $io:ident => $call:expr) => {
        match $self {
            Io::Tcp($io) => $call,
            Io::Unix($io) => $call,
            Io::Dyn($io) => $call,
        }
    };
}

impl Io {
    /// Writes octets that lie side by side. What is small fits nearly always: it is tried before anything is
    /// said to tokio's scheduler, and does not count for its budget, so that the caller must end its turn by
    /// a count of its own. A large write is often cut short, and tokio then saves the next, failing call.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "measured: 40 instructions a request")]
    pub(crate) fn poll_write_uncounted(
        &mut self,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tried = match self {
            Self::Tcp(io) if octets.len() <= SMALL_WRITE => io.send_small(octets),
            Self::Unix(io) if octets.len() <= SMALL_WRITE => io.send_small(octets),
            _ => return self.poll_writev(cx, &[IoSlice::new(octets)]),
        };
        match tried {
            Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.poll_writev(cx, &[IoSlice::new(octets)])
            }
            tried => Poll::Ready(tried),
        }
    }

    /// Reads as [`Transport::poll_read`] does, for whoever was woken because there is something: it is tried before
    /// anything is said to tokio's scheduler, and does not count for its budget, so that the caller must end its turn by
    /// a count of its own. A socket gives no more than [`LONGEST_READ`] at once, as a rule. `few` says that [`FEW`] octets, or
    /// fewer, are likely: no more are read then.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "measured: 100 instructions a message")]
    pub(crate) fn poll_read_uncounted(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
        few: bool,
    ) -> Poll<io::Result<usize>> {
        let tried = match self {
            Self::Tcp(io) if few => io.read_small(buf),
            Self::Unix(io) if few => io.read_small(buf),
            Self::Tcp(io) => io.read_at_once(buf),
            Self::Unix(io) => io.read_at_once(buf),
            Self::Dyn(io) => return Transport::poll_read(io, cx, buf),
        };
        match tried {
            Some(read) => Poll::Ready(read),
            None => Transport::poll_read(self, cx, buf),
        }
    }

    /// Reads as [`poll_read_uncounted`](Self::poll_read_uncounted) does where `few` are likely, for whoever needs them for a moment only and
    /// no buffer for it. `None` when there is nothing, and from what is not a plain socket.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "measured: 80 instructions a message")]
    #[allow(dead_code, reason = "WebSockets alone do that, and they are optional")]
    pub(crate) fn read_few<'a>(
        &self,
        room: &'a mut [MaybeUninit<u8>],
    ) -> Option<io::Result<&'a mut [u8]>> {
        match self {
            Self::Tcp(io) => io.read_few(room),
            Self::Unix(io) => io.read_few(room),
            Self::Dyn(_) => None,
        }
    }

    /// Writes what a socket takes at once; nobody is woken when it takes more. 0 when it takes nothing, has an error to tell,
    /// or is not a plain socket.
    #[allow(dead_code, reason = "WebSockets alone do that, and they are optional")]
    pub(crate) fn write_at_once(&self, octets: &[u8]) -> usize {
        let written = match self {
            Self::Tcp(io) => io.send_small(octets),
            Self::Unix(io) => io.send_small(octets),
            Self::Dyn(_) => Ok(0),
        };
        written.unwrap_or(0)
    }

    /// Lets the kernel take so much that it cannot send yet; of a connection over TCP.
    #[cold]
    #[allow(dead_code, reason = "WebSockets alone do that, and they are optional")]
    pub(crate) fn let_wait(&self, most: usize) {
        if let Self::Tcp(io) = self {
            unsent::limit(io, most);
        }
    }
}

#[allow(clippy::inline_always, reason = "measured, as above")]
impl Transport for Io {
    #[inline]
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Transport::poll_readable(io, cx))
    }

    #[inline(always)]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        each!(self, io => Transport::poll_read(io, cx, buf))
    }

    #[inline]
    fn poll_writev(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, io => Transport::poll_writev(io, cx, bufs))
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Transport::poll_flush(io, cx))
    }

    #[inline]
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Transport::poll_shutdown(io, cx))
    }

    fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        each!(self, io => Transport::is_reset(io, cx))
    }

    #[inline]
    fn held(&self) -> usize {
        match self {
            Self::Tcp(_) | Self::Unix(_) => 0,
            Self::Dyn(io) => io.held(),
        }
    }
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_readable(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        (**self).poll_read(cx, buf)
    }

    fn poll_writev(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        (**self).poll_writev(cx, bufs)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_shutdown(cx)
    }

    fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        (**self).is_reset(cx)
    }

    fn held(&self) -> usize {
        (**self).held()
    }
}

impl From<TcpStream> for Io {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Io {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl From<Box<dyn Transport>> for Io {
    fn from(transport: Box<dyn Transport>) -> Self {
        Self::Dyn(transport)
    }
}

impl std::fmt::Debug for Io {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Io::Tcp",
            Self::Unix(_) => "Io::Unix",
            Self::Dyn(_) => "Io::Dyn",
        })
    }
}

/// For protocols that expect tokio's traits, after an upgrade.
impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(io) => Pin::new(io).poll_read(cx, buf),
            Self::Unix(io) => Pin::new(io).poll_read(cx, buf),
            Self::Dyn(io) => {
                if buf.remaining() == 0 {
                    return Poll::Ready(Ok(()));
                }
                let mut chunk = pool::take();
                if buf.remaining() < chunk.capacity() {
                    // A transport fills what it is given: there is no more of it than the reader wants.
                    drop(chunk.split_off(buf.remaining()));
                }
                let read = Transport::poll_read(io, cx, &mut chunk);
                let fits = chunk.len() <= buf.remaining();
                if fits {
                    buf.put_slice(&chunk);
                }
                pool::give(chunk);
                ready!(read)?;
                if fits {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Ready(Err(io::Error::other("a transport read beyond its buffer")))
                }
            }
        }
    }
}

impl AsyncWrite for Io {
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

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        Transport::poll_writev(&mut *self, cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Transport::poll_flush(&mut *self, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Transport::poll_shutdown(&mut *self, cx)
    }
}

/// What is read at once where there is room for more: it is still in the processor's cache when it is looked at, and others do not
/// wait long for their turn. The kernel has megabytes to give.
pub(crate) const LONGEST_READ: usize = 1024 * 1024;

/// What the kernel takes at once unless its buffer is nearly full.
const SMALL_WRITE: usize = 16 * 1024;

/// What is little to read: the head of a request, a message of a chat.
pub(crate) const FEW: usize = 2048;
