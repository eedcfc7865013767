//! What a peer can do wrong, and the status that says so.

use http::StatusCode;
use std::fmt;

/// A message that is refused. Nothing after it is ever interpreted: the connection answers with
/// [`status`](Self::status), says `Connection: close`, lingers so that the peer can read the answer,
/// and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The method is no token or longer than 32 octets (RFC 9110 §9.1).
    Method,
    /// The request target has octets or a form that a target cannot have (RFC 9112 §3.2).
    Target,
    /// The line does not end in `HTTP/d.d` (RFC 9112 §2.3).
    VersionSyntax,
    /// A major version other than 1 (RFC 9110 §15.6.6).
    VersionUnsupported,
    /// A line that does not end in CRLF (RFC 9112 §2.2: bare LF and bare CR are not accepted here).
    LineEnd,
    /// The request line passes its limit (RFC 9110 §15.5.15).
    RequestLineTooLong,
    /// A field name that is empty, no token, or not directly followed by a colon; also a folded line
    /// (RFC 9112 §5.1, §5.2).
    FieldName,
    /// A control octet in a field value (RFC 9110 §5.5).
    FieldValue,
    /// The header or trailer section passes its limit of octets or lines (RFC 6585 §5).
    SectionTooLarge,
    /// Host is missing, repeated or malformed (RFC 9112 §3.2).
    Host,
    /// Content-Length is repeated or no plain number (RFC 9112 §6.3 (5)).
    ContentLength,
    /// Transfer-Encoding is repeated, mangled or not on HTTP/1.1 (RFC 9112 §6.1).
    TransferEncoding,
    /// Content-Length and Transfer-Encoding together (RFC 9112 §6.3 (3)).
    ConflictingFraming,
    /// A transfer coding that is not implemented (RFC 9112 §6.1).
    TransferCodingUnknown,
    /// An expectation other than `100-continue` (RFC 9110 §10.1.1).
    Expectation,
    /// A chunk size that is no hexadecimal number, or chunk data without its CRLF (RFC 9112 §7.1).
    Chunk,
    /// Chunk extensions with control octets or beyond their limit (RFC 9112 §7.1.1).
    ChunkExtension,
    /// One chunk passes its limit.
    ChunkTooLarge,
    /// Chunk framing out of all proportion to its payload.
    ChunkOverhead,
    /// The body passes its limit (RFC 9110 §15.5.14).
    ContentTooLarge,
    /// A response's status line is malformed or passes its limit (RFC 9112 §4).
    StatusLine,
    /// Too many interim responses, or a 101 that nobody asked for (RFC 9110 §15.2).
    Interim,
    /// The peer ended the connection inside a message (RFC 9112 §8).
    Incomplete,
}

impl Error {
    /// The status of the answer; `None` where nobody is left to read one.
    ///
    /// ```
    /// use wireline::http1::error::Error;
    ///
    /// assert_eq!(Error::RequestLineTooLong.status().unwrap(), 414);
    /// assert_eq!(Error::Incomplete.status(), None);
    /// ```
    pub const fn status(self) -> Option<StatusCode> {
        Some(match self {
            Self::RequestLineTooLong => StatusCode::URI_TOO_LONG,
            Self::SectionTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ChunkTooLarge | Self::ContentTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TransferCodingUnknown => StatusCode::NOT_IMPLEMENTED,
            Self::VersionUnsupported => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Incomplete => return None,
            _ => StatusCode::BAD_REQUEST,
        })
    }

    /// One sentence for the peer, with the section that decides.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Method => "malformed method (RFC 9110 9.1)",
            Self::Target => "malformed request target (RFC 9112 3.2)",
            Self::VersionSyntax => "malformed request line (RFC 9112 3)",
            Self::VersionUnsupported => "HTTP version not supported (RFC 9110 15.6.6)",
            Self::LineEnd => "a line does not end in CRLF (RFC 9112 2.2)",
            Self::RequestLineTooLong => "request line too long (RFC 9110 15.5.15)",
            Self::FieldName => "malformed field name (RFC 9112 5.1)",
            Self::FieldValue => "control octet in a field value (RFC 9110 5.5)",
            Self::SectionTooLarge => "too many or too large fields (RFC 6585 5)",
            Self::Host => "Host missing, repeated or malformed (RFC 9112 3.2)",
            Self::ContentLength => "malformed or repeated Content-Length (RFC 9112 6.3)",
            Self::TransferEncoding => "malformed Transfer-Encoding (RFC 9112 6.1)",
            Self::ConflictingFraming => {
                "Content-Length and Transfer-Encoding together (RFC 9112 6.3)"
            }
            Self::TransferCodingUnknown => "transfer coding not implemented (RFC 9112 6.1)",
            Self::Expectation => "unknown expectation (RFC 9110 10.1.1)",
            Self::Chunk => "malformed chunk (RFC 9112 7.1)",
            Self::ChunkExtension => "malformed or too large chunk extension (RFC 9112 7.1.1)",
            Self::ChunkTooLarge => "chunk too large",
            Self::ChunkOverhead => "chunk framing out of proportion to its payload",
            Self::ContentTooLarge => "content too large (RFC 9110 15.5.14)",
            Self::StatusLine => "malformed status line (RFC 9112 4)",
            Self::Interim => "too many interim responses, or a 101 unasked (RFC 9110 15.2)",
            Self::Incomplete => "the connection ended inside a message (RFC 9112 8)",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Error {}

/// The caller asked the connection for something that its state does not allow: a fault of ours or of
/// the embedder, never of the peer.
///
/// ```
/// use wireline::http1::connection::Connection;
/// use wireline::http1::error::IllegalTransition;
/// use wireline::http1::out::Out;
///
/// // Nobody has asked for anything yet.
/// let too_early = Connection::default().send_data("hello".into(), &mut Out::default());
/// assert_eq!(too_early, Err(IllegalTransition));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalTransition;

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not allowed in the connection's present state")
    }
}

impl std::error::Error for IllegalTransition {}
