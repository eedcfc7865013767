//! Engine.IO over a WebSocket.

use crate::socketio::client::Later;
use crate::socketio::client::core::Lost;
use crate::socketio::client::core::frame::Frame;
use crate::socketio::client::link::pieces;
use crate::socketio::engine::{Data, Packet};
use crate::ws::close::CloseCode;
use crate::ws::message::{Message, Text};
use crate::ws::socket::{SocketError, WebSocket, WsReceiver, WsSender};
use bytestring::ByteString;
use futures_core::Stream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

pub(in crate::socketio::client) struct Socket {
    sender: WsSender,
    receiver: WsReceiver,
    pending: VecDeque<Packet>,
    /// Until there is room to send again.
    drained: Option<Later<()>>,
    /// How sending ended.
    broken: bool,
}

impl Socket {
    /// With what is to be sent before everything else.
    pub(super) fn new(socket: WebSocket, pending: VecDeque<Packet>) -> Self {
        let (sender, receiver) = socket.split();
        Self {
            sender,
            receiver,
            pending,
            drained: None,
            broken: false,
        }
    }

    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Packet, Lost>> {
        loop {
            return match Pin::new(&mut self.receiver).poll_next(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Ok(Message::Text(text)))) => {
                    let text = ByteString::try_from(text.into_bytes()).ok();
                    let packet = text.and_then(|text| Packet::decode(text).ok());
                    Poll::Ready(packet.ok_or(Lost::Parse))
                }
                Poll::Ready(Some(Ok(Message::Binary(octets)))) => {
                    Poll::Ready(Ok(Packet::Message(Data::Binary(octets))))
                }
                Poll::Ready(Some(Ok(_))) => continue,
                Poll::Ready(Some(Err(_))) => Poll::Ready(Err(Lost::Broken)),
                Poll::Ready(None) if self.broken => Poll::Ready(Err(Lost::Broken)),
                Poll::Ready(None) => Poll::Ready(Err(Lost::Close)),
            };
        }
    }

    pub(super) fn poll_transmit(
        &mut self,
        cx: &mut Context<'_>,
        next: &mut dyn FnMut() -> Option<Frame>,
    ) -> bool {
        let mut moved = false;
        loop {
            if let Some(drained) = &mut self.drained {
                if drained.as_mut().poll(cx).is_pending() {
                    return moved;
                }
                self.drained = None;
            }
            let Some(packet) = self.pending.front() else {
                match next() {
                    Some(frame) => pieces(frame, &mut self.pending),
                    None => return moved,
                }
                continue;
            };
            match self.sender.try_send(message(packet)) {
                Ok(_) => {
                    self.pending.pop_front();
                    moved = true;
                }
                Err(SocketError::Full) => {
                    let sender = self.sender.clone();
                    self.drained = Some(Box::pin(async move { sender.drained().await }));
                }
                // The receiving half says that it has ended.
                Err(_) => {
                    self.broken = true;
                    return moved;
                }
            }
        }
    }

    pub(super) async fn close(mut self, frames: Vec<Frame>) {
        for frame in frames {
            pieces(frame, &mut self.pending);
        }
        let closing = async {
            for packet in &self.pending {
                if self.sender.send(message(packet)).await.is_err() {
                    return;
                }
            }
            // It may be closing already.
            let _ = self.sender.close(CloseCode::NORMAL);
            while let Some(Ok(message)) = self.receiver.recv().await {
                if message.is_close() {
                    return;
                }
            }
        };
        // The socket's own task waits for the end of the transport.
        let _ = timeout(CLOSING, closing).await;
    }
}

fn message(packet: &Packet) -> Message {
    match packet {
        Packet::Message(Data::Binary(octets)) => Message::Binary(octets.clone()),
        packet => {
            let text = packet.text().unwrap_or_default();
            // It was text before.
            Text::try_from(text.into_bytes()).unwrap_or_default().into()
        }
    }
}

/// What a Close may take; the socket's own deadline is shorter.
const CLOSING: Duration = Duration::from_secs(10);
