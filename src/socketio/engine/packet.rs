//! Packets of Engine.IO.

use bytes::Bytes;
use bytestring::ByteString;
use std::fmt;

/// A packet. In a frame of text its first character says which it is; octets are a message wherever they stand.
///
/// ```
/// use wireline::socketio::engine::{Data, Packet};
///
/// let packet = Packet::decode("4hello".into()).unwrap();
/// assert_eq!(packet, Packet::Message(Data::Text("hello".into())));
/// assert_eq!(Packet::Ping("probe".into()).text().unwrap(), "2probe");
/// assert!(Packet::decode("abc".into()).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// What a session is: JSON of the server, see [`Open`](super::open::Open).
    Open(ByteString),
    /// The session ends.
    Close,
    /// From the server: is the client still there? With `probe`, from the client: does this transport work?
    Ping(ByteString),
    /// The answer to a ping, with what that had.
    Pong(ByteString),
    /// What the application sends.
    Message(Data),
    /// The client goes on with this transport.
    Upgrade,
    /// Nothing: it answers a poll.
    Noop,
}

/// What an application sends and receives.
///
/// ```
/// use wireline::socketio::engine::Data;
///
/// let data = Data::Text("Grüße".into());
/// assert_eq!(data.len(), 7, "octets, not characters");
/// assert!(Data::Binary(Default::default()).is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Text.
    Text(ByteString),
    /// Octets.
    Binary(Bytes),
}

impl Data {
    /// How many octets it has.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(octets) => octets.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is no packet.
///
/// ```
/// use wireline::socketio::engine::{InvalidPacket, Packet};
///
/// assert_eq!(Packet::decode("7".into()), Err(InvalidPacket), "there is no such type");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPacket;

impl fmt::Display for InvalidPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a packet of Engine.IO")
    }
}

impl std::error::Error for InvalidPacket {}

impl Packet {
    /// Reads a packet of text: a frame of a WebSocket, or a piece of a payload that does not begin with `b`.
    ///
    /// What follows a type that has nothing to say is not looked at.
    ///
    /// # Errors
    ///
    /// When there is no type, or one that nobody knows.
    pub fn decode(text: ByteString) -> Result<Self, InvalidPacket> {
        let kind = text.as_bytes().first().ok_or(InvalidPacket)?;
        // The type is one octet of ASCII, so that a character begins behind it.
        let rest = || text.slice_ref(text.get(1..).unwrap_or_default());
        Ok(match kind {
            b'0' => Self::Open(rest()),
            b'1' => Self::Close,
            b'2' => Self::Ping(rest()),
            b'3' => Self::Pong(rest()),
            b'4' => Self::Message(Data::Text(rest())),
            b'5' => Self::Upgrade,
            b'6' => Self::Noop,
            _ => return Err(InvalidPacket),
        })
    }

    /// The packet as text; `None` for octets, which a WebSocket carries as they are and a payload in base64.
    pub fn text(&self) -> Option<ByteString> {
        let rest = self.rest()?;
        let mut text = String::with_capacity(rest.len() + 1);
        text.push(self.kind());
        text.push_str(rest);
        Some(text.into())
    }

    /// The character that says which it is.
    pub(super) const fn kind(&self) -> char {
        match self {
            Self::Open(_) => '0',
            Self::Close => '1',
            Self::Ping(_) => '2',
            Self::Pong(_) => '3',
            Self::Message(Data::Text(_)) => '4',
            Self::Message(Data::Binary(_)) => 'b',
            Self::Upgrade => '5',
            Self::Noop => '6',
        }
    }

    /// What follows it.
    pub(super) fn rest(&self) -> Option<&str> {
        match self {
            Self::Open(text)
            | Self::Ping(text)
            | Self::Pong(text)
            | Self::Message(Data::Text(text)) => Some(text),
            Self::Close | Self::Upgrade | Self::Noop => Some(""),
            Self::Message(Data::Binary(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_and_written() {
        for text in [
            "0{}", "1", "2", "2probe", "3", "3probe", "4", "4ä", "5", "6",
        ] {
            let packet = Packet::decode(text.into()).unwrap();
            assert_eq!(packet.text().unwrap(), text);
        }
        for text in ["", "7", "b", "abc", "ä", "\0", " 4"] {
            assert_eq!(Packet::decode(text.into()), Err(InvalidPacket), "{text:?}");
        }
        let octets = Packet::Message(Data::Binary(Bytes::from_static(b"\xff")));
        assert_eq!(octets.text(), None);
        assert_eq!(Packet::decode("1?".into()), Ok(Packet::Close));
    }
}
