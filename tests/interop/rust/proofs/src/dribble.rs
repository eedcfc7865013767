//! R15: messages that come an octet at a time, for a count of instructions at several lengths.

use crate::ws_talk::{Record, Way};
use bytes::BytesMut;
use wireline::http1::connection::{Connection, Event};
use wireline::http1::limits::Limits;
use wireline::ws;

/// Feeds one message of about this many octets, an octet at a time, with limits that let it through.
pub(crate) fn dribble(kind: &str, size: usize) {
    match kind {
        "target" => http1(&format!(
            "GET /{} HTTP/1.1\r\nHost: a\r\n\r\n",
            "x".repeat(size)
        )),
        "field" => http1(&format!(
            "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {}\r\n\r\n",
            "gzip, ".repeat(size / 6)
        )),
        "fields" => http1(&format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "Accept: text/*\r\n".repeat(size / 16)
        )),
        "chunks" => http1(&format!(
            "{CHUNKED}{}0\r\n\r\n",
            "1\r\nx\r\n".repeat(size / 6)
        )),
        "extensions" => {
            let chunk = format!("1;{}\r\nx\r\n", "x".repeat(250));
            http1(&format!(
                "{CHUNKED}{}0\r\n\r\n",
                chunk.repeat(size / chunk.len())
            ));
        }
        "trailers" => http1(&format!(
            "{CHUNKED}0\r\n{}\r\n",
            "Accept: text/*\r\n".repeat(size / 16)
        )),
        "fragments" => {
            let mut octets = b"\x01\x81\0\0\0\0x".to_vec();
            octets.extend(b"\0\x81\0\0\0\0x".repeat(size / 7));
            websocket(&octets);
        }
        "message" => {
            // The shortest form, as the RFC asks for.
            let head = match u16::try_from(size) {
                Ok(length @ ..126) => vec![0x81, 0x80 | length.to_be_bytes()[1], 0, 0, 0, 0],
                Ok(length) => [&[0x81, 0xfe][..], &length.to_be_bytes(), &[0; 4]].concat(),
                Err(_) => {
                    let length = u64::try_from(size).unwrap_or_default().to_be_bytes();
                    [&[0x81, 0xff][..], &length, &[0; 4]].concat()
                }
            };
            websocket(&[&head[..], &b"x".repeat(size)].concat());
        }
        kind => panic!("there is no {kind}"),
    }
}

fn http1(message: &str) {
    let limits = Limits {
        request_line: 24 * 1024,
        header_section: 36 * 1024,
        header_fields: usize::MAX,
        chunk_extensions: usize::MAX,
        trailer_section: 36 * 1024,
        trailer_fields: usize::MAX,
        chunk_overhead: u64::MAX,
        ..Limits::default()
    };
    let mut connection = Connection::default();
    let mut buf = BytesMut::new();
    let mut ended = false;
    for octet in message.as_bytes() {
        buf.extend_from_slice(&[*octet]);
        while let Some(event) = connection
            .receive(&mut buf, &limits)
            .expect("it is well-formed")
        {
            ended |= matches!(event, Event::EndOfMessage(_))
                || (matches!(event, Event::Request) && message.starts_with("GET"));
        }
    }
    assert!(ended, "it has no end");
}

fn websocket(octets: &[u8]) {
    let limits = ws::limits::Limits {
        frame: u64::MAX,
        message: usize::MAX,
        fragments: u32::MAX,
        ..ws::limits::Limits::default()
    };
    let connection = ws::connection::Connection::server(None);
    let record = Record::of(connection, octets.chunks(1), &limits, Way::Owned);
    assert!(!record.sent.starts_with(&[0x88]), "it was refused");
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
