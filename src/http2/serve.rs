//! A connection's turn: take everything, run everything, write once.

use crate::http2::exchange::{Exchange, State, Turn};
use crate::http2::meter::Meter;
use crate::http2::request::Known;
use crate::http2::stream::{Stream, Waits};
use crate::http2::streams::Streams;
use crate::http2::wire::Wire;
use crate::resource::counters::Counter;
use crate::resource::io::Io;
use crate::resource::worker::{Phase, ticks};
use crate::service::link::Link;
use crate::service::link::config::Config;
use bytes::{Bytes, BytesMut};
use h2::server::{Builder, Handshake, SendResponse};
use h2::{PingPong, Reason, RecvStream};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// The HTTP part of a connection's life.
pub(super) struct Http {
    pub(super) wire: Wire,
    pub(super) streams: Streams,
    pub(super) protocol: Protocol,
    pub(super) life: Life,
    /// What came and was not begun, and how many came in this turn.
    fresh: Vec<(http::Request<RecvStream>, SendResponse<Bytes>)>,
    taken: u32,
    /// h2 does not know whom to wake: it has to be polled again in this turn.
    is_deaf: bool,
    /// What requests were for last.
    authority: Known,
    /// The places of streams that wait for room in what is to be written.
    starved: Vec<usize>,
    /// The places of streams that wait until others have less to send.
    behind: Vec<usize>,
    /// The octets that h2 was given whatever the windows say, and may still have.
    pub(super) given: usize,
    requests: u32,
    /// How many resets of the client's were counted.
    resets: u32,
    pub(super) pings: Option<PingPong>,
    /// The tick of a PING that nothing has come after yet; 0 when there is none.
    pub(super) pinged: u32,
    /// The tick in which GOAWAY was said first.
    left: u32,
    /// The tick in which the connection began.
    pub(super) begun: u32,
    /// The tick in which this stretch without a stream, or the end, began.
    pub(super) since: u32,
    /// The tick in which streams are looked at next.
    pub(super) check: u32,
    /// The tick before which nothing can have stood still for too long on a stream; 0 when that is not known.
    pub(super) idle_check: u32,
    /// The tick in which it was last seen what each stream keeps.
    pub(super) weighed: u32,
}

pub(super) enum Protocol {
    /// The client's preface is awaited.
    Opening(Box<Handshake<Wire, Bytes>>),
    Open(Box<h2::server::Connection<Wire, Bytes>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Serving,
    /// GOAWAY was said; what was begun is finished.
    Leaving,
    /// Nothing more is begun or finished.
    Closing,
}

/// How the HTTP part ends.
pub(super) enum Exit {
    /// The client is gone, or has to be.
    Gone,
    /// It gets time to read the last words.
    Linger,
}

impl Http {
    pub(super) fn new(io: Io, ahead: BytesMut, link: &Link) -> Self {
        let (worker, config) = (&link.shared.worker, &link.shared.config);
        let now = worker.now();
        let wire = Wire::new(io, ahead, Meter::new(&config.http2, now), now);
        Self {
            protocol: Protocol::Opening(Box::new(builder(config).handshake(wire.clone()))),
            wire,
            streams: Streams::new(link.slot.clone()),
            life: Life::Serving,
            fresh: Vec::new(),
            taken: 0,
            is_deaf: false,
            authority: Known::default(),
            starved: Vec::new(),
            behind: Vec::new(),
            given: 0,
            requests: 0,
            resets: 0,
            pings: None,
            pinged: 0,
            left: 0,
            begun: now,
            since: now,
            check: 0,
            idle_check: 0,
            weighed: now,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, link: &Link) -> Poll<Exit> {
        if link.must_end() {
            self.cancel_all(link);
            return Poll::Ready(Exit::Gone);
        }
        let worker = &link.shared.worker;
        let most = link.shared.config.http2.max_streams;
        let (open, streams) = (self.streams.len(), most.saturating_mul(2));
        self.wire
            .begin_turn(cx.waker(), worker.now(), open, streams);
        self.streams.begin_look();
        self.taken = 0;
        if link.slot.is_due(worker.now())
            && let Some(exit) = self.meet_deadlines(cx, link)
        {
            self.cancel_all(link);
            return Poll::Ready(exit);
        }
        self.leave_when_due(link);
        let mut again = false;
        for round in 0.. {
            if let Some(exit) = self.take(cx, link, round == 0) {
                self.cancel_all(link);
                return Poll::Ready(exit);
            }
            let ran = self.run(cx, link);
            if !ran && !self.is_deaf {
                break;
            }
            if ran && self.streams.len() == 0 {
                self.since = worker.now();
            }
            if round == ROUNDS {
                again = true;
                break;
            }
        }
        again |= self.arm(link);
        if !self.streams.end_look() || again {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// The transport, once h2 has written its last words.
    pub(super) fn take_io(&self) -> Option<Io> {
        self.wire.take_io()
    }

    /// Says GOAWAY in two steps: new streams are refused from the second one on, a round trip later (RFC 9113 §6.8).
    /// A client that does not let the second one come has [`linger`](Config::linger).
    pub(super) fn leave(&mut self, now: u32) {
        if self.life == Life::Serving
            && let Protocol::Open(connection) = &mut self.protocol
        {
            connection.graceful_shutdown();
            self.life = Life::Leaving;
            self.since = now;
            self.left = now;
        }
    }

    /// Ends the connection with a reason, whatever goes on.
    pub(super) fn close(&mut self, reason: Reason, link: &Link) {
        if self.life == Life::Closing {
            return;
        }
        self.life = Life::Closing;
        self.since = link.shared.worker.now();
        self.cancel_all(link);
        if let Protocol::Open(connection) = &mut self.protocol {
            connection.abrupt_shutdown(reason);
        }
    }

    fn leave_when_due(&mut self, link: &Link) {
        let worker = &link.shared.worker;
        let now = worker.now();
        if self.life != Life::Serving {
            if self.is_left(link)
                && self.streams.len() == 0
                && let Protocol::Open(connection) = &self.protocol
                && !connection.has_streams()
            {
                self.close(Reason::NO_ERROR, link);
            }
            return;
        }
        if worker.phase() != Phase::Running {
            self.leave(now);
        } else if link.slot.is_old(now) {
            worker.counters.add(Counter::ConnectionsRetired);
            self.leave(now);
        }
    }

    /// Whether the client has had time enough to go on elsewhere.
    fn is_left(&self, link: &Link) -> bool {
        let shared = &link.shared;
        self.life == Life::Leaving && shared.worker.now() >= self.left + ticks(shared.config.linger)
    }

    /// Takes every request that has come; writes what waits.
    ///
    /// While there is something to run, h2 is told to wake nobody: what it is given then it is polled for anyhow, and the
    /// wake would cost a turn in which there is nothing to do.
    #[inline]
    fn take(&mut self, cx: &mut Context<'_>, link: &Link, is_first: bool) -> Option<Exit> {
        let (mut is_quiet, mut come) = (is_first, 0);
        loop {
            match &mut self.protocol {
                Protocol::Opening(handshake) => match Pin::new(&mut **handshake).poll(cx) {
                    Poll::Pending => return None,
                    Poll::Ready(Ok(connection)) => {
                        link.shared.worker.counters.add(Counter::Http2Connections);
                        self.since = link.shared.worker.now();
                        self.protocol = Protocol::Open(Box::new(connection));
                        self.leave_when_due(link);
                    }
                    Poll::Ready(Err(error)) => return Some(self.failed(&error, link)),
                },
                Protocol::Open(connection) => {
                    self.is_deaf = is_quiet && self.life != Life::Closing;
                    let accepted = if self.is_deaf {
                        connection.poll_accept(&mut Context::from_waker(Waker::noop()))
                    } else {
                        connection.poll_accept(cx)
                    };
                    match accepted {
                        Poll::Pending => break,
                        Poll::Ready(Some(Ok(fresh))) => self.fresh.push(fresh),
                        Poll::Ready(Some(Err(error))) => return Some(self.failed(&error, link)),
                        Poll::Ready(None) => {
                            return Some(if self.wire.inside().is_ended {
                                Exit::Gone
                            } else {
                                Exit::Linger
                            });
                        }
                    }
                    if come == 0 {
                        // h2 reads all that there is before it hands out the first.
                        come = self.wire.inside().meter.batch();
                        is_quiet = true;
                    }
                    self.taken += 1;
                    if self.taken == come {
                        // If h2 has one more all the same, the next look is for it.
                        self.is_deaf = true;
                        break;
                    }
                }
            }
        }
        if self.look(link) {
            self.take(cx, link, false)
        } else {
            None
        }
    }

    /// Looks at what the wire has found. `true` when there is something to say for it.
    fn look(&mut self, link: &Link) -> bool {
        let mut wire = self.wire.inside();
        if !wire.is_blocked {
            wire.waiting = 0;
        }
        let resets = wire.meter.resets();
        let is_strained = wire.meter.is_strained() && self.life == Life::Serving;
        let excess = wire.excess.filter(|_| self.life != Life::Closing);
        drop(wire);
        if resets != self.resets {
            for _ in self.resets..resets {
                link.shared.worker.counters.add(Counter::Http2StreamsReset);
            }
            self.resets = resets;
            self.fresh.retain_mut(|(_, respond)| {
                // A client that has lost interest costs no handler.
                respond
                    .poll_reset(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            });
        }
        let Some(excess) = excess else {
            if is_strained {
                link.shared.worker.counters.add(Counter::Http2Warnings);
                self.leave(link.shared.worker.now());
            }
            return is_strained;
        };
        link.shared.worker.counters.add(excess.counter());
        self.close(excess.reason(), link);
        true
    }

    /// Begins what has come and goes on with what was woken. Whether there was anything.
    #[inline]
    fn run(&mut self, cx: &mut Context<'_>, link: &Link) -> bool {
        if self.life == Life::Closing {
            // Every stream was cancelled: who was woken before that must not keep the connection awake.
            let taken = self.streams.take_ready();
            self.streams.give_taken(taken);
            return false;
        }
        let wire = self.wire.clone();
        let waiting = wire.inside().waiting;
        let most = link.shared.config.http2.send_buffer;
        let mut turn = Turn::new(link, &wire, most.saturating_sub(waiting));
        turn.is_roomy = self.streams.len() < link.shared.config.http2.max_streams as usize / 2;
        turn.is_free = self.given == 0;
        let mut ran = !self.fresh.is_empty();
        if turn.room.get() > 0 {
            wire.wake_full();
            for place in std::mem::take(&mut self.starved) {
                self.streams.queue(place);
            }
        }
        if !self.behind.is_empty() && !turn.is_full_of(self.streams.pulled) {
            for place in std::mem::take(&mut self.behind) {
                self.streams.queue(place);
            }
        }
        let mut fresh = std::mem::take(&mut self.fresh);
        let is_left = self.is_left(link);
        for (request, mut respond) in fresh.drain(..) {
            if is_left {
                // The client may ask again elsewhere (RFC 9113 §8.7).
                respond.send_reset(Reason::REFUSED_STREAM);
                continue;
            }
            self.count_request(link);
            let mut exchange = Exchange::new(respond);
            let state = exchange.begin(cx, request, &mut self.authority, &turn);
            if !matches!(state, State::Done) || exchange.upload.has_rest() {
                let (place, handle) = self.streams.reserve();
                let stream = Box::new(Stream::new(handle, exchange, state, turn.now()));
                self.streams.insert(place, stream);
            }
        }
        self.fresh = fresh;
        let mut ready = self.streams.take_ready();
        ran |= !ready.is_empty();
        for place in ready.drain(..) {
            let Some(mut stream) = self.streams.take(place) else {
                continue;
            };
            turn.pulled.set(self.streams.pulled);
            match stream.poll(&turn) {
                Some(waits) => {
                    match waits {
                        Waits::Wake => {}
                        Waits::Room if self.starved.contains(&place) => {}
                        Waits::Room => self.starved.push(place),
                        Waits::Others if self.behind.contains(&place) => {}
                        Waits::Others => self.behind.push(place),
                    }
                    self.streams.put(place, stream);
                }
                None => self.streams.free(place),
            }
        }
        self.streams.give_taken(ready);
        let sent = turn.sent.get();
        if sent > 0 {
            wire.inside().waiting += sent;
        }
        self.given += turn.given.get();
        if turn.leaves.get() {
            self.leave(turn.now());
        }
        ran
    }

    fn count_request(&mut self, link: &Link) {
        let config = &link.shared.config;
        if !config.retires {
            return;
        }
        self.requests = self.requests.saturating_add(1);
        if config
            .max_requests
            .is_some_and(|most| self.requests >= most)
            && self.life == Life::Serving
        {
            link.shared.worker.counters.add(Counter::ConnectionsRetired);
            self.leave(link.shared.worker.now());
        }
    }

    /// h2 gave the connection up.
    fn failed(&self, error: &h2::Error, link: &Link) -> Exit {
        let counters = &link.shared.worker.counters;
        if error.is_io() {
            // A client that leaves between two requests needs no farewell.
            if self.streams.len() > 0 || !self.fresh.is_empty() {
                counters.add(Counter::IoErrors);
            }
            return Exit::Gone;
        }
        if error.is_remote() || self.life == Life::Closing {
            return Exit::Linger;
        }
        counters.add(match error.reason() {
            Some(Reason::ENHANCE_YOUR_CALM) => Counter::Http2OtherFloods,
            _ => Counter::Http2ProtocolErrors,
        });
        Exit::Linger
    }

    pub(super) fn cancel_all(&mut self, link: &Link) {
        let wire = self.wire.clone();
        let turn = Turn::new(link, &wire, 0);
        for place in self.streams.all() {
            if let Some(mut stream) = self.streams.take(place) {
                stream.cancel(&turn);
                self.streams.free(place);
            }
        }
        self.fresh.clear();
        self.starved.clear();
        self.behind.clear();
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.wire.end();
    }
}

fn builder(config: &Config) -> Builder {
    let limits = &config.http2;
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.max_streams)
        .initial_window_size(limits.stream_window.min(LARGEST_WINDOW))
        .initial_connection_window_size(limits.connection_window.min(LARGEST_WINDOW))
        .max_header_list_size(limits.header_list)
        .max_send_buffer_size(limits.stream_send_buffer)
        // The meter counts resets and errors by its own budgets; these are h2's, behind them.
        .max_pending_accept_reset_streams(limits.reset_burst as usize + 1)
        .max_local_error_reset_streams(Some(2 * limits.max_errors as usize))
        .enable_connect_protocol();
    builder
}

/// RFC 9113 §6.9.1.
const LARGEST_WINDOW: u32 = 0x7fff_ffff;

/// How often a turn goes round before other tasks have theirs.
const ROUNDS: u32 = 16;
