//! A plain reading of RFC 9112, from one slice, by splitting it.

use crate::reference;
use wireline::http1::limits::Limits;

/// What is read of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Method, target and content of each message that ends.
    pub(crate) messages: Vec<(String, String, Vec<u8>)>,
    pub(crate) end: End,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Refused,
    /// Inside content, or behind an empty line.
    Incomplete,
    /// Inside a head: it may be refused before it ends.
    Undecided,
    Waiting,
    Closed,
}

/// Reads what a client sends.
pub(crate) fn read(mut rest: &[u8]) -> Reading {
    let mut messages = Vec::new();
    let end = loop {
        // Section 2.2: an empty line before the request line.
        if rest.is_empty() {
            break End::Waiting;
        }
        let text = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        if text.is_empty() {
            break End::Incomplete;
        }
        let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") else {
            break End::Undecided;
        };
        let Some(head) = head(&text[..end]) else {
            break End::Refused;
        };
        let body = &text[end + 4..];
        let (content, len) = match head.framing {
            Framing::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= body.len() => (body[..length].to_vec(), length),
                _ => break End::Incomplete,
            },
            Framing::Chunked => match reference::chunked(body, &Limits::default()) {
                reference::Verdict::Complete(message) => (message.content, message.len),
                reference::Verdict::Incomplete => break End::Incomplete,
                reference::Verdict::Refused(_) => break End::Refused,
            },
        };
        messages.push((head.method, head.target, content));
        rest = &body[len..];
        if !head.persists {
            break End::Closed;
        }
    };
    Reading { messages, end }
}

struct Head {
    method: String,
    target: String,
    framing: Framing,
    persists: bool,
}

enum Framing {
    Length(u64),
    Chunked,
}

fn head(text: &[u8]) -> Option<Head> {
    let text = String::from_utf8(
        text.iter()
            .map(|octet| if *octet < 0x80 { *octet } else { 0xff })
            .map(placeholder)
            .collect(),
    )
    .ok()?;
    let mut lines = text.split("\r\n");
    let words: Vec<&str> = lines.next()?.split(' ').collect();
    let [method, target, version] = words[..] else {
        return None;
    };
    let is_token = |text: &str| !text.is_empty() && text.chars().all(is_tchar);
    if !is_token(method) || method.len() > 32 {
        return None;
    }
    // Templates have targets in origin-form only.
    if !target.starts_with('/')
        || !target
            .chars()
            .all(|character| character.is_ascii_graphic() && character != '#')
    {
        return None;
    }
    let minor = version
        .strip_prefix("HTTP/1.")
        .filter(|minor| minor.len() == 1)?;
    let minor = minor.chars().next()?.to_digit(10)?;

    let (mut hosts, mut lengths, mut codings, mut options) =
        (0, Vec::new(), Vec::new(), Vec::new());
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let is_text = |character: char| {
            character == '\t'
                || character == ' '
                || character == HIGH
                || character.is_ascii_graphic()
        };
        if !is_token(name) || !value.chars().all(is_text) {
            return None;
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "host" if !is_host(value) => return None,
            "host" => hosts += 1,
            "content-length" => lengths.push(value.to_owned()),
            "transfer-encoding" => codings.push(value.to_ascii_lowercase()),
            "connection" => options.extend(
                value
                    .split(',')
                    .map(|option| option.trim_matches([' ', '\t']).to_ascii_lowercase()),
            ),
            _ => {}
        }
    }
    if hosts > 1 || (hosts == 0 && minor > 0) {
        return None;
    }
    let framing = match (&lengths[..], &codings[..]) {
        ([], []) => Framing::Length(0),
        ([length], []) => {
            let is_plain = !length.is_empty()
                && length.chars().all(|digit| digit.is_ascii_digit())
                && (length == "0" || !length.starts_with('0'));
            let digits = length.chars().filter_map(|digit| digit.to_digit(10));
            let value = digits.fold(Some(0u64), |value, digit| {
                value?.checked_mul(10)?.checked_add(u64::from(digit))
            });
            Framing::Length(value.filter(|_| is_plain)?)
        }
        ([], [coding]) if coding == "chunked" && minor > 0 => Framing::Chunked,
        _ => return None,
    };
    let says = |option: &str| options.iter().any(|said| said == option);
    Some(Head {
        method: method.to_owned(),
        target: target.to_owned(),
        framing,
        persists: !says("close") && (minor > 0 || says("keep-alive")),
    })
}

/// Stands for every octet beyond ASCII, so that text can be text.
const HIGH: char = '\u{1}';

/// U+0001 itself, which is let through nowhere, becomes another such.
fn placeholder(octet: u8) -> u8 {
    match octet {
        1 => 2,
        0xff => 1,
        octet => octet,
    }
}

fn is_tchar(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

/// A registered name and a port (RFC 3986 section 3.2.2), without the comma.
fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    let is_port = port.len() <= 5
        && port.chars().all(|digit| digit.is_ascii_digit())
        && port.chars().fold(0, |port, digit| {
            port * 10 + digit.to_digit(10).unwrap_or_default()
        }) < 65_536;
    let mut rest = name;
    while let Some(character) = rest.chars().next() {
        let escape = rest
            .get(1..3)
            .is_some_and(|digits| digits.chars().all(|digit| digit.is_ascii_hexdigit()));
        match character {
            '%' if escape => rest = &rest[3..],
            character
                if character.is_ascii_alphanumeric() || "-._~!$&'()*+;=".contains(character) =>
            {
                rest = &rest[1..]
            }
            _ => return false,
        }
    }
    is_port && !name.is_empty()
}
