//! What the halves of a socket share: the transport, the protocol and the queues, behind one lock.

use crate::resource::counters::Counter;
use crate::resource::io::{Gone, Io, Transport};
use crate::resource::pool::{self, READ_BUFFER};
use crate::resource::worker::Phase;
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::connection::Connection;
use crate::ws::error::SendError;
use crate::ws::frame::Opcode;
use crate::ws::limits::Limits;
use crate::ws::message::{Message, Text};
use crate::ws::prepared::Prepared;
use crate::ws::socket::config::{Config, Overflow};
use crate::ws::socket::home::Home;
use crate::ws::socket::live::{Live, give_out};
use crate::ws::socket::{Sent, SocketError};
use crate::ws::state::State;
use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

/// What every half holds.
#[derive(Debug)]
pub(super) struct Shared {
    core: Mutex<Core>,
    /// Whether the task that writes is running the handler, and will write when it has.
    pub(super) polling: AtomicBool,
    /// The sending halves there are.
    pub(super) senders: AtomicUsize,
    pub(super) config: Arc<Config>,
}

#[derive(Debug)]
pub(super) struct Core {
    io: Io,
    /// Absent while a batch is lent: what is sent meanwhile waits in `queue`.
    live: Option<Box<Live>>,
    /// Messages that are not framed yet.
    queue: VecDeque<Message>,
    queued: usize,
    pub(super) dropped: u64,
    /// Whom to wake when something was written.
    waiters: Vec<Waker>,
    /// Whoever waits for a message in another task than the one that writes.
    pub(super) reader: Option<Waker>,
    pub(super) home: Home,
    /// Whether a server's task writes what is queued; a client's socket writes at once.
    pub(super) driven: bool,
    /// Nothing is read or written any more.
    pub(super) ended: bool,
    /// Nobody receives: whoever writes reads as well, and throws away.
    pub(super) deaf: bool,
    /// A Close is to be sent once the lent batch is back.
    close_after: Option<Option<CloseFrame>>,
    timing: Timing,
}

/// Ticks of the worker's clock.
#[derive(Debug, Default)]
struct Timing {
    /// When the peer was last heard.
    heard: u32,
    /// When the ping was sent that nobody answered yet; 0 is never.
    pinged: u32,
    /// Since when our Close, or the end, waits for the peer; 0 is not.
    closing: u32,
    /// Since when nothing was taken of what waits; 0 is nothing waits.
    stalled: u32,
    /// When the drain closes this socket; 0 is not.
    drain: u32,
    /// When to look again; 0 is now.
    next: u32,
}

impl Shared {
    pub(super) fn new(
        io: Io,
        read_ahead: &[u8],
        home: Home,
        mut connection: Connection,
        config: Arc<Config>,
    ) -> Arc<Self> {
        if config.fragments {
            connection = connection.with_fragments();
        }
        let timing = Timing {
            heard: home.now(),
            ..Timing::default()
        };
        let live = Live {
            connection,
            read: if read_ahead.is_empty() {
                BytesMut::new()
            } else {
                BytesMut::from(read_ahead)
            },
            out: None,
        };
        Arc::new(Self {
            core: Mutex::new(Core {
                io,
                live: Some(Box::new(live)),
                queue: VecDeque::new(),
                queued: 0,
                dropped: 0,
                waiters: Vec::new(),
                reader: None,
                driven: matches!(home, Home::Served(_)),
                home,
                ended: false,
                deaf: false,
                close_after: None,
                timing,
            }),
            polling: AtomicBool::new(false),
            senders: AtomicUsize::new(1),
            config,
        })
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After something was queued: whoever writes learns of it.
    #[inline]
    pub(super) fn written_by_others(&self, core: MutexGuard<'_, Core>) {
        if self.polling.load(Ordering::SeqCst) {
            return;
        }
        core.home.wake();
    }
}

impl Core {
    /// Where the connection stands; while it is lent, it is open.
    pub(super) fn state(&self) -> State {
        self.live
            .as_ref()
            .map_or(State::Open, |live| live.connection.state())
    }

    /// The octets that wait to be written.
    pub(super) fn buffered(&self) -> usize {
        let out = self.live.as_ref().and_then(|live| live.out.as_ref());
        self.queued + out.map_or(0, |out| out.len())
    }

    /// Frames the message, or lets it wait, or says what became of it. `Ok(None)` leaves the message with
    /// the caller, who has to wait.
    pub(super) fn push(
        &mut self,
        message: &mut Option<Message>,
        config: &Config,
    ) -> Result<Option<Sent>, SocketError> {
        let Some(payload) = message.as_ref() else {
            return Ok(Some(Sent::Queued));
        };
        if self.ended || !self.state().is_open() {
            return Err(SocketError::Closed);
        }
        let data = matches!(payload, Message::Text(_) | Message::Binary(_));
        let len = payload.as_bytes().len() + OVERHEAD;
        let waiting = self.buffered();
        if data && waiting > 0 && waiting + len > config.queue {
            match config.overflow {
                Overflow::Wait => return Ok(None),
                Overflow::DropNewest => {
                    self.dropped += 1;
                    *message = None;
                    return Ok(Some(Sent::Dropped));
                }
                Overflow::DropOldest => self.drop_oldest(waiting + len - config.queue),
                Overflow::Close => {
                    self.close(Some(CloseCode::TRY_AGAIN.into()));
                    return Err(SocketError::Closed);
                }
            }
        }
        let Some(payload) = message.take() else {
            return Ok(Some(Sent::Queued));
        };
        match &mut self.live {
            Some(live) if !data || (self.queue.is_empty() && live.waiting() < FRAMED) => {
                // A control frame overtakes the messages that are not framed yet.
                live.send(payload)?;
            }
            _ => {
                self.queued += len;
                self.queue.push_back(payload);
            }
        }
        Ok(Some(Sent::Queued))
    }

    fn drop_oldest(&mut self, mut excess: usize) {
        while excess > 0
            && let Some(oldest) = self.queue.pop_front()
        {
            let len = oldest.as_bytes().len() + OVERHEAD;
            self.queued -= len;
            excess = excess.saturating_sub(len);
            self.dropped += 1;
        }
    }

    /// Begins the closing handshake, behind everything that waits.
    pub(super) fn close(&mut self, close: Option<CloseFrame>) {
        if self.live.is_none() {
            self.close_after = Some(close);
            return;
        }
        self.frame_all();
        if let Some(live) = &mut self.live {
            let (connection, out) = live.parts();
            let _ = connection.send_close(close.as_ref(), out);
        }
    }

    fn frame_all(&mut self) {
        if let Some(live) = &mut self.live {
            while let Some(message) = self.queue.pop_front() {
                let _ = live.send(message);
            }
            self.queued = 0;
        }
    }

    /// Takes the protocol out for a batch.
    pub(super) fn lend(&mut self) -> Option<Box<Live>> {
        self.live.take()
    }

    /// Takes it back.
    pub(super) fn give_back(&mut self, live: Box<Live>) {
        self.live = Some(live);
        if let Some(close) = self.close_after.take() {
            self.close(close);
        }
    }

    /// The protocol, when it is here.
    pub(super) fn live(&mut self) -> Option<&mut Live> {
        self.live.as_deref_mut()
    }

    /// Whether the next message has to be read first: the buffer is empty and the peer may still send.
    pub(super) fn is_dry(&self) -> bool {
        self.live
            .as_ref()
            .is_some_and(|live| live.read.is_empty() && live.connection.state().is_receiving())
    }

    /// Reads once into the buffer, which is borrowed for as long as there is something in it. `Ok(false)`
    /// is the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let Some(live) = self.live.as_deref_mut() else {
            return Poll::Pending;
        };
        if live.read.is_empty() {
            live.rest();
        }
        ready!(self.io.poll_readable(cx))?;
        if live.read.capacity() == 0 {
            live.read = pool::take();
        }
        let want = live
            .connection
            .wants(&live.read)
            .clamp(MIN_READ, READ_BUFFER.max(3 * live.read.len()));
        live.read.reserve(want);
        let read = self.io.poll_read(cx, &mut live.read);
        match read {
            Poll::Pending => {
                if live.read.is_empty() {
                    live.rest();
                }
                Poll::Pending
            }
            Poll::Ready(Ok(0)) => {
                live.connection.receive_end();
                Poll::Ready(Ok(false))
            }
            Poll::Ready(Ok(_)) => {
                self.timing.heard = self.home.now();
                self.timing.pinged = 0;
                live.connection
                    .set_time(u64::from(self.timing.heard) * MILLIS_OF_A_TICK);
                Poll::Ready(Ok(true))
            }
            Poll::Ready(Err(error)) => {
                live.connection.receive_end();
                Poll::Ready(Err(error))
            }
        }
    }

    /// Writes what waits, as far as the transport takes it; `Ready` when nothing waits any more.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(live) = self.live.as_deref_mut() else {
                return Poll::Pending;
            };
            if live.waiting() < FRAMED {
                if live.connection.has_pending() {
                    let (connection, out) = live.parts();
                    connection.send_pending(out);
                }
                while live.waiting() < FRAMED
                    && let Some(message) = self.queue.pop_front()
                {
                    self.queued -= message.as_bytes().len() + OVERHEAD;
                    // Refused only when a Close overtook it: then nothing is sent any more.
                    let _ = live.send(message);
                }
            }
            let Some(out) = live.out.as_deref_mut().filter(|out| !out.is_empty()) else {
                give_out(&mut live.out);
                self.timing.stalled = 0;
                if matches!(self.io, Io::Dyn(_)) {
                    ready!(self.io.poll_flush(cx))?;
                }
                self.wake_waiters();
                return Poll::Ready(Ok(()));
            };
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = out.slices(&mut slices);
            match self.io.poll_writev(cx, &slices[..filled]) {
                Poll::Ready(Ok(len)) => {
                    out.advance(len);
                    self.timing.stalled = 0;
                }
                Poll::Ready(Err(error)) => {
                    live.connection.receive_end();
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    if self.timing.stalled == 0 {
                        self.timing.stalled = self.home.now();
                        self.timing.next = 0;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Writes at once, where no server's task does it; what the transport does not take is left to the keeper.
    pub(super) fn write_now(&mut self) -> Result<(), SocketError> {
        let writer = self.home.writer();
        match self.poll_write(&mut Context::from_waker(&writer)) {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(error)) => {
                self.end();
                self.wake();
                Err(SocketError::Io(error))
            }
            Poll::Pending => {
                self.wake();
                Ok(())
            }
        }
    }

    /// Ends the transport after both sides have closed, or the connection has failed. RFC 6455 §7.1.1: the
    /// server does it first, so that a client waits for it; what it still sends is thrown away.
    pub(super) fn poll_farewell(&mut self, cx: &mut Context<'_>, clean: bool) -> Poll<()> {
        if self.driven || !clean {
            let _ = ready!(self.io.poll_shutdown(cx));
        }
        while !self.driven {
            let mut thrown = pool::take();
            let read = match self.io.poll_readable(cx) {
                Poll::Ready(Ok(())) => self.io.poll_read(cx, &mut thrown),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            };
            pool::give(thrown);
            match ready!(read) {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }

    /// Everything is over, for everybody who holds a half.
    pub(super) fn end(&mut self) {
        self.ended = true;
        // Whoever still holds a half does not hold the transport.
        self.io = Io::Dyn(Box::new(Gone));
        self.queue.clear();
        self.queued = 0;
        if let Some(live) = &mut self.live {
            live.connection.receive_end();
            live.read.clear();
            live.rest();
            live.out = None;
        }
        self.wake_waiters();
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        if !self
            .waiters
            .iter()
            .any(|waiter| waiter.will_wake(cx.waker()))
        {
            self.waiters.push(cx.waker().clone());
        }
    }

    fn wake_waiters(&mut self) {
        if !self.waiters.is_empty() {
            std::mem::take(&mut self.waiters)
                .into_iter()
                .for_each(Waker::wake);
        }
    }

    /// Meets the deadlines and the drain, and sets when to look again. `false`: the connection has to end.
    pub(super) fn keep_time(&mut self, cx: &mut Context<'_>, config: &Config) -> bool {
        let Some(live) = self.live.as_deref_mut() else {
            return true;
        };
        let (home, after) = (&self.home, Home::after);
        let now = home.now();
        let timing = &mut self.timing;
        if now < timing.next
            && home.phase() == Phase::Running
            && (timing.closing != 0 || live.connection.state().is_open())
        {
            return true;
        }
        if !live.connection.state().is_open() && timing.closing == 0 {
            timing.closing = now;
        }
        if home.phase() >= Phase::Draining && timing.drain == 0 {
            // Not all at once: whoever is sent away comes back somewhere.
            timing.drain = now + home.index() % DRAIN_SPREAD;
        }
        if timing.drain != 0 && timing.drain <= now && live.connection.state().is_open() {
            let away = CloseFrame::new(CloseCode::AWAY, "Server shutdown");
            let (connection, out) = live.parts();
            let _ = connection.send_close(Some(&away), out);
            timing.closing = now;
        }
        if timing.closing != 0 && after(timing.closing, config.close_timeout) <= now {
            return false;
        }
        if timing.stalled != 0 && after(timing.stalled, config.write_timeout) <= now {
            home.count(Counter::WriteTimeouts);
            return false;
        }
        let mut due = u32::MAX;
        if timing.drain != 0 && live.connection.state().is_open() {
            due = due.min(timing.drain);
        }
        if timing.closing != 0 {
            due = due.min(after(timing.closing, config.close_timeout));
        }
        if timing.stalled != 0 {
            due = due.min(after(timing.stalled, config.write_timeout));
        }
        if !config.ping_interval.is_zero() && timing.closing == 0 {
            if timing.pinged != 0 && after(timing.pinged, config.pong_timeout) <= now {
                // What the peer said may lie there because the handler does not read.
                if self.io.poll_readable(cx).is_ready() {
                    timing.heard = now;
                    timing.pinged = 0;
                } else {
                    home.count(Counter::IdleTimeouts);
                    return false;
                }
            }
            if timing.pinged == 0 && after(timing.heard, config.ping_interval) <= now {
                let (connection, out) = live.parts();
                let _ = connection.send_ping(b"", out);
                timing.pinged = now;
            }
            due = due.min(if timing.pinged == 0 {
                after(timing.heard, config.ping_interval)
            } else {
                after(timing.pinged, config.pong_timeout)
            });
        }
        timing.next = due.max(now + 1);
        home.set_due(if due == u32::MAX { 0 } else { timing.next });
        true
    }

    /// Receives and throws away. `Ready(true)` when something was read, `Ready(false)` when the peer is gone.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>, limits: &Limits) -> Poll<bool> {
        let Some(live) = self.live.as_deref_mut() else {
            return Poll::Pending;
        };
        while let Ok(Some(_)) = live.connection.receive(&mut live.read, limits) {}
        if !live.connection.state().is_receiving() {
            // The answer is written first; then the transport ends.
            return Poll::Ready(true);
        }
        match ready!(self.poll_read(cx)) {
            Ok(more) => Poll::Ready(more),
            Err(_) => Poll::Ready(false),
        }
    }

    /// Frames a message that was framed before.
    pub(super) fn prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        self.frame_all();
        let Some(live) = &mut self.live else {
            let payload = message.payload().clone();
            self.queued += payload.len() + OVERHEAD;
            self.queue.push_back(match message.opcode() {
                Opcode::Text => match Text::try_from(payload) {
                    Ok(text) => Message::Text(text),
                    Err(_) => return Err(SendError::Closing),
                },
                _ => Message::Binary(payload),
            });
            return Ok(());
        };
        let (connection, out) = live.parts();
        connection.send_prepared(message, out)
    }

    /// Wakes whoever writes.
    pub(super) fn wake(&self) {
        self.home.wake();
    }

    pub(super) fn count(&self, counter: Counter) {
        self.home.count(counter);
    }

    /// Whether there is something to do for whoever writes.
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty()
            || self.live.as_ref().is_some_and(|live| {
                live.connection.has_pending()
                    || live.out.as_ref().is_some_and(|out| !out.is_empty())
            })
    }

    /// Charges what is held while the connection waits.
    pub(super) fn charge(&self) {
        if let Some(live) = &self.live {
            let out = live.out.as_ref().map_or(0, |out| out.held());
            self.home
                .charge(live.read.capacity() + live.connection.held() + out + self.queued);
        }
    }
}

/// What a message costs beside its payload.
const OVERHEAD: usize = 64;

/// Beyond this many octets that are framed already, further messages wait as they are.
const FRAMED: usize = 64 * 1024;

/// The least room for a read.
const MIN_READ: usize = 4096;

/// The slices of one vectored write.
const SLICES: usize = 16;

/// A drain closes sockets over this many ticks.
const DRAIN_SPREAD: u32 = 8;

const MILLIS_OF_A_TICK: u64 = 250;
