//! What nodes say to each other, in the words of `@socket.io/redis-adapter` 8 and `@socket.io/redis-emitter` 5.
//!
//! There are three places for it in each namespace: events that are broadcast, questions, and answers. An event is MessagePack, and so
//! is what has attachments; the rest is JSON.
//!
//! ```
//! use wireline::socketio::adapter::words::Question;
//! use wireline::socketio::adapter::words::Asks;
//!
//! let octets = br#"{"uid":"gLuRtF","requestId":"fNW5Bt","type":1}"#;
//! let question = Question::read("/", octets).unwrap();
//! assert_eq!(question.id.as_deref(), Some("fNW5Bt"));
//! assert_eq!(question.asks, Asks::Rooms);
//! assert_eq!(question.write().unwrap(), &octets[..]);
//! ```

mod read;
#[cfg(test)]
mod tests;
mod write;

use super::{Event, RemoteSocket, Target};
use crate::socketio::packet::Args;
use bytestring::ByteString;

/// An event for sockets.
///
/// ```
/// use wireline::socketio::adapter::words::Broadcast;
/// use wireline::socketio::adapter::{Event, Target};
/// use wireline::socketio::packet::Args;
///
/// let broadcast = Broadcast {
///     from: "gLuRtF".into(),
///     to: Target { namespace: "/".into(), rooms: vec!["news".into()], ..Target::default() },
///     event: Event { name: "told".into(), args: Args::new("hello").unwrap() },
/// };
/// let octets = broadcast.write().unwrap();
/// assert!(Broadcast::is_from(&octets, "gLuRtF"));
/// assert_eq!(Broadcast::read("/", &octets), Some(broadcast));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast {
    /// Who says it; an emitter that is no server says `emitter`.
    pub from: ByteString,
    /// For whom.
    pub to: Target,
    /// What.
    pub event: Event,
}

/// What is asked of every node.
///
/// ```
/// use wireline::socketio::adapter::words::{Asks, Question};
///
/// let question = Question { from: Some("gLuRtF".into()), id: Some("fNW5Bt".into()), asks: Asks::Rooms };
/// assert_eq!(question.write().unwrap(), r#"{"uid":"gLuRtF","requestId":"fNW5Bt","type":1}"#);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Who asks; an emitter that is no server may leave it out.
    pub from: Option<ByteString>,
    /// What answers name, if there are to be any.
    pub id: Option<ByteString>,
    /// What is asked.
    pub asks: Asks,
}

/// What may be asked.
///
/// ```
/// use wireline::socketio::adapter::words::{Asks, Question};
///
/// let words = r#"{"uid":"gLuRtF","type":2,"opts":{"rooms":["red"],"except":[]},"rooms":["blue"]}"#;
/// let question = Question::read("/", words.as_bytes()).unwrap();
/// let Asks::Join(who, rooms) = question.asks else { unreachable!() };
/// assert_eq!((who.rooms, rooms), (vec!["red".into()], vec!["blue".into()]));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Asks {
    /// The ids of the sockets in rooms, as old nodes ask for them.
    Ids(Target),
    /// The rooms that somebody is in.
    Rooms,
    /// To have sockets join rooms.
    Join(Target, Vec<ByteString>),
    /// To have sockets leave rooms.
    Leave(Target, Vec<ByteString>),
    /// To disconnect sockets, and to close their sessions if it is `true`.
    Disconnect(Target, bool),
    /// The sockets.
    Sockets(Target),
    /// To take an event of a server.
    Emit(Event),
    /// To send an event to sockets, and to pass on what they answer within so many milliseconds.
    BroadcastWithAcks(Target, Event, u64),
}

/// An answer to a question.
///
/// ```
/// use wireline::socketio::adapter::words::{Answer, Says};
///
/// let answer = Answer { id: "fNW5Bt".into(), from: None, says: Says::Rooms(vec!["news".into()]) };
/// let octets = answer.write().unwrap();
/// assert_eq!(Answer::read(&octets), Some(answer));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// To which.
    pub id: ByteString,
    /// Who answers; a server of npm leaves it out.
    pub from: Option<ByteString>,
    /// What is said.
    pub says: Says,
}

/// What may be answered.
///
/// ```
/// use wireline::socketio::adapter::words::{Answer, Says};
///
/// let words = br#"{"type":8,"requestId":"HDecxt","clientCount":2}"#;
/// assert_eq!(Answer::read(words).unwrap().says, Says::Count(2));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Says {
    /// Ids of sockets.
    Ids(Vec<ByteString>),
    /// Rooms.
    Rooms(Vec<ByteString>),
    /// Sockets.
    Sockets(Vec<RemoteSocket>),
    /// What a server answers to an event.
    Emitted(Args),
    /// To how many sockets the event was sent.
    Count(u64),
    /// What one of them answers.
    Ack(Args),
}

const IDS: u8 = 0;
const ROOMS: u8 = 1;
const JOIN: u8 = 2;
const LEAVE: u8 = 3;
const DISCONNECT: u8 = 4;
const SOCKETS: u8 = 5;
const EMIT: u8 = 6;
const BROADCAST: u8 = 7;
const COUNT: u8 = 8;
const ACK: u8 = 9;
