//! Whatever a peer sends, a connection gives events or fails with a code, in both roles, and the head of a
//! frame is read as a plain reading of RFC 6455 section 5.2 reads it.

use super::input::Input;
use super::ws_splits::setting;
use super::ws_talk::{End, Record, Way};
use wireline::ws::frame::{Expected, FrameHeader, Opcode};

/// Input: one octet (role, extension, limits), then what the peer sends.
///
/// # Panics
///
/// When that does not hold.
pub fn ws_frames(data: &[u8]) {
    let mut input = Input(data);
    let setting = setting(input.octet());
    let octets = input.0;
    head(octets, setting.server);
    let record = Record::of(setting.connection(), [octets], &setting.limits, Way::Owned);
    if let End::Failed(error) = record.end {
        assert!((1002..=1009).contains(&error.close_code().get()));
        let last = if setting.server { 2 } else { 6 };
        let close = [
            &error.close_code().get().to_be_bytes()[..],
            error.reason().as_bytes(),
        ]
        .concat();
        let frame = record.sent.len() - close.len() - last;
        assert_eq!(record.sent[frame], 0x88);
        assert!(record.sent.ends_with(&close), "the peer is told why");
    }
}

fn head(octets: &[u8], masked: bool) {
    let expected = Expected {
        masked,
        compression: true,
        inside_message: false,
    };
    let Ok(Some((header, len))) = FrameHeader::decode(octets, expected) else {
        return;
    };
    assert_eq!(header.fin, octets[0] >= 0x80);
    assert_eq!(Opcode::from_bits(octets[0]), Some(header.opcode));
    assert_eq!(header.masking_key.is_some(), masked);
    let mut again = Vec::new();
    header.encode(&mut again);
    assert_eq!(again, octets[..len], "there is one way to write a head");
}
