//! What names a socket.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What names a socket, everywhere and for ever: 15 random octets as text. The first eight are its number here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SocketId([u8; LEN]);

const LEN: usize = 20;

impl SocketId {
    /// One that nobody has; `None` when the system has no randomness.
    pub(super) fn random() -> Option<Self> {
        loop {
            let mut octets = [0; 15];
            getrandom::fill(&mut octets).ok()?;
            let mut text = [0; LEN];
            URL_SAFE_NO_PAD.encode_slice(octets, &mut text).ok()?;
            let id = Self(text);
            // Numbers that stand for nobody and for everybody.
            if !matches!(id.number(), 0 | u64::MAX) {
                return Some(id);
            }
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let id = Self(text.as_bytes().try_into().ok()?);
        id.octets().map(|_| id)
    }

    pub(super) fn as_str(&self) -> &str {
        // It is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// What the hub knows it by.
    pub(super) fn number(&self) -> u64 {
        let octets = self.octets().unwrap_or_default();
        octets
            .first_chunk()
            .map_or(0, |first| u64::from_be_bytes(*first))
    }

    fn octets(&self) -> Option<[u8; 15]> {
        let mut octets = [0; 15];
        let len = URL_SAFE_NO_PAD.decode_slice(self.0, &mut octets).ok()?;
        (len == octets.len()).then_some(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_number_are_the_same_id() {
        let id = SocketId::random().unwrap();
        assert_eq!(id.as_str().len(), LEN);
        assert!(SocketId::parse(id.as_str()) == Some(id));
        let other = SocketId::random().unwrap();
        assert_ne!(id.number(), other.number());
        for wrong in [
            "",
            "room",
            "aaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaa/",
            "ä",
        ] {
            assert!(SocketId::parse(wrong).is_none(), "{wrong}");
        }
    }
}
