//! Words of others.

use super::{
    ACK, Answer, Asks, BROADCAST, Broadcast, COUNT, DISCONNECT, EMIT, IDS, JOIN, LEAVE, Question,
    ROOMS, SOCKETS, Says,
};
use crate::socketio::adapter::{Event, Flags, RemoteSocket, Target};
use crate::socketio::packet::Args;
use crate::socketio::packet::unpack::{Room, to_json};
use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The types of a packet that is an event; the second one had attachments in older versions.
const EVENTS: [u8; 2] = [2, 5];

/// How long sockets have for an answer unless it is said.
const DEFAULT_WAIT: u64 = 5_000;

/// Nodes trust each other; what clients of theirs have sent, they have looked at. It may be nested as deep as that, with what is put around it.
const OF_NODES: Room = Room {
    attachments: usize::MAX,
    octets: usize::MAX,
    values: usize::MAX,
    depth: 128 + 8,
};

impl Broadcast {
    /// Whether this node has written it, as far as its first octets tell: what one says comes back to it.
    pub fn is_from(octets: &[u8], own: &str) -> bool {
        let head = octets.split_first_chunk().map(|(head, rest)| (*head, rest));
        let Some(([0x93, length @ 0xa0..=0xbf], rest)) = head else {
            return false;
        };
        rest.get(..usize::from(length & 0x1f)) == Some(own.as_bytes())
    }

    /// Reads one that came where those of this namespace come.
    pub fn read(namespace: &str, octets: &[u8]) -> Option<Self> {
        let (json, attachments) = to_json(octets, OF_NODES)?;
        let (from, packet, options): (Cow<'_, str>, Packet<'_>, Options) =
            serde_json::from_str(&json).ok()?;
        if (packet.namespace.as_deref()).is_some_and(|other| other != namespace) {
            return None;
        }
        Some(Self {
            from: (&*from).into(),
            to: options.target(namespace).0,
            event: packet.event(attachments)?,
        })
    }
}

impl Question {
    /// Reads one that came where those of this namespace come.
    pub fn read(namespace: &str, octets: &[u8]) -> Option<Self> {
        let (json, attachments) = json_of(octets)?;
        let read: AskedWords<'_> = serde_json::from_str(&json).ok()?;
        let rooms = || names(read.rooms.as_deref().unwrap_or_default());
        let options = read.options.as_ref().cloned().unwrap_or_default();
        let (mut target, wait) = options.target(namespace);
        if read.options.is_none() && matches!(read.kind, JOIN..=SOCKETS | BROADCAST) {
            return None;
        }
        let asks = match read.kind {
            IDS => {
                target.rooms = rooms();
                Asks::Ids(target)
            }
            ROOMS => Asks::Rooms,
            JOIN => Asks::Join(target, rooms()),
            LEAVE => Asks::Leave(target, rooms()),
            DISCONNECT => Asks::Disconnect(target, read.close.unwrap_or_default()),
            SOCKETS => Asks::Sockets(target),
            EMIT => Asks::Emit(event(read.data?.get(), attachments)?),
            BROADCAST => {
                let packet = read.packet?;
                let packet: Packet<'_> = serde_json::from_str(packet.get()).ok()?;
                let event = packet.event(attachments)?;
                Asks::BroadcastWithAcks(target, event, wait.unwrap_or(DEFAULT_WAIT))
            }
            _ => return None,
        };
        Some(Self {
            from: read.from.map(Into::into),
            id: read.id.map(Into::into),
            asks,
        })
    }
}

impl Answer {
    /// Reads one.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let (json, attachments) = json_of(octets)?;
        let read: AnsweredWords<'_> = serde_json::from_str(&json).ok()?;
        let args = |raw: Option<&RawValue>| {
            let json = raw.map_or("", RawValue::get);
            Args::from_json(json.into(), attachments)
        };
        let says = match (read.kind, read.sockets, read.rooms) {
            (Some(EMIT), ..) => Says::Emitted(args(read.data)),
            (Some(COUNT), ..) => Says::Count(read.count?),
            (Some(ACK), ..) => Says::Ack(args(read.packet)),
            (_, Some(sockets), _) => {
                match serde_json::from_str::<Vec<SocketWords>>(sockets.get()) {
                    Ok(sockets) => Says::Sockets(sockets.into_iter().map(Into::into).collect()),
                    Err(_) => {
                        Says::Ids(names(&serde_json::from_str::<Vec<_>>(sockets.get()).ok()?))
                    }
                }
            }
            (_, None, Some(rooms)) => Says::Rooms(names(&rooms)),
            _ => return None,
        };
        Some(Self {
            id: (&*read.id).into(),
            from: read.from.map(Into::into),
            says,
        })
    }
}

/// JSON as it is, anything else from MessagePack.
fn json_of(octets: &[u8]) -> Option<(Cow<'_, str>, Vec<Bytes>)> {
    if octets.first() == Some(&b'{') {
        return Some((String::from_utf8_lossy(octets), Vec::new()));
    }
    let (json, attachments) = to_json(octets, OF_NODES)?;
    Some((json.into(), attachments))
}

/// The event of an array of its name and what it carries.
fn event(array: &str, attachments: Vec<Bytes>) -> Option<Event> {
    let inner = array.trim().strip_prefix('[')?.strip_suffix(']')?;
    let mut values = serde_json::Deserializer::from_str(inner).into_iter::<String>();
    let name = values.next()?.ok()?;
    let rest = inner.get(values.byte_offset()..)?.trim();
    let json = match rest.strip_prefix(',') {
        Some(args) => args.trim_start(),
        None if rest.is_empty() => "",
        None => return None,
    };
    Some(Event {
        name: name.into(),
        args: Args::from_json(json.into(), attachments),
    })
}

#[derive(Deserialize)]
struct Packet<'a> {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow, rename = "nsp")]
    namespace: Option<Cow<'a, str>>,
}

impl Packet<'_> {
    fn event(&self, attachments: Vec<Bytes>) -> Option<Event> {
        EVENTS.contains(&self.kind).then_some(())?;
        event(self.data.get(), attachments)
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Options {
    rooms: Option<Vec<Name>>,
    except: Option<Vec<Name>>,
    flags: Option<FlagWords>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct FlagWords {
    volatile: Option<bool>,
    compress: Option<bool>,
    timeout: Option<f64>,
}

impl Options {
    /// Whom they mean, and how long those have for an answer.
    fn target(&self, namespace: &str) -> (Target, Option<u64>) {
        let flags = self.flags.clone().unwrap_or_default();
        let target = Target {
            namespace: namespace.into(),
            rooms: names(self.rooms.as_deref().unwrap_or_default()),
            except: names(self.except.as_deref().unwrap_or_default()),
            flags: Flags {
                is_volatile: flags.volatile.unwrap_or_default(),
                compress: flags.compress,
            },
        };
        // A float that is out of range becomes the nearest number that is in it.
        (target, flags.timeout.map(|wait| wait as u64))
    }
}

/// A room may be a number for JavaScript.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Number(serde_json::Number),
}

impl Name {
    fn name(&self) -> ByteString {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => number.to_string().into(),
        }
    }
}

fn names(names: &[Name]) -> Vec<ByteString> {
    names.iter().map(Name::name).collect()
}

#[derive(Deserialize)]
struct AskedWords<'a> {
    #[serde(rename = "uid")]
    from: Option<String>,
    #[serde(rename = "requestId")]
    id: Option<String>,
    #[serde(rename = "type")]
    kind: u8,
    #[serde(rename = "opts")]
    options: Option<Options>,
    rooms: Option<Vec<Name>>,
    close: Option<bool>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    packet: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct AnsweredWords<'a> {
    #[serde(rename = "requestId")]
    id: Cow<'a, str>,
    #[serde(rename = "uid")]
    from: Option<String>,
    #[serde(rename = "type")]
    kind: Option<u8>,
    #[serde(borrow)]
    sockets: Option<&'a RawValue>,
    rooms: Option<Vec<Name>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(rename = "clientCount")]
    count: Option<u64>,
    #[serde(borrow)]
    packet: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SocketWords {
    id: String,
    #[serde(default)]
    rooms: Vec<Name>,
    #[serde(default)]
    handshake: serde_json::Value,
    #[serde(default)]
    data: serde_json::Value,
}

impl From<SocketWords> for RemoteSocket {
    fn from(words: SocketWords) -> Self {
        Self {
            id: words.id.into(),
            rooms: names(&words.rooms),
            handshake: words.handshake,
            data: words.data,
        }
    }
}
