//! How many handshakes may be in progress, and whose turn it is.
//!
//! ```text
//!   first record --a place is free--> Taken --done, failed, hurried--> free again, or the next one's
//!        |                              ^
//!        +--> a line for each client ---+  who has the fewest places comes first, and then one of each line in turn
//! ```
//!
//! Whoever stalls keeps his places for a second, and takes all that there are if he is let. So the last of them are not
//! for those who have many: a client gets one of these while he has fewer than are left. Between many who want all, each
//! ends with as many as stay free, and a client who has none yet does not wait.

use crate::resource::addr::PeerAddr;
use crate::resource::counters::Counter;
use crate::resource::worker::{Slot, Worker};
use crate::server::permit;
use crate::sync::{AtomicBool, Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The places of a listener's handshakes. A connection takes one with its first record, not before: who connects
/// and says nothing costs next to nothing.
#[derive(Debug)]
pub(super) struct Places {
    inner: Mutex<Inner>,
    limit: usize,
}

#[derive(Debug)]
struct Inner {
    /// Nobody is in a line who may have one of them.
    free: usize,
    /// So many are left to those who have few.
    kept: usize,
    /// Who has a place, the longest first; those that have left are dropped on the way.
    taken: VecDeque<(Instant, Client, Weak<Stay>)>,
    /// When somebody was hurried last.
    hurried: Option<Instant>,
    /// Of each client that has a place or waits for one.
    lines: HashMap<Client, Line>,
    /// Who comes first of those that wait, by [`Line::rank`].
    turns: BTreeMap<(usize, u64), Client>,
    next: u64,
}

/// The places of one client, and those of his connections that wait, in the order in which they came.
#[derive(Debug, Default)]
struct Line {
    has: usize,
    turn: u64,
    waiting: BTreeMap<u64, Arc<Call>>,
}

impl Line {
    const fn rank(&self) -> (usize, u64) {
        (self.has, self.turn)
    }
}

/// An IPv4 address, an IPv6 network of 64 bits, or all that have no address.
type Client = Option<u64>;

/// Whoever waits is told here.
#[derive(Debug)]
struct Call {
    has_place: AtomicBool,
    slot: Weak<Slot>,
}

/// Of whoever has a place. It ends with the handshake, not with the connection, whose deadline is its protocol's
/// business by then: so the handshake looks here.
#[derive(Debug)]
struct Stay {
    is_over: AtomicBool,
    slot: Weak<Slot>,
}

/// A place, or the wait for one.
pub(super) enum Place {
    Wanted,
    Waiting(Wait),
    Taken(Held),
}

/// In line.
pub(super) struct Wait {
    places: Arc<Places>,
    client: Client,
    number: u64,
    call: Arc<Call>,
    look: Pin<Box<Sleep>>,
}

/// A place that is taken; it is free again, or the next one's, when this goes.
pub(super) struct Held {
    places: Arc<Places>,
    client: Client,
    stay: Arc<Stay>,
}

impl Place {
    /// Whether it was held for so long that it has to be left to others.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Taken(held) if held.stay.is_over.load(Ordering::Acquire))
    }
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Self {
            inner: Mutex::new(Inner {
                free: limit,
                kept: limit / KEPT,
                taken: VecDeque::new(),
                hurried: None,
                lines: HashMap::new(),
                turns: BTreeMap::new(),
                next: 0,
            }),
            limit,
        }
    }

    /// Waits until `place` is taken by the connection of `slot`.
    pub(super) fn poll_take(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        place: &mut Place,
        slot: &Arc<Slot>,
        worker: &Worker,
    ) -> Poll<()> {
        if let Place::Wanted = place {
            *place = match self.take_or_wait(slot) {
                Ok(held) => Place::Taken(held),
                Err(wait) => {
                    worker.counters.add(Counter::TlsHandshakesPaused);
                    self.hurry_the_longest(wait.client);
                    Place::Waiting(wait)
                }
            };
        }
        if let Place::Waiting(wait) = place {
            while !wait.call.has_place.load(Ordering::Acquire) {
                if wait.look.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.hurry_the_longest(wait.client);
                wait.look.as_mut().reset(Instant::now() + LOOK);
            }
            // From here on the place is held by another, which is made before the wait ends.
            let held = Held::new(self, wait.client, slot);
            wait.call.has_place.store(false, Ordering::Release);
            self.inner().remember(wait.client, &held.stay, self.limit);
            *place = Place::Taken(held);
        }
        Poll::Ready(())
    }

    fn take_or_wait(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<Held, Wait> {
        let client = client_of(slot.info().peer);
        let mut inner = self.inner();
        if inner.take(client) {
            let held = Held::new(self, client, slot);
            inner.remember(client, &held.stay, self.limit);
            return Ok(held);
        }
        let call = Arc::new(Call {
            has_place: AtomicBool::new(false),
            slot: Arc::downgrade(slot),
        });
        let number = inner.stand_in_line(client, call.clone());
        Err(Wait {
            places: self.clone(),
            client,
            number,
            call,
            look: Box::pin(tokio::time::sleep(LOOK)),
        })
    }

    /// A client's place is free: it is the next one's, if somebody waits who may have it.
    fn give_back(&self, client: Client) {
        self.inner().give_back(client);
        loop {
            // Whom he leaves room for may be more than one, and is woken outside of the lock.
            let called = self.inner().call_next();
            let Some(call) = called else {
                return;
            };
            if let Some(slot) = call.slot.upgrade() {
                slot.wake();
            }
        }
    }

    /// Whoever has had a place for longest, if it was long enough for an honest client, has had its time. While places are free,
    /// `waiting` waits because it has so many: then nobody but itself makes room for it.
    fn hurry_the_longest(&self, waiting: Client) {
        let mut inner = self.inner();
        // Who comes in his place is work at once. Places that were taken together are not left together: others would wait
        // until all of that work is done.
        let pause = HONEST / u32::try_from(self.limit).unwrap_or(u32::MAX);
        if inner.hurried.is_some_and(|last| last.elapsed() < pause) {
            return;
        }
        let is_free = inner.free > 0;
        let may_go = |client: Client| !is_free || client == waiting;
        while let Some(at) = inner.taken.iter().position(|taken| may_go(taken.1)) {
            if inner.taken[at].0.elapsed() < HONEST {
                return;
            }
            let stay = inner.taken.remove(at).and_then(|taken| taken.2.upgrade());
            if let Some(stay) = stay {
                inner.hurried = Some(Instant::now());
                drop(inner);
                stay.is_over.store(true, Ordering::Release);
                if let Some(slot) = stay.slot.upgrade() {
                    slot.wake();
                }
                return;
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remember(&mut self, client: Client, stay: &Arc<Stay>, limit: usize) {
        // One entry for each place: who has left is forgotten before there are more.
        while self
            .taken
            .front()
            .is_some_and(|taken| taken.2.strong_count() == 0)
        {
            self.taken.pop_front();
        }
        if self.taken.len() >= limit.saturating_mul(2) {
            self.taken.retain(|taken| taken.2.strong_count() > 0);
        }
        self.taken
            .push_back((Instant::now(), client, Arc::downgrade(stay)));
    }

    /// Whether a client that has so many places may have another.
    const fn has_room_for(&self, has: usize) -> bool {
        self.free > self.kept || has < self.free
    }

    /// Takes a free place, if the client may have one.
    fn take(&mut self, client: Client) -> bool {
        let has = self.lines.get(&client).map_or(0, |line| line.has);
        let may = self.has_room_for(has);
        if may {
            self.free -= 1;
            self.set_has(client, has + 1);
        }
        may
    }

    fn give_back(&mut self, client: Client) {
        self.free += 1;
        if let Some(line) = self.lines.get(&client) {
            let has = line.has.saturating_sub(1);
            self.set_has(client, has);
        }
    }

    fn set_has(&mut self, client: Client, has: usize) {
        let line = self.lines.entry(client).or_default();
        let before = line.rank();
        line.has = has;
        if !line.waiting.is_empty() {
            let now = line.rank();
            self.turns.remove(&before);
            self.turns.insert(now, client);
        } else if has == 0 {
            self.lines.remove(&client);
        }
    }

    /// Gives the number of whoever stands there now.
    fn stand_in_line(&mut self, client: Client, call: Arc<Call>) -> u64 {
        let number = self.number();
        let line = self.lines.entry(client).or_default();
        if line.waiting.is_empty() {
            line.turn = number;
            self.turns.insert(line.rank(), client);
        }
        line.waiting.insert(number, call);
        number
    }

    /// The first of the line whose turn it is has a place from now on; the line's next turn comes after those of all
    /// others that have as few.
    fn call_next(&mut self) -> Option<Arc<Call>> {
        let (rank, client) = self.turns.first_key_value()?;
        let (rank, client) = (*rank, *client);
        // Whoever comes behind him has as many places, or more.
        if !self.has_room_for(rank.0) {
            return None;
        }
        self.turns.remove(&rank);
        self.free -= 1;
        let turn = self.number();
        let line = self.lines.get_mut(&client)?;
        (line.has, line.turn) = (rank.0 + 1, turn);
        let called = line.waiting.pop_first();
        if !line.waiting.is_empty() {
            self.turns.insert(line.rank(), client);
        }
        let (_, call) = called?;
        // Out of line, and with a place, at once: who leaves meanwhile sees both or neither.
        call.has_place.store(true, Ordering::Release);
        Some(call)
    }

    fn leave_line(&mut self, client: Client, number: u64) {
        let Some(line) = self.lines.get_mut(&client) else {
            return;
        };
        if line.waiting.remove(&number).is_some() && line.waiting.is_empty() {
            let (rank, has) = (line.rank(), line.has);
            self.turns.remove(&rank);
            if has == 0 {
                self.lines.remove(&client);
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Held {
    fn new(places: &Arc<Places>, client: Client, slot: &Arc<Slot>) -> Self {
        Self {
            places: places.clone(),
            client,
            stay: Arc::new(Stay {
                is_over: AtomicBool::new(false),
                slot: Arc::downgrade(slot),
            }),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.places.give_back(self.client);
    }
}

impl Drop for Wait {
    /// A place that was given and not taken goes on to the next one.
    fn drop(&mut self) {
        self.places.inner().leave_line(self.client, self.number);
        // Out of line nobody gives it one any more.
        if self.call.has_place.load(Ordering::Acquire) {
            self.places.give_back(self.client);
        }
    }
}

fn client_of(peer: PeerAddr) -> Client {
    peer.ip().map(permit::network)
}

/// One of so many places is left to those who have few.
const KEPT: usize = 8;

/// How often whoever waits looks whether somebody has had a place for long enough.
const LOOK: Duration = Duration::from_millis(250);

/// What a handshake over a slow line takes: a few round trips.
const HONEST: Duration = Duration::from_secs(1);

#[cfg(all(test, wireline_loom))]
mod interleavings;
#[cfg(test)]
mod tests;
