//! How an event is sent to one socket.

use super::Socket;
use crate::socketio::packet::{Packet, RESERVED, ToArgs};
use crate::socketio::server::ack::Answer;
use crate::socketio::server::error::EmitError;

/// How an event is sent to one socket.
///
/// ```
/// use wireline::socketio::server::{EmitError, Socket};
///
/// /// The newest figure, for who takes it now: an old one is worth nothing.
/// fn show(socket: &Socket, figure: u64) -> Result<(), EmitError> {
///     socket.volatile().compress(false).emit("figure", figure)
/// }
/// # let _ = show;
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "it sends nothing by itself"]
pub struct Emit<'a> {
    socket: &'a Socket,
    is_volatile: bool,
    is_plain: bool,
}

impl<'a> Emit<'a> {
    pub(super) const fn new(socket: &'a Socket) -> Self {
        Self {
            socket,
            is_volatile: false,
            is_plain: false,
        }
    }

    /// What cannot be written at once is dropped.
    pub const fn volatile(mut self) -> Self {
        self.is_volatile = true;
        self
    }

    /// Whether it may be compressed, as everything may: for a client that takes it so, where the server is set to do it.
    pub const fn compress(mut self, compress: bool) -> Self {
        self.is_plain = !compress;
        self
    }

    /// As [`Socket::emit`].
    ///
    /// # Errors
    ///
    /// [`EmitError`] says why it is not sent.
    pub fn emit(self, event: &str, data: impl ToArgs) -> Result<(), EmitError> {
        let args = data.to_args()?;
        check(event)?;
        self.socket.tell_outgoing(event, &args);
        let namespace = self.socket.namespace_name().clone();
        let packet = Packet::event(namespace, None, event.into(), args);
        if self.is_volatile || !self.socket.space().is_recoverable() {
            return self.socket.send(&packet, self.is_volatile, self.is_plain);
        }
        if !self.socket.is_connected() {
            return Err(EmitError::Disconnected);
        }
        let space = self.socket.space();
        space.log_for(self.socket, packet, self.is_plain);
        Ok(())
    }

    /// As [`Socket::emit_with_ack`].
    pub fn emit_with_ack(self, event: &str, data: impl ToArgs) -> Answer {
        let args = match data.to_args() {
            Ok(args) => args,
            Err(error) => return Answer::failed(EmitError::from(error)),
        };
        if let Err(error) = check(event) {
            return Answer::failed(error);
        }
        self.socket.tell_outgoing(event, &args);
        Answer::new(self.socket, |id| {
            let namespace = self.socket.namespace_name().clone();
            let packet = Packet::event(namespace, Some(id), event.into(), args);
            self.socket.send(&packet, self.is_volatile, self.is_plain)
        })
    }
}

/// Whether an event may have this name.
pub(in crate::socketio::server) fn check(event: &str) -> Result<(), EmitError> {
    if RESERVED.contains(&event) {
        return Err(EmitError::Reserved);
    }
    Ok(())
}
