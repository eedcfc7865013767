//! A stream that is another protocol's, and its place in the server.

use crate::http2::tunnel::Rest;
use crate::resource::panic::guarded;
use crate::resource::worker::{Slot, Worker};
use crate::service::link::Link;
use crate::service::upgrade::UpgradeFuture;
use h2::{FlowControl, RecvStream};
use std::sync::Arc;
use std::task::{Context, Poll};

/// The future of a tunnel. It has deadlines and a share of the budget of its own, as a connection has.
pub(super) struct Tunneled {
    future: Option<UpgradeFuture>,
    worker: Arc<Worker>,
    slot: Arc<Slot>,
    rest: Rest,
    /// What came and was not read is known of it.
    flow: Option<FlowControl>,
}

impl Tunneled {
    pub(super) fn new(
        worker: Arc<Worker>,
        slot: Arc<Slot>,
        rest: Rest,
        flow: Option<FlowControl>,
    ) -> Self {
        Self {
            future: None,
            worker,
            slot,
            rest,
            flow,
        }
    }

    /// The client's half, when ours has ended and it has not.
    pub(super) fn take_rest(&self) -> Option<RecvStream> {
        self.rest.take()
    }

    /// The octets that came and were not read.
    pub(super) fn held(&self) -> usize {
        (self.flow.as_ref()).map_or(0, FlowControl::used_capacity)
    }

    pub(super) fn run(&mut self, future: UpgradeFuture) {
        self.future = Some(future);
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, link: &Link) -> Poll<()> {
        self.slot.set_waker(cx.waker());
        if self.slot.is_shed() {
            return Poll::Ready(());
        }
        if let Some(future) = &mut self.future {
            match guarded(|| future.as_mut().poll(cx)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(())) => {}
                Err(payload) => link.count_panic(payload),
            }
            let finished = self.future.take();
            let _ = guarded(|| drop(finished));
        }
        // It may have been handed to somebody else, who still has it.
        if self.slot.is_kept() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

impl Drop for Tunneled {
    fn drop(&mut self) {
        let unfinished = self.future.take();
        let _ = guarded(|| drop(unfinished));
        self.slot.set_gone();
        self.worker.unregister(&self.slot);
    }
}
