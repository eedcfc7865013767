//! The driver: where the sans-I/O core meets a transport, a service and a clock.
//!
//! A connection is one hand-written future, because every field of a waiting task is paid for each idle
//! connection. While it waits for a request it is a transport, two pointers and a phase; everything
//! else is an `Active` that it borrows from the thread when there is something to
//! read, and gives back when there is not.
//!
//! ```text
//!   Idle --readable--> Active --all written, nothing read--> Idle
//!                        |  refused, `close`, drain --> Linger (read and discard until the peer has
//!                        |                                      seen the answer) --> end
//!                        |  101, 2xx to CONNECT     --> Upgraded (another protocol's future) --> end
//! ```
//!
//! One poll runs the handler, takes the next requests from what was read, writes once, reads.

mod active;
mod content;
mod deadline;
mod respond;
mod retire;
#[cfg(feature = "http2")]
mod sniffed;

pub use crate::service::link::{Shared, config};

use crate::http1::driver::active::{
    Active, HIGH_WATER, HIGHEST_WATER, MIN_READ, Need, TRUSTED_FROM,
};
use crate::http1::error::Error;
use crate::resource::addr::ConnInfo;
use crate::resource::budget::Pressure;
use crate::resource::counters::Counter;
use crate::resource::io::{FEW, Io, Transport};
use crate::resource::panic::guarded;
use crate::resource::pool::{self, READ_BUFFER};
use crate::resource::tls_info::TlsInfo;
use crate::resource::worker::Phase;
use crate::service::link::Link;
use crate::service::upgrade::{Place, UpgradeFuture, Upgraded};
use std::io::{ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// One HTTP/1.1 connection as a future. It ends when the connection does; dropping it closes the
/// connection and cancels its handler.
///
/// ```
/// use std::sync::Arc;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use wireline::Router;
/// use wireline::http1::driver::config::Config;
/// use wireline::http1::driver::{Connection, Shared};
/// use wireline::resource::addr::ConnInfo;
/// use wireline::resource::budget::Budget;
/// use wireline::resource::io::{Io, memory};
/// use wireline::resource::worker::Worker;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let worker = Worker::start(Arc::new(Budget::new(64 * 1024 * 1024)));
/// let routes = Router::new().get("/", async || "hello").build().unwrap();
/// let shared = Arc::new(Shared { worker, service: Arc::new(routes), config: Arc::new(Config::default().settled()) });
///
/// // In memory here; a `TcpStream` is `Io::Tcp`. The permit, `()`, limits nothing.
/// let (mut client, server) = memory::pair(1024);
/// let connection = Connection::new(Io::Dyn(Box::new(server)), ConnInfo::default(), shared, ());
/// let served = tokio::spawn(connection);
/// client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await.unwrap();
/// assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
/// # drop(client);
/// served.await.unwrap();
/// # });
/// ```
#[derive(Debug)]
pub struct Connection<P> {
    stage: Stage,
    link: Link,
    /// Whatever is given back when the connection has ended.
    _permit: P,
}

enum Stage {
    Http(Http),
    Upgraded(UpgradeFuture),
    /// The upgraded connection was handed to somebody else, who still has it.
    Kept,
    Ended,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Http(_) => "Http",
            Self::Upgraded(_) => "Upgraded",
            Self::Kept => "Kept",
            Self::Ended => "Ended",
        })
    }
}

/// The HTTP part of a connection's life.
struct Http {
    io: Io,
    phase: HttpPhase,
    /// The tick in which this phase began.
    since: u32,
    /// Whether a request was answered before.
    served: bool,
    /// The last read brought little: so will the next, most likely.
    few: bool,
}

enum HttpPhase {
    Idle,
    Active(Box<Active>),
    /// Our side is closed; how many octets of the peer's are still thrown away.
    Linger(u32),
}

/// How the HTTP part ends.
enum Exit {
    Closed,
    Upgrade(Box<Active>),
}

impl<P> Connection<P> {
    /// Takes over an accepted connection. `permit` is dropped when the connection has ended.
    pub fn new(io: Io, info: ConnInfo, shared: Arc<Shared>, permit: P) -> Self {
        Self::begin(io, Link::new(info, shared), permit)
    }

    /// What the TLS handshake has found out, where there was one: handlers find it in `Request::tls`.
    #[must_use]
    pub fn with_tls(self, tls: TlsInfo) -> Self {
        self.link.slot.set_tls(tls);
        self
    }

    /// Takes over a connection that is registered already: it had a TLS handshake before.
    pub(crate) fn begin(io: Io, link: Link, permit: P) -> Self {
        let since = link.shared.worker.now();
        Self {
            stage: Stage::Http(Http {
                io,
                phase: HttpPhase::Idle,
                since,
                served: false,
                few: true,
            }),
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
            match &mut me.stage {
                Stage::Http(http) => match ready!(http.poll(cx, &me.link)) {
                    Exit::Closed => me.stage = Stage::Ended,
                    Exit::Upgrade(active) => {
                        me.link.slot.set_due(0);
                        let Stage::Http(http) = std::mem::replace(&mut me.stage, Stage::Ended)
                        else {
                            continue;
                        };
                        let worker = &me.link.shared.worker;
                        worker.charge(&me.link.slot, 0);
                        if let Some((on_upgrade, read_ahead)) = active.into_upgrade() {
                            worker.counters.add(Counter::Upgrades);
                            me.link.tell_panics();
                            match guarded(|| {
                                let place = Place::new(worker.clone(), me.link.slot.clone());
                                on_upgrade.run(Upgraded::new(http.io, read_ahead, Some(place)))
                            }) {
                                Ok(future) => me.stage = Stage::Upgraded(future),
                                Err(payload) => me.link.count_panic(payload),
                            }
                        }
                    }
                },
                Stage::Upgraded(future) => {
                    if me.link.must_end() {
                        me.stage = Stage::Ended;
                        continue;
                    }
                    match guarded(|| future.as_mut().poll(cx)) {
                        Ok(Poll::Pending) => return Poll::Pending,
                        Ok(Poll::Ready(())) => {}
                        Err(payload) => me.link.count_panic(payload),
                    }
                    me.stage = Stage::Kept;
                }
                Stage::Kept => {
                    if me.link.slot.is_kept() && !me.link.must_end() {
                        return Poll::Pending;
                    }
                    me.stage = Stage::Ended;
                }
                Stage::Ended => return Poll::Ready(()),
            }
        }
    }
}

impl Http {
    fn poll(&mut self, cx: &mut Context<'_>, link: &Link) -> Poll<Exit> {
        if self.is_over(cx, link) {
            return self.closed(link);
        }
        let mut turns = 0;
        if let HttpPhase::Active(active) = &mut self.phase {
            active.spent = 0;
        }
        loop {
            match &mut self.phase {
                HttpPhase::Idle => {
                    // A wake means that there is something to read, nearly always; when there is not, what
                    // was borrowed goes back at once.
                    self.phase = HttpPhase::Active(Active::take());
                    if !self.read(cx, Need::Head, true, link) {
                        self.arm_idle(link);
                        return Poll::Pending;
                    }
                }
                HttpPhase::Linger(_) => {
                    ready!(self.linger(cx));
                    return Poll::Ready(Exit::Closed);
                }
                HttpPhase::Active(active) => {
                    let need = active.advance(cx, link, &mut turns);
                    match active.write(cx, &mut self.io, link) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(_)) => {
                            active.count_failure(link);
                            return self.closed(link);
                        }
                        // A client that does not take its responses sends no further requests here; only
                        // content that a handler is waiting for is still read.
                        Poll::Pending if need != Need::Content => {
                            active.rest();
                            self.arm(need, link);
                            return Poll::Pending;
                        }
                        Poll::Pending => {}
                    }
                    match need {
                        Need::Write => {}
                        Need::Turn => {
                            cx.waker().wake_by_ref();
                            self.arm(need, link);
                            return Poll::Pending;
                        }
                        Need::Close => return self.begin_linger(cx, link),
                        Need::Abort => return self.closed(link),
                        Need::Switch => {
                            let HttpPhase::Active(active) =
                                std::mem::replace(&mut self.phase, HttpPhase::Idle)
                            else {
                                continue;
                            };
                            return Poll::Ready(Exit::Upgrade(active));
                        }
                        Need::Head | Need::Content | Need::Peer => {
                            if !self.read(cx, need, false, link) {
                                if let HttpPhase::Active(_) = self.phase {
                                    self.arm(need, link);
                                }
                                if let HttpPhase::Idle = self.phase {
                                    self.arm_idle(link);
                                }
                                return Poll::Pending;
                            }
                        }
                    }
                }
            }
        }
    }

    /// Reads once. `false` when there is nothing to read: an active connection without anything in
    /// progress is idle then. `woken` says that there probably is.
    fn read(&mut self, cx: &mut Context<'_>, need: Need, woken: bool, link: &Link) -> bool {
        let HttpPhase::Active(active) = &mut self.phase else {
            return true;
        };
        if !active.may_read(need, &link.shared) {
            active.rest();
            return false;
        }
        let between = need == Need::Head && !active.is_inside_head();
        if !woken && (between || !active.has_buffer()) && self.io.poll_readable(cx).is_pending() {
            if between {
                self.retire(link);
            } else {
                active.rest();
            }
            return false;
        }
        let HttpPhase::Active(active) = &mut self.phase else {
            return true;
        };
        active.reserve(need, &link.shared.config);
        let read = if woken {
            self.io.poll_read_uncounted(cx, &mut active.read, self.few)
        } else {
            self.io.poll_read(cx, &mut active.read)
        };
        match read {
            Poll::Pending => {
                if between {
                    let since = self.since;
                    self.retire(link);
                    if woken {
                        // There was nothing to read, so nothing has moved the deadline.
                        self.since = since;
                    }
                } else {
                    active.rest();
                }
                false
            }
            Poll::Ready(Ok(0)) => {
                active.peer_closed(link);
                true
            }
            Poll::Ready(Ok(len)) => {
                if self.served && between {
                    self.since = link.shared.worker.now();
                }
                active.received(len, link);
                (self.served, self.few) = (true, len < FEW);
                true
            }
            // TLS without its farewell (RFC 9112 §9.8). Between two requests nothing was cut short.
            Poll::Ready(Err(error)) if between && error.kind() == ErrorKind::UnexpectedEof => {
                active.peer_closed(link);
                true
            }
            Poll::Ready(Err(_)) => {
                active.count_failure(link);
                active.abort();
                true
            }
        }
    }

    /// The end, with a handler that is dropped because of it counted.
    fn closed(&self, link: &Link) -> Poll<Exit> {
        if let HttpPhase::Active(active) = &self.phase
            && active.is_answering()
        {
            link.shared.worker.counters.add(Counter::HandlersCancelled);
        }
        Poll::Ready(Exit::Closed)
    }

    /// Gives the active part back: nothing is in progress.
    fn retire(&mut self, link: &Link) {
        if let HttpPhase::Active(active) = std::mem::replace(&mut self.phase, HttpPhase::Idle) {
            active.give();
        }
        self.since = link.shared.worker.now();
        link.shared.worker.charge(&link.slot, self.io.held());
    }

    /// Closes our side and begins to throw away what the peer still sends, so that it can read the last
    /// response instead of a reset (RFC 9112 §9.6).
    fn begin_linger(&mut self, cx: &mut Context<'_>, link: &Link) -> Poll<Exit> {
        let HttpPhase::Active(active) =
            std::mem::replace(&mut self.phase, HttpPhase::Linger(LINGER_KIB))
        else {
            return Poll::Ready(Exit::Closed);
        };
        let saw_end = active.saw_end();
        active.give();
        link.shared.worker.charge(&link.slot, 0);
        self.since = link.shared.worker.now();
        link.slot
            .set_due(link.shared.worker.tick_after(link.shared.config.linger));
        if saw_end {
            // The peer has closed its side: nothing can come that would reset the connection.
            let _ = self.io.poll_shutdown(cx);
            return Poll::Ready(Exit::Closed);
        }
        ready!(self.linger(cx));
        Poll::Ready(Exit::Closed)
    }

    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let HttpPhase::Linger(left) = &mut self.phase else {
            return Poll::Ready(());
        };
        if self.io.poll_shutdown(cx).is_pending() {
            return Poll::Pending;
        }
        loop {
            if ready!(self.io.poll_readable(cx)).is_err() {
                return Poll::Ready(());
            }
            let mut buf = pool::take();
            let read = self.io.poll_read(cx, &mut buf);
            let len = buf.len();
            pool::give(buf);
            match ready!(read) {
                Ok(1..) => {
                    *left =
                        left.saturating_sub(u32::try_from(len.div_ceil(1024)).unwrap_or(u32::MAX))
                }
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
            if *left == 0 {
                return Poll::Ready(());
            }
        }
    }

    /// Whether the connection has to end now, whatever it is doing; meets the deadline that has passed.
    fn is_over(&mut self, cx: &mut Context<'_>, link: &Link) -> bool {
        let worker = &link.shared.worker;
        if worker.phase() == Phase::Forced {
            if !matches!(self.phase, HttpPhase::Linger(_)) {
                worker.counters.add(Counter::DrainForced);
            }
            return true;
        }
        if link.slot.is_shed() {
            return true;
        }
        link.slot.is_due(worker.now()) && self.overdue(cx, link)
    }
}

impl Active {
    /// Writes what waits, as far as the transport takes it.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
        link: &Link,
    ) -> Poll<std::io::Result<()>> {
        let waiting = self.out.len();
        let mut left = waiting;
        while left > 0 {
            let written = match self.out.as_one() {
                Some(only) => io.poll_write_uncounted(cx, only),
                None => {
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    let filled = self.out.slices(&mut slices);
                    io.poll_writev(cx, &slices[..filled])
                }
            };
            match written {
                Poll::Ready(Ok(len)) => {
                    self.out.advance(len);
                    left = left.saturating_sub(len);
                    self.written(len, link);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // One pause says little; a slow client pauses again and again.
                    self.batch = HIGH_WATER.max(self.batch / 2);
                    self.taken_at_once = 0;
                    self.out.rest();
                    self.stalled(link);
                    return Poll::Pending;
                }
            }
        }
        self.spent += waiting;
        if waiting >= self.batch {
            self.taken_at_once += waiting;
            if self.taken_at_once >= TRUSTED_FROM {
                self.batch = HIGHEST_WATER.min(2 * self.batch);
            }
        }
        if !matches!(io, Io::Dyn(_)) {
            return Poll::Ready(Ok(()));
        }
        let flushed = io.poll_flush(cx);
        if flushed.is_pending() {
            self.stalled(link);
        } else {
            self.flushed(link);
        }
        flushed
    }

    /// Whether this need allows another read now.
    fn may_read(&self, need: Need, shared: &Shared) -> bool {
        if self.saw_end() {
            return false;
        }
        match need {
            Need::Peer => {
                self.read.is_empty() || self.read.len() + MIN_READ <= shared.config.read_ahead
            }
            Need::Content if self.gathered() >= READ_BUFFER => {
                // Under pressure, whoever holds its share already waits until others have let go.
                let paused = shared.worker.budget().pressure() >= Pressure::High
                    && self.gathered() >= shared.worker.share();
                if paused {
                    shared.worker.counters.add(Counter::ReadsPaused);
                }
                !paused
            }
            _ => true,
        }
    }
}

/// The slices of one vectored write.
const SLICES: usize = 16;

/// How many KiB of a refused message are thrown away before the connection closes all the same.
const LINGER_KIB: u32 = 32 * 1024;

/// A faulty request as the counter that it moves.
pub(crate) fn counter_of(error: Error) -> Counter {
    match error.status().map(|status| status.as_u16()) {
        Some(413) => Counter::RefusedContentTooLarge,
        Some(414) => Counter::RefusedRequestLine,
        Some(417) => Counter::RefusedExpectation,
        Some(431) => Counter::RefusedHeaderSection,
        Some(501) => Counter::RefusedTransferCoding,
        Some(505) => Counter::RefusedVersion,
        Some(_) => Counter::RefusedMalformed,
        None => Counter::IncompleteRequests,
    }
}

/// What a waiting connection costs: the future of the task that tokio keeps for it.
const _: () = assert!(size_of::<Connection<Arc<()>>>() <= 104);
