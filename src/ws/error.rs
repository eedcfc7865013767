//! What a peer can do wrong and the close code that says so; what a caller can.

use crate::ws::close::CloseCode;
use std::fmt;

/// A frame or message that is refused: the connection is failed (RFC 6455 §7.1.7). Nothing after it is
/// interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A client sent a frame that is not masked (RFC 6455 §5.1).
    Unmasked,
    /// A server sent a frame that is masked (RFC 6455 §5.1).
    Masked,
    /// A reserved bit is set that no extension gave a meaning (RFC 6455 §5.2).
    ReservedBits,
    /// A reserved opcode (RFC 6455 §5.2).
    ReservedOpcode,
    /// A control frame is fragmented (RFC 6455 §5.5).
    FragmentedControl,
    /// A control frame has more than 125 octets of payload (RFC 6455 §5.5).
    ControlTooLong,
    /// A length is not written in the fewest octets, or in 64 bits with the first bit set
    /// (RFC 6455 §5.2).
    Length,
    /// A continuation frame without a message to continue (RFC 6455 §5.4).
    UnexpectedContinuation,
    /// A new message inside a fragmented one (RFC 6455 §5.4).
    ExpectedContinuation,
    /// A Close frame with a payload of one octet (RFC 6455 §5.5.1).
    ClosePayload,
    /// A Close frame with a code that may not be sent (RFC 6455 §7.4).
    CloseCode,
    /// The reason of a Close frame is not UTF-8 (RFC 6455 §8.1).
    CloseReason,
    /// Text is not UTF-8 (RFC 6455 §8.1).
    Utf8,
    /// The payload is not what DEFLATE gives (RFC 7692 §7.2.2).
    Inflate,
    /// A frame passes its limit, by what its head declares.
    FrameTooLarge,
    /// A message passes its limit, inflated or not.
    MessageTooLarge,
    /// More fragments, or more empty ones, than a message may have.
    Fragments,
    /// Control frames come faster than their limit.
    ControlFlood,
}

impl Error {
    /// The code of the Close frame that tells the peer.
    ///
    /// ```
    /// use wireline::ws::{close::CloseCode, error::Error};
    ///
    /// assert_eq!(Error::Utf8.close_code(), CloseCode::INVALID_PAYLOAD);
    /// ```
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::CloseReason | Self::Utf8 | Self::Inflate => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooLarge | Self::MessageTooLarge => CloseCode::TOO_BIG,
            Self::Fragments | Self::ControlFlood => CloseCode::POLICY,
            _ => CloseCode::PROTOCOL,
        }
    }

    /// One sentence for the peer, with the section that decides; short enough for a Close frame.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unmasked => "frame of a client is not masked (RFC 6455 5.1)",
            Self::Masked => "frame of a server is masked (RFC 6455 5.1)",
            Self::ReservedBits => "reserved bit set (RFC 6455 5.2)",
            Self::ReservedOpcode => "reserved opcode (RFC 6455 5.2)",
            Self::FragmentedControl => "fragmented control frame (RFC 6455 5.5)",
            Self::ControlTooLong => "control frame too long (RFC 6455 5.5)",
            Self::Length => "malformed payload length (RFC 6455 5.2)",
            Self::UnexpectedContinuation => "nothing to continue (RFC 6455 5.4)",
            Self::ExpectedContinuation => "message inside a fragmented message (RFC 6455 5.4)",
            Self::ClosePayload => "malformed close payload (RFC 6455 5.5.1)",
            Self::CloseCode => "close code that may not be sent (RFC 6455 7.4)",
            Self::CloseReason => "close reason is not UTF-8 (RFC 6455 8.1)",
            Self::Utf8 => "text is not UTF-8 (RFC 6455 8.1)",
            Self::Inflate => "malformed compressed payload (RFC 7692 7.2.2)",
            Self::FrameTooLarge => "frame too large",
            Self::MessageTooLarge => "message too large",
            Self::Fragments => "too many fragments",
            Self::ControlFlood => "too many control frames",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Error {}

/// What a caller asked for cannot be sent: a fault of ours or of the embedder, never of the peer.
///
/// ```
/// use wireline::ws::connection::Connection;
/// use wireline::ws::{error::SendError, out::Out};
///
/// let (mut connection, mut out) = (Connection::server(None), Out::default());
/// connection.send_close(None, &mut out).unwrap();
/// assert_eq!(connection.send_text("one more thing", &mut out), Err(SendError::Closing));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame was sent or received, or the connection has failed: nothing is sent any more.
    Closing,
    /// The payload of a ping or pong is longer than 125 octets, or a close reason longer than 123.
    TooLong,
    /// A message inside a fragmented message, or a continuation of none.
    OutOfOrder,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closing => "the connection is closing",
            Self::TooLong => "too long for a control frame",
            Self::OutOfOrder => "inside another message, or continuing none",
        })
    }
}

impl std::error::Error for SendError {}
