//! One session's half of Socket.IO: packets in, handlers run, by the session's own task.

use super::ack::Ack;
use super::call::{Call, SharedParts};
use super::connect::{Admission, admission};
use super::counters::add;
use super::error::ConnectError;
use super::handler::Handling;
use super::log;
use super::reason::DisconnectReason;
use super::socket::Socket;
use super::spaces::{Entering, Spaces};
use super::table;
use crate::resource::panic::{forget, guarded};
use crate::service::client_addr::ClientAddr;
use crate::service::request::Parts;
use crate::socketio::packet::{Args, Body, Decoder, Packet, PacketError};
use crate::socketio::transport::{Application, CloseReason, Conversation, Data, Session};
use bytestring::ByteString;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::time::Instant;

/// Has a conversation with each session.
pub(super) struct Talks(pub(super) Arc<Spaces>);

impl Application for Talks {
    fn open(&self, session: &Session, parts: Parts) -> Box<dyn Conversation> {
        let spaces = self.0.clone();
        let config = &spaces.core.config;
        let client = spaces
            .keeps_addresses()
            .then(|| ClientAddr::of(&parts).ip().map(Box::new))
            .flatten();
        let parts = spaces
            .keeps_parts()
            .then(|| Arc::new(tokio::sync::Mutex::new(parts)));
        Box::new(Talk {
            session: session.clone(),
            decoder: Decoder::with_limits(config.form, config.limits()),
            sockets: Vec::new(),
            connecting: Vec::new(),
            tasks: Vec::new(),
            client,
            parts,
            deadline: Instant::now().checked_add(config.connect_timeout),
            has_connected: false,
            has_put_out: false,
            spaces,
        })
    }
}

struct Talk {
    spaces: Arc<Spaces>,
    session: Session,
    decoder: Decoder,
    sockets: Vec<Socket>,
    connecting: Vec<Connecting>,
    tasks: Vec<Task>,
    /// Where it is, if somebody wants to know.
    client: Option<Box<IpAddr>>,
    parts: Option<SharedParts>,
    /// Until when the client has to be in a namespace, or the attachments have to be there.
    deadline: Option<Instant>,
    has_connected: bool,
    /// This side has put the client out of a namespace: it may not know yet.
    has_put_out: bool,
}

/// A client that is about to be in a namespace.
struct Connecting {
    entering: Entering,
    admission: Pin<Box<dyn Future<Output = Result<Admission, ConnectError>> + Send>>,
}

/// A handler that runs.
struct Task {
    handling: Handling,
    socket: Socket,
    ack: Option<Ack>,
    /// Its part of the event's octets.
    octets: usize,
}

impl Conversation for Talk {
    fn receive(&mut self, data: Data) {
        self.put_out();
        if self.session.is_closed() {
            return;
        }
        let was_waiting = self.decoder.is_waiting();
        let read = match data {
            Data::Text(text) => self.decoder.text(text),
            Data::Binary(octets) => self.decoder.binary(octets),
        };
        let taken = match read {
            Ok(Some(packet)) => self.take(packet),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            log::malformed(&self.session, error);
            add(&self.spaces.core.counters.malformed);
            self.session.close(CloseReason::ParseError);
        }
        if was_waiting != self.decoder.is_waiting() && self.has_connected {
            self.deadline = self.attachments_until().filter(|_| !was_waiting);
        }
    }

    fn has_room(&self) -> bool {
        let config = &self.spaces.core.config;
        // One event has at most so many: a text, and its attachments.
        let most = config.max_payload.saturating_mul(2);
        self.tasks.len() + self.connecting.len() < config.max_handlers.max(1)
            && self.tasks.iter().map(|task| task.octets).sum::<usize>() <= most
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        loop {
            self.poll_connecting(cx);
            self.put_out();
            self.begin_ends();
            poll_tasks(&mut self.tasks, &self.spaces, cx);
            // A handler may have disconnected a socket: its end is told now, not when something comes.
            let has_ended = self.sockets.iter().any(|socket| socket.reason().is_some());
            let is_put_out = self.session.is_put_out() && !self.session.is_closed();
            if !has_ended && !is_put_out {
                break;
            }
        }
        if self
            .deadline
            .is_some_and(|deadline| deadline <= Instant::now())
        {
            self.deadline = None;
            add(&self.spaces.core.counters.late);
            let reason = if self.has_connected {
                CloseReason::ParseError
            } else {
                CloseReason::ForcedClose
            };
            self.session.close(reason);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn closed(
        mut self: Box<Self>,
        reason: CloseReason,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        for connecting in std::mem::take(&mut self.connecting) {
            let space = connecting.entering.space().clone();
            // What is asked about it may panic when it is dropped.
            if let Err(payload) = guarded(|| drop(connecting)) {
                forget(payload);
            }
            self.spaces.forget_empty(&space);
        }
        for socket in &self.sockets {
            socket.end(DisconnectReason::Session(reason));
        }
        self.begin_ends();
        if self.tasks.is_empty() {
            return Box::pin(std::future::ready(()));
        }
        let Self { tasks, spaces, .. } = *self;
        Box::pin(Rest { tasks, spaces })
    }
}

/// The handlers of a session that has ended go on to their end.
struct Rest {
    tasks: Vec<Task>,
    spaces: Arc<Spaces>,
}

impl Future for Rest {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { tasks, spaces } = &mut *self;
        poll_tasks(tasks, spaces, cx);
        if tasks.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

const OUT_OF_PLACE: PacketError =
    PacketError::of_server("a packet for a namespace that the client is not in");

impl Talk {
    /// Until when attachments that are announced now have to be there.
    fn attachments_until(&self) -> Option<Instant> {
        Instant::now().checked_add(self.spaces.core.config.attachment_timeout)
    }

    fn take(&mut self, packet: Packet) -> Result<(), PacketError> {
        let Packet { namespace, body } = packet;
        let is_in = |socket: &Socket| *socket.namespace_name() == namespace;
        // One that this side has put out is gone before its client can come back.
        let mut sockets = self.sockets.iter();
        if sockets.any(|socket| is_in(socket) && socket.reason().is_some()) {
            self.begin_ends();
        }
        let Some(at) = self.sockets.iter().position(is_in) else {
            return match body {
                Body::Connect(auth) => self.begin_connect(namespace, auth),
                // It was sent before the client knew.
                _ if self.has_put_out => Ok(()),
                _ => Err(OUT_OF_PLACE),
            };
        };
        let Some(socket) = self.sockets.get(at) else {
            return Ok(());
        };
        match body {
            Body::Event { name, id, args } => {
                let socket = socket.clone();
                self.event(&socket, name, id, args);
            }
            Body::Ack { id, args } => match socket.take_waiter(id) {
                Some(waiter) => waiter.take(args),
                None => add(&self.spaces.core.counters.stray_acks),
            },
            Body::Disconnect => {
                socket.end(DisconnectReason::Client);
                self.begin_ends();
            }
            Body::Connect(_) | Body::ConnectError(_) => return Err(OUT_OF_PLACE),
        }
        Ok(())
    }

    fn event(&mut self, socket: &Socket, name: ByteString, id: Option<u64>, args: Args) {
        let counters = &self.spaces.core.counters;
        add(&counters.events);
        if socket.reason().is_some() {
            return;
        }
        if let Some(admin) = self.spaces.core.admin.get() {
            admin.received(socket, &name, &args);
        }
        let handlers = socket.handlers(&name);
        let before = &socket.table().on_event;
        if handlers.is_empty() {
            add(&counters.unhandled);
            // Who is asked before hears of every event, whether somebody waits for it or not.
            if before.is_empty() {
                return;
            }
        }
        let ack = id.map(|id| Ack::new(socket.clone(), id));
        let octets = args.octets();
        let call = Call {
            ack: ack.clone(),
            parts: self.parts.clone(),
            ..socket.call(name, args)
        };
        if !before.is_empty() {
            let handling = table::in_turn(before.clone(), handlers, call);
            self.run(handling, socket, ack, octets);
        } else if let [only] = handlers.as_slice() {
            self.run(only.handle(call), socket, ack, octets);
        } else {
            // They have them together.
            let octets = octets.div_ceil(handlers.len());
            for handler in &handlers {
                self.run(handler.handle(call.clone()), socket, ack.clone(), octets);
            }
        }
    }

    /// Begins a handler. It is run as far as it gets at once, so that handlers begin in the order of events, and what they register is
    /// there for the next event; the task polls it again before it rests, and wakes it from then on.
    fn run(&mut self, handling: Handling, socket: &Socket, ack: Option<Ack>, octets: usize) {
        let mut task = Task {
            handling,
            socket: socket.clone(),
            ack,
            octets,
        };
        let mut cx = Context::from_waker(Waker::noop());
        if poll_task(&mut task, &self.spaces, &mut cx) {
            drop_task(task);
        } else {
            self.tasks.push(task);
        }
    }

    fn begin_connect(
        &mut self,
        namespace: ByteString,
        auth: Option<ByteString>,
    ) -> Result<(), PacketError> {
        let is_connecting = |one: &Connecting| one.entering.space().name == namespace;
        if self.connecting.iter().any(is_connecting) {
            return Err(OUT_OF_PLACE);
        }
        let most = self.spaces.core.config.max_namespaces;
        if self.sockets.len() + self.connecting.len() >= most {
            self.refuse(namespace, &"Too many namespaces".into());
            return Ok(());
        }
        let most = self.spaces.core.config.max_auth;
        if auth.as_ref().is_some_and(|auth| auth.len() > most) {
            self.refuse(namespace, &"Authentication too large".into());
            return Ok(());
        }
        let Some(entering) = self.spaces.wanted(&namespace) else {
            self.refuse(namespace, &"Invalid namespace".into());
            return Ok(());
        };
        let space = entering.space().clone();
        let (session, parts) = (self.session.clone(), self.parts.clone());
        let client = self.client.as_deref().copied();
        let admission = admission(space, session, auth, client, parts);
        self.connecting.push(Connecting {
            entering,
            admission: Box::pin(admission),
        });
        // As with handlers: who need not wait is connected before the next packet is looked at.
        self.poll_connecting(&mut Context::from_waker(Waker::noop()));
        Ok(())
    }

    fn refuse(&self, namespace: ByteString, error: &ConnectError) {
        let core = &self.spaces.core;
        add(&core.counters.refused);
        let packet = Packet {
            namespace,
            body: Body::ConnectError(error.object().to_string().into()),
        };
        self.session.send(&core.message(&packet));
    }

    fn poll_connecting(&mut self, cx: &mut Context<'_>) {
        let mut at = 0;
        while let Some(connecting) = self.connecting.get_mut(at) {
            let polled = guarded(|| connecting.admission.as_mut().poll(cx));
            let decided = match polled {
                Ok(Poll::Pending) => {
                    at += 1;
                    continue;
                }
                Ok(Poll::Ready(decided)) => decided,
                Err(payload) => {
                    forget(payload);
                    add(&self.spaces.core.counters.panics);
                    Err("Internal error".into())
                }
            };
            let Connecting { entering, .. } = self.connecting.remove(at);
            let space = entering.space().clone();
            match decided {
                Err(error) => {
                    self.refuse(space.name.clone(), &error);
                    drop(entering);
                    self.spaces.forget_empty(&space);
                }
                Ok(admission) => {
                    if !self.has_connected {
                        self.has_connected = true;
                        // An event may have come before, whose attachments are missing.
                        let is_waiting = self.decoder.is_waiting();
                        self.deadline = self.attachments_until().filter(|_| is_waiting);
                    }
                    self.admit(admission);
                }
            }
        }
    }

    fn admit(&mut self, admission: Admission) {
        let Admission {
            socket,
            hello,
            restored,
        } = admission;
        let counters = &self.spaces.core.counters;
        add(&counters.connected);
        if restored.is_some() {
            add(&counters.recovered);
        }
        socket.space().admit(&socket, hello, restored);
        self.sockets.push(socket.clone());
        for handler in &socket.table().clone().connection {
            let call = Call {
                parts: self.parts.clone(),
                ..socket.call(ByteString::from_static("connection"), Args::default())
            };
            self.run(handler.handle(call), &socket, None, 0);
        }
    }

    /// Puts the client out of all its namespaces and ends the session, when somebody has asked for that.
    fn put_out(&mut self) {
        if !self.session.is_put_out() || self.session.is_closed() {
            return;
        }
        for socket in &self.sockets {
            socket.end(DisconnectReason::Server);
        }
        self.begin_ends();
        self.session.close(CloseReason::ForcedClose);
    }

    /// Calls the handlers of sockets that are no longer connected, in the order in which they came. Clients that do not know yet are told.
    fn begin_ends(&mut self) {
        let mut at = 0;
        while let Some(socket) = self.sockets.get(at) {
            let Some(reason) = socket.reason() else {
                at += 1;
                continue;
            };
            let socket = self.sockets.remove(at);
            if reason == DisconnectReason::Server {
                self.has_put_out = true;
                socket.tell_disconnected();
            }
            for handler in socket.take_disconnect_handlers() {
                let call = Call {
                    reason: Some(reason),
                    parts: self.parts.clone(),
                    ..socket.call(ByteString::from_static("disconnect"), Args::default())
                };
                self.run(handler.handle(call), &socket, None, 0);
            }
            socket.forget_rooms();
            self.spaces.forget_empty(socket.space());
        }
    }
}

/// Goes on with handlers, in the order in which they began.
fn poll_tasks(tasks: &mut Vec<Task>, spaces: &Spaces, cx: &mut Context<'_>) {
    let mut at = 0;
    while let Some(task) = tasks.get_mut(at) {
        if poll_task(task, spaces, cx) {
            drop_task(tasks.remove(at));
        } else {
            at += 1;
        }
    }
}

/// Whether a handler has come to its end.
fn poll_task(task: &mut Task, spaces: &Spaces, cx: &mut Context<'_>) -> bool {
    match guarded(|| task.handling.as_mut().poll(cx)) {
        Ok(Poll::Pending) => return false,
        Ok(Poll::Ready(given)) => finish(task, given, spaces),
        Err(payload) => {
            forget(payload);
            add(&spaces.core.counters.panics);
            log::panicked();
        }
    }
    true
}

/// What a handler leaves may panic when it is dropped.
fn drop_task(task: Task) {
    if let Err(payload) = guarded(|| drop(task)) {
        forget(payload);
    }
}

fn finish(task: &Task, given: Result<Option<Args>, ConnectError>, spaces: &Spaces) {
    let answer = match given {
        Ok(answer) => answer,
        Err(error) => {
            add(&spaces.core.counters.failed);
            log::failed(&task.socket, &error);
            let answer = Args::new(error.answer());
            answer.ok().filter(|_| task.ack.is_some())
        }
    };
    if let (Some(answer), Some(ack)) = (answer, &task.ack) {
        // A socket that has gone gets no answer.
        let _ = ack.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an idle client costs beside its connection is these two, the places of its rooms, and what its session has.
    #[test]
    fn an_idle_client_is_small() {
        assert!(size_of::<Talk>() <= 240);
        const { assert!(Socket::SIZE <= 320) };
    }
}
