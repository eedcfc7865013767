//! What subscribers and publishers say to the servers, each in its own protocol.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::connect::{handshake, upgrade};
use crate::die;
use crate::frame::{Walk, encode};
use crate::or_die;

/// How a server is spoken to.
pub enum Speaks {
    /// Paths: whoever opens `sub` subscribes, and every binary message on `publish` is a publication. With topics they are
    /// `sub/7`, and `publish` with an `s` behind it, where the first four octets of a message name the topic.
    Plain { sub: String, publish: String },
    /// Socket.IO 5 over a WebSocket of Engine.IO 4: the event `topic` names the topic, `pub` is a publication, `pubs` one that names its topic;
    /// whoever publishes has left the room with `role`.
    SocketIo,
    /// The relay's JSON (docs/relay_protocol.md) at this path: a subscriber publishes, and gets what it publishes. With
    /// topics it is the first one of each, for only who subscribes may publish.
    Relay { path: String },
}

impl Speaks {
    /// A subscriber that is ready. One that never reads has a small receive buffer.
    pub fn subscribe(
        &self,
        port: u16,
        at: usize,
        topic: Option<usize>,
        is_deaf: bool,
    ) -> (TcpStream, Walk) {
        let receive = is_deaf.then_some(DEAF);
        match self {
            Self::Plain { sub, .. } => {
                let path = topic.map_or_else(|| sub.clone(), |topic| format!("{sub}/{topic}"));
                let (stream, rest) = upgrade(port, &path, at, false, receive);
                let mut walk = Walk::default();
                walk.feed(&rest);
                (stream, walk)
            }
            Self::SocketIo => {
                let mut stream = engine(port, at, receive);
                if let Some(topic) = topic {
                    let text = format!(r#"42["topic",{topic}]"#);
                    or_die(stream.write_all(&encode(1, text.as_bytes())), "topic");
                }
                // Pings of Engine.IO begin with a 2.
                (stream, Walk::of(b'4'))
            }
            Self::Relay { path } => {
                let (mut stream, rest) = upgrade(port, path, at, false, receive);
                let topic = relay_topic(topic);
                let text = format!(r#"{{"type":"subscribe","topic":"{topic}"}}"#);
                or_die(stream.write_all(&encode(1, text.as_bytes())), "subscribe");
                answered(&mut stream, &rest, b'{', "subscribe");
                (stream, Walk::default())
            }
        }
    }

    /// One subscription more of somebody who has one.
    pub fn subscribe_further(&self, stream: &mut TcpStream, further: usize) {
        let Self::Relay { .. } = self else {
            die("--each is for clients of the relay");
        };
        let text = format!(r#"{{"type":"subscribe","topic":"{TOPIC}:{further}"}}"#);
        or_die(stream.write_all(&encode(1, text.as_bytes())), "subscribe");
        answered(stream, &[], b'{', "subscribe");
    }

    /// Whoever publishes, to any topic if there are `many`; `None` where subscribers do.
    pub fn publisher(&self, port: u16, at: usize, many: bool) -> Option<TcpStream> {
        match self {
            Self::Plain { publish, .. } => {
                let path = if many {
                    format!("{publish}s")
                } else {
                    publish.clone()
                };
                Some(handshake(port, &path, at, false).0)
            }
            Self::SocketIo => {
                let mut stream = engine(port, at, None);
                or_die(stream.write_all(&encode(1, br#"42["role","pub"]"#)), "role");
                Some(stream)
            }
            Self::Relay { .. } => None,
        }
    }

    /// A publication whose payload has so many octets: its opcode, and what it says.
    pub fn message(&self, topic: Option<usize>, size: usize) -> (u8, Vec<u8>) {
        let named = topic.map_or_else(String::new, |topic| format!("{topic:04}"));
        let fill = "x".repeat(size.saturating_sub(named.len()));
        let payload = format!("{named}{fill}");
        match self {
            Self::Plain { .. } => (2, payload.into()),
            Self::SocketIo if topic.is_some() => (1, format!(r#"42["pubs","{payload}"]"#).into()),
            Self::SocketIo => (1, format!(r#"42["pub","{payload}"]"#).into()),
            Self::Relay { .. } => {
                let topic = relay_topic(topic);
                let text = format!(
                    r#"{{"type":"message","topic":"{topic}","event":"e","payload":"{payload}"}}"#
                );
                (1, text.into())
            }
        }
    }
}

/// An Engine.IO connection whose Socket.IO handshake is over: the server's `0{...}`, our `40`, its `40{...}`.
fn engine(port: u16, at: usize, receive: Option<usize>) -> TcpStream {
    let path = "/socket.io/?EIO=4&transport=websocket";
    let (mut stream, rest) = upgrade(port, path, at, false, receive);
    answered(&mut stream, &rest, b'0', "Engine.IO");
    or_die(stream.write_all(&encode(1, b"40")), "Socket.IO");
    answered(&mut stream, &[], b'4', "Socket.IO");
    stream
}

/// A connection over which the event `echo` of so many octets has been answered as it should be, the event, and what counts its answers.
pub fn asked(port: u16, at: usize, size: usize) -> (TcpStream, Vec<u8>, Walk) {
    let mut stream = engine(port, at, None);
    let text = "x".repeat(size);
    let event = encode(1, format!(r#"420["echo","{text}"]"#).as_bytes());
    or_die(stream.write_all(&event), "echo");
    let answer = format!(r#"430["{text}"]"#);
    let (mut seen, mut piece) = (Vec::new(), [0; 2048]);
    // A ping may come before it.
    let end = loop {
        let length = or_die(stream.read(&mut piece), "the answer to an event");
        if length == 0 {
            die("the server closed the connection in the place of an answer");
        }
        seen.extend_from_slice(&piece[..length]);
        let at = (seen.windows(answer.len())).position(|window| window == answer.as_bytes());
        if let Some(at) = at {
            break at + answer.len();
        }
    };
    let mut walk = Walk::of(b'4');
    walk.feed(&seen[end..]);
    (stream, event, walk)
}

/// Waits for a message that begins so; others may come before it.
fn answered(stream: &mut TcpStream, rest: &[u8], first: u8, doing: &str) {
    let mut walk = Walk::of(first);
    let mut seen = walk.feed(rest);
    let mut piece = [0; 2048];
    while seen == 0 {
        let length = or_die(stream.read(&mut piece), doing);
        if length == 0 {
            die(&format!("{doing}: the server closed the connection"));
        }
        seen += walk.feed(&piece[..length]);
    }
}

/// A push of the relay, as it tells a publication without a payload.
pub const PUSH: &str = r#"{"type":"push","topic":"news","event":"e","payload":""}"#;

/// One topic of the relay, all as long.
fn relay_topic(topic: Option<usize>) -> String {
    topic.map_or_else(|| TOPIC.to_owned(), |topic| format!("{TOPIC}:{topic:04}"))
}

/// The topic of the relay.
const TOPIC: &str = "news";

/// The receive buffer of who never reads.
const DEAF: usize = 4096;
