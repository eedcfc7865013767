//! What names a session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// 128 random bits, in base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sid([u8; LEN]);

/// Sixteen octets in base64 without padding.
const LEN: usize = 22;

impl Sid {
    /// One that nobody can guess; `None` when the system has no randomness to give.
    pub(super) fn random() -> Option<Self> {
        let mut octets = [0; 16];
        getrandom::fill(&mut octets).ok()?;
        let mut sid = [0; LEN];
        URL_SAFE_NO_PAD.encode_slice(octets, &mut sid).ok()?;
        Some(Self(sid))
    }

    /// What a client says, if it could be one.
    pub(super) fn read(text: &str) -> Option<Self> {
        Some(Self(*text.as_bytes().as_array()?))
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
