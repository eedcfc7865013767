//! Why there is no connection, why there is none any more, and why nothing was sent or answered.

use crate::http1::client::driver::RequestError;
use crate::ws;
use http::StatusCode;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// Why a namespace was not reached.
///
/// ```
/// use wireline::socketio::client::ConnectError;
///
/// let error = ConnectError::Refused { message: "not you".to_owned(), data: None };
/// assert_eq!(error.to_string(), "the server refuses: not you");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The server refuses the namespace (CONNECT_ERROR): it does not exist, or a middleware has said no.
    Refused {
        /// Its words.
        message: String,
        /// What it says beside them.
        data: Option<Value>,
    },
    /// There is no connection to a server.
    Dial(Arc<DialError>),
    /// The callback gave nothing to sign in with, with the reason.
    Auth(String),
    /// There is a connection, and no answer about the namespace in time.
    Timeout,
    /// The connection was lost while the answer was waited for.
    Lost(DisconnectReason),
    /// This client has a handle to the namespace, or as many as it may have.
    Taken,
    /// The client has ended.
    Ended,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { message, .. } => write!(f, "the server refuses: {message}"),
            Self::Dial(error) => error.fmt(f),
            Self::Auth(reason) => write!(f, "nothing to sign in with: {reason}"),
            Self::Timeout => f.write_str("no answer about the namespace in time"),
            Self::Lost(reason) => write!(f, "the connection was lost: {reason}"),
            Self::Taken => f.write_str("the namespace has a handle, or there are too many"),
            Self::Ended => f.write_str("the client has ended"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Dial(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Why there is no connection.
///
/// ```
/// use wireline::socketio::client::{ConnectError, DialError, SocketIoClient};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = SocketIoClient::connect("ftp://localhost:3000").await.unwrap_err();
/// let ConnectError::Dial(error) = error else { unreachable!() };
/// assert!(matches!(*error, DialError::Unfit(_)), "{error}");
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum DialError {
    /// The URL, the namespace, a field, or what to sign in with is none, with the reason. Trying again does not help.
    Unfit(String),
    /// The WebSocket was not opened.
    WebSocket(ws::client::ConnectError),
    /// The request of long-polling failed.
    Polling(RequestError),
    /// The server refuses the session.
    Refused {
        /// The status of its answer.
        status: StatusCode,
        /// Its code of Engine.IO: 0 for an unknown transport, 1 for an unknown session, 5 for another version.
        code: Option<u64>,
        /// Its words.
        message: String,
    },
    /// It speaks no Engine.IO 4, with the reason.
    Protocol(&'static str),
    /// It did not open a session in time.
    Timeout,
}

impl DialError {
    /// Whether it may be different with another transport.
    pub(crate) fn is_of_transport(&self) -> bool {
        match self {
            Self::Unfit(_) => false,
            Self::WebSocket(ws::client::ConnectError::Io(error)) => {
                error.kind() != std::io::ErrorKind::ConnectionRefused
            }
            Self::WebSocket(error) => !matches!(
                error,
                ws::client::ConnectError::ConnectTimeout
                    | ws::client::ConnectError::Url(_)
                    | ws::client::ConnectError::Field(_)
                    | ws::client::ConnectError::Tls(_)
            ),
            _ => true,
        }
    }

    /// Whether a server was reached, and is none for this client.
    pub(crate) const fn is_of_server(&self) -> bool {
        !matches!(
            self,
            Self::WebSocket(
                ws::client::ConnectError::Io(_) | ws::client::ConnectError::ConnectTimeout
            ) | Self::Polling(RequestError::Io(_) | RequestError::ConnectTimeout)
        )
    }

    /// Whether trying again cannot help.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Unfit(_)
                | Self::WebSocket(
                    ws::client::ConnectError::Url(_) | ws::client::ConnectError::Field(_)
                )
                | Self::Polling(RequestError::Url(_) | RequestError::Field(_))
        )
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(reason) => f.write_str(reason),
            Self::WebSocket(error) => error.fmt(f),
            Self::Polling(error) => error.fmt(f),
            Self::Refused {
                status, message, ..
            } => write!(f, "the server answered {status}: {message}"),
            Self::Protocol(reason) => write!(f, "no Engine.IO 4: {reason}"),
            Self::Timeout => f.write_str("no session in time"),
        }
    }
}

impl std::error::Error for DialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::WebSocket(error) => Some(error),
            Self::Polling(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a namespace is not connected any more. It displays as Socket.IO's own words.
///
/// ```
/// use wireline::socketio::client::DisconnectReason;
///
/// assert_eq!(DisconnectReason::Server.to_string(), "io server disconnect");
/// assert!(DisconnectReason::PingTimeout.comes_back());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The server has disconnected it. The client does not come back by itself.
    Server,
    /// This side has.
    Client,
    /// The server was silent for longer than it said it would be.
    PingTimeout,
    /// The connection has ended.
    TransportClose,
    /// The connection broke.
    TransportError,
    /// The server sent what is no Socket.IO.
    ParseError,
}

impl DisconnectReason {
    /// Whether the client comes back by itself, unless it was told not to.
    pub const fn comes_back(self) -> bool {
        !matches!(self, Self::Server | Self::Client)
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "io server disconnect",
            Self::Client => "io client disconnect",
            Self::PingTimeout => "ping timeout",
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::ParseError => "parse error",
        })
    }
}

/// Why an event was not taken.
///
/// ```
/// use wireline::socketio::client::EmitError;
///
/// assert_eq!(EmitError::Reserved.to_string(), "the name is one of Socket.IO's own");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmitError {
    /// `connect`, `connect_error`, `disconnect`, `disconnecting`, `newListener` and `removeListener` are not for events.
    Reserved,
    /// What it carries does not become JSON or MessagePack, with the reason.
    Payload(String),
    /// It is larger than what the server takes, or than what may wait.
    TooLarge,
    /// As much waits to be sent as may.
    Full,
    /// The namespace was disconnected by either side, or refused: it does not come back by itself.
    Disconnected,
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved => f.write_str("the name is one of Socket.IO's own"),
            Self::Payload(reason) => f.write_str(reason),
            Self::TooLarge => f.write_str("the event is too large"),
            Self::Full => f.write_str("too much waits to be sent"),
            Self::Disconnected => f.write_str("the namespace is disconnected"),
        }
    }
}

impl std::error::Error for EmitError {}

/// Why an event has no answer.
///
/// ```
/// use wireline::socketio::client::AckError;
///
/// assert_eq!(AckError::Timeout.to_string(), "no answer in time");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AckError {
    /// It was not sent.
    Emit(EmitError),
    /// None came in time.
    Timeout,
    /// The connection was lost after it was sent: the server may have had it.
    Disconnected,
    /// The answer is not what the caller takes, with the reason.
    Payload(String),
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Emit(error) => error.fmt(f),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Disconnected => f.write_str("the connection was lost before the answer"),
            Self::Payload(reason) => write!(f, "another answer than was expected: {reason}"),
        }
    }
}

impl std::error::Error for AckError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Emit(error) => Some(error),
            _ => None,
        }
    }
}

impl From<EmitError> for AckError {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}
