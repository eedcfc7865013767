//! A namespace as it is here: its sockets, and what is done to some of them.
//!
//! Whatever may concern sockets of other nodes as well comes here as a [`Target`], from this node and from others alike.

use super::ack::Waiter;
use super::admin::Desk;
use super::config::SocketIoConfig;
use super::counters::Counters;
use super::id::SocketId;
use super::members::Members;
use super::recovery::{Recovery, Restored, Ticket};
use super::socket::Socket;
use super::table::Terms;
use crate::relay::groups::Groups;
use crate::relay::hub::{Hub, Topic};
use crate::socketio::adapter::Adapter;
use crate::socketio::packet::{Args, Body, Encoded, Packet};
use crate::socketio::transport::Outgoing;
use bytestring::ByteString;
use http::Extensions;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// Stands between a namespace and a room in the name of a topic; no name of a namespace has it.
pub(super) const SEPARATOR: char = '\0';

/// What all namespaces share.
pub(super) struct Core {
    pub(super) hub: Hub<Outgoing>,
    pub(super) groups: Groups<Outgoing>,
    pub(super) config: SocketIoConfig,
    pub(super) counters: Counters,
    /// The way to other nodes.
    pub(super) adapter: OnceLock<Arc<dyn Adapter>>,
    /// Who watches.
    pub(super) admin: OnceLock<Arc<Desk>>,
}

impl Core {
    /// The same, which is compressed for nobody if it is plain.
    pub(super) fn message_as(&self, packet: &Packet, is_plain: bool) -> Outgoing {
        let message = self.message(packet);
        if is_plain {
            message.uncompressed()
        } else {
            message
        }
    }

    /// A packet as everybody gets it.
    pub(super) fn message(&self, packet: &Packet) -> Outgoing {
        match packet.encode(self.config.form) {
            Encoded::Text { text, attachments } => Outgoing::with_attachments(&text, attachments),
            Encoded::Binary(octets) => Outgoing::binary(octets),
        }
    }
}

/// Which sockets of a namespace are meant, and how something is sent to them.
#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    /// Those in one of these rooms, each once; all if there is none here. A socket's id is a room that it is in.
    pub(super) rooms: Vec<ByteString>,
    /// But for those in one of these.
    pub(super) except: Vec<ByteString>,
    pub(super) is_volatile: bool,
    /// It is compressed for nobody.
    pub(super) is_plain: bool,
}

/// Who is asked and who is not, the number of the question, and the answers.
pub(super) type Asked = (
    Vec<Socket>,
    Vec<Socket>,
    u64,
    mpsc::Receiver<(ByteString, Args)>,
);

pub(super) struct Space {
    pub(super) name: ByteString,
    /// All of its sockets.
    pub(super) topic: Topic,
    pub(super) core: Arc<Core>,
    pub(super) terms: Terms,
    /// Whether it goes with its last socket.
    pub(super) is_dynamic: bool,
    /// Its sockets by their numbers, and who is about to be one.
    pub(super) members: Members<Socket>,
    acks: AtomicU64,
    recovery: Option<Box<Recovery>>,
}

impl Space {
    pub(super) fn new(name: ByteString, core: Arc<Core>, terms: Terms, is_dynamic: bool) -> Self {
        let recovery = core
            .config
            .recovery
            .map(|config| Box::new(Recovery::new(config)));
        Self {
            topic: Topic::of_own(&format!("{name}{SEPARATOR}")),
            name,
            core,
            terms,
            is_dynamic,
            members: Members::default(),
            acks: AtomicU64::new(0),
            recovery,
        }
    }

    pub(super) fn topic_of(&self, room: &str) -> Topic {
        Topic::of_own(&format!("{}{SEPARATOR}{room}", self.name))
    }

    /// The room of a topic; empty for all of the namespace.
    pub(super) fn room_of<'a>(&self, topic: &'a Topic) -> Option<&'a str> {
        topic.as_str().get(self.name.len() + SEPARATOR.len_utf8()..)
    }

    pub(super) fn next_ack(&self) -> u64 {
        self.acks.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn insert(&self, socket: &Socket) {
        self.members.insert(socket.number(), socket.clone());
    }

    pub(super) fn remove(&self, number: u64) {
        drop(self.members.remove(number));
    }

    pub(super) fn len(&self) -> usize {
        self.members.all().len()
    }

    /// Whether it was there for its sockets, has none, and nobody is about to come, or may come back.
    pub(super) fn is_idle(&self) -> bool {
        self.is_dynamic
            && self.members.is_left()
            && (self.recovery.as_ref()).is_none_or(|recovery| recovery.is_idle())
    }

    pub(super) fn get(&self, id: &str) -> Option<Socket> {
        let id = SocketId::parse(id)?;
        let socket = self.members.all().get(&id.number()).cloned()?;
        (socket.id() == id.as_str()).then_some(socket)
    }

    pub(super) fn all(&self) -> Vec<Socket> {
        self.members.all().values().cloned().collect()
    }

    /// Not more than so many of its sockets, whichever.
    pub(super) fn some(&self, most: usize) -> Vec<Socket> {
        self.members.all().values().take(most).cloned().collect()
    }

    /// Sends to sockets here, each once, behind what was sent to them before.
    pub(super) fn broadcast(&self, target: &Target, packet: Packet) {
        match &self.recovery {
            Some(recovery) if !target.is_volatile => {
                recovery.log(target, packet, &self.core, |message| {
                    self.cast(target, message)
                });
            }
            _ => self.cast(target, &self.core.message_as(&packet, target.is_plain)),
        }
    }

    fn cast(&self, target: &Target, message: &Outgoing) {
        let Target {
            rooms,
            except,
            is_volatile,
            ..
        } = target;
        if !is_volatile && let [] | [_] = except.as_slice() {
            // Who sends: one socket that is left out costs nothing.
            let but = match except.first() {
                None => Some(None),
                Some(id) => self.get(id).map(|socket| Some(socket.number())),
            };
            let topic = match rooms.as_slice() {
                [] => Some(self.topic.clone()),
                [room] if !room.is_empty() && self.get(room).is_none() => Some(self.topic_of(room)),
                _ => None,
            };
            if let (Some(but), Some(topic)) = (but, topic) {
                self.core.hub.publish(&topic, message.clone(), but, 0);
                return;
            }
        }
        for socket in self.choose(target) {
            socket.send_message(message, *is_volatile);
        }
    }

    /// Sends an event to one socket, and keeps it for when that comes back.
    pub(super) fn log_for(&self, socket: &Socket, packet: Packet, is_plain: bool) {
        let target = Target {
            rooms: vec![socket.id().into()],
            is_plain,
            ..Target::default()
        };
        match &self.recovery {
            None => socket.send_message(&self.core.message_as(&packet, is_plain), false),
            Some(recovery) => recovery.log(&target, packet, &self.core, |message| {
                socket.send_message(message, false);
            }),
        }
    }

    /// Sends an event to sockets here, whose answers go to the receiver; gives who they are, and who waits for too much to be asked.
    pub(super) fn broadcast_with_acks(&self, target: &Target, event: &str, args: &Args) -> Asked {
        let sockets = self.choose(target);
        let (sender, receiver) = mpsc::channel(sockets.len().max(1));
        let id = self.next_ack();
        let packet = Packet::event(self.name.clone(), Some(id), event.into(), args.clone());
        let message = self.core.message_as(&packet, target.is_plain);
        let (sockets, refused): (Vec<_>, Vec<_>) = sockets.into_iter().partition(|socket| {
            let waiter = Waiter::Many(socket.id().into(), sender.clone());
            socket.wait_for(id, waiter).is_ok()
        });
        for socket in &sockets {
            socket.send_message(&message, target.is_volatile);
        }
        (sockets, refused, id, receiver)
    }

    /// The sockets that are meant.
    pub(super) fn choose(&self, target: &Target) -> Vec<Socket> {
        let mut chosen = if target.rooms.is_empty() {
            self.all()
        } else {
            let numbers = self.members(&target.rooms);
            let sockets = self.members.all();
            let found = numbers.iter().filter_map(|number| sockets.get(number));
            found.cloned().collect()
        };
        if !target.except.is_empty() {
            let but = self.members(&target.except);
            chosen.retain(|socket| !but.contains(&socket.number()));
        }
        chosen
    }

    fn members(&self, rooms: &[ByteString]) -> HashSet<u64> {
        let mut numbers = HashSet::new();
        for room in rooms {
            if let Some(socket) = self.get(room) {
                numbers.insert(socket.number());
            }
            if !room.is_empty() {
                numbers.extend(self.core.hub.members(&self.topic_of(room)));
            }
        }
        numbers
    }

    pub(super) fn join(&self, who: &Target, rooms: &[ByteString]) {
        for socket in self.choose(who) {
            rooms.iter().for_each(|room| socket.join(room.clone()));
        }
    }

    pub(super) fn leave(&self, who: &Target, rooms: &[ByteString]) {
        for socket in self.choose(who) {
            rooms.iter().for_each(|room| socket.leave(room));
        }
    }

    pub(super) fn disconnect(&self, who: &Target, close: bool) {
        for socket in self.choose(who) {
            socket.disconnect(close);
        }
    }

    /// The rooms that somebody here is in.
    pub(super) fn rooms(&self) -> Vec<ByteString> {
        let sockets = self.all();
        let rooms: HashSet<ByteString> = sockets.iter().flat_map(Socket::rooms).collect();
        rooms.into_iter().collect()
    }

    /// Whether what is sent is kept for who comes back.
    pub(super) const fn is_recoverable(&self) -> bool {
        self.recovery.is_some()
    }

    /// Something to come back with, if one can.
    pub(super) fn ticket(&self) -> Option<Ticket> {
        let halves = (SocketId::random()?, SocketId::random()?);
        Some(Ticket {
            private_id: format!("{}{}", halves.0.as_str(), halves.1.as_str()).into(),
            since: self.recovery.as_ref()?.last(),
        })
    }

    pub(super) fn persist(
        &self,
        ticket: Ticket,
        id: SocketId,
        rooms: Vec<ByteString>,
        auth: &Value,
        extensions: Option<Box<Extensions>>,
    ) {
        if let Some(recovery) = &self.recovery {
            recovery.persist(ticket, id, rooms, auth, extensions);
        }
    }

    /// Whether somebody with what is said to connect would be let in again.
    pub(super) fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_deref()
    }

    /// A socket is connected: it is told so, and gets everything from now on; one that comes back gets what it has missed before that.
    pub(super) fn admit(&self, socket: &Socket, hello: Value, restored: Option<Restored>) {
        let packet = Packet {
            namespace: self.name.clone(),
            body: Body::Connect(Some(hello.to_string().into())),
        };
        // An adapter that was set outside a runtime begins here.
        self.core.take(&self.name);
        let hello = self.core.message(&packet);
        socket.send_message(&hello, false);
        self.insert(socket);
        let mut is_in = false;
        match (restored, &self.recovery) {
            (Some(restored), Some(recovery)) => recovery.catch_up(
                restored,
                || is_in = socket.connect(),
                |message| socket.send_missed(message),
            ),
            _ => is_in = socket.connect(),
        }
        if !is_in {
            // It was disconnected before.
            self.remove(socket.number());
            socket.tell_disconnected();
            return;
        }
        if let Some(admin) = self.core.admin.get() {
            admin.connected(socket);
        }
    }
}
