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

    /// Whether each of its messages is within what a server takes; octets are base64 where everything is text.
    pub(crate) fn fits(&self, most: usize, is_text: bool) -> bool {
        let written = |octets: &Bytes| match is_text {
            true => 1 + octets.len().div_ceil(3) * 4,
            false => octets.len(),
        };
        match &self.content {
            Content::Pong => true,
            Content::Text(text, attachments) => {
                text.len() < most && attachments.iter().all(|octets| written(octets) <= most)
            }
            Content::Binary(octets) => written(octets) <= most,
        }
    }
}
