//! Compressed payloads of any octets are inflated or refused and never pass the limit; what one side
//! compresses the other gives back, message for message, with takeover and without.

use super::input::Input;
use super::ws_splits::agreed;
use bytes::BytesMut;
use wireline::ws::connection::{Connection, Event};
use wireline::ws::limits::Limits;
use wireline::ws::mask::MaskingKey;
use wireline::ws::message::Message;
use wireline::ws::out::Out;

/// Input: one octet (odd: takeover), then parts, each behind its length: first as compressed payloads of a
/// peer, then as messages to compress.
///
/// # Panics
///
/// When that does not hold.
pub fn ws_deflate(data: &[u8]) {
    let mut input = Input(data);
    let agreed = agreed(input.flag());
    let mut parts = Vec::new();
    while !input.0.is_empty() {
        parts.push(input.string(256));
    }
    let limits = Limits {
        message: 10_000,
        ..Limits::default()
    };
    let mut server = Connection::server(Some(&agreed));
    'parts: for part in &parts {
        let mut frame = vec![0xc2, 0xfe];
        frame.extend_from_slice(
            &u16::try_from(part.len())
                .expect("a short part")
                .to_be_bytes(),
        );
        if part.len() < 126 {
            frame = vec![0xc2, 0x80 | u8::try_from(part.len()).expect("a short part")];
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(part);
        let mut buf = BytesMut::from(&frame[..]);
        match server.receive(&mut buf, &limits) {
            Ok(Some(Event::Message(Message::Binary(payload)))) => {
                assert!(payload.len() <= limits.message);
            }
            Ok(other) => panic!("a message was sent, not {other:?}"),
            Err(error) => {
                assert!(matches!(error.close_code().get(), 1007 | 1009));
                break 'parts;
            }
        }
    }
    let mut client = Connection::client(Box::new(MaskingKey::default), Some(&agreed));
    let mut server = Connection::server(Some(&agreed));
    for part in &parts {
        for (from, to) in [(0, 1), (1, 0)] {
            let sides = [&mut client, &mut server];
            let (mut out, message) = (Out::default(), part.repeat(3));
            sides[from]
                .send_binary(&message, &mut out)
                .expect("it is open");
            let mut buf = BytesMut::from(&out.to_vec()[..]);
            let event = sides[to].receive(&mut buf, &limits);
            assert_eq!(event, Ok(Some(Event::Message(Message::from(message)))));
            assert!(buf.is_empty());
        }
    }
}
