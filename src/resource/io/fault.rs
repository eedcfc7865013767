//! A transport that fails on purpose: each I/O call can go wrong in eight ways.

use crate::resource::io::Transport;
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

/// One way in which an I/O call goes wrong.
///
/// ```
/// use tokio::io::AsyncWriteExt;
/// use wireline::resource::io::fault::{Fault, FaultyTransport};
/// use wireline::resource::io::{Io, memory};
/// use wireline::router::Router;
/// use wireline::test::TestClient;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let routes = Router::new().get("/", async || "hello").build().unwrap();
/// let service = TestClient::new(routes);
/// // Whatever goes wrong with the first call, the connection ends.
/// for fault in [Fault::Reset, Fault::BrokenPipe, Fault::TimedOut, Fault::End] {
///     let (mut client, server) = memory::pair(1024);
///     let ended = service.serve(Io::Dyn(Box::new(FaultyTransport::new(server, fault, 0))));
///     client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
///     ended.await.unwrap();
/// }
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails with `ConnectionReset`, as every later one does.
    Reset,
    /// The call fails with `BrokenPipe`, as every later one does.
    BrokenPipe,
    /// The call fails with `TimedOut`, as every later one does.
    TimedOut,
    /// A read finds the end of the stream, for good; a write is left alone.
    End,
    /// A write takes no octet, which is an error; a read is left alone.
    WriteZero,
    /// The call moves at most half of what it could.
    Short,
    /// From this call on, one octet at a time.
    Dribble,
    /// From this call on, nothing is ever ready again.
    Stall,
}

impl Fault {
    /// All of them, for tests that try each.
    pub const ALL: [Self; 8] = [
        Self::Reset,
        Self::BrokenPipe,
        Self::TimedOut,
        Self::End,
        Self::WriteZero,
        Self::Short,
        Self::Dribble,
        Self::Stall,
    ];
}

/// A transport around another one, in which call number `at` (counted from 0 over reads, writes,
/// readiness, flush and shutdown) meets a [`Fault`].
///
/// ```
/// use bytes::BytesMut;
/// use std::future::poll_fn;
/// use std::sync::atomic::Ordering;
/// use wireline::resource::io::Transport;
/// use wireline::resource::io::fault::{Fault, FaultyTransport};
/// use wireline::resource::io::memory;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let (_client, server) = memory::pair(1024);
/// let mut transport = FaultyTransport::new(server, Fault::Reset, 0);
/// let calls = transport.calls();
/// let error = poll_fn(|cx| transport.poll_read(cx, &mut BytesMut::with_capacity(16))).await.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
/// assert_eq!(calls.load(Ordering::Relaxed), 1);
/// # });
/// ```
#[derive(Debug)]
pub struct FaultyTransport<T> {
    inner: T,
    fault: Fault,
    at: usize,
    calls: Arc<AtomicUsize>,
    active: bool,
}

impl<T: Transport> FaultyTransport<T> {
    /// Wraps `inner`. With `at` beyond the last call, nothing goes wrong and the calls are only counted.
    pub fn new(inner: T, fault: Fault, at: usize) -> Self {
        Self {
            inner,
            fault,
            at,
            calls: Arc::default(),
            active: false,
        }
    }

    /// The number of calls so far, readable after the transport has gone.
    pub fn calls(&self) -> Arc<AtomicUsize> {
        self.calls.clone()
    }

    /// Counts a call; `Some` when this one meets the fault.
    fn meet(&mut self) -> Option<Fault> {
        let now = self.calls.fetch_add(1, Ordering::Relaxed);
        let lasting = !matches!(self.fault, Fault::WriteZero | Fault::Short);
        self.active = now == self.at || (self.active && lasting);
        self.active.then_some(self.fault)
    }

    fn error(fault: Fault) -> Option<io::Error> {
        Some(io::Error::from(match fault {
            Fault::Reset => io::ErrorKind::ConnectionReset,
            Fault::BrokenPipe => io::ErrorKind::BrokenPipe,
            Fault::TimedOut => io::ErrorKind::TimedOut,
            _ => return None,
        }))
    }
}

impl<T: Transport> Transport for FaultyTransport<T> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.meet() {
            Some(Fault::Stall) => Poll::Pending,
            Some(Fault::End) => Poll::Ready(Ok(())),
            Some(fault) if Self::error(fault).is_some() => {
                Poll::Ready(Self::error(fault).map_or(Ok(()), Err))
            }
            _ => self.inner.poll_readable(cx),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let spare = buf.capacity() - buf.len();
        let most = match self.meet() {
            Some(Fault::Stall) => return Poll::Pending,
            Some(Fault::End) => return Poll::Ready(Ok(0)),
            Some(Fault::Short) => (spare / 2).max(1),
            Some(Fault::Dribble) => 1,
            Some(fault) => match Self::error(fault) {
                Some(error) => return Poll::Ready(Err(error)),
                None => spare,
            },
            None => spare,
        };
        if most == spare {
            return self.inner.poll_read(cx, buf);
        }
        // Hand the inner transport a piece of the buffer that has room for no more than `most`. The
        // allocator may round up, so what comes is what a smaller buffer would have got.
        let mut piece = BytesMut::with_capacity(most);
        let len = ready!(self.inner.poll_read(cx, &mut piece))?;
        buf.extend_from_slice(&piece);
        Poll::Ready(Ok(len))
    }

    fn poll_writev(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        let most = match self.meet() {
            Some(Fault::Stall) => return Poll::Pending,
            Some(Fault::WriteZero) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Some(Fault::Short) => (total / 2).max(1),
            Some(Fault::Dribble) => 1,
            Some(fault) => match Self::error(fault) {
                Some(error) => return Poll::Ready(Err(error)),
                None => total,
            },
            None => total,
        };
        let Some(first) = bufs.first() else {
            return Poll::Ready(Ok(0));
        };
        if most < total {
            let part = &first[..first.len().min(most)];
            return self.inner.poll_writev(cx, &[IoSlice::new(part)]);
        }
        self.inner.poll_writev(cx, bufs)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.meet() {
            Some(Fault::Stall) => Poll::Pending,
            Some(fault) if Self::error(fault).is_some() => {
                Poll::Ready(Self::error(fault).map_or(Ok(()), Err))
            }
            _ => self.inner.poll_flush(cx),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.meet() {
            Some(Fault::Stall) => Poll::Pending,
            Some(fault) if Self::error(fault).is_some() => {
                Poll::Ready(Self::error(fault).map_or(Ok(()), Err))
            }
            _ => self.inner.poll_shutdown(cx),
        }
    }

    fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        (self.active && self.fault == Fault::Reset) || self.inner.is_reset(cx)
    }
}
