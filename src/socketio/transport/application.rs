//! What lives on top of sessions.

use super::Session;
use crate::service::request::Parts;
use crate::socketio::engine::{CloseReason, Data};
use std::pin::Pin;
use std::task::Context;
use tokio::time::Instant;

/// What lives on top of sessions: Socket.IO, or a program's own protocol.
///
/// ```
/// use wireline::Router;
/// use wireline::service::request::Parts;
/// use wireline::socketio::transport::{Application, Conversation, Data, EngineConfig, EngineIo, Outgoing, Session};
/// # use wireline::test::TestClient;
///
/// /// Whoever comes is greeted, and gets back what he says.
/// struct Echo;
///
/// struct Talk(Session);
///
/// impl Application for Echo {
///     fn open(&self, session: &Session, _head: Parts) -> Box<dyn Conversation> {
///         session.send(&Outgoing::text("welcome"));
///         Box::new(Talk(session.clone()))
///     }
/// }
///
/// impl Conversation for Talk {
///     fn receive(&mut self, data: Data) {
///         self.0.send(&match data {
///             Data::Text(text) => Outgoing::text(&text),
///             Data::Binary(octets) => Outgoing::binary(octets),
///         });
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let engine = EngineIo::new(EngineConfig::default(), Echo);
/// let routes = Router::new().engine_io("/engine.io/", &engine).build().unwrap();
/// # let client = TestClient::new(routes);
/// # let mut socket = client.websocket("/engine.io/?EIO=4&transport=websocket").await;
/// # socket.recv().await.unwrap().unwrap();
/// assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("4welcome"));
/// socket.send("4hello").await.unwrap();
/// assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("4hello"));
/// # }
/// ```
pub trait Application: Send + Sync + 'static {
    /// A session has been opened; `parts` is the head of the request that did. What is sent here already follows the packet that
    /// opens the session.
    fn open(&self, session: &Session, parts: Parts) -> Box<dyn Conversation>;
}

/// One session's half of an application. All of it is called by one task at a time, so that messages are taken in order; none of it
/// may block.
///
/// ```
/// use wireline::socketio::engine::CloseReason;
/// use wireline::socketio::transport::{Conversation, Data, Session};
///
/// /// A session that may say so many things.
/// struct Few(Session, u32);
///
/// impl Conversation for Few {
///     fn receive(&mut self, _data: Data) {
///         match self.1.checked_sub(1) {
///             Some(left) => self.1 = left,
///             None => self.0.close(CloseReason::ForcedClose),
///         }
///     }
/// }
/// ```
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
