//! What is sent is read back by an independent parser as the one response that was meant, whatever a
//! handler puts into it.

use super::input::Input;
use super::reference::{self, Verdict};
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode};
use wireline::http1::connection::{Connection, Event, ResponseHead};
use wireline::http1::encode::Stamp;
use wireline::http1::limits::Limits;
use wireline::http1::out::Out;
use wireline::http1::state::Life;
use wireline::wire::fields::FieldLine;

/// Input: whether another response was stamped before, and its content type; the request, the
/// response's head, fields, pieces of content and trailers, octet by octet.
/// Names and values are whatever the `http` crate lets a handler have. The octets that are sent must
/// be that response to a client that knows RFC 9112 section 6.3 and nothing else, with nothing after it.
///
/// # Panics
///
/// When they are not.
pub fn response(data: &[u8]) {
    let mut input = Input(data);
    let mut stamp = Stamp::new(
        &HeaderValue::from_static("s"),
        &HeaderValue::from_static("d"),
    );
    if input.flag() {
        stamp_another(&mut input, &mut stamp);
    }
    let (method, minor) = (METHODS[input.below(METHODS.len())], input.below(2));
    let option = [
        "",
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "Connection: upgrade\r\nUpgrade: x\r\n",
    ][input.below(4)];
    let mut connection = asked(method, minor, option);
    let mut out = Out::default();

    let mut interims = Vec::new();
    if input.flag() {
        let (status, fields) = (status(&mut input), fields(&mut input));
        let before = out.len();
        match connection.send_interim(status, lines(&fields), &mut out) {
            Ok(()) if minor == 1 => interims.push((status, expected(&fields))),
            _ => assert_eq!(
                out.len(),
                before,
                "an interim response that must not be sent"
            ),
        }
    }

    let (status, fields) = (status(&mut input), fields(&mut input));
    let head = ResponseHead {
        status,
        length: input.flag().then(|| input.below(64) as u64),
        close: input.flag(),
    };
    if connection
        .send_response(head, None, lines(&fields), &mut stamp, &mut out)
        .is_err()
    {
        assert!(status.is_informational(), "{status} was refused");
        assert_eq!(read_interims(&out.to_vec(), &interims), out.len());
        return;
    }
    let content = send_content(&mut input, &mut connection, &mut out);
    let trailers = self::fields(&mut input);
    let ended = connection.send_end(lines(&trailers), &mut out).is_ok();
    assert!(!ended || connection.send_data("late".into(), &mut out).is_err());

    let sent = out.to_vec();
    let at = read_interims(&sent, &interims);
    let mut room = [httparse::EMPTY_HEADER; 64];
    let mut theirs = httparse::Response::new(&mut room);
    let Ok(httparse::Status::Complete(len)) = theirs.parse(&sent[at..]) else {
        panic!("no response: {}", sent.escape_ascii())
    };
    let body = &sent[at + len..];
    assert_eq!(
        (theirs.version, theirs.code),
        (Some(1), Some(status.as_u16()))
    );

    // The fields of the handler, in order, then ours.
    let read = pairs(theirs.headers);
    let mine = expected(&fields);
    let may_upgrade =
        status == StatusCode::SWITCHING_PROTOCOLS || status == StatusCode::UPGRADE_REQUIRED;
    let mine: Vec<_> = mine
        .into_iter()
        .filter(|(name, _)| may_upgrade || name != "upgrade")
        .collect();
    assert_eq!(read.get(..mine.len()), Some(&mine[..]));
    let of_name = |name: &str| {
        read[mine.len()..]
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| &value[..])
            .collect::<Vec<_>>()
    };
    for name in ["date", "server"] {
        assert_eq!(
            of_name(name).len()
                + mine
                    .iter()
                    .filter(|(known, _)| known == name)
                    .count()
                    .min(1),
            1,
            "{name}"
        );
    }

    let switched = connection.state().life == Life::Switched;
    let (lengths, codings, options) = (
        of_name("content-length"),
        of_name("transfer-encoding"),
        of_name("connection"),
    );
    let said: Vec<&[u8]> = options
        .iter()
        .flat_map(|list| list.split(|octet| *octet == b','))
        .map(<[u8]>::trim_ascii)
        .collect();
    let keeps_alive = said.contains(&&b"keep-alive"[..]);
    assert_eq!(
        options.len(),
        usize::from(!switched || status == StatusCode::SWITCHING_PROTOCOLS)
    );
    assert_eq!(keeps_alive, connection.state().life == Life::Persistent);
    assert_eq!(keeps_alive && ended, connection.next_cycle().is_ok());
    // RFC 9110 section 7.8: the option goes with the field, and a switch has it in any case.
    let names_upgrades = mine.iter().any(|(name, _)| name == "upgrade");
    assert_eq!(
        said.contains(&&b"upgrade"[..]),
        !options.is_empty()
            && (status == StatusCode::SWITCHING_PROTOCOLS || may_upgrade && names_upgrades)
    );
    assert!(lengths.len() + codings.len() <= 1);

    // RFC 9112 section 6.3, as a client reads it.
    let bodiless = status.is_informational()
        || matches!(status.as_u16(), 204 | 304)
        || method == "HEAD"
        || (method == "CONNECT" && status.is_success());
    assert!(
        !(status.is_informational() || status == 204 || switched)
            || lengths.len() + codings.len() == 0
    );
    if bodiless {
        assert!(body.is_empty() && content.is_empty() && ended);
    } else if let [coding] = codings[..] {
        assert_eq!((coding, minor), (&b"chunked"[..], 1));
        let Verdict::Complete(message) = reference::chunked(body, &Limits::default()) else {
            panic!("no chunks: {}", body.escape_ascii())
        };
        assert_eq!((message.content, message.len), (content, body.len()));
        let mut trailed = expected(&trailers);
        trailed.retain(|(name, _)| !NO_TRAILERS.contains(&&name[..]));
        assert_eq!(text(message.trailers), trailed);
    } else if let [length] = lengths[..] {
        assert_eq!(
            head.length.map(|length| length.to_string().into_bytes()),
            Some(length.to_vec())
        );
        assert_eq!(body, content);
        assert_eq!(
            ended,
            head.length == Some(body.len() as u64),
            "a response that is cut short is not ended"
        );
    } else {
        assert_eq!((body, minor), (&content[..], 0));
        assert!(said.contains(&&b"close"[..]));
    }
}

/// Sends the usual response with the same stamp, which remembers it.
fn stamp_another(input: &mut Input<'_>, stamp: &mut Stamp) {
    let Ok(value) = HeaderValue::from_bytes(input.string(40)) else {
        return;
    };
    let head = ResponseHead {
        status: StatusCode::OK,
        length: Some(0),
        close: false,
    };
    let line = FieldLine::new(&http::header::CONTENT_TYPE, &value);
    let sent = asked("GET", 1, "").send_response(
        head,
        None,
        std::iter::once(line),
        stamp,
        &mut Out::default(),
    );
    assert!(sent.is_ok());
}

/// A connection with a request that waits for its answer.
fn asked(method: &str, minor: usize, option: &str) -> Connection {
    let target = if method == "CONNECT" { "a:1" } else { "/" };
    let text = format!("{method} {target} HTTP/1.{minor}\r\nHost: a\r\n{option}\r\n");
    let mut connection = Connection::default();
    let event = connection.receive(&mut BytesMut::from(text.as_bytes()), &Limits::default());
    assert!(matches!(event, Ok(Some(Event::Request))), "{text}");
    connection
}

fn send_content(input: &mut Input<'_>, connection: &mut Connection, out: &mut Out) -> Vec<u8> {
    let mut content = Vec::new();
    for _ in 0..input.below(4) {
        let large = input.below(8) == 0;
        let mut piece = input.string(40).to_vec();
        if large {
            // Beyond this size a piece is written by reference.
            piece.resize(5000, b'x');
        }
        let before = out.len();
        match connection.send_data(Bytes::from(piece.clone()), out) {
            Ok(()) => content.extend_from_slice(&piece),
            Err(_) => assert_eq!(out.len(), before, "content was refused and sent"),
        }
    }
    content
}

fn status(input: &mut Input<'_>) -> StatusCode {
    let common = [200, 101, 100, 103, 204, 304, 404, 426, 500, 205];
    match input.below(common.len() + 1) {
        known if known < common.len() => StatusCode::from_u16(common[known]),
        _ => StatusCode::from_u16(u16::from_be_bytes([input.octet(), input.octet()]) % 900 + 100),
    }
    .expect("three digits")
}

/// Fields as a handler can have them: whatever the `http` crate accepts of hostile octets.
fn fields(input: &mut Input<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = Vec::new();
    for _ in 0..input.below(8) {
        let known = input.below(NAMES.len() + 4);
        let name = NAMES
            .get(known)
            .map_or_else(|| input.string(12), |name| name.as_bytes());
        let value = input.string(40);
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            fields.push((name, value));
        }
    }
    fields
}

fn lines(fields: &[(HeaderName, HeaderValue)]) -> impl Iterator<Item = FieldLine<'_>> {
    fields
        .iter()
        .map(|(name, value)| FieldLine::new(name, value))
}

/// The fields that must arrive.
fn expected(fields: &[(HeaderName, HeaderValue)]) -> Vec<(String, Vec<u8>)> {
    let kept = fields
        .iter()
        .filter(|(name, _)| !OURS.contains(&name.as_str()));
    kept.map(|(name, value)| {
        (
            name.as_str().to_owned(),
            value.as_bytes().trim_ascii().to_vec(),
        )
    })
    .collect()
}

fn text(fields: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    fields
        .into_iter()
        .map(|(name, value)| (String::from_utf8_lossy(&name).into_owned(), value))
        .collect()
}

fn pairs(headers: &[httparse::Header<'_>]) -> Vec<(String, Vec<u8>)> {
    headers
        .iter()
        .map(|field| (field.name.to_owned(), field.value.trim_ascii().to_vec()))
        .collect()
}

/// An interim response that was sent: its status and its fields.
type Interim = (StatusCode, Vec<(String, Vec<u8>)>);

/// Reads the interim responses that were sent; gives where the final one begins.
fn read_interims(sent: &[u8], interims: &[Interim]) -> usize {
    let mut at = 0;
    for (status, fields) in interims {
        let mut room = [httparse::EMPTY_HEADER; 64];
        let mut theirs = httparse::Response::new(&mut room);
        let Ok(httparse::Status::Complete(len)) = theirs.parse(&sent[at..]) else {
            panic!("no interim response: {}", sent.escape_ascii())
        };
        assert_eq!(
            (theirs.version, theirs.code),
            (Some(1), Some(status.as_u16()))
        );
        assert!(status.is_informational() && *status != StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(pairs(theirs.headers), *fields);
        at += len;
    }
    at
}

const METHODS: [&str; 4] = ["GET", "HEAD", "POST", "CONNECT"];

/// Fields whose value the engine decides.
const OURS: [&str; 5] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "proxy-connection",
];

/// What has no place in trailers either (RFC 9110 section 6.5.1): what frames or routes a message, modifies a request, says who asks, controls the
/// response, or says how content is to be read. An input may name any of them.
const NO_TRAILERS: [&str; 14] = [
    "host",
    "trailer",
    "te",
    "upgrade",
    "expect",
    "max-forwards",
    "range",
    "cache-control",
    "authorization",
    "cookie",
    "set-cookie",
    "content-encoding",
    "content-type",
    "content-range",
];

const NAMES: [&str; 12] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "proxy-connection",
    "upgrade",
    "date",
    "server",
    "trailer",
    "set-cookie",
    "x",
    "content-type",
];
