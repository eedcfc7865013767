//! Sessions of Engine.IO over HTTP polling and WebSockets.
//!
//! ```text
//!   EngineIo     one path of a router: who may open a session, and which there are
//!     Session    the handle: sends, closes; whatever its transport now
//!     Outgoing   a message that is framed once for everybody
//!   Application  what lives on top; a Conversation of it for each session
//! ```

mod application;
#[cfg(feature = "compression")]
mod compress;
mod config;
mod content;
mod counters;
#[cfg(feature = "ws-deflate")]
mod deflate;
mod drive;
mod engine_io;
mod guesses;
#[cfg(not(feature = "compression"))]
mod no_compress;
#[cfg(not(feature = "ws-deflate"))]
mod no_deflate;
mod outgoing;
mod places;
mod polling;
mod route;
mod session;
mod sid;
mod websocket;

pub use self::application::{Application, Conversation};
pub use self::config::EngineConfig;
pub use self::counters::EngineStats;
pub use self::engine_io::EngineIo;
pub(in crate::socketio) use self::engine_io::WeakEngineIo;
pub use self::outgoing::Outgoing;
pub(crate) use self::route::ApplicationCheck;
pub use self::session::Session;
pub use crate::socketio::engine::{CloseReason, Data, Transport};

#[cfg(not(feature = "compression"))]
use self::no_compress as compress;
#[cfg(not(feature = "ws-deflate"))]
use self::no_deflate as deflate;
