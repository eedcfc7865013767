//! What a server says of a session when it is opened.

use super::session::Transport;
use serde::{Deserialize, Serialize};

/// What a server says of a session when it is opened: the JSON of [`Packet::Open`](super::Packet::Open).
///
/// ```
/// use wireline::socketio::engine::Transport;
/// use wireline::socketio::engine::open::Open;
///
/// let open = Open::new("abc", &[Transport::WebSocket], 25_000, 20_000, 1_000_000);
/// let json = r#"{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
/// assert_eq!(open.json(), json);
/// assert_eq!(Open::read(json).unwrap(), open);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Open {
    /// What names the session.
    pub sid: String,
    /// The transports that it can go over to.
    pub upgrades: Vec<String>,
    /// From an answer to the next ping, in milliseconds.
    pub ping_interval: u64,
    /// From a ping to its answer, in milliseconds.
    pub ping_timeout: u64,
    /// The most octets of a request's content; a server of an older version does not say.
    #[serde(default = "largest")]
    pub max_payload: usize,
}

impl Open {
    /// What a server says.
    pub fn new(
        sid: &str,
        upgrades: &[Transport],
        ping_interval: u64,
        ping_timeout: u64,
        max_payload: usize,
    ) -> Self {
        let upgrades = upgrades
            .iter()
            .map(|transport| transport.as_str().to_owned());
        Self {
            sid: sid.to_owned(),
            upgrades: upgrades.collect(),
            ping_interval,
            ping_timeout,
            max_payload,
        }
    }

    /// Reads what a server says.
    ///
    /// # Errors
    ///
    /// When it is not that.
    pub fn read(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The same as JSON.
    pub fn json(&self) -> String {
        // Texts, numbers and a list of texts become JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether the session can go over to a WebSocket.
    pub fn upgrades_to_websocket(&self) -> bool {
        (self.upgrades.iter()).any(|name| name == Transport::WebSocket.as_str())
    }
}

const fn largest() -> usize {
    usize::MAX
}
