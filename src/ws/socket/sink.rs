//! `Sink`, for those who combine.

use crate::ws::message::Message;
use crate::ws::socket::{SocketError, WebSocket, WsSender};
use futures_sink::Sink;
use std::pin::Pin;
use std::task::{Context, Poll};

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

    /// Ready when everything was written.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.poll_drained(cx).map(Ok)
    }

    /// Begins the closing handshake, if nobody has, and is ready when everything was written.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let _ = self.close(None);
        self.poll_drained(cx).map(Ok)
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
        self.sender.poll_drained(cx).map(Ok)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let _ = self.sender.close(None);
        self.sender.poll_drained(cx).map(Ok)
    }
}
