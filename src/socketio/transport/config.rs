//! How sessions are kept.

use crate::layer::cors::Cors;
use crate::ws::origin::Policy;
use std::time::Duration;

/// How sessions are kept, and who may open them.
///
/// ```
/// use std::time::Duration;
/// use wireline::socketio::transport::EngineConfig;
///
/// let config = EngineConfig { ping_interval: Duration::from_secs(10), ..EngineConfig::default() };
/// assert_eq!(config.max_payload, 1_000_000);
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is written with `..Default`")]
pub struct EngineConfig {
    /// From the opening of a session, and from each answer to a ping, to the next ping. Default 25 s.
    pub ping_interval: Duration,
    /// How long a client may take to answer a ping. Default 20 s.
    pub ping_timeout: Duration,
    /// How long a WebSocket may take to become the transport of a session that polls. Default 10 s.
    pub upgrade_timeout: Duration,
    /// The most octets of a request's content, and of a message over a WebSocket. Default 1,000,000.
    pub max_payload: usize,
    /// The most packets in the content of a request. Default 131,072: clients bound it by its octets alone.
    pub max_packets: usize,
    /// The most packets in the answer to a poll, and one message at the least. Default 16: `python-socketio` refuses more, and polls
    /// again at once for the rest.
    pub max_packets_per_poll: usize,
    /// Whether sessions may poll over HTTP. Default yes; without it there are WebSockets only, and who polls is told so.
    pub polling: bool,
    /// Whether sessions may have a WebSocket. Default yes.
    pub websocket: bool,
    /// Which pages may open a WebSocket, and poll. Default: foreign ones only without cookies and `Authorization`.
    pub origin: Policy,
    /// What scripts of other origins may read. Default nothing.
    pub cors: Option<Cors>,
    /// The most sessions that poll. Those with a WebSocket from the beginning are bounded by the server's connections. Default 10,000.
    pub max_sessions: usize,
    /// The most of them by one address. Default 1,000.
    pub max_sessions_per_address: usize,
    /// The most octets that may wait for a client before its session is closed. Default 1 MiB; a message that is larger is taken when
    /// nothing waits.
    pub queue: usize,
    /// The most messages that may. Default 10,000.
    pub queue_messages: usize,
    /// Whether the requests of a session must come from the user who opened it. Default yes; it makes no difference where nobody signs in.
    pub bind_to_user: bool,
    /// Whether they must come from the address that opened it, of IPv6 from its first 64 bits. Default no: who walks from one network
    /// to another has another address.
    pub bind_to_address: bool,
    /// How many requests of one address, of IPv6 of its first 64 bits, may name a session that there is not, in a minute. Those beyond
    /// are refused with the same words, and their connections are closed behind the answer. Default 1,000, because all clients behind
    /// one address do so once when their server was started anew.
    pub max_unknown_sids: u32,
    /// Whether messages over WebSockets are compressed (permessage-deflate, RFC 7692) for clients that take it so. Default no; needs the
    /// feature `ws-deflate`.
    pub compress_websockets: bool,
    /// Whether answers to polls are compressed (`gzip`) for clients that take it, as [`Compression`] does it: with `Authorization` they
    /// are not. Default yes; needs the feature `compression`.
    ///
    /// [`Compression`]: https://docs.rs/wireline/latest/wireline/layer/compression/struct.Compression.html
    pub compress_polls: bool,
    /// From how many octets on a message, or the answer to a poll, is compressed. Default 1,024.
    pub compress_from: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            max_payload: 1_000_000,
            max_packets: 128 << 10,
            max_packets_per_poll: 16,
            polling: true,
            websocket: true,
            origin: Policy::default(),
            cors: None,
            max_sessions: 10_000,
            max_sessions_per_address: 1000,
            queue: 1 << 20,
            queue_messages: 10_000,
            bind_to_user: true,
            bind_to_address: false,
            max_unknown_sids: 1000,
            compress_websockets: false,
            compress_polls: true,
            compress_from: 1024,
        }
    }
}
