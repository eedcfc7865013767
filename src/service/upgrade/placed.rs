//! What a protocol of this crate does with a connection that was handed over: it keeps its place in the server.

use crate::resource::counters::Counter;
use crate::resource::io::Io;
use crate::resource::worker::{Phase, Slot, Worker};
use crate::service::upgrade::{Place, Upgraded};
use bytes::Bytes;
use std::any::Any;
use std::sync::Arc;

impl Upgraded {
    /// As [`into_parts`](Self::into_parts), with the connection's place in the server, which keeps it there
    /// until it is dropped.
    pub(crate) fn into_placed(self) -> (Io, Bytes, Option<Place>) {
        (self.io, self.read_ahead, self.place)
    }
}

impl Place {
    /// What says whether there is anything to look at.
    pub(crate) fn watch(&self) -> Watch {
        Watch {
            worker: self.worker.clone(),
            slot: self.slot.clone(),
        }
    }

    /// The clock, the phase, the budget and the counters.
    pub(crate) fn worker(&self) -> &Worker {
        &self.worker
    }

    /// The deadline, and whom to wake.
    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }
}

/// Looks at a connection's place for whoever runs it, without a lock.
#[derive(Debug)]
pub(crate) struct Watch {
    worker: Arc<Worker>,
    slot: Arc<Slot>,
}

impl Watch {
    /// Counts what concerns the handler, which may outlive the socket's place in the server.
    #[cold]
    pub(crate) fn count(&self, counter: Counter) {
        self.worker.counters.add(counter);
    }

    /// The handler panicked: counts it, and tells whoever asked.
    #[cold]
    pub(crate) fn count_panic(&self, payload: Box<dyn Any + Send>) {
        self.worker.count_panic(payload);
    }

    /// Whether a deadline has passed, the server is stopping, or the connection has to end.
    #[inline]
    pub(crate) fn calls(&self) -> bool {
        self.slot.is_due(self.worker.now())
            || self.worker.phase() != Phase::Running
            || self.slot.is_gone()
    }
}
