//! Why a session has ended.

use std::fmt;

/// Why a session has ended, in the words that clients of Socket.IO know.
///
/// ```
/// use wireline::socketio::engine::CloseReason;
///
/// assert_eq!(CloseReason::PingTimeout.to_string(), "ping timeout");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client has closed it, or its connection has.
    TransportClose,
    /// The transport failed, or the client used it in a way that is not allowed.
    TransportError,
    /// The client did not answer a ping in time.
    PingTimeout,
    /// What came is no packet.
    ParseError,
    /// This side has closed it.
    ForcedClose,
    /// The server ends.
    ServerShuttingDown,
    /// What came was larger than the largest payload.
    PayloadTooLarge,
    /// More waited for the client than may wait.
    TooSlow,
}

impl CloseReason {
    /// The same as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ForcedClose => "forced close",
            Self::ServerShuttingDown => "server shutting down",
            Self::PayloadTooLarge => "payload too large",
            Self::TooSlow => "too slow",
        }
    }

    /// Whether a client whose session ends so is still told what it was to be told.
    pub(in crate::socketio) const fn is_orderly(self) -> bool {
        matches!(self, Self::ForcedClose | Self::ServerShuttingDown)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
