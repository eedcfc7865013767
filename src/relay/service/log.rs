//! What becomes of messages goes to the log. An id is what a client is known by, so only its beginning does.

use crate::relay::service::registry::ClientId;
use crate::ws::socket::SocketError;

/// A message of a client is nothing that the service knows.
pub(super) fn tell_ignored(id: ClientId, why: &str) {
    tracing::debug!(client = %id.short(), "a message of a client was ignored: {why}");
}

/// A message could not be sent to a client.
pub(super) fn tell_failed(id: ClientId, error: &SocketError) {
    tracing::warn!(client = %id.short(), "a message could not be sent to a client: {error}");
}

/// A client is too slow.
pub(super) fn tell_slow(id: ClientId) {
    tracing::warn!(client = %id.short(), "a client is too slow and was closed");
}
