//! The answer to a request that opens a WebSocket: a response head, and the content of a refusal.

use crate::http1::chunked::{ChunkedDecoder, Piece};
use crate::http1::error::Error;
use crate::http1::section::{SectionLimits, SectionParser};
use crate::resource::io::Io;
use crate::wire::fields::{Field, FieldLine};
use crate::wire::limits::Limits;
use crate::wire::{grammar, number};
use crate::ws::client::error::ConnectError;
use bytes::BytesMut;
use http::StatusCode;
use std::io;
use tokio::io::AsyncReadExt;

/// The head of a final response, or of 101.
#[derive(Debug)]
pub(super) struct Head {
    status: StatusCode,
    block: BytesMut,
    fields: Vec<Field>,
}

impl Head {
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    /// The field lines in order, names in lower case.
    pub(super) fn fields(&self) -> impl Iterator<Item = FieldLine<'_>> {
        (self.fields.iter()).map(|field| FieldLine::of_block(*field, &self.block))
    }

    fn values(&self, name: &[u8]) -> Vec<&[u8]> {
        self.fields()
            .filter(|line| line.name() == name)
            .map(FieldLine::value)
            .collect()
    }

    fn framing(&self) -> Result<Framing, ConnectError> {
        let (codings, lengths) = (
            self.values(b"transfer-encoding"),
            self.values(b"content-length"),
        );
        if self.status == StatusCode::SWITCHING_PROTOCOLS {
            // RFC 9110 §8.6, §15.2: a 101 has no content; whatever says otherwise is not to be trusted.
            return if codings.is_empty() && lengths.iter().all(|length| *length == b"0") {
                Ok(Framing::Length(0))
            } else {
                Err(ConnectError::Malformed("101 with content (RFC 9110 15.2)"))
            };
        }
        if matches!(
            self.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        ) {
            return Ok(Framing::Length(0));
        }
        match (&codings[..], &lengths[..]) {
            ([], []) => Ok(Framing::Close),
            ([], [length]) => number::decimal(length)
                .map(Framing::Length)
                .ok_or(ConnectError::Malformed("Content-Length (RFC 9112 6.3)")),
            ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            _ => Err(ConnectError::Malformed(
                "framing of the content (RFC 9112 6.3)",
            )),
        }
    }
}

/// How the content of a refusal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    Close,
}

/// Reads the head of the final response, interim ones before it being thrown away. What follows it stays in
/// `buf`.
///
/// Cancel safe, in that nothing but this handshake is lost.
pub(super) async fn head(io: &mut Io, buf: &mut BytesMut) -> Result<Head, ConnectError> {
    for _ in 0..=INTERIM {
        let mut parser = Parser::default();
        let head = loop {
            match parser.parse(buf)? {
                Some(head) => break head,
                None => more(io, buf).await?,
            }
        };
        if head.status == StatusCode::SWITCHING_PROTOCOLS || !head.status.is_informational() {
            head.framing()?;
            return Ok(head);
        }
    }
    Err(ConnectError::Malformed("too many interim responses"))
}

/// Reads the content of a refusal into `content`: the first 4 KiB of it, and no more.
pub(super) async fn content(
    io: &mut Io,
    head: &Head,
    buf: &mut BytesMut,
    content: &mut Vec<u8>,
) -> Result<(), ConnectError> {
    let mut framing = head.framing()?;
    let mut chunks = ChunkedDecoder::new(u64::MAX);
    loop {
        match &mut framing {
            Framing::Chunked => match chunks.decode(buf, &Limits::default()) {
                Ok(Some(Piece::Data(data))) => {
                    let room = CONTENT - content.len();
                    content.extend_from_slice(&data[..data.len().min(room)]);
                    if content.len() == CONTENT {
                        return Ok(());
                    }
                    continue;
                }
                Ok(Some(Piece::End(_))) => return Ok(()),
                Ok(None) => {}
                Err(_) => return Err(ConnectError::Malformed("chunked content (RFC 9112 7.1)")),
            },
            Framing::Length(left) => {
                let len = usize::try_from(*left).map_or(buf.len(), |left| left.min(buf.len()));
                let len = len.min(CONTENT - content.len());
                content.extend_from_slice(&buf.split_to(len));
                *left -= len as u64;
                if *left == 0 || content.len() == CONTENT {
                    return Ok(());
                }
            }
            Framing::Close => {
                let len = buf.len().min(CONTENT - content.len());
                content.extend_from_slice(&buf.split_to(len));
                if content.len() == CONTENT {
                    return Ok(());
                }
            }
        }
        more(io, buf).await?;
    }
}

/// A resumable parser of a response head (RFC 9112 §4), as strict as the server's of a request.
#[derive(Debug, Default)]
struct Parser {
    status: Option<StatusCode>,
    section: SectionParser,
    fields: Vec<Field>,
}

impl Parser {
    /// Reads on in `buf`, whose first octet is the first of the head in every call.
    fn parse(&mut self, buf: &mut BytesMut) -> Result<Option<Head>, ConnectError> {
        let status = match self.status {
            Some(status) => status,
            None => {
                let Some((status, end)) = status_line(buf)? else {
                    return Ok(None);
                };
                self.section = SectionParser::at(end);
                *self.status.insert(status)
            }
        };
        let limits = SectionLimits {
            octets: SECTION,
            fields: FIELDS,
        };
        let end = self
            .section
            .parse(buf, &mut self.fields, limits)
            .map_err(|error| {
                ConnectError::Malformed(match error {
                    Error::SectionTooLarge => "header section too large",
                    Error::FieldValue => "field value (RFC 9110 5.5)",
                    Error::LineEnd => "line that does not end in CRLF (RFC 9112 2.2)",
                    _ => "field name (RFC 9112 5.1)",
                })
            })?;
        Ok(end.map(|end| Head {
            status,
            block: buf.split_to(end),
            fields: std::mem::take(&mut self.fields),
        }))
    }
}

/// The status line and the index after it (RFC 9112 §4): `HTTP/1.x SP 3DIGIT SP [ reason-phrase ] CRLF`.
fn status_line(buf: &[u8]) -> Result<Option<(StatusCode, usize)>, ConnectError> {
    const WRONG: ConnectError = ConnectError::Malformed("status line (RFC 9112 4)");
    let fits = |at: usize, octet: u8| match PATTERN[at] {
        b'0' => octet.is_ascii_digit(),
        known => octet == known,
    };
    if !(buf.iter().take(PATTERN.len()).enumerate()).all(|(at, octet)| fits(at, *octet)) {
        return Err(WRONG);
    }
    let Some(digits) = buf.get(9..12).filter(|_| buf.len() >= PATTERN.len()) else {
        return Ok(None);
    };
    let status = StatusCode::from_bytes(digits).map_err(|_| WRONG)?;
    // RFC 6455 §4.1 upgrades HTTP/1.1; 101 does not exist in HTTP/1.0.
    if status == StatusCode::SWITCHING_PROTOCOLS && buf[7] == b'0' {
        return Err(WRONG);
    }
    let end = grammar::skip_field_value(buf, PATTERN.len());
    if end > LINE {
        return Err(WRONG);
    }
    match buf.get(end..) {
        Some([b'\r', b'\n', ..]) => Ok(Some((status, end + 2))),
        None | Some([] | [b'\r']) => Ok(None),
        Some(_) => Err(WRONG),
    }
}

async fn more(io: &mut Io, buf: &mut BytesMut) -> Result<(), ConnectError> {
    buf.reserve(ROOM);
    match io.read_buf(buf).await? {
        0 => Err(ConnectError::Io(io::ErrorKind::UnexpectedEof.into())),
        _ => Ok(()),
    }
}

/// `0` stands for any digit.
const PATTERN: &[u8; 13] = b"HTTP/1.0 000 ";

/// The longest status line.
const LINE: usize = 1024;

/// The octets and lines of a header section.
const SECTION: usize = 16 * 1024;
const FIELDS: usize = 100;

/// The interim responses before the final one.
const INTERIM: usize = 8;

/// The content of a refusal that is kept.
const CONTENT: usize = 4096;

const ROOM: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// What the parser makes of a head, fed whole and octet by octet.
    fn parse(head: &[u8]) -> Result<Option<(u16, usize)>, ()> {
        let mut buf = BytesMut::from(head);
        let count = |head: Head| (head.status.as_u16(), head.fields.len());
        let whole = Parser::default()
            .parse(&mut buf)
            .map(|head| head.map(count));
        let (mut parser, mut buf) = (Parser::default(), BytesMut::new());
        let mut stepped = Ok(None);
        for octet in head {
            buf.extend_from_slice(&[*octet]);
            stepped = parser.parse(&mut buf).map(|head| head.map(count));
            if !matches!(stepped, Ok(None)) {
                break;
            }
        }
        let (whole, stepped) = (whole.map_err(drop), stepped.map_err(drop));
        assert_eq!(whole, stepped, "{}", head.escape_ascii());
        whole
    }

    #[test]
    fn heads() {
        for (head, expected) in [
            (
                "HTTP/1.1 101 Switching Protocols\r\n\r\n",
                Ok(Some((101, 0))),
            ),
            ("HTTP/1.1 101 \r\na: b\r\nc:d\r\n\r\n", Ok(Some((101, 2)))),
            ("HTTP/1.0 403 No é\r\n\r\n", Ok(Some((403, 0)))),
            ("HTTP/1.1 101 X\r\na: b\r\n", Ok(None)),
            ("HTTP/1.1 10", Ok(None)),
            ("HTTP/1.1 101 Swi", Ok(None)),
            ("", Ok(None)),
            ("HTTP/1.0 101 X\r\n\r\n", Err(())),
            ("HTTP/1.1 101\r\n\r\n", Err(())),
            ("HTTP/1.1 1011 X\r\n\r\n", Err(())),
            ("HTTP/1.1  101 X\r\n\r\n", Err(())),
            ("HTTP/1.1 099 X\r\n\r\n", Err(())),
            ("HTTP/2.0 101 X\r\n\r\n", Err(())),
            ("http/1.1 101 X\r\n\r\n", Err(())),
            ("\r\nHTTP/1.1 101 X\r\n\r\n", Err(())),
            ("HTTP/1.1 101 X\n\n", Err(())),
            ("HTTP/1.1 101 X\r\na: b\n\r\n", Err(())),
            ("HTTP/1.1 101 X\r\na : b\r\n\r\n", Err(())),
            ("HTTP/1.1 101 X\r\n a: b\r\n\r\n", Err(())),
            ("HTTP/1.1 101 X\r\na: b\0\r\n\r\n", Err(())),
            ("HTTP/1.1 101 X\r\na: b\r\n c\r\n\r\n", Err(())),
            ("SSH-2.0-x\r\n", Err(())),
        ] {
            assert_eq!(parse(head.as_bytes()), expected, "{head:?}");
        }
        let many = |count| format!("HTTP/1.1 101 X\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert_eq!(parse(many(100).as_bytes()), Ok(Some((101, 100))));
        assert_eq!(parse(many(101).as_bytes()), Err(()));
        let long = |len| format!("HTTP/1.1 101 X\r\na: {}\r\n\r\n", "b".repeat(len));
        assert_eq!(parse(long(16_000).as_bytes()), Ok(Some((101, 1))));
        assert_eq!(parse(long(17_000).as_bytes()), Err(()));
        assert_eq!(
            parse(format!("HTTP/1.1 101 {}\r\n\r\n", "x".repeat(1024)).as_bytes()),
            Err(())
        );
    }
}
