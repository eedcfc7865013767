//! Why a WebSocket was not opened.

use crate::service::headers::Headers;
use crate::ws::handshake::client::Mismatch;
use bytes::Bytes;
use http::StatusCode;
use std::fmt;
use std::io;

/// Why a WebSocket was not opened.
///
/// ```
/// use wireline::ws::client::{ConnectError, connect};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = connect("http://localhost:8000/").await.unwrap_err();
/// assert!(matches!(error, ConnectError::Url(_)));
/// assert!(!error.is_temporary(), "the same URL is none tomorrow");
/// assert!(ConnectError::ConnectTimeout.is_temporary());
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not one of a WebSocket, with the reason (RFC 6455 §3).
    Url(&'static str),
    /// The URL is of the scheme `wss`, and there is no secure connection, with the reason: the certificate is not
    /// trusted or another's, no authority is known, or TLS is not built in.
    Tls(Box<dyn std::error::Error + Send + Sync>),
    /// This field, or subprotocol, cannot be sent, or is not the caller's to send.
    Field(String),
    /// The transport failed, or ended before the answer was whole; or the system has no random octets.
    Io(io::Error),
    /// There was no connection in time.
    ConnectTimeout,
    /// There was no whole answer in time.
    HandshakeTimeout,
    /// What came is no answer in HTTP/1.1 (RFC 9112), with the reason.
    Malformed(&'static str),
    /// The server answered with another status than 101.
    Refused(Box<Refused>),
    /// The answer does not fit the request: the connection was failed.
    Mismatch(Mismatch),
}

/// An answer in HTTP that opens no WebSocket.
///
/// ```
/// use wireline::Router;
/// use wireline::test::TestClient;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let client = TestClient::new(Router::new().build().unwrap());
/// let refused = client.websocket("/nowhere").refusal().await;
/// assert_eq!(refused.status, 404);
/// assert_eq!(refused.to_string(), "the server answered 404 Not Found");
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Refused {
    /// The status.
    pub status: StatusCode,
    /// The header section: where Location or Retry-After stand.
    pub headers: Headers,
    /// The first octets of the content, at most 4 KiB of it.
    pub content: Bytes,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.status)
    }
}

impl std::error::Error for Refused {}

impl ConnectError {
    /// Whether the same may succeed later without anybody changing anything: the transport failed, no
    /// connection or answer came in time, or the server answered 408, 429, or with a status 5xx but 501 and 505.
    /// Of [`Io`](Self::Io) it cannot be told for sure, a name that does not exist is among it: whoever comes
    /// back waits longer each time.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Io(_) | Self::ConnectTimeout | Self::HandshakeTimeout => true,
            Self::Refused(refused) => match refused.status {
                StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => false,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => true,
                status => status.is_server_error(),
            },
            Self::Url(_)
            | Self::Tls(_)
            | Self::Field(_)
            | Self::Malformed(_)
            | Self::Mismatch(_) => false,
        }
    }

    /// The status of an answer that refused.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(refused) => Some(refused.status),
            _ => None,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(reason) => write!(f, "not a URL of a WebSocket: {reason}"),
            Self::Tls(error) => write!(f, "no secure connection: {error}"),
            Self::Field(name) => write!(f, "cannot be sent with the request: {name}"),
            Self::Io(error) => error.fmt(f),
            Self::ConnectTimeout => f.write_str("no connection in time"),
            Self::HandshakeTimeout => f.write_str("no answer in time"),
            Self::Malformed(reason) => write!(f, "malformed answer: {reason}"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Mismatch(mismatch) => mismatch.fmt(f),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Tls(error) => Some(&**error),
            Self::Mismatch(mismatch) => Some(mismatch),
            _ => None,
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Mismatch> for ConnectError {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}
