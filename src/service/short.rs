//! Content of a few octets.

use bytes::Bytes;

/// Content that is kept where it stands: a short answer costs no allocation.
#[derive(Clone, Copy, Default)]
pub(crate) struct Short {
    len: u8,
    octets: [u8; MOST],
}

impl Short {
    /// A copy of `content`, when it is short; of no content there is nothing to keep.
    #[inline]
    pub(crate) fn new(content: &[u8]) -> Option<Self> {
        let mut short = Self::default();
        (!content.is_empty() && short.push(content)).then_some(short)
    }

    /// Appends to it. `false`, and nothing is changed, when it would not be short any more.
    #[inline]
    pub(crate) fn push(&mut self, more: &[u8]) -> bool {
        let Some(room) = self
            .octets
            .get_mut(self.len.into()..)
            .and_then(|room| room.get_mut(..more.len()))
        else {
            return false;
        };
        room.copy_from_slice(more);
        self.len += u8::try_from(more.len()).unwrap_or_default();
        true
    }

    /// Takes nothing more from now on; gives what there was.
    #[allow(
        dead_code,
        reason = "only JSON, which is optional, is written in place"
    )]
    pub(crate) fn fill(&mut self) -> &[u8] {
        let len = std::mem::replace(&mut self.len, FULL);
        self.octets.get(..len.into()).unwrap_or_default()
    }

    /// The octets.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.len.into()).unwrap_or_default()
    }

    /// The octets for whoever wants to keep them.
    pub(crate) fn to_bytes(self) -> Bytes {
        Bytes::copy_from_slice(self.as_slice())
    }
}

/// What fits into a body beside its tag without making a response larger than two cache lines.
const MOST: usize = FULL as usize;
const FULL: u8 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_kept_and_nothing_longer() {
        let content = [b'x'; MOST + 300];
        for len in 0..content.len() {
            let short = Short::new(&content[..len]);
            assert_eq!(short.is_some(), (1..=MOST).contains(&len), "{len} octets");
            if let Some(short) = short {
                assert_eq!(short.as_slice(), &content[..len]);
                assert_eq!(short.to_bytes(), &content[..len]);
            }
        }
    }

    #[test]
    fn what_is_appended_stays_short_or_changes_nothing() {
        for step in 1..=MOST + 1 {
            let (mut short, mut model) = (Short::default(), Vec::new());
            let piece = vec![b'a' + u8::try_from(step % 26).unwrap_or_default(); step];
            while model.len() + step <= MOST {
                assert!(short.push(&piece));
                model.extend_from_slice(&piece);
                assert_eq!(short.as_slice(), model);
            }
            assert!(!short.push(&piece));
            assert_eq!(short.as_slice(), model);
            assert_eq!(short.fill(), model);
            assert!(!short.push(b"x"));
        }
    }
}
