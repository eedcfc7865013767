//! A message that is framed once, and compressed once, for many receivers.

use crate::ws::deflate::{self, Config};
use crate::ws::frame::{FIN, LONGEST_HEAD, Opcode, RSV1, push_head};
use bytes::Bytes;
use std::sync::Arc;

/// A message as a server sends it: sending it to one more connection copies at most a reference, and for
/// a small one its octets.
///
/// ```
/// use wireline::ws::prepared::Prepared;
///
/// let news = Prepared::text("news");
/// assert_eq!(news.frame(), b"\x81\x04news");
/// ```
#[derive(Clone, Debug)]
pub struct Prepared {
    opcode: Opcode,
    /// One for all who have the message: many of them wait in queues.
    octets: Arc<Octets>,
}

#[derive(Debug)]
struct Octets {
    payload: Bytes,
    frame: Bytes,
    /// The window that it was compressed with, as a power of two, and the frame.
    compressed: Option<(u8, Bytes)>,
}

impl Prepared {
    /// A text message.
    pub fn text(text: &str) -> Self {
        Self::new(Opcode::Text, text.as_bytes())
    }

    /// A binary message.
    pub fn binary(octets: &[u8]) -> Self {
        Self::new(Opcode::Binary, octets)
    }

    fn new(opcode: Opcode, payload: &[u8]) -> Self {
        let (head, frame) = framed(opcode as u8 | FIN, payload);
        let octets = Octets {
            payload: frame.slice(head..),
            frame,
            compressed: None,
        };
        Self {
            opcode,
            octets: Arc::new(octets),
        }
    }

    /// The same message, also compressed by itself: for every connection that agreed on
    /// permessage-deflate without takeover of our contexts and with a window of at least that of `config`.
    /// All others get it as it is.
    #[must_use]
    pub fn compressed(self, config: &Config) -> Self {
        let Octets { payload, frame, .. } = &*self.octets;
        let octets = Octets {
            payload: payload.clone(),
            frame: frame.clone(),
            compressed: deflate::standalone(payload, config)
                .map(|(bits, coded)| (bits, framed(self.opcode as u8 | FIN | RSV1, &coded).1)),
        };
        Self {
            opcode: self.opcode,
            octets: Arc::new(octets),
        }
    }

    /// The frame, uncompressed.
    pub fn frame(&self) -> &[u8] {
        &self.octets.frame
    }

    /// Whether it is a text message.
    pub const fn is_text(&self) -> bool {
        matches!(self.opcode, Opcode::Text)
    }

    pub(crate) const fn opcode(&self) -> Opcode {
        self.opcode
    }

    pub(crate) fn payload(&self) -> &Bytes {
        &self.octets.payload
    }

    pub(crate) fn shared(&self) -> &Bytes {
        &self.octets.frame
    }

    pub(crate) fn shared_compressed(&self) -> Option<&(u8, Bytes)> {
        self.octets.compressed.as_ref()
    }
}

/// A whole frame of a server, and the length of its head.
fn framed(first: u8, payload: &[u8]) -> (usize, Bytes) {
    let mut octets = Vec::with_capacity(payload.len() + LONGEST_HEAD);
    push_head(&mut octets, first, payload.len() as u64, None);
    let head = octets.len();
    octets.extend_from_slice(payload);
    (head, octets.into())
}
