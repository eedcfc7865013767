//! How long a message is: every smuggling decision in one file (RFC 9112 §6.3).

use crate::http1::error::Error;
use crate::wire::fields::Field;
use crate::wire::{grammar, number};
use http::StatusCode;

/// How the end of a body is known.
///
/// ```
/// use bytes::BytesMut;
/// use wireline::http1::connection::Connection;
/// use wireline::http1::framing::BodyFraming;
/// use wireline::http1::limits::Limits;
///
/// let mut buf = BytesMut::from("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
/// let mut connection = Connection::default();
/// connection.receive(&mut buf, &Limits::default())?;
/// assert_eq!(connection.head().framing(), BodyFraming::Length(5));
/// # Ok::<(), wireline::http1::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body.
    #[default]
    Empty,
    /// Exactly this many octets.
    Length(u64),
    /// Chunks, until the one of size 0 and its trailer section.
    Chunked,
    /// Until the connection closes; responses to HTTP/1.0 clients only.
    CloseDelimited,
}

/// What the fields of a request head say about the message and the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Semantics {
    pub(crate) framing: BodyFraming,
    pub(crate) persistent: bool,
    pub(crate) expect_continue: bool,
    pub(crate) upgrade: bool,
}

/// Decides framing, persistence, expectation and upgrade of a request from its fields.
///
/// Ambiguity is an error, never a guess: what two parsers could read in two ways is refused.
/// `known_host` is a Host that was found valid before.
#[inline]
pub(crate) fn request(
    block: &[u8],
    fields: &[Field],
    minor: u8,
    known_host: &mut Vec<u8>,
) -> Result<Semantics, Error> {
    let mut seen = Seen::default();
    for field in fields {
        match field.name_len() {
            4 if field.is(b"host", block) => {
                // RFC 9112 §3.2: one Host, and a valid one, even when an absolute target overrides it.
                // Nearly always it is the one that was found valid in the request before.
                let host = field.value(block);
                if seen.host || host.is_empty() {
                    return Err(Error::Host);
                }
                if host != known_host.as_slice() {
                    if !grammar::is_host(host) {
                        return Err(Error::Host);
                    }
                    known_host.clear();
                    known_host.extend_from_slice(host);
                }
                seen.host = true;
            }
            6 if field.is(b"expect", block) => seen.expect(field.value(block)),
            7 if field.is(b"upgrade", block) => seen.upgrade = true,
            10 if field.is(b"connection", block) => seen.connection(field.value(block)),
            14 if field.is(b"content-length", block) => {
                // RFC 9112 §6.3 (5): a list or a second field, equal or not, is refused.
                if seen.length.is_some() || seen.length_error {
                    seen.length_error = true;
                }
                match number::decimal(field.value(block)) {
                    Some(length) => seen.length = Some(length),
                    None => seen.length_error = true,
                }
            }
            17 if field.is(b"transfer-encoding", block) => seen.coding(field.value(block)),
            _ => {}
        }
    }
    if !seen.host && minor > 0 {
        return Err(Error::Host);
    }
    if seen.length_error {
        return Err(Error::ContentLength);
    }
    let framing = match (seen.coding, seen.length) {
        (Coding::None, None | Some(0)) => BodyFraming::Empty,
        (Coding::None, Some(length)) => BodyFraming::Length(length),
        // RFC 9112 §6.3 (3): ought to be handled as an error; the strictest reading is to refuse.
        (_, Some(_)) => return Err(Error::ConflictingFraming),
        (Coding::Malformed, None) => return Err(Error::TransferEncoding),
        // RFC 9112 §6.1: a server that gets Transfer-Encoding in HTTP/1.0 must treat the framing as faulty.
        (_, None) if minor == 0 => return Err(Error::TransferEncoding),
        (Coding::Unknown, None) => return Err(Error::TransferCodingUnknown),
        (Coding::Chunked, None) => BodyFraming::Chunked,
    };
    // RFC 9110 §10.1.1: an HTTP/1.0 expectation is ignored.
    if minor > 0 && seen.expect_unknown {
        return Err(Error::Expectation);
    }
    Ok(Semantics {
        framing,
        // RFC 9112 §9.3, in its order.
        persistent: !seen.close && (minor > 0 || seen.keep_alive),
        expect_continue: minor > 0 && seen.expect_continue,
        // RFC 9110 §7.8: an Upgrade without the connection option is not for us, and never in HTTP/1.0.
        upgrade: minor > 0 && seen.upgrade && seen.upgrade_option,
    })
}

/// Decides the framing of a response: what the method and the status allow, then what is known of the
/// body's length (RFC 9112 §6.3, for the sender §6.1 and §6.2).
///
/// `length` is the exact length of the body when it is known.
pub(crate) fn response(
    is_connect: bool,
    status: StatusCode,
    length: Option<u64>,
    minor: u8,
) -> BodyFraming {
    // §6.3 (1), (2): 1xx, 204 and 304 end with their head, and so does a 2xx to CONNECT.
    if status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
    {
        return BodyFraming::Empty;
    }
    if is_connect && status.is_success() {
        return BodyFraming::Empty;
    }
    match length {
        Some(length) => BodyFraming::Length(length),
        None if minor > 0 => BodyFraming::Chunked,
        // §6.1: never chunked to a client that did not say HTTP/1.1.
        None => BodyFraming::CloseDelimited,
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Coding {
    #[default]
    None,
    Chunked,
    Unknown,
    Malformed,
}

#[derive(Default)]
struct Seen {
    host: bool,
    length: Option<u64>,
    length_error: bool,
    coding: Coding,
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    upgrade_option: bool,
    expect_continue: bool,
    expect_unknown: bool,
}

impl Seen {
    fn connection(&mut self, value: &[u8]) {
        for option in grammar::list(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade_option = true;
            }
        }
    }

    /// RFC 9110 §10.1.1: a list. Every member must be the one expectation that there is, and each line has one.
    fn expect(&mut self, value: &[u8]) {
        let known = |member: &[u8]| member.eq_ignore_ascii_case(b"100-continue");
        let mut members = grammar::list(value).peekable();
        self.expect_unknown |= members.peek().is_none() || !members.all(known);
        self.expect_continue = true;
    }

    #[cold]
    fn coding(&mut self, value: &[u8]) {
        self.coding = if self.coding != Coding::None {
            Coding::Malformed
        } else if value.eq_ignore_ascii_case(b"chunked") {
            Coding::Chunked
        } else {
            unsupported_coding(value)
        };
    }
}

/// Tells an honest coding that is not implemented (501) from one that tells no length (400).
///
/// `gzip, chunked` is honest: chunked stands once, last and plain. Where something else is the last one, nobody
/// knows where the content ends (RFC 9112 §6.3 (4)); and `chunked` in any other place or shape is how one parser is
/// made to see chunks where another sees none.
fn unsupported_coding(value: &[u8]) -> Coding {
    let members: Vec<&[u8]> = value
        .split(|octet| *octet == b',')
        .map(<[u8]>::trim_ascii)
        .collect();
    let clean =
        |member: &&[u8]| !member.is_empty() && member.iter().all(|octet| grammar::is_token(*octet));
    if !members.iter().all(clean) {
        return Coding::Malformed;
    }
    let Some((last, before)) = members.split_last() else {
        return Coding::Malformed;
    };
    let mentions_chunked = |member: &[u8]| {
        member
            .windows(7)
            .any(|window| window.eq_ignore_ascii_case(b"chunked"))
    };
    if !last.eq_ignore_ascii_case(b"chunked")
        || before.iter().any(|member| mentions_chunked(member))
    {
        return Coding::Malformed;
    }
    Coding::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings() {
        for (value, coding) in [
            ("gzip", Coding::Malformed),
            ("identity", Coding::Malformed),
            ("gzip, deflate", Coding::Malformed),
            ("gzip, chunked", Coding::Unknown),
            ("gzip, deflate, Chunked", Coding::Unknown),
            ("chunked, gzip", Coding::Malformed),
            ("chunked, chunked", Coding::Malformed),
            (",chunked", Coding::Malformed),
            ("chunked,", Coding::Malformed),
            ("xchunked", Coding::Malformed),
            ("chunked;q=1", Coding::Malformed),
            ("\u{a0}chunked", Coding::Malformed),
            ("", Coding::Malformed),
            ("chunked chunked", Coding::Malformed),
        ] {
            assert_eq!(unsupported_coding(value.as_bytes()), coding, "{value:?}");
        }
    }

    #[test]
    fn the_length_of_a_response() {
        let ok = StatusCode::OK;
        assert_eq!(response(false, ok, Some(3), 1), BodyFraming::Length(3));
        assert_eq!(response(false, ok, None, 1), BodyFraming::Chunked);
        assert_eq!(response(false, ok, None, 0), BodyFraming::CloseDelimited);
        assert_eq!(response(true, ok, Some(3), 1), BodyFraming::Empty);
        assert_eq!(
            response(true, StatusCode::NOT_FOUND, Some(3), 1),
            BodyFraming::Length(3)
        );
        for status in [
            StatusCode::CONTINUE,
            StatusCode::SWITCHING_PROTOCOLS,
            StatusCode::NO_CONTENT,
            StatusCode::NOT_MODIFIED,
        ] {
            assert_eq!(response(false, status, Some(3), 1), BodyFraming::Empty);
        }
    }
}
