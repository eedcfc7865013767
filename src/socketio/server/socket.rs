//! A client in a namespace.

mod emit;
mod listen;
mod rooms;

pub use self::emit::Emit;
pub(super) use self::emit::check as check_event;

use super::ack::{Answer, Waiter, Waiting};
use super::broadcast::Broadcast;
use super::call::Call;
use super::config::SocketIoConfig;
use super::counters::add;
use super::error::{AckError, EmitError};
use super::id::SocketId;
use super::reason::DisconnectReason;
use super::recovery::Ticket;
use super::space::Space;
use super::spaces::Entering;
use super::table::{Listeners, Table};
use crate::relay::hub::{Delivery, Group, Member, Subscription};
use crate::socketio::packet::{Args, Body, Packet, ToArgs};
use crate::socketio::transport::{CloseReason, Outgoing, Session, Transport};
use bytestring::ByteString;
use http::Extensions;
use serde_json::Value;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A client in a namespace; cloning it gives another handle to the same. It may be kept, and used from everywhere.
///
/// ```
/// use wireline::socketio::server::{Data, Socket, SocketIo};
///
/// let io = SocketIo::new();
/// io.on_connection(async |socket: Socket| {
///     socket.join("lobby");
///     let _ = socket.to("lobby").emit("joined", socket.id());
///     socket.on("say", async |socket: Socket, Data(text): Data<String>| {
///         let _ = socket.to("lobby").emit("said", (socket.id(), text));
///     });
/// });
/// ```
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

pub(super) struct Inner {
    id: SocketId,
    number: u64,
    session: Session,
    space: Arc<Space>,
    table: Arc<Table>,
    group: Arc<Group<Outgoing>>,
    status: AtomicU8,
    has_listeners: AtomicBool,
    is_recovered: bool,
    since: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    auth: Value,
    /// Its rooms, and behind them the namespace itself.
    seats: Vec<Subscription<Outgoing>>,
    /// Absent while nobody waits.
    waiting: Option<Box<Waiting>>,
    /// Absent without any.
    listeners: Option<Box<Listeners>>,
    /// Rooms that it is to be in once it is connected, and those that it was in while it ends.
    wanted: Vec<ByteString>,
    extensions: Option<Box<Extensions>>,
    /// Why it is no longer connected.
    reason: Option<DisconnectReason>,
    /// Its client was told that this side has disconnected it.
    is_told: bool,
    /// What it may come back with.
    ticket: Option<Ticket>,
}

const CONNECTING: u8 = 0;
const CONNECTED: u8 = 1;
const DISCONNECTED: u8 = 2;

impl Socket {
    pub(super) fn new(
        id: SocketId,
        session: Session,
        space: &Arc<Space>,
        table: Arc<Table>,
        is_recovered: bool,
    ) -> Self {
        Self(Arc::new(Inner {
            id,
            number: id.number(),
            session,
            space: space.clone(),
            table,
            group: space.core.groups.here(),
            status: AtomicU8::new(CONNECTING),
            has_listeners: AtomicBool::new(false),
            is_recovered,
            since: Instant::now(),
            state: Mutex::default(),
        }))
    }

    /// What names it. It is no secret, and a room that the socket is in.
    pub fn id(&self) -> &str {
        self.0.id.as_str()
    }

    /// The name of its namespace.
    pub fn namespace(&self) -> &str {
        &self.0.space.name
    }

    /// What its client said to connect, or what the authentication made of it.
    pub fn auth(&self) -> Value {
        self.lock().auth.clone()
    }

    /// Whether it was there before, and has its id, its rooms and what was sent to it meanwhile.
    pub fn recovered(&self) -> bool {
        self.0.is_recovered
    }

    /// Whether it is connected.
    pub fn is_connected(&self) -> bool {
        self.0.status.load(Ordering::Acquire) == CONNECTED
    }

    /// The transport of its session now.
    pub fn transport(&self) -> Transport {
        self.0.session.transport()
    }

    /// For how long it has been there.
    pub fn age(&self) -> Duration {
        self.0.since.elapsed()
    }

    /// How many octets wait for the client.
    pub fn waiting(&self) -> usize {
        self.0.session.waiting()
    }

    /// Sends an event: a tuple is several arguments, the unit none, everything else one.
    ///
    /// It goes behind everything that was sent before, to rooms that the socket is in as well.
    ///
    /// # Errors
    ///
    /// [`EmitError`] says why it is not sent.
    pub fn emit(&self, event: &str, data: impl ToArgs) -> Result<(), EmitError> {
        Emit::new(self).emit(event, data)
    }

    /// Sends an event, and waits for the client's answer with `.await`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wireline::socketio::server::{AckError, Socket};
    ///
    /// async fn ask(socket: &Socket) -> Result<Option<String>, AckError> {
    ///     let answer = socket.emit_with_ack("name?", ()).timeout(Duration::from_secs(5)).await?;
    ///     Ok(answer.to().ok())
    /// }
    /// ```
    pub fn emit_with_ack(&self, event: &str, data: impl ToArgs) -> Answer {
        Emit::new(self).emit_with_ack(event, data)
    }

    /// What is sent with this is dropped when it cannot be written at once.
    pub fn volatile(&self) -> Emit<'_> {
        Emit::new(self).volatile()
    }

    /// Whether what is sent with this may be compressed, as everything may: for a client that takes it so, where the server is set to do
    /// it ([`EngineConfig::compress_websockets`](crate::socketio::transport::EngineConfig)).
    pub fn compress(&self, compress: bool) -> Emit<'_> {
        Emit::new(self).compress(compress)
    }

    /// All others who are in the room.
    pub fn to(&self, room: impl Into<ByteString>) -> Broadcast {
        self.broadcast().to(room)
    }

    /// All others of the namespace but those who are in the room.
    pub fn except(&self, room: impl Into<ByteString>) -> Broadcast {
        self.broadcast().except(room)
    }

    /// All others of the namespace.
    pub fn broadcast(&self) -> Broadcast {
        Broadcast::new(self.0.space.clone()).but(self)
    }

    /// All others of the namespace on this node.
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// Takes it out of its namespace; with `close` out of all that its client is in, in the order in which that came to them, and the
    /// session ends.
    ///
    /// Each is told, so that the client does not come back by itself. This socket is not connected any more when it returns; the others
    /// follow when the task of the session has its next turn.
    pub fn disconnect(&self, close: bool) {
        if close {
            // Before anything else can be seen of it: the session's task tells this one in its place.
            self.0.session.put_out();
            self.end(DisconnectReason::Server);
            self.0.session.wake();
        } else if self.end(DisconnectReason::Server) {
            self.tell_disconnected();
        }
    }

    /// Keeps a value with the socket, in the place of the last one of its type.
    pub fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) {
        let mut state = self.lock();
        state.extensions.get_or_insert_default().insert(value);
    }

    /// The value of this type that was kept with the socket.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.lock().extensions.as_ref()?.get::<T>().cloned()
    }
}

/// What the rest of the server does with it.
impl Socket {
    /// What each costs.
    #[cfg(test)]
    pub(super) const SIZE: usize = size_of::<Inner>();

    pub(super) fn number(&self) -> u64 {
        self.0.number
    }

    pub(super) fn session_id(&self) -> &str {
        self.0.session.id()
    }

    pub(super) fn table(&self) -> &Arc<Table> {
        &self.0.table
    }

    pub(super) fn space(&self) -> &Arc<Space> {
        &self.0.space
    }

    pub(super) fn namespace_name(&self) -> &ByteString {
        &self.0.space.name
    }

    pub(super) fn settings(&self) -> &SocketIoConfig {
        &self.0.space.core.config
    }

    pub(super) fn set_auth(&self, auth: Value) {
        self.lock().auth = auth;
    }

    pub(super) fn set_extensions(&self, extensions: Option<Box<Extensions>>) {
        self.lock().extensions = extensions;
    }

    pub(super) fn set_ticket(&self, ticket: Ticket) {
        self.lock().ticket = Some(ticket);
    }

    /// It is no longer connected; `false` when it was not. Its handlers are called by its session's task.
    pub(super) fn end(&self, reason: DisconnectReason) -> bool {
        self.0.group.flush();
        let mut state = self.lock();
        let before = self.0.status.swap(DISCONNECTED, Ordering::AcqRel);
        if before == CONNECTING {
            // Its session's task tells the client, which is not told yet that it is connected.
            state.reason = Some(reason);
        }
        if before != CONNECTED {
            return false;
        }
        state.reason = Some(reason);
        let seats = std::mem::take(&mut state.seats);
        let waiting = state.waiting.take();
        let ticket = state.ticket.take();
        let auth = ticket.is_some().then(|| state.auth.clone());
        let extensions = ticket.as_ref().and_then(|_| state.extensions.clone());
        let space = &self.0.space;
        let rooms = seats.iter().filter_map(|seat| space.room_of(seat.topic()));
        let rooms = rooms.filter(|room| !room.is_empty()).map(ByteString::from);
        // Nobody asks who cannot come back, nor has a handler that does.
        let has_handlers =
            !self.0.table.disconnect.is_empty() || self.0.has_listeners.load(Ordering::Acquire);
        let rooms: Vec<_> = if ticket.is_some() || has_handlers {
            rooms.collect()
        } else {
            Vec::new()
        };
        state.wanted.clone_from(&rooms);
        drop(state);
        // It may be about to be kept for: the namespace stays until that is so.
        let _held = Entering::new(space);
        for seat in seats {
            space.core.hub.unsubscribe(seat);
        }
        space.remove(self.0.number);
        // Only now: whoever comes back has the same number.
        if let (Some(ticket), DisconnectReason::Session(_)) = (ticket, reason) {
            let auth = auth.unwrap_or_default();
            space.persist(ticket, self.0.id, rooms, &auth, extensions);
        }
        // Whoever waits for its answers is told that there are none.
        drop(waiting);
        if let Some(admin) = space.core.admin.get() {
            admin.disconnected(self, reason);
        }
        true
    }

    /// Tells its client that this side has disconnected it, once.
    pub(super) fn tell_disconnected(&self) {
        if std::mem::replace(&mut self.lock().is_told, true) {
            return;
        }
        let packet = Packet {
            namespace: self.0.space.name.clone(),
            body: Body::Disconnect,
        };
        self.0.session.send(&self.0.space.core.message(&packet));
        self.0.session.wake();
    }

    /// Why it is no longer connected.
    pub(super) fn reason(&self) -> Option<DisconnectReason> {
        if self.0.status.load(Ordering::Acquire) == DISCONNECTED {
            self.lock().reason
        } else {
            None
        }
    }

    /// Its handlers have begun, and have seen its rooms.
    pub(super) fn forget_rooms(&self) {
        self.lock().wanted = Vec::new();
    }

    pub(super) fn call(&self, name: ByteString, args: Args) -> Call {
        Call {
            socket: self.clone(),
            name,
            args,
            ack: None,
            reason: None,
            parts: None,
        }
    }

    /// Sends a packet behind everything that was sent before.
    pub(super) fn send(
        &self,
        packet: &Packet,
        is_volatile: bool,
        is_plain: bool,
    ) -> Result<(), EmitError> {
        if !self.is_connected() {
            return Err(EmitError::Disconnected);
        }
        let message = self.0.space.core.message_as(packet, is_plain);
        self.send_message(&message, is_volatile);
        Ok(())
    }

    /// Sends what was kept while its client was away.
    pub(super) fn send_missed(&self, message: &Outgoing) {
        self.0.session.send_missed(message);
    }

    pub(super) fn send_message(&self, message: &Outgoing, is_volatile: bool) {
        self.0.group.flush();
        if is_volatile {
            if !self.0.session.send_volatile(message) {
                add(&self.0.space.core.counters.dropped);
            }
        } else {
            self.0.session.send(message);
        }
    }

    pub(super) fn next_ack(&self) -> u64 {
        self.0.space.next_ack()
    }

    pub(super) fn wait_for(&self, id: u64, waiter: Waiter) -> Result<(), AckError> {
        let mut state = self.lock();
        if !self.is_connected() {
            return Err(EmitError::Disconnected.into());
        }
        state
            .waiting
            .get_or_insert_default()
            .insert(id, waiter, &self.0.space.core)
    }

    pub(super) fn forget_waiter(&self, id: u64) {
        drop(self.take_waiter(id));
    }

    pub(super) fn take_waiter(&self, id: u64) -> Option<Waiter> {
        let mut state = self.lock();
        let waiting = state.waiting.as_mut()?;
        let waiter = waiting.remove(id);
        if waiting.is_empty() {
            state.waiting = None;
        }
        waiter
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member<Outgoing> for Inner {
    fn id(&self) -> u64 {
        self.number
    }

    fn deliver(&self, _: u32, delivery: &Delivery<'_, Outgoing>) {
        // More was sent at once than its worker could take. Whoever comes back knows that it was away.
        if delivery.missed > 0 {
            self.session.close(CloseReason::TooSlow);
            return;
        }
        match delivery.whole() {
            Some(run) => {
                let mut messages = delivery.entries().map(|entry| &entry.message);
                self.session.deliver(run, &mut messages);
            }
            None => {
                for entry in delivery.entries() {
                    self.session.send(&entry.message);
                }
            }
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.id())
            .field("namespace", &self.namespace())
            .field("is_connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Socket {}
