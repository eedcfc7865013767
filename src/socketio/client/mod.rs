//! A client of Socket.IO: of this library's server, and of any other that speaks Socket.IO 5 over Engine.IO 4.
//!
//! ```text
//!   SocketIoClient  (a namespace; dropping its last handle disconnects it)
//!        |  one lock
//!   core (no I/O): namespaces, events that wait, answers, when to come back  <---> driver: the client's task
//!                                                                                    link: polling or WebSocket
//!                                                                                    handlers
//! ```
//!
//! It tries a WebSocket first, then long-polling, which becomes a WebSocket where it can. Handlers start in the order of the
//! events; what they give back answers them.

mod builder;
mod core;
mod driver;
mod emit;
mod error;
mod handle;
mod handler;
mod handlers;
mod link;
mod listen;
mod namespace;
mod shared;

pub use self::builder::{Builder, NamespaceBuilder};
pub use self::core::pace::Reconnection;
pub use self::emit::EmitWithAck;
pub use self::error::{AckError, ConnectError, DialError, DisconnectReason, EmitError};
pub use self::handle::SocketIoClient;
pub use self::handler::{Ack, Call, Data, EventHandler, EventName, FromCall, Handling, IntoAnswer};
pub use self::handlers::HandlerId;

use serde_json::{Map, Value};
use std::pin::Pin;
use std::sync::Arc;

/// Whatever a callback or a handler fails with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Gives what a namespace signs in with.
type Asking = Arc<dyn Fn() -> Later<Result<Map<String, Value>, String>> + Send + Sync>;

/// Something that a callback will give.
type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How a namespace stands.
///
/// ```
/// use wireline::socketio::client::{SocketIoClient, Status};
///
/// async fn until_the_end(client: SocketIoClient) {
///     match client.closed().await {
///         Status::Disconnected(reason) => println!("disconnected: {reason}"),
///         Status::Failed(error) => println!("no connection: {error}"),
///         _ => {}
///     }
/// }
/// # let _ = until_the_end;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Status {
    /// It waits for a connection or for the server's answer, for the first time or again.
    Connecting,
    /// It is connected.
    Connected,
    /// One side has disconnected it. It does not come back by itself.
    Disconnected(DisconnectReason),
    /// It was refused, or there is no connection and none is tried any more.
    Failed(ConnectError),
}

/// A transport of Engine.IO.
///
/// ```
/// use wireline::socketio::client::{SocketIoClient, TransportName};
///
/// let polls = SocketIoClient::builder("http://localhost:3000").transports([TransportName::Polling]);
/// # let _ = polls;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportName {
    /// Requests of HTTP, one of which waits for what the server has to say.
    Polling,
    /// A WebSocket.
    WebSocket,
}

/// What a client counts.
///
/// ```
/// use wireline::socketio::client::Counters;
///
/// assert_eq!(Counters::default().panics, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// What came and meant nothing, answers that nobody waited for any more for one, and what waited to be sent and turned out
    /// to be larger than the server takes.
    pub ignored: u64,
    /// Handlers that did not run because an argument of theirs could not be had, or whose answer could not be sent.
    pub rejected: u64,
    /// Handlers that panicked.
    pub panics: u64,
}
