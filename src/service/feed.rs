//! One slot between a producer and a consumer: how bodies stream, in both directions.
//!
//! A channel would let chunks pile up. Here there is room for one; the producer reads on only when the
//! consumer has said that it wants more, which is what makes backpressure reach the socket.

use crate::service::body::BodyError;
use crate::service::headers::Headers;
use crate::sync::{AtomicUsize, Mutex, MutexGuard};
use bytes::Bytes;
use std::ops::Deref;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

/// The shared slot.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    slot: Mutex<Slot>,
    /// The octets that the consumer keeps of what it took, until it has everything.
    collected: AtomicUsize,
    /// The octets that a decoder on its way to the consumer keeps.
    decoding: AtomicUsize,
}

#[derive(Debug, Default)]
struct Slot {
    chunk: Option<Bytes>,
    end: Option<Result<Option<Headers>, BodyError>>,
    /// The consumer has asked for more than there is.
    want: bool,
    /// The consumer is gone.
    abandoned: bool,
    consumer: Option<Waker>,
    producer: Option<Waker>,
}

/// What a consumer gets.
#[derive(Debug)]
pub(crate) enum Fed {
    Chunk(Bytes),
    Trailers(Headers),
}

impl Feed {
    /// Takes what is there; asks for more and waits when there is nothing. `None` is the end.
    pub(crate) fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<Result<Fed, BodyError>>> {
        let mut slot = self.slot();
        if let Some(chunk) = slot.chunk.take() {
            slot.want = slot.end.is_none();
            let producer = other(slot.producer.take(), cx.waker());
            drop(slot);
            producer.into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(Ok(Fed::Chunk(chunk))));
        }
        match &mut slot.end {
            Some(Ok(trailers)) => {
                Poll::Ready(trailers.take().map(|trailers| Ok(Fed::Trailers(trailers))))
            }
            Some(Err(_)) => {
                let ended = slot.end.replace(Ok(None));
                Poll::Ready(ended.and_then(Result::err).map(Err))
            }
            None => {
                set(&mut slot.consumer, cx);
                let first = !slot.want;
                slot.want = true;
                let producer = if first {
                    other(slot.producer.take(), cx.waker())
                } else {
                    None
                };
                drop(slot);
                producer.into_iter().for_each(Waker::wake);
                Poll::Pending
            }
        }
    }

    /// Whether everything was taken and the end has come.
    pub(crate) fn is_ended(&self) -> bool {
        let slot = self.slot();
        slot.chunk.is_none() && matches!(slot.end, Some(Ok(None)))
    }

    /// The consumer is gone.
    pub(crate) fn abandon(&self) {
        let mut slot = self.slot();
        slot.abandoned = true;
        slot.chunk = None;
        if slot.end.is_none() {
            // Whoever gives up in the middle keeps nothing.
            self.set_collected(0);
        }
        let producer = slot.producer.take();
        drop(slot);
        producer.into_iter().for_each(Waker::wake);
    }

    /// Whether the consumer is gone.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.slot().abandoned
    }

    /// Where the producer stands; remembers whom to wake when that changes.
    pub(crate) fn poll_demand(&self, cx: &Context<'_>) -> Demand {
        let mut slot = self.slot();
        if slot.abandoned {
            return Demand::Abandoned;
        }
        if slot.want && slot.chunk.is_none() {
            return Demand::Wanted;
        }
        set(&mut slot.producer, cx);
        Demand::Full
    }

    /// Whether there is room for a chunk, asked for or not; for producers that may run one ahead.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), ()>> {
        let mut slot = self.slot();
        if slot.abandoned {
            return Poll::Ready(Err(()));
        }
        if slot.chunk.is_none() {
            return Poll::Ready(Ok(()));
        }
        set(&mut slot.producer, cx);
        Poll::Pending
    }

    /// Waits until the consumer is gone.
    pub(crate) fn poll_abandoned(&self, cx: &Context<'_>) -> Poll<()> {
        let mut slot = self.slot();
        if slot.abandoned {
            return Poll::Ready(());
        }
        set(&mut slot.producer, cx);
        Poll::Pending
    }

    /// Puts a chunk into the free slot. `own` is the waker of the task that pushes.
    pub(crate) fn push(&self, chunk: Bytes, own: &Waker) {
        let mut slot = self.slot();
        if slot.abandoned {
            // Since the producer has asked: nobody takes it any more.
            return;
        }
        slot.chunk = Some(chunk);
        slot.want = false;
        let consumer = other(slot.consumer.take(), own);
        drop(slot);
        consumer.into_iter().for_each(Waker::wake);
    }

    /// Ends the body, well or badly. The first end counts.
    pub(crate) fn end(&self, end: Result<Option<Headers>, BodyError>) {
        let mut slot = self.slot();
        if slot.end.is_none() {
            slot.end = Some(end);
        }
        let consumer = slot.consumer.take();
        drop(slot);
        consumer.into_iter().for_each(Waker::wake);
    }

    /// The octets in the slot and with its consumer, for the byte budget.
    pub(crate) fn held(&self) -> usize {
        self.slot().chunk.as_ref().map_or(0, Bytes::len) + self.collected()
    }

    /// The consumer keeps this many octets of what it took.
    pub(crate) fn set_collected(&self, octets: usize) {
        self.collected.store(octets, Ordering::Relaxed);
    }

    /// A decoder of the content keeps this many octets.
    #[allow(dead_code, reason = "only decompression says so, and it is optional")]
    pub(crate) fn set_decoding(&self, octets: usize) {
        self.decoding.store(octets, Ordering::Relaxed);
    }

    /// The octets that the consumer keeps of what it took, and its decoder.
    pub(crate) fn collected(&self) -> usize {
        self.collected.load(Ordering::Relaxed) + self.decoding.load(Ordering::Relaxed)
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a producer learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// The consumer waits for a chunk.
    Wanted,
    /// It has one, or did not ask yet.
    Full,
    /// It is gone.
    Abandoned,
}

/// A driver's handle on the content of a request; dropping it ends the body, badly unless it has
/// ended before: whoever takes it in a task of its own must not wait for ever.
#[derive(Debug)]
pub(crate) struct FeedWriter(pub(crate) Arc<Feed>);

impl Deref for FeedWriter {
    type Target = Feed;

    fn deref(&self) -> &Feed {
        &self.0
    }
}

impl Drop for FeedWriter {
    fn drop(&mut self) {
        self.0.end(Err(BodyError::Incomplete));
    }
}

/// The consumer's handle; dropping it abandons the body.
#[derive(Debug)]
pub(crate) struct FeedReader(pub(crate) Arc<Feed>);

impl Drop for FeedReader {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// The waker, unless it wakes the task that is running: a driver polls its handler after every move of
/// the feed, so waking itself would only cost another round.
fn other(waker: Option<Waker>, own: &Waker) -> Option<Waker> {
    waker.filter(|waker| !waker.will_wake(own))
}

fn set(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

#[cfg(all(test, wireline_loom))]
mod interleavings;
