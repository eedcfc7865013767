//! Opening handshakes of any fields are accepted or refused with one of four statuses; what is accepted has
//! what RFC 6455 section 4.2.1 asks for, and the answer is one that a client confirms.

use http::{Method, StatusCode, Version};
use std::borrow::Cow;
use wireline::wire::grammar;
use wireline::ws::deflate::Config;
use wireline::ws::extension;
use wireline::ws::handshake::client::Request;
use wireline::ws::handshake::server::{Head, Opening, Terms};
use wireline::ws::handshake::subprotocol::Subprotocols;
use wireline::ws::origin::Policy;

/// Input: lines; each is a field, its name before the first colon.
///
/// # Panics
///
/// When that does not hold.
pub fn ws_handshake(data: &[u8]) {
    let fields: Vec<(&[u8], &[u8])> = data
        .split(|octet| *octet == b'\n')
        .map(|line| {
            let colon = line
                .iter()
                .position(|octet| *octet == b':')
                .unwrap_or(line.len());
            let value = line.get(colon + 1..).unwrap_or_default();
            (&line[..colon], value.trim_ascii())
        })
        .collect();
    let count = |name: &str| {
        let same = |field: &&(&[u8], &[u8])| field.0.eq_ignore_ascii_case(name.as_bytes());
        fields.iter().filter(same).count()
    };
    let head = Head {
        method: &Method::GET,
        version: Version::HTTP_11,
        content: false,
    };
    let terms = Terms {
        origin: Policy::SameOrigin,
        subprotocols: Subprotocols::list(["chat", "superchat"]),
        deflate: Some(Config::default()),
    };
    let accepted =
        Opening::read(head, fields.iter().copied()).and_then(|opening| opening.accept(&terms));
    let accepted = match accepted {
        Ok(accepted) => accepted,
        Err(refusal) => {
            assert!(matches!(refusal.status().as_u16(), 400 | 403 | 426));
            return;
        }
    };
    for once in ["sec-websocket-key", "sec-websocket-version"] {
        assert_eq!(count(once), 1, "{once}");
    }
    let answer = accepted.fields();
    for (_, value) in &answer {
        assert!(value.bytes().all(grammar::is_field_value));
    }
    let offered = |name: &str| {
        answer
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    };
    if let Some(chosen) = offered("sec-websocket-protocol") {
        assert!(chosen == "chat" || chosen == "superchat");
    }
    if let Some(agreed) = offered("sec-websocket-extensions") {
        let agreed = extension::parse(agreed.as_bytes()).expect("our own answer");
        assert!(agreed.len() == 1 && agreed[0].name == "permessage-deflate");
        let least = |(name, value): &(&str, Option<Cow<'_, str>>)| {
            *name == "client_max_window_bits" && value.as_deref() == Some("8")
        };
        if agreed[0].parameters.iter().any(least) {
            // Whoever offers it can do with 256 octets. Ours neither can nor offers it.
            return;
        }
    }
    // The same answer to a key that is known: a client that offered what ours chose takes it.
    let request = Request::new(*b"the sample nonce")
        .protocols(["chat", "superchat"])
        .deflate(Config {
            receive_window_bits: 15,
            receive_takeover: true,
            ..Config::default()
        });
    let answer = answer.iter().map(|(name, value)| {
        let value = match *name {
            "sec-websocket-accept" => "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            _ => value,
        };
        (name.as_bytes(), value.as_bytes())
    });
    let opened = request.confirm(StatusCode::SWITCHING_PROTOCOLS, answer);
    assert_eq!(opened.expect("a good answer").protocol, accepted.protocol);
}
