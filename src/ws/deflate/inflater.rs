//! A decompressor of messages (RFC 7692 §7.2.2).

use crate::ws::deflate::{KEPT, TAIL, span};
use crate::ws::error::Error;
use bytes::BytesMut;
use std::cell::RefCell;
use std::fmt;
use zlib_rs::{Inflate, InflateFlush, Status};

/// A decompressor of messages.
pub(crate) struct Inflater {
    context: Inflate,
    /// Where a step's output goes first, round and round: it always holds the last window of what was
    /// inflated, of this message and, with takeover, of those before it.
    ring: Box<[u8]>,
    /// Where the next step writes in `ring`.
    at: usize,
    /// Whether `ring` was filled once.
    round: bool,
    /// Whether what was read so far ends with a block, or nothing was read of this message.
    ended: bool,
    /// The blocks of this message that were marked as the last.
    last_blocks: u8,
}

impl Inflater {
    /// A context that knows of no message, from the pool of this thread.
    pub(crate) fn take() -> Self {
        INFLATERS.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
            Self {
                // The largest window reads what any smaller one wrote.
                context: Inflate::new(false, 15),
                ring: vec![0; WINDOW].into_boxed_slice(),
                at: 0,
                round: false,
                ended: true,
                last_blocks: 0,
            }
        })
    }

    /// Gives the context back to the pool of this thread.
    pub(crate) fn give(mut self) {
        self.context.reset(false);
        (self.at, self.round) = (0, false);
        (self.ended, self.last_blocks) = (true, 0);
        INFLATERS.with_borrow_mut(|kept| {
            if kept.len() < KEPT {
                kept.push(self);
            }
        });
    }

    /// Inflates a piece of a message behind `out`, which may then hold `limit` octets at the most. What came
    /// before a fault is there, however the piece was cut.
    pub(crate) fn push(
        &mut self,
        mut piece: &[u8],
        out: &mut BytesMut,
        limit: usize,
    ) -> Result<(), Error> {
        while !piece.is_empty() || !self.ended {
            let room = self.ring.len() - self.at;
            let (read, written, status) = self.step(piece, InflateFlush::NoFlush);
            let taken = written.min(limit.saturating_sub(out.len()));
            out.extend_from_slice(&self.ring[self.at..self.at + taken]);
            if taken < written {
                return Err(Error::MessageTooLarge);
            }
            let status = status?;
            piece = &piece[read..];
            self.written(written);
            self.ended = status == Status::StreamEnd;
            if self.ended {
                self.begin_anew()?;
            } else if piece.is_empty() && written < room {
                return Ok(());
            } else if read == 0 && written == 0 {
                // What is left can never be taken.
                return Err(Error::Inflate);
            }
        }
        Ok(())
    }

    /// The message has ended (RFC 7692 §7.2.2): adds what its sender took off, which is the rest of an
    /// empty block. Where it is anything else, the message was cut off.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.last_blocks = 0;
        // Some leave off what stands behind a block that is marked as the last, or send nothing at all for
        // a message of no octets.
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        // The octet behind the block is not read when the block ends where it has to.
        let [a, b, c, d] = TAIL;
        match self.step(&[a, b, c, d, 0], InflateFlush::Block) {
            (read, 0, Ok(Status::Ok)) if read == TAIL.len() => Ok(()),
            _ => Err(Error::Inflate),
        }
    }

    /// What it holds, in octets.
    pub(crate) const fn held(&self) -> usize {
        HELD
    }

    /// Gives how much was read, how much was written at `at`, and how it went.
    fn step(&mut self, piece: &[u8], flush: InflateFlush) -> (usize, usize, Result<Status, Error>) {
        let (read, written) = (self.context.total_in(), self.context.total_out());
        let status = self
            .context
            .decompress(piece, &mut self.ring[self.at..], flush)
            .map_err(|_| Error::Inflate);
        let read = span(read, self.context.total_in());
        let written = span(written, self.context.total_out());
        (read, written, status)
    }

    fn written(&mut self, count: usize) {
        self.at += count;
        if self.at == self.ring.len() {
            (self.at, self.round) = (0, true);
        }
    }

    /// RFC 7692 §7.2.3.4: a block may be marked as the last; more may follow all the same, and may refer to
    /// what stood before it. To begin anew takes far longer than to read the two octets that ask for it, so
    /// a message may not do that often.
    fn begin_anew(&mut self) -> Result<(), Error> {
        self.last_blocks += 1;
        if self.last_blocks > MOST_LAST_BLOCKS {
            return Err(Error::Inflate);
        }
        self.context.reset(false);
        let (newer, older) = self.ring.split_at(self.at);
        for part in [if self.round { older } else { &[] }, newer] {
            self.context
                .set_dictionary(part)
                .map_err(|_| Error::Inflate)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}

thread_local! {
    static INFLATERS: RefCell<Vec<Inflater>> = const { RefCell::new(Vec::new()) };
}

/// What an inflater holds: its ring, and the library's context with a window of its own.
pub(super) const HELD: usize = WINDOW + 48 * 1024;

/// How far back DEFLATE can refer.
const WINDOW: usize = 32 * 1024;

/// So many blocks of a message may be marked as the last. One is usual, where there is any: a sender that
/// finishes its compressor with each message has no reason to mark more.
const MOST_LAST_BLOCKS: u8 = 16;
