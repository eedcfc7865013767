//! The members that one task serves: an inbox that every publisher pushes to, and the places of the subscribers.

use super::message::{Entry, Member, Message};
use super::seats::{Neighbours, Seats};
use super::shards::lock;
use crate::sync::{AtomicBool, Mutex};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

/// Members that one task serves: the connections of a worker, or an equal share of all.
///
/// A publisher pushes once to each group, whatever the number of its members, and wakes its task only if that has nothing
/// to do. What waits here is bounded; what there is no room for is told to the subscribers as missed.
///
/// ```
/// use bytes::Bytes;
/// use std::sync::Arc;
/// use wireline::relay::hub::{Delivery, Group, Hub, HubConfig, Member, Resume, Topic};
/// # struct Silent;
/// # impl Member<Bytes> for Silent {
/// #     fn id(&self) -> u64 { 1 }
/// #     fn deliver(&self, _: u32, _: &Delivery<'_, Bytes>) {}
/// # }
///
/// let (hub, topic) = (Hub::new(HubConfig::default()), Topic::new("news").unwrap());
/// // As much waits for it as fits in here.
/// let group = Group::with_room(1 << 20);
/// let (subscription, _before) = hub.subscribe(&topic, &group, Arc::new(Silent), 0, Resume::Live, 0);
/// hub.publish(&topic, Bytes::from("hello"), None, 0);
/// assert_eq!(group.waiting(), 5 + 64);
/// group.flush();
/// assert_eq!(group.waiting(), 0);
/// hub.unsubscribe(subscription);
/// ```
pub struct Group<M: Message> {
    inbox: Mutex<Inbox<M>>,
    /// Something was pushed that has not been delivered yet. It changes under the lock of the inbox.
    is_pending: AtomicBool,
    /// Taken before the locks of the others.
    draining: Mutex<Draining<M>>,
    /// By channel.
    places: Mutex<HashMap<u64, Seats<M>>>,
}

struct Inbox<M> {
    queue: VecDeque<Item<M>>,
    octets: usize,
    most: usize,
    /// Up to which place messages of a channel were given up.
    lost: Vec<(u64, u64)>,
    /// The task has not seen yet that there is something, or is at it.
    is_armed: bool,
    is_closed: bool,
    waker: Option<Waker>,
}

struct Item<M> {
    channel: u64,
    /// How many places of the channel there are with this one.
    place: u64,
    entry: Entry<M>,
}

impl<M: Message> Group<M> {
    /// A group without members, with room for 16 MiB in its inbox.
    pub fn new() -> Arc<Self> {
        Self::with_room(ROOM)
    }

    /// A group whose inbox holds up to `octets`, each message with 64 besides its own.
    pub fn with_room(octets: usize) -> Arc<Self> {
        Arc::new(Self {
            inbox: Mutex::new(Inbox {
                queue: VecDeque::new(),
                octets: 0,
                most: octets,
                lost: Vec::new(),
                is_armed: false,
                is_closed: false,
                waker: None,
            }),
            is_pending: AtomicBool::new(false),
            draining: Mutex::new(Draining {
                taken: VecDeque::new(),
                run: None,
                entries: Vec::new(),
                places: Vec::new(),
            }),
            places: Mutex::default(),
        })
    }

    /// Takes nothing any more, and ends its [`Drain`]: its task has ended, or is to end.
    pub fn close(&self) {
        let mut inbox = lock(&self.inbox);
        inbox.is_closed = true;
        inbox.queue = VecDeque::new();
        inbox.octets = 0;
        inbox.lost = Vec::new();
        let waker = inbox.waker.take();
        drop(inbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether it takes nothing any more.
    pub fn is_closed(&self) -> bool {
        lock(&self.inbox).is_closed
    }

    /// The octets that wait.
    pub fn waiting(&self) -> usize {
        lock(&self.inbox).octets
    }

    /// Delivers what was published before this call, here and now, so that what the caller does next comes behind it. It costs nothing
    /// when nothing waits; else it may wait for the group's task, for as long as that has its turn.
    ///
    /// Not for a [`Member`] within its `deliver`.
    pub fn flush(&self) {
        // Whoever has pushed sees that he has; what others push meanwhile is not before this call.
        if !self.is_pending.load(Ordering::Relaxed) {
            return;
        }
        let mut draining = lock(&self.draining);
        // First what the task has taken already.
        draining.deliver_all(self);
        draining.take(self, None);
        draining.deliver_all(self);
        let inbox = lock(&self.inbox);
        if inbox.is_empty() {
            self.is_pending.store(false, Ordering::Relaxed);
        }
    }

    /// The members of a channel.
    pub(super) fn members(&self, channel: u64, to: &mut Vec<u64>) {
        let places = lock(&self.places);
        if let Some(seats) = places.get(&channel) {
            to.extend(seats.members());
        }
    }

    /// Takes a message; gives whom to wake.
    pub(super) fn push(&self, channel: u64, place: u64, entry: Entry<M>) -> Option<Waker> {
        let mut inbox = lock(&self.inbox);
        if inbox.is_closed {
            return None;
        }
        inbox.push(Item {
            channel,
            place,
            entry,
        });
        self.is_pending.store(true, Ordering::Relaxed);
        if std::mem::replace(&mut inbox.is_armed, true) {
            None
        } else {
            inbox.waker.take()
        }
    }

    pub(super) fn sit(&self, channel: u64, member: Arc<dyn Member<M>>, key: u32, last: u64) -> u32 {
        let mut places = lock(&self.places);
        let seats = places.entry(channel).or_insert_with(Seats::new);
        seats.sit(member, key, last)
    }

    pub(super) fn leave(&self, channel: u64, seat: u32) -> Option<Arc<dyn Member<M>>> {
        let mut places = lock(&self.places);
        let seats = places.get_mut(&channel)?;
        let member = seats.leave(seat);
        if seats.is_empty() {
            places.remove(&channel);
            if places.capacity() > 64 && places.len() < places.capacity() / 8 {
                let wanted = places.len() * 2;
                places.shrink_to(wanted);
            }
        }
        member
    }
}

impl<M: Message> fmt::Debug for Group<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("waiting", &self.waiting())
            .field("channels", &lock(&self.places).len())
            .finish()
    }
}

impl<M: Message> Inbox<M> {
    fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.lost.is_empty()
    }

    fn push(&mut self, item: Item<M>) {
        self.octets += item.weight();
        self.queue.push_back(item);
        while self.octets > self.most {
            let Some(oldest) = self.queue.pop_front() else {
                return;
            };
            self.octets -= oldest.weight();
            let (channel, place) = (oldest.channel, oldest.place);
            match self.lost.iter_mut().find(|(known, _)| *known == channel) {
                Some((_, last)) => *last = place,
                None => self.lost.push((channel, place)),
            }
        }
    }
}

impl<M: Message> Item<M> {
    fn weight(&self) -> usize {
        self.entry.message.octets() + OVERHEAD
    }
}

/// What the task of a group does: it takes what is in the inbox, joins neighbours of one topic, and delivers.
///
/// ```
/// use bytes::Bytes;
/// use std::future::poll_fn;
/// use std::sync::Arc;
/// use wireline::relay::hub::{Drain, Group};
///
/// /// The task of a group: it ends when the group is closed, and closes the group when it is dropped.
/// async fn deliver(group: Arc<Group<Bytes>>) {
///     let mut drain = Drain::new(group);
///     poll_fn(|cx| drain.poll(cx, 1_000)).await;
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let group = Group::new();
/// let task = tokio::spawn(deliver(group.clone()));
/// group.close();
/// task.await.unwrap();
/// # }
/// ```
pub struct Drain<M: Message> {
    group: Arc<Group<M>>,
}

/// What has been taken out of the inbox.
struct Draining<M: Message> {
    taken: VecDeque<Item<M>>,
    run: Option<Run<M>>,
    /// These go round.
    entries: Vec<Entry<M>>,
    places: Vec<u64>,
}

/// What is being delivered, and to whom next.
struct Run<M: Message> {
    channel: u64,
    /// The place before the first one.
    before: u64,
    whole: M::Run,
    has_exceptions: bool,
    at: usize,
}

impl<M: Message> Drain<M> {
    /// For the one task of this group.
    pub const fn new(group: Arc<Group<M>>) -> Self {
        Self { group }
    }

    /// Delivers what there is, to `most` subscribers before others have their turn: then it wakes the task again. Ready
    /// when the group was closed.
    pub fn poll(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<()> {
        match self.turn(cx, most) {
            Turn::Closed => Poll::Ready(()),
            Turn::Idle => Poll::Pending,
            Turn::Over => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// The same for somebody who has his own way to let others have their turn.
    pub(crate) fn turn(&self, cx: &Context<'_>, most: usize) -> Turn {
        let mut left = most.max(1);
        let mut draining = lock(&self.group.draining);
        loop {
            if !draining.begin_run() {
                match draining.take(&self.group, Some(cx)) {
                    Taken::Something => continue,
                    Taken::Nothing => return Turn::Idle,
                    Taken::Closed => return Turn::Closed,
                }
            }
            left = draining.deliver(&self.group, left);
            if left == 0 {
                return Turn::Over;
            }
        }
    }
}

/// How a turn of a [`Drain`] has ended.
pub(crate) enum Turn {
    /// There is more, and others are first.
    Over,
    /// There is nothing to deliver; the task is woken when there is.
    Idle,
    /// The group was closed.
    Closed,
}

/// What was in the inbox.
enum Taken {
    Something,
    Nothing,
    Closed,
}

impl<M: Message> Draining<M> {
    /// Delivers all that was taken.
    fn deliver_all(&mut self, group: &Group<M>) {
        while self.begin_run() {
            self.deliver(group, usize::MAX);
        }
    }

    /// Delivers the run to up to `most` subscribers; gives how many more may have their turn.
    fn deliver(&mut self, group: &Group<M>, most: usize) -> usize {
        let Some(run) = &mut self.run else {
            return most;
        };
        let mut places = lock(&group.places);
        let neighbours = Neighbours {
            entries: &self.entries,
            places: &self.places,
            before: run.before,
        };
        let (done, next) = match places.get_mut(&run.channel) {
            Some(seats) => seats.deliver(run.at, most, neighbours, &run.whole, run.has_exceptions),
            None => (0, None),
        };
        drop(places);
        match next {
            Some(next) => run.at = next,
            None => {
                self.run = None;
                self.entries.clear();
                self.places.clear();
            }
        }
        // A run that nobody wants any more counts as well: there may be many.
        most.saturating_sub(done.max(1))
    }

    /// Takes what is in the inbox, once nothing is left of what was taken before. The task of `cx` is woken when there is something
    /// again.
    fn take(&mut self, group: &Group<M>, cx: Option<&Context<'_>>) -> Taken {
        let mut inbox = lock(&group.inbox);
        if inbox.is_closed {
            return Taken::Closed;
        }
        if inbox.is_empty() {
            group.is_pending.store(false, Ordering::Relaxed);
            if let Some(cx) = cx {
                inbox.is_armed = false;
                match &mut inbox.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
            }
            return Taken::Nothing;
        }
        let lost = std::mem::take(&mut inbox.lost);
        std::mem::swap(&mut inbox.queue, &mut self.taken);
        inbox.octets = 0;
        if inbox.queue.capacity() > KEPT {
            inbox.queue = VecDeque::new();
        }
        drop(inbox);
        let mut places = lock(&group.places);
        for (channel, last) in lost {
            if let Some(seats) = places.get_mut(&channel) {
                seats.lose(last);
            }
        }
        Taken::Something
    }

    /// Goes on with a run, or begins the next one; `false` when nothing is left of what was taken.
    fn begin_run(&mut self) -> bool {
        if self.run.is_some() {
            return true;
        }
        let Some(first) = self.taken.front() else {
            return false;
        };
        let (channel, mut octets) = (first.channel, 0);
        let before = first.place.saturating_sub(first.entry.span);
        let mut last = before;
        let mut has_exceptions = false;
        while let Some(item) = self.taken.front() {
            let len = item.entry.message.octets();
            let follows = item.channel == channel
                && item.place.checked_sub(item.entry.span) == Some(last)
                // What is not counted is a run of its own.
                && item.entry.span > 0
                && last > before;
            if !self.entries.is_empty() && (!follows || octets + len > RUN) {
                break;
            }
            octets += len;
            last = item.place;
            if let Some(item) = self.taken.pop_front() {
                has_exceptions |= item.entry.except != 0;
                self.places.push(item.place);
                self.entries.push(item.entry);
            }
        }
        self.run = Some(Run {
            channel,
            before,
            whole: M::run(&self.entries),
            has_exceptions,
            at: 0,
        });
        true
    }
}

impl<M: Message> Drop for Drain<M> {
    fn drop(&mut self) {
        self.group.close();
    }
}

impl<M: Message> fmt::Debug for Drain<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// What an item costs beside its message.
const OVERHEAD: usize = 64;

/// The octets that an inbox holds.
const ROOM: usize = 16 << 20;

/// The octets that are joined.
const RUN: usize = 16 << 10;

/// The longest queue whose memory goes round.
const KEPT: usize = 1024;
