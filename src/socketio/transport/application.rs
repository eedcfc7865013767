//! What lives on top of sessions.

use super::Session;
use crate::service::request::Parts;
use crate::socketio::engine::{CloseReason, Data};
use std::pin::Pin;
use std::task::Context;
use tokio::time::Instant;

/// What lives on top of sessions: Socket.IO, or a program's own protocol.
pub trait Application: Send + Sync + 'static {
    /// A session has been opened; `parts` is the head of the request that did. What is sent here already follows the packet that
    /// opens the session.
    fn open(&self, session: &Session, parts: Parts) -> Box<dyn Conversation>;
}

/// One session's half of an application. All of it is called by one task at a time, so that messages are taken in order; none of it
/// may block.
pub trait Conversation: Send + 'static {
    /// Takes a message. What is wrong with it closes the session, by [`Session::close`].
    fn receive(&mut self, data: Data);

    /// Whether another message may come: while not, nothing is read from the client.
    fn has_room(&self) -> bool {
        true
    }

    /// Goes on with what it does: after each message, after [`Session::wake`], at its deadline, and when what it waits for wakes the task
    /// of the context.
    fn poll(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// When it wants to be polled at the latest.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The session has ended. The future is run to its end, unless the server's own end comes first.
    fn closed(self: Box<Self>, reason: CloseReason) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let _ = reason;
        Box::pin(std::future::ready(()))
    }
}
