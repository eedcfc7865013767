//! Messages, and text that was checked once.

use crate::wire::out::SHARED_FROM;
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::error::Error;
use bytes::Bytes;
use bytestring::ByteString;
use std::fmt;
use std::ops::Deref;

/// Text over shared octets. It was checked when it was made: reading it costs nothing, cloning it a
/// reference count.
///
/// ```
/// use wireline::ws::message::Text;
///
/// let text = Text::from("Grüße");
/// assert_eq!(text.len(), 7);
/// assert!(text.starts_with("Gr"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(ByteString);

impl Text {
    /// Text that lives as long as the program; copies nothing.
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The octets.
    pub fn as_bytes(&self) -> &Bytes {
        self.0.as_bytes()
    }

    /// The octets, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }

    /// The text as the crate that checked it has it, without a copy.
    #[allow(dead_code, reason = "sessions of Socket.IO alone need it")]
    pub(crate) fn into_byte_string(self) -> ByteString {
        self.0
    }

    /// A copy with octets of its own.
    fn detached(&self) -> Self {
        Self::from(self.as_str())
    }

    /// The text alone, which holds no more than its own octets: a slice of a larger buffer would keep all of it.
    #[allow(dead_code, reason = "connections of the relay alone need it")]
    pub(crate) fn alone(self) -> Self {
        if self.len() < SLICED_FROM {
            self
        } else {
            self.detached()
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        Self::from(&*text)
    }
}

impl TryFrom<Bytes> for Text {
    type Error = Error;

    /// Checks the octets; copies none.
    fn try_from(octets: Bytes) -> Result<Self, Error> {
        ByteString::try_from(octets)
            .map(Self)
            .map_err(|_| Error::Utf8)
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

/// A message, or a control frame.
///
/// ```
/// use wireline::ws::message::Message;
///
/// let message = Message::from("hello");
/// assert!(message.is_text());
/// assert_eq!(message.as_text(), Some("hello"));
/// assert_eq!(message.as_bytes(), b"hello");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(Text),
    /// Octets.
    Binary(Bytes),
    /// A ping, which is answered without anybody's help; at most 125 octets.
    Ping(Bytes),
    /// A pong, asked for or not; at most 125 octets.
    Pong(Bytes),
    /// The beginning, or the answer, of the closing handshake.
    Close(Option<CloseFrame>),
}

impl Message {
    /// Whether this is text.
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Whether this is octets.
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// Whether this is a ping.
    pub const fn is_ping(&self) -> bool {
        matches!(self, Self::Ping(_))
    }

    /// Whether this is a pong.
    pub const fn is_pong(&self) -> bool {
        matches!(self, Self::Pong(_))
    }

    /// Whether this is a Close.
    pub const fn is_close(&self) -> bool {
        matches!(self, Self::Close(_))
    }

    /// The text of a text message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The payload; of a Close the reason.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(octets) | Self::Ping(octets) | Self::Pong(octets) => octets,
            Self::Close(Some(close)) => close.reason.as_bytes(),
            Self::Close(None) => &[],
        }
    }

    /// The payload, which others may hold as well; of a Close nothing.
    pub(crate) fn shared(&self) -> Option<&Bytes> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Binary(octets) | Self::Ping(octets) | Self::Pong(octets) => Some(octets),
            Self::Close(_) => None,
        }
    }

    /// The payload, without a copy; of a Close the reason.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(octets) | Self::Ping(octets) | Self::Pong(octets) => octets,
            Self::Close(close) => close.map_or_else(Bytes::new, |close| close.reason.into_bytes()),
        }
    }
}

impl Message {
    /// The message as it may wait: a short slice of a larger buffer would keep all of it.
    pub(crate) fn detached(self) -> Self {
        match self {
            Self::Text(text) if is_short(text.as_bytes()) => Self::Text(text.detached()),
            Self::Binary(octets) if is_short(&octets) => {
                Self::Binary(Bytes::copy_from_slice(&octets))
            }
            other => other,
        }
    }
}

/// Whether a payload is short enough that a copy costs less than what it may be a slice of, and long enough
/// that it was not copied already.
pub(crate) fn is_short(payload: impl AsRef<[u8]>) -> bool {
    (SLICED_FROM..SHARED_FROM).contains(&payload.as_ref().len())
}

/// From this size on the payload of a message is a slice of the read buffer.
pub(crate) const SLICED_FROM: usize = 512;

impl From<Text> for Message {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Vec<u8>> for Message {
    fn from(octets: Vec<u8>) -> Self {
        Self::Binary(octets.into())
    }
}

impl From<&[u8]> for Message {
    fn from(octets: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(octets))
    }
}

impl From<Bytes> for Message {
    fn from(octets: Bytes) -> Self {
        Self::Binary(octets)
    }
}

impl From<CloseFrame> for Message {
    fn from(close: CloseFrame) -> Self {
        Self::Close(Some(close))
    }
}

impl From<CloseCode> for Message {
    /// With the default reason.
    fn from(code: CloseCode) -> Self {
        Self::Close(Some(code.into()))
    }
}

/// A part of a message that is handed on before the message is whole.
///
/// Text was checked as far as it goes; a part may end inside a character.
///
/// ```
/// use wireline::ws::socket::WebSocket;
///
/// /// Counts the octets of a message that is longer than memory.
/// async fn count(mut socket: WebSocket) -> usize {
///     let mut octets = 0;
///     while let Some(Ok(fragment)) = socket.recv_fragment().await {
///         octets += fragment.data.len();
///         if fragment.last {
///             break;
///         }
///     }
///     octets
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Whether the message is text.
    pub text: bool,
    /// The octets; empty only where the message ends.
    pub data: Bytes,
    /// Whether the message ends here.
    pub last: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_alone_holds_no_buffer() {
        let mut buf = bytes::BytesMut::zeroed(16 << 10);
        let text = Text::try_from(buf.split_to(8 << 10).freeze()).unwrap();
        assert!(!buf.try_reclaim(16 << 10));
        let alone = text.alone();
        assert_eq!(alone.len(), 8 << 10);
        buf.clear();
        assert!(buf.try_reclaim(16 << 10));
    }

    #[test]
    fn messages_from_what_people_have() {
        assert_eq!(Message::from(String::from("a")), Message::from("a"));
        assert_eq!(Message::from(vec![1, 2]), Message::from(&[1u8, 2][..]));
        assert_eq!(
            Message::from(CloseCode::NORMAL).as_bytes(),
            b"Normal closure"
        );
        assert!(Text::try_from(Bytes::from_static(b"\xff")).is_err());
        let text = Text::try_from(Bytes::from_static(b"abc")).unwrap();
        assert_eq!(text, "abc");
        assert_eq!(format!("{text} {text:?}"), "abc \"abc\"");
        assert_eq!(Message::Close(None).into_bytes(), Bytes::new());
        assert_eq!(Message::Binary(Bytes::new()).as_text(), None);
    }
}
