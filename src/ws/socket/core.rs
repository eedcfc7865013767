//! What the halves of a socket share: the transport, the protocol and the queues, behind one lock.

#[cfg(feature = "relay")]
pub(super) mod deliver;
mod rare;
mod read;
mod rest;
mod time;

use crate::resource::counters::Counter;
use crate::resource::io::{Gone, Io, Transport, unsent};
use crate::resource::pool;
use crate::ws::close::CloseFrame;
use crate::ws::connection::{Connection, Event};
use crate::ws::limits::Limits;
use crate::ws::message::Message;
use crate::ws::socket::backlog::{Backlog, Queued, weight};
use crate::ws::socket::config::Config;
use crate::ws::socket::core::rare::Room;
use crate::ws::socket::core::time::Timing;
use crate::ws::socket::home::Home;
use crate::ws::socket::live::{Block, Live, give_out};
use crate::ws::socket::turn::{News, Turn};
use crate::ws::socket::{Sent, SocketError, log};
use crate::ws::state::State;
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

/// What every half holds.
#[derive(Debug)]
pub(super) struct Shared {
    core: Mutex<Core>,
    /// What the task that writes is doing.
    pub(super) turn: Turn,
    /// The sending halves there are.
    pub(super) senders: AtomicU32,
    pub(super) config: Arc<Config>,
    /// The subprotocol that was agreed on.
    /// Behind a pointer of one word: most have none.
    pub(super) protocol: Option<Box<Box<str>>>,
}

#[derive(Debug)]
pub(super) struct Core {
    io: Io,
    /// Absent while a batch is lent: what is sent meanwhile waits in `backlog`.
    live: Option<Box<Live>>,
    /// What was framed and not written when the batch was lent.
    lent: u32,
    /// What is not framed yet, and what else most sockets never have.
    pub(super) backlog: Backlog,
    pub(super) home: Home,
    /// Whether a server's task writes what is queued; a client's socket writes at once.
    pub(super) driven: bool,
    /// Nothing is read or written any more.
    pub(super) ended: bool,
    /// Nobody receives: whoever writes reads as well, and throws away.
    pub(super) deaf: bool,
    /// A message is being sent in parts: others wait.
    pub(super) streaming: bool,
    /// Whoever receives waited for the peer when he was last polled: nobody else has to read.
    pub(super) asked: bool,
    /// The last read took all that there was.
    drained: bool,
    /// The last read brought little: so will the next, most likely.
    few: bool,
    /// What was received since others had their turn, in 512 octets.
    spent: u8,
    /// What the read buffer was borrowed as.
    block: Block,
    timing: Timing,
}

impl Shared {
    pub(super) fn new(
        io: Io,
        read_ahead: &[u8],
        home: Home,
        mut connection: Connection,
        config: Arc<Config>,
        protocol: Option<String>,
    ) -> Arc<Self> {
        if config.fragments {
            connection = connection.with_fragments();
        }
        connection.pause_after(CRUMBS);
        let timing = Timing {
            heard: home.now(),
            ..Timing::default()
        };
        home.count(Counter::WebSocketsOpened);
        log::tell_connected();
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
                lent: 0,
                backlog: Backlog::default(),
                driven: matches!(home, Home::Served(_)),
                home,
                ended: false,
                deaf: false,
                streaming: false,
                asked: false,
                drained: true,
                few: true,
                spent: 0,
                block: Block::Narrow,
                timing,
            }),
            turn: Turn::default(),
            senders: AtomicU32::new(1),
            config,
            protocol: protocol.map(|protocol| Box::new(protocol.into())),
        })
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After something was queued: whoever writes learns of it.
    #[inline]
    pub(super) fn written_by_others(&self, mut core: MutexGuard<'_, Core>) {
        // Under the lock, which the task that writes takes after its turn, unless there was nothing to do.
        match self.turn.news() {
            News::Seen => {}
            News::Reopens => core.asked = true,
            News::Unseen => core.home.wake(),
        }
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
        let framed = match &self.live {
            Some(live) => live.waiting(),
            None => usize::try_from(self.lent).unwrap_or(usize::MAX),
        };
        self.backlog.octets() + framed
    }

    /// Whether everything has left, as far as can be seen from here.
    pub(super) fn is_drained(&self) -> bool {
        self.buffered() == 0 && self.timing.stalled == 0
    }

    /// Frames the message, or lets it wait, or says what became of it. `Ok(None)` leaves the message with
    /// the caller, who has to wait, or to do without if he cannot.
    pub(super) fn push(
        &mut self,
        message: &mut Option<Message>,
        config: &Config,
        can_wait: bool,
    ) -> Result<Option<Sent>, SocketError> {
        let Some(payload) = message.as_ref() else {
            return Ok(Some(Sent::Queued));
        };
        if !self.is_sending() {
            return Err(SocketError::Closed);
        }
        let data = matches!(payload, Message::Text(_) | Message::Binary(_));
        let len = weight(payload);
        let waiting = self.buffered();
        if !data && waiting > config.queue.saturating_add(CONTROL_ROOM) {
            return Ok(None);
        }
        if data && waiting > 0 && waiting + len > config.queue {
            let excess = waiting + len - config.queue;
            match self.make_room(excess, config, can_wait)? {
                Room::Made => {}
                Room::Dropped => {
                    *message = None;
                    return Ok(Some(Sent::Dropped));
                }
                Room::None => return Ok(None),
            }
        }
        let Some(payload) = message.take() else {
            return Ok(Some(Sent::Queued));
        };
        let framed = framed(config);
        match &mut self.live {
            Some(live)
                if !data
                    || (self.backlog.is_empty() && live.waiting() < framed && !self.streaming) =>
            {
                // A control frame overtakes the messages that are not framed yet.
                live.send(payload)?;
            }
            _ => self.backlog.push(Queued::Message(payload)),
        }
        Ok(Some(Sent::Queued))
    }

    /// Whether anything may be queued: no Close was sent, or asked for, and none has come.
    #[inline]
    pub(super) fn is_sending(&self) -> bool {
        !self.ended && self.state().is_open() && !self.backlog.closes()
    }

    /// Begins the closing handshake, behind everything that waits.
    pub(super) fn close(&mut self, close: Option<CloseFrame>) {
        let close = close.map(CloseFrame::fitted);
        if self.live.is_none() || self.streaming {
            self.backlog.close_after(close);
            return;
        }
        self.frame_all();
        self.close_now(close.as_ref());
    }

    fn frame_all(&mut self) {
        if let Some(live) = self.live.as_mut().filter(|_| !self.streaming) {
            while let Some(message) = self.backlog.pop() {
                let _ = live.send_queued(message);
            }
        }
    }

    /// Counts what was received: a message, and a read, as 512 octets at the least.
    #[inline]
    pub(super) fn spend(&mut self, octets: usize) {
        let spent = usize::from(self.spent) + 1 + octets / SPENT;
        self.spent = u8::try_from(spent).unwrap_or(u8::MAX);
    }

    /// Whether others have their turn now: whoever receives goes on when he is woken, which he is at once.
    #[inline]
    pub(super) fn yields(&mut self, cx: &mut Context<'_>) -> bool {
        if self.spent < u8::MAX {
            return false;
        }
        self.spent = 0;
        self.home.end_turn(cx);
        true
    }

    /// Takes the protocol out for a batch.
    pub(super) fn lend(&mut self) -> Option<Box<Live>> {
        let live = self.live.take();
        let framed = live.as_ref().map_or(0, |live| live.waiting());
        self.lent = u32::try_from(framed).unwrap_or(u32::MAX);
        live
    }

    /// Takes it back.
    pub(super) fn give_back(&mut self, live: Box<Live>) {
        self.live = Some(live);
        if self.streaming {
            self.end_parts_later();
            // A part that came meanwhile: what wakes for a write may have nothing to write.
            self.backlog.wake();
        }
        self.close_later();
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

    /// Writes what waits, as far as the transport takes it; `Ready` when nothing waits any more.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
    ) -> Poll<io::Result<()>> {
        loop {
            let Some(live) = self.live.as_deref_mut() else {
                return Poll::Pending;
            };
            let messages = !self.backlog.is_empty() && !self.streaming;
            if messages || live.connection.has_pending() {
                frame_more(live, &mut self.backlog, messages, framed(config));
            }
            let Some(out) = live.out.as_deref_mut().filter(|out| !out.is_empty()) else {
                give_out(&mut live.out);
                // A transport may hold back what it has taken, as one with records does.
                if matches!(self.io, Io::Dyn(_)) && self.io.poll_flush(cx)?.is_pending() {
                    self.timing.stall(self.home.now());
                    return Poll::Pending;
                }
                self.timing.stalled = 0;
                self.backlog.wake();
                return Poll::Ready(Ok(()));
            };
            let written = match out.as_one() {
                // The answer to what has just been read: that was counted by tokio, and here by `spent`. Who only
                // sends, or goes on sending, is counted by tokio.
                Some(octets) if self.drained && self.spent < u8::MAX => {
                    self.io.poll_write_uncounted(cx, octets)
                }
                Some(octets) => self.io.poll_writev(cx, &[IoSlice::new(octets)]),
                None => {
                    if self.driven && out.len() >= LONG {
                        self.io.let_wait(out.len() / 2);
                    }
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    let filled = out.slices(&mut slices);
                    self.io.poll_writev(cx, &slices[..filled])
                }
            };
            match written {
                Poll::Ready(Ok(len)) => {
                    out.advance_with(len, |slice| self.home.give_last(slice));
                    self.spent = self.spent.saturating_add(1);
                    if self.driven && out.len() < LONG && out.len() + len >= LONG {
                        self.io.let_wait(unsent::USUAL);
                    }
                    if self.backlog.has_writers()
                        && self.backlog.octets() + out.len() <= config.queue / 2
                    {
                        self.backlog.wake();
                    }
                    if self.timing.stalled != 0 || self.timing.closing != 0 {
                        self.timing.taken(self.home.now());
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    out.rest();
                    self.timing.stall(self.home.now());
                    return Poll::Pending;
                }
            }
        }
    }

    /// Writes at once, where no server's task does it; what the transport does not take is left to the keeper.
    pub(super) fn write_now(&mut self, config: &Config) -> Result<(), SocketError> {
        let writer = self.home.writer();
        match self.poll_write(&mut Context::from_waker(&writer), config) {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(error)) => {
                self.fail(config);
                Err(SocketError::Io(error))
            }
            Poll::Pending => {
                self.home.wake();
                Ok(())
            }
        }
    }

    /// Ends the transport after both sides have closed, or the connection has failed. RFC 6455 §7.1.1: the
    /// server does it first, so that a client waits for it. What a peer still sends that waits, or that has not
    /// read our Close yet, is thrown away: a transport that ends with something unread takes back what was
    /// written.
    pub(super) fn poll_farewell(&mut self, cx: &mut Context<'_>, clean: bool) -> Poll<()> {
        if self.driven || !clean {
            let _ = ready!(self.io.poll_shutdown(cx));
        }
        while !self.driven || !clean {
            if self.yields(cx) {
                return Poll::Pending;
            }
            let mut thrown = pool::take();
            let read = match self.io.poll_readable(cx) {
                Poll::Ready(Ok(())) => self.io.poll_read(cx, &mut thrown),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            };
            pool::give(thrown);
            match ready!(read) {
                Ok(len @ 1..) => {
                    self.timing.heard = self.home.now();
                    self.spend(len);
                }
                Ok(0) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }

    /// Gives an empty read buffer back.
    pub(super) fn rest(&mut self) {
        if let Some(live) = &mut self.live {
            live.rest(&mut self.block, &self.home);
        }
    }

    /// Everything is over, for everybody who holds a half.
    pub(super) fn end(&mut self) {
        // Whoever still holds a half holds neither the transport nor a place in the server.
        self.io = Io::Dyn(Box::new(Gone));
        if !self.is_drained() {
            self.backlog.waiting().lost = true;
        }
        self.backlog.clear();
        if let Some(live) = &mut self.live {
            live.connection.receive_end();
            live.read.clear();
            live.rest(&mut self.block, &self.home);
            live.out = None;
        }
        if !self.ended {
            self.ended = true;
            self.count_end();
        }
        self.backlog.wake_all();
        // The handler may run on: the sweep no longer wakes it.
        self.home.set_due(0);
        self.home.leave();
    }

    /// Receives and throws away. `Ready(true)` when something was read, `Ready(false)` when the peer is gone.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>, limits: &Limits) -> Poll<bool> {
        let Some(live) = self.live.as_deref_mut() else {
            return Poll::Pending;
        };
        let mut received = None;
        let fault = loop {
            match live.connection.receive(&mut live.read, limits) {
                Ok(Some(Event::Message(Message::Close(Some(close))))) => received = Some(close),
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        if received.is_some() {
            self.backlog.waiting().received = received;
        }
        if fault {
            self.home.count(Counter::WebSocketProtocolErrors);
        }
        let Some(live) = self.live.as_deref_mut() else {
            return Poll::Pending;
        };
        if !live.connection.state().is_receiving() {
            // The answer is written first; then the transport ends.
            return Poll::Ready(true);
        }
        match ready!(self.poll_read(cx, false)) {
            Ok(more) => Poll::Ready(more),
            Err(_) => Poll::Ready(false),
        }
    }

    /// Whether there is something to do for whoever writes.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        self.timing.stalled != 0
            || (!self.backlog.is_empty() && !self.streaming)
            || self.live.as_ref().is_some_and(|live| {
                live.connection.has_pending()
                    || live.out.as_ref().is_some_and(|out| !out.is_empty())
            })
    }
}

/// Frames what the peer is owed and, with `messages`, what waits, up to a bound.
#[inline(never)]
fn frame_more(live: &mut Live, backlog: &mut Backlog, messages: bool, framed: usize) {
    // A Close that is owed, however much waits before it: nothing comes behind it.
    let closes = !live.connection.state().is_open();
    if live.connection.has_pending() && (closes || live.waiting() < framed) {
        let (connection, out) = live.parts();
        connection.send_pending(out);
    }
    while messages
        && live.waiting() < framed
        && let Some(message) = backlog.pop()
    {
        // Refused only when a Close overtook it: then nothing is sent any more.
        let _ = live.send_queued(message);
    }
}

/// What an idle socket holds besides its transport and its handler: a few octets more of each are many when
/// there are many sockets.
const _: () =
    assert!(cfg!(wireline_loom) || size_of::<Shared>() <= 152 && size_of::<Live>() <= 152);

/// Beyond this many octets that are framed already, further messages wait as they are: what is not framed can
/// still be dropped. Something is framed however small the queue is: else nothing would ever leave.
#[inline]
fn framed(config: &Config) -> usize {
    FRAMED.min(config.queue / 2).max(1)
}

const FRAMED: usize = 64 * 1024;

/// What control frames may fill beyond the queue's bound: they have room where messages have none.
const CONTROL_ROOM: usize = 64 * 1024;

/// How much is received before others have their turn, in octets that came and in octets of messages; where messages are
/// lent from what came, half of each counts.
pub(super) const TURN: usize = SPENT * 255;

const SPENT: usize = 512;

/// How many parts of messages are received before others have their turn.
const CRUMBS: u16 = 512;

/// From so many octets on that wait, the kernel takes half of them: fewer writes for a large message. What it takes for a peer that
/// does not read stays within what waits here as well, which is charged.
const LONG: usize = 1024 * 1024;

/// The slices of one vectored write.
const SLICES: usize = 64;

const MILLIS_OF_A_TICK: u64 = 250;
