//! Whatever messages come, no more is held than allowed, and a packet that comes of them has its attachments.

use bytes::Bytes;
use wireline::socketio::packet::{Body, Decoder, Encoded, Form, Limits, Packet};

const LIMITS: Limits = Limits {
    attachments: 3,
    octets: 200,
};

/// Input: messages, each behind an octet that says its length and, if that is even, that it is text.
///
/// # Panics
///
/// When more is held than allowed, or a packet is not what its messages make again.
pub fn socketio_assemble(mut data: &[u8]) {
    let mut decoder = Decoder::with_limits(Form::Text, LIMITS);
    while let Some((&head, rest)) = data.split_first() {
        let len = usize::from(head / 2).min(rest.len());
        let (message, behind) = rest.split_at(len);
        data = behind;
        let was_waiting = decoder.is_waiting();
        let taken = if head % 2 == 0 {
            let text = String::from_utf8_lossy(message).into_owned();
            decoder.text(text.into())
        } else {
            let taken = decoder.binary(Bytes::copy_from_slice(message));
            assert!(was_waiting || taken.is_err());
            taken
        };
        match taken {
            Ok(Some(packet)) => {
                assert!(!decoder.is_waiting());
                check(&packet);
            }
            Ok(None) => assert!(decoder.is_waiting()),
            // The session ends.
            Err(_) => return,
        }
    }
}

fn check(packet: &Packet) {
    if let Body::Event { args, .. } | Body::Ack { args, .. } = &packet.body {
        let octets: usize = args.attachments().iter().map(Bytes::len).sum();
        assert!(args.attachments().len() <= LIMITS.attachments && octets <= LIMITS.octets);
    }
    let Encoded::Text { text, attachments } = packet.encode(Form::Text) else {
        panic!("another form")
    };
    let mut decoder = Decoder::new(Form::Text);
    let mut last = decoder.text(text.into());
    for attachment in attachments {
        assert_eq!(last, Ok(None));
        last = decoder.binary(attachment);
    }
    assert_eq!(last.as_ref(), Ok(&Some(packet.clone())));
}
