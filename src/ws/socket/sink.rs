//! `Sink`, for those who combine.

use crate::ws::message::Message;
use crate::ws::socket::backlog::SHARED_SEAT;
use crate::ws::socket::config::Config;
use crate::ws::socket::{SocketError, WebSocket, WsSender};
use futures_sink::Sink;
use std::pin::Pin;
use std::task::{Context, Poll};

impl WsSender {
    /// Waits until there is room in the queue.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), SocketError>> {
        let mut core = self.shared.lock();
        if !core.driven {
            core.write_now(&self.shared.config)?;
        }
        if !core.is_sending() {
            return Poll::Ready(Err(SocketError::Closed));
        }
        let waiting = core.buffered();
        if waiting == 0 || waiting < self.shared.config.queue {
            return Poll::Ready(Ok(()));
        }
        core.wait(cx, &mut { SHARED_SEAT });
        self.shared.written_by_others(core);
        Poll::Pending
    }

    /// Queues a message for which room was found before.
    fn queue_anyway(&self, message: Message) -> Result<(), SocketError> {
        if !matches!(message, Message::Text(_) | Message::Binary(_)) {
            return self.try_send(message).map(drop);
        }
        // Somebody may have been faster: then there is one message more than there is room for.
        let unbounded = Config {
            queue: usize::MAX,
            ..Config::clone(&self.shared.config)
        };
        let mut core = self.shared.lock();
        core.push(&mut Some(message), &unbounded, false)?;
        self.shared.written_by_others(core);
        Ok(())
    }
}

impl Sink<Message> for WsSender {
    type Error = SocketError;

    /// Ready when there is room in the queue.
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.poll_room(cx)
    }

    /// Queues the message; if somebody else was faster it takes more room than there is.
    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SocketError> {
        self.queue_anyway(message)
    }

    /// Ready when everything was written; [`SocketError::Closed`] when the peer was gone before.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.poll_drained(cx, &mut { SHARED_SEAT })
    }

    /// Begins the closing handshake, if nobody has, and is ready when everything was written; as for the errors,
    /// see [`poll_flush`](Self::poll_flush).
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let _ = self.close(None);
        self.poll_drained(cx, &mut { SHARED_SEAT })
    }
}

impl Sink<Message> for WebSocket {
    type Error = SocketError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.sender.poll_room(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SocketError> {
        self.sender.queue_anyway(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.sender.poll_drained(cx, &mut { SHARED_SEAT })
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let _ = self.sender.close(None);
        self.sender.poll_drained(cx, &mut { SHARED_SEAT })
    }
}
