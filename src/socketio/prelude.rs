//! What programs that serve Socket.IO use most, at once.
//!
//! ```
//! use wireline::socketio::prelude::*;
//!
//! let io = SocketIo::new();
//! io.on("hello", async |socket: Socket| {
//!     let _ = socket.emit("hello", "you");
//! });
//! ```

pub use super::packet::{Args, Binary};
pub use super::server::{
    Ack, AckError, Auth, ConnectError, Data, DisconnectReason, EventName, Namespace, Socket,
    SocketIo, SocketIoConfig,
};
