//! What a server says when it opens a session, or refuses to.

use crate::socketio::client::core::Terms;
use crate::socketio::client::error::DialError;
use crate::socketio::engine::open::Open;
use http::StatusCode;
use serde::Deserialize;
use std::time::Duration;

/// A session that was opened.
#[derive(Clone, Debug)]
pub(super) struct Handshake {
    pub(super) sid: String,
    pub(super) can_upgrade: bool,
    pub(super) terms: Terms,
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<u64>,
    message: String,
}

impl Handshake {
    /// Reads the words of a packet that opens a session.
    pub(super) fn read(words: &str, is_text: bool) -> Result<Self, DialError> {
        let open = Open::read(words)
            .map_err(|_| DialError::Protocol("what opens the session says something else"))?;
        let patience = open.ping_interval.saturating_add(open.ping_timeout);
        Ok(Self {
            can_upgrade: open.upgrades_to_websocket(),
            sid: open.sid,
            terms: Terms {
                patience: Duration::from_millis(patience).min(LONGEST),
                max_payload: open.max_payload,
                is_text,
            },
        })
    }
}

/// Why a server refuses a session, as its answer says.
pub(super) fn refused(status: StatusCode, content: &[u8]) -> DialError {
    let (code, message) = match serde_json::from_slice(content) {
        Ok(Refusal { code, message }) => (code, message),
        Err(_) => (None, String::from_utf8_lossy(content).into_owned()),
    };
    DialError::Refused {
        status,
        code,
        message,
    }
}

/// A server may be silent for a day, whatever it says.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_and_a_refusal() {
        let words = r#"{"sid":"a","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000}"#;
        let handshake = Handshake::read(words, true).unwrap();
        assert_eq!(handshake.sid, "a");
        assert!(handshake.can_upgrade);
        assert_eq!(handshake.terms.patience, Duration::from_millis(500));
        assert_eq!(handshake.terms.max_payload, 1000);

        let old =
            r#"{"sid":"a","upgrades":[],"pingInterval":18446744073709551615,"pingTimeout":1}"#;
        let handshake = Handshake::read(old, false).unwrap();
        assert_eq!(handshake.terms.patience, LONGEST);
        assert!(!handshake.can_upgrade && handshake.terms.max_payload >= 1_000_000);
        for wrong in [
            "",
            "{}",
            r#"{"sid":1,"pingInterval":1,"pingTimeout":1}"#,
            r#"{"sid":"a"}"#,
        ] {
            assert!(Handshake::read(wrong, false).is_err(), "{wrong}");
        }

        let error = refused(
            StatusCode::BAD_REQUEST,
            br#"{"code":5,"message":"Unsupported protocol version"}"#,
        );
        assert_eq!(
            error.to_string(),
            "the server answered 400 Bad Request: Unsupported protocol version"
        );
        let error = refused(StatusCode::BAD_GATEWAY, b"no");
        assert!(matches!(error, DialError::Refused { code: None, .. }));
    }
}
