//! What waits for a client, as the content of answers to its polls.

use super::session::State;
use crate::socketio::engine::CloseReason;
use crate::socketio::engine::payload::SEPARATOR;
use bytes::Bytes;

/// What answers a poll.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) octets: Bytes,
    /// Whether a message in it may be compressed: then all of it is.
    pub(super) is_compressible: bool,
}

impl Content {
    /// The packet that says nothing.
    pub(super) const NOTHING: Self = Self::packet(b"6");

    /// The packet that ends a session.
    const END: Self = Self::packet(b"1");

    const fn packet(packet: &'static [u8]) -> Self {
        Self {
            octets: Bytes::from_static(packet),
            is_compressible: true,
        }
    }
}

impl From<Bytes> for Content {
    fn from(octets: Bytes) -> Self {
        Self {
            octets,
            is_compressible: true,
        }
    }
}

impl State {
    /// What waits as the content of an answer: whole messages, as many as fit into so many octets and so many packets, and one at the
    /// least. `None` when nothing waits.
    pub(super) fn take_payload(&mut self, octets: usize, packets: usize) -> Option<Content> {
        let queue = self.queue.as_mut()?;
        let first = queue.pop()?;
        let mut content = Content {
            octets: first.payload().clone(),
            is_compressible: first.is_compressible(),
        };
        let (mut len, mut count) = (content.octets.len(), first.packets());
        let mut others = Vec::new();
        while let Some(next) = queue.front() {
            len = len.saturating_add(1 + next.payload().len());
            count = count.saturating_add(next.packets());
            if len > octets || count > packets {
                break;
            }
            content.is_compressible |= next.is_compressible();
            others.extend(queue.pop());
        }
        if queue.is_empty() {
            self.queue = None;
        }
        if !others.is_empty() {
            let mut joined = Vec::from(content.octets);
            for next in &others {
                joined.push(SEPARATOR);
                joined.extend_from_slice(next.payload());
            }
            content.octets = joined.into();
        }
        Some(content)
    }

    /// What a client that polls is told at the end of its session: all that was sent before, and by the poll behind that that this is the
    /// end. In one answer, `socket.io-client` would hear of the end first.
    pub(super) fn farewell(&mut self, packets: usize) -> Content {
        match self.take_payload(usize::MAX, packets) {
            Some(content) => content,
            None if self.core.closed() == Some(CloseReason::TransportClose) => Content::NOTHING,
            None => Content::END,
        }
    }

    /// Whether it has ended and its client is told so by its next poll.
    pub(super) fn lingers(&self) -> bool {
        self.polling.as_ref().is_some_and(|polling| polling.lingers)
    }

    /// Whether nothing waits for its client.
    pub(super) const fn has_nothing(&self) -> bool {
        self.queue.is_none()
    }
}
