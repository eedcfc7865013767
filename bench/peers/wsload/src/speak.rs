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
    /// Socket.IO 5 over a WebSocket of Engine.IO 4: the query names the topic, the event `pub` is a publication.
    SocketIo,
    /// The relay's JSON (docs/relay_protocol.md) at this path: a subscriber publishes, and gets what it publishes.
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
                let topic = topic.map_or_else(String::new, |topic| format!("&topic={topic}"));
                let stream = engine(port, at, &topic, receive);
                // Pings of Engine.IO begin with a 2.
                (stream, Walk::of(b'4'))
            }
            Self::Relay { path } => {
                let (mut stream, rest) = upgrade(port, path, at, false, receive);
                let text = format!(r#"{{"type":"subscribe","topic":"{TOPIC}"}}"#);
                or_die(stream.write_all(&encode(1, text.as_bytes())), "subscribe");
                answered(&mut stream, &rest, b'{', "subscribe");
                (stream, Walk::default())
            }
        }
    }

    /// Whoever publishes, to any topic if there are `many`; `None` where a subscriber does.
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
                let role = if many { "&role=pubs" } else { "&role=pub" };
                Some(engine(port, at, role, None))
            }
            Self::Relay { .. } if many => die("the relay has one topic here"),
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
            Self::SocketIo => (1, format!(r#"42["pub","{payload}"]"#).into()),
            Self::Relay { .. } => {
                let text = format!(
                    r#"{{"type":"message","topic":"{TOPIC}","event":"e","payload":"{payload}"}}"#
                );
                (1, text.into())
            }
        }
    }
}

/// An Engine.IO connection whose Socket.IO handshake is over: the server's `0{...}`, our `40`, its `40{...}`.
fn engine(port: u16, at: usize, query: &str, receive: Option<usize>) -> TcpStream {
    let path = format!("/socket.io/?EIO=4&transport=websocket{query}");
    let (mut stream, rest) = upgrade(port, &path, at, false, receive);
    answered(&mut stream, &rest, b'0', "Engine.IO");
    or_die(stream.write_all(&encode(1, b"40")), "Socket.IO");
    answered(&mut stream, &[], b'4', "Socket.IO");
    stream
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

/// The topic of the relay.
const TOPIC: &str = "news";

/// The receive buffer of who never reads.
const DEAF: usize = 4096;
