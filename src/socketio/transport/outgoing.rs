//! Messages that are framed once.

use crate::relay::hub::{Entry, Message};
use crate::socketio::engine::payload::{SEPARATOR, write_octets};
use crate::ws::deflate::{Config, standalone};
use crate::ws::frame::{FIN, LONGEST_HEAD, RSV1, push_head};
use bytes::{Bytes, BytesMut};
use std::sync::{Arc, OnceLock};

/// A message and its attachments, framed once for every transport; cloning it gives another handle to the same.
///
/// ```
/// use wireline::socketio::transport::Outgoing;
///
/// let message = Outgoing::with_attachments("51-[\"photo\",{\"_placeholder\":true,\"num\":0}]", vec![vec![0xff, 0xd8].into()]);
/// assert_eq!(message.packets(), 2);
/// assert!(message.payload().ends_with(b"}]\x1eb/9g="));
/// ```
#[derive(Clone, Debug)]
pub struct Outgoing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    frames: Bytes,
    /// Made when somebody polls.
    payload: OnceLock<Bytes>,
    /// The frames with what is long enough compressed, made when somebody takes it so; `None` where that makes nothing shorter.
    deflated: OnceLock<Option<Bytes>>,
    packets: u32,
    is_compressible: bool,
}

impl Outgoing {
    /// A message of text.
    pub fn text(text: &str) -> Self {
        Self::with_attachments(text, Vec::new())
    }

    /// A message of octets.
    pub fn binary(octets: impl AsRef<[u8]>) -> Self {
        let octets = octets.as_ref();
        let mut frames = Vec::with_capacity(octets.len() + LONGEST_HEAD);
        push_frame(&mut frames, BINARY, "", octets);
        Self::framed(frames, 1)
    }

    /// A message of text and one of octets for each attachment: nothing else comes between them.
    pub fn with_attachments(text: &str, attachments: Vec<Bytes>) -> Self {
        let octets: usize = attachments.iter().map(|one| one.len() + LONGEST_HEAD).sum();
        let mut frames = Vec::with_capacity(text.len() + 1 + LONGEST_HEAD + octets);
        push_frame(&mut frames, TEXT, "4", text.as_bytes());
        for attachment in &attachments {
            push_frame(&mut frames, BINARY, "", attachment);
        }
        let packets = u32::try_from(attachments.len()).unwrap_or(u32::MAX);
        Self::framed(frames, packets.saturating_add(1))
    }

    /// A packet that is no message.
    pub(super) fn packet(packet: &str) -> Self {
        let mut frames = Vec::with_capacity(packet.len() + LONGEST_HEAD);
        push_frame(&mut frames, TEXT, packet, &[]);
        Self::framed(frames, 1)
    }

    fn framed(frames: Vec<u8>, packets: u32) -> Self {
        Self(Arc::new(Inner {
            frames: frames.into(),
            payload: OnceLock::new(),
            deflated: OnceLock::new(),
            packets,
            is_compressible: true,
        }))
    }

    /// The same message, to be compressed for nobody.
    ///
    /// ```
    /// use wireline::socketio::transport::Outgoing;
    ///
    /// let photo = Outgoing::binary([0xff, 0xd8]).uncompressed();
    /// assert!(!photo.is_compressible());
    /// ```
    #[must_use]
    pub fn uncompressed(self) -> Self {
        Self(Arc::new(Inner {
            frames: self.0.frames.clone(),
            payload: self.0.payload.clone(),
            deflated: OnceLock::new(),
            packets: self.0.packets,
            is_compressible: false,
        }))
    }

    /// Whether it may be compressed for clients that take it so.
    pub fn is_compressible(&self) -> bool {
        self.0.is_compressible
    }

    /// The frames of a WebSocket, as a server sends them, one behind the other.
    pub fn frames(&self) -> &Bytes {
        &self.0.frames
    }

    /// The frames for a WebSocket that takes each message compressed by itself: for the first that asks they are made, for all others
    /// they are there.
    pub(super) fn deflated(&self, config: &Config) -> &Bytes {
        if !self.0.is_compressible {
            return &self.0.frames;
        }
        let made = || deflated(&self.0.frames, config);
        let deflated = self.0.deflated.get_or_init(made);
        deflated.as_ref().unwrap_or(&self.0.frames)
    }

    /// What answers a poll: packets with 0x1e between them, octets in base64.
    pub fn payload(&self) -> &Bytes {
        self.0.payload.get_or_init(|| payload(&self.0.frames))
    }

    /// How many packets it is: one, and one for each attachment.
    pub fn packets(&self) -> usize {
        self.0.packets as usize
    }

    /// What it counts in queues: the octets of its frames.
    pub fn octets(&self) -> usize {
        self.0.frames.len()
    }
}

/// A run is its frames, one behind the other.
impl Message for Outgoing {
    type Run = Bytes;

    fn octets(&self) -> usize {
        Self::octets(self)
    }

    fn run(entries: &[Entry<Self>]) -> Bytes {
        if let [only] = entries {
            return only.message.frames().clone();
        }
        let len = entries.iter().map(|entry| entry.message.octets()).sum();
        let mut joined = BytesMut::with_capacity(len);
        for entry in entries {
            joined.extend_from_slice(entry.message.frames());
        }
        joined.freeze()
    }
}

fn push_frame(frames: &mut Vec<u8>, first: u8, kind: &str, payload: &[u8]) {
    push_head(frames, first, (kind.len() + payload.len()) as u64, None);
    frames.extend_from_slice(kind.as_bytes());
    frames.extend_from_slice(payload);
}

/// Frames as [`push_frame`] has written them, as packets of a payload.
fn payload(frames: &[u8]) -> Bytes {
    let mut payload = Vec::with_capacity(frames.len());
    let mut rest = frames;
    while let Some((first, packet, behind)) = split_frame(rest) {
        if !payload.is_empty() {
            payload.push(SEPARATOR);
        }
        if first == BINARY {
            write_octets(packet, &mut payload);
        } else {
            payload.extend_from_slice(packet);
        }
        rest = behind;
    }
    payload.into()
}

/// The same frames, those compressed that become shorter by it; `None` when none of them does.
fn deflated(frames: &[u8], config: &Config) -> Option<Bytes> {
    let mut shorter = Vec::new();
    let (mut rest, mut done) = (frames, 0);
    while let Some((first, packet, behind)) = split_frame(rest) {
        if let Some((_, coded)) = standalone(packet, config) {
            // What stands before it goes as it is.
            shorter.extend_from_slice(frames.get(done..frames.len() - rest.len())?);
            push_head(&mut shorter, first | RSV1, coded.len() as u64, None);
            shorter.extend_from_slice(&coded);
            done = frames.len() - behind.len();
        }
        rest = behind;
    }
    if done == 0 {
        return None;
    }
    shorter.extend_from_slice(frames.get(done..)?);
    Some(shorter.into())
}

/// The first frame: its first octet, its payload, and what comes behind it.
fn split_frame(frames: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[first, short], rest) = frames.split_first_chunk()?;
    let (len, rest) = match short {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from(u16::from_be_bytes(*len)), rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*len), rest)
        }
        short => (short.into(), rest),
    };
    let (payload, behind) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    Some((first, payload, behind))
}

const TEXT: u8 = FIN | 1;
const BINARY: u8 = FIN | 2;

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn frames_and_payloads_say_the_same() {
        for len in [0, 1, 124, 125, 126, 65_534, 65_535, 65_536] {
            let text = "a".repeat(len);
            let message = Outgoing::with_attachments(&text, vec![vec![0xff; len].into()]);
            let whole = format!("4{text}\x1eb{}", STANDARD.encode(vec![0xff; len]));
            assert_eq!(message.payload(), whole.as_bytes());
            let (first, packet, rest) = split_frame(message.frames()).unwrap();
            assert_eq!((first, packet.len()), (TEXT, len + 1));
            let (first, packet, rest) = split_frame(rest).unwrap();
            assert_eq!((first, packet.len(), rest.len()), (BINARY, len, 0));
        }
        assert_eq!(Outgoing::binary([1, 2, 3]).payload(), "bAQID");
        assert_eq!(Outgoing::packet("6").payload(), "6");
        assert_eq!(&Outgoing::packet("2").frames()[..], [0x81, 1, b'2']);
    }
}
