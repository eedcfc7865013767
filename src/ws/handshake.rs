//! The opening handshake (RFC 6455 §4), as values: whoever speaks HTTP carries it.

pub mod client;
pub mod server;
pub mod subprotocol;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// What answers a key (RFC 6455 §4.2.2 (5.4)).
///
/// ```
/// use wireline::ws::handshake::accept_key;
///
/// assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
pub fn accept_key(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    STANDARD.encode(digest)
}

/// Whether this is a key: 16 octets in base64, so 22 characters of its alphabet and two of padding. Of the
/// last character two bits count, and the others are zero (RFC 4648 §3.5).
fn is_key(key: &[u8]) -> bool {
    key.strip_suffix(b"==").is_some_and(|digits| {
        digits.len() == 22
            && matches!(digits.last(), Some(b'A' | b'Q' | b'g' | b'w'))
            && digits
                .iter()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/'))
    })
}

/// Whether a comma-separated list of tokens has this member, in any case.
fn has_token(value: &[u8], token: &[u8]) -> bool {
    crate::wire::grammar::list(value).any(|member| member.eq_ignore_ascii_case(token))
}

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The only version of the protocol (RFC 6455 §4.1 (9)).
pub const VERSION: &str = "13";
