//! The request head: request line and header section, read in one pass and never twice.

use crate::http1::error::Error;
use crate::http1::framing::{self, BodyFraming};
use crate::http1::section::{SectionLimits, SectionParser};
use crate::wire::fields::{Field, FieldLine};
use crate::wire::grammar;
use crate::wire::limits::Limits;
use crate::wire::target::{self, RequestTarget};
use http::{Method, Version};

/// A request line and a header section that were accepted: the octets as they came (field names
/// lower-cased), and where in them everything lies.
#[derive(Debug, Default)]
pub struct RequestHead {
    /// The octets. Copied off the read buffer, so that a handler that waits does not pin it.
    pub(crate) block: Vec<u8>,
    pub(crate) method: Method,
    /// Whether responses may lack the content that their fields announce: to HEAD and CONNECT.
    pub(crate) is_bare: bool,
    pub(crate) minor: u8,
    pub(crate) target: RequestTarget,
    pub(crate) fields: Vec<Field>,
    pub(crate) semantics: framing::Semantics,
    /// The protocols of an offer to upgrade, as a list: the fields themselves go to the handler.
    offered: Vec<u8>,
    known_host: Vec<u8>,
}

impl RequestHead {
    /// The method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// Assigning drops the old value, which costs more than finding that it is the same.
    #[inline(always)]
    pub(crate) fn set_method(&mut self, method: Method) {
        if self.method != method {
            self.is_bare = method == Method::HEAD || method == Method::CONNECT;
            self.method = method;
        }
    }

    /// HTTP/1.0 or HTTP/1.1; higher minor versions are processed as 1.1 (RFC 9110 §2.5).
    pub const fn version(&self) -> Version {
        if self.minor == 0 {
            Version::HTTP_10
        } else {
            Version::HTTP_11
        }
    }

    /// The target's form and parts.
    pub const fn target(&self) -> &RequestTarget {
        &self.target
    }

    /// The target as it was sent.
    pub fn uri(&self) -> &[u8] {
        self.target.whole(&self.block)
    }

    /// The path.
    pub fn path(&self) -> &[u8] {
        self.target.path(&self.block)
    }

    /// The field lines in the order in which they came, names in lower case.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = FieldLine<'_>> {
        self.fields
            .iter()
            .map(|field| FieldLine::of_block(*field, &self.block))
    }

    /// How the body ends.
    pub const fn framing(&self) -> BodyFraming {
        self.semantics.framing
    }

    /// Whether the connection may go on after this message (RFC 9112 §9.3).
    pub const fn is_persistent(&self) -> bool {
        self.semantics.persistent
    }

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    pub const fn expects_continue(&self) -> bool {
        self.semantics.expect_continue
    }

    /// Whether the client offers to upgrade (RFC 9110 §7.8).
    pub const fn offers_upgrade(&self) -> bool {
        self.semantics.upgrade
    }

    /// Whether the client offers to upgrade to this protocol, a name or `name/version`. Names are compared
    /// without regard to case, versions where both sides give one (RFC 9110 §7.8).
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use wireline::http1::{connection::Connection, limits::Limits};
    ///
    /// let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: WebSocket, a/1\r\n\r\n";
    /// let mut connection = Connection::default();
    /// connection.receive(&mut BytesMut::from(&head[..]), &Limits::default()).unwrap();
    /// let head = connection.head();
    /// assert!(head.offers_protocol(b"websocket") && head.offers_protocol(b"a/1"));
    /// assert!(!head.offers_protocol(b"a/2") && !head.offers_protocol(b"h2c"));
    /// ```
    pub fn offers_protocol(&self, protocol: &[u8]) -> bool {
        let (name, version) = name_and_version(protocol);
        self.semantics.upgrade
            && grammar::list(&self.offered)
                .map(name_and_version)
                .any(|(offered, of_version)| {
                    name.eq_ignore_ascii_case(offered)
                        && (version.is_none() || of_version.is_none() || version == of_version)
                })
    }

    #[cold]
    fn keep_offer(&mut self, block: &[u8]) {
        self.offered.clear();
        for field in self.fields.iter().filter(|it| it.is(b"upgrade", block)) {
            self.offered.extend_from_slice(field.value(block));
            self.offered.push(b',');
        }
    }
}

/// The two parts of `protocol-name [ "/" protocol-version ]`.
fn name_and_version(protocol: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = protocol.splitn(2, |octet| *octet == b'/');
    (parts.next().unwrap_or_default(), parts.next())
}

/// The resumable parser of a head. It keeps its place between reads.
#[derive(Debug, Default)]
pub(crate) struct HeadParser {
    stage: Stage,
    /// The first octet of the request line.
    start: usize,
    /// The first octet of the token being read.
    mark: usize,
    /// Where scanning goes on.
    at: usize,
    /// The first `?` of the target; 0 while there is none.
    question: usize,
    section: SectionParser,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Start,
    Method,
    Target,
    Version,
    Section,
}

impl HeadParser {
    /// Reads on in `buf`, whose first octet is the first of the head in every call. `Ok(Some(len))`
    /// says that the head takes the first `len` octets; `Ok(None)` asks for more and consumes nothing.
    pub(crate) fn parse(
        &mut self,
        buf: &mut [u8],
        head: &mut RequestHead,
        limits: &Limits,
    ) -> Result<Option<usize>, Error> {
        if self.stage == Stage::Start
            && let Some(section) = usual_line(buf, head, limits)
        {
            head.fields.clear();
            self.section = SectionParser::at(section);
            self.stage = Stage::Section;
        }
        if self.stage != Stage::Section {
            let Some(section) = self.request_line(buf, head, limits)? else {
                return Ok(None);
            };
            self.section = SectionParser::at(section);
            self.stage = Stage::Section;
        }
        let bounds = SectionLimits {
            octets: limits.header_section,
            fields: limits.header_fields,
        };
        let Some(end) = self.section.parse(buf, &mut head.fields, bounds)? else {
            return Ok(None);
        };
        head.semantics = framing::request(buf, &head.fields, head.minor, &mut head.known_host)?;
        if head.semantics.upgrade {
            head.keep_offer(buf);
        }
        *self = Self::default();
        Ok(Some(end))
    }

    /// The request line, however it comes; gives the index after it.
    fn request_line(
        &mut self,
        buf: &[u8],
        head: &mut RequestHead,
        limits: &Limits,
    ) -> Result<Option<usize>, Error> {
        if self.stage == Stage::Start {
            // RFC 9112 §2.2: an empty line before the request line is skipped; one, not many.
            match buf {
                [b'\r', b'\n', ..] => self.start = 2,
                [] | [b'\r'] => return Ok(None),
                [b'\r' | b'\n', ..] => return Err(Error::LineEnd),
                _ => {}
            }
            head.fields.clear();
            self.mark = self.start;
            self.stage = Stage::Method;
        }
        if self.stage == Stage::Method && !self.method(buf, head)? {
            return Ok(None);
        }
        if self.stage == Stage::Target {
            let end = grammar::skip_target(buf, self.at, &mut self.question);
            self.at = end;
            if end - self.start > limits.request_line {
                return Err(Error::RequestLineTooLong);
            }
            match buf.get(end) {
                None => return Ok(None),
                Some(b' ') if end > self.mark => {}
                Some(_) => return Err(Error::Target),
            }
            if end + 1 - self.start > limits.request_line {
                return Err(Error::RequestLineTooLong);
            }
            let question = (self.question > 0).then_some(self.question);
            head.target =
                target::parse(buf, self.mark, end, question, &head.method).ok_or(Error::Target)?;
            self.at = end + 1;
            self.stage = Stage::Version;
        }
        self.version(buf, head, limits)
    }

    /// Whether the method of the request that is being read is known.
    pub(crate) fn has_method(&self) -> bool {
        !matches!(self.stage, Stage::Start | Stage::Method)
    }

    #[inline]
    fn method(&mut self, buf: &[u8], head: &mut RequestHead) -> Result<bool, Error> {
        let rest = &buf[self.mark..];
        let len = rest
            .iter()
            .position(|octet| !grammar::is_token(*octet))
            .unwrap_or(rest.len());
        if len > MAX_METHOD {
            return Err(Error::Method);
        }
        match rest.get(len) {
            None => return Ok(false),
            Some(b' ') => {}
            Some(_) => return Err(Error::Method),
        }
        head.set_method(Method::from_bytes(&rest[..len]).map_err(|_| Error::Method)?);
        self.mark += len + 1;
        self.at = self.mark;
        self.stage = Stage::Target;
        Ok(true)
    }

    /// `HTTP-version CRLF`; gives the index after the line.
    #[inline]
    fn version(
        &self,
        buf: &[u8],
        head: &mut RequestHead,
        limits: &Limits,
    ) -> Result<Option<usize>, Error> {
        let rest = &buf[self.at..];
        if let Some(b"HTTP/1.1\r\n") = rest.first_chunk::<10>() {
            head.minor = 1;
        } else {
            // Octet by octet, so that the verdict does not depend on how much has come.
            for (place, octet) in rest.iter().take(10).enumerate() {
                if place < 8 && self.at + place + 1 - self.start > limits.request_line {
                    return Err(Error::RequestLineTooLong);
                }
                let fits = match place {
                    5 | 7 => octet.is_ascii_digit(),
                    8 | 9 => *octet == b"\r\n"[place - 8],
                    _ => *octet == b"HTTP/x.x"[place],
                };
                if !fits {
                    return Err(if place < 8 || !matches!(octet, b'\r' | b'\n') {
                        Error::VersionSyntax
                    } else {
                        Error::LineEnd
                    });
                }
            }
            let Some(version) = rest.first_chunk::<10>() else {
                return Ok(None);
            };
            if version[5] != b'1' {
                return Err(Error::VersionUnsupported);
            }
            // RFC 9110 §2.5: a higher minor version is processed as the highest one known.
            head.minor = u8::from(version[7] != b'0');
        }
        if self.at + 8 - self.start > limits.request_line {
            return Err(Error::RequestLineTooLong);
        }
        Ok(Some(self.at + 10))
    }
}

/// The line of most requests, when all of it is here: GET or POST, a path, HTTP/1.1. `None` leaves the
/// verdict to [`HeadParser::request_line`].
#[inline]
fn usual_line(buf: &[u8], head: &mut RequestHead, limits: &Limits) -> Option<usize> {
    let start = match buf.first_chunk::<6>()? {
        [b'G', b'E', b'T', b' ', b'/', _] => 4,
        b"POST /" => 5,
        _ => return None,
    };
    let mut question = 0;
    let end = grammar::skip_target(buf, start, &mut question);
    let version = buf.get(end..)?.first_chunk::<11>()?;
    if version != b" HTTP/1.1\r\n" || end + 9 > limits.request_line {
        return None;
    }
    head.target = target::origin(start, end, (question > 0).then_some(question))?;
    if start == 4 {
        head.set_method(Method::GET);
    } else {
        head.set_method(Method::POST);
    }
    head.minor = 1;
    Some(end + 11)
}

/// The longest registered method has 17 octets.
const MAX_METHOD: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_starts_over() {
        // 8,000 octets one at a time: the place moves on by one each call.
        let text = format!(
            "GET /{} HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "a".repeat(3_000),
            "b".repeat(4_000)
        )
        .into_bytes();
        let (mut parser, mut head) = (HeadParser::default(), RequestHead::default());
        let mut buf = Vec::new();
        for (place, octet) in text.iter().enumerate() {
            buf.push(*octet);
            let found = parser
                .parse(&mut buf, &mut head, &Limits::default())
                .expect("a valid head");
            assert_eq!(found.is_some(), place + 1 == text.len());
            let behind = buf.len()
                - if parser.stage == Stage::Section {
                    parser.section_at()
                } else {
                    parser.at.min(buf.len())
                };
            assert!(
                found.is_some() || behind <= 10,
                "{behind} octets would be read again at {place}"
            );
        }
        assert_eq!(head.fields().len(), 2);
    }

    impl HeadParser {
        fn section_at(&self) -> usize {
            self.section.place()
        }
    }
}
