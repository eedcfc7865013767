//! A connection of Engine.IO, whatever its transport is now: packets in, messages out.

mod cookies;
pub(super) mod dial;
mod handshake;
mod polling;
mod websocket;

use crate::socketio::client::core::Lost;
use crate::socketio::client::core::frame::{Content, Frame};
use crate::socketio::client::link::polling::Polling;
use crate::socketio::client::link::websocket::Socket;
use crate::socketio::engine::{Data, Packet};
use bytestring::ByteString;
use std::collections::VecDeque;
use std::task::{Context, Poll};

pub(super) enum Link {
    WebSocket(Socket),
    Polling(Box<Polling>),
}

/// What came of the server, or of the connection.
#[derive(Debug)]
pub(super) enum Heard {
    Ping,
    Message(Data),
    /// It is a WebSocket from now on.
    Upgraded,
    Ended(Lost),
}

impl Link {
    /// The next thing.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        loop {
            let packet = match self {
                Self::WebSocket(socket) => socket.poll_receive(cx),
                Self::Polling(polling) => {
                    if let Some(socket) = polling.poll_upgraded(cx) {
                        *self = Self::WebSocket(socket);
                        return Poll::Ready(Heard::Upgraded);
                    }
                    polling.poll_receive(cx)
                }
            };
            return match packet {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(lost)) => Poll::Ready(Heard::Ended(lost)),
                Poll::Ready(Ok(packet)) => match packet {
                    Packet::Ping(_) => Poll::Ready(Heard::Ping),
                    Packet::Message(data) => Poll::Ready(Heard::Message(data)),
                    Packet::Close => Poll::Ready(Heard::Ended(Lost::Close)),
                    // They say nothing to a client that is connected.
                    Packet::Noop | Packet::Pong(_) | Packet::Open(_) | Packet::Upgrade => continue,
                },
            };
        }
    }

    /// Sends what `next` gives, as far as there is room; says whether anything was taken.
    pub(super) fn poll_transmit(
        &mut self,
        cx: &mut Context<'_>,
        next: &mut dyn FnMut() -> Option<Frame>,
    ) -> bool {
        match self {
            Self::WebSocket(socket) => socket.poll_transmit(cx, next),
            Self::Polling(polling) => polling.poll_transmit(cx, next),
        }
    }

    /// Sends what is left, and closes.
    pub(super) async fn close(self, frames: Vec<Frame>) {
        match self {
            Self::WebSocket(socket) => socket.close(frames).await,
            Self::Polling(polling) => polling.close(frames).await,
        }
    }
}

/// The messages of a packet, in their order.
fn pieces(frame: Frame, out: &mut VecDeque<Packet>) {
    match frame.content {
        Content::Pong => out.push_back(Packet::Pong(ByteString::new())),
        Content::Text(text, attachments) => {
            out.push_back(Packet::Message(Data::Text(text)));
            let attachments = attachments.into_iter().map(Data::Binary);
            out.extend(attachments.map(Packet::Message));
        }
        Content::Binary(octets) => out.push_back(Packet::Message(Data::Binary(octets))),
    }
}
