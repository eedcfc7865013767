//! The corpus of WebSocket conversations: `tests/corpus/ws/*.toml`, read and decoded.
//!
//! ```toml
//! [[case]]
//! name = "text-hello"
//! rfc = "6455 5.7"
//! role = "server"
//! hex = "81 85 37fa213d 7f9f4d5158"
//! events = ['text Hello']
//! ```
//!
//! `hex` and `sends` are hexadecimal with spaces anywhere and `{N*HEX}` for repetitions; events have the
//! escapes of the HTTP corpus.

use crate::corpus::{tables, unescape};
use toml::{Table, Value};
use wireline::wire::number;
use wireline::ws::connection::Connection;
use wireline::ws::deflate::{Agreed, Config};
use wireline::ws::handshake::client::Request;
use wireline::ws::limits::Limits;
use wireline::ws::mask::MaskingKey;

/// One conversation and what must come of it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Unique over all files.
    pub(crate) name: String,
    /// Whose core is asked.
    pub(crate) role: Role,
    /// What the peer sends.
    pub(crate) octets: Vec<u8>,
    /// What the core gives, line by line.
    pub(crate) events: Vec<Vec<u8>>,
    /// What the core sends, but for the Close of a failed connection.
    pub(crate) sends: Vec<u8>,
    /// How it ends.
    pub(crate) ending: Ending,
    /// The limits that hold.
    pub(crate) limits: Limits,
    deflate: Option<Agreed>,
}

/// Which side the core is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// How a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Every octet is consumed, and the next message may come.
    Open,
    /// A frame or message has not ended.
    Incomplete,
    /// The peer closed and was answered.
    Closed,
    /// The connection is failed with this code.
    Failed(u16),
}

impl Case {
    /// A connection for this case. A client masks with zeros, so that what it sends can be compared.
    pub(crate) fn connection(&self) -> Connection {
        match self.role {
            Role::Server => Connection::server(self.deflate.as_ref()),
            Role::Client => {
                Connection::client(Box::new(MaskingKey::default), self.deflate.as_ref())
            }
        }
    }

    /// The head of a Close frame that has `len` octets in all.
    pub(crate) fn close_head(&self, len: usize) -> Vec<u8> {
        let payload = |head: usize| u8::try_from(len.saturating_sub(head)).expect("a short frame");
        match self.role {
            Role::Server => vec![0x88, payload(2)],
            Role::Client => vec![0x88, 0x80 | payload(6), 0, 0, 0, 0],
        }
    }
}

/// Every case of every file, in order.
pub(crate) fn cases() -> Vec<Case> {
    tables("ws").iter().map(case).collect()
}

fn case(table: &Table) -> Case {
    let text = |key: &str| table.get(key).and_then(Value::as_str);
    let need = |key: &str| text(key).unwrap_or_else(|| panic!("no {key} in {table:?}"));
    let name = need("name").to_owned();
    assert!(!need("rfc").is_empty(), "{name}: no section decides");
    let mut limits = Limits::default();
    let (mut ending, mut deflate) = (Ending::Open, None);
    for (key, value) in table {
        let found = match (key.as_str(), value) {
            ("name" | "rfc" | "role" | "hex" | "events" | "sends", _) => continue,
            ("limits", Value::Table(table)) => {
                for (key, value) in table {
                    let value = value.as_integer().expect("a number");
                    let narrow = || u32::try_from(value).expect("a small number");
                    match key.as_str() {
                        "frame" => limits.frame = u64::try_from(value).expect("a number"),
                        "message" => limits.message = usize::try_from(value).expect("a number"),
                        "fragments" => limits.fragments = narrow(),
                        "empty_fragments" => limits.empty_fragments = narrow(),
                        "control_burst" => limits.control_burst = narrow(),
                        _ => panic!("{name}: no such limit: {key}"),
                    }
                }
                continue;
            }
            ("deflate", Value::String(receive)) => {
                deflate = Some(agreed(match receive.as_str() {
                    "takeover" => true,
                    "no takeover" => false,
                    other => panic!("{name}: deflate {other}"),
                }));
                continue;
            }
            ("failed", Value::Integer(code)) => {
                Ending::Failed(u16::try_from(*code).expect("a close code"))
            }
            ("incomplete", Value::Boolean(true)) => Ending::Incomplete,
            ("closed", Value::Boolean(true)) => Ending::Closed,
            _ => panic!("{name}: {key} = {value:?} means nothing"),
        };
        assert_eq!(ending, Ending::Open, "{name}: two endings");
        ending = found;
    }
    let events = table["events"].as_array().expect("a list of events").iter();
    Case {
        role: match need("role") {
            "server" => Role::Server,
            "client" => Role::Client,
            other => panic!("{name}: no such role: {other}"),
        },
        octets: hex(need("hex"), &name),
        events: events
            .map(|line| unescape(line.as_str().expect("a line"), &name))
            .collect(),
        sends: hex(text("sends").unwrap_or_default(), &name),
        ending,
        limits,
        deflate,
        name,
    }
}

/// permessage-deflate without bounds, with takeover of the peer's contexts or without; ours sends nothing.
fn agreed(receive_takeover: bool) -> Agreed {
    let config = Config {
        send_window_bits: 15,
        receive_window_bits: 15,
        send_takeover: true,
        receive_takeover,
        ..Config::default()
    };
    let request = Request::new(*b"the sample nonce").deflate(config);
    let answer = if receive_takeover {
        "permessage-deflate"
    } else {
        "permessage-deflate; server_no_context_takeover"
    };
    let fields = [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-extensions", answer),
    ];
    let fields = fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let opened = request.confirm(http::StatusCode::SWITCHING_PROTOCOLS, fields);
    opened.expect("it fits").deflate.expect("it was offered")
}

fn hex(text: &str, name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        octets.extend(plain_hex(before, name));
        let (inner, after) = after.split_once('}').expect("a brace that is closed");
        let (count, inner) = inner.split_once('*').expect("{N*HEX}");
        let count = number::decimal(count.as_bytes()).expect("a number");
        octets.extend(plain_hex(inner, name).repeat(usize::try_from(count).expect("a count")));
        rest = after;
    }
    octets.extend(plain_hex(rest, name));
    octets
}

fn plain_hex(text: &str, name: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|octet| *octet != b' ')
        .map(|octet| number::hex_digit(octet).unwrap_or_else(|| panic!("{name}: {text}")))
        .collect();
    let (pairs, left) = digits.as_chunks::<2>();
    assert!(left.is_empty(), "{name}: half an octet");
    pairs.iter().map(|[high, low]| high << 4 | low).collect()
}
