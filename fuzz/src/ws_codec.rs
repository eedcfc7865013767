//! What one side sends, the other receives: the same messages in the same order, however the octets are cut.

use super::input::{Input, pieces};
use super::ws_splits::setting;
use super::ws_talk::{End, Record, Way};
use bytes::Bytes;
use wireline::ws::close::{CloseCode, CloseFrame};
use wireline::ws::connection::Connection;
use wireline::ws::limits::Limits;
use wireline::ws::mask::MaskingKey;
use wireline::ws::message::Message;
use wireline::ws::out::Out;
use wireline::ws::prepared::Prepared;

/// Input: one octet (who sends, extension), one octet (how many cut lengths follow), the cut lengths, then
/// messages: one octet for the kind, one for the length, the payload.
///
/// # Panics
///
/// When that does not hold.
pub fn ws_codec(data: &[u8]) {
    let mut input = Input(data);
    let setting = setting(input.octet() & 7);
    let mut lengths = input.string(6).to_vec();
    if lengths.is_empty() {
        lengths.push(5);
    }
    let mut keys = 0u8;
    let mut from = if setting.server {
        let keys = move || {
            keys = keys.wrapping_add(77);
            MaskingKey::new([keys, 0, 255, keys])
        };
        Connection::client(Box::new(keys), setting.deflate.as_ref())
    } else {
        Connection::server(setting.deflate.as_ref())
    };
    let (mut out, mut expected, mut end) = (Out::default(), Vec::new(), End::Open);
    while !input.0.is_empty() && end == End::Open {
        let kind = input.octet();
        let payload = input.string(256);
        // Long ones too, which are kept by reference.
        let long = payload.repeat(if kind & 0x80 == 0 { 1 } else { 40 });
        let text = String::from_utf8_lossy(&long);
        let line = |word: &str, payload: &[u8]| [word.as_bytes(), payload].concat();
        let sent = match kind & 7 {
            0 => {
                expected.push(line("text ", text.as_bytes()));
                from.send_text(&text, &mut out)
            }
            1 => {
                expected.push(line("binary ", &long));
                from.send(Message::from(long), &mut out)
            }
            2 => {
                expected.push(line("text ", text.as_bytes()));
                from.send_prepared(&Prepared::text(&text), &mut out)
            }
            3 => {
                expected.push(line("binary ", &long));
                let (first, second) = long.split_at(long.len() / 2);
                from.send_fragment(false, first, false, &mut out)
                    .and_then(|()| from.send_ping(b"between", &mut out))
                    .and_then(|()| from.send_fragment(false, second, true, &mut out))
                    .inspect(|()| expected.insert(expected.len() - 1, b"ping between".to_vec()))
            }
            4 => {
                let payload = &payload[..payload.len().min(125)];
                expected.push(line("ping ", payload));
                from.send_ping(payload, &mut out)
            }
            5 => {
                let payload = Bytes::copy_from_slice(&payload[..payload.len().min(125)]);
                expected.push(line("pong ", &payload));
                from.send(Message::Pong(payload), &mut out)
            }
            6 => {
                let reason: String = text.chars().take(30).collect();
                expected.push(line("close 1000 ", reason.as_bytes()));
                end = End::Closed;
                from.send_close(Some(&CloseFrame::new(CloseCode::NORMAL, reason)), &mut out)
            }
            _ => {
                expected.push(b"close".to_vec());
                end = End::Closed;
                from.send_close(None, &mut out)
            }
        };
        sent.expect("it is open");
    }
    let octets = out.to_vec();
    let limits = Limits {
        control_burst: u32::MAX / 1000,
        ..Limits::default()
    };
    for way in Way::ALL {
        for pieces in [vec![&octets[..]], pieces(&octets, &lengths)] {
            let record = Record::of(setting.connection(), pieces, &limits, way);
            assert_eq!((&record.lines, record.end), (&expected, end), "{way:?}");
        }
    }
}
