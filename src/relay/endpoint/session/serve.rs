//! A session over a WebSocket.

use super::Session;
use crate::relay::endpoint::Relay;
use crate::relay::endpoint::directory::Link;
use crate::service::request::Parts;
use crate::service::user::CurrentUser;
use crate::ws::message::Message;
use crate::ws::socket::{WebSocket, WsReceiver};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
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

/// A state machine by hand: an async function would keep references to what it keeps beside it, for as long as the connection
/// lives.
fn run(session: Session, socket: WebSocket) -> impl Future<Output = ()> + Send {
    // The outlet sends.
    let (_, receiver) = socket.split();
    let mut stage = Stage::Open(session, receiver);
    poll_fn(move |cx| {
        if let Stage::Open(session, receiver) = &mut stage {
            ready!(poll_open(session, receiver, cx));
            if let Stage::Open(session, receiver) = std::mem::replace(&mut stage, Stage::Over) {
                drop(receiver);
                stage = Stage::Ending(Box::pin(session.finish_all()));
            }
        }
        if let Stage::Ending(ending) = &mut stage {
            ready!(ending.as_mut().poll(cx));
            stage = Stage::Over;
        }
        Poll::Ready(())
    })
}

/// How far a connection is.
enum Stage {
    Open(Session, WsReceiver),
    /// The handlers of its topics are told.
    Ending(Pin<Box<dyn Future<Output = ()> + Send>>),
    Over,
}

/// Receives and sends; ready when the client has gone.
///
/// A handler that takes its time is no reason to receive nothing: pings, and the client's end, come this way, too.
fn poll_open(session: &mut Session, receiver: &mut WsReceiver, cx: &mut Context<'_>) -> Poll<()> {
    let link = session.link.clone();
    loop {
        let mut received = 0;
        let is_all = loop {
            // What has come goes on before more does: a handler that is quick keeps nobody waiting.
            if received == AT_ONCE || !session.has_room() {
                break false;
            }
            match pin!(receiver.recv()).poll(cx) {
                Poll::Ready(Some(Ok(Message::Text(text)))) => session.receive(text),
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => break true,
            }
            received += 1;
        };
        session.poll(cx, &mut |_, message, cx| link.outlet.write(message, cx));
        if !session.has_room() {
            // Nothing is received, so nothing else tells that the client has gone.
            return if link.outlet.is_closed() {
                Poll::Ready(())
            } else {
                Poll::Pending
            };
        }
        // Nobody else wakes this task for what is still to be received.
        if is_all {
            return Poll::Pending;
        }
    }
}

/// How many messages are received before what they ask for goes on.
const AT_ONCE: usize = 64;
