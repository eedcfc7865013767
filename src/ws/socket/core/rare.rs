//! What most sockets seldom do: overflow, messages in parts, drain, end.

use crate::resource::counters::Counter;
use crate::resource::pool::READ_BUFFER;
use crate::resource::worker::Phase;
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::connection::Event;
use crate::ws::message::Message;
use crate::ws::prepared::Prepared;
use crate::ws::socket::backlog::{End, OVERHEAD, Queued};
use crate::ws::socket::config::{Config, Overflow};
use crate::ws::socket::core::{Core, framed};
use crate::ws::socket::{CloseStatus, Sent, SocketError, log};
use crate::ws::state::State;
use std::task::{Context, Poll, Waker, ready};

impl Core {
    /// What becomes of a message that is longer by `excess` octets than there is room.
    #[cold]
    pub(super) fn make_room(
        &mut self,
        excess: usize,
        config: &Config,
        can_wait: bool,
    ) -> Result<Room, SocketError> {
        match config.overflow {
            Overflow::Wait => Ok(Room::None),
            Overflow::Close if can_wait => Ok(Room::None),
            Overflow::DropNewest => {
                self.count_dropped();
                Ok(Room::Dropped)
            }
            Overflow::DropOldest => {
                self.drop_oldest(excess);
                Ok(Room::Made)
            }
            Overflow::Close => {
                self.home.count(Counter::WebSocketQueueOverflows);
                self.close(Some(CloseCode::TRY_AGAIN.into()));
                Err(SocketError::Closed)
            }
        }
    }

    /// Frames a message that was framed before, or lets it wait, or says what became of it. `Ok(None)` leaves
    /// it with the caller.
    pub(in crate::ws::socket) fn push_prepared(
        &mut self,
        message: &Prepared,
        config: &Config,
        can_wait: bool,
    ) -> Result<Option<Sent>, SocketError> {
        if !self.is_sending() {
            return Err(SocketError::Closed);
        }
        let (waiting, len) = (self.buffered(), message.frame().len() + OVERHEAD);
        if waiting > 0 && waiting + len > config.queue {
            match self.make_room(waiting + len - config.queue, config, can_wait)? {
                Room::Made => {}
                Room::Dropped => return Ok(Some(Sent::Dropped)),
                Room::None => return Ok(None),
            }
        }
        let framed = framed(config);
        match &mut self.live {
            Some(live) if self.backlog.is_empty() && live.waiting() < framed && !self.streaming => {
                let (connection, out) = live.parts();
                connection.send_prepared(message, out)?;
            }
            _ => self.backlog.push(Queued::Prepared(message.clone())),
        }
        Ok(Some(Sent::Queued))
    }

    /// Begins the closing handshake, whatever waits.
    pub(in crate::ws::socket) fn close_now(&mut self, close: Option<&CloseFrame>) {
        if let Some(live) = &mut self.live {
            let (connection, out) = live.parts();
            let _ = connection.send_close(close, out);
        }
    }

    /// Sends the Close that had to wait, if nothing is in its way any more.
    #[inline]
    pub(super) fn close_later(&mut self) {
        if !self.streaming
            && let Some(close) = self.backlog.take_close()
        {
            self.close(close);
        }
    }

    /// The transport takes nothing more. What the peer had said is still heard: it may say why.
    #[cold]
    pub(in crate::ws::socket) fn fail(&mut self, config: &Config) {
        let cx = &mut Context::from_waker(Waker::noop());
        // It ends here, however much was received in this turn.
        self.spent = 0;
        while !self.deaf && self.spent < u8::MAX && self.poll_ahead(cx, config) == Poll::Ready(true)
        {
            if !self.state().is_receiving() {
                break;
            }
        }
        self.end();
    }

    pub(super) fn count_dropped(&mut self) {
        self.backlog.count_dropped();
        self.home.count(Counter::WebSocketMessagesDropped);
    }

    /// Drops the oldest messages until at least `excess` octets are gone, or there is none. Control frames, which
    /// wait here while a batch is lent, are no messages.
    pub(super) fn drop_oldest(&mut self, mut excess: usize) {
        while excess > 0
            && let Some(oldest) = self.backlog.pop_data()
        {
            excess = excess.saturating_sub(oldest.weight());
            self.count_dropped();
        }
    }

    /// Whether a message in parts may go on with `len` octets more. Messages that wait for its end do not
    /// count: it would wait for them.
    pub(in crate::ws::socket) fn has_room(&self, len: usize, config: &Config) -> bool {
        let waiting = self.live.as_ref().map_or(0, |live| live.waiting());
        waiting == 0 || waiting + len + OVERHEAD <= config.queue
    }

    /// Begins a message in parts, behind everything that waits. `false`: not now.
    pub(in crate::ws::socket) fn begin_parts(&mut self) -> bool {
        if self.streaming || self.live.is_none() {
            return false;
        }
        self.frame_all();
        self.streaming = true;
        true
    }

    /// Frames a part of the message that was begun. `Ok(false)`: not now.
    pub(in crate::ws::socket) fn part(
        &mut self,
        text: bool,
        part: &[u8],
        last: bool,
    ) -> Result<bool, SocketError> {
        if self.ended || !self.state().is_open() {
            return Err(SocketError::Closed);
        }
        let Some(live) = &mut self.live else {
            return Ok(false);
        };
        let (connection, out) = live.parts();
        connection.send_fragment(text, part, last, out)?;
        if last {
            self.end_parts();
        }
        Ok(true)
    }

    /// Ends the message that was begun: now, or when the batch that is lent is back.
    pub(in crate::ws::socket) fn last_part(&mut self, text: bool) -> Result<(), SocketError> {
        if !self.part(text, &[], true)? {
            self.backlog.waiting().end = Some(End::Whole { text });
        }
        Ok(())
    }

    /// Ends the connection, because nobody will end the message that was begun: now, or when the batch that is
    /// lent is back.
    pub(in crate::ws::socket) fn break_off(&mut self) {
        if self.live.is_none() {
            self.backlog.waiting().end = Some(End::Broken);
        }
        self.close_now(Some(&CloseCode::INTERNAL.into()));
    }

    /// What could not be done while a batch was lent.
    #[cold]
    pub(super) fn end_parts_later(&mut self) {
        match self.backlog.take_end() {
            // Refused only when a Close overtook it: then nothing is sent any more.
            Some(End::Whole { text }) => drop(self.part(text, &[], true)),
            Some(End::Broken) => {
                self.close_now(Some(&CloseCode::INTERNAL.into()));
                self.backlog.wake_parked();
            }
            None => {}
        }
    }

    /// Others may send again.
    fn end_parts(&mut self) {
        self.streaming = false;
        self.close_later();
        self.backlog.wake_parked();
    }

    /// Whether and how the connection has closed.
    pub(in crate::ws::socket) fn close_status(&self) -> Option<CloseStatus> {
        let clean = match self.state() {
            State::Open | State::LocalClosing => return None,
            State::RemoteClosing => true,
            State::Closed { clean } => clean,
        };
        let frame = self.backlog.received().cloned();
        Some(CloseStatus { frame, clean })
    }

    /// The server drains.
    pub(in crate::ws::socket) fn is_draining(&self) -> bool {
        self.home.phase() >= Phase::Draining
    }

    /// Whether nothing more of a message is read for now: under pressure, whoever holds his share waits until
    /// others have let go of theirs. It is looked at again in the next tick.
    pub(super) fn is_paused(&mut self) -> bool {
        let Some(live) = &self.live else {
            return false;
        };
        let held = self.held(live);
        if held < READ_BUFFER || !self.home.is_short(held) {
            return false;
        }
        self.home.count(Counter::ReadsPaused);
        self.backlog.waiting().paused = true;
        self.timing.next = self.home.now() + 1;
        self.home.set_due(self.timing.next);
        true
    }

    /// Reads ahead for a handler that does something else: pings and a Close are answered, and what the
    /// handler has to see waits for it, up to a bound. `Ready(true)` when something was read or the peer has
    /// closed, `Ready(false)` when the peer is gone.
    pub(in crate::ws::socket) fn poll_ahead(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
    ) -> Poll<bool> {
        loop {
            let ahead = self.backlog.ahead_octets();
            let Some(live) = self.live.as_deref_mut() else {
                return Poll::Pending;
            };
            if ahead >= AHEAD {
                self.backlog.wake_reader();
                return Poll::Pending;
            }
            match live.connection.receive(&mut live.read, &config.limits) {
                Ok(Some(Event::Message(Message::Ping(_) | Message::Pong(_))))
                    if !config.control_frames => {}
                Ok(Some(event)) => {
                    if let Event::Message(Message::Close(Some(close))) = &event {
                        self.backlog.waiting().received = Some(close.clone());
                    }
                    self.backlog.push_ahead(Ok(event));
                    self.backlog.wake_reader();
                }
                Ok(None) if !live.connection.state().is_receiving() => return Poll::Ready(true),
                Ok(None) if ahead + live.read.len() + live.connection.held() >= AHEAD => {
                    // Whoever waits for the rest of a large message reads it himself.
                    self.backlog.wake_reader();
                    return Poll::Pending;
                }
                Ok(None) => break,
                Err(error) => {
                    self.home.count(Counter::WebSocketProtocolErrors);
                    self.backlog.push_ahead(Err(error));
                    self.backlog.wake_reader();
                    return Poll::Ready(true);
                }
            }
        }
        let more = ready!(self.poll_read(cx, false)).unwrap_or(false);
        if !more {
            self.backlog.wake_reader();
        }
        Poll::Ready(more)
    }

    /// Waits until something was written, or until others may send again, where a message in parts is open and nothing
    /// of it is left to write.
    pub(in crate::ws::socket) fn wait(&mut self, cx: &Context<'_>, seat: &mut u32) {
        // Of what is lent nobody knows whether it has something to write: whoever gives it back wakes.
        let writes =
            self.timing.stalled != 0 || self.live.as_ref().is_none_or(|live| live.waiting() > 0);
        if self.streaming && !writes {
            self.backlog.park(cx, seat);
        } else {
            self.backlog.wait(cx, seat);
        }
    }

    pub(super) fn count_end(&self) {
        let clean = matches!(self.state(), State::Closed { clean: true });
        self.home.count(if clean {
            Counter::WebSocketsClosedClean
        } else {
            Counter::WebSocketsClosedUnclean
        });
        log::tell_closed(clean);
    }
}

impl Drop for Core {
    /// The server has dropped the connection's task.
    fn drop(&mut self) {
        if !self.ended {
            self.count_end();
        }
    }
}

/// Whether there is room for a message.
pub(super) enum Room {
    /// Others were dropped for it.
    Made,
    /// It was dropped itself.
    Dropped,
    None,
}

/// How much is read ahead of a handler that does not receive, in octets.
const AHEAD: usize = 16 * 1024;
