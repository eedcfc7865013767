//! What a handler is called with, and what it takes from that.

use super::ack::Ack;
use super::error::ConnectError;
use super::reason::DisconnectReason;
use super::socket::Socket;
use crate::service::handler::{FromRequestParts, RouteCheck};
use crate::service::request::Parts;
use crate::service::response::IntoResponse;
use crate::socketio::packet::Args;
use bytestring::ByteString;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The head of the request that opened a session, for the extractors of handlers.
pub(super) type SharedParts = Arc<Mutex<Parts>>;

/// What a handler is called with: an event of a socket, or that it has come or gone.
///
/// ```
/// use wireline::Router;
/// use wireline::socketio::server::{Call, SocketIo};
/// # use wireline::test::TestClient;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let io = SocketIo::new();
/// io.on_any(async |call: Call| {
///     let _ = call.socket().emit("heard", (call.name(), call.args().array()));
/// });
/// # let client = TestClient::new(Router::new().socket_io(&io).build().unwrap());
/// # let mut socket = client.websocket("/socket.io/?EIO=4&transport=websocket").await;
/// # socket.recv().await.unwrap().unwrap();
/// # socket.send("40").await.unwrap();
/// # socket.recv().await.unwrap().unwrap();
/// socket.send(r#"42["add",1,2]"#).await.unwrap();
/// let heard = socket.recv().await.unwrap().unwrap();
/// assert_eq!(heard.as_text(), Some(r#"42["heard","add","[1,2]"]"#));
/// # }
/// ```
#[derive(Clone)]
pub struct Call {
    pub(super) socket: Socket,
    pub(super) name: ByteString,
    pub(super) args: Args,
    pub(super) ack: Option<Ack>,
    pub(super) reason: Option<DisconnectReason>,
    pub(super) parts: Option<SharedParts>,
}

impl Call {
    /// The socket.
    pub const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The name of the event; `connection`, `disconnect`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it carries.
    pub const fn args(&self) -> &Args {
        &self.args
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("socket", &self.socket)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// An argument of a handler: [`Socket`], [`Data`], [`Args`], [`Ack`], [`Auth`], [`EventName`], [`DisconnectReason`], [`Call`], and
/// everything that comes from the head of a request, [`State`](crate::extract::State) among it: of the request that opened the
/// session.
///
/// ```
/// use wireline::socketio::packet::ArgsError;
/// use wireline::socketio::server::{Call, FromCall, ViaCall};
///
/// /// How many arguments there are.
/// struct Count(usize);
///
/// impl FromCall for Count {
///     type Rejection = ArgsError;
///
///     async fn from_call(call: &mut Call) -> Result<Self, ArgsError> {
///         call.args().values().map(|values| Self(values.len()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an argument that a handler of Socket.IO can have"
)]
pub trait FromCall<Via = ViaCall>: Sized + Send {
    /// Why there is no such value. The handler does not run then.
    type Rejection: Into<ConnectError> + Send;

    /// Whether it needs the head of the request: then sessions keep it.
    const NEEDS_PARTS: bool = false;

    /// Takes the value from the call.
    ///
    /// The future runs to its end, also when its session ends before. It is dropped when the server itself ends.
    ///
    /// # Errors
    ///
    /// Why there is no such value.
    fn from_call(call: &mut Call) -> impl Future<Output = Result<Self, Self::Rejection>> + Send;

    /// Looks, when the router is built, whether there can be such a value at all.
    ///
    /// # Errors
    ///
    /// What is missing.
    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        let _ = route;
        Ok(())
    }
}

/// Marks the arguments that come from a call.
///
/// The compiler finds it, and nobody has to name it.
///
/// ```
/// use wireline::socketio::server::{Data, EventName, Socket, SocketIo};
///
/// let io = SocketIo::new();
/// io.on("say", async |socket: Socket, EventName(name): EventName, Data(text): Data<String>| {
///     let _ = socket.broadcast().emit(&name, text);
/// });
/// ```
#[derive(Debug)]
pub struct ViaCall(Infallible);

/// Marks the arguments that come from the head of a request.
///
/// The compiler finds it, and nobody has to name it: such arguments stand among the others.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::State;
/// use wireline::socketio::server::{Data, Socket, SocketIo};
///
/// #[derive(Clone)]
/// struct Longest(usize);
///
/// let io = SocketIo::new();
/// io.on("say", async |State(longest): State<Longest>, socket: Socket, Data(text): Data<String>| {
///     if text.len() <= longest.0 {
///         let _ = socket.broadcast().emit("said", text);
///     }
/// });
/// assert!(Router::new().socket_io(&io).state(Longest(1_000)).build().is_ok());
/// ```
#[derive(Debug)]
pub struct ViaParts(Infallible);

/// What an event carries, read: a tuple takes several arguments, everything else the first. As what a handler gives back it is the
/// answer, in the same way.
///
/// ```
/// use wireline::socketio::server::{Data, SocketIo};
///
/// let io = SocketIo::new();
/// io.on("add", async |Data((a, b)): Data<(i64, i64)>| Data(a + b));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// What the client said to connect, or what the authentication made of it, read.
///
/// ```
/// use serde_json::Value;
/// use wireline::socketio::server::{Auth, Socket, SocketIo};
///
/// let io = SocketIo::new();
/// io.on_connection(async |socket: Socket, Auth(auth): Auth<Value>| {
///     let _ = socket.emit("auth", auth);
/// });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auth<T>(pub T);

/// The name of the event, for handlers of several.
///
/// ```
/// use wireline::socketio::prelude::*;
/// use wireline::socketio::server::EventName;
///
/// let io = SocketIo::new();
/// io.on_any(async |EventName(name): EventName| println!("{name} came"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(pub ByteString);

impl FromCall for Call {
    type Rejection = Infallible;

    async fn from_call(call: &mut Call) -> Result<Self, Infallible> {
        Ok(call.clone())
    }
}

impl FromCall for Socket {
    type Rejection = Infallible;

    async fn from_call(call: &mut Call) -> Result<Self, Infallible> {
        Ok(call.socket.clone())
    }
}

impl FromCall for Args {
    type Rejection = Infallible;

    async fn from_call(call: &mut Call) -> Result<Self, Infallible> {
        Ok(call.args.clone())
    }
}

impl FromCall for EventName {
    type Rejection = Infallible;

    async fn from_call(call: &mut Call) -> Result<Self, Infallible> {
        Ok(Self(call.name.clone()))
    }
}

impl FromCall for DisconnectReason {
    type Rejection = &'static str;

    async fn from_call(call: &mut Call) -> Result<Self, &'static str> {
        call.reason.ok_or("it is still connected")
    }
}

impl<T: DeserializeOwned + Send> FromCall for Data<T> {
    type Rejection = ConnectError;

    async fn from_call(call: &mut Call) -> Result<Self, ConnectError> {
        Ok(Self(call.args.to()?))
    }
}

impl<T: DeserializeOwned + Send> FromCall for Auth<T> {
    type Rejection = &'static str;

    async fn from_call(call: &mut Call) -> Result<Self, &'static str> {
        let auth = T::deserialize(call.socket.auth());
        auth.map(Self)
            .map_err(|_| "another authentication is expected")
    }
}

/// Who is to be answered: `None` in an `Option` when the client waits for no answer.
impl FromCall for Option<Ack> {
    type Rejection = Infallible;

    async fn from_call(call: &mut Call) -> Result<Self, Infallible> {
        Ok(call.ack.clone())
    }
}

impl FromCall for Ack {
    type Rejection = &'static str;

    async fn from_call(call: &mut Call) -> Result<Self, &'static str> {
        call.ack.clone().ok_or("an answer has to be asked for")
    }
}

impl<T: FromRequestParts> FromCall<ViaParts> for T {
    type Rejection = ConnectError;

    const NEEDS_PARTS: bool = true;

    async fn from_call(call: &mut Call) -> Result<Self, ConnectError> {
        let Some(parts) = &call.parts else {
            return Err("the session has not kept its request".into());
        };
        let mut parts = parts.lock().await;
        let taken = T::from_request_parts(&mut parts).await;
        taken.map_err(|rejection| {
            let status = rejection.into_response().status();
            ConnectError::new(status.canonical_reason().unwrap_or("refused"))
        })
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        T::check(route)
    }
}

impl From<Infallible> for ConnectError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
