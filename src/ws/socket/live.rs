//! The protocol of a socket with its buffers, which it borrows from its thread for as long as there is something in
//! them.

use crate::resource::pool::{self, READ_BUFFER};
use crate::wire::out::{self, Out};
use crate::ws::connection::Connection;
use crate::ws::error::SendError;
use crate::ws::message::Message;
use crate::ws::socket::backlog::Queued;
use bytes::BytesMut;
use std::cell::RefCell;

/// The protocol and its buffers.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: Connection,
    pub(super) read: BytesMut,
    pub(super) out: Option<Box<Out>>,
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
    pub(super) fn borrow(&mut self, wide: bool) {
        self.read = if wide {
            pool::wide::take()
        } else {
            pool::take()
        };
    }

    /// Makes room for `want` octets more. A slice of a wide buffer may still wait to be written: what is left of
    /// it goes on in another one, because one that grew is of no use to anybody else.
    #[inline]
    pub(super) fn reserve(&mut self, want: usize, wide: bool) {
        if !self.read.try_reclaim(want) {
            self.reserve_anew(want, wide);
        }
    }

    #[inline(never)]
    fn reserve_anew(&mut self, want: usize, wide: bool) {
        if wide && self.read.len() + want <= pool::wide::WIDE {
            let mut fresh = pool::wide::take();
            fresh.extend_from_slice(&self.read);
            self.read = fresh;
        } else {
            self.read.reserve(want);
        }
    }

    /// Gives the read buffer back when it is empty, and a wide one when what is in it has room elsewhere:
    /// a peer that stops in the middle of a message holds little more than four times what he sent.
    #[inline]
    pub(super) fn rest(&mut self, wide: &mut bool) {
        if self.read.is_empty() {
            if self.read.capacity() > 0 {
                let buf = std::mem::take(&mut self.read);
                if *wide {
                    pool::wide::give(buf);
                } else {
                    pool::give(buf);
                }
                *wide = false;
            }
        } else if *wide && self.read.len() <= READ_BUFFER {
            self.narrow();
            *wide = false;
        }
    }

    #[inline(never)]
    fn narrow(&mut self) {
        let mut narrow = pool::take();
        narrow.extend_from_slice(&self.read);
        pool::wide::give(std::mem::replace(&mut self.read, narrow));
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
                    pool::wide::WIDE
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_stops_early_in_a_message_holds_no_wide_buffer() {
        let mut live = Live {
            connection: Connection::server(None),
            read: BytesMut::new(),
            out: None,
        };
        for (len, stays) in [
            (0, false),
            (100, false),
            (READ_BUFFER, false),
            (20_000, true),
        ] {
            let mut wide = true;
            live.borrow(wide);
            let said = vec![b'x'; len];
            live.read.extend_from_slice(&said);
            live.rest(&mut wide);
            assert_eq!((wide, &live.read[..]), (stays, &said[..]));
            assert_eq!(live.read.capacity() > 2 * READ_BUFFER, stays, "{len}");
            live.read.clear();
            live.rest(&mut wide);
            assert_eq!((wide, live.read.capacity()), (false, 0));
        }
    }
}
