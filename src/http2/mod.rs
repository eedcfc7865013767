//! HTTP/2 (RFC 9113): the `h2` crate between a metered socket and the same requests and responses as HTTP/1.1.
//!
//! ```text
//!   socket --> wire: counts frames (meter), ends turns --> h2 --> exchange: judge, content, handler, response
//!                                                        ^            | ready at once: done
//!                                                        |            v
//!                                                        +-- stream: gathers, handles, sends, tunnels
//! ```
//!
//! One poll of a [`Connection`] takes every request that has come, then runs their handlers, then lets h2 write
//! once: a batch of responses is one system call. Whatever is not done at once becomes a stream, which lives in
//! the connection's task with a waker of its own. When the socket has nothing more and no stream was woken, the
//! connection is charged for what it holds, sets its deadline and waits.
//!
//! h2 knows frames, windows and HPACK, and has budgets for what it keeps. The meter has those for what it does
//! not count; either ends the connection with GOAWAY and ENHANCE_YOUR_CALM, and a counter moves.

mod content;
mod deadline;
mod download;
mod exchange;
mod frames;
mod meter;
mod request;
mod response;
mod serve;
mod stream;
mod streams;
mod tunnel;
mod tunneled;
mod wire;

#[cfg(feature = "test")]
pub(crate) use self::meter::Meter;
pub(crate) use self::meter::PREFACE;

use crate::http2::serve::{Exit, Http};
use crate::resource::addr::ConnInfo;
use crate::resource::io::{Io, Transport};
use crate::resource::pool;
use crate::resource::tls_info::TlsInfo;
use crate::resource::worker::Phase;
use crate::service::link::{Link, Shared};
use bytes::BytesMut;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// One HTTP/2 connection as a future. It ends when the connection does; dropping it closes the connection and
/// cancels its handlers.
///
/// A [`Server`](crate::Server) makes them itself. Whoever accepts connections on his own gives those to it whose
/// handshake chose `h2`:
///
/// ```
/// # #[cfg(feature = "tls")] {
/// use std::sync::Arc;
/// use wireline::resource::addr::ConnInfo;
/// use wireline::resource::io::Io;
/// use wireline::server::TlsAcceptor;
/// use wireline::service::link::Shared;
/// use wireline::{http1, http2};
///
/// async fn serve(
///     acceptor: TlsAcceptor,
///     io: Io,
///     info: ConnInfo,
///     shared: Arc<Shared>,
/// ) -> std::io::Result<()> {
///     let (io, tls) = acceptor.accept(io).await?;
///     if tls.alpn() == Some(b"h2") {
///         http2::Connection::new(io, info, shared, ()).with_tls(tls).await;
///     } else {
///         http1::driver::Connection::new(io, info, shared, ()).with_tls(tls).await;
///     }
///     Ok(())
/// }
/// # }
/// ```
pub struct Connection<P> {
    stage: Stage,
    link: Link,
    /// Whatever is given back when the connection has ended.
    _permit: P,
}

enum Stage {
    Http(Box<Http>),
    /// Our side is closed; how many KiB of the client's are still thrown away.
    Linger(Io, u32),
    Ended,
}

impl<P> Connection<P> {
    /// Takes over an accepted connection that begins with the client's preface. `permit` is dropped when the
    /// connection has ended.
    pub fn new(io: Io, info: ConnInfo, shared: Arc<Shared>, permit: P) -> Self {
        Self::begin(io, BytesMut::new(), Link::new(info, shared), permit)
    }

    /// What the TLS handshake has found out: handlers find it in `Request::tls`.
    #[must_use]
    pub fn with_tls(self, tls: TlsInfo) -> Self {
        self.link.slot.set_tls(tls);
        self
    }

    /// Takes over a connection that is registered already, and what was read of it.
    pub(crate) fn begin(io: Io, ahead: BytesMut, link: Link, permit: P) -> Self {
        Self {
            stage: Stage::Http(Box::new(Http::new(io, ahead, &link))),
            link,
            _permit: permit,
        }
    }
}

impl<P: Unpin> Future for Connection<P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        me.link.slot.set_waker(cx.waker());
        loop {
            me.stage = match &mut me.stage {
                Stage::Http(http) => match ready!(http.poll(cx, &me.link)) {
                    Exit::Gone => Stage::Ended,
                    Exit::Linger => {
                        let worker = &me.link.shared.worker;
                        let io = http.take_io();
                        worker.charge(&me.link.slot, 0);
                        me.link
                            .slot
                            .set_due(worker.tick_after(me.link.shared.config.linger));
                        io.map_or(Stage::Ended, |io| Stage::Linger(io, LINGER_KIB))
                    }
                },
                Stage::Linger(io, left) => {
                    let (worker, slot) = (&me.link.shared.worker, &me.link.slot);
                    if worker.phase() != Phase::Forced
                        && !slot.is_shed()
                        && !slot.is_due(worker.now())
                    {
                        ready!(linger(io, left, cx));
                    }
                    Stage::Ended
                }
                Stage::Ended => return Poll::Ready(()),
            };
        }
    }
}

impl<P> fmt::Debug for Connection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// Closes our side and throws away what the client still sends: what nobody read would turn the end into a
/// reset, which may overtake the GOAWAY.
fn linger(io: &mut Io, left: &mut u32, cx: &mut Context<'_>) -> Poll<()> {
    let _ = ready!(io.poll_shutdown(cx));
    while *left > 0 {
        if ready!(io.poll_readable(cx)).is_err() {
            break;
        }
        let mut buf = pool::take();
        let read = io.poll_read(cx, &mut buf);
        let len = buf.len();
        pool::give(buf);
        match ready!(read) {
            Ok(1..) => {
                *left = left.saturating_sub(u32::try_from(len.div_ceil(1024)).unwrap_or(u32::MAX));
            }
            Ok(0) | Err(_) => break,
        }
    }
    Poll::Ready(())
}

/// How many KiB are thrown away before the connection closes all the same.
const LINGER_KIB: u32 = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::budget::Budget;
    use crate::resource::io::memory;
    use crate::resource::worker::Worker;
    use crate::service::handler::service_fn;
    use crate::service::link::config::Config;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Nothing wakes the task but the socket: what h2 is given in a turn is written in it.
    #[tokio::test]
    async fn requests_that_are_answered_at_once_cost_one_turn() {
        let shared = Arc::new(Shared {
            worker: Arc::new(Worker::new(Arc::new(Budget::new(1 << 20)))),
            service: Arc::new(service_fn(async |_| "hello")),
            config: Arc::new(Config::default().settled()),
        });
        let (mut client, server) = memory::pair(1 << 16);
        let mut connection = Connection::new(server.into(), ConnInfo::default(), shared, ());
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut turn = || {
            let polled = Pin::new(&mut connection).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            wakes.0.swap(0, Ordering::Relaxed)
        };
        let empty_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let acknowledged = [0, 0, 0, 4, 1, 0, 0, 0, 0];
        let opening = [&PREFACE[..], &empty_settings, &acknowledged].concat();
        client.write_all(&opening).await.unwrap();
        while turn() > 0 {}
        for count in [1_usize, 2, 7] {
            let mut answers = Vec::with_capacity(1 << 16);
            for number in 0..count {
                let stream = u8::try_from(2 * (10 * count + number) + 1).unwrap();
                let head = [0, 0, 6, 1, 5, 0, 0, 0, stream];
                // GET http://a/
                let request = [&head[..], &[0x82, 0x86, 0x84, 1, 1, b'a']].concat();
                client.write_all(&request).await.unwrap();
            }
            assert_eq!(turn(), 1, "the socket has woken the task, and nobody else");
            client.read_buf(&mut answers).await.unwrap();
            let came = answers.windows(5).filter(|it| *it == b"hello").count();
            assert_eq!(came, count);
        }
    }
}
