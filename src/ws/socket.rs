//! An open WebSocket.
//!
//! ```text
//!   WebSocket = WsReceiver + WsSender (clone it)
//!        |            |          |
//!        +--------- core (transport, protocol, queues; one lock) <--- drive (the connection's task:
//!                                                     deadlines, the handler, one write for all it sent)
//! ```
//!
//! Pings are answered and Close frames echoed whether or not the handler sends anything. While nothing
//! happens a socket holds no buffer: it waits for readiness first, borrows from its thread second, and gives
//! back what is empty. Its deadlines are one number in the worker's sweep, or one timer in a client's task.
//!
//! Every function that waits here is cancel safe: a message is received by whoever gets it, and one that was
//! not taken stays where it was; a message whose sending was given up was not sent at all.

pub mod config;
mod core;
mod drive;
mod halves;
mod home;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "client")]
mod keep;
mod live;

use crate::service::upgrade::Upgraded;
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::connection::{Connection, Lent, Replies};
use crate::ws::error::{Error, SendError};
use crate::ws::message::{Message, Text};
use crate::ws::socket::config::Config;
use crate::ws::socket::core::Shared;
use crate::ws::socket::home::Home;
use bytes::Bytes;
use futures_core::Stream;
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub use halves::{WsReceiver, WsSender};

/// An open WebSocket: both halves.
///
/// ```no_run
/// use wireline::ws::socket::WebSocket;
///
/// async fn echo(mut socket: WebSocket) {
///     while let Some(Ok(message)) = socket.recv().await {
///         if message.is_text() || message.is_binary() {
///             let _ = socket.send(message).await;
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct WebSocket {
    receiver: WsReceiver,
    sender: WsSender,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It will be written.
    Queued,
    /// The queue is full, and its policy is to drop the newest.
    Dropped,
}

/// Why nothing is received or sent any more.
#[derive(Debug)]
#[non_exhaustive]
pub enum SocketError {
    /// The peer broke the protocol or a limit, and was told so.
    Protocol(Error),
    /// The transport failed.
    Io(io::Error),
    /// The connection is closing, or closed.
    Closed,
    /// The queue is full, and nobody asked to wait.
    Full,
    /// The payload is too long for a control frame.
    TooLong,
    /// The value does not become JSON.
    Json(String),
}

impl WebSocket {
    /// Runs `handler` with the socket in the connection's task, for a connection that was upgraded.
    pub(crate) async fn serve<F, Fut>(
        upgraded: Upgraded,
        connection: Connection,
        protocol: Option<String>,
        config: Arc<Config>,
        handler: F,
    ) where
        F: FnOnce(Self) -> Fut,
        Fut: Future<Output = CloseFrame>,
    {
        let (io, read_ahead, place) = upgraded.into_placed();
        let home = place.map_or_else(Home::own, Home::Served);
        let shared = Shared::new(io, &read_ahead, home, connection, config);
        // It may be all of a read buffer, and this function lives as long as the socket.
        drop(read_ahead);
        let socket = Self::new(shared.clone(), protocol);
        drive::drive(shared, handler(socket)).await;
    }

    fn new(shared: Arc<Shared>, protocol: Option<String>) -> Self {
        Self {
            sender: WsSender::new(shared.clone()),
            receiver: WsReceiver::new(shared, protocol.map(Into::into)),
        }
    }

    /// The subprotocol that was agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.receiver.protocol()
    }

    /// Waits for the next message. A Close is given once; after it, after an error, and when the peer is
    /// gone, there is `None`.
    ///
    /// Cancel safe.
    pub async fn recv(&mut self) -> Option<Result<Message, SocketError>> {
        self.receiver.recv().await
    }

    /// Waits for the next message, errors being an end like any other.
    ///
    /// Cancel safe.
    pub async fn recv_msg(&mut self) -> Option<Message> {
        self.recv().await?.ok()
    }

    /// Waits until something was received and lends all of it to `f`, which may answer at once: the fastest
    /// way, without an allocation for a small message. `f` must not wait.
    ///
    /// Cancel safe.
    pub async fn recv_each<F>(&mut self, f: F) -> Option<Result<(), SocketError>>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        self.receiver.recv_each(f).await
    }

    /// Queues a message, after waiting for room if that is the policy. It leaves with everything else that
    /// this poll queues.
    ///
    /// Cancel safe: what was not queued was not sent.
    ///
    /// # Errors
    ///
    /// [`SocketError::Closed`] once a Close went either way; [`SocketError::TooLong`].
    pub async fn send(&self, message: impl Into<Message>) -> Result<Sent, SocketError> {
        self.sender.send(message).await
    }

    /// Sends text.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_text(&self, text: impl Into<Text>) -> Result<Sent, SocketError> {
        self.send(Message::Text(text.into())).await
    }

    /// Sends octets.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_binary(&self, octets: impl Into<Bytes>) -> Result<Sent, SocketError> {
        self.send(Message::Binary(octets.into())).await
    }

    /// Sends a ping of at most 125 octets.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_ping(&self, payload: impl Into<Bytes>) -> Result<Sent, SocketError> {
        self.send(Message::Ping(payload.into())).await
    }

    /// Sends a pong of at most 125 octets that nobody asked for.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_pong(&self, payload: impl Into<Bytes>) -> Result<Sent, SocketError> {
        self.send(Message::Pong(payload.into())).await
    }

    /// Begins the closing handshake behind everything that was queued. `recv` still gives what the peer
    /// sends until its Close comes.
    ///
    /// # Errors
    ///
    /// [`SocketError::Closed`] when it has begun already; [`SocketError::TooLong`].
    pub fn close(&self, close: impl Into<Option<CloseFrame>>) -> Result<(), SocketError> {
        self.sender.close(close)
    }

    /// The octets that wait to be written.
    pub fn buffered_amount(&self) -> usize {
        self.sender.buffered_amount()
    }

    /// Waits until everything was written, or nothing can be any more.
    ///
    /// Cancel safe.
    pub async fn drained(&self) {
        self.sender.drained().await;
    }

    /// Another handle to send with; several tasks may.
    pub fn sender(&self) -> WsSender {
        self.sender.clone()
    }

    /// The two halves, for two tasks.
    pub fn split(self) -> (WsSender, WsReceiver) {
        (self.sender, self.receiver)
    }
}

impl Stream for WebSocket {
    type Item = Result<Message, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.receiver).poll_next(cx)
    }
}

/// What a handler of a WebSocket may return: the Close to end with. 1000 for nothing, 1011 for an error that
/// is the server's, 1008 for one that is the client's.
pub trait IntoClose {
    /// The Close.
    fn into_close(self) -> CloseFrame;
}

impl IntoClose for () {
    fn into_close(self) -> CloseFrame {
        CloseCode::NORMAL.into()
    }
}

impl IntoClose for CloseCode {
    fn into_close(self) -> CloseFrame {
        self.into()
    }
}

impl IntoClose for CloseFrame {
    fn into_close(self) -> CloseFrame {
        self
    }
}

impl<T: IntoClose, E: Into<crate::service::error::Error>> IntoClose for Result<T, E> {
    fn into_close(self) -> CloseFrame {
        match self {
            Ok(value) => value.into_close(),
            Err(error) => {
                // The words are for a log, not for the peer: they may say what is inside.
                if error.into().status().is_client_error() {
                    CloseCode::POLICY.into()
                } else {
                    CloseCode::INTERNAL.into()
                }
            }
        }
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Closed => f.write_str("the connection is closed"),
            Self::Full => f.write_str("the queue is full"),
            Self::TooLong => f.write_str("too long for a control frame"),
            Self::Json(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for SocketError {}

impl From<SendError> for SocketError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::TooLong => Self::TooLong,
            SendError::Closing | SendError::OutOfOrder => Self::Closed,
        }
    }
}

impl From<SocketError> for crate::service::error::Error {
    fn from(error: SocketError) -> Self {
        Self::new(http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}
