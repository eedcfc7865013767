//! Socket.IO (protocol 5) over Engine.IO (protocol 4): named events in both directions, answers to them, rooms, namespaces, binary
//! attachments; over WebSocket, and over HTTP long-polling where nothing else gets through.
//!
//! ```text
//!   engine      packets, payloads, sessions of Engine.IO; knows no socket and no clock
//!   packet      packets of Socket.IO, their attachments, MessagePack; knows neither
//!   transport   sessions over HTTP and WebSockets, and Engine.IO alone in a router
//!   server      namespaces, sockets, events, rooms, in a router
//!   adapter     what several nodes say to each other, so that rooms span them
//!   client      a client of any Socket.IO server
//! ```

pub mod adapter;
#[cfg(feature = "client")]
pub mod client;
pub mod engine;
pub mod packet;
pub mod prelude;
pub mod server;
pub mod transport;
