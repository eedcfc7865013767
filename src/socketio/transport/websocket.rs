//! Sessions whose transport is a WebSocket, from the beginning or from an upgrade on.

use super::drive::{Driver, Ending, is_over};
use super::engine_io::Shared;
use super::session::{FRAMED, Session};
use crate::service::request::Parts;
use crate::socketio::engine::session::{Received, Ticket};
use crate::socketio::engine::{CloseReason, Data, Packet, Transport};
use crate::ws::close::CloseCode;
use crate::ws::error::Error;
use crate::ws::message::Message;
use crate::ws::socket::{SocketError, WebSocket, WsReceiver, WsSender};
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Serves a session that begins with this WebSocket, until it ends.
pub(super) fn open(
    shared: Arc<Shared>,
    socket: WebSocket,
    parts: Parts,
) -> impl Future<Output = ()> + Send {
    let driver = shared.open_websocket(socket.sender(), parts);
    let (_, receiver) = socket.split();
    let stage = driver.map_or(Stage::Over, |(driver, ticket)| {
        Stage::Open(Line {
            driver,
            ticket,
            receiver,
        })
    });
    run(stage)
}

/// Serves a WebSocket that is to become the transport of a session, and the session once it is.
pub(super) fn upgrade(claim: Claim, socket: WebSocket) -> impl Future<Output = ()> + Send {
    let sender = socket.sender();
    let (_, receiver) = socket.split();
    run(Stage::Claimed(Box::new(Claimed {
        claim,
        sender,
        receiver,
    })))
}

/// A state machine by hand: an async function would keep references to what it keeps beside it, for as long as the connection
/// lives.
fn run(mut stage: Stage) -> impl Future<Output = ()> + Send {
    poll_fn(move |cx| {
        if let Stage::Claimed(claimed) = &mut stage {
            let driver = ready!(claimed.poll(cx));
            let last = std::mem::replace(&mut stage, Stage::Over);
            if let (Stage::Claimed(claimed), Some(driver)) = (last, driver) {
                let (ticket, receiver) = claimed.into_parts();
                stage = Stage::Open(Line {
                    driver,
                    ticket,
                    receiver,
                });
            }
        }
        if let Stage::Open(line) = &mut stage {
            ready!(line.poll(cx));
            let ending = line.driver.end();
            if let Stage::Open(line) = std::mem::replace(&mut stage, Stage::Over) {
                let session = line.driver.session.clone();
                stage = Stage::Ending(session, Some(ending));
            }
        }
        if let Stage::Ending(session, ending) = &mut stage {
            // What the conversation says at its end finds nobody; what it said before is still sent.
            session.listen(cx);
            session.flush(cx);
            let is_told = session.is_flushed() || session.has_lost_socket();
            if !is_over(ending, cx) || !is_told {
                return Poll::Pending;
            }
            stage = Stage::Over;
        }
        Poll::Ready(())
    })
}

/// How far a connection is.
enum Stage {
    Claimed(Box<Claimed>),
    Open(Line),
    Ending(Session, Option<Ending>),
    Over,
}

/// A session with its transport.
struct Line {
    driver: Driver,
    ticket: Ticket,
    receiver: WsReceiver,
}

impl Line {
    /// Receives and sends; ready when the session has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let session = self.driver.session.clone();
        let is_other_task = session.listen(cx);
        session.set_turn(true);
        let polled = self.take_turn(&session, cx);
        session.set_turn(false);
        if is_other_task && polled.is_pending() {
            self.driver.tick(cx);
        }
        if session.is_closed() {
            return Poll::Ready(());
        }
        polled
    }

    fn take_turn(&mut self, session: &Session, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            session.flush(cx);
            // A POST that began before the upgrade may end after it.
            while self.driver.has_room()
                && let Some(data) = session.next_posted()
            {
                self.driver.receive(data, cx);
                session.end_taking();
            }
            while self.driver.has_room() {
                let received = pin!(self.receiver.recv()).poll(cx);
                match received {
                    Poll::Ready(Some(Ok(message))) => self.receive(session, message, cx),
                    Poll::Ready(Some(Err(error))) => session.lost(self.ticket, reason(&error)),
                    Poll::Ready(None) => session.lost(self.ticket, CloseReason::TransportClose),
                    Poll::Pending => break,
                }
            }
            let was_full = !self.driver.has_room();
            self.driver.poll(cx);
            if session.is_closed() {
                return Poll::Ready(());
            }
            if !self.driver.has_room() {
                // Nothing is received, so nothing else tells that the client has gone.
                if session.has_lost_socket() {
                    session.lost(self.ticket, CloseReason::TransportClose);
                    return Poll::Ready(());
                }
                return Poll::Pending;
            }
            // What made room lets more in; nobody else wakes this task for it.
            if !was_full {
                return Poll::Pending;
            }
        }
    }

    fn receive(&mut self, session: &Session, message: Message, cx: &mut Context<'_>) {
        let packet = match message {
            Message::Text(text) => Packet::decode(text.into_byte_string()),
            Message::Binary(octets) => Ok(Packet::Message(Data::Binary(octets))),
            // The receiver answers those, and tells of its end.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => return,
        };
        match packet {
            Ok(Packet::Message(data)) => self.driver.receive(data, cx),
            Ok(packet) => drop(session.receive(self.ticket, packet)),
            Err(_) => session.close(CloseReason::ParseError),
        }
    }
}

/// Why a session ends whose WebSocket fails so.
const fn reason(error: &SocketError) -> CloseReason {
    match error {
        SocketError::Protocol(Error::FrameTooLarge | Error::MessageTooLarge) => {
            CloseReason::PayloadTooLarge
        }
        SocketError::Protocol(_) => CloseReason::TransportError,
        _ => CloseReason::TransportClose,
    }
}

/// A WebSocket that may become the transport of a session. Dropped before it does, it has not.
pub(super) struct Claim {
    pub(super) session: Session,
    pub(super) ticket: Ticket,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.session.lock();
        if state.core.transport() == Transport::Polling && state.core.knows(self.ticket) {
            state.core.lost(self.ticket, CloseReason::TransportClose);
        }
    }
}

/// One that does not have the conversation yet.
struct Claimed {
    claim: Claim,
    sender: WsSender,
    receiver: WsReceiver,
}

impl Claimed {
    /// Ready with what it is to serve, or with nothing when it is to be closed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Driver>> {
        let session = &self.claim.session;
        loop {
            {
                let mut state = session.lock();
                let is_closed = state.core.closed().is_some();
                let is_transport = state.core.transport() == Transport::WebSocket;
                let is_wanted = state.core.knows(self.claim.ticket);
                let Some(polling) = &mut state.polling else {
                    return Poll::Ready(None);
                };
                if let Some(conversation) = polling.handover.take() {
                    drop(state);
                    return Poll::Ready(Some(Driver::new(session.clone(), conversation)));
                }
                polling.upgrade = Some(cx.waker().clone());
                if is_transport && is_wanted && !is_closed {
                    // The task that polls still has it.
                    return Poll::Pending;
                }
                if is_transport && is_wanted {
                    // It has ended before the conversation came: what it said before is still sent.
                    drop(state);
                    session.flush(cx);
                    if !session.is_flushed() && !session.has_lost_socket() {
                        return Poll::Pending;
                    }
                    return Poll::Ready(None);
                }
                if !is_wanted {
                    drop(state);
                    session.0.shared.count_failed_upgrade();
                    let _ = self.sender.close(CloseCode::POLICY);
                    return Poll::Ready(None);
                }
            }
            let packet = match ready!(pin!(self.receiver.recv()).poll(cx)) {
                Some(Ok(Message::Text(text))) => Packet::decode(text.into_byte_string()).ok(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                _ => None,
            };
            self.take(packet);
        }
    }

    fn take(&self, packet: Option<Packet>) {
        let (session, ticket) = (&self.claim.session, self.claim.ticket);
        let Some(packet) = packet else {
            session.lost(ticket, CloseReason::TransportClose);
            return;
        };
        match session.receive(ticket, packet) {
            Received::Probe => {
                let _ = self.sender.try_send("3probe");
                // Nobody polls any more while it goes over.
                Session::wake_up(session.lock());
            }
            Received::Upgraded => session.upgraded(&self.sender),
            _ => {}
        }
    }

    fn into_parts(self) -> (Ticket, WsReceiver) {
        (self.claim.ticket, self.receiver)
    }
}

impl Session {
    /// A packet that is no message has come by this WebSocket.
    fn receive(&self, ticket: Ticket, packet: Packet) -> Received {
        let shared = &self.0.shared;
        let mut state = self.lock();
        let due = state.core.poll_timeout();
        let received = state
            .core
            .receive(ticket, packet, shared.times, shared.now());
        self.is_due_earlier(&state, due);
        self.settle(state);
        received
    }

    /// This WebSocket has ended.
    fn lost(&self, ticket: Ticket, reason: CloseReason) {
        let mut state = self.lock();
        let is_draining = (state.sender.as_ref()).is_some_and(WsSender::is_draining);
        let reason = match reason {
            CloseReason::TransportClose if is_draining => CloseReason::ServerShuttingDown,
            reason => reason,
        };
        state.core.lost(ticket, reason);
        self.settle(state);
    }

    /// Messages go to this WebSocket from now on; a poll that waits is answered, and the task that polls gives the conversation away.
    fn upgraded(&self, sender: &WsSender) {
        let mut state = self.lock();
        state.set_sender(sender.clone());
        // At once, so that what comes next finds nothing in its way but what the client does not take.
        let give = |sender: &WsSender, frames: &Bytes| sender.deliver(frames, FRAMED);
        state.give_waiting(&self.0.shared, give);
        let has_ended = state.core.closed().is_some();
        let poll = state.polling.as_mut().and_then(|polling| {
            polling.lingers = false;
            polling.poll.take()
        });
        Self::wake_task(state);
        if has_ended {
            self.0.shared.forget(&self.0.sid);
        }
        self.0.shared.count_upgrade();
        if let Some(poll) = poll {
            poll.wake();
        }
    }

    /// Whether nothing can be sent any more by its WebSocket.
    fn has_lost_socket(&self) -> bool {
        (self.lock().sender.as_ref()).is_none_or(WsSender::is_closed)
    }
}
