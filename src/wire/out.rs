//! What waits to be written: small pieces side by side in one buffer, large ones by reference.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;

/// A queue of octets for vectored writes. Heads, chunk sizes and small pieces of content are copied into
/// one buffer; a piece of [`SHARED_FROM`] octets or more is kept as the `Bytes` that it came as. What was
/// written is given up while more waits, so that a queue that is never quite empty does not grow.
///
/// ```
/// use std::io::IoSlice;
/// use wireline::wire::out::Out;
///
/// let mut out = Out::default();
/// out.push("HTTP/1.1 200 OK\r\n\r\n".into());
/// out.push(vec![b'a'; 100_000].into());
/// let mut slices = [IoSlice::new(b""); 8];
/// // Two: what is large is not copied.
/// assert_eq!(out.slices(&mut slices), 2);
/// // The transport took so many.
/// out.advance(50_000);
/// assert_eq!(out.len(), 19 + 100_000 - 50_000);
/// ```
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
            self.push_by_reference(piece);
        }
    }

    fn push_by_reference(&mut self, piece: Bytes) {
        self.shared_len += piece.len();
        self.shared.push_back((self.buf.len(), piece));
    }

    /// Appends a piece that many queues have: copied only when it is hardly more than what refers to it.
    #[allow(dead_code, reason = "deliveries of the relay alone need it")]
    pub(crate) fn push_common(&mut self, piece: Bytes) {
        if piece.len() < COMMON_FROM {
            self.buf.extend_from_slice(&piece);
        } else {
            self.push_by_reference(piece);
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

    /// The octets that this queue keeps allocated, for the byte budget: of a large piece that others
    /// hold as well, half.
    #[inline]
    pub fn held(&self) -> usize {
        let mut shares = Shares::default();
        self.count(&mut shares);
        shares.octets
    }

    /// Counts what this queue keeps allocated.
    #[inline]
    pub(crate) fn count(&self, shares: &mut Shares) {
        shares.octets += self.buf.capacity();
        let mut written = self.front_written;
        for (_, piece) in &self.shared {
            shares.add(piece, std::mem::take(&mut written));
        }
    }

    /// Before a wait for the peer: gives back most of what the buffer has beyond what waits in it.
    pub(crate) fn rest(&mut self) {
        let waits = self.buf.len() - self.at;
        if self.buf.capacity() > SHARED_FROM && waits < self.buf.capacity() / 4 {
            self.forget_written();
            self.buf.shrink_to_fit();
        }
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

    /// Removes `count` octets from the front, no more than [`len`](Self::len): they were written.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        self.advance_with(count, drop);
    }

    /// As [`advance`](Self::advance); `gone` gets every large piece whose last octet was written, empty: its
    /// block may be of use to somebody.
    pub(crate) fn advance_with(&mut self, mut count: usize, mut gone: impl FnMut(Bytes)) {
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
                return self.reclaim();
            }
            if let Some((_, piece)) = self.shared.pop_front() {
                gone(piece);
            }
            self.front_written = 0;
        }
        self.at = (self.at + count).min(self.buf.len());
        if self.at == self.buf.len() {
            self.buf.clear();
            self.at = 0;
        } else {
            self.reclaim();
        }
    }

    /// Gives up what was written once that is the greater part: to move the rest costs less than it did to
    /// write what stood before it.
    #[inline(never)]
    fn reclaim(&mut self) {
        if self.at < KEPT || self.at <= self.buf.len() / 2 {
            return;
        }
        self.forget_written();
        let enough = self.buf.len().max(KEPT);
        if self.buf.capacity() > 4 * enough {
            self.buf.shrink_to(2 * enough);
        }
    }

    /// Moves what is left of the buffer to its front.
    fn forget_written(&mut self) {
        self.buf.drain(..self.at);
        for (before, _) in &mut self.shared {
            *before -= self.at;
        }
        self.at = 0;
    }

    /// Forgets everything and gives back what something large made the buffer grow to.
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

/// Counts what pieces cost whoever keeps them.
///
/// A large piece that somebody else holds as well (a constant, a cached file, a message to thousands) counts half.
/// How many there are who hold it cannot be asked; with two of them a half each is what it costs, with more it
/// is more than that, so nobody hides memory behind others. A block that waits several times in a row counts
/// once, which is half of what it costs when nobody else holds it: no charge is further off than that.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    pub(crate) octets: usize,
    /// Where the block before ended: what was written of it moves where it begins.
    end: usize,
}

impl Shares {
    /// Counts a piece of which so much was written: its block stays whole until all of it is.
    pub(crate) fn add(&mut self, piece: &Bytes, written: usize) {
        let whole = piece.len() + written;
        if whole < HALVED_FROM || piece.is_unique() {
            self.octets += whole;
            return;
        }
        let end = piece.as_ptr() as usize + piece.len();
        if end != self.end {
            self.octets += whole.div_ceil(2);
        }
        self.end = end;
    }
}

/// From this size on a piece that others hold counts half: what is smaller may be a slice that keeps all of a
/// read buffer.
const HALVED_FROM: usize = 16 * 1024;

/// From this size on a piece is not copied: below it the copy costs less than another slice.
pub const SHARED_FROM: usize = 4096;

/// From this size on a piece that waits for many is held once: ten times what refers to it.
const COMMON_FROM: usize = 512;

/// What the buffer may keep when nothing waits, and how much of it may have been written while more does.
pub(crate) const KEPT: usize = 16 * 1024;

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

    /// Five hundred of those who read nothing hold what they wait for once.
    #[test]
    fn a_piece_that_many_have_is_not_copied() {
        let mut out = Out::default();
        let (long, short) = (Bytes::from(vec![b'a'; 1034]), Bytes::from_static(b"bcd"));
        for piece in [&long, &short, &long] {
            out.push_common(piece.clone());
        }
        assert!(!long.is_unique());
        let whole = [&long[..], &short, &long].concat();
        assert_eq!(out.to_vec(), whole);
        assert!(out.buf.capacity() < 64, "{}", out.buf.capacity());
        out.advance(1035);
        assert_eq!(out.to_vec(), whole[1035..]);
        out.advance(out.len());
        assert!(long.is_unique());
    }

    /// What waits is never nothing, and what was written is not held for that.
    #[test]
    fn a_queue_that_is_never_empty_does_not_grow() {
        let mut out = Out::default();
        out.push(Bytes::from(vec![0; 2000]));
        for _ in 0..50_000 {
            out.push(Bytes::from(vec![0; 1000]));
            out.advance(1000);
            assert_eq!(out.len(), 2000);
            assert!(out.held() <= 64 * 1024, "{}", out.held());
        }
        // Nor when large pieces stand between the small ones, one of which is being written.
        let mut out = Out::default();
        let (small, large) = (
            Bytes::from_static(&[1; 1000]),
            Bytes::from_static(&[2; 5000]),
        );
        out.push(large.clone());
        out.advance(2500);
        for _ in 0..5000 {
            out.push(small.clone());
            out.push(large.clone());
            assert_eq!(out.to_vec(), [&large[..2500], &small, &large].concat());
            out.advance(6000);
            assert!(out.held() <= 80 * 1024, "{}", out.held());
        }
    }

    /// What a backlog made the buffer grow to is given back before the queue is empty.
    #[test]
    fn a_backlog_is_given_back() {
        let mut out = Out::default();
        for _ in 0..1000 {
            out.push(Bytes::from(vec![0; 1000]));
        }
        assert!(out.held() >= 1_000_000);
        for _ in 0..999 {
            out.advance(1000);
        }
        assert!(out.held() <= 64 * 1024, "{}", out.held());
        assert_eq!(out.to_vec(), vec![0; 1000]);
    }

    /// With two who hold it, a piece costs each of them a half, however often it waits.
    #[test]
    fn what_others_hold_counts_half() {
        let block = Bytes::from(vec![b'x'; 64 * 1024]);
        let mut out = Out::default();
        out.push(block.clone());
        assert_eq!(out.held(), 32 * 1024);
        out.advance(10);
        for _ in 0..3 {
            out.push(block.clone());
            assert_eq!(out.held(), 32 * 1024);
        }
        // Another one, of which this is the only holder.
        out.push(Bytes::from(vec![b'y'; 20_000]));
        assert_eq!(out.held(), 32 * 1024 + 20_000);
        let mut alone = Out::default();
        alone.push(block.clone());
        drop((out, block));
        assert_eq!(alone.held(), 64 * 1024);
        // A slice may keep a whole read buffer.
        let small = Bytes::from_static(&[0; 8000]);
        let mut out = Out::default();
        out.push(small);
        assert_eq!(out.held(), 8000);
    }

    /// Nobody who waits for his peer keeps room for what does not wait.
    #[test]
    fn a_queue_that_waits_gives_its_room_back() {
        let mut out = Out::default();
        out.inline().reserve(KEPT);
        out.inline().extend_from_slice(&[b'h'; 300]);
        out.push(Bytes::from(vec![b'x'; 5000]));
        out.push(Bytes::from_static(b"tail"));
        out.advance(100);
        let waits = out.to_vec();
        out.rest();
        assert!(out.held() <= 5000 + 300, "{}", out.held());
        assert_eq!(out.to_vec(), waits);
        out.advance(5200);
        out.rest();
        assert_eq!(out.to_vec(), b"tail");
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
