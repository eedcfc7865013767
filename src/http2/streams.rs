//! The streams of a connection that are not done at once, and which of them to poll.
//!
//! They live in the connection's task. Each has a waker of its own, so that a wake leads to the one stream that
//! it is for; a hundred streams that wait cost nothing while one is busy.

use crate::http2::stream::Stream;
use crate::resource::worker::Slot;
use crate::sync::{AtomicBool, Mutex, MutexGuard};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

/// The streams, by places that are used again.
pub(super) struct Streams {
    places: Vec<Option<Box<Stream>>>,
    free: Vec<usize>,
    ready: Arc<Ready>,
    /// What is taken off the list of the ready ones, kept for its memory.
    taken: Vec<usize>,
    /// The octets that they keep while they wait.
    pub(super) held: usize,
    /// The octets of responses among them.
    pub(super) pulled: usize,
    /// How many have a deadline.
    pub(super) timed: usize,
    /// How many are tunnels.
    pub(super) tunnels: usize,
}

/// The places of streams that were woken, and the connection to wake for them.
struct Ready {
    slot: Arc<Slot>,
    list: Mutex<Vec<usize>>,
    /// The connection looks at the list itself before it waits.
    is_looking: AtomicBool,
}

struct StreamWaker {
    place: usize,
    is_queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Streams {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            ready: Arc::new(Ready {
                slot,
                list: Mutex::default(),
                is_looking: AtomicBool::new(true),
            }),
            taken: Vec::new(),
            held: 0,
            pulled: 0,
            timed: 0,
            tunnels: 0,
        }
    }

    /// The number of streams.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Makes a place for a stream and a waker for it.
    pub(super) fn reserve(&mut self) -> (usize, StreamHandle) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        let waker = Arc::new(StreamWaker {
            place,
            is_queued: AtomicBool::new(false),
            ready: self.ready.clone(),
        });
        (place, StreamHandle(waker))
    }

    /// Puts a stream into its place, to be polled in this turn.
    pub(super) fn insert(&mut self, place: usize, stream: Box<Stream>) {
        stream.handle.queue();
        self.places[place] = Some(stream);
    }

    /// Takes a stream out to poll it.
    pub(super) fn take(&mut self, place: usize) -> Option<Box<Stream>> {
        let stream = self.places.get_mut(place)?.take()?;
        self.held -= stream.charged;
        self.pulled -= stream.pulled;
        self.timed -= usize::from(stream.is_timed);
        self.tunnels -= usize::from(stream.is_counted);
        Some(stream)
    }

    /// Puts it back.
    pub(super) fn put(&mut self, place: usize, mut stream: Box<Stream>) {
        stream.charged = stream.held();
        self.held += stream.charged;
        stream.pulled = stream.pulled();
        self.pulled += stream.pulled;
        stream.is_timed = stream.has_deadline();
        self.timed += usize::from(stream.is_timed);
        stream.is_counted = stream.is_tunnel();
        self.tunnels += usize::from(stream.is_counted);
        self.places[place] = Some(stream);
    }

    /// Its place is free: the stream has ended.
    pub(super) fn free(&mut self, place: usize) {
        self.free.push(place);
    }

    /// The places of all streams.
    pub(super) fn all(&self) -> Vec<usize> {
        (0..self.places.len())
            .filter(|place| self.places[*place].is_some())
            .collect()
    }

    /// Wakes a stream.
    pub(super) fn queue(&self, place: usize) {
        if let Some(Some(stream)) = self.places.get(place) {
            stream.handle.queue();
        }
    }

    /// The places of the streams that were woken.
    pub(super) fn take_ready(&mut self) -> Vec<usize> {
        let mut taken = std::mem::take(&mut self.taken);
        taken.clear();
        std::mem::swap(&mut taken, &mut *self.ready.list());
        taken
    }

    /// Gives the list back.
    pub(super) fn give_taken(&mut self, taken: Vec<usize>) {
        self.taken = taken;
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.list().is_empty()
    }

    /// The connection polls; wakes need not wake it.
    pub(super) fn begin_look(&self) {
        self.ready.is_looking.store(true, Ordering::SeqCst);
    }

    /// The connection is about to wait. `false` when somebody was woken meanwhile.
    pub(super) fn end_look(&self) -> bool {
        self.ready.is_looking.store(false, Ordering::SeqCst);
        !self.has_ready()
    }
}

/// What wakes one stream.
#[derive(Clone)]
pub(super) struct StreamHandle(Arc<StreamWaker>);

impl StreamHandle {
    pub(super) fn waker(&self) -> Waker {
        self.0.clone().into()
    }

    /// It is being polled: a wake from now on is a new one.
    pub(super) fn begin(&self) {
        // Swapped, not stored: whoever has found it queued, and woken nobody, is heard by this poll.
        self.0.is_queued.swap(false, Ordering::SeqCst);
    }

    fn queue(&self) {
        self.0.wake_by_ref();
    }
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_queued.swap(true, Ordering::SeqCst) {
            return;
        }
        self.ready.list().push(self.place);
        if !self.ready.is_looking.load(Ordering::SeqCst) {
            self.ready.slot.wake();
        }
    }
}

impl Ready {
    fn list(&self) -> MutexGuard<'_, Vec<usize>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, wireline_loom))]
mod interleavings;
