//! What can go wrong.

use crate::service::error::Error;
use crate::socketio::packet::ArgsError;
use serde_json::{Value, json};
use std::fmt;

/// Why a client may not connect to a namespace, or why an event is refused: what the client is told.
///
/// It comes from a `&str` or a `String`, from [`Error`], whose source stays here, or is made with data:
///
/// ```
/// use wireline::socketio::server::ConnectError;
///
/// let error = ConnectError::new("not authorized").with_data(serde_json::json!({"code": 7}));
/// assert_eq!(error.to_string(), "not authorized");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectError {
    message: String,
    data: Option<Value>,
}

impl ConnectError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            data: None,
        }
    }

    /// The same, with more to say: what clients see as `err.data`.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Value>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What else it says.
    pub const fn data(&self) -> Option<&Value> {
        self.data.as_ref()
    }

    /// What a client gets that may not connect.
    pub(super) fn object(&self) -> Value {
        match &self.data {
            None => json!({"message": self.message}),
            Some(data) => json!({"message": self.message, "data": data}),
        }
    }

    /// What a client gets that waits for an answer.
    pub(super) fn answer(&self) -> Value {
        match &self.data {
            None => json!({"error": self.message}),
            Some(data) => json!({"error": self.message, "data": data}),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConnectError {}

impl From<&str> for ConnectError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for ConnectError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<Error> for ConnectError {
    fn from(error: Error) -> Self {
        Self::new(error.message())
    }
}

impl From<EmitError> for ConnectError {
    fn from(error: EmitError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ArgsError> for ConnectError {
    fn from(_: ArgsError) -> Self {
        Self::new("other arguments are expected")
    }
}

/// Why an event was not sent.
///
/// ```
/// use wireline::socketio::server::{EmitError, SocketIo};
///
/// let io = SocketIo::new();
/// assert!(matches!(io.to("news").emit("disconnect", ()), Err(EmitError::Reserved)));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum EmitError {
    /// The socket is not connected: not yet, or no longer.
    Disconnected,
    /// It has a name that means something to the clients.
    Reserved,
    /// What it was to carry does not become JSON.
    Args(ArgsError),
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("the socket is not connected"),
            Self::Reserved => f.write_str("an event with a reserved name"),
            Self::Args(error) => write!(f, "arguments that do not become JSON: {error}"),
        }
    }
}

impl std::error::Error for EmitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Args(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ArgsError> for EmitError {
    fn from(error: ArgsError) -> Self {
        Self::Args(error)
    }
}

/// Why there is no answer.
///
/// ```
/// use wireline::socketio::server::{AckError, Socket};
///
/// async fn ask(socket: &Socket) -> Option<String> {
///     match socket.emit_with_ack("name?", ()).await {
///         Ok(answer) => answer.to().ok(),
///         Err(AckError::Timeout) => Some("somebody".to_owned()),
///         Err(_) => None,
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AckError {
    /// It was not sent.
    Emit(EmitError),
    /// The client has not answered in time.
    Timeout,
    /// The socket was disconnected before it came.
    Disconnected,
    /// As many answers are waited for as may be.
    TooMany,
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Emit(error) => fmt::Display::fmt(error, f),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Disconnected => f.write_str("disconnected before the answer came"),
            Self::TooMany => f.write_str("too many answers are waited for"),
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
