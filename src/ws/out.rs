//! What waits to be written: small frames side by side in one buffer, large payloads by reference.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;

/// A queue of octets for vectored writes. Frame heads and small payloads are copied into one buffer; a
/// payload of [`SHARED_FROM`] octets or more that need not be masked is kept as the `Bytes` that it
/// came as.
#[derive(Debug, Default)]
pub struct Out {
    buf: Vec<u8>,
    /// The octets of `buf` that were written already.
    at: usize,
    /// Large payloads, each with the index in `buf` that it stands before.
    shared: VecDeque<(usize, Bytes)>,
    shared_len: usize,
}

impl Out {
    /// Where small pieces are appended.
    #[inline]
    pub(crate) const fn inline(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// Appends a piece, copied when it is small.
    #[inline]
    pub fn push(&mut self, piece: Bytes) {
        if piece.len() < SHARED_FROM {
            self.buf.extend_from_slice(&piece);
        } else {
            self.shared_len += piece.len();
            self.shared.push_back((self.buf.len(), piece));
        }
    }

    /// The number of octets that wait.
    #[inline]
    pub fn len(&self) -> usize {
        self.buf.len() - self.at + self.shared_len
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The octets that this queue keeps allocated, for the byte budget.
    pub fn held(&self) -> usize {
        self.buf.capacity() + self.shared_len
    }

    /// What waits, when it is one piece.
    #[inline]
    pub(crate) fn only(&self) -> Option<&[u8]> {
        self.shared.is_empty().then(|| &self.buf[self.at..])
    }

    /// What waits, in order, as up to `slices.len()` slices; gives how many were filled.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut filled, mut at) = (0, self.at);
        for (before, piece) in &self.shared {
            for part in [&self.buf[at..*before], piece] {
                if !part.is_empty() {
                    if filled == slices.len() {
                        return filled;
                    }
                    slices[filled] = IoSlice::new(part);
                    filled += 1;
                }
            }
            at = *before;
        }
        if at < self.buf.len() && filled < slices.len() {
            slices[filled] = IoSlice::new(&self.buf[at..]);
            filled += 1;
        }
        filled
    }

    /// Removes `count` octets from the front: they were written.
    #[inline]
    pub fn advance(&mut self, mut count: usize) {
        while let Some((before, piece)) = self.shared.front_mut() {
            let inline = (*before - self.at).min(count);
            self.at += inline;
            count -= inline;
            let taken = piece.len().min(count);
            piece.advance(taken);
            self.shared_len -= taken;
            count -= taken;
            if !piece.is_empty() {
                return;
            }
            self.shared.pop_front();
        }
        self.at = (self.at + count).min(self.buf.len());
        if self.at == self.buf.len() {
            self.buf.clear();
            self.at = 0;
        }
    }

    /// Forgets everything and gives back what a large message made the buffer grow to.
    pub fn reset(&mut self) {
        self.reset_to(KEPT);
    }

    /// Forgets everything and keeps at most `kept` octets allocated.
    pub(crate) fn reset_to(&mut self, kept: usize) {
        self.buf.clear();
        if self.buf.capacity() > kept {
            self.buf.shrink_to(kept);
        }
        self.at = 0;
        self.shared.clear();
        self.shared_len = 0;
    }

    /// Everything that waits, as one vector; for tests and for callers without vectored writes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); self.shared.len() * 2 + 1];
        let filled = self.slices(&mut slices);
        let mut octets = Vec::with_capacity(self.len());
        for slice in &slices[..filled] {
            octets.extend_from_slice(slice);
        }
        octets
    }
}

/// From this size on a payload is kept by reference instead of copied.
pub const SHARED_FROM: usize = 4096;

/// The most that an empty queue keeps allocated.
pub(crate) const KEPT: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_leave_in_order_however_they_are_taken() {
        let large = Bytes::from(vec![b'x'; SHARED_FROM]);
        let mut all = Vec::new();
        for piece in [&b"a"[..], &large, b"b", &large, &large, b"c"] {
            all.extend_from_slice(piece);
        }
        for step in [1, 3, 4096, 5000, all.len()] {
            let mut out = Out::default();
            out.inline().extend_from_slice(b"a");
            out.push(large.clone());
            out.push(Bytes::from_static(b"b"));
            out.push(large.clone());
            out.push(large.clone());
            out.push(Bytes::from_static(b"c"));
            assert_eq!(out.to_vec(), all);
            let mut taken = Vec::new();
            while !out.is_empty() {
                let before = out.to_vec();
                let count = step.min(before.len());
                taken.extend_from_slice(&before[..count]);
                out.advance(count);
            }
            assert_eq!(taken, all, "by {step}");
            out.inline().reserve(2 * KEPT);
            out.reset();
            assert!(out.held() <= KEPT);
        }
    }
}
