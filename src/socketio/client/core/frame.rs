//! The messages of a packet on their way out.

use crate::socketio::packet::{Encoded, Form, Packet};
use bytes::Bytes;
use bytestring::ByteString;

/// A packet that is to be sent, or an answer to a ping.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) content: Content,
    /// Its messages, in octets, the type of Engine.IO included.
    pub(crate) octets: usize,
    /// The namespace of an event.
    pub(crate) space: Option<u32>,
    /// The answer that the event waits for.
    pub(crate) ack: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Pong,
    /// A text, and what is attached to it.
    Text(ByteString, Vec<Bytes>),
    Binary(Bytes),
}

impl Frame {
    pub(crate) const fn pong() -> Self {
        Self {
            content: Content::Pong,
            octets: 1,
            space: None,
            ack: None,
        }
    }

    /// A packet that is no event.
    pub(crate) fn control(packet: &Packet, form: Form) -> Self {
        let content = match packet.encode(form) {
            Encoded::Text { text, attachments } => Content::Text(text.into(), attachments),
            Encoded::Binary(octets) => Content::Binary(octets),
        };
        let octets = match &content {
            Content::Pong => 1,
            Content::Text(text, attachments) => {
                1 + text.len() + attachments.iter().map(Bytes::len).sum::<usize>()
            }
            Content::Binary(octets) => octets.len(),
        };
        Self {
            content,
            octets,
            space: None,
            ack: None,
        }
    }

    /// An event of a namespace.
    pub(crate) fn event(packet: &Packet, form: Form, space: u32, ack: Option<u64>) -> Self {
        Self {
            space: Some(space),
            ack,
            ..Self::control(packet, form)
        }
    }

    /// Whether it is the event of this namespace that waits for this answer.
    pub(crate) fn asks(&self, space: u32, ack: u64) -> bool {
        self.space == Some(space) && self.ack == Some(ack)
    }

    /// The octets of its largest message.
    pub(crate) fn largest(&self) -> usize {
        match &self.content {
            Content::Pong => 1,
            Content::Text(text, attachments) => {
                let attached = attachments.iter().map(Bytes::len).max().unwrap_or(0);
                attached.max(text.len() + 1)
            }
            Content::Binary(octets) => octets.len(),
        }
    }
}
