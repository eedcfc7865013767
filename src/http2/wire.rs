//! The socket under the `h2` crate: what passes is metered, and a turn is bounded.

use crate::http2::meter::{Excess, Meter};
use crate::resource::io::{Io, Transport};
use crate::service::link::flow::Flow;
use bytes::{Buf, BytesMut};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The transport of a connection, shared between the `h2` crate, which reads and writes, and the driver,
/// which looks. Both run in one task; tunnels that were handed to other tasks take the lock for a moment.
///
/// The socket wakes that task, whatever waker h2 is polled with.
#[derive(Clone)]
pub(super) struct Wire(Arc<Shared>);

struct Shared {
    inside: Mutex<Inside>,
    // h2 asks for both with each request that it hands out. They are the connection's task's alone, which needs no lock
    // to look at them.
    /// Nothing more is read in this turn.
    rests: AtomicBool,
    /// The socket has all that was written to it, and keeps nothing back.
    is_flushed: AtomicBool,
}

pub(super) struct Inside {
    io: Option<Io>,
    /// Wakes the connection's task.
    waker: Waker,
    /// What was read before the connection was known to be HTTP/2.
    ahead: BytesMut,
    pub(super) meter: Meter,
    /// The tick of the present turn, and how many streams there are.
    now: u32,
    open: usize,
    /// Octets, and streams, that may still be read in this turn.
    octets: usize,
    streams: u32,
    /// The turn ended before the socket was empty.
    pub(super) is_cut_short: bool,
    pub(super) excess: Option<Excess>,
    /// How fast the client takes what we write.
    pub(super) output: Flow,
    /// The socket took nothing more when it was written to last.
    pub(super) is_blocked: bool,
    /// Octets of content that were given to h2 and may still wait there.
    pub(super) waiting: usize,
    /// Tunnels that wait until less does.
    full: Vec<Waker>,
    /// The connection is gone: tunnels that were handed to other tasks are about to find out.
    is_over: bool,
    /// The tick of the last octet from the client, and whether one came since that was asked.
    pub(super) heard: u32,
    pub(super) is_heard: bool,
    /// The tick of the last content that it took.
    pub(super) took: u32,
    /// The client has closed its side.
    pub(super) is_ended: bool,
}

impl Wire {
    pub(super) fn new(io: Io, ahead: BytesMut, meter: Meter, now: u32) -> Self {
        let inside = Inside {
            io: Some(io),
            waker: Waker::noop().clone(),
            ahead,
            meter,
            now,
            open: 0,
            octets: TURN_OCTETS,
            streams: u32::MAX,
            is_cut_short: false,
            excess: None,
            output: Flow::default(),
            is_blocked: false,
            waiting: 0,
            full: Vec::new(),
            is_over: false,
            heard: now,
            is_heard: false,
            took: now,
            is_ended: false,
        };
        Self(Arc::new(Shared {
            inside: Mutex::new(inside),
            rests: AtomicBool::new(false),
            is_flushed: AtomicBool::new(false),
        }))
    }

    pub(super) fn inside(&self) -> MutexGuard<'_, Inside> {
        let inside = &self.0.inside;
        inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is read before the next turn.
    fn rest(&self) -> Poll<io::Result<()>> {
        self.0.rests.store(true, Ordering::Relaxed);
        Poll::Pending
    }

    /// A turn of the task of `waker` begins: other tasks have had theirs.
    pub(super) fn begin_turn(&self, waker: &Waker, now: u32, open: usize, streams: u32) {
        self.0.rests.store(false, Ordering::Relaxed);
        let mut inside = self.inside();
        inside.waker.clone_from(waker);
        inside.now = now;
        inside.open = open;
        inside.octets = TURN_OCTETS;
        inside.streams = streams;
        inside.is_cut_short = false;
        inside.meter.take_batch();
    }

    /// Sets aside room for so much content of a tunnel at most, before h2 is given it; waits while `most` octets
    /// wait for the socket.
    pub(super) fn poll_room(&self, cx: &Context<'_>, len: usize, most: usize) -> Poll<usize> {
        let mut inside = self.inside();
        if inside.is_over {
            return Poll::Ready(len);
        }
        let room = len.min(most.saturating_sub(inside.waiting));
        if room == 0 && len > 0 {
            if !inside.full.iter().any(|waker| waker.will_wake(cx.waker())) {
                inside.full.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        inside.waiting += room;
        Poll::Ready(room)
    }

    /// Gives room back that h2 was not given anything for.
    pub(super) fn give_room(&self, len: usize) {
        let mut inside = self.inside();
        inside.waiting = inside.waiting.saturating_sub(len);
        drop(inside);
        self.wake_full();
    }

    /// Less than the most waits for the socket: tunnels may go on.
    pub(super) fn wake_full(&self) {
        let mut inside = self.inside();
        if inside.full.is_empty() {
            return;
        }
        let full = std::mem::take(&mut inside.full);
        // A waker may lead back here.
        drop(inside);
        for waker in full {
            waker.wake();
        }
    }

    /// The connection ends: the socket closes, whoever still has a tunnel.
    pub(super) fn end(&self) {
        let mut inside = self.inside();
        inside.is_over = true;
        let io = inside.io.take();
        drop(inside);
        drop(io);
        self.wake_full();
    }

    /// Takes the transport out: h2 is done with it.
    pub(super) fn take_io(&self) -> Option<Io> {
        self.inside().io.take()
    }
}

impl Inside {
    /// The octets that the transport itself keeps.
    pub(super) fn held(&self) -> usize {
        self.io.as_ref().map_or(0, Transport::held) + self.ahead.len()
    }

    /// Whether the connection was reset.
    pub(super) fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        self.io.as_mut().is_some_and(|io| io.is_reset(cx))
    }

    fn wrote(&mut self, bufs: &[IoSlice<'_>], written: usize) {
        let before = self.meter.sent();
        let mut left = written;
        for buf in bufs {
            let part = left.min(buf.len());
            left -= part;
            if let Err(excess) = self.meter.wrote(&buf[..part]) {
                self.excess = self.excess.or(Some(excess));
            }
            if left == 0 {
                break;
            }
        }
        self.waiting = self.waiting.saturating_sub(written);
        // An answer to a PING is nothing that was waited for.
        if self.meter.sent() != before {
            self.took = self.now;
        }
        self.is_blocked = false;
        if self.output.since != 0 || self.output.octets != 0 {
            self.output.moved(written, self.now);
        }
    }

    fn blocked(&mut self) {
        self.is_blocked = true;
        self.output.wait(self.now);
    }

    fn poll_write(&mut self, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let Some(io) = &mut self.io else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        match io.poll_writev(&mut Context::from_waker(&self.waker), bufs) {
            Poll::Ready(Ok(written)) => {
                self.wrote(bufs, written);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.blocked();
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.rests.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let mut inside = self.inside();
        let me = &mut *inside;
        if me.excess.is_some() {
            // Nothing more is interpreted. The driver looks after every turn.
            return self.rest();
        }
        if me.octets == 0 || me.meter.batch() >= me.streams {
            me.is_cut_short = true;
            return self.rest();
        }
        let begun = buf.filled().len();
        if me.ahead.is_empty() {
            let Some(io) = &mut me.io else {
                return Poll::Ready(Ok(()));
            };
            match Pin::new(io).poll_read(&mut Context::from_waker(&me.waker), buf) {
                Poll::Ready(read) => read?,
                // It wakes the task when it has more.
                Poll::Pending => return self.rest(),
            }
        } else {
            let len = me.ahead.len().min(buf.remaining());
            buf.put_slice(&me.ahead[..len]);
            me.ahead.advance(len);
            if me.ahead.is_empty() {
                me.ahead = BytesMut::new();
            }
        }
        let came = &buf.filled()[begun..];
        if came.is_empty() {
            me.is_ended = true;
            return Poll::Ready(Ok(()));
        }
        me.octets = me.octets.saturating_sub(came.len());
        me.heard = me.now;
        me.is_heard = true;
        if let Err(excess) = me.meter.received(came, me.now, me.open) {
            me.excess = Some(excess);
            buf.set_filled(begun);
            return self.rest();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.0.is_flushed.store(false, Ordering::Relaxed);
        self.inside().poll_write(&[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.0.is_flushed.store(false, Ordering::Relaxed);
        self.inside().poll_write(bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.is_flushed.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let mut inside = self.inside();
        let me = &mut *inside;
        let Some(io) = &mut me.io else {
            return Poll::Ready(Ok(()));
        };
        let flushed = io.poll_flush(&mut Context::from_waker(&me.waker));
        if flushed.is_pending() {
            me.blocked();
        } else {
            // TLS has words of its own to say.
            let is_plain = matches!(io, Io::Tcp(_) | Io::Unix(_));
            self.0.is_flushed.store(is_plain, Ordering::Relaxed);
            me.is_blocked = false;
            if me.output.since != 0 {
                me.output.moved(0, me.now);
            }
        }
        flushed
    }

    /// The driver shuts down, once the client has had time to read the last words.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// How many octets a turn reads before others have theirs.
const TURN_OCTETS: usize = 256 * 1024;
