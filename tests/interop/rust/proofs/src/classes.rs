//! The catalogue of request smuggling, `tests/corpus/smuggling/*.toml`, and the many forms of each of its vectors.

use crate::corpus::unescape;
use crate::random::Random;
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// A fault and what must come of it.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) vectors: Vec<Vector>,
    pub(crate) expected: Expected,
}

/// What must come of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// One answer of 4xx or 5xx, then the end.
    Refused,
    /// It is a message with this content, where that is told, and what follows is another one.
    Content(Option<Vec<u8>>),
    /// It is a message, and nothing behind it is read.
    Closes,
    /// Frames of HTTP/2: no request comes of them.
    Frames,
}

/// A message in its parts.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    line: Vec<u8>,
    fields: Vec<Vec<u8>>,
    body: Vec<u8>,
    host: bool,
    first: bool,
    chunks: bool,
}

/// What is sent: good requests, the message, a canary.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) octets: Vec<u8>,
    /// How many good requests stand before the message.
    pub(crate) good: usize,
}

/// Every class of every file, in order.
pub(crate) fn classes() -> Vec<Class> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../corpus/smuggling");
    let mut classes = Vec::new();
    for file in ["server", "transducer", "downgrade", "advisories"] {
        let text = fs::read_to_string(folder.join(file).with_extension("toml")).expect("a file");
        let table: Table = toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let tables = table["class"].as_array().expect("a list of classes");
        classes.extend(
            tables
                .iter()
                .map(|class| read(class.as_table().expect("a class"))),
        );
    }
    classes
}

fn read(table: &Table) -> Class {
    let text = |key: &str| table.get(key).and_then(Value::as_str);
    let name = text("name").expect("a name").to_owned();
    assert!(text("says").is_some_and(|says| !says.is_empty()), "{name}");
    let known = "name says each line fields body host first chunks content closes frames";
    for key in table.keys() {
        assert!(known.split(' ').any(|known| known == key), "{name}: {key}");
    }
    if let Some(frames) = text("frames") {
        let frames = frames.replace(' ', "");
        let octets: Vec<u8> = (0..frames.len() / 2)
            .map(|at| u8::from_str_radix(&frames[2 * at..2 * at + 2], 16).expect("hexadecimal"))
            .collect();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        return Class {
            vectors: vec![Vector {
                line: Vec::new(),
                fields: Vec::new(),
                body: [&preface[..], &octets].concat(),
                host: false,
                first: false,
                chunks: false,
            }],
            name,
            expected: Expected::Frames,
        };
    }
    let strings = |key: &str| -> Vec<&str> {
        let values = table.get(key).and_then(Value::as_array);
        values
            .into_iter()
            .flatten()
            .map(|value| value.as_str().expect("a text"))
            .collect()
    };
    let is = |key: &str| table.get(key).and_then(Value::as_bool);
    let each = strings("each");
    let each = if each.is_empty() { vec![""] } else { each };
    let vectors = each.iter().map(|each| {
        let whole = |text: &str| unescape(&text.replace("{each}", each), &name);
        Vector {
            line: whole(text("line").unwrap_or("POST /first HTTP/1.1")),
            fields: strings("fields").into_iter().map(whole).collect(),
            body: whole(text("body").unwrap_or_default()),
            host: is("host").unwrap_or(true),
            first: is("first").unwrap_or(false),
            chunks: is("chunks").unwrap_or(false),
        }
    });
    let vectors = vectors.collect();
    let expected = match (text("content"), is("closes")) {
        (None, None) => Expected::Refused,
        (Some("-"), None) => Expected::Content(None),
        (Some(content), None) => Expected::Content(Some(unescape(content, &name))),
        (None, Some(true)) => Expected::Closes,
        _ => panic!("{name}: two ends"),
    };
    Class {
        name,
        vectors,
        expected,
    }
}

impl Vector {
    /// One of the many forms of the vector, with a canary of this number behind it.
    pub(crate) fn form(&self, expected: &Expected, random: &mut Random, number: u64) -> Sent {
        let canary =
            format!("GET /canary/{number} HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n\r\n");
        if *expected == Expected::Frames {
            return Sent {
                octets: [&self.body, canary.as_bytes()].concat(),
                good: 0,
            };
        }
        let good = if random.once_in(3) {
            1 + random.below(3)
        } else {
            0
        };
        let mut octets = b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n".repeat(good);
        octets.extend_from_slice(&self.line);
        octets.extend_from_slice(b"\r\n");
        for line in self.section(expected, random) {
            octets.extend_from_slice(&line);
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(b"\r\n");
        if self.chunks {
            for _ in 0..random.below(3) {
                octets.extend_from_slice(random.of(&CHUNKS).as_bytes());
            }
        }
        octets.extend_from_slice(&self.body);
        octets.extend_from_slice(canary.as_bytes());
        Sent { octets, good }
    }

    /// The field lines: those that decide among others, in some order.
    fn section(&self, expected: &Expected, random: &mut Random) -> Vec<Vec<u8>> {
        let mut deciding: Vec<Vec<u8>> = self
            .fields
            .iter()
            .map(|field| dressed(field, random))
            .collect();
        // A fault that stands there twice is still one.
        if *expected == Expected::Refused && !deciding.is_empty() && random.once_in(8) {
            deciding.push(random.of(&deciding).clone());
        }
        let mut others = Vec::new();
        if self.host {
            others.push(dressed(b"Host: a", random));
        }
        for _ in 0..random.below(4) {
            let field = dressed(random.of(&NEUTRAL).as_bytes(), random);
            if random.once_in(4) {
                others.push(field.clone());
            }
            others.push(field);
        }
        if self.first {
            random.shuffle(&mut others);
            return [deciding, others].concat();
        }
        others.append(&mut deciding);
        random.shuffle(&mut others);
        others
    }
}

/// The same field in other clothes: its name in other case, white space around its value.
fn dressed(field: &[u8], random: &mut Random) -> Vec<u8> {
    let mut field = field.to_vec();
    let Some(colon) = field.iter().position(|octet| *octet == b':') else {
        return field;
    };
    let plain = field[..colon]
        .iter()
        .all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-');
    match random.below(4) {
        0 => field[..colon].make_ascii_uppercase(),
        1 => field[..colon].make_ascii_lowercase(),
        2 => {
            for octet in &mut field[..colon] {
                if octet.is_ascii_alphabetic() && random.once_in(2) {
                    *octet ^= 0x20;
                }
            }
        }
        _ => {}
    }
    if plain && field.get(colon + 1) == Some(&b' ') && random.once_in(2) {
        let blank = random.of(&BLANKS).bytes();
        field.splice(colon + 1..colon + 2, blank);
    }
    if plain && !field.contains(&b'\n') && random.once_in(4) {
        field.extend(random.of(&BLANKS).bytes());
    }
    field
}

const BLANKS: [&str; 6] = ["", " ", "\t", "  ", " \t ", "        "];

const CHUNKS: [&str; 6] = [
    "3\r\nabc\r\n",
    "03\r\nabc\r\n",
    "0000a\r\n0123456789\r\n",
    "A\r\n0123456789\r\n",
    "1;a=b\r\nx\r\n",
    "2\r\n\r\n\r\n",
];

const NEUTRAL: [&str; 12] = [
    "Accept: */*",
    "User-Agent: proof/1.0 (a comment; another)",
    "Accept-Encoding: gzip, deflate, br",
    "Cookie: a=b; c=\"d\"",
    "X-Content-Length: 7",
    "X-Transfer-Encoding: chunked",
    "Content_Length: 7",
    "Content-Type: text/plain; charset=utf-8",
    "Cache-Control: no-cache",
    "X-Empty: ",
    "TE: trailers",
    "Via: 1.1 proxy",
];
