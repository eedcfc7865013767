//! Engine.IO (protocol 4) without a socket and without a clock: packets, payloads of polling, what opens a session, and the
//! session itself, as bytes and times in, packets and deadlines out.

pub mod open;
pub mod packet;
pub mod payload;
pub mod query;
pub mod reason;
pub mod session;

pub use self::open::Open;
pub use self::packet::{Data, InvalidPacket, Packet};
pub use self::payload::InvalidPayload;
pub use self::query::{Query, RequestError};
pub use self::reason::CloseReason;
pub use self::session::{Session, Transport};
