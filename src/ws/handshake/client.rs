//! The client's side of the opening handshake (RFC 6455 §4.1).

use crate::ws::deflate::{Agreed, Config};
use crate::ws::extension;
use crate::ws::handshake::{VERSION, accept_key, has_token};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use std::fmt;

/// A request that opens a WebSocket.
///
/// ```
/// use wireline::ws::handshake::client::Request;
///
/// let request = Request::new(*b"the sample nonce").protocols(["chat"]);
/// let answer = [
///     ("Upgrade", "websocket"),
///     ("Connection", "Upgrade"),
///     ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
///     ("Sec-WebSocket-Protocol", "chat"),
/// ];
/// let answer = answer.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
/// let opened = request.confirm(http::StatusCode::SWITCHING_PROTOCOLS, answer).unwrap();
/// assert_eq!(opened.protocol.as_deref(), Some("chat"));
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    key: String,
    protocols: Vec<String>,
    deflate: Option<Config>,
}

/// What the server agreed to.
///
/// ```
/// use http::StatusCode;
/// use wireline::ws::handshake::client::{Opened, Request};
///
/// let request = Request::new(*b"the sample nonce");
/// let answer = [
///     ("upgrade", "websocket"),
///     ("connection", "Upgrade"),
///     ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
/// ];
/// let answer = answer.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
/// let opened = request.confirm(StatusCode::SWITCHING_PROTOCOLS, answer);
/// assert_eq!(opened, Ok(Opened { protocol: None, deflate: None }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The subprotocol that the server chose.
    pub protocol: Option<String>,
    /// permessage-deflate, if it was agreed on.
    pub deflate: Option<Agreed>,
}

/// An answer that does not open the WebSocket.
///
/// ```
/// use http::StatusCode;
/// use wireline::ws::handshake::client::{Mismatch, Request};
///
/// let request = Request::new(*b"the sample nonce");
/// let mismatch = request.confirm(StatusCode::FORBIDDEN, []).unwrap_err();
/// assert_eq!(mismatch, Mismatch::Status(StatusCode::FORBIDDEN));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// Another status than 101, which is an answer in HTTP.
    Status(StatusCode),
    /// Upgrade is not `websocket` (RFC 6455 §4.1).
    Upgrade,
    /// The connection option `upgrade` is missing (RFC 6455 §4.1).
    Connection,
    /// Sec-WebSocket-Accept is missing, repeated, or does not answer the key (RFC 6455 §4.1).
    Accept,
    /// A subprotocol that was not offered, or more than one (RFC 6455 §4.1).
    Protocol,
    /// An extension that was not offered, or not on these terms (RFC 6455 §4.1, RFC 7692 §7.1).
    Extensions,
}

impl Request {
    /// A request with these 16 octets as its key, which have to be drawn anew for each connection.
    pub fn new(nonce: [u8; 16]) -> Self {
        Self {
            key: STANDARD.encode(nonce),
            protocols: Vec::new(),
            deflate: None,
        }
    }

    /// Offers subprotocols, the preferred one first. Default none.
    #[must_use]
    pub fn protocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.protocols.extend(names.into_iter().map(Into::into));
        self
    }

    /// Offers permessage-deflate (RFC 7692). Default no.
    #[must_use]
    pub fn deflate(mut self, config: Config) -> Self {
        self.deflate = Some(config);
        self
    }

    /// The fields of the request, Host aside.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("upgrade", "websocket".to_owned()),
            ("connection", "Upgrade".to_owned()),
            ("sec-websocket-key", self.key.clone()),
            ("sec-websocket-version", VERSION.to_owned()),
        ];
        if !self.protocols.is_empty() {
            fields.push(("sec-websocket-protocol", self.protocols.join(", ")));
        }
        if let Some(config) = &self.deflate {
            fields.push(("sec-websocket-extensions", Agreed::offer(config)));
        }
        fields
    }

    /// Judges the answer.
    ///
    /// # Errors
    ///
    /// The [`Mismatch`]: the connection is failed.
    pub fn confirm<'a>(
        &self,
        status: StatusCode,
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Opened, Mismatch> {
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Mismatch::Status(status));
        }
        let (mut upgrade, mut connection) = (None, false);
        let (mut accept, mut accepts) = (&b""[..], 0);
        let (mut protocols, mut extensions) = (Vec::new(), Vec::new());
        for (name, value) in fields {
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            if is("upgrade") {
                upgrade = Some(upgrade.is_none() && value.eq_ignore_ascii_case(b"websocket"));
            } else if is("connection") {
                connection |= has_token(value, b"upgrade");
            } else if is("sec-websocket-accept") {
                accept = value;
                accepts += 1;
            } else if is("sec-websocket-protocol") {
                protocols.push(value);
            } else if is("sec-websocket-extensions") {
                extensions.extend(extension::parse(value).map_err(|_| Mismatch::Extensions)?);
            }
        }
        if upgrade != Some(true) {
            return Err(Mismatch::Upgrade);
        }
        if !connection {
            return Err(Mismatch::Connection);
        }
        if accepts != 1 || accept != accept_key(self.key.as_bytes()).as_bytes() {
            return Err(Mismatch::Accept);
        }
        let protocol = match protocols[..] {
            [] => None,
            [chosen] => Some(
                self.protocols
                    .iter()
                    .find(|name| name.as_bytes() == chosen)
                    .cloned()
                    .ok_or(Mismatch::Protocol)?,
            ),
            _ => return Err(Mismatch::Protocol),
        };
        let deflate = match (&extensions[..], &self.deflate) {
            ([], _) => None,
            ([answer], Some(config)) => {
                Some(Agreed::confirm(answer, config).ok_or(Mismatch::Extensions)?)
            }
            _ => return Err(Mismatch::Extensions),
        };
        Ok(Opened { protocol, deflate })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the server answered {status}"),
            Self::Upgrade => f.write_str("the server does not switch to websocket (RFC 6455 4.1)"),
            Self::Connection => f.write_str("connection option upgrade is missing (RFC 6455 4.1)"),
            Self::Accept => f.write_str("Sec-WebSocket-Accept does not fit the key (RFC 6455 4.1)"),
            Self::Protocol => f.write_str("a subprotocol that was not offered (RFC 6455 4.1)"),
            Self::Extensions => f.write_str("an extension that was not offered so (RFC 6455 4.1)"),
        }
    }
}

impl std::error::Error for Mismatch {}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 3] = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ];

    fn confirm(request: &Request, fields: &[(&str, &str)]) -> Result<Opened, Mismatch> {
        request.confirm(
            StatusCode::SWITCHING_PROTOCOLS,
            fields
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        )
    }

    #[test]
    fn only_what_was_asked_for_is_confirmed() {
        let request = Request::new(*b"the sample nonce").protocols(["chat", "superchat"]);
        assert_eq!(
            request.fields(),
            [
                ("upgrade", "websocket".to_owned()),
                ("connection", "Upgrade".to_owned()),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
                ("sec-websocket-version", "13".to_owned()),
                ("sec-websocket-protocol", "chat, superchat".to_owned()),
            ]
        );
        assert_eq!(confirm(&request, &GOOD).unwrap().protocol, None);
        for (extra, mismatch) in [
            (("upgrade", "websocket"), Mismatch::Upgrade),
            (
                ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
                Mismatch::Accept,
            ),
            (("sec-websocket-protocol", "other"), Mismatch::Protocol),
            (
                ("sec-websocket-protocol", "chat, superchat"),
                Mismatch::Protocol,
            ),
            (
                ("sec-websocket-extensions", "permessage-deflate"),
                Mismatch::Extensions,
            ),
            (("sec-websocket-extensions", "a;;"), Mismatch::Extensions),
        ] {
            let fields = [&GOOD[..], &[extra]].concat();
            assert_eq!(confirm(&request, &fields), Err(mismatch), "{extra:?}");
        }
        for (missing, mismatch) in [
            ("upgrade", Mismatch::Upgrade),
            ("connection", Mismatch::Connection),
            ("sec-websocket-accept", Mismatch::Accept),
        ] {
            let fields: Vec<_> = GOOD
                .into_iter()
                .filter(|(name, _)| *name != missing)
                .collect();
            assert_eq!(confirm(&request, &fields), Err(mismatch), "{missing}");
        }
        let refused = request.confirm(StatusCode::FORBIDDEN, []);
        assert_eq!(refused, Err(Mismatch::Status(StatusCode::FORBIDDEN)));
    }
}
