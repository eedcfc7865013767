//! Words for others.

use super::{
    ACK, Answer, Asks, BROADCAST, Broadcast, COUNT, DISCONNECT, EMIT, IDS, JOIN, LEAVE, Question,
    ROOMS, SOCKETS, Says,
};
use crate::socketio::adapter::{Event, RemoteSocket, Target};
use crate::socketio::packet::pack::{from_json, quote};
use bytes::Bytes;
use bytestring::ByteString;
use serde_json::value::RawValue;
use std::fmt::Write;

impl Broadcast {
    /// As it goes to the others; nothing if it cannot.
    pub fn write(&self) -> Option<Bytes> {
        let mut json = String::from("[");
        quote(&mut json, &self.from)?;
        json.push(',');
        write_packet(&mut json, &self.to, &self.event)?;
        json.push(',');
        write_options(&mut json, &self.to, true, None)?;
        json.push(']');
        from_json(&json, self.event.args.attachments()).map(Bytes::from)
    }
}

impl Question {
    /// As it goes to the others; nothing if it cannot.
    pub fn write(&self) -> Option<Bytes> {
        let mut json = String::from("{");
        if let Some(from) = &self.from {
            json.push_str("\"uid\":");
            quote(&mut json, from)?;
            json.push(',');
        }
        if let Some(id) = &self.id {
            json.push_str("\"requestId\":");
            quote(&mut json, id)?;
            json.push(',');
        }
        let kind = self.asks.kind();
        write!(json, "\"type\":{kind}").ok()?;
        let mut attachments: &[Bytes] = &[];
        let mut is_packed = false;
        match &self.asks {
            Asks::Ids(target) => {
                json.push_str(",\"rooms\":");
                write_names(&mut json, &target.rooms)?;
            }
            Asks::Rooms => {}
            Asks::Join(target, rooms) | Asks::Leave(target, rooms) => {
                json.push_str(",\"opts\":");
                write_options(&mut json, target, false, None)?;
                json.push_str(",\"rooms\":");
                write_names(&mut json, rooms)?;
            }
            Asks::Disconnect(target, close) => {
                json.push_str(",\"opts\":");
                write_options(&mut json, target, false, None)?;
                write!(json, ",\"close\":{close}").ok()?;
            }
            Asks::Sockets(target) => {
                json.push_str(",\"opts\":");
                write_options(&mut json, target, false, None)?;
            }
            Asks::Emit(event) => {
                json.push_str(",\"data\":");
                write_event(&mut json, event)?;
                attachments = event.args.attachments();
                is_packed = !attachments.is_empty();
            }
            Asks::BroadcastWithAcks(target, event, wait) => {
                json.push_str(",\"packet\":");
                write_packet(&mut json, target, event)?;
                json.push_str(",\"opts\":");
                write_options(&mut json, target, true, Some(*wait))?;
                attachments = event.args.attachments();
                is_packed = true;
            }
        }
        json.push('}');
        packed(json, attachments, is_packed)
    }
}

impl Asks {
    const fn kind(&self) -> u8 {
        match self {
            Self::Ids(_) => IDS,
            Self::Rooms => ROOMS,
            Self::Join(..) => JOIN,
            Self::Leave(..) => LEAVE,
            Self::Disconnect(..) => DISCONNECT,
            Self::Sockets(_) => SOCKETS,
            Self::Emit(_) => EMIT,
            Self::BroadcastWithAcks(..) => BROADCAST,
        }
    }
}

impl Answer {
    /// As it goes to the others; nothing if it cannot.
    pub fn write(&self) -> Option<Bytes> {
        let mut json = String::from("{");
        let kind = match &self.says {
            Says::Emitted(_) => Some(EMIT),
            Says::Count(_) => Some(COUNT),
            Says::Ack(_) => Some(ACK),
            Says::Ids(_) | Says::Rooms(_) | Says::Sockets(_) => None,
        };
        if let Some(kind) = kind {
            write!(json, "\"type\":{kind},").ok()?;
        }
        json.push_str("\"requestId\":");
        quote(&mut json, &self.id)?;
        if let Some(from) = &self.from {
            json.push_str(",\"uid\":");
            quote(&mut json, from)?;
        }
        let mut attachments: &[Bytes] = &[];
        match &self.says {
            Says::Ids(ids) => {
                json.push_str(",\"sockets\":");
                write_names(&mut json, ids)?;
            }
            Says::Rooms(rooms) => {
                json.push_str(",\"rooms\":");
                write_names(&mut json, rooms)?;
            }
            Says::Sockets(sockets) => {
                json.push_str(",\"sockets\":[");
                for (at, socket) in sockets.iter().enumerate() {
                    if at > 0 {
                        json.push(',');
                    }
                    write_socket(&mut json, socket)?;
                }
                json.push(']');
            }
            Says::Count(count) => write!(json, ",\"clientCount\":{count}").ok()?,
            Says::Emitted(args) | Says::Ack(args) => {
                if let Some(first) = first(args.json()) {
                    let name = if kind == Some(ACK) { "packet" } else { "data" };
                    write!(json, ",\"{name}\":{first}").ok()?;
                }
                attachments = args.attachments();
            }
        }
        json.push('}');
        let is_packed = kind == Some(ACK) || !attachments.is_empty();
        packed(json, attachments, is_packed)
    }
}

/// The first of the arguments: an answer has one.
fn first(args: &str) -> Option<&str> {
    let mut values = serde_json::Deserializer::from_str(args).into_iter::<&RawValue>();
    values.next()?.ok().map(RawValue::get)
}

fn packed(json: String, attachments: &[Bytes], is_packed: bool) -> Option<Bytes> {
    if is_packed {
        from_json(&json, attachments).map(Bytes::from)
    } else {
        Some(json.into())
    }
}

fn write_event(json: &mut String, event: &Event) -> Option<()> {
    json.push('[');
    quote(json, &event.name)?;
    if !event.args.is_empty() {
        json.push(',');
        json.push_str(event.args.json());
    }
    json.push(']');
    Some(())
}

fn write_packet(json: &mut String, to: &Target, event: &Event) -> Option<()> {
    json.push_str("{\"type\":2,\"data\":");
    write_event(json, event)?;
    json.push_str(",\"nsp\":");
    quote(json, &to.namespace)?;
    json.push('}');
    Some(())
}

fn write_names(json: &mut String, names: &[ByteString]) -> Option<()> {
    json.push('[');
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        quote(json, name)?;
    }
    json.push(']');
    Some(())
}

fn write_options(
    json: &mut String,
    target: &Target,
    with_flags: bool,
    wait: Option<u64>,
) -> Option<()> {
    json.push_str("{\"rooms\":");
    write_names(json, &target.rooms)?;
    json.push_str(",\"except\":");
    write_names(json, &target.except)?;
    if with_flags {
        let flags = [
            target
                .flags
                .is_volatile
                .then(|| "\"volatile\":true".to_owned()),
            (target.flags.compress).map(|on| format!("\"compress\":{on}")),
            wait.map(|wait| format!("\"timeout\":{wait}")),
        ];
        let flags: Vec<String> = flags.into_iter().flatten().collect();
        write!(json, ",\"flags\":{{{}}}", flags.join(",")).ok()?;
    }
    json.push('}');
    Some(())
}

fn write_socket(json: &mut String, socket: &RemoteSocket) -> Option<()> {
    json.push_str("{\"id\":");
    quote(json, &socket.id)?;
    write!(json, ",\"handshake\":{},\"rooms\":", socket.handshake).ok()?;
    write_names(json, &socket.rooms)?;
    write!(json, ",\"data\":{}}}", socket.data).ok()
}
