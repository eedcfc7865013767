//! The head of a response: status line and header section (RFC 9112 §4, §5).

use crate::http1::error::Error;
use crate::http1::section::{SectionLimits, SectionParser};
use crate::wire::fields::{Field, FieldLine};
use crate::wire::grammar;
use crate::wire::limits::Limits;
use bytes::{Bytes, BytesMut};
use http::StatusCode;

/// A status line and a header section that were accepted.
///
/// ```
/// use bytes::BytesMut;
/// use http::Method;
/// use wireline::http1::client::{ResponseEvent, ResponseReader};
///
/// let mut buf = BytesMut::from("HTTP/1.1 503 Busy\r\nRetry-After: 5\r\n\r\n");
/// let event = ResponseReader::new(&Method::HEAD).receive(&mut buf).unwrap();
/// let Some(ResponseEvent::Head(head)) = event else {
///     panic!("a head")
/// };
/// assert_eq!(head.status(), 503);
/// assert_eq!(head.field(b"retry-after"), Some(&b"5"[..]));
/// ```
#[derive(Clone, Debug)]
pub struct ResponseHead {
    status: StatusCode,
    minor: u8,
    block: Bytes,
    fields: Vec<Field>,
}

impl ResponseHead {
    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The field lines in the order in which they came, names in lower case.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = FieldLine<'_>> {
        (self.fields.iter()).map(|field| FieldLine::of_block(*field, &self.block))
    }

    /// The value of the first field of this name, in lower case.
    pub fn field(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields()
            .find(|line| line.name() == name)
            .map(FieldLine::value)
    }

    /// 0 for HTTP/1.0.
    pub(super) const fn minor(&self) -> u8 {
        self.minor
    }
}

/// The status and the minor version.
type Line = (StatusCode, u8);

/// A resumable parser of a response head, as strict as the server's of a request.
#[derive(Debug, Default)]
pub(super) struct HeadParser {
    /// What the status line says, once it was read.
    line: Option<Line>,
    section: SectionParser,
    fields: Vec<Field>,
}

impl HeadParser {
    /// Reads on in `buf`, whose first octet is the first of the head in every call.
    pub(super) fn parse(
        &mut self,
        buf: &mut BytesMut,
        limits: &Limits,
    ) -> Result<Option<ResponseHead>, Error> {
        let (status, minor) = match self.line {
            Some(line) => line,
            None => {
                let Some((line, end)) = status_line(buf, limits.request_line)? else {
                    return Ok(None);
                };
                self.section = SectionParser::at(end);
                *self.line.insert(line)
            }
        };
        let bounds = SectionLimits {
            octets: limits.header_section,
            fields: limits.header_fields,
        };
        let end = self.section.parse(buf, &mut self.fields, bounds)?;
        Ok(end.map(|end| ResponseHead {
            status,
            minor,
            block: buf.split_to(end).freeze(),
            fields: std::mem::take(&mut self.fields),
        }))
    }
}

/// What the status line says and the index after it (RFC 9112 §4): `HTTP/1.x SP 3DIGIT SP [ reason-phrase ] CRLF`.
fn status_line(buf: &[u8], most: usize) -> Result<Option<(Line, usize)>, Error> {
    let fits = |known: u8, octet: u8| match known {
        b'0' => octet.is_ascii_digit(),
        known => octet == known,
    };
    if !(PATTERN.iter().zip(buf)).all(|(known, octet)| fits(*known, *octet)) {
        return Err(Error::StatusLine);
    }
    let (Some(minor), Some(digits)) = (buf.get(7), buf.get(9..12)) else {
        return Ok(None);
    };
    if buf.len() < PATTERN.len() {
        return Ok(None);
    }
    let minor = u8::from(*minor != b'0');
    let status = StatusCode::from_bytes(digits).map_err(|_| Error::StatusLine)?;
    // 101 does not exist in HTTP/1.0 (RFC 9110 §7.8).
    if status == StatusCode::SWITCHING_PROTOCOLS && minor == 0 {
        return Err(Error::StatusLine);
    }
    let end = grammar::skip_field_value(buf, PATTERN.len());
    if end > most {
        return Err(Error::StatusLine);
    }
    match buf.get(end..) {
        Some([b'\r', b'\n', ..]) => Ok(Some(((status, minor), end + 2))),
        None | Some([] | [b'\r']) => Ok(None),
        Some(_) => Err(Error::StatusLine),
    }
}

/// `0` stands for any digit.
const PATTERN: &[u8; 13] = b"HTTP/1.0 000 ";
