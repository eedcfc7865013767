//! How a turn ends, nearly always: the answers leave in one write, and what is held is nothing.

use crate::resource::pool::wide::WIDE;
use crate::wire::out::{KEPT, Shares};
use crate::ws::socket::core::Core;
use crate::ws::socket::live::{Block, Live, give_out};

impl Core {
    /// Writes the usual answer to what has just been read: it lies side by side, is not large, and a socket takes all of it.
    /// `false` when something is left to [`poll_write`](Self::poll_write), which counts for tokio what this leaves to `spent`.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "measured: 140 instructions a message")]
    pub(in crate::ws::socket) fn write_at_once(&mut self) -> bool {
        let is_usual = self.drained
            && self.spent < u8::MAX
            && self.backlog.is_unused()
            && self.timing.stalled == 0
            && self.timing.closing == 0;
        let Some(live) = self.live.as_deref_mut().filter(|_| is_usual) else {
            return false;
        };
        if live.connection.has_pending() {
            return false;
        }
        let Some(out) = live.out.as_deref_mut() else {
            return false;
        };
        let Some(octets) = out.as_one().filter(|octets| octets.len() <= KEPT) else {
            return false;
        };
        let (len, written) = (octets.len(), self.io.write_at_once(octets));
        if written > 0 {
            out.advance(written);
            self.spent += 1;
        }
        if written < len || written == 0 {
            return false;
        }
        give_out(&mut live.out);
        true
    }

    /// Whether whoever waits for the peer is all there is, where nothing is to be written: no deadline to set.
    #[inline]
    pub(in crate::ws::socket) fn is_settled(&self) -> bool {
        self.driven && self.timing.next != 0 && self.state().is_open()
    }

    /// Charges what is held while the connection waits, and says since when it waits for its peer.
    #[inline]
    pub(in crate::ws::socket) fn charge(&self) {
        if let Some(live) = &self.live {
            let held =
                if self.block == Block::Narrow && live.is_at_rest() && self.backlog.is_unused() {
                    0
                } else {
                    self.held(live)
                };
            self.home.charge(held);
            self.home.set_waits(if self.timing.stalled != 0 {
                self.timing.stalled
            } else if live.connection.is_inside_message() {
                self.timing.heard
            } else {
                0
            });
        }
    }

    pub(super) fn held(&self, live: &Live) -> usize {
        let mut shares = Shares::default();
        if let Some(out) = &live.out {
            out.count(&mut shares);
        }
        self.backlog.count(&mut shares);
        let wide = if self.block == Block::Wide { WIDE } else { 0 };
        live.read.capacity().max(wide) + live.connection.held() + shares.octets
    }
}
