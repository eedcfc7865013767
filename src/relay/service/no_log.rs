//! Without the `tracing` feature there is no log.

use crate::relay::service::registry::ClientId;
use crate::ws::socket::SocketError;

/// Does nothing.
pub(super) const fn tell_ignored(_: ClientId, _: &str) {}

/// Does nothing.
pub(super) const fn tell_failed(_: ClientId, _: &SocketError) {}

/// Does nothing.
pub(super) const fn tell_slow(_: ClientId) {}
