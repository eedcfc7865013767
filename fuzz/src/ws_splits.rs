//! However what a peer sends is cut into reads, and in whichever way the core is asked, the events, the answers
//! and the end are the same; only that a fault inside a compressed message that has not ended is seen at once where
//! its parts are handed on, and else with its end.

use super::input::{Input, pieces};
use super::ws_talk::{End, Record, Way};
use wireline::ws::connection::Connection;
use wireline::ws::deflate::{Agreed, Config};
use wireline::ws::handshake::client::Request;
use wireline::ws::limits::Limits;
use wireline::ws::mask::MaskingKey;

/// Input: one octet (role, extension, limits), one octet (how many cut lengths follow), the cut lengths, what
/// the peer sends.
///
/// # Panics
///
/// When that does not hold.
pub fn ws_splits(data: &[u8]) {
    let mut input = Input(data);
    let setting = setting(input.octet());
    let mut lengths = input.string(8).to_vec();
    if lengths.is_empty() {
        lengths.push(7);
    }
    let octets = input.0;
    let owned = Record::of(setting.connection(), [octets], &setting.limits, Way::Owned);
    for way in Way::ALL {
        let whole = Record::of(setting.connection(), [octets], &setting.limits, way);
        if whole != owned {
            // Parts of a compressed message are looked at as they come, the message when it is there.
            assert!(setting.deflate.is_some(), "{way:?}");
            assert_eq!(way, Way::Fragments);
            // Whatever else came before that end, a Close for one, was still seen.
            assert!(
                owned.end != End::Open && matches!(whole.end, End::Failed(_)),
                "{:?}",
                whole.end
            );
            assert!(owned.lines.starts_with(&whole.lines));
        }
        for (how, pieces) in [
            ("octet by octet", octets.chunks(1).collect()),
            ("cut", pieces(octets, &lengths)),
        ] {
            let record = Record::of(setting.connection(), pieces, &setting.limits, way);
            assert_eq!(record, whole, "{way:?}, {how}, {lengths:?}");
        }
    }
}

/// What a connection is made with.
pub(crate) struct Setting {
    pub(crate) server: bool,
    pub(crate) deflate: Option<Agreed>,
    pub(crate) limits: Limits,
}

impl Setting {
    /// A connection; a client masks with zeros.
    pub(crate) fn connection(&self) -> Connection {
        if self.server {
            Connection::server(self.deflate.as_ref())
        } else {
            Connection::client(Box::new(MaskingKey::default), self.deflate.as_ref())
        }
    }
}

/// The setting that an octet stands for.
pub(crate) fn setting(octet: u8) -> Setting {
    Setting {
        server: octet & 1 == 0,
        deflate: (octet & 2 != 0).then(|| agreed(octet & 4 != 0)),
        limits: if octet & 8 == 0 {
            Limits::default()
        } else {
            tight()
        },
    }
}

/// Limits that short inputs reach.
fn tight() -> Limits {
    Limits {
        frame: 20,
        message: 30,
        fragments: 4,
        empty_fragments: 2,
        control_burst: 5,
        control_per_second: 1,
    }
}

/// permessage-deflate with every window, and with takeover both ways or none.
pub(crate) fn agreed(takeover: bool) -> Agreed {
    let config = Config {
        send_window_bits: 15,
        receive_window_bits: 15,
        send_takeover: takeover,
        receive_takeover: takeover,
        threshold: 8,
        ..Config::default()
    };
    let answer = if takeover {
        "permessage-deflate"
    } else {
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
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
    let opened = Request::new(*b"the sample nonce")
        .deflate(config)
        .confirm(http::StatusCode::SWITCHING_PROTOCOLS, fields);
    opened.expect("it fits").deflate.expect("it was offered")
}
