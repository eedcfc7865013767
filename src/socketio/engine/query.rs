//! What a request asks for, and why it is refused.

use super::session::Transport;
use std::fmt;

/// What a request asks for.
///
/// ```
/// use wireline::socketio::engine::Transport;
/// use wireline::socketio::engine::query::{Query, RequestError};
///
/// let query = Query::read("EIO=4&transport=polling&t=x1").unwrap();
/// assert_eq!(query.transport, Transport::Polling);
/// assert_eq!(query.opens(), Ok(()));
/// assert_eq!(Query::read("EIO=4").unwrap_err(), RequestError::UnknownTransport);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query<'a> {
    /// The transport.
    pub transport: Transport,
    /// The session; none is opened by who names one.
    pub sid: Option<&'a str>,
    /// Whether it says that it speaks this version.
    pub is_version_4: bool,
}

impl<'a> Query<'a> {
    /// Reads the query of a request's target. Of a parameter that stands there twice the first counts; what nobody knows is for the
    /// application.
    ///
    /// # Errors
    ///
    /// When it names no transport that there is.
    pub fn read(query: &'a str) -> Result<Self, RequestError> {
        let find = |name: &str| {
            let mut pairs = query
                .split('&')
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let transport = match find("transport") {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::WebSocket,
            _ => return Err(RequestError::UnknownTransport),
        };
        Ok(Self {
            transport,
            // As a name without characters that are escaped, a session's name needs no decoding.
            sid: find("sid").filter(|sid| !sid.is_empty()),
            is_version_4: find("EIO") == Some("4"),
        })
    }

    /// Whether it may open a session.
    ///
    /// # Errors
    ///
    /// When it does not speak this version.
    pub const fn opens(&self) -> Result<(), RequestError> {
        if self.is_version_4 {
            Ok(())
        } else {
            Err(RequestError::UnsupportedVersion)
        }
    }
}

/// Why a request is refused: a number and a sentence that clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// 0: no transport, or one that there is not.
    UnknownTransport,
    /// 1: there is no such session, or no longer.
    UnknownSid,
    /// 2: a session is opened with GET.
    BadHandshakeMethod,
    /// 3: what the session cannot do now.
    BadRequest,
    /// 4: not for this client.
    Forbidden,
    /// 5: another version of the protocol.
    UnsupportedVersion,
}

impl RequestError {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::UnknownTransport => 0,
            Self::UnknownSid => 1,
            Self::BadHandshakeMethod => 2,
            Self::BadRequest => 3,
            Self::Forbidden => 4,
            Self::UnsupportedVersion => 5,
        }
    }

    /// The sentence.
    pub const fn message(self) -> &'static str {
        match self {
            Self::UnknownTransport => "Transport unknown",
            Self::UnknownSid => "Session ID unknown",
            Self::BadHandshakeMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::Forbidden => "Forbidden",
            Self::UnsupportedVersion => "Unsupported protocol version",
        }
    }

    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            _ => 400,
        }
    }

    /// The content of the answer: JSON.
    ///
    /// ```
    /// use wireline::socketio::engine::query::RequestError;
    ///
    /// let json = RequestError::UnknownSid.json();
    /// assert_eq!(json, r#"{"code":1,"message":"Session ID unknown"}"#);
    /// ```
    pub fn json(self) -> String {
        self.json_with(self.message())
    }

    /// The same with a sentence of one's own, which has no character that JSON escapes.
    pub(in crate::socketio) fn json_with(self, message: &str) -> String {
        format!("{{\"code\":{},\"message\":\"{message}\"}}", self.code())
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for RequestError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_say_what_they_ask_for() {
        let unknown = Err(RequestError::UnknownTransport);
        for query in [
            "",
            "EIO=4",
            "transport=",
            "transport=webtransport",
            "transport=Polling",
            "transport=__proto__",
        ] {
            assert_eq!(Query::read(query), unknown, "{query}");
        }
        let query = Query::read("EIO=4&transport=websocket&sid=a&sid=b&transport=polling").unwrap();
        assert_eq!(query.transport, Transport::WebSocket);
        assert_eq!(query.sid, Some("a"));
        for (query, is_known) in [
            ("transport=polling", false),
            ("EIO=3&transport=polling", false),
            ("EIO=abc&transport=polling", false),
            ("EIO=44&transport=polling", false),
            ("transport=polling&EIO=4&sid=", true),
        ] {
            let query = Query::read(query).unwrap();
            assert_eq!(query.opens().is_ok(), is_known, "{query:?}");
            assert_eq!(query.sid, None);
        }
    }
}
