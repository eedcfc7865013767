//! What waits to be written: small pieces side by side in one buffer, large ones by reference.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;

/// A queue of octets for vectored writes. Heads, chunk sizes and small bodies are copied into one
/// buffer; a body of [`SHARED_FROM`] octets or more is kept as the `Bytes` that it came as.
#[derive(Debug, Default)]
pub struct Out {
    buf: Vec<u8>,
    /// The octets of `buf` that were written already.
    at: usize,
    /// Large pieces, each with the index in `buf` that it stands before.
    shared: VecDeque<(usize, Bytes)>,
    shared_len: usize,
    /// How much of the first large piece was written; its block stays whole until all of it is.
    front_written: usize,
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

    /// Appends a piece: copied when it is small or nobody shares it, else its owner is counted once more.
    #[inline]
    pub(crate) fn push_shared(&mut self, piece: &[u8], owner: Option<&Bytes>) {
        match owner {
            Some(owner) if piece.len() >= SHARED_FROM => self.push(owner.clone()),
            _ => self.buf.extend_from_slice(piece),
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
    pub(crate) fn held(&self) -> usize {
        self.buf.capacity() + self.shared_len + self.front_written
    }

    /// What waits, when it lies side by side.
    #[inline]
    pub(crate) fn as_one(&self) -> Option<&[u8]> {
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
    pub fn advance(&mut self, mut count: usize) {
        while let Some((before, piece)) = self.shared.front_mut() {
            let inline = (*before - self.at).min(count);
            self.at += inline;
            count -= inline;
            let taken = piece.len().min(count);
            piece.advance(taken);
            self.shared_len -= taken;
            self.front_written += taken;
            count -= taken;
            if !piece.is_empty() {
                return;
            }
            self.shared.pop_front();
            self.front_written = 0;
        }
        self.at = (self.at + count).min(self.buf.len());
        if self.at == self.buf.len() {
            self.buf.clear();
            self.at = 0;
        }
    }

    /// Forgets everything and gives back what a large response made the buffer grow to.
    pub(crate) fn reset(&mut self) {
        self.buf.clear();
        self.buf.shrink_to(KEPT);
        self.at = 0;
        self.shared.clear();
        self.shared_len = 0;
        self.front_written = 0;
    }

    /// Everything that waits, as one vector; for tests and for callers without vectored writes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); self.shared.len() * 2 + 1];
        let filled = self.slices(&mut slices);
        slices[..filled]
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect()
    }
}

/// From this size on a piece is not copied: below it the copy costs less than another slice.
pub const SHARED_FROM: usize = 4096;

/// What the buffer may keep while it lies in the pool.
const KEPT: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a piece keeps all of it allocated.
    #[test]
    fn a_piece_is_held_whole_until_it_is_written() {
        let mut out = Out::default();
        out.push(Bytes::from(vec![b'a'; 5000]));
        out.push(Bytes::from(vec![b'b'; 7000]));
        for (written, held) in [(1, 12_000), (4998, 12_000), (1, 7000), (6999, 7000), (1, 0)] {
            out.advance(written);
            assert_eq!(out.held(), held);
        }
    }

    /// Any cutting of the writes leaves the same octets in the same order.
    #[test]
    fn advance_and_slices_agree_with_a_plain_vector() {
        for step in [1, 2, 3, 1000, 4095, 4096, 4097, 5000, 100_000] {
            let (mut out, mut model) = (Out::default(), Vec::new());
            for (number, len) in [3, 5000, 0, 10, 4096, 4096, 7].into_iter().enumerate() {
                let piece = vec![b'a' + number as u8; len];
                model.extend_from_slice(&piece);
                out.push(Bytes::from(piece));
            }
            let mut written = Vec::new();
            while !out.is_empty() {
                assert_eq!(out.len(), model.len() - written.len());
                let all = out.to_vec();
                let count = step.min(all.len());
                written.extend_from_slice(&all[..count]);
                out.advance(count);
            }
            assert_eq!(written, model);
            assert!(out.to_vec().is_empty());
        }
    }
}
