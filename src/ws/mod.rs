//! WebSocket (RFC 6455, RFC 7692), written by hand: a sans-I/O core and the drivers over it.
//!
//! ```text
//!   octets --> connection.receive --> Event::{Message, Fragment}
//!                |  frame (head: one verdict on its first two octets) -> mask
//!                |  message: whole | fragments and inflated pieces, put together; utf8 as it comes
//!                |  ping, Close: the answers wait in the sending half
//!                v
//!              state: every transition of the closing handshake
//!                ^
//!   octets <-- out <-- connection.send_* / send_pending / prepared   (deflate, mask)
//! ```
//!
//! The opening handshake (`handshake`, `extension`, `origin`) is values in, values out; whoever speaks HTTP
//! carries it. The core never waits and draws no lots: time and masking keys are arguments.

#[cfg(feature = "client")]
pub mod client;
pub mod close;
pub mod connection;
#[cfg(feature = "ws-deflate")]
pub mod deflate;
pub mod error;
pub mod extension;
pub mod frame;
pub mod handshake;
pub mod limits;
pub mod mask;
pub mod message;
pub mod origin;
pub mod prelude;
pub mod prepared;
pub mod route;
pub mod socket;
pub mod state;
pub mod utf8;
#[cfg(not(feature = "ws-deflate"))]
pub mod without_deflate;

#[cfg(not(feature = "ws-deflate"))]
pub use self::without_deflate as deflate;
pub use crate::wire::out;
