//! Packets of Socket.IO (protocol 5): what stands in the messages of an Engine.IO session.
//!
//! ```text
//!   text      "2/admin,7[\"name\",1]": the type, attachments, namespace, id; the data stays the JSON that it is
//!   assemble  a text that announces attachments, and the binary messages behind it, make one packet
//!   args      what an event carries, to and from the types of a program
//!   msgpack   the same packets as MessagePack, for peers with that parser
//!   pack      JSON as MessagePack, for those packets and for what nodes say to each other
//!   unpack    the way back
//! ```
//!
//! Nothing here knows a session or a clock.
//!
//! ```
//! use wireline::socketio::packet::{Args, Body, Decoder, Encoded, Form, Packet};
//!
//! let args = Args::new((1, "two")).unwrap();
//! let packet = Packet::event("/admin".into(), Some(7), "name".into(), args);
//! let Encoded::Text { text, attachments } = packet.encode(Form::Text) else { unreachable!() };
//! assert_eq!(text, r#"2/admin,7["name",1,"two"]"#);
//! assert!(attachments.is_empty());
//!
//! let mut decoder = Decoder::new(Form::Text);
//! let Ok(Some(back)) = decoder.text(text.into()) else { unreachable!() };
//! assert_eq!(back, packet);
//! let Body::Event { args, .. } = back.body else { unreachable!() };
//! assert_eq!(args.to::<(u32, String)>().unwrap(), (1, "two".to_owned()));
//! ```

mod args;
mod assemble;
mod binary;
mod error;
mod msgpack;
pub(in crate::socketio) mod pack;
mod text;
pub(in crate::socketio) mod unpack;

pub use self::args::{Args, ArgsError, ToArgs};
pub use self::assemble::{Decoder, Limits};
pub use self::binary::Binary;
pub use self::error::PacketError;

use bytes::Bytes;
use bytestring::ByteString;

/// A packet, with its attachments.
///
/// ```
/// use wireline::socketio::packet::{Args, Encoded, Form, Packet};
///
/// let answer = Packet::ack("/".into(), 7, Args::new("done").unwrap());
/// let Encoded::Text { text, .. } = answer.encode(Form::Text) else { unreachable!() };
/// assert_eq!(text, r#"37["done"]"#);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// The namespace that it belongs to, `/` as a rule.
    pub namespace: ByteString,
    /// What it says.
    pub body: Body,
}

/// What a packet says.
///
/// ```
/// use wireline::socketio::packet::{Body, Decoder, Form};
///
/// let packet = Decoder::new(Form::Text).text("1/admin,".into()).unwrap().unwrap();
/// assert_eq!((&*packet.namespace, packet.body), ("/admin", Body::Disconnect));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A client wants to be in the namespace, with a JSON object for its authentication; or the server says that it is, with the
    /// id of its socket.
    Connect(Option<ByteString>),
    /// One side leaves the namespace.
    Disconnect,
    /// An event.
    Event {
        /// Its name.
        name: ByteString,
        /// What to answer it with, if an answer is wanted.
        id: Option<u64>,
        /// What it carries.
        args: Args,
    },
    /// The answer to the event with this id.
    Ack {
        /// The id that the event had.
        id: u64,
        /// What it carries.
        args: Args,
    },
    /// The client may not be in the namespace; a JSON object says why, as a rule.
    ConnectError(ByteString),
}

impl Packet {
    /// An event.
    pub const fn event(
        namespace: ByteString,
        id: Option<u64>,
        name: ByteString,
        args: Args,
    ) -> Self {
        Self {
            namespace,
            body: Body::Event { name, id, args },
        }
    }

    /// An answer.
    pub const fn ack(namespace: ByteString, id: u64, args: Args) -> Self {
        Self {
            namespace,
            body: Body::Ack { id, args },
        }
    }

    /// The messages that carry it.
    pub fn encode(&self, form: Form) -> Encoded {
        match form {
            Form::Text => text::encode(self),
            Form::MessagePack => Encoded::Binary(msgpack::encode(self)),
        }
    }
}

/// How packets are written: both sides have to be set to the same.
///
/// ```
/// use wireline::socketio::packet::{Args, Encoded, Form, Packet};
///
/// let packet = Packet::event("/".into(), None, "hello".into(), Args::default());
/// assert!(matches!(packet.encode(Form::Text), Encoded::Text { .. }));
/// assert!(matches!(packet.encode(Form::MessagePack), Encoded::Binary(_)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Text, with attachments in messages of their own: what everybody speaks.
    #[default]
    Text,
    /// One MessagePack document for each packet, as `socket.io-msgpack-parser` has it.
    MessagePack,
}

/// The messages of a packet.
///
/// ```
/// use wireline::socketio::packet::{Args, Binary, Encoded, Form, Packet};
///
/// let args = Args::new(Binary::from(vec![1, 2, 3])).unwrap();
/// let packet = Packet::event("/".into(), None, "upload".into(), args);
/// let Encoded::Text { text, attachments } = packet.encode(Form::Text) else { unreachable!() };
/// assert_eq!(text, r#"51-["upload",{"_placeholder":true,"num":0}]"#);
/// assert_eq!(attachments, [&b"\x01\x02\x03"[..]]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// A text message, and a binary message for each attachment, in this order, with nothing between them.
    Text {
        /// The text.
        text: String,
        /// The attachments.
        attachments: Vec<Bytes>,
    },
    /// A binary message.
    Binary(Bytes),
}

/// The names that an event cannot have: they mean something to the applications of both sides.
pub const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// The largest id of an event: the largest whole number that every language with doubles can tell from its neighbours.
pub const LARGEST_ID: u64 = (1 << 53) - 1;

/// How deep JSON may be nested, with the array of the arguments: what `serde_json` reads.
const DEPTH: usize = 127;
