//! What is read as a packet of Socket.IO has what packets have, and comes back when it is written, in its own form.

use bytes::Bytes;
use wireline::socketio::packet::{
    Body, Decoder, Encoded, Form, LARGEST_ID, Packet, PacketError, RESERVED,
};

/// Input: an octet that says the form, and a message; octets that are no UTF-8 are replaced in text.
///
/// # Panics
///
/// When a packet has what no packet has, or comes back as another.
pub fn socketio_packet(data: &[u8]) {
    let Some((form, message)) = data.split_first() else {
        return;
    };
    let form = if form % 2 == 0 {
        Form::Text
    } else {
        Form::MessagePack
    };
    let Ok(Some(packet)) = read(form, message) else {
        return;
    };
    check(&packet);
    let again = match packet.encode(form) {
        Encoded::Text { text, .. } => read(form, text.as_bytes()),
        Encoded::Binary(octets) => read(form, &octets),
    };
    assert_eq!(again, Ok(Some(packet)));
}

fn read(form: Form, message: &[u8]) -> Result<Option<Packet>, PacketError> {
    let mut decoder = Decoder::new(form);
    match form {
        Form::Text => decoder.text(String::from_utf8_lossy(message).into_owned().into()),
        Form::MessagePack => decoder.binary(Bytes::copy_from_slice(message)),
    }
}

fn check(packet: &Packet) {
    match &packet.body {
        Body::Event { name, id, args } => {
            assert!(!RESERVED.contains(&&**name));
            assert!(id.is_none_or(|id| id <= LARGEST_ID));
            // Nobody who reads them is led to the end of his stack; a number may be too large for him.
            let _ = args.values();
        }
        Body::Ack { id, args } => {
            assert!(*id <= LARGEST_ID);
            let _ = args.values();
        }
        Body::Connect(Some(json)) => assert!(json.starts_with('{') && json.ends_with('}')),
        Body::Connect(None) | Body::Disconnect | Body::ConnectError(_) => {}
    }
}
