//! The messages of the relay endpoint: JSON in text frames.
//!
//! A client that knows the plain messages alone, `subscribe`, `unsubscribe`, `message` and `ping`, is sent the plain answers
//! alone. Everything else is asked for: who gives a message a `ref` gets an answer with it, who says where he stopped is
//! told whether he has everything, who wants to know who is present is told. `docs/relay_protocol.md` has every message.

mod reply;
mod request;

pub use self::reply::{ErrorCode, Position, Reply, push_text};
pub use self::request::{Asked, InvalidMessage, Request, Wants, read, reference_of};
