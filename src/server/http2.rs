//! Which version of HTTP a connection speaks: what ALPN says over TLS, what the first octets say without.

use crate::http1;
use crate::http2::{self, PREFACE};
use crate::resource::addr::ConnInfo;
use crate::resource::counters::Counter;
use crate::resource::io::{Io, Transport};
use crate::resource::pool;
use crate::resource::worker::Phase;
use crate::server::permit::Permit;
use crate::server::served::Served;
use crate::service::link::{Link, Shared};
use bytes::BytesMut;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// What is offered by ALPN (RFC 7301), the one we like most first.
pub(super) const OFFERED: &[&[u8]] = &[b"h2", b"http/1.1"];

/// The protocol that ALPN chose.
pub(super) fn chosen(protocol: Option<&[u8]>, io: Io, link: Link, permit: Permit) -> Served {
    match protocol {
        Some(b"h2") => Served::Other(Box::pin(http2::Connection::begin(
            io,
            BytesMut::new(),
            link,
            permit,
        ))),
        _ => Served::Http1(http1::driver::Connection::begin(io, link, permit)),
    }
}

/// Serves a plain connection as a task of the present runtime.
#[inline]
pub(super) fn serve_plain(io: Io, info: ConnInfo, shared: Arc<Shared>, permit: Permit) {
    if shared.config.http2.prior_knowledge {
        tokio::spawn(Plain::new(io, Link::new(info, shared), permit));
    } else {
        tokio::spawn(http1::driver::Connection::new(io, info, shared, permit));
    }
}

/// A plain connection whose first octets decide (RFC 9113 §3.3).
enum Plain {
    /// So far everything could be the preface.
    Looking(Option<Looking>),
    Http1(http1::driver::Connection<Permit>),
    Http2(http2::Connection<Permit>),
    Ended,
}

struct Looking {
    io: Io,
    ahead: BytesMut,
    link: Link,
    permit: Permit,
}

impl Plain {
    fn new(io: Io, link: Link, permit: Permit) -> Self {
        let timeout = link.shared.config.head_timeout;
        link.slot.set_due(link.shared.worker.tick_after(timeout));
        Self::Looking(Some(Looking {
            io,
            ahead: BytesMut::new(),
            link,
            permit,
        }))
    }
}

impl Future for Plain {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            *self = match &mut *self {
                Self::Looking(looking) => {
                    let Some(inside) = looking else {
                        return Poll::Ready(());
                    };
                    let found = ready!(inside.poll(cx));
                    match looking.take() {
                        Some(Looking {
                            io,
                            ahead,
                            link,
                            permit,
                        }) => match found {
                            Found::Http1 => Self::Http1(http1::driver::Connection::begin_after(
                                io, ahead, link, permit,
                            )),
                            Found::Http2 => {
                                Self::Http2(http2::Connection::begin(io, ahead, link, permit))
                            }
                            Found::Nothing => Self::Ended,
                        },
                        None => Self::Ended,
                    }
                }
                Self::Http1(connection) => return Pin::new(connection).poll(cx),
                Self::Http2(connection) => return Pin::new(connection).poll(cx),
                Self::Ended => return Poll::Ready(()),
            };
        }
    }
}

/// What the first octets say.
enum Found {
    Http1,
    Http2,
    Nothing,
}

impl Looking {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Found> {
        self.link.slot.set_waker(cx.waker());
        if self.is_over() {
            return Poll::Ready(Found::Nothing);
        }
        loop {
            let len = self.ahead.len().min(PREFACE.len());
            if self.ahead[..len] != PREFACE[..len] {
                return Poll::Ready(Found::Http1);
            }
            if len == PREFACE.len() {
                return Poll::Ready(Found::Http2);
            }
            if self.ahead.is_empty() {
                // Nothing is borrowed for a client that says nothing.
                if ready!(self.io.poll_readable(cx)).is_err() {
                    return self.failed();
                }
                self.ahead = pool::take();
            } else if self.ahead.capacity() - self.ahead.len() < PREFACE.len() {
                self.ahead.reserve(2 * PREFACE.len());
            }
            match self.io.poll_read(cx, &mut self.ahead) {
                Poll::Pending => {
                    // A pool's buffer is more than a part of the preface needs.
                    let part = BytesMut::from(&self.ahead[..]);
                    pool::give(std::mem::replace(&mut self.ahead, part));
                    return Poll::Pending;
                }
                // HTTP/1.1 knows what to make of an end.
                Poll::Ready(Ok(0)) if !self.ahead.is_empty() => return Poll::Ready(Found::Http1),
                Poll::Ready(Ok(0)) => return Poll::Ready(Found::Nothing),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return self.failed(),
            }
        }
    }

    fn failed(&self) -> Poll<Found> {
        self.link.shared.worker.counters.add(Counter::IoErrors);
        Poll::Ready(Found::Nothing)
    }

    fn is_over(&self) -> bool {
        if self.link.must_end() {
            return true;
        }
        let (worker, slot) = (&self.link.shared.worker, &self.link.slot);
        if worker.phase() != Phase::Running {
            slot.hurry(worker.tick_after(worker.grace(DRAIN_GRACE)));
        }
        let is_overdue = slot.is_due(worker.now());
        if is_overdue && worker.phase() == Phase::Running {
            worker.counters.add(if self.ahead.is_empty() {
                Counter::SilentTimeouts
            } else {
                Counter::HeadTimeouts
            });
        }
        is_overdue
    }
}

/// How long a client that has not begun is waited for once the drain has.
const DRAIN_GRACE: Duration = Duration::from_millis(250);
