//! A session over a WebSocket.

use super::Session;
use crate::relay::endpoint::Relay;
use crate::relay::endpoint::directory::Link;
use crate::relay::endpoint::outlet::FRAMED;
use crate::service::request::Parts;
use crate::service::user::CurrentUser;
use crate::ws::message::Message;
use crate::ws::socket::WebSocket;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::Mutex;

/// Serves a connection until it ends. `parts` is the head of its request, if handlers want to see it.
pub(crate) fn serve(
    relay: Relay,
    socket: WebSocket,
    user: Option<CurrentUser>,
    parts: Option<Parts>,
) -> impl Future<Output = ()> + Send {
    let outlet = relay.line(Some(socket.sender()), relay.inner.terms.clone());
    let link = Link::new(outlet, user.map(|user| user.id().into()));
    relay.inner.directory.add(&link);
    let parts = parts.map(|parts| Arc::new(Mutex::new(parts)));
    run(Session::new(link, parts), socket)
}

#[expect(
    clippy::manual_async_fn,
    reason = "what an async function is given stays in its future twice, for as long as the connection lives"
)]
fn run(mut session: Session, mut socket: WebSocket) -> impl Future<Output = ()> + Send {
    async move {
        let sender = socket.sender();
        poll_fn(|cx| {
            loop {
                while session.has_room() {
                    match pin!(socket.recv()).poll(cx) {
                        Poll::Ready(Some(Ok(Message::Text(text)))) => session.receive(text),
                        Poll::Ready(Some(Ok(_))) => {}
                        Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                        Poll::Pending => break,
                    }
                }
                let was_full = !session.has_room();
                session.poll(cx, &mut |_, message, cx| {
                    sender.queue_frames(message.shared(), FRAMED, cx)
                });
                if !session.has_room() {
                    // Nothing is received, so nothing else tells that the client has gone.
                    return if sender.is_closed() {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    };
                }
                // What made room lets more in; nobody else wakes this task for it.
                if !was_full {
                    return Poll::Pending;
                }
            }
        })
        .await;
        drop(socket);
        Box::pin(session.finish_all()).await;
    }
}
