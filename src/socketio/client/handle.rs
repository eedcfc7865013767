//! The handle of a namespace.

use crate::socketio::client::builder::{Builder, NamespaceBuilder};
use crate::socketio::client::core::emit::{Emit, NotTaken, Taken};
use crate::socketio::client::emit::EmitWithAck;
use crate::socketio::client::error::{AckError, ConnectError, DisconnectReason, EmitError};
use crate::socketio::client::handlers::Handlers;
use crate::socketio::client::shared::{Shared, State};
use crate::socketio::client::{Counters, Status, TransportName};
use crate::socketio::packet::{Args, RESERVED, ToArgs};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// A client of a Socket.IO server, in one namespace. Cloning it gives another handle to the same.
///
/// Namespaces of one client share a connection, see [`of`](Self::of). A task of its own drives it, spawned on the runtime that
/// made it: the client comes back when the connection is lost, and sends then what was emitted meanwhile. It is disconnected
/// when its last handle was dropped; handlers that hold one hold it alive, those that take it as an argument do not.
///
/// ```no_run
/// use wireline::socketio::client::{Data, SocketIoClient};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = SocketIoClient::builder("http://localhost:3000")
///     .on("news", async |Data(text): Data<String>| println!("{text}"))
///     .connect()
///     .await?;
/// client.emit("hello", "world")?;
/// let sum: i64 = client.emit_with_ack("sum", (1, 2)).await?;
/// assert_eq!(sum, 3);
/// client.disconnect();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SocketIoClient {
    handle: Arc<Handle>,
}

/// What the handles of a namespace hold. Dropping it gives the namespace up.
pub(super) struct Handle {
    root: Arc<Root>,
    id: u32,
    namespace: String,
    handlers: Arc<Handlers>,
    status: watch::Receiver<Status>,
}

/// What the namespaces of a client hold. Dropping it ends the client.
pub(super) struct Root {
    pub(super) shared: Arc<Shared>,
    pub(super) ack_timeout: Duration,
    pub(super) retries: u32,
}

impl SocketIoClient {
    /// Connects to the main namespace, or to the one that is the URL's path: `http://localhost:3000/admin`. The scheme is
    /// `http`, `https`, `ws` or `wss`.
    ///
    /// What the server sends at once finds no handler yet: [`builder`](Self::builder) takes them before.
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], also when it might work later: [`Builder::start`] goes on trying.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time and I/O enabled.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder(url).connect().await
    }

    /// Connects to a namespace. As [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there.
    pub async fn connect_to(url: &str, namespace: &str) -> Result<Self, ConnectError> {
        Self::builder(url).namespace(namespace).connect().await
    }

    /// Connects, and signs in with a value that becomes a JSON object. As [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there.
    pub async fn connect_with_auth<A>(url: &str, auth: &A) -> Result<Self, ConnectError>
    where
        A: Serialize + Sync + ?Sized,
    {
        Self::builder(url).auth(auth).connect().await
    }

    /// Connects to a namespace, and signs in. As [`connect_with_auth`](Self::connect_with_auth).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there.
    pub async fn connect_to_with_auth<A>(
        url: &str,
        namespace: &str,
        auth: &A,
    ) -> Result<Self, ConnectError>
    where
        A: Serialize + Sync + ?Sized,
    {
        let builder = Self::builder(url).namespace(namespace).auth(auth);
        builder.connect().await
    }

    /// Begins with a client of the server at this URL.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url.into())
    }

    /// Begins with another namespace over the same connection.
    pub fn of(&self, namespace: &str) -> NamespaceBuilder {
        NamespaceBuilder::new(self.handle.root.clone(), namespace)
    }

    /// Sends an event: a tuple is several arguments, the unit none, everything else one;
    /// [`Binary`](crate::socketio::packet::Binary) in it travels as octets. Without a connection it waits for one, within the
    /// bounds of the builder. What was given to a connection that is lost may be lost with it.
    ///
    /// # Errors
    ///
    /// [`EmitError`]: it was not taken.
    pub fn emit(&self, event: &str, value: impl ToArgs) -> Result<(), EmitError> {
        let emit = emit(event, value, None, false)?;
        let outgoing = self.outgoing(&emit);
        self.with(|state, now| state.core.emit(now, self.handle.id, emit))?;
        outgoing();
        Ok(())
    }

    /// Sends an event if it can be sent at once, and drops it otherwise; says whether it was sent.
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit).
    pub fn emit_volatile(&self, event: &str, value: impl ToArgs) -> Result<bool, EmitError> {
        let emit = emit(event, value, None, true)?;
        let outgoing = self.outgoing(&emit);
        match self.with(|state, now| state.core.emit(now, self.handle.id, emit)) {
            Ok(Taken::Dropped) => Ok(false),
            Ok(Taken::Yes(_)) => {
                outgoing();
                Ok(true)
            }
            Err(NotTaken::Disconnected) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends an event and waits for its answer, which is read as [`Args::to`] reads: a tuple takes several arguments,
    /// everything else the first one.
    ///
    /// Nothing is sent before it is awaited. Dropping it then leaves the event sent, and its answer is dropped.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # async fn run(client: wireline::socketio::client::SocketIoClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let answer: serde_json::Value = client.emit_with_ack("question", "why?").await?;
    /// let (status, count): (String, u32) =
    ///     client.emit_with_ack("store", &[1, 2]).timeout(Duration::from_secs(2)).retries(3).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`AckError`]
    pub fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        value: impl ToArgs,
    ) -> EmitWithAck<T> {
        let root = &self.handle.root;
        let emit = emit(event, value, Some(root.ack_timeout), false);
        EmitWithAck::new(self.clone(), emit, root.retries)
    }

    /// Disconnects the namespace, behind what was sent, and gives up what waits to be sent. The connection ends with its last
    /// namespace. [`open`](Self::open) connects it again.
    pub fn disconnect(&self) {
        self.with(|state, now| state.core.leave(now, self.handle.id));
        self.with(|state, _| {
            if let Some(seat) = state.spaces.get_mut(&self.handle.id) {
                seat.left();
            }
        });
    }

    /// Connects the namespace again after it was disconnected by either side, refused, or given up; waits for the first
    /// outcome. It waits also when it is being connected already, and is done at once when it is connected.
    ///
    /// Cancel safe: connecting goes on.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], also when the client goes on trying.
    pub async fn open(&self) -> Result<(), ConnectError> {
        let (opener, opened) = oneshot::channel();
        self.with(|state, now| {
            let Some(seat) = state.spaces.get_mut(&self.handle.id) else {
                return;
            };
            if matches!(*seat.status.borrow(), Status::Connected) {
                let _ = opener.send(Ok(()));
                return;
            }
            seat.openers.push(opener);
            seat.status.send_replace(Status::Connecting);
            state.core.open(now, self.handle.id);
        });
        opened.await.unwrap_or(Err(ConnectError::Ended))
    }

    /// Waits until the namespace is connected.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: it is disconnected, and does not come back by itself.
    pub async fn connected(&self) -> Result<(), ConnectError> {
        let mut status = self.handle.status.clone();
        let found = status.wait_for(|status| !matches!(status, Status::Connecting));
        match found.await.as_deref() {
            Ok(Status::Connected) => Ok(()),
            Ok(Status::Failed(error)) => Err(error.clone()),
            Ok(Status::Disconnected(reason)) => Err(ConnectError::Lost(*reason)),
            Ok(Status::Connecting) | Err(_) => Err(ConnectError::Ended),
        }
    }

    /// Waits until the namespace is disconnected and does not come back by itself; gives how it ended.
    ///
    /// Cancel safe.
    pub async fn closed(&self) -> Status {
        let mut status = self.handle.status.clone();
        let found =
            status.wait_for(|status| matches!(status, Status::Disconnected(_) | Status::Failed(_)));
        match found.await {
            Ok(status) => status.clone(),
            Err(_) => Status::Disconnected(DisconnectReason::Client),
        }
    }

    /// Disconnects every namespace of the client, and waits until what was sent is on its way and the connection is closed.
    ///
    /// Cancel safe: once it was polled, the client ends.
    pub async fn shut_down(self) {
        self.with(|state, now| state.core.shut_down(now));
        let shared = self.handle.root.shared.clone();
        drop(self);
        shared.finished().await;
    }

    /// How the namespace stands now.
    pub fn status(&self) -> Status {
        self.handle.status.borrow().clone()
    }

    /// Whether the namespace is connected.
    pub fn is_connected(&self) -> bool {
        matches!(*self.handle.status.borrow(), Status::Connected)
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.handle.namespace
    }

    /// The id that the server knows the socket by, while it is connected. It is another one after a reconnection, unless the
    /// server recovered the session.
    pub fn id(&self) -> Option<String> {
        let seat = |state: &State| state.spaces.get(&self.handle.id)?.sid.clone();
        let sid = self.handle.root.shared.look(seat);
        sid.map(|sid| sid.to_string())
    }

    /// Whether the last connection has gone on with the session before it: the server kept the socket's id and rooms, and has
    /// sent what was missed.
    pub fn recovered(&self) -> bool {
        let seat = |state: &State| {
            state
                .spaces
                .get(&self.handle.id)
                .is_some_and(|seat| seat.recovered)
        };
        self.handle.root.shared.look(seat)
    }

    /// The transport of the connection, while there is one.
    pub fn transport(&self) -> Option<TransportName> {
        self.handle.root.shared.look(|state| state.transport)
    }

    /// What went wrong without anybody being told.
    pub fn counters(&self) -> Counters {
        self.handle.root.shared.look(|state| Counters {
            ignored: state.core.ignored(),
            rejected: state.rejected,
            panics: state.panics,
        })
    }

    pub(super) fn new(handle: Arc<Handle>) -> Self {
        Self { handle }
    }

    pub(super) fn handlers(&self) -> &Handlers {
        &self.handle.handlers
    }

    /// Answers an event that came over the connection of this number.
    pub(super) fn reply(&self, connection: u64, ack: u64, args: Args) {
        self.with(|state, _| {
            if state.core.connections() == connection {
                state.core.reply(self.handle.id, ack, args);
            }
        });
    }

    /// Sends an event, and waits for the answer.
    pub(super) async fn ask(&self, emit: Emit) -> Result<Args, AckError> {
        let (sender, receiver) = oneshot::channel();
        let id = self.handle.id;
        let outgoing = self.outgoing(&emit);
        let ack = self.with(|state, now| match state.core.emit(now, id, emit)? {
            Taken::Yes(Some(ack)) => {
                state.waiters.insert((id, ack), sender);
                Ok(ack)
            }
            Taken::Yes(None) | Taken::Dropped => Err(EmitError::Disconnected),
        })?;
        let mut asked = Asked {
            client: self,
            ack: Some(ack),
        };
        outgoing();
        let answer = receiver.await;
        asked.ack = None;
        answer.unwrap_or(Err(AckError::Disconnected))
    }

    fn with<T>(&self, change: impl FnOnce(&mut State, std::time::Instant) -> T) -> T {
        self.handle.root.with(change)
    }
}

impl fmt::Debug for SocketIoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketIoClient")
            .field("namespace", &self.namespace())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Handle {
    pub(super) fn new(
        root: Arc<Root>,
        id: u32,
        namespace: String,
        handlers: Arc<Handlers>,
        status: watch::Receiver<Status>,
    ) -> Self {
        Self {
            root,
            id,
            namespace,
            handlers,
            status,
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.root.with(|state, now| {
            state.core.remove(now, self.id);
            state.spaces.remove(&self.id);
        });
    }
}

impl Root {
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State, std::time::Instant) -> T) -> T {
        self.shared.with(Instant::now().into_std(), change)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.with(|state, now| state.core.shut_down(now));
    }
}

/// A question whose answer nobody waits for any more is forgotten.
struct Asked<'a> {
    client: &'a SocketIoClient,
    ack: Option<u64>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(ack) = self.ack {
            let id = self.client.handle.id;
            self.client.with(|state, _| {
                state.waiters.remove(&(id, ack));
                state.core.forget(id, ack);
            });
        }
    }
}

fn emit(
    event: &str,
    value: impl ToArgs,
    ack: Option<Duration>,
    is_volatile: bool,
) -> Result<Emit, EmitError> {
    if RESERVED.contains(&event) {
        return Err(EmitError::Reserved);
    }
    let args = (value.to_args()).map_err(|error| EmitError::Payload(error.to_string()))?;
    Ok(Emit {
        name: event.into(),
        args,
        ack,
        is_volatile,
    })
}

impl From<NotTaken> for EmitError {
    fn from(not: NotTaken) -> Self {
        match not {
            NotTaken::TooLarge => Self::TooLarge,
            NotTaken::Full => Self::Full,
            NotTaken::Disconnected => Self::Disconnected,
        }
    }
}
