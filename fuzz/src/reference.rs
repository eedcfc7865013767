//! The chunked coding read in the plainest way, from one slice, for comparison (RFC 9112 section 7.1).

use wireline::http1::limits::Limits;
use wireline::wire::grammar::{is_field_value, is_token};

/// What a body comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Complete(Message),
    /// Faulty, with the status that says so.
    Refused(u16),
    Incomplete,
}

/// A whole body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) content: Vec<u8>,
    pub(crate) trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where it ends.
    pub(crate) len: usize,
}

/// Reads the chunked body at the front of `body`.
pub(crate) fn chunked(body: &[u8], limits: &Limits) -> Verdict {
    let mut message = Message::default();
    match read(body, limits, &mut message) {
        Ok(()) => Verdict::Complete(message),
        Err(Stop::Refused(status)) => Verdict::Refused(status),
        Err(Stop::Incomplete) => Verdict::Incomplete,
    }
}

enum Stop {
    Refused(u16),
    Incomplete,
}

fn read(body: &[u8], limits: &Limits, message: &mut Message) -> Result<(), Stop> {
    let (mut at, mut extensions) = (0, 0);
    loop {
        let digits = run(body, at, |octet| octet.is_ascii_hexdigit());
        at += digits.len();
        if digits.len() > 16 {
            return Err(Stop::Refused(400));
        }
        let after = next(body, at)?;
        if digits.is_empty() {
            return Err(Stop::Refused(400));
        }
        let size = digits.iter().fold(0, |size, digit| {
            size * 16 + u64::from(char::from(*digit).to_digit(16).unwrap_or_default())
        });

        let blank = run(body, at, |octet| matches!(octet, b' ' | b'\t'));
        at += blank.len();
        // The first blank is free.
        let mut extension = blank.len().saturating_sub(1);
        extensions += extension;
        let is_extended =
            || extension <= limits.chunk_extension && extensions <= limits.chunk_extensions;
        if !is_extended() {
            return Err(Stop::Refused(400));
        }
        if !blank.is_empty() && next(body, at)? != b';' {
            return Err(Stop::Refused(400));
        }
        if after == b';' || !blank.is_empty() {
            let text = run(body, at + 1, is_field_value);
            at += 1 + text.len();
            extension += text.len();
            extensions += text.len();
            if extension > limits.chunk_extension || extensions > limits.chunk_extensions {
                return Err(Stop::Refused(400));
            }
        }
        at = line_end(body, at)?;
        if size > limits.chunk {
            return Err(Stop::Refused(413));
        }
        if size == 0 {
            message.len = trailers(body, at, limits, &mut message.trailers)?;
            return Ok(());
        }
        let size = usize::try_from(size).map_err(|_| Stop::Incomplete)?;
        message
            .content
            .extend_from_slice(body.get(at..at + size).ok_or(Stop::Incomplete)?);
        at = line_end(body, at + size)?;
    }
}

fn trailers(
    body: &[u8],
    start: usize,
    limits: &Limits,
    fields: &mut Vec<(Vec<u8>, Vec<u8>)>,
) -> Result<usize, Stop> {
    let within = |at: usize| {
        if at - start > limits.trailer_section {
            Err(Stop::Refused(431))
        } else {
            Ok(())
        }
    };
    let mut at = start;
    loop {
        let name = run(body, at, is_token);
        let colon = at + name.len();
        within(colon)?;
        match next(body, colon)? {
            b':' if !name.is_empty() => {}
            b'\r' if name.is_empty() => return line_end(body, at),
            _ => return Err(Stop::Refused(400)),
        }
        if fields.len() == limits.trailer_fields {
            return Err(Stop::Refused(431));
        }
        let value = run(body, colon + 1, is_field_value);
        within(colon + 1 + value.len())?;
        at = line_end(body, colon + 1 + value.len())?;
        within(at)?;
        fields.push((name.to_ascii_lowercase(), value.trim_ascii().to_vec()));
    }
}

/// The octets from `at` on that have a property.
fn run(body: &[u8], at: usize, is: impl Fn(u8) -> bool) -> &[u8] {
    let rest = body.get(at..).unwrap_or_default();
    &rest[..rest
        .iter()
        .position(|octet| !is(*octet))
        .unwrap_or(rest.len())]
}

fn next(body: &[u8], at: usize) -> Result<u8, Stop> {
    body.get(at).copied().ok_or(Stop::Incomplete)
}

/// The index after the CRLF that must stand at `at`.
fn line_end(body: &[u8], at: usize) -> Result<usize, Stop> {
    for (place, octet) in b"\r\n".iter().enumerate() {
        if next(body, at + place)? != *octet {
            return Err(Stop::Refused(400));
        }
    }
    Ok(at + 2)
}
