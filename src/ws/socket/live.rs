//! The protocol of a socket with its buffers, which it borrows from its thread for as long as there is something in
//! them.

use crate::resource::pool::large::SMALLEST;
use crate::resource::pool::wide::WIDE;
use crate::resource::pool::{self, READ_BUFFER};
use crate::wire::out::{self, Out};
use crate::ws::connection::Connection;
use crate::ws::error::SendError;
use crate::ws::message::Message;
use crate::ws::socket::backlog::Queued;
use crate::ws::socket::home::Home;
use bytes::BytesMut;
use std::cell::RefCell;

/// The protocol and its buffers.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: Connection,
    pub(super) read: BytesMut,
    pub(super) out: Option<Box<Out>>,
}

/// Where the read buffer came from, and goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// The thread's pool of read buffers; so it is while there is none.
    Narrow,
    /// The thread's pool of wide ones.
    Wide,
    /// The worker's, or nowhere: it grew.
    Large,
}

impl Live {
    #[inline]
    pub(super) fn parts(&mut self) -> (&mut Connection, &mut Out) {
        let out = self.out.get_or_insert_with(take_out);
        (&mut self.connection, out)
    }

    #[inline]
    pub(super) fn all(&mut self) -> (&mut Connection, &mut BytesMut, &mut Out) {
        let out = self.out.get_or_insert_with(take_out);
        (&mut self.connection, &mut self.read, out)
    }

    pub(super) fn send(&mut self, message: Message) -> Result<(), SendError> {
        let (connection, out) = self.parts();
        connection.send(message, out)
    }

    /// Sends what waited.
    pub(super) fn send_queued(&mut self, message: Queued) -> Result<(), SendError> {
        let (connection, out) = self.parts();
        match message {
            Queued::Message(message) => connection.send(message, out),
            Queued::Prepared(message) => connection.send_prepared(&message, out),
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.out.as_ref().map_or(0, |out| out.len())
    }

    /// Whether neither a buffer is borrowed nor anything held in the protocol.
    #[inline]
    pub(super) fn is_at_rest(&self) -> bool {
        self.read.capacity() == 0 && self.out.is_none() && self.connection.holds_nothing()
    }

    /// Takes a read buffer. Where messages are lent it is a wide one: nothing stays in it, as a rule, and no
    /// slice of it.
    #[inline]
    pub(super) fn borrow(&mut self, block: &mut Block, wide: bool) {
        (self.read, *block) = if wide {
            (pool::wide::take(), Block::Wide)
        } else {
            (pool::take(), Block::Narrow)
        };
    }

    /// Makes room for the next read, where `wants` octets of the present frame are missing; `lends` says that messages
    /// are lent from the buffer.
    #[inline]
    pub(super) fn make_room(&mut self, wants: usize, lends: bool, block: &mut Block, home: &Home) {
        let want = wants.clamp(MIN_READ, READ_BUFFER.max(GROWTH * self.read.len()));
        if !self.read.try_reclaim(want) {
            self.grow(wants, want, lends, block, home);
        }
    }

    /// Goes on in another buffer. A slice of the one that was may still wait to be written, and one that grew is of no use to those
    /// who borrow the next.
    ///
    /// A peer's word for the length of a frame is not taken: without a block that is there already, he has sent a fourth of what he gets.
    #[inline(never)]
    fn grow(&mut self, wants: usize, want: usize, lends: bool, block: &mut Block, home: &Home) {
        let (len, room) = (self.read.len(), self.read.capacity() - self.read.len());
        let (whole, size) = (len + wants, len + want);
        // Into a wide one at once while that is cheap; else when this one is full.
        let widens = lends && len <= MIN_READ;
        if whole > WIDE && room >= wants.clamp(1, READ_BUFFER)
            || *block == Block::Narrow && room >= MIN_READ && !widens
        {
            return;
        }
        let earnest = whole >= SMALLEST && len >= EARNEST;
        let (mut fresh, of) = if earnest && let Some(kept) = home.take_large(whole) {
            (kept, Block::Large)
        } else if lends && size <= WIDE {
            (pool::wide::take(), Block::Wide)
        } else if size <= READ_BUFFER {
            (pool::take(), Block::Narrow)
        } else if *block == Block::Large {
            // The system moves what is large without a copy, where it can.
            return self.read.reserve(want);
        } else {
            let size = if size > WIDE {
                size.max(SMALLEST)
            } else {
                size
            };
            (BytesMut::with_capacity(size), Block::Large)
        };
        fresh.extend_from_slice(&self.read);
        self.put(fresh, of, block, home);
    }

    /// Gives the read buffer back when it is empty, and a wide or a large one when what is in it has room in one that is narrow:
    /// a peer that stops in the middle of a message holds little more than four times what he sent.
    #[inline]
    pub(super) fn rest(&mut self, block: &mut Block, home: &Home) {
        if self.read.is_empty() {
            // Even when there is no room left in it: it holds on to the block of a message that somebody else has long dropped.
            self.put(BytesMut::new(), Block::Narrow, block, home);
        } else if self.read.len() <= READ_BUFFER
            && (*block == Block::Wide || self.read.capacity() > (1 + GROWTH) * READ_BUFFER)
        {
            self.narrow(block, home);
        }
    }

    #[inline(never)]
    fn narrow(&mut self, block: &mut Block, home: &Home) {
        let mut narrow = pool::take();
        narrow.extend_from_slice(&self.read);
        self.put(narrow, Block::Narrow, block, home);
    }

    /// Reads into `fresh` from now on, and gives back what was read into.
    #[inline]
    fn put(&mut self, fresh: BytesMut, of: Block, block: &mut Block, home: &Home) {
        let buf = std::mem::replace(&mut self.read, fresh);
        match std::mem::replace(block, of) {
            Block::Narrow => pool::give(buf),
            Block::Wide => pool::wide::give(buf),
            Block::Large => home.give_large(buf),
        }
    }
}

#[inline]
fn take_out() -> Box<Out> {
    OUTS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Gives an empty output queue back to the thread.
#[inline]
pub(super) fn give_out(place: &mut Option<Box<Out>>) {
    if let Some(mut out) = place.take() {
        OUTS.with_borrow_mut(|kept| {
            if kept.len() < KEPT {
                let most = if kept.len() < KEPT_WIDE {
                    WIDE
                } else {
                    out::KEPT
                };
                if out.held() > most {
                    out.reset_to(most);
                }
                kept.push(out);
            }
        });
    }
}

thread_local! {
    #[expect(clippy::vec_box, reason = "the box goes round")]
    static OUTS: RefCell<Vec<Box<Out>>> = const { RefCell::new(Vec::new()) };
}

/// How many output queues a thread keeps.
const KEPT: usize = 32;

/// How many of them may be as large as the answers to a wide read.
const KEPT_WIDE: usize = 4;

/// The least room for a read.
const MIN_READ: usize = 4096;

/// How many times what has come is made room for behind it.
const GROWTH: usize = 3;

/// Who has sent so much of a message means the rest of it, if a block for it is there.
const EARNEST: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> (Live, Block, Home) {
        let live = Live {
            connection: Connection::server(None),
            read: BytesMut::new(),
            out: None,
        };
        (live, Block::Narrow, Home::Own(None))
    }

    #[test]
    fn a_peer_that_stops_early_in_a_message_holds_no_wide_buffer() {
        let (mut live, mut block, home) = live();
        for (len, stays) in [
            (0, false),
            (100, false),
            (READ_BUFFER, false),
            (20_000, true),
        ] {
            live.borrow(&mut block, true);
            let said = vec![b'x'; len];
            live.read.extend_from_slice(&said);
            live.rest(&mut block, &home);
            assert_eq!((block == Block::Wide, &live.read[..]), (stays, &said[..]));
            assert_eq!(live.read.capacity() > 2 * READ_BUFFER, stays, "{len}");
            live.read.clear();
            live.rest(&mut block, &home);
            assert_eq!((block, live.read.capacity()), (Block::Narrow, 0));
        }
    }

    /// However the reads are cut, a frame is gathered in a few steps, none of which holds much more than four times what has come.
    #[test]
    fn a_buffer_grows_with_what_has_come() {
        for (whole, lends) in [
            (100_000, true),
            (100_000, false),
            (1 << 20, true),
            (16 << 20, true),
            (16 << 20, false),
        ] {
            for read in [1460, 30_000, 200_000] {
                let (mut live, mut block, home) = live();
                live.borrow(&mut block, lends);
                let mut steps = 0;
                while live.read.len() < whole {
                    let (len, size) = (live.read.len(), live.read.capacity());
                    live.make_room(whole - len, lends, &mut block, &home);
                    let now = live.read.capacity();
                    assert!(now > len, "no room behind {len} octets of {whole}");
                    assert!(
                        now <= (4 * len).max(2 * WIDE + 1),
                        "{now} for {len} of {whole}"
                    );
                    steps += usize::from(now != size);
                    live.read
                        .resize(len + read.min(now - len).min(whole - len), 1);
                }
                assert!(steps <= 7, "{steps} steps to {whole} by {read}");
                assert!(live.read.capacity() <= (2 * whole).max(2 * WIDE + 1));
            }
        }
    }

    /// The last octets of a message fill the buffer: what is left of it has no room and is no reason to keep the block.
    #[test]
    fn a_buffer_that_was_filled_holds_on_to_nothing() {
        let (mut live, mut block, home) = live();
        live.borrow(&mut block, false);
        let room = live.read.capacity();
        live.read.resize(room, 1);
        let message = live.read.split_to(room).freeze();
        assert_eq!((live.read.len(), live.read.capacity()), (0, 0));
        live.rest(&mut block, &home);
        assert!(message.is_unique());
    }
}
