//! What most programs with WebSockets name, in one line; what is called `Config` where it lives has a longer
//! name here. `DeflateConfig` is here with the feature `ws-deflate`, `Client` and `ConnectError` with `client`.
//!
//! ```
//! use wireline::Router;
//! use wireline::ws::prelude::*;
//!
//! async fn echo(mut socket: WebSocket) {
//!     while let Some(Ok(message)) = socket.recv().await {
//!         if message.is_text() && socket.send(message).await.is_err() {
//!             break;
//!         }
//!     }
//! }
//!
//! let terms = |upgrade: WebSocketUpgrade| {
//!     let limits = Limits { message: 64 * 1024, ..Limits::default() };
//!     upgrade.config(SocketConfig { limits, ..SocketConfig::default() })
//! };
//! assert!(Router::new().websocket_with("/echo", terms, echo).build().is_ok());
//! ```

#[cfg(feature = "client")]
pub use crate::ws::client::{Client, ConnectError};
pub use crate::ws::close::{CloseCode, CloseFrame};
pub use crate::ws::connection::{Lent, Replies};
#[cfg(feature = "ws-deflate")]
pub use crate::ws::deflate::Config as DeflateConfig;
pub use crate::ws::handshake::subprotocol::Subprotocols;
pub use crate::ws::limits::Limits;
pub use crate::ws::message::{Fragment, Message, Text};
pub use crate::ws::origin::Policy as OriginPolicy;
pub use crate::ws::prepared::Prepared;
pub use crate::ws::route::guard::guarded;
pub use crate::ws::route::messages::{batches, messages};
pub use crate::ws::route::token::Token;
pub use crate::ws::route::{WebSocketHandler, WebSocketUpgrade};
pub use crate::ws::socket::config::{Config as SocketConfig, Overflow};
pub use crate::ws::socket::each::{Batch, Each};
pub use crate::ws::socket::rate::RateLimit;
pub use crate::ws::socket::{
    CloseStatus, IntoClose, Sent, SocketError, WebSocket, WsReceiver, WsSender,
};
