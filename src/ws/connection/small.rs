//! Messages in one frame that are wholly there, which need no more than a look at their heads.

use crate::ws::frame::{FIN, MASK, Opcode};
use crate::ws::mask::MaskingKey;

/// A small message of a client in one frame, still masked.
pub(super) struct Small<'a> {
    pub(super) text: bool,
    pub(super) key: MaskingKey,
    pub(super) payload: &'a mut [u8],
    /// The octets of the whole frame.
    pub(super) len: usize,
}

impl<'a> Small<'a> {
    /// Reads one whose payload is not longer than `longest`; `None` when anything else stands there.
    #[inline]
    pub(super) fn read(octets: &'a mut [u8], longest: usize) -> Option<Self> {
        let (head, rest) = octets.split_first_chunk_mut::<SMALL_HEAD>()?;
        let [first @ (TEXT | BINARY), second, key @ ..] = *head else {
            return None;
        };
        // Without the mask's bit the difference is far above any length.
        let len = usize::from(second ^ MASK);
        if len == MEDIUM {
            let [a, b, c, d] = key;
            let (end, rest) = rest.split_first_chunk_mut::<2>()?;
            let len = usize::from(u16::from_be_bytes([a, b]));
            // A length that has to be written in fewer octets is refused elsewhere.
            if len < MEDIUM || len > longest {
                return None;
            }
            return Some(Self {
                text: first == TEXT,
                key: MaskingKey::new([c, d, end[0], end[1]]),
                payload: rest.get_mut(..len)?,
                len: SMALL_HEAD + 2 + len,
            });
        }
        if len > longest.min(MEDIUM) {
            return None;
        }
        Some(Self {
            text: first == TEXT,
            key: MaskingKey::new(key),
            payload: rest.get_mut(..len)?,
            len: SMALL_HEAD + len,
        })
    }
}

/// The octets of a small frame's head: two and the key.
const SMALL_HEAD: usize = 6;

/// The seven bits of a length that stands in the two octets behind them.
const MEDIUM: usize = 126;

pub(super) const TEXT: u8 = Opcode::Text as u8 | FIN;
pub(super) const BINARY: u8 = Opcode::Binary as u8 | FIN;
