//! Without a log.

use super::error::ConnectError;
use super::socket::Socket;
use crate::socketio::packet::PacketError;
use crate::socketio::transport::Session;

pub(super) const fn malformed(_: &Session, _: PacketError) {}

pub(super) const fn failed(_: &Socket, _: &ConnectError) {}

pub(super) const fn panicked() {}

pub(super) const fn server_event_failed(_: &ConnectError) {}
