//! What a handler of a WebSocket gives back, and what becomes of its errors.

use crate::service::error::Error;
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::socket::{Sent, SocketError, log};
use http::StatusCode;
use std::error::Error as _;

/// What a handler of a WebSocket may return: how the socket is closed.
///
/// | | Close |
/// |---|---|
/// | `()`, [`Sent`] | 1000 |
/// | [`CloseCode`], [`CloseFrame`] | as it says |
/// | `Err(error)` with a status 4xx, a `StatusCode` 4xx | 1008, with the error's message for the client as its reason, as far as that fits |
/// | any other `Err(error)`, a `StatusCode` 5xx | 1011, without a word of what happened |
///
/// An error is whatever becomes a [`wireline::Error`](Error): a `StatusCode`, one with a sentence, and, by
/// `.map_err(Error::from_http)`, an [`HttpError`](crate::service::error::HttpError) of the application. Each moves the counter
/// `websocket_handler_errors` and is an event of the feature `tracing`, at level DEBUG for a status 4xx and at
/// level ERROR for any other, with its source; but not those that only pass on that the socket has ended, or
/// failed, which is counted where it happens.
///
/// ```
/// use http::StatusCode;
/// use wireline::Router;
/// use wireline::ws::socket::WebSocket;
///
/// async fn members(mut socket: WebSocket) -> Result<(), (StatusCode, &'static str)> {
///     let name = socket.recv_msg().await.ok_or((StatusCode::BAD_REQUEST, "say who you are"))?;
///     (name.as_text() == Some("ada")).then_some(()).ok_or((StatusCode::FORBIDDEN, "members only"))
/// }
/// assert!(Router::new().websocket("/members", members).build().is_ok());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how a WebSocket is closed",
    note = "`()`, a `CloseCode`, a `CloseFrame`, a `StatusCode`, and a `Result` of those do, if the error of the `Result` becomes a `wireline::Error`: a `StatusCode`, `(StatusCode, &'static str)`, a `SocketError`, an `io::Error` do; an `HttpError` by `.map_err(Error::from_http)`, any other by `.map_err(Error::internal)`"
)]
pub trait IntoClose {
    /// The Close.
    ///
    /// # Errors
    ///
    /// The error that the socket is closed for.
    fn into_close(self) -> Result<CloseFrame, Error>;
}

/// What a handler gives that loops for ever. The type has no stable name, but is what such a function returns.
type Never = <fn() -> ! as Returns>::Output;

/// What a function returns.
trait Returns {
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

impl IntoClose for () {
    fn into_close(self) -> Result<CloseFrame, Error> {
        Ok(CloseCode::NORMAL.into())
    }
}

#[expect(
    private_interfaces,
    reason = "the trait only leads to the type, which is nobody's own"
)]
impl IntoClose for Never {
    fn into_close(self) -> Result<CloseFrame, Error> {
        self
    }
}

impl IntoClose for Sent {
    /// A handler may end with a `send`.
    fn into_close(self) -> Result<CloseFrame, Error> {
        Ok(CloseCode::NORMAL.into())
    }
}

impl IntoClose for CloseCode {
    fn into_close(self) -> Result<CloseFrame, Error> {
        Ok(self.into())
    }
}

impl IntoClose for CloseFrame {
    fn into_close(self) -> Result<CloseFrame, Error> {
        Ok(self)
    }
}

impl IntoClose for StatusCode {
    /// As an error with this status, if it is one of an error; 1000 for any other.
    fn into_close(self) -> Result<CloseFrame, Error> {
        if self.is_client_error() || self.is_server_error() {
            Err(self.into())
        } else {
            Ok(CloseCode::NORMAL.into())
        }
    }
}

impl<T: IntoClose, E: Into<Error>> IntoClose for Result<T, E> {
    fn into_close(self) -> Result<CloseFrame, Error> {
        self.map_err(Into::into)?.into_close()
    }
}

/// The Close that an error is told with. The words of a fault of the server may say what is inside.
pub(super) fn close_for(error: &Error) -> CloseFrame {
    if error.status().is_client_error() {
        CloseFrame::new(CloseCode::POLICY, error.message())
    } else {
        CloseCode::INTERNAL.into()
    }
}

/// Puts an error of a handler into the log. `false` when there is nothing to tell, nor to count: it only says
/// what the peer or the transport has done, which was counted.
pub(super) fn tell(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref());
    let own = !matches!(
        source,
        Some(SocketError::Closed | SocketError::Io(_) | SocketError::Protocol(_))
    );
    if own {
        log::tell(error);
    }
    own
}
