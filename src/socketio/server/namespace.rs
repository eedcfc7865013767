//! Namespaces, for programs.

use super::ack::Answer;
use super::broadcast::{Broadcast, BroadcastAnswer};
use super::error::{ConnectError, EmitError};
use super::handler::{Erased, EventHandler, IntoAnswer};
use super::socket::Socket;
use super::space::Space;
use super::spaces::Spaces;
use super::table::Table;
use crate::socketio::packet::{Args, ToArgs};
use bytestring::ByteString;
use serde_json::Value;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// A namespace: its handlers, and its sockets. Cloning it gives another handle to the same.
///
/// Handlers count for sockets that connect from then on. What is sent with it goes to all sockets of the namespace, or to those that
/// [`to`](Self::to) and [`except`](Self::except) choose.
///
/// ```
/// use wireline::socketio::server::{Data, Socket, SocketIo};
///
/// let io = SocketIo::new();
/// let admin = io.of("/admin");
/// admin.use_auth(async |auth: serde_json::Value| {
///     if auth["token"] == "secret" { Ok(auth) } else { Err("not authorized") }
/// });
/// admin.on("kick", async |socket: Socket, Data(room): Data<String>| {
///     let _ = socket.to(room).emit("kicked", ());
/// });
/// ```
#[derive(Clone)]
pub struct Namespace {
    pub(super) space: Arc<Space>,
    pub(super) spaces: Arc<Spaces>,
}

impl Namespace {
    /// Its name; of those that a pattern makes, the pattern.
    pub fn name(&self) -> &str {
        &self.space.name
    }

    fn change(&self, change: impl FnOnce(&mut Table)) -> &Self {
        self.space.terms.change(change);
        let table = self.space.terms.now();
        if table.needs_parts() {
            self.spaces.keep_parts();
        }
        if table.authenticates_addresses {
            self.spaces.keep_addresses();
        }
        self
    }

    /// Calls a handler for each socket that connects. What it registers with the socket before its first `await` misses no event.
    pub fn on_connection<Parts: 'static>(&self, handler: impl EventHandler<Parts>) -> &Self {
        self.change(|table| table.connection.push(Arc::new(Erased::new(handler))))
    }

    /// Calls a handler for each event of this name, of every socket. What it gives back answers the event, if an answer is waited
    /// for: see [`IntoAnswer`].
    ///
    /// ```
    /// use serde_json::Value;
    /// use wireline::socketio::packet::Args;
    /// use wireline::socketio::server::{Data, Socket, SocketIo};
    ///
    /// let io = SocketIo::new();
    /// io.on("length", async |Data(text): Data<String>| Data(text.len()));
    /// io.on("echo", async |socket: Socket, args: Args| {
    ///     let _ = socket.emit("echo", args);
    /// });
    /// io.on("find", async |Data(name): Data<String>| -> Option<Value> {
    ///     (name == "me").then(|| "here".into())
    /// });
    /// ```
    pub fn on<Parts: 'static>(&self, event: &str, handler: impl EventHandler<Parts>) -> &Self {
        self.change(|table| {
            let handlers = table.events.entry(event.into()).or_default();
            handlers.push(Arc::new(Erased::new(handler)));
        })
    }

    /// Calls a handler for every event of every socket, before those of its name.
    pub fn on_any<Parts: 'static>(&self, handler: impl EventHandler<Parts>) -> &Self {
        self.change(|table| table.any.push(Arc::new(Erased::new(handler))))
    }

    /// Calls a handler for each socket that is no longer connected.
    pub fn on_disconnect<Parts: 'static>(&self, handler: impl EventHandler<Parts>) -> &Self {
        self.change(|table| table.disconnect.push(Arc::new(Erased::new(handler))))
    }

    /// Lets a function decide who may connect, by what the client says to do so: what it gives becomes [`Socket::auth`], of an error
    /// the client gets message and data. Without one everybody may.
    ///
    /// ```
    /// use serde_json::{Value, json};
    /// use wireline::socketio::server::{ConnectError, SocketIo};
    ///
    /// let io = SocketIo::new();
    /// io.use_auth(async |auth: Value| {
    ///     let Some(name) = auth["name"].as_str() else {
    ///         return Err(ConnectError::new("who?").with_data(json!({"retry": true})));
    ///     };
    ///     Ok(json!({"user": name}))
    /// });
    /// ```
    pub fn use_auth<F, Fut, E>(&self, authenticate: F) -> &Self
    where
        F: Fn(Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, E>> + Send + 'static,
        E: Into<ConnectError>,
    {
        self.change(|table| {
            table.authenticate = Some(Arc::new(move |auth, _| {
                let decided = authenticate(auth);
                Box::pin(async move { decided.await.map_err(Into::into) })
            }));
            table.authenticates_addresses = false;
        })
    }

    /// The same by where the client is as well.
    pub(super) fn use_auth_of_clients<F, Fut>(&self, authenticate: F)
    where
        F: Fn(Value, Option<IpAddr>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, ConnectError>> + Send + 'static,
    {
        self.change(|table| {
            table.authenticate = Some(Arc::new(move |auth, client| {
                Box::pin(authenticate(auth, client))
            }));
            table.authenticates_addresses = true;
        });
    }

    /// Asks a handler before a socket is connected, behind the authentication: an error refuses the client. What is joined here counts
    /// once the socket is connected.
    pub fn use_middleware<Parts: 'static>(&self, handler: impl EventHandler<Parts>) -> &Self {
        self.change(|table| table.on_connect.push(Arc::new(Erased::new(handler))))
    }

    /// Asks a handler before each event: with an error no other handler sees it, and who waits for an answer gets
    /// `{"error": message}`, with the error's data if there is some.
    ///
    /// The handlers of an event run one after the other then.
    pub fn use_event_middleware<Parts: 'static>(&self, handler: impl EventHandler<Parts>) -> &Self {
        self.change(|table| table.on_event.push(Arc::new(Erased::new(handler))))
    }

    /// Calls a function for each event of this name that another server emits to servers.
    pub fn on_server_event<F, Fut>(&self, event: &str, handler: F) -> &Self
    where
        F: Fn(Args) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IntoAnswer,
    {
        self.change(|table| {
            let handler = Arc::new(move |args| -> super::handler::Handling {
                let handled = handler(args);
                Box::pin(async move { handled.await.into_answer() })
            });
            table.server_events.insert(event.into(), handler);
        })
    }

    /// All of its sockets.
    pub fn all(&self) -> Broadcast {
        Broadcast::new(self.space.clone())
    }

    /// Its sockets in a room. A socket's id is a room that it is in.
    pub fn to(&self, room: impl Into<ByteString>) -> Broadcast {
        self.all().to(room)
    }

    /// All but those in a room.
    pub fn except(&self, room: impl Into<ByteString>) -> Broadcast {
        self.all().except(room)
    }

    /// Those of this node only.
    pub fn local(&self) -> Broadcast {
        self.all().local()
    }

    /// What is sent with this is dropped for those it cannot be written to at once.
    pub fn volatile(&self) -> Broadcast {
        self.all().volatile()
    }

    /// Sends an event to all of its sockets.
    ///
    /// # Errors
    ///
    /// [`EmitError`] says why it is not sent.
    pub fn emit(&self, event: &str, data: impl ToArgs) -> Result<(), EmitError> {
        self.all().emit(event, data)
    }

    /// Sends an event to all of its sockets, and waits for their answers with `.await`.
    pub fn emit_with_ack(&self, event: &str, data: impl ToArgs) -> BroadcastAnswer {
        self.all().emit_with_ack(event, data)
    }

    /// The socket with this id, if it is connected to this node.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.space.get(id)
    }

    /// Not more than so many sockets of this node, whichever: for those who watch, where there may be more than they can look at.
    pub fn some_sockets(&self, most: usize) -> Vec<Socket> {
        self.space.some(most)
    }

    /// How many sockets of this node there are.
    pub fn len(&self) -> usize {
        self.space.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rooms that somebody on this node is in.
    pub fn rooms(&self) -> Vec<ByteString> {
        self.space.rooms()
    }

    /// Asks a socket of this node, and waits for its answer with `.await`; as [`Socket::emit_with_ack`].
    pub fn ask(&self, id: &str, event: &str, data: impl ToArgs) -> Answer {
        match self.socket(id) {
            Some(socket) => socket.emit_with_ack(event, data),
            None => Answer::failed(EmitError::Disconnected),
        }
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.name())
            .field("sockets", &self.len())
            .finish_non_exhaustive()
    }
}
