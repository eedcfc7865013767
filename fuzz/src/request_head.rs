//! Any octets are refused or accepted without a panic, and an accepted head keeps every promise of the
//! grammar.

use bytes::BytesMut;
use http::{Method, Version};
use wireline::http1::connection::{Connection, Event};
use wireline::http1::framing::BodyFraming;
use wireline::http1::head::RequestHead;
use wireline::http1::limits::Limits;
use wireline::wire::target::TargetForm;
use wireline::wire::{grammar, number};

/// Input: octets. What an accepted head promises to everyone above is checked in plain words, and a
/// canonical copy of it must be accepted as the same head.
///
/// # Panics
///
/// When a promise is broken.
pub fn request_head(data: &[u8]) {
    let Some((connection, taken)) = accepted(data) else {
        return;
    };
    let head = connection.head();
    lines(&data[..taken]);
    request_line(head);
    fields(head);
    let copy = canonical(head);
    let (again, all) = accepted(&copy).expect("a canonical copy is accepted");
    assert_eq!(all, copy.len());
    assert_eq!(canonical(again.head()), copy);
    assert_eq!(
        (again.head().framing(), again.head().is_persistent()),
        (head.framing(), head.is_persistent())
    );
    assert_eq!(
        (
            again.head().expects_continue(),
            again.head().offers_upgrade()
        ),
        (head.expects_continue(), head.offers_upgrade())
    );
}

/// The connection that accepted the head at the front of `data`, and the length of that head.
pub(crate) fn accepted(data: &[u8]) -> Option<(Connection, usize)> {
    let mut connection = Connection::default();
    let mut buf = BytesMut::from(data);
    match connection.receive(&mut buf, &Limits::default()) {
        Ok(Some(Event::Request)) => Some((connection, data.len() - buf.len())),
        Ok(Some(event)) => panic!("{event:?} before a head"),
        Ok(None) => {
            assert_eq!(buf.len(), data.len(), "a part of a head was taken");
            None
        }
        Err(error) => {
            assert!(
                error
                    .status()
                    .is_some_and(|status| status.is_client_error() || status.is_server_error())
            );
            None
        }
    }
}

/// Every line ends in CRLF, and CR and LF stand nowhere else.
fn lines(taken: &[u8]) {
    assert!(taken.ends_with(b"\r\n\r\n"));
    for (at, octet) in taken.iter().enumerate() {
        match octet {
            b'\r' => assert_eq!(taken.get(at + 1), Some(&b'\n')),
            b'\n' => assert_eq!(taken.get(at.wrapping_sub(1)), Some(&b'\r')),
            b'\t' | 0x20..=0x7e | 0x80.. => {}
            octet => panic!("{octet:#x} in a head"),
        }
    }
}

fn request_line(head: &RequestHead) {
    let method = head.method().as_str();
    assert!(matches!(method.len(), 1..=32) && method.bytes().all(grammar::is_token));
    let (uri, path, target) = (head.uri(), head.path(), head.target());
    assert!(
        !uri.is_empty()
            && uri
                .iter()
                .all(|octet| octet.is_ascii_graphic() && *octet != b'#')
    );
    assert!(method.len() + uri.len() + 10 <= Limits::default().request_line);
    match target.form() {
        TargetForm::Origin => assert!(
            uri.starts_with(b"/") && uri.starts_with(path) && *head.method() != Method::CONNECT
        ),
        TargetForm::Absolute => {
            assert!(uri[..4].eq_ignore_ascii_case(b"http") && path.starts_with(b"/"))
        }
        TargetForm::Authority => {
            assert!(*head.method() == Method::CONNECT && path.is_empty() && grammar::is_host(uri))
        }
        TargetForm::Asterisk => {
            assert!(*head.method() == Method::OPTIONS && uri == b"*" && path == b"*")
        }
    }
    assert!(!path.contains(&b'?'));
}

fn fields(head: &RequestHead) {
    let value = |name: &[u8]| {
        head.fields()
            .filter(|field| field.name() == name)
            .map(|field| field.value())
            .collect::<Vec<_>>()
    };
    let octets: usize = head
        .fields()
        .map(|field| field.name().len() + 1 + field.value().len() + 2)
        .sum();
    assert!(
        head.fields().len() <= Limits::default().header_fields
            && octets <= Limits::default().header_section
    );
    for field in head.fields() {
        assert!(!field.name().is_empty());
        assert!(
            field
                .name()
                .iter()
                .all(|octet| grammar::is_token(*octet) && !octet.is_ascii_uppercase())
        );
        assert!(
            field
                .value()
                .iter()
                .all(|octet| *octet == b'\t' || (*octet >= b' ' && *octet != 0x7f))
        );
        assert!(
            !matches!(field.value().first(), Some(b' ' | b'\t'))
                && !matches!(field.value().last(), Some(b' ' | b'\t'))
        );
    }
    let is_11 = head.version() == Version::HTTP_11;
    let host = value(b"host");
    assert!(
        host.len() <= 1
            && host.len() >= usize::from(is_11)
            && host.iter().all(|host| grammar::is_host(host))
    );

    let (lengths, codings) = (value(b"content-length"), value(b"transfer-encoding"));
    match head.framing() {
        BodyFraming::Empty => {
            assert!(codings.is_empty() && (lengths.is_empty() || lengths == [b"0"]))
        }
        BodyFraming::Length(length) => assert!(
            codings.is_empty()
                && lengths == [length.to_string().as_bytes()]
                && number::decimal(lengths[0]).is_some()
        ),
        BodyFraming::Chunked => assert!(
            is_11
                && lengths.is_empty()
                && codings.len() == 1
                && codings[0].eq_ignore_ascii_case(b"chunked")
        ),
        BodyFraming::CloseDelimited => {
            panic!("a request that only the end of the connection would end")
        }
    }

    let options = value(b"connection").join(&b',').to_ascii_lowercase();
    let says = |option: &[u8]| {
        options
            .split(|octet| *octet == b',')
            .any(|member| member.trim_ascii() == option)
    };
    assert_eq!(
        head.is_persistent(),
        !says(b"close") && (is_11 || says(b"keep-alive"))
    );
    assert_eq!(
        head.offers_upgrade(),
        is_11 && says(b"upgrade") && !value(b"upgrade").is_empty()
    );
    let expect = value(b"expect");
    assert_eq!(head.expects_continue(), is_11 && !expect.is_empty());
    // RFC 9110 section 10.1.1: a list, of which each line has a member and no line has another one.
    assert!(
        !is_11
            || expect.iter().all(|line| {
                let mut members = line
                    .split(|octet| *octet == b',')
                    .map(<[u8]>::trim_ascii)
                    .filter(|member| !member.is_empty())
                    .peekable();
                members.peek().is_some()
                    && members.all(|member| member.eq_ignore_ascii_case(b"100-continue"))
            })
    );
}

fn canonical(head: &RequestHead) -> Vec<u8> {
    let version: &[u8] = if head.version() == Version::HTTP_10 {
        b" HTTP/1.0\r\n"
    } else {
        b" HTTP/1.1\r\n"
    };
    let mut copy = [head.method().as_str().as_bytes(), b" ", head.uri(), version].concat();
    for field in head.fields() {
        copy.extend_from_slice(&[field.name(), b":", field.value(), b"\r\n"].concat());
    }
    copy.extend_from_slice(b"\r\n");
    copy
}
