//! Handlers of messages as handlers of sockets.

use crate::ws::message::Message;
use crate::ws::route::WebSocketHandler;
use crate::ws::socket::each::{Batch, Each, IntoOutcome};
use crate::ws::socket::{WebSocket, WsSender};

/// A handler of sockets that calls `handler` with every text and binary message, see [`WebSocket::for_each`]:
/// wherever a handler of sockets may stand, behind a guard and with terms, for two.
///
/// ```
/// use http::StatusCode;
/// use wireline::Router;
/// use wireline::ws::prelude::*;
///
/// async fn members_only(Token(token): Token) -> Result<(), StatusCode> {
///     (token == "open-sesame").then_some(()).ok_or(StatusCode::FORBIDDEN)
/// }
///
/// async fn shout(sender: WsSender, message: Message) -> Result<Sent, SocketError> {
///     sender.send(message.as_text().unwrap_or("what?").to_uppercase()).await
/// }
///
/// let terms = |upgrade: WebSocketUpgrade| upgrade.origin(OriginPolicy::SameOrigin);
/// let routes = Router::new().websocket_with(
///     "/shout",
///     terms,
///     guarded(members_only, messages(Each::default(), shout)),
/// );
/// assert!(routes.build().is_ok());
/// ```
///
/// One that wants extractors as well is written out:
///
/// ```
/// use wireline::Router;
/// use wireline::extract::Path;
/// use wireline::ws::prelude::*;
///
/// async fn room(socket: WebSocket, Path(room): Path<String>) -> CloseFrame {
///     let say = async |sender: WsSender, message: Message| {
///         sender.send(format!("in {room}: {}", message.as_text().unwrap_or("?"))).await
///     };
///     socket.for_each(Each::default(), say).await
/// }
/// assert!(Router::new().websocket("/rooms/{room}", room).build().is_ok());
/// ```
pub fn messages<F, Fut>(each: Each, handler: F) -> impl WebSocketHandler<()>
where
    F: Fn(WsSender, Message) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: IntoOutcome,
{
    move |socket: WebSocket| socket.for_each(each, handler.clone())
}

/// As [`messages`], for [`WebSocket::for_each_batch`].
///
/// ```
/// use wireline::Router;
/// use wireline::ws::prelude::*;
///
/// async fn count(sender: WsSender, messages: Vec<Message>) -> Result<Sent, SocketError> {
///     sender.send(format!("{} messages", messages.len())).await
/// }
///
/// let terms = |upgrade: WebSocketUpgrade| upgrade.subprotocols(Subprotocols::list(["count"]));
/// let handler = batches(Each::default(), Batch::default(), count);
/// assert!(Router::new().websocket_with("/count", terms, handler).build().is_ok());
/// ```
pub fn batches<F, Fut>(each: Each, batch: Batch, handler: F) -> impl WebSocketHandler<()>
where
    F: Fn(WsSender, Vec<Message>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: IntoOutcome,
{
    move |socket: WebSocket| socket.for_each_batch(each, batch, handler.clone())
}
