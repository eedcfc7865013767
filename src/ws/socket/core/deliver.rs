//! Frames that whoever publishes them writes by himself, so that nobody has to be woken.

use crate::ws::socket::WsSender;
use crate::ws::socket::backlog::SHARED_SEAT;
use crate::ws::socket::core::{Core, Shared};
use bytes::Bytes;
use std::sync::MutexGuard;
use std::task::Context;

/// What became of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// They are written, or wait in the socket's output.
    Taken,
    /// There is no room for them now.
    Full,
    /// Nothing can be sent any more.
    Closed,
}

impl WsSender {
    /// Sends whole frames of a server, uncompressed: at once when nothing waits, on the caller's thread; what a transport
    /// does not take is written by the socket's task. They are not taken when `most` octets wait already, or when the
    /// socket is in the midst of something.
    pub(crate) fn deliver(&self, frames: &Bytes, most: usize) -> Delivered {
        let mut core = self.shared.lock();
        let delivered = core.take_frames(frames, most, true);
        self.tell(core, delivered)
    }

    /// As [`deliver`](Self::deliver), in the socket's own task, which writes afterwards: and which is woken, when there is
    /// no room for them now, as soon as there is.
    pub(crate) fn queue_frames(&self, frames: &Bytes, most: usize, cx: &Context<'_>) -> Delivered {
        let mut core = self.shared.lock();
        let delivered = core.take_frames(frames, most, false);
        if delivered == Delivered::Full {
            core.wait(cx, &mut { SHARED_SEAT });
        }
        self.tell(core, delivered)
    }

    /// As [`deliver`](Self::deliver), but written at the end of the turn of the socket's own task, which is woken when it has none:
    /// and before that as far as it goes, when too much waits already.
    #[allow(dead_code, reason = "sessions of Socket.IO alone need it")]
    pub(crate) fn deliver_later(&self, frames: &Bytes, most: usize) -> Delivered {
        let mut core = self.shared.lock();
        let is_written = core.has_too_much(most);
        if is_written {
            // The task writes again, with itself to wake, and meets an error again.
            let writer = core.home.writer();
            let _ = core.poll_write(&mut Context::from_waker(&writer), &self.shared.config);
        }
        let delivered = core.take_frames(frames, most, false);
        if is_written && delivered == Delivered::Full {
            Shared::written_by_others(&self.shared, core);
            return delivered;
        }
        self.tell(core, delivered)
    }

    /// Whether the task of this context is the one that writes, which [`wake`](Self::wake) wakes.
    pub(crate) fn wakes(&self, cx: &Context<'_>) -> bool {
        self.shared.lock().home.is_woken_by(cx.waker())
    }

    /// Wakes the task that writes.
    pub(crate) fn wake(&self) {
        self.shared.lock().home.wake();
    }

    fn tell(&self, core: MutexGuard<'_, Core>, delivered: Delivered) -> Delivered {
        if delivered == Delivered::Taken && core.has_work() {
            Shared::written_by_others(&self.shared, core);
        }
        delivered
    }
}

impl Core {
    /// Whether frames are not taken only because so much waits.
    fn has_too_much(&self, most: usize) -> bool {
        let is_ready = self.is_sending() && !self.streaming && self.backlog.is_empty();
        is_ready
            && self
                .live
                .as_ref()
                .is_some_and(|live| live.waiting() >= most)
    }

    fn take_frames(&mut self, frames: &Bytes, most: usize, at_once: bool) -> Delivered {
        if !self.is_sending() {
            return Delivered::Closed;
        }
        if self.streaming || !self.backlog.is_empty() {
            return Delivered::Full;
        }
        let is_idle = !self.has_work();
        let Some(live) = self.live.as_deref_mut() else {
            return Delivered::Full;
        };
        if live.waiting() >= most {
            return Delivered::Full;
        }
        let written = if at_once && is_idle {
            self.io.write_at_once(frames)
        } else {
            0
        };
        if written < frames.len() {
            let (_, out) = live.parts();
            if written == 0 {
                out.push_common(frames.clone());
            } else {
                out.push_common(frames.slice(written..));
            }
        }
        Delivered::Taken
    }
}
