//! The server's side of the opening handshake (RFC 6455 §4.2).

use crate::wire::grammar;
use crate::ws::deflate::{Agreed, Config};
use crate::ws::extension;
use crate::ws::handshake::subprotocol::Subprotocols;
use crate::ws::handshake::{VERSION, accept_key, has_token, is_key};
use crate::ws::origin::Policy;
use http::{Method, StatusCode, Version};
use std::fmt;

/// A request that does not open a WebSocket, and the answer that it gets in place of 101.
///
/// ```
/// use wireline::ws::handshake::server::Refusal;
///
/// let refusal = Refusal::VersionUnsupported;
/// assert_eq!(refusal.status(), 426);
/// assert!(refusal.fields().contains(&("sec-websocket-version", "13")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Another method than GET (RFC 6455 §4.2.1 (1)); HEAD is answered as a GET that does not upgrade.
    Method,
    /// HTTP/1.0 (RFC 6455 §4.2.1 (1)).
    HttpVersion,
    /// A request with content: what follows the head has to be frames.
    Content,
    /// No Upgrade to `websocket` (RFC 6455 §4.2.1 (3)).
    Upgrade,
    /// No connection option `upgrade` (RFC 6455 §4.2.1 (4)).
    Connection,
    /// Sec-WebSocket-Key is missing, repeated, or not 16 octets in base64 (RFC 6455 §4.2.1 (5)).
    Key,
    /// Sec-WebSocket-Version is missing or repeated (RFC 6455 §4.2.1 (6)).
    Version,
    /// Another version than 13 (RFC 6455 §4.2.2 (4)).
    VersionUnsupported,
    /// Sec-WebSocket-Protocol is no list of distinct tokens, or names more than 64 (RFC 6455 §4.1 (10)).
    SubprotocolSyntax,
    /// No subprotocol that fits, where one is required.
    Subprotocol,
    /// Sec-WebSocket-Extensions does not have its form (RFC 6455 §9.1).
    Extensions,
    /// An extended CONNECT for another protocol than `websocket` (RFC 8441 §4).
    Protocol,
    /// An origin that may not open this WebSocket, or more than one (RFC 6455 §4.2.2 (4)).
    Origin,
}

impl Refusal {
    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::VersionUnsupported => StatusCode::UPGRADE_REQUIRED,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Protocol => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The fields that the answer has to have.
    pub const fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Method => &[("allow", "GET, HEAD, OPTIONS")],
            // RFC 6455 §4.4: the versions that are spoken; RFC 9110 §15.5.22: 426 says to what.
            Self::VersionUnsupported => {
                &[("sec-websocket-version", VERSION), ("upgrade", "websocket")]
            }
            _ => &[],
        }
    }

    /// One sentence for the client.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Method => "a WebSocket is opened with GET (RFC 6455 4.2.1)",
            Self::HttpVersion => "a WebSocket needs HTTP/1.1 (RFC 6455 4.2.1)",
            Self::Content => "a request that opens a WebSocket has no content",
            Self::Upgrade => "Not a WebSocket upgrade request",
            Self::Connection => "connection option upgrade is missing (RFC 6455 4.2.1)",
            Self::Key => "malformed, missing or repeated Sec-WebSocket-Key (RFC 6455 4.2.1)",
            Self::Version => "missing or repeated Sec-WebSocket-Version (RFC 6455 4.2.1)",
            Self::VersionUnsupported => "WebSocket version not supported (RFC 6455 4.4)",
            Self::SubprotocolSyntax => "malformed Sec-WebSocket-Protocol (RFC 6455 4.1)",
            Self::Subprotocol => "no subprotocol in common",
            Self::Extensions => "malformed Sec-WebSocket-Extensions (RFC 6455 9.1)",
            Self::Protocol => "the only protocol here is websocket (RFC 8441 4)",
            Self::Origin => "origin not allowed (RFC 6455 10.2)",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Refusal {}

/// What of a request is not in its fields.
///
/// ```
/// use http::{Method, Version};
/// use wireline::ws::handshake::server::{Head, Opening, Refusal};
///
/// let head = Head { method: &Method::POST, version: Version::HTTP_11, content: false };
/// assert_eq!(Opening::read(head, []).unwrap_err(), Refusal::Method);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The version of HTTP.
    pub version: Version,
    /// Whether content follows.
    pub content: bool,
}

/// A request that opens a WebSocket.
///
/// ```
/// use http::{Method, Version};
/// use wireline::ws::handshake::server::{Head, Opening};
///
/// let head = Head { method: &Method::GET, version: Version::HTTP_11, content: false };
/// let fields = [
///     ("upgrade", "websocket"),
///     ("connection", "keep-alive, Upgrade"),
///     ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
///     ("sec-websocket-version", "13"),
///     ("sec-websocket-protocol", "v2.chat, v1.chat"),
/// ];
/// let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
/// let opening = Opening::read(head, fields).unwrap();
/// assert_eq!(opening.protocols(), ["v2.chat", "v1.chat"]);
/// assert_eq!(opening.origin(), None, "it does not come from a page");
/// ```
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    key: &'a [u8],
    protocols: Vec<&'a str>,
    extensions: Vec<&'a [u8]>,
    origin: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    credentials: bool,
}

/// How a server answers an opening handshake.
///
/// ```
/// use wireline::ws::handshake::server::Terms;
/// use wireline::ws::handshake::subprotocol::Subprotocols;
/// use wireline::ws::origin::Policy;
///
/// let terms = Terms {
///     origin: Policy::SameOrigin,
///     subprotocols: Subprotocols::list(["v2.chat", "v1.chat"]).require(),
///     ..Terms::default()
/// };
/// assert!(terms.deflate.is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Which pages may open it. Default: own ones, and foreign ones that send no credentials.
    pub origin: Policy,
    /// Which subprotocol is chosen. Default: none.
    pub subprotocols: Subprotocols,
    /// permessage-deflate, when it may be agreed on. Default: it may not.
    pub deflate: Option<Config>,
}

/// An opening handshake that was accepted.
///
/// ```
/// use http::{Method, Version};
/// use wireline::ws::handshake::server::{Head, Opening, Terms};
///
/// # let head = Head { method: &Method::GET, version: Version::HTTP_11, content: false };
/// # let fields = [
/// #     ("upgrade", "websocket"),
/// #     ("connection", "Upgrade"),
/// #     ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
/// #     ("sec-websocket-version", "13"),
/// # ];
/// # let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
/// let accepted = Opening::read(head, fields).unwrap().accept(&Terms::default()).unwrap();
/// let answers = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned());
/// assert!(accepted.fields().contains(&answers));
/// ```
#[derive(Clone, Debug)]
pub struct Accepted {
    accept: String,
    /// The subprotocol that was chosen.
    pub protocol: Option<String>,
    /// permessage-deflate, if it was agreed on.
    pub deflate: Option<Agreed>,
}

impl<'a> Opening<'a> {
    /// Reads a request. CONNECT over HTTP/2 is an extended one whose protocol the caller has looked at: it has
    /// neither Upgrade nor a key (RFC 8441 §5).
    ///
    /// # Errors
    ///
    /// The [`Refusal`], with its answer.
    pub fn read(
        head: Head<'_>,
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, Refusal> {
        let mut opening = Self {
            key: &[],
            protocols: Vec::new(),
            extensions: Vec::new(),
            origin: None,
            host: None,
            credentials: false,
        };
        let (mut upgrade, mut connection) = (false, false);
        let (mut keys, mut versions, mut origins) = (0, 0, 0);
        let (mut version, mut protocols) = (&b""[..], Vec::new());
        for (name, value) in fields {
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            match name.len() {
                4 if is("host") => opening.host = Some(value),
                6 if is("origin") => {
                    origins += 1;
                    opening.origin = Some(value);
                }
                6 if is("cookie") => opening.credentials = true,
                13 if is("authorization") => opening.credentials = true,
                7 if is("upgrade") => upgrade |= has_token(value, b"websocket"),
                10 if is("connection") => connection |= has_token(value, b"upgrade"),
                17 if is("sec-websocket-key") => {
                    keys += 1;
                    opening.key = value;
                }
                21 if is("sec-websocket-version") => {
                    versions += 1;
                    version = value;
                }
                22 if is("sec-websocket-protocol") => protocols.push(value),
                24 if is("sec-websocket-extensions") => opening.extensions.push(value),
                _ => {}
            }
        }
        // HEAD asks for what GET would be answered without an upgrade, and is no method to be refused where
        // GET is allowed (RFC 9110 §9.3.2).
        upgrade &= head.method != Method::HEAD;
        let extended = head.method == Method::CONNECT && head.version >= Version::HTTP_2;
        let refusal = if extended {
            judge_rest(head.content, versions, version, origins)
        } else if head.method != Method::GET && head.method != Method::HEAD {
            Some(Refusal::Method)
        } else if !upgrade {
            Some(Refusal::Upgrade)
        } else if head.version < Version::HTTP_11 {
            Some(Refusal::HttpVersion)
        } else if !connection {
            Some(Refusal::Connection)
        } else {
            judge_rest(head.content, versions, version, origins)
                .filter(|refusal| *refusal != Refusal::Origin)
                .or_else(|| (keys != 1 || !is_key(opening.key)).then_some(Refusal::Key))
                .or_else(|| (origins > 1).then_some(Refusal::Origin))
        };
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        for value in protocols {
            opening.read_protocols(value)?;
        }
        Ok(opening)
    }

    fn read_protocols(&mut self, value: &'a [u8]) -> Result<(), Refusal> {
        for name in grammar::list(value) {
            let name = std::str::from_utf8(name)
                .ok()
                .filter(|name| name.bytes().all(grammar::is_token))
                .ok_or(Refusal::SubprotocolSyntax)?;
            if self.protocols.len() == MOST_PROTOCOLS || self.protocols.contains(&name) {
                return Err(Refusal::SubprotocolSyntax);
            }
            self.protocols.push(name);
        }
        Ok(())
    }

    /// The subprotocols that the client offers, in its order.
    pub fn protocols(&self) -> &[&'a str] {
        &self.protocols
    }

    /// The page's origin, if the request comes from a page.
    pub const fn origin(&self) -> Option<&'a [u8]> {
        self.origin
    }

    /// Whether the request carries what a browser adds by itself, whatever page asks: cookies, or
    /// Authorization.
    pub const fn has_credentials(&self) -> bool {
        self.credentials
    }

    /// Judges the request by these terms.
    ///
    /// # Errors
    ///
    /// The [`Refusal`], with its answer.
    pub fn accept(&self, terms: &Terms) -> Result<Accepted, Refusal> {
        if !terms
            .origin
            .allows(self.origin, self.host, self.credentials)
        {
            return Err(Refusal::Origin);
        }
        let protocol = terms.subprotocols.choose(&self.protocols)?;
        let mut offers = Vec::new();
        for value in &self.extensions {
            offers.extend(extension::parse(value).map_err(|_| Refusal::Extensions)?);
            if offers.len() > extension::MOST {
                return Err(Refusal::Extensions);
            }
        }
        let deflate = terms
            .deflate
            .as_ref()
            .and_then(|config| Agreed::accept(&offers, config));
        Ok(Accepted {
            accept: accept_key(self.key),
            protocol,
            deflate,
        })
    }
}

impl Accepted {
    /// The fields of the 101; of a 200 to an extended CONNECT those alone that begin with `sec-websocket-` and
    /// are not `sec-websocket-accept`.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("upgrade", "websocket".to_owned()),
            ("connection", "Upgrade".to_owned()),
            ("sec-websocket-accept", self.accept.clone()),
        ];
        if let Some(protocol) = &self.protocol {
            fields.push(("sec-websocket-protocol", protocol.clone()));
        }
        if let Some(deflate) = &self.deflate {
            fields.push(("sec-websocket-extensions", deflate.answer()));
        }
        fields
    }
}

/// What both ways to open have in common.
fn judge_rest(content: bool, versions: u32, version: &[u8], origins: u32) -> Option<Refusal> {
    if content {
        Some(Refusal::Content)
    } else if versions != 1 {
        Some(Refusal::Version)
    } else if version != VERSION.as_bytes() {
        Some(Refusal::VersionUnsupported)
    } else if origins > 1 {
        Some(Refusal::Origin)
    } else {
        None
    }
}

/// More subprotocols than anybody offers; the check that they are distinct is quadratic.
const MOST_PROTOCOLS: usize = 64;

#[cfg(test)]
mod tests;
