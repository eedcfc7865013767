//! A chunked body is read as a plain reading of RFC 9112 section 7.1 reads it, however it is cut.

use super::input::{Input, pieces};
use super::reference::{self, Verdict};
use super::splits::tight;
use bytes::BytesMut;
use wireline::http1::connection::{Connection, Event};
use wireline::http1::limits::Limits;

/// Input: one octet (odd: tight limits), one octet (how many cut lengths follow), the cut lengths, a
/// chunked body. The decoder and the plain reading must agree on the verdict, the content, the
/// trailers and the end.
///
/// # Panics
///
/// When they do not.
pub fn chunked(data: &[u8]) {
    let mut input = Input(data);
    let limits = if input.flag() {
        tight()
    } else {
        Limits::default()
    };
    let lengths = input.string(8);
    let body = input.0;
    // From here on the proportion of framing to payload matters, which the plain reading does not know.
    if body.len() > 60_000 {
        return;
    }
    let mut expected = reference::chunked(body, &limits);
    if let Verdict::Complete(message) = &mut expected {
        message
            .trailers
            .retain(|(name, _)| !DROPPED.contains(&&name[..]));
    }
    assert_eq!(decode(&[body], &limits), expected, "whole");
    assert_eq!(
        decode(
            &pieces(body, if lengths.is_empty() { &[1] } else { lengths }),
            &limits
        ),
        expected,
        "cut by {lengths:?}"
    );
}

fn decode(pieces: &[&[u8]], limits: &Limits) -> Verdict {
    let mut connection = Connection::default();
    let mut buf =
        BytesMut::from(&b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"[..]);
    let head = connection.receive(&mut buf, &Limits::default());
    assert!(matches!(head, Ok(Some(Event::Request))) && buf.is_empty());
    let (mut message, mut received) = (reference::Message::default(), 0);
    for piece in pieces {
        buf.extend_from_slice(piece);
        received += piece.len();
        loop {
            match connection.receive(&mut buf, limits) {
                Ok(None) => break,
                Ok(Some(Event::Data(data))) => message.content.extend_from_slice(&data),
                Ok(Some(Event::EndOfMessage(trailers))) => {
                    message.trailers = trailers
                        .iter()
                        .map(|field| (field.name().to_vec(), field.value().to_vec()))
                        .collect();
                    message.len = received - buf.len();
                    return Verdict::Complete(message);
                }
                Ok(Some(Event::Request)) => panic!("a request inside a body"),
                Err(error) => {
                    return Verdict::Refused(
                        error
                            .status()
                            .expect("a fault in a body is answered")
                            .as_u16(),
                    );
                }
            }
        }
    }
    Verdict::Incomplete
}

/// What a trailer section must not say (RFC 9110 section 6.5.1).
const DROPPED: [&[u8]; 19] = [
    b"content-length",
    b"transfer-encoding",
    b"host",
    b"trailer",
    b"connection",
    b"keep-alive",
    b"te",
    b"upgrade",
    b"expect",
    b"proxy-connection",
    b"content-encoding",
    b"content-type",
    b"content-range",
    b"authorization",
    b"cookie",
    b"set-cookie",
    b"cache-control",
    b"max-forwards",
    b"range",
];
