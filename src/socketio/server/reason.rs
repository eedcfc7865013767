//! Why a socket is no longer connected.

use crate::socketio::transport::CloseReason;
use std::fmt;

/// Why a socket is no longer connected, in the words that clients know; an argument of handlers of disconnects.
///
/// ```
/// use wireline::socketio::server::DisconnectReason;
///
/// assert_eq!(DisconnectReason::Client.to_string(), "client namespace disconnect");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client has left the namespace.
    Client,
    /// This side has disconnected it.
    Server,
    /// Its session has ended.
    Session(CloseReason),
}

impl DisconnectReason {
    /// The same as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client namespace disconnect",
            Self::Server => "server namespace disconnect",
            Self::Session(reason) => reason.as_str(),
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
