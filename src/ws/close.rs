//! Close codes and Close frames (RFC 6455 §5.5.1, §7.4).

use crate::ws::error::Error;
use crate::ws::message::Text;
use crate::ws::utf8;
use std::fmt;

/// A close code that may stand in a Close frame: 1000 to 1003, 1007 to 1014, and 3000 to 4999.
///
/// 1004 is reserved; 1005, 1006 and 1015 only ever say locally what happened; what else lies below 3000 is
/// left to later versions, and what lies above 4999 means nothing.
///
/// ```
/// use wireline::ws::close::CloseCode;
///
/// assert_eq!(CloseCode::new(1000), Some(CloseCode::NORMAL));
/// assert_eq!(CloseCode::new(1005), None);
/// assert_eq!(CloseCode::AWAY.to_string(), "1001");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server goes down, or a browser has left the page.
    pub const AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// 1003: a kind of data that is not accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1007: data that is not what its kind says, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a policy is violated, and no other code fits.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: a client misses an extension.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met an unexpected condition.
    pub const INTERNAL: Self = Self(1011);
    /// 1012: the server restarts.
    pub const RESTART: Self = Self(1012);
    /// 1013: the server is overloaded, or this peer too slow; try again later.
    pub const TRY_AGAIN: Self = Self(1013);
    /// 1014: a gateway got no valid response from behind it.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code, if it may stand in a Close frame.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// What the code says, in a few words; empty for a code of an application or library.
    ///
    /// ```
    /// use wireline::ws::close::CloseCode;
    ///
    /// assert_eq!(CloseCode::NORMAL.default_reason(), "Normal closure");
    /// ```
    pub const fn default_reason(self) -> &'static str {
        match self.0 {
            1000 => "Normal closure",
            1001 => "Going away",
            1002 => "Protocol error",
            1003 => "Unsupported data",
            1007 => "Invalid payload",
            1008 => "Policy violation",
            1009 => "Message too big",
            1010 => "Mandatory extension",
            1011 => "Internal error",
            1012 => "Service restart",
            1013 => "Try again later",
            1014 => "Bad gateway",
            _ => "",
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

/// What a Close frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// Why.
    pub code: CloseCode,
    /// The same for people, or for a debugger; may be empty, and has at most 123 octets.
    pub reason: Text,
}

impl CloseFrame {
    /// A Close frame with this code and reason. Of a reason that is longer than 123 octets the characters
    /// are kept that fit: a control frame has room for no more (RFC 6455 §5.5).
    ///
    /// ```
    /// use wireline::ws::close::{CloseCode, CloseFrame};
    ///
    /// let close = CloseFrame::new(CloseCode::POLICY, "é".repeat(100));
    /// assert_eq!(close.reason, "é".repeat(61).as_str());
    /// ```
    pub fn new(code: CloseCode, reason: impl Into<Text>) -> Self {
        let reason = reason.into();
        Self { code, reason }.fitted()
    }

    /// The same with a reason that fits: the field can be set to any.
    pub(crate) fn fitted(mut self) -> Self {
        if self.reason.len() > LONGEST_REASON {
            let end = self.reason.floor_char_boundary(LONGEST_REASON);
            self.reason = Text::from(&self.reason[..end]);
        }
        self
    }

    /// Reads the payload of a Close frame; `None` when it is empty.
    pub(crate) fn decode(payload: &[u8]) -> Result<Option<Self>, Error> {
        match payload {
            [] => Ok(None),
            [_] => Err(Error::ClosePayload),
            [high, low, reason @ ..] => {
                let code =
                    CloseCode::new(u16::from_be_bytes([*high, *low])).ok_or(Error::CloseCode)?;
                let reason = utf8::text(reason).map_err(|_| Error::CloseReason)?;
                Ok(Some(Self::new(code, reason)))
            }
        }
    }
}

/// What [`close`](crate::ws::socket::WebSocket::close) takes: nothing, a code with its default reason, a code
/// and a reason, or a frame that was made before.
///
/// ```no_run
/// use wireline::ws::close::{CloseCode, CloseFrame};
/// use wireline::ws::socket::{SocketError, WsSender};
///
/// fn every_way(sender: &WsSender, close: CloseFrame) -> Result<(), SocketError> {
///     sender.close(())?; // a Close without a code: browsers tell 1005
///     sender.close(CloseCode::NORMAL)?;
///     sender.close((CloseCode::POLICY, "the name is taken"))?;
///     sender.close(close)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how to close a WebSocket",
    note = "`()`, a `CloseCode`, `(CloseCode, &str)`, a `CloseFrame` and an `Option<CloseFrame>` do"
)]
pub trait IntoCloseFrame {
    /// What the Close frame says; `None` for one that is empty.
    fn into_close_frame(self) -> Option<CloseFrame>;
}

impl IntoCloseFrame for () {
    fn into_close_frame(self) -> Option<CloseFrame> {
        None
    }
}

impl IntoCloseFrame for CloseCode {
    fn into_close_frame(self) -> Option<CloseFrame> {
        Some(self.into())
    }
}

impl<R: Into<Text>> IntoCloseFrame for (CloseCode, R) {
    /// As [`CloseFrame::new`]: of a reason that is too long there is what fits.
    fn into_close_frame(self) -> Option<CloseFrame> {
        Some(CloseFrame::new(self.0, self.1))
    }
}

impl IntoCloseFrame for CloseFrame {
    fn into_close_frame(self) -> Option<CloseFrame> {
        Some(self)
    }
}

impl IntoCloseFrame for Option<CloseFrame> {
    fn into_close_frame(self) -> Option<CloseFrame> {
        self
    }
}

impl From<CloseCode> for CloseFrame {
    /// With the default reason.
    fn from(code: CloseCode) -> Self {
        Self::new(code, code.default_reason())
    }
}

/// The most octets that a close reason may have.
pub const LONGEST_REASON: usize = 123;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code() {
        for code in 0..=u16::MAX {
            // RFC 6455 section 7.4.1 and the registry of close codes: what may be sent.
            let legal = [
                1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
            ]
            .contains(&code)
                || (3000..5000).contains(&code);
            let payload = code.to_be_bytes();
            match CloseFrame::decode(&payload) {
                Ok(Some(frame)) => {
                    assert!(legal && frame.code.get() == code && frame.reason.is_empty());
                }
                other => assert!(
                    !legal && other == Err(Error::CloseCode),
                    "{code}: {other:?}"
                ),
            }
        }
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        for (reason, kept) in [
            ("x".repeat(123), 123),
            ("x".repeat(124), 123),
            ("x".repeat(100_000), 123),
            (format!("{}é", "x".repeat(121)), 123),
            (format!("{}é", "x".repeat(122)), 122),
            (format!("{}\u{1f600}", "x".repeat(120)), 120),
        ] {
            let close = CloseFrame::new(CloseCode::POLICY, reason.clone());
            assert_eq!(close.reason, &reason[..kept]);
        }
    }

    #[test]
    fn every_reason_fits() {
        for code in 0..=u16::MAX {
            if let Some(code) = CloseCode::new(code) {
                assert!(code.default_reason().len() <= LONGEST_REASON);
            }
        }
        assert_eq!(CloseFrame::decode(b""), Ok(None));
        assert_eq!(CloseFrame::decode(b"\x03"), Err(Error::ClosePayload));
        assert_eq!(CloseFrame::decode(b"\x03\xe8\xff"), Err(Error::CloseReason));
    }
}
