//! Responses whole, octet by octet and cut short.

use super::*;

/// What a reader tells of a connection's octets: whole, and octet by octet, which must be the same. A `|` stands where the
/// connection has ended.
fn read(method: &Method, octets: &[u8], ends: bool) -> String {
    let whole = told(method, &[octets], ends);
    let each: Vec<&[u8]> = octets.chunks(1).collect();
    assert_eq!(
        whole,
        told(method, &each, ends),
        "{}",
        octets.escape_ascii()
    );
    whole
}

fn told(method: &Method, pieces: &[&[u8]], ends: bool) -> String {
    let mut reader = ResponseReader::new(method);
    let (mut buf, mut told, mut content) = (BytesMut::new(), String::new(), Vec::new());
    let mut tell = |event: ResponseEvent| match event {
        ResponseEvent::Head(head) => {
            told.push_str(&format!(
                "{} {}",
                head.status().as_u16(),
                head.fields().len()
            ));
            None
        }
        ResponseEvent::Data(data) => {
            assert!(!data.is_empty());
            content.extend_from_slice(&data);
            None
        }
        ResponseEvent::End(trailers) => Some(trailers.iter().count()),
    };
    let mut end = None;
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match reader.receive(&mut buf) {
                Ok(Some(event)) => {
                    let trailers = tell(event);
                    end = end.or(trailers);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.receive(&mut buf).unwrap_err(), error);
                    assert!(!reader.is_persistent());
                    return format!("{error:?}");
                }
            }
        }
    }
    let goes_on = reader.is_persistent();
    if ends {
        match reader.close() {
            Ok(event) => {
                let trailers = event.and_then(&mut tell);
                end = end.or(trailers);
            }
            Err(error) => return format!("{error:?}"),
        }
    }
    let content = content.escape_ascii().to_string();
    match end {
        Some(trailers) => {
            assert!(reader.is_done());
            let on = if goes_on { "on" } else { "over" };
            format!("{told} {content:?} {trailers} {on} {}", buf.len())
        }
        None => format!("{told} {content:?} more"),
    }
}

#[test]
fn heads() {
    let get = |head: &str| read(&Method::GET, head.as_bytes(), false);
    let ok = [
        ("HTTP/1.1 204 \r\na: b\r\nc:d\r\n\r\n", "204 2 \"\" 0 on 0"),
        ("HTTP/1.0 304 No \u{e9}\r\n\r\n", "304 0 \"\" 0 over 0"),
        ("HTTP/1.7 304 X\r\n\r\n", "304 0 \"\" 0 on 0"),
        ("HTTP/1.1 204 X\r\na: b\r\n", " \"\" more"),
        ("HTTP/1.1 20", " \"\" more"),
        ("HTTP/1.1 200 Swi", " \"\" more"),
        ("", " \"\" more"),
    ];
    for (head, expected) in ok {
        assert_eq!(get(head), expected, "{head:?}");
    }
    for (head, expected) in [
        ("HTTP/1.1 200\r\n\r\n", "StatusLine"),
        ("HTTP/1.1 2000 X\r\n\r\n", "StatusLine"),
        ("HTTP/1.1  200 X\r\n\r\n", "StatusLine"),
        ("HTTP/1.1 099 X\r\n\r\n", "StatusLine"),
        ("HTTP/2.0 200 X\r\n\r\n", "StatusLine"),
        ("http/1.1 200 X\r\n\r\n", "StatusLine"),
        ("\r\nHTTP/1.1 200 X\r\n\r\n", "StatusLine"),
        ("HTTP/1.1 200 X\n\n", "StatusLine"),
        ("HTTP/1.0 101 X\r\n\r\n", "StatusLine"),
        ("SSH-2.0-x\r\n", "StatusLine"),
        ("HTTP/1.1 200 X\r\na: b\n\r\n", "LineEnd"),
        ("HTTP/1.1 200 X\r\na : b\r\n\r\n", "FieldName"),
        ("HTTP/1.1 200 X\r\n a: b\r\n\r\n", "FieldName"),
        ("HTTP/1.1 200 X\r\na: b\0\r\n\r\n", "FieldValue"),
        ("HTTP/1.1 200 X\r\na: b\r\n c\r\n\r\n", "FieldName"),
        ("HTTP/1.1 101 X\r\n\r\n", "Interim"),
    ] {
        assert_eq!(get(head), expected, "{head:?}");
    }
    let many = |count| format!("HTTP/1.1 204 X\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert_eq!(get(&many(100)), "204 100 \"\" 0 on 0");
    assert_eq!(get(&many(101)), "SectionTooLarge");
    let long = |len| format!("HTTP/1.1 204 X\r\na: {}\r\n\r\n", "b".repeat(len));
    assert_eq!(get(&long(16_000)), "204 1 \"\" 0 on 0");
    assert_eq!(get(&long(17_000)), "SectionTooLarge");
    let line = format!("HTTP/1.1 204 {}\r\n\r\n", "x".repeat(1024));
    assert_eq!(get(&line), "StatusLine");
}

#[test]
fn content_ends_in_one_way() {
    for (fields, content, expected) in [
        ("content-length: 2", "hi", "200 1 \"hi\" 0 on 0"),
        ("content-length: 2", "hi!", "200 1 \"hi\" 0 on 1"),
        ("content-length: 0", "", "200 1 \"\" 0 on 0"),
        (
            "content-length: 2\r\nconnection: x, Close",
            "hi",
            "200 2 \"hi\" 0 over 0",
        ),
        (
            "transfer-encoding: Chunked",
            "2\r\nhi\r\n0\r\n\r\n",
            "200 1 \"hi\" 0 on 0",
        ),
        (
            "transfer-encoding: chunked",
            "1\r\nh\r\n1;x\r\ni\r\n0\r\na: b\r\n\r\n",
            "200 1 \"hi\" 1 on 0",
        ),
        (
            "transfer-encoding: chunked",
            "2\r\nhi\r\n0\r\n",
            "Incomplete",
        ),
        ("transfer-encoding: chunked", "2\r\nhix", "Chunk"),
        (
            "transfer-encoding: chunked",
            "2\nhi\r\n0\r\n\r\n",
            "LineEnd",
        ),
        ("transfer-encoding: chunked", "", "Incomplete"),
        ("content-length: 3", "hi", "Incomplete"),
        ("", "until the end", "200 0 \"until the end\" 0 over 0"),
        ("", "", "200 0 \"\" 0 over 0"),
        (
            "content-length: 2\r\ncontent-length: 2",
            "hi",
            "ContentLength",
        ),
        ("content-length: 2, 2", "hi", "ContentLength"),
        ("content-length: +2", "hi", "ContentLength"),
        (
            "content-length: 2\r\ntransfer-encoding: chunked",
            "",
            "ConflictingFraming",
        ),
        (
            "transfer-encoding: gzip, chunked",
            "",
            "TransferCodingUnknown",
        ),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "",
            "TransferEncoding",
        ),
    ] {
        let fields = if fields.is_empty() {
            String::new()
        } else {
            format!("{fields}\r\n")
        };
        let octets = format!("HTTP/1.1 200 OK\r\n{fields}\r\n{content}");
        assert_eq!(
            read(&Method::GET, octets.as_bytes(), true),
            expected,
            "{octets:?}"
        );
    }
    for (octets, expected) in [
        (
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx",
            "200 2 \"x\" 0 on 0",
        ),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx",
            "200 1 \"x\" 0 over 0",
        ),
        (
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "TransferEncoding",
        ),
        (
            "HTTP/1.1 204 X\r\ncontent-length: 9\r\n\r\n",
            "204 1 \"\" 0 on 0",
        ),
        (
            "HTTP/1.1 304 X\r\ncontent-length: 9\r\n\r\n",
            "304 1 \"\" 0 on 0",
        ),
    ] {
        assert_eq!(
            read(&Method::POST, octets.as_bytes(), true),
            expected,
            "{octets:?}"
        );
    }
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
    assert_eq!(read(&Method::HEAD, head, true), "200 1 \"\" 0 on 0");
    assert_eq!(read(&Method::CONNECT, head, true), "200 1 \"\" 0 over 0");
}

#[test]
fn interim_responses_are_passed_over() {
    let interim = |count| "HTTP/1.1 103 Early\r\na: b\r\n\r\n".repeat(count);
    let then = |count| {
        let octets = format!("{}HTTP/1.1 204 X\r\n\r\n", interim(count));
        read(&Method::GET, octets.as_bytes(), false)
    };
    assert_eq!(then(8), "204 0 \"\" 0 on 0");
    assert_eq!(then(9), "Interim");
}

#[test]
fn another_protocol_keeps_its_octets() {
    let mut reader = ResponseReader::new(&Method::GET).may_upgrade();
    let mut buf = BytesMut::from("HTTP/1.1 101 X\r\nupgrade: a\r\n\r\nabc");
    assert!(
        matches!(reader.receive(&mut buf), Ok(Some(ResponseEvent::Head(head))) if head.status() == 101)
    );
    assert!(matches!(
        reader.receive(&mut buf),
        Ok(Some(ResponseEvent::End(_)))
    ));
    assert_eq!(&buf[..], b"abc");
    assert!(!reader.is_persistent());
    let mut buf = BytesMut::from("HTTP/1.1 101 X\r\ncontent-length: 3\r\n\r\nabc");
    let mut reader = ResponseReader::new(&Method::GET).may_upgrade();
    assert_eq!(
        reader.receive(&mut buf).unwrap_err(),
        Error::ConflictingFraming
    );
}

#[test]
fn limits_hold() {
    let tight = Limits {
        request_line: 20,
        header_section: 20,
        header_fields: 1,
        ..Limits::default()
    };
    for (octets, expected) in [
        ("HTTP/1.1 200 OK, all is well\r\n", Error::StatusLine),
        (
            "HTTP/1.1 200 OK\r\na: bbbbbbbbbbbbbbbbbbbbbb\r\n",
            Error::SectionTooLarge,
        ),
        (
            "HTTP/1.1 200 OK\r\na: b\r\nc: d\r\n",
            Error::SectionTooLarge,
        ),
    ] {
        let mut reader = ResponseReader::new(&Method::GET).limits(tight.clone());
        let error = reader.receive(&mut BytesMut::from(octets)).unwrap_err();
        assert_eq!(error, expected, "{octets:?}");
    }
}
