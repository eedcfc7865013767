//! The client's side of HTTP/1.1 (RFC 9112): responses, read as strictly as the server reads requests.
//!
//! ```text
//!   octets --> ResponseReader --> ResponseEvent::{Head, Data, End}
//!                |  head (status line, section) -> framing (RFC 9112 §6.3)
//!                |  content: length | chunked | until the connection ends
//! ```
//!
//! The reader does no I/O; [`driver`] is a client that does.

pub(crate) mod address;
pub mod driver;
mod framing;
mod head;

pub use self::head::ResponseHead;

use crate::http1::body::BodyDecoder;
use crate::http1::chunked::{Piece, Trailers};
use crate::http1::client::framing::{Framing, framing};
use crate::http1::client::head::HeadParser;
use crate::http1::error::Error;
use crate::http1::framing::BodyFraming;
use crate::wire::limits::Limits;
use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};

/// What a response consists of, in its order.
///
/// ```
/// use bytes::BytesMut;
/// use http::Method;
/// use wireline::http1::client::{ResponseEvent, ResponseReader};
///
/// /// The content of a response that has come as a whole.
/// fn content(mut response: BytesMut) -> Option<Vec<u8>> {
///     let mut reader = ResponseReader::new(&Method::GET);
///     let mut content = Vec::new();
///     loop {
///         match reader.receive(&mut response).ok()?? {
///             ResponseEvent::Head(head) if head.status() != 200 => return None,
///             ResponseEvent::Head(_) => {}
///             ResponseEvent::Data(data) => content.extend_from_slice(&data),
///             ResponseEvent::End(_) => return Some(content),
///         }
///     }
/// }
///
/// let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
/// assert_eq!(content(response.into()).unwrap(), b"hi");
/// ```
#[derive(Debug)]
pub enum ResponseEvent {
    /// The head of the final response.
    Head(ResponseHead),
    /// A piece of its content, which is not empty.
    Data(Bytes),
    /// The content has ended, with these trailers.
    End(Trailers),
}

/// Reads the response to one request, however it is cut into pieces.
///
/// Interim responses are thrown away. Ambiguity is an error, never a guess: a length that is said twice or in two ways is
/// refused (RFC 9112 §6.3), and so is a 101 that nobody asked for.
///
/// ```
/// use bytes::BytesMut;
/// use http::Method;
/// use wireline::http1::client::{ResponseEvent, ResponseReader};
///
/// let mut reader = ResponseReader::new(&Method::GET);
/// let mut buf = BytesMut::from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
/// let Ok(Some(ResponseEvent::Head(head))) = reader.receive(&mut buf) else {
///     panic!("a head")
/// };
/// assert_eq!(head.status(), 200);
/// assert!(matches!(reader.receive(&mut buf), Ok(Some(ResponseEvent::Data(data))) if data == "hi"));
/// assert!(matches!(reader.receive(&mut buf), Ok(Some(ResponseEvent::End(_)))));
/// assert!(reader.is_persistent());
/// ```
#[derive(Debug)]
pub struct ResponseReader {
    limits: Limits,
    stage: Stage,
    /// Whether the response ends with its head: it answers HEAD.
    is_bare: bool,
    /// Whether a tunnel follows the head when it says yes.
    is_connect: bool,
    /// Whether 101 is an answer.
    may_upgrade: bool,
    /// The interim responses until now.
    interim: u8,
    is_persistent: bool,
}

#[derive(Debug)]
enum Stage {
    Head(HeadParser),
    Content(BodyDecoder),
    /// Content until the connection ends.
    UntilClose,
    Done,
    Failed(Error),
}

impl ResponseReader {
    /// A reader of the response to a request of this method.
    ///
    /// The status line may have 1 KiB, the header section 16 KiB in 100 lines, trailers as much; chunks may have any size,
    /// with framing 16 times their payload. The content has no limit: who keeps it counts it.
    pub fn new(method: &Method) -> Self {
        Self {
            limits: Limits {
                request_line: 1024,
                header_section: 16 * 1024,
                chunk: u64::MAX,
                chunk_overhead: 16,
                ..Limits::default()
            },
            stage: Stage::Head(HeadParser::default()),
            is_bare: *method == Method::HEAD,
            is_connect: *method == Method::CONNECT,
            may_upgrade: false,
            interim: 0,
            is_persistent: false,
        }
    }

    /// Other limits; that of the request line is the status line's.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits.clamped();
        self
    }

    /// Takes 101 for a final response: the request has asked for another protocol. Its octets stay in the buffer.
    #[must_use]
    pub const fn may_upgrade(mut self) -> Self {
        self.may_upgrade = true;
        self
    }

    /// Takes what comes next off the front of `buf`. `Ok(None)` asks for more, or says that the response has ended.
    ///
    /// # Errors
    ///
    /// [`Error`]: the response is malformed or passes a limit. The connection cannot be used any more, and the same
    /// comes again.
    pub fn receive(&mut self, buf: &mut BytesMut) -> Result<Option<ResponseEvent>, Error> {
        let outcome = self.read(buf);
        if let Err(error) = outcome {
            self.stage = Stage::Failed(error);
            self.is_persistent = false;
        }
        outcome
    }

    /// The connection has ended, and everything that came was given to [`receive`](Self::receive). Ends content whose end
    /// this is (RFC 9112 §6.3 (8)); `Ok(None)` when the response had ended before.
    ///
    /// # Errors
    ///
    /// [`Error::Incomplete`] when more was announced.
    pub fn close(&mut self) -> Result<Option<ResponseEvent>, Error> {
        self.is_persistent = false;
        match self.stage {
            Stage::Done => Ok(None),
            Stage::UntilClose => {
                self.stage = Stage::Done;
                Ok(Some(ResponseEvent::End(Trailers::default())))
            }
            Stage::Failed(error) => Err(error),
            Stage::Head(_) | Stage::Content(_) => {
                self.stage = Stage::Failed(Error::Incomplete);
                Err(Error::Incomplete)
            }
        }
    }

    /// Whether the response has ended.
    pub const fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// Whether the response has ended and the connection may go on after it (RFC 9112 §9.3). Octets that came behind the
    /// response belong to none: then it may not.
    pub const fn is_persistent(&self) -> bool {
        self.is_persistent && self.is_done()
    }

    fn read(&mut self, buf: &mut BytesMut) -> Result<Option<ResponseEvent>, Error> {
        loop {
            match &mut self.stage {
                Stage::Head(parser) => {
                    let Some(head) = parser.parse(buf, &self.limits)? else {
                        return Ok(None);
                    };
                    if self.passes(head.status())? {
                        continue;
                    }
                    // RFC 9112 §6.3 (2): what follows is the tunnel's, and no response comes behind it.
                    let is_tunnel = self.is_connect && head.status().is_success();
                    let Framing { body, persistent } = framing(&head, self.is_bare || is_tunnel)?;
                    self.is_persistent = persistent && !is_tunnel;
                    self.stage = match body {
                        BodyFraming::CloseDelimited => Stage::UntilClose,
                        body => Stage::Content(BodyDecoder::new(body)),
                    };
                    return Ok(Some(ResponseEvent::Head(head)));
                }
                Stage::Content(decoder) => {
                    return Ok(match decoder.decode(buf, &self.limits)? {
                        None => None,
                        Some(Piece::Data(data)) => Some(ResponseEvent::Data(data)),
                        Some(Piece::End(trailers)) => {
                            self.stage = Stage::Done;
                            Some(ResponseEvent::End(trailers))
                        }
                    });
                }
                Stage::UntilClose if buf.is_empty() => return Ok(None),
                Stage::UntilClose => {
                    return Ok(Some(ResponseEvent::Data(buf.split().freeze())));
                }
                Stage::Done => return Ok(None),
                Stage::Failed(error) => return Err(*error),
            }
        }
    }

    /// Whether it is an interim response, behind which another comes (RFC 9110 §15.2).
    fn passes(&mut self, status: StatusCode) -> Result<bool, Error> {
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return if self.may_upgrade {
                Ok(false)
            } else {
                Err(Error::Interim)
            };
        }
        if !status.is_informational() {
            return Ok(false);
        }
        self.interim += 1;
        if self.interim > INTERIM {
            return Err(Error::Interim);
        }
        self.stage = Stage::Head(HeadParser::default());
        Ok(true)
    }
}

/// The interim responses before the final one.
const INTERIM: u8 = 8;

#[cfg(test)]
mod tests;
