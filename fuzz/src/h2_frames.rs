//! Frames of HTTP/2: made from an input, and judged as a client that keeps book would.

use super::input::Input;
use std::collections::HashMap;
use wireline::service::link::http2::Http2;

/// A frame that is there whole.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Four octets of the payload from `at` on.
    pub(crate) fn code(&self, at: usize) -> Option<u32> {
        let octets = self.payload.get(at..at + 4)?;
        Some(u32::from_be_bytes(octets.try_into().ok()?))
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The frames in `octets`; the last one may be cut short and is left out.
pub(crate) fn all(mut octets: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, flags, s, t, u, v, ref rest @ ..] = *octets {
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let Some((payload, rest)) = rest.split_at_checked(len) else {
            break;
        };
        frames.push(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([s & 0x7f, t, u, v]),
            payload: payload.to_vec(),
        });
        octets = rest;
    }
    frames
}

/// What an input makes of a kind of step: frames that are right but for what the input changes in them.
pub(crate) fn made(kind: u8, more: u8, next: &mut u32, input: &mut Input<'_>) -> Vec<u8> {
    let times = usize::from(more) + 1;
    match kind {
        0..=2 => {
            let section = section(kind, more, input);
            let octet = input.octet();
            // Mostly a stream that is new, and a section that ends.
            let stream = if octet & 0xe0 == 0xe0 {
                u32::from(octet & 0x1f)
            } else {
                *next
            };
            *next += if octet & 0xe0 == 0xe0 { 0 } else { 2 };
            let flags = match octet & 0x1f {
                0..=15 => END_HEADERS | END_STREAM,
                16..=26 => END_HEADERS,
                27 => END_STREAM,
                28 => 0,
                29 => END_HEADERS | PADDED,
                30 => END_HEADERS | END_STREAM | PRIORITISED,
                _ => 0xff,
            };
            frame(HEADERS, flags, stream, &section)
        }
        3 => {
            let (stream, flags, fill) = (input.octet(), input.octet(), input.octet());
            let content = [input.string(64), &vec![fill; 40 * usize::from(more)]].concat();
            frame(DATA, flags & 9, stream.into(), &content)
        }
        4 => {
            let (first, code) = (input.octet(), input.octet());
            (0..times)
                .flat_map(|time| {
                    let stream = u32::from(first) + 2 * u32::try_from(time).unwrap_or_default();
                    frame(RST_STREAM, 0, stream, &u32::from(code).to_be_bytes())
                })
                .collect()
        }
        5 => {
            let (name, value) = (input.octet(), input.octet());
            let value = VALUES[usize::from(value) % VALUES.len()];
            let setting = [&[0, name % 10][..], &value.to_be_bytes()].concat();
            frame(SETTINGS, 0, 0, &setting).repeat(1 + usize::from(more & 3))
        }
        6 => {
            let (stream, value) = (input.octet(), input.octet());
            let value = VALUES[usize::from(value) % VALUES.len()];
            frame(WINDOW_UPDATE, 0, stream.into(), &value.to_be_bytes()).repeat(times)
        }
        7 => frame(PING, input.octet() & 1, 0, b"anybody?").repeat(times),
        8 => {
            let (kind, flags, stream) = (input.octet(), input.octet(), input.octet());
            frame(kind, flags, stream.into(), input.string(64)).repeat(1 + usize::from(more & 3))
        }
        9 => {
            // Many requests, each reset as soon as it is made.
            let section = section(0, input.octet(), input);
            let mut octets = Vec::new();
            for _ in 0..times {
                octets.extend(frame(HEADERS, END_HEADERS | END_STREAM, *next, &section));
                octets.extend(frame(RST_STREAM, 0, *next, &8u32.to_be_bytes()));
                *next += 2;
            }
            octets
        }
        _ => {
            let flags = input.octet();
            let fields = input.string(64);
            let stream = next.saturating_sub(2);
            match more {
                0..=7 => frame(CONTINUATION, flags & END_HEADERS, stream, fields),
                8..=10 => frame(SETTINGS, ACK, 0, &[]),
                11 => frame(GOAWAY, 0, 0, &[0; 8]),
                _ => frame(PRIORITY, 0, stream, &[0, 0, 0, 0, flags]).repeat(times),
            }
        }
    }
}

/// A request's fields, which the input may add to.
fn section(kind: u8, more: u8, input: &mut Input<'_>) -> Vec<u8> {
    let path = PATHS[usize::from(more) % PATHS.len()];
    let method = match (kind, path) {
        (0, "/echo" | "/sink") => "POST",
        (0, "/ws") => "CONNECT",
        (0, _) => "GET",
        _ => METHODS[input.below(METHODS.len())],
    };
    let mut octets = [
        field(":method", method),
        field(":scheme", "http"),
        field(":authority", "a"),
        field(":path", path),
    ]
    .concat();
    if method == "CONNECT" && path == "/ws" {
        octets.extend(field(":protocol", "websocket"));
        octets.extend(field("sec-websocket-version", "13"));
    }
    if kind == 2 {
        // The section's own octets are HPACK's, whatever they say.
        let at = input.octet();
        let place = usize::from(at) % (octets.len() + 1);
        octets.splice(place..place, input.string(32).iter().copied());
    } else if kind == 1 {
        for _ in 0..input.below(8) {
            let (name, value) = FIELDS[input.below(FIELDS.len())];
            octets.extend(field(name, value));
        }
    }
    octets
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap_or_default();
    [
        &len.to_be_bytes()[1..],
        &[kind, flags],
        &stream.to_be_bytes(),
        payload,
    ]
    .concat()
}

/// HPACK's literal that is never indexed nor compressed (RFC 7541 §6.2.3), of less than 127 octets each.
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut octets = vec![0x10];
    for text in [name, value] {
        octets.push(u8::try_from(text.len()).unwrap_or_default() & 0x7f);
        octets.extend(text.as_bytes());
    }
    octets
}

/// Whether the server kept to what the client told it, as far as it was told.
///
/// # Panics
///
/// When it did not.
pub(crate) fn judge(said: &[Frame], answered: &[Frame], limits: &Http2, seconds: u64) {
    if let Some(first) = answered.first() {
        assert_eq!((first.kind, first.flags), (SETTINGS, 0), "the first frame");
    }
    let told = |name: u16, initial: u32| {
        let settings = said.iter().filter(|frame| frame.kind == SETTINGS);
        let values = settings.flat_map(|frame| {
            let pairs = frame.payload.chunks_exact(6);
            pairs.filter(move |pair| pair[..2] == name.to_be_bytes())
        });
        let values = values.map(|pair| u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]));
        u64::from(values.fold(initial, u32::max))
    };
    let (largest, window) = (told(5, 16_384), told(4, 65_535));
    let granted = |stream: u32| -> u64 {
        let updates = said
            .iter()
            .filter(|frame| frame.kind == WINDOW_UPDATE && frame.stream == stream);
        updates
            .filter_map(|frame| Some(u64::from(frame.code(0)? & 0x7fff_ffff)))
            .sum()
    };
    let asked = |stream: u32| {
        said.iter()
            .any(|frame| frame.kind == HEADERS && frame.stream == stream)
    };
    let count = |frames: &[Frame], kind: u8, flags: u8| {
        let same = frames
            .iter()
            .filter(|frame| frame.kind == kind && frame.flags & ACK == flags);
        u64::try_from(same.count()).unwrap_or(u64::MAX)
    };
    let (mut section, mut content) = (None, 0);
    let mut streams: HashMap<u32, (u64, bool)> = HashMap::new();
    for frame in answered {
        let len = frame.payload.len() as u64;
        assert!(len <= largest, "{len} octets in a frame");
        if let Some(stream) = section {
            assert_eq!((frame.kind, frame.stream), (CONTINUATION, stream));
        }
        match frame.kind {
            HEADERS | CONTINUATION | DATA => {
                assert!(frame.stream & 1 == 1 && asked(frame.stream), "{frame:?}");
                let (sent, is_ended) = streams.entry(frame.stream).or_default();
                assert!(!*is_ended || frame.kind == CONTINUATION, "{frame:?}");
                *is_ended |= frame.kind != CONTINUATION && frame.has(END_STREAM);
                if frame.kind == DATA {
                    *sent += len;
                    content += len;
                    assert!(*sent <= window + granted(frame.stream), "{frame:?}");
                    assert!(content <= 65_535 + granted(0), "{frame:?}");
                } else {
                    section = (!frame.has(END_HEADERS)).then_some(frame.stream);
                }
            }
            RST_STREAM => {
                let (_, is_ended) = streams.entry(frame.stream).or_default();
                *is_ended = true;
            }
            SETTINGS | PING | GOAWAY | WINDOW_UPDATE => {}
            _ => panic!("the server said {frame:?}"),
        }
    }
    let control = u64::from(limits.control_burst) + u64::from(limits.control_per_second) * seconds;
    for kind in [PING, SETTINGS] {
        let answers = count(answered, kind, ACK);
        assert!(
            answers <= count(said, kind, 0).min(control),
            "answers to {kind}"
        );
    }
}

const METHODS: [&str; 8] = [
    "GET", "POST", "HEAD", "CONNECT", "OPTIONS", "PUT", "", "G T",
];

const PATHS: [&str; 16] = [
    "/",
    "/park",
    "/slow",
    "/large",
    "/echo",
    "/sink",
    "/ws",
    "/",
    "/echo",
    "/large",
    "/missing",
    "*",
    "",
    "/ws",
    "/%zz",
    "http://b/",
];

const FIELDS: [(&str, &str); 16] = [
    ("content-length", "5"),
    ("content-length", "99999"),
    ("content-length", "x"),
    ("transfer-encoding", "chunked"),
    ("connection", "close"),
    ("te", "trailers"),
    ("te", "gzip"),
    ("host", "b"),
    ("cookie", "a=b"),
    ("expect", "100-continue"),
    (":path", "/"),
    (":protocol", "websocket"),
    ("Upper", "x"),
    ("x", "a\r\nb"),
    ("upgrade", "websocket"),
    (
        "accept",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ),
];

const VALUES: [u32; 10] = [
    0,
    1,
    5,
    100,
    4096,
    16_384,
    65_535,
    1 << 24,
    0x7fff_ffff,
    u32::MAX,
];

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITISED: u8 = 0x20;
