//! How a server is set.

use crate::layer::cors::Cors;
use crate::socketio::packet::{Form, Limits};
use crate::socketio::transport::EngineConfig;
use crate::ws::origin::Policy;
use std::time::Duration;

/// How a server is set.
///
/// ```
/// use std::time::Duration;
/// use wireline::socketio::server::SocketIoConfig;
///
/// let config = SocketIoConfig {
///     websocket_only: true,
///     ping_interval: Duration::from_secs(10),
///     ..SocketIoConfig::default()
/// };
/// assert_eq!(config.path, "/socket.io/");
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is written with `..Default`")]
pub struct SocketIoConfig {
    /// Where it is mounted. Default `/socket.io/`, where clients look for it.
    pub path: String,
    /// Whether there are WebSockets only: who polls is told so. Default no.
    pub websocket_only: bool,
    /// From the opening of a session, and from each answer to a ping, to the next ping. Default 25 s.
    pub ping_interval: Duration,
    /// How long a client may take to answer a ping. Default 20 s.
    pub ping_timeout: Duration,
    /// How long a WebSocket may take to become the transport of a session that polls. Default 10 s.
    pub upgrade_timeout: Duration,
    /// The most octets of a message, and of all attachments of one. Default 1,000,000.
    pub max_payload: usize,
    /// Which pages may open a WebSocket, and poll. Default: foreign ones only without cookies and `Authorization`.
    pub origin: Policy,
    /// What scripts of other origins may read. Default nothing.
    pub cors: Option<Cors>,
    /// How packets are written. Default text, which every client speaks.
    pub form: Form,
    /// How long a client that has opened a session may take to connect to a namespace. Default 10 s.
    pub connect_timeout: Duration,
    /// The most octets of what a client says to connect. Default 16 KiB: as a value it takes many times that, for as long as its socket
    /// is there.
    pub max_auth: usize,
    /// The most attachments of an event. Default 10.
    pub max_attachments: usize,
    /// How long attachments may take to come behind the event that announces them. Default 10 s.
    pub attachment_timeout: Duration,
    /// The most namespaces of a session. Default 16.
    pub max_namespaces: usize,
    /// The most rooms of a socket. Default 1,000: it does not join more.
    pub max_rooms: usize,
    /// The most handlers of a session that run at a time: beyond them, or while their events have more than twice `max_payload`
    /// octets, nothing more is read from its client. Default 64.
    pub max_handlers: usize,
    /// How long an answer is waited for, unless said otherwise. Default 30 s.
    pub ack_timeout: Duration,
    /// The most answers that a socket waits for. Default 1,024.
    pub max_acks: usize,
    /// What is done for clients that come back. Default nothing.
    pub recovery: Option<RecoveryConfig>,
    /// Everything else about sessions. What has a field here counts as it is here.
    pub engine: EngineConfig,
}

/// What is done for clients that come back within some time: they get their id and their rooms again, and what was sent meanwhile.
///
/// ```
/// use std::time::Duration;
/// use wireline::socketio::server::{RecoveryConfig, SocketIo, SocketIoConfig};
///
/// let recovery = RecoveryConfig { max_disconnection: Duration::from_secs(30), ..RecoveryConfig::default() };
/// let io = SocketIo::with_config(SocketIoConfig { recovery: Some(recovery), ..SocketIoConfig::default() });
/// # let _ = io;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is written with `..Default`")]
pub struct RecoveryConfig {
    /// For how long they may be away. Default 2 minutes.
    pub max_disconnection: Duration,
    /// Whether they are let in again without authentication and middleware. Default yes.
    pub skip_middleware: bool,
    /// The most octets of the events that are kept, and of the rooms and the authentication of those who went, of each namespace.
    /// Default 16 MiB for either: beyond them the oldest is given up.
    pub max_octets: usize,
    /// The most sockets that are kept, of each namespace. Default 10,000.
    pub max_sockets: usize,
}

impl Default for RecoveryConfig {
    fn default() -> Self {
        Self {
            max_disconnection: Duration::from_secs(120),
            skip_middleware: true,
            max_octets: 16 << 20,
            max_sockets: 10_000,
        }
    }
}

impl Default for SocketIoConfig {
    fn default() -> Self {
        let engine = EngineConfig::default();
        Self {
            path: "/socket.io/".to_owned(),
            websocket_only: false,
            ping_interval: engine.ping_interval,
            ping_timeout: engine.ping_timeout,
            upgrade_timeout: engine.upgrade_timeout,
            max_payload: engine.max_payload,
            origin: engine.origin.clone(),
            cors: engine.cors.clone(),
            form: Form::Text,
            connect_timeout: Duration::from_secs(10),
            max_auth: 16 << 10,
            max_attachments: 10,
            attachment_timeout: Duration::from_secs(10),
            max_namespaces: 16,
            max_rooms: 1000,
            max_handlers: 64,
            ack_timeout: Duration::from_secs(30),
            max_acks: 1024,
            recovery: None,
            engine,
        }
    }
}

impl SocketIoConfig {
    pub(super) fn engine(&self) -> EngineConfig {
        EngineConfig {
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            upgrade_timeout: self.upgrade_timeout,
            max_payload: self.max_payload,
            polling: self.engine.polling && !self.websocket_only,
            origin: self.origin.clone(),
            cors: self.cors.clone(),
            ..self.engine.clone()
        }
    }

    pub(super) const fn limits(&self) -> Limits {
        Limits {
            attachments: self.max_attachments,
            octets: self.max_payload,
        }
    }
}
