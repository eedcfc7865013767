//! Why a request has no response, or none that is whole.

use crate::http1::error::Error;
use std::fmt;
use std::io;

/// Why a request has no response, or none that is whole.
///
/// ```
/// use wireline::http1::client::driver::RequestError;
///
/// assert_eq!(RequestError::ConnectTimeout.to_string(), "no connection in time");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// The URL is none of HTTP, with the reason.
    Url(&'static str),
    /// This field cannot be sent, or is not the caller's to send.
    Field(String),
    /// The scheme is `https`, and there is no secure connection, with the reason: the certificate is not trusted or
    /// another's, no authority is known, or TLS is not built in.
    Tls(Box<dyn std::error::Error + Send + Sync>),
    /// The transport failed.
    Io(io::Error),
    /// There was no connection in time.
    ConnectTimeout,
    /// There was no head of a response in time.
    ResponseTimeout,
    /// The server was silent for too long within the content.
    Silence,
    /// What came is no response in HTTP/1.1, or ended inside it.
    Malformed(Error),
    /// The content has more octets than the caller takes.
    TooLong,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(reason) => write!(f, "not a URL of HTTP: {reason}"),
            Self::Field(name) => write!(f, "cannot be sent with the request: {name}"),
            Self::Tls(error) => write!(f, "no secure connection: {error}"),
            Self::Io(error) => error.fmt(f),
            Self::ConnectTimeout => f.write_str("no connection in time"),
            Self::ResponseTimeout => f.write_str("no answer in time"),
            Self::Silence => f.write_str("the server fell silent"),
            Self::Malformed(error) => write!(f, "malformed answer: {error}"),
            Self::TooLong => f.write_str("the content is too long"),
        }
    }
}

impl std::error::Error for RequestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(error) => Some(&**error),
            Self::Io(error) => Some(error),
            Self::Malformed(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for RequestError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for RequestError {
    fn from(error: Error) -> Self {
        Self::Malformed(error)
    }
}
