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

mod backlog;
pub mod config;
mod core;
mod drive;
pub mod each;
mod ending;
mod home;
mod intern;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "client")]
mod keep;
mod live;
#[cfg(feature = "tracing")]
mod log;
#[cfg(not(feature = "tracing"))]
mod no_log;
mod parts;
pub mod rate;
mod receiver;
mod sender;
#[cfg(feature = "sink")]
mod sink;
mod turn;

use crate::service::upgrade::Upgraded;
use crate::ws::close::{CloseFrame, IntoCloseFrame};
use crate::ws::connection::{Connection, Lent, Replies};
use crate::ws::error::{Error, SendError};
use crate::ws::message::{Fragment, Message, Text};
use crate::ws::prepared::Prepared;
use crate::ws::socket::config::Config;
use crate::ws::socket::core::Shared;
use crate::ws::socket::home::Home;
use bytes::Bytes;
use futures_core::Stream;
use http::StatusCode;
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

#[cfg(not(feature = "tracing"))]
use self::no_log as log;
#[cfg(feature = "relay")]
pub(crate) use core::deliver::Delivered;
pub use ending::IntoClose;
pub use parts::Parts;
pub use receiver::WsReceiver;
pub use sender::WsSender;

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
///
/// ```
/// use wireline::ws::socket::{Sent, SocketError, WsSender};
///
/// /// The newest figure, if there is room for it: an old one is worth nothing later.
/// fn show(sender: &WsSender, figure: u64) -> Result<bool, SocketError> {
///     Ok(sender.try_send(figure.to_string())? == Sent::Queued)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It will be written.
    Queued,
    /// The queue is full, and its policy is to drop the newest.
    Dropped,
}

/// How a connection was closed.
///
/// ```
/// use wireline::ws::close::CloseCode;
/// use wireline::ws::socket::CloseStatus;
///
/// let left = CloseStatus { frame: Some(CloseCode::AWAY.into()), clean: true };
/// assert_eq!(left.code(), 1001);
/// assert_eq!(CloseStatus { frame: None, clean: true }.code(), 1005);
/// assert_eq!(CloseStatus { frame: None, clean: false }.code(), 1006);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseStatus {
    /// What the peer's Close said, if one came and it said anything.
    pub frame: Option<CloseFrame>,
    /// Whether the peer's Close came and ours went, or is about to.
    pub clean: bool,
}

impl CloseStatus {
    /// The code as browsers tell it (RFC 6455 §7.1.5): the peer's, 1005 when its Close had none, 1006 when
    /// there was no Close.
    pub fn code(&self) -> u16 {
        match &self.frame {
            Some(frame) => frame.code.get(),
            None if self.clean => 1005,
            None => 1006,
        }
    }
}

/// Why nothing is received or sent any more.
///
/// ```
/// use wireline::ws::socket::{SocketError, WebSocket};
///
/// async fn watch(mut socket: WebSocket) {
///     while let Some(received) = socket.recv().await {
///         match received {
///             Ok(message) => println!("{message:?}"),
///             Err(SocketError::Protocol(fault)) => println!("no WebSocket: {fault}"),
///             Err(other) => println!("gone: {other}"),
///         }
///     }
/// }
/// ```
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
    /// A message ended whose beginning [`recv_fragment`](WebSocket::recv_fragment) has taken: it is not whole.
    Partial,
    /// The value does not become JSON.
    Json(String),
}

impl WebSocket {
    /// Runs `handler` with the socket in the connection's task, for a connection that was upgraded.
    ///
    /// No async function: what one is given stays in its future beside what it makes of it, for as long as
    /// the socket lives.
    pub(crate) fn serve<F, Fut>(
        upgraded: Upgraded,
        connection: Connection,
        protocol: Option<String>,
        config: Arc<Config>,
        handler: F,
    ) -> impl Future<Output = ()> + use<F, Fut>
    where
        F: FnOnce(Self) -> Fut,
        Fut: Future<Output: IntoClose>,
    {
        let (io, read_ahead, place) = upgraded.into_placed();
        let home = place.map_or_else(Home::own, Home::Served);
        let shared = Shared::new(io, &read_ahead, home, connection, config, protocol);
        let socket = Self::new(shared.clone());
        drive::drive(shared, Box::pin(handler(socket)))
    }

    fn new(shared: Arc<Shared>) -> Self {
        Self {
            sender: WsSender::new(shared.clone()),
            receiver: WsReceiver::new(shared),
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
    pub fn recv(&mut self) -> impl Future<Output = Option<Result<Message, SocketError>>> {
        self.receiver.recv()
    }

    /// Waits for the next message, errors being an end like any other.
    ///
    /// Cancel safe.
    pub async fn recv_msg(&mut self) -> Option<Message> {
        self.receiver.recv_msg().await
    }

    /// Waits for the next part of a message, with `fragments` in the configuration; a message that came
    /// in one piece is one part. Control frames are not given here.
    ///
    /// Cancel safe.
    pub fn recv_fragment(&mut self) -> impl Future<Output = Option<Result<Fragment, SocketError>>> {
        self.receiver.recv_fragment()
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

    /// Lends everything that is received to `f`, which may answer at once, until `f` breaks or the peer is
    /// gone. All answers to what one read has brought leave in one write; a peer that does not take them is
    /// not read from once they pass the queue's bound. `f` must not wait.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// What [`recv`](Self::recv) would give.
    ///
    /// ```no_run
    /// use std::ops::ControlFlow;
    /// use wireline::ws::connection::Lent;
    /// use wireline::ws::socket::{SocketError, WebSocket};
    ///
    /// async fn echo(mut socket: WebSocket) -> Result<(), SocketError> {
    ///     socket
    ///         .each(|lent, replies| {
    ///             let sent = match lent {
    ///                 Lent::Text(text) => replies.text(text),
    ///                 Lent::Binary(octets) => replies.binary(octets),
    ///                 _ => Ok(()),
    ///             };
    ///             sent.map_or(ControlFlow::Break(()), ControlFlow::Continue)
    ///         })
    ///         .await
    /// }
    /// ```
    pub async fn each<F>(&mut self, f: F) -> Result<(), SocketError>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        self.receiver.each(f).await
    }

    /// Queues a message, after waiting for room if that is the policy. It leaves with everything else that
    /// this poll queues.
    ///
    /// Cancel safe: what was not queued was not sent.
    ///
    /// # Errors
    ///
    /// [`SocketError::Closed`] once a Close went either way; [`SocketError::TooLong`].
    pub fn send(
        &self,
        message: impl Into<Message>,
    ) -> impl Future<Output = Result<Sent, SocketError>> {
        self.sender.send(message)
    }

    /// Queues a message without waiting.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SocketError::Full`] where that would wait, unless the policy decides.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<Sent, SocketError> {
        self.sender.try_send(message)
    }

    /// Queues a message that was framed before, for many receivers, after waiting for room if that is the
    /// policy.
    ///
    /// Cancel safe: what was not queued was not sent.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(
        &self,
        message: &Prepared,
    ) -> impl Future<Output = Result<Sent, SocketError>> {
        self.sender.send_prepared(message)
    }

    /// Queues a message that was framed before, without waiting.
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_send_prepared(&self, message: &Prepared) -> Result<Sent, SocketError> {
        self.sender.try_send_prepared(message)
    }

    /// Begins a message that is sent in parts, for what is too large to be held; `text` says what it is.
    /// Messages and a Close that are sent meanwhile wait until it has ended; pings and pongs do not. It is never
    /// compressed, and that its text is UTF-8 is not checked.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// [`SocketError::Closed`].
    pub async fn send_parts(&self, text: bool) -> Result<Parts, SocketError> {
        self.sender.send_parts(text).await
    }

    /// Sends text.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_text(
        &self,
        text: impl Into<Text>,
    ) -> impl Future<Output = Result<Sent, SocketError>> {
        self.sender.send_text(text)
    }

    /// Sends octets.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_binary(
        &self,
        octets: impl Into<Bytes>,
    ) -> impl Future<Output = Result<Sent, SocketError>> {
        self.sender.send_binary(octets)
    }

    /// Sends a ping of at most 125 octets.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_ping(
        &self,
        payload: impl Into<Bytes>,
    ) -> impl Future<Output = Result<Sent, SocketError>> {
        self.sender.send_ping(payload)
    }

    /// Sends a pong of at most 125 octets that nobody asked for.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_pong(
        &self,
        payload: impl Into<Bytes>,
    ) -> impl Future<Output = Result<Sent, SocketError>> {
        self.sender.send_pong(payload)
    }

    /// Begins the closing handshake behind everything that was queued, and behind the message that is being
    /// sent in parts. `recv` still gives what the peer sends until its Close comes. What it may be given:
    /// [`IntoCloseFrame`].
    ///
    /// # Errors
    ///
    /// [`SocketError::Closed`] when it has begun already; [`SocketError::TooLong`].
    pub fn close(&self, close: impl IntoCloseFrame) -> Result<(), SocketError> {
        self.sender.close(close)
    }

    /// How the connection was closed; `None` while it is not.
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.sender.close_status()
    }

    /// Waits until the server drains, for whoever has something to say before the Close with 1001. That is
    /// sent a quarter of a second later at the earliest, unless the handler closes first.
    ///
    /// Cancel safe.
    pub fn draining(&self) -> impl Future<Output = ()> {
        self.sender.draining()
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

/// It is in every future of a handler.
const _: () = assert!(size_of::<WebSocket>() <= 16);

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Closed => f.write_str("the connection is closed"),
            Self::Full => f.write_str("the queue is full"),
            Self::TooLong => f.write_str("too long for a control frame"),
            Self::Partial => f.write_str("the beginning of the message was taken before"),
            Self::Json(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for SocketError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Protocol(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SendError> for SocketError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::TooLong => Self::TooLong,
            SendError::Closing | SendError::OutOfOrder => Self::Closed,
        }
    }
}

impl From<SocketError> for crate::service::error::Error {
    /// 400 for what the peer did wrong, 500 for the rest; the error is the source.
    fn from(error: SocketError) -> Self {
        let status = match error {
            SocketError::Protocol(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string()).with_source(error)
    }
}
