//! A session: which transport it has, whether its client is still there, and when it ends.

#[cfg(test)]
mod tests;

use super::packet::{Data, Packet};
use super::reason::CloseReason;
use std::fmt;

/// How a session's packets come and go.
///
/// ```
/// use wireline::socketio::engine::Transport;
///
/// assert_eq!(Transport::WebSocket.as_str(), "websocket");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Requests of HTTP.
    Polling,
    /// A WebSocket.
    WebSocket,
}

impl Transport {
    /// Its name, as clients say it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// How long things take, in milliseconds.
///
/// ```
/// use wireline::socketio::engine::session::{Session, Times, Transport};
///
/// let times = Times { ping_interval: 25_000, ping_timeout: 20_000, upgrade_timeout: 10_000 };
/// let (session, _) = Session::new(Transport::Polling, times, 1_000);
/// assert_eq!(session.poll_timeout(), Some(26_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// From the opening, and from each answer to a ping, to the next ping.
    pub ping_interval: u64,
    /// From a ping to its answer.
    pub ping_timeout: u64,
    /// From the opening of a WebSocket for a session that polls to the packet that makes it the transport.
    pub upgrade_timeout: u64,
}

/// What tells a request, or a WebSocket, of a session from all others of it.
///
/// ```
/// use wireline::socketio::engine::session::{Session, Times, Transport};
///
/// let times = Times { ping_interval: 300, ping_timeout: 200, upgrade_timeout: 1_000 };
/// let (mut session, _) = Session::new(Transport::Polling, times, 0);
/// let websocket = session.begin_upgrade(times, 0).unwrap();
/// assert!(session.knows(websocket), "it may become the transport");
/// session.give_up_upgrade();
/// assert!(!session.knows(websocket));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

/// What a packet has done.
///
/// ```
/// use wireline::socketio::engine::session::{Received, Session, Times, Transport};
/// use wireline::socketio::engine::{Data, Packet};
///
/// let times = Times { ping_interval: 300, ping_timeout: 200, upgrade_timeout: 1_000 };
/// let (mut session, websocket) = Session::new(Transport::WebSocket, times, 0);
/// let packet = Packet::decode("4hello".into()).unwrap();
/// let received = session.receive(websocket, packet, times, 10);
/// assert_eq!(received, Received::Message(Data::Text("hello".into())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Nothing that anybody need know.
    Nothing,
    /// A message for the application.
    Message(Data),
    /// A WebSocket wants to know whether it works: it is answered, and so is a poll that waits.
    Probe,
    /// The WebSocket it came from is the transport now.
    Upgraded,
    /// The WebSocket it came from is to be closed. The session goes on without it.
    Refused,
    /// The session has ended.
    Closed(CloseReason),
}

/// What time has brought.
///
/// ```
/// use wireline::socketio::engine::CloseReason;
/// use wireline::socketio::engine::session::{Due, Session, Times, Transport};
///
/// let times = Times { ping_interval: 300, ping_timeout: 200, upgrade_timeout: 1_000 };
/// let (mut session, _) = Session::new(Transport::WebSocket, times, 0);
/// assert_eq!(session.handle_timeout(300, times), Due::Ping);
/// assert_eq!(session.handle_timeout(500, times), Due::Closed(CloseReason::PingTimeout));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// A ping is to be sent.
    Ping,
    /// A WebSocket has not become the transport in time, and is to be closed.
    UpgradeTimeout,
    /// The session has ended.
    Closed(CloseReason),
}

/// Why a request is refused.
///
/// ```
/// use wireline::socketio::engine::session::{Refused, Session, Times, Transport};
///
/// let times = Times { ping_interval: 300, ping_timeout: 200, upgrade_timeout: 1_000 };
/// let (mut session, _) = Session::new(Transport::WebSocket, times, 0);
/// assert_eq!(session.begin_poll(), Err(Refused::Transport));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The session has ended before.
    Closed,
    /// The session has another transport, or a WebSocket is about to become it.
    Transport,
    /// There is one already; the session has ended because of that.
    Overlap,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the session has ended",
            Self::Transport => "the session has another transport",
            Self::Overlap => "a second request of its kind at the same time",
        })
    }
}

impl std::error::Error for Refused {}

/// A session, without what waits for it. Times are milliseconds since any moment.
///
/// ```
/// use wireline::socketio::engine::session::{Due, Session, Times, Transport};
///
/// let times = Times { ping_interval: 300, ping_timeout: 200, upgrade_timeout: 10_000 };
/// let (mut session, _) = Session::new(Transport::WebSocket, times, 0);
/// assert_eq!(session.poll_timeout(), Some(300));
/// assert_eq!(session.handle_timeout(299, times), Due::Nothing);
/// assert_eq!(session.handle_timeout(300, times), Due::Ping);
/// assert_eq!(session.poll_timeout(), Some(500));
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    transport: Transport,
    closed: Option<CloseReason>,
    is_pinged: bool,
    /// When a ping is due, or its answer.
    due: u64,
    tickets: u32,
    /// The WebSocket that is the transport.
    current: Option<Ticket>,
    poll: Option<Ticket>,
    post: Option<Ticket>,
    candidate: Option<Candidate>,
}

/// A WebSocket that may become the transport.
#[derive(Clone, Debug)]
struct Candidate {
    ticket: Ticket,
    is_probed: bool,
    until: u64,
}

impl Session {
    /// A session that is opened now, and the ticket of the WebSocket or the request that does.
    pub const fn new(transport: Transport, times: Times, now: u64) -> (Self, Ticket) {
        let ticket = Ticket(0);
        let session = Self {
            transport,
            closed: None,
            is_pinged: false,
            due: now.saturating_add(times.ping_interval),
            tickets: 0,
            current: match transport {
                Transport::Polling => None,
                Transport::WebSocket => Some(ticket),
            },
            poll: None,
            post: None,
            candidate: None,
        };
        (session, ticket)
    }

    /// Its transport now, or at its end.
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// Why it has ended, if it has.
    pub const fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// Ends it; `false` when it has ended before. A WebSocket that works and is about to become the transport may still do so when
    /// the end is an orderly one: its client does not poll any more, and hears of the end there.
    pub fn close(&mut self, reason: CloseReason) -> bool {
        if self.closed.is_some() {
            return false;
        }
        self.closed = Some(reason);
        self.candidate
            .take_if(|candidate| !(candidate.is_probed && reason.is_orderly()));
        true
    }

    /// Whatever WebSocket was to become the transport will not.
    pub fn give_up_upgrade(&mut self) {
        self.candidate = None;
    }

    /// Whether a WebSocket works that is about to become the transport: polls are answered at once, so that the client can go over.
    pub fn is_upgrading(&self) -> bool {
        (self.candidate.as_ref()).is_some_and(|candidate| candidate.is_probed)
    }

    /// A request polls.
    ///
    /// # Errors
    ///
    /// Why it cannot; a second one ends the session.
    pub fn begin_poll(&mut self) -> Result<Ticket, Refused> {
        self.is_open_for_polling()?;
        if self.poll.is_some() {
            self.close(CloseReason::TransportError);
            return Err(Refused::Overlap);
        }
        let ticket = self.ticket();
        self.poll = Some(ticket);
        Ok(ticket)
    }

    /// A poll is answered, or its client has gone without (`is_answered` is `false`), which ends the session.
    pub fn end_poll(&mut self, ticket: Ticket, is_answered: bool) {
        if self.poll == Some(ticket) {
            self.poll = None;
            if !is_answered && self.transport == Transport::Polling {
                self.close(CloseReason::TransportError);
            }
        }
    }

    /// Whether a poll waits.
    pub const fn is_polled(&self) -> bool {
        self.poll.is_some()
    }

    /// A request brings packets.
    ///
    /// # Errors
    ///
    /// As [`begin_poll`](Self::begin_poll).
    pub fn begin_post(&mut self) -> Result<Ticket, Refused> {
        self.is_open_for_polling()?;
        if self.post.is_some() {
            self.close(CloseReason::TransportError);
            return Err(Refused::Overlap);
        }
        let ticket = self.ticket();
        self.post = Some(ticket);
        Ok(ticket)
    }

    /// A request has brought all that it has, or its client has gone in the midst of it, which ends the session.
    pub fn end_post(&mut self, ticket: Ticket, is_whole: bool) {
        if self.post == Some(ticket) {
            self.post = None;
            if !is_whole && self.transport == Transport::Polling {
                self.close(CloseReason::TransportError);
            }
        }
    }

    const fn is_open_for_polling(&self) -> Result<(), Refused> {
        if self.closed.is_some() {
            return Err(Refused::Closed);
        }
        match self.transport {
            Transport::Polling => Ok(()),
            Transport::WebSocket => Err(Refused::Transport),
        }
    }

    /// A WebSocket is opened that may become the transport.
    ///
    /// # Errors
    ///
    /// Why it may not: the session has a WebSocket, or one that may become it.
    pub fn begin_upgrade(&mut self, times: Times, now: u64) -> Result<Ticket, Refused> {
        self.is_open_for_polling()?;
        if self.candidate.is_some() {
            return Err(Refused::Transport);
        }
        let ticket = self.ticket();
        self.candidate = Some(Candidate {
            ticket,
            is_probed: false,
            until: now.saturating_add(times.upgrade_timeout),
        });
        Ok(ticket)
    }

    /// A packet has come by a request.
    pub fn receive_posted(&mut self, packet: Packet, times: Times, now: u64) -> Received {
        match (self.closed, self.transport) {
            (Some(reason), _) => Received::Closed(reason),
            // What had been sent before the client went over.
            (None, _) => self.take(packet, times, now),
        }
    }

    /// A packet has come by this WebSocket.
    pub fn receive(&mut self, from: Ticket, packet: Packet, times: Times, now: u64) -> Received {
        let candidate = self.candidate.as_ref();
        let is_candidate = candidate.is_some_and(|candidate| candidate.ticket == from);
        if let Some(reason) = self.closed.filter(|_| !is_candidate) {
            return Received::Closed(reason);
        }
        if self.current == Some(from) {
            return self.take(packet, times, now);
        }
        let candidate = self.candidate.as_mut();
        let Some(candidate) = candidate.filter(|candidate| candidate.ticket == from) else {
            return Received::Refused;
        };
        match packet {
            Packet::Ping(text) if text == "probe" && !candidate.is_probed => {
                candidate.is_probed = true;
                Received::Probe
            }
            Packet::Upgrade if candidate.is_probed => {
                self.candidate = None;
                self.current = Some(from);
                self.transport = Transport::WebSocket;
                Received::Upgraded
            }
            _ => {
                self.candidate = None;
                Received::Refused
            }
        }
    }

    /// What came by the transport.
    fn take(&mut self, packet: Packet, times: Times, now: u64) -> Received {
        let reason = match packet {
            Packet::Message(data) => return Received::Message(data),
            Packet::Pong(_) => {
                self.is_pinged = false;
                self.due = now.saturating_add(times.ping_interval);
                return Received::Nothing;
            }
            Packet::Noop | Packet::Upgrade | Packet::Open(_) => return Received::Nothing,
            Packet::Close => CloseReason::TransportClose,
            // The server asks, in this version.
            Packet::Ping(_) => CloseReason::TransportError,
        };
        self.close(reason);
        Received::Closed(reason)
    }

    /// This WebSocket has ended: that ends the session if it is its transport, and nothing otherwise.
    pub fn lost(&mut self, ticket: Ticket, reason: CloseReason) {
        if self.current == Some(ticket) {
            self.close(reason);
        } else {
            self.candidate
                .take_if(|candidate| candidate.ticket == ticket);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; never again once it has ended.
    pub fn poll_timeout(&self) -> Option<u64> {
        if self.closed.is_some() {
            return None;
        }
        let until = self.candidate.as_ref().map(|candidate| candidate.until);
        Some(until.map_or(self.due, |until| until.min(self.due)))
    }

    /// An answer that is due by now may have come, and nobody has read it: there is as much time for it again.
    pub const fn wait_longer(&mut self, now: u64, times: Times) {
        if self.is_pinged && self.due <= now {
            self.due = now.saturating_add(times.ping_timeout);
        }
    }

    /// It is this late.
    pub fn handle_timeout(&mut self, now: u64, times: Times) -> Due {
        if self.closed.is_some() {
            return Due::Nothing;
        }
        if (self.candidate)
            .take_if(|candidate| candidate.until <= now)
            .is_some()
        {
            return Due::UpgradeTimeout;
        }
        if self.due > now {
            return Due::Nothing;
        }
        if self.is_pinged {
            self.close(CloseReason::PingTimeout);
            return Due::Closed(CloseReason::PingTimeout);
        }
        self.is_pinged = true;
        self.due = now.saturating_add(times.ping_timeout);
        Due::Ping
    }

    /// Whether this WebSocket may still become the transport, or is it.
    pub fn knows(&self, ticket: Ticket) -> bool {
        let candidate = self.candidate.as_ref();
        self.current == Some(ticket)
            || candidate.is_some_and(|candidate| candidate.ticket == ticket)
    }

    const fn ticket(&mut self) -> Ticket {
        self.tickets = self.tickets.wrapping_add(1);
        Ticket(self.tickets)
    }
}
