//! What went wrong goes to the log.

use super::error::ConnectError;
use super::socket::Socket;
use crate::socketio::packet::PacketError;
use crate::socketio::transport::Session;

/// A client sent what is no packet.
#[cold]
pub(super) fn malformed(session: &Session, error: PacketError) {
    let transport = session.transport();
    tracing::debug!(?transport, "a session is closed: {error}");
}

/// A handler gave an error, or did not get its arguments.
#[cold]
pub(super) fn failed(socket: &Socket, error: &ConnectError) {
    let (socket, namespace) = (socket.id(), socket.namespace());
    tracing::debug!(
        socket,
        namespace,
        %error,
        "a handler failed"
    );
}

/// A handler of what another server emitted gave an error.
#[cold]
pub(super) fn server_event_failed(error: &ConnectError) {
    tracing::debug!(%error, "a handler of a server's event failed");
}

/// A handler panicked.
#[cold]
pub(super) fn panicked() {
    tracing::error!("a handler of Socket.IO panicked");
}
