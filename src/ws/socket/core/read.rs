//! Reading: into a buffer that is borrowed for it, or a little without one.

use crate::resource::io::{FEW, LONGEST_READ, Transport};
use crate::ws::socket::core::{CRUMBS, Core, MILLIS_OF_A_TICK};
use crate::ws::socket::live::Block;
use std::io;
use std::mem::MaybeUninit;
use std::task::{Context, Poll};

impl Core {
    /// Reads a little for whoever lends it at once, which needs no buffer then. `None` when that is not how it is read.
    #[inline]
    pub(in crate::ws::socket) fn read_few<'a>(
        &mut self,
        room: &'a mut [MaybeUninit<u8>; FEW],
    ) -> Option<&'a mut [u8]> {
        // Whoever has waited was told that there is something; what waits to be written goes first.
        if self.drained || !self.few || self.has_work() {
            return None;
        }
        let live = self.live.as_deref_mut()?;
        if live.read.capacity() != 0 || !live.connection.takes_small() {
            return None;
        }
        match self.io.read_few(room)? {
            Ok(octets) if !octets.is_empty() => {
                self.has_read(octets.len(), FEW, true);
                Some(octets)
            }
            // The end, or an error, is there again for the read that says so.
            _ => None,
        }
    }

    /// Keeps what was read and not taken.
    #[inline]
    pub(in crate::ws::socket) fn keep_rest(&mut self, octets: &[u8]) {
        if let Some(live) = self.live.as_deref_mut().filter(|_| !octets.is_empty()) {
            live.borrow(&mut self.block, true);
            live.read.extend_from_slice(octets);
        }
    }

    /// After a read of so many octets into room for `room`.
    #[inline]
    fn has_read(&mut self, len: usize, room: usize, lends: bool) {
        self.drained = len < room;
        self.few = len < FEW;
        self.timing.heard = self.home.now();
        self.timing.pinged = 0;
        if let Some(live) = self.live.as_deref_mut() {
            let now = u64::from(self.timing.heard) * MILLIS_OF_A_TICK;
            live.connection.set_time(now);
        }
        self.spend(if lends { len / 2 } else { len });
    }

    /// Reads once into the buffer, which is borrowed for as long as there is something in it; `lends` says
    /// that the messages are lent from it. `Ok(false)` is the end.
    pub(in crate::ws::socket) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        lends: bool,
    ) -> Poll<io::Result<bool>> {
        let Some(live) = self.live.as_deref_mut() else {
            return Poll::Pending;
        };
        let mut lends = lends;
        if live.connection.is_inside_message() {
            // Many heads cost more than many octets: a turn ends behind so many of them, wherever that is in the buffer.
            if live.connection.take_crumbs() >= usize::from(CRUMBS) {
                let is_empty = live.read.is_empty();
                lends = false;
                self.rest();
                self.spent = u8::MAX;
                if !is_empty {
                    return Poll::Ready(Ok(true));
                }
            }
            if self.is_paused() {
                return Poll::Pending;
            }
        }
        let Some(live) = self.live.as_deref_mut() else {
            return Poll::Pending;
        };
        if self.drained && live.read.is_empty() {
            // Most likely there is nothing: no buffer is borrowed to learn that.
            live.rest(&mut self.block, &self.home);
            match self.io.poll_readable(cx) {
                Poll::Ready(readable) => readable?,
                Poll::Pending => {
                    self.drained = false;
                    self.spent = 0;
                    return Poll::Pending;
                }
            }
        }
        if live.read.capacity() == 0 {
            if self.block == Block::Large {
                live.rest(&mut self.block, &self.home);
            }
            live.borrow(&mut self.block, lends);
        } else {
            let wants = live.connection.wants(&live.read);
            live.make_room(wants, lends, &mut self.block, &self.home);
        }
        let room = LONGEST_READ.min(live.read.capacity() - live.read.len());
        // Counted by `spent`.
        match self.io.poll_read_uncounted(cx, &mut live.read, self.few) {
            Poll::Pending => {
                live.rest(&mut self.block, &self.home);
                self.spent = 0;
                Poll::Pending
            }
            Poll::Ready(Ok(0)) => {
                live.connection.receive_end();
                Poll::Ready(Ok(false))
            }
            Poll::Ready(Ok(len)) => {
                let room = if self.few { FEW.min(room) } else { room };
                self.has_read(len, room, lends);
                Poll::Ready(Ok(true))
            }
            Poll::Ready(Err(error)) => {
                live.connection.receive_end();
                Poll::Ready(Err(error))
            }
        }
    }
}
