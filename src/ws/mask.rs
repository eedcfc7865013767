//! Masking (RFC 6455 §5.3).

/// The key with which a client masks the payload of one frame.
///
/// ```
/// use wireline::ws::mask::MaskingKey;
///
/// let key = MaskingKey::new([0x37, 0xfa, 0x21, 0x3d]);
/// let mut payload = *b"Hello";
/// key.apply(&mut payload);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaskingKey(
    /// The octets as they stand in memory, so that a word is masked at once.
    u32,
);

impl MaskingKey {
    /// The key as it stands on the wire. A client has to draw it anew for each frame, from a source that
    /// nobody can predict.
    #[inline]
    pub const fn new(key: [u8; 4]) -> Self {
        Self(u32::from_ne_bytes(key))
    }

    /// The octets of the key.
    #[inline]
    pub const fn octets(self) -> [u8; 4] {
        self.0.to_ne_bytes()
    }

    /// The key for a payload whose first `offset` octets were masked before.
    #[must_use]
    pub const fn at(self, offset: usize) -> Self {
        let key = self.octets();
        Self::new([
            key[offset & 3],
            key[(offset + 1) & 3],
            key[(offset + 2) & 3],
            key[(offset + 3) & 3],
        ])
    }

    /// Masks or unmasks `octets` in place; both are the same.
    ///
    /// Blocks of 32 octets become vector instructions; what is left goes by halves, so that a short
    /// payload costs no loop.
    #[inline]
    pub fn apply(self, octets: &mut [u8]) {
        let (blocks, rest) = octets.as_chunks_mut::<BLOCK>();
        for block in blocks {
            for place in block.as_chunks_mut::<8>().0 {
                self.word(place);
            }
        }
        let (places, rest) = rest.as_chunks_mut::<16>();
        if let [place, ..] = places {
            for place in place.as_chunks_mut::<8>().0 {
                self.word(place);
            }
        }
        let (places, rest) = rest.as_chunks_mut::<8>();
        if let [place, ..] = places {
            self.word(place);
        }
        let (places, rest) = rest.as_chunks_mut::<4>();
        if let [place, ..] = places {
            *place = (u32::from_ne_bytes(*place) ^ self.0).to_ne_bytes();
        }
        for (octet, key) in rest.iter_mut().take(3).zip(self.octets()) {
            *octet ^= key;
        }
    }

    #[inline]
    fn word(self, place: &mut [u8; 8]) {
        let key = u64::from(self.0);
        *place = (u64::from_ne_bytes(*place) ^ (key << 32 | key)).to_ne_bytes();
    }
}

/// Octets that are masked at once: two vector registers of the common machines.
const BLOCK: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_offset_agrees_with_the_plain_loop() {
        let key = MaskingKey::new([0x12, 0xff, 0x00, 0xa5]);
        for len in 0..200 {
            for offset in 0..9 {
                let payload: Vec<u8> = (0u8..=255).cycle().take(offset + len).collect();
                let plain: Vec<u8> = payload
                    .iter()
                    .enumerate()
                    .map(|(place, octet)| octet ^ key.octets()[place % 4])
                    .collect();
                let mut masked = payload;
                key.apply(&mut masked[..offset]);
                key.at(offset).apply(&mut masked[offset..]);
                assert_eq!(masked, plain, "length {len} from {offset}");
            }
        }
    }
}
