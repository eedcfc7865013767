//! How many handshakes may be in progress, and whose turn it is.
//!
//! ```text
//!   first record --a place is free--> Taken --done, failed, hurried--> free again, or the next one's
//!        |                              ^
//!        +--> a line for each client ---+  one of each line in turn: who fills his own line waits in it
//! ```

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
    /// There is nobody in a line while there is any.
    free: usize,
    /// Who has a place, the longest first; those that have left are dropped on the way.
    taken: VecDeque<(Instant, Weak<Stay>)>,
    lines: HashMap<Client, Line>,
    /// Whose turn it is, by [`Line::turn`].
    turns: BTreeMap<u64, Client>,
    next: u64,
}

/// Those of one client that wait, in the order in which they came.
#[derive(Debug, Default)]
struct Line {
    turn: u64,
    waiting: BTreeMap<u64, Arc<Call>>,
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
                taken: VecDeque::new(),
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
                    self.hurry_the_longest();
                    Place::Waiting(wait)
                }
            };
        }
        if let Place::Waiting(wait) = place {
            while !wait.call.has_place.load(Ordering::Acquire) {
                if wait.look.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.hurry_the_longest();
                wait.look.as_mut().reset(Instant::now() + LOOK);
            }
            // From here on the place is held by another, which is made before the wait ends.
            let held = Held::new(self, slot);
            wait.call.has_place.store(false, Ordering::Release);
            self.inner().remember(&held.stay, self.limit);
            *place = Place::Taken(held);
        }
        Poll::Ready(())
    }

    fn take_or_wait(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<Held, Wait> {
        let mut inner = self.inner();
        if let Some(free) = inner.free.checked_sub(1) {
            inner.free = free;
            let held = Held::new(self, slot);
            inner.remember(&held.stay, self.limit);
            return Ok(held);
        }
        let client = client_of(slot.info().peer);
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

    /// A place is free: it is the next one's, if somebody waits.
    fn give_back(&self) {
        let slot = {
            let mut inner = self.inner();
            let Some(call) = inner.call_next() else {
                inner.free += 1;
                return;
            };
            call.has_place.store(true, Ordering::Release);
            call.slot.upgrade()
        };
        // Woken outside of the lock.
        if let Some(slot) = slot {
            slot.wake();
        }
    }

    /// Whoever has had a place for longest, if it was long enough for an honest client, has had its time.
    fn hurry_the_longest(&self) {
        let mut inner = self.inner();
        while let Some((since, stay)) = inner.taken.front() {
            if since.elapsed() < HONEST {
                return;
            }
            let stay = stay.upgrade();
            inner.taken.pop_front();
            if let Some(stay) = stay {
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
    fn remember(&mut self, stay: &Arc<Stay>, limit: usize) {
        // One entry for each place: who has left is forgotten before there are more.
        if self.taken.len() >= 2 * limit {
            self.taken.retain(|(_, stay)| stay.strong_count() > 0);
        }
        self.taken.push_back((Instant::now(), Arc::downgrade(stay)));
    }

    /// Gives the number of whoever stands there now.
    fn stand_in_line(&mut self, client: Client, call: Arc<Call>) -> u64 {
        let number = self.number();
        let line = self.lines.entry(client).or_default();
        if line.waiting.is_empty() {
            line.turn = number;
            self.turns.insert(number, client);
        }
        line.waiting.insert(number, call);
        number
    }

    /// The first of the line whose turn it is; the line's next turn comes after those of all others.
    fn call_next(&mut self) -> Option<Arc<Call>> {
        let (_, client) = self.turns.pop_first()?;
        let turn = self.number();
        let line = self.lines.get_mut(&client)?;
        let called = line.waiting.pop_first();
        if line.waiting.is_empty() {
            self.lines.remove(&client);
        } else {
            line.turn = turn;
            self.turns.insert(turn, client);
        }
        called.map(|(_, call)| call)
    }

    fn leave_line(&mut self, client: Client, number: u64) {
        let Some(line) = self.lines.get_mut(&client) else {
            return;
        };
        line.waiting.remove(&number);
        if line.waiting.is_empty() {
            let turn = line.turn;
            self.lines.remove(&client);
            self.turns.remove(&turn);
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Held {
    fn new(places: &Arc<Places>, slot: &Arc<Slot>) -> Self {
        Self {
            places: places.clone(),
            stay: Arc::new(Stay {
                is_over: AtomicBool::new(false),
                slot: Arc::downgrade(slot),
            }),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.places.give_back();
    }
}

impl Drop for Wait {
    /// A place that was given and not taken goes on to the next one.
    fn drop(&mut self) {
        self.places.inner().leave_line(self.client, self.number);
        // Out of line nobody gives it one any more.
        if self.call.has_place.load(Ordering::Acquire) {
            self.places.give_back();
        }
    }
}

fn client_of(peer: PeerAddr) -> Client {
    peer.ip().map(permit::network)
}

/// How often whoever waits looks whether somebody has had a place for long enough.
const LOOK: Duration = Duration::from_millis(250);

/// What a handshake over a slow line takes: a few round trips.
const HONEST: Duration = Duration::from_secs(1);

#[cfg(all(test, wireline_loom))]
mod interleavings;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::addr::ConnInfo;
    use crate::resource::budget::Budget;
    use std::net::SocketAddr;
    use std::task::Waker;

    struct Client {
        name: &'static str,
        slot: Arc<Slot>,
        place: Place,
    }

    /// Clients of these addresses, in the order in which they come to places of which there are `limit`.
    fn come(worker: &Worker, places: &Arc<Places>, names: &[&'static str]) -> Vec<Client> {
        let mut clients = Vec::new();
        for name in names {
            let last = name.as_bytes()[0];
            let info = ConnInfo {
                peer: SocketAddr::from(([192, 0, 2, last], 1)).into(),
                ..ConnInfo::default()
            };
            let mut client = Client {
                name,
                slot: worker.register(info),
                place: Place::Wanted,
            };
            let _ = poll(worker, places, &mut client);
            clients.push(client);
        }
        clients
    }

    fn poll(worker: &Worker, places: &Arc<Places>, client: &mut Client) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let Client { slot, place, .. } = client;
        places.poll_take(&mut cx, place, slot, worker).is_ready()
    }

    fn holders(worker: &Worker, places: &Arc<Places>, clients: &mut [Client]) -> Vec<usize> {
        (0..clients.len())
            .filter(|at| poll(worker, places, &mut clients[*at]))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_client_has_its_turn() {
        let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
        let places = Arc::new(Places::new(1));
        let mut clients = come(&worker, &places, &["a", "a", "a", "a", "b", "c", "b"]);
        let mut order = String::new();
        while !clients.is_empty() {
            let holders = holders(&worker, &places, &mut clients);
            assert_eq!(holders.len(), 1, "after {order}");
            order.push_str(clients.remove(holders[0]).name);
        }
        assert_eq!(order, "aabcaba");
        let inner = places.inner();
        assert_eq!(
            (inner.free, inner.lines.len(), inner.turns.len()),
            (1, 0, 0)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_line_keeps_nobody_waiting() {
        let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
        let places = Arc::new(Places::new(2));
        let mut clients = come(&worker, &places, &["a", "b", "a", "a", "c", "c", "d"]);
        // The whole line of c, one of a, and then a holder, whose place goes to the a that is left.
        drop(clients.drain(4..6));
        clients.remove(2);
        clients.remove(0);
        assert_eq!(holders(&worker, &places, &mut clients), [0, 1]);
        // A place that was given to d, which goes before it has looked.
        clients.remove(0);
        clients.remove(1);
        assert_eq!(places.inner().free, 1);
        clients.clear();
        let inner = places.inner();
        assert_eq!(
            (inner.free, inner.lines.len(), inner.turns.len()),
            (2, 0, 0)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_been_there_for_long_is_hurried() {
        let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
        let places = Arc::new(Places::new(1));
        let mut clients = come(&worker, &places, &["a", "b"]);
        for _ in 0..3 {
            tokio::time::advance(LOOK).await;
            assert!(!poll(&worker, &places, &mut clients[1]));
            assert!(!clients[0].place.is_over());
        }
        tokio::time::advance(LOOK * 2).await;
        assert!(!poll(&worker, &places, &mut clients[1]));
        assert!(clients[0].place.is_over());
        clients.remove(0);
        assert!(poll(&worker, &places, &mut clients[0]));
    }

    /// A connection that is established while another looks whom to hurry has a deadline of its own.
    #[tokio::test(start_paused = true)]
    async fn who_has_left_his_place_is_not_hurried() {
        let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
        let places = Arc::new(Places::new(2));
        let mut clients = come(&worker, &places, &["a", "b", "c"]);
        tokio::time::advance(HONEST).await;
        // What the handshake does at its end; the connection goes on, and its slot with it.
        clients[0].place = Place::Wanted;
        places.hurry_the_longest();
        assert!(clients[1].place.is_over());
        assert!(!clients[0].place.is_over());
        for client in &clients {
            assert!(!client.slot.is_due(u32::MAX));
        }
    }
}
