//! The registry of topics, and the way of a message from whoever publishes it to everybody who subscribes.
//!
//! ```text
//!   publish --> shard: the topic's next offset, its history --> the inbox of each group --> one wake for each group
//!   group   --> runs: neighbours of one topic, joined once  --> its subscribers, one after the other
//! ```
//!
//! Nothing here knows a socket, a clock or a runtime: [`Hub`] is generic over the [`Message`], a [`Member`] is whoever
//! takes deliveries, and a [`Group`] is the members that one task serves, as a rule those of a worker. So a publication
//! costs the shard's lock for as long as it takes to push to one inbox for each group, however many subscribers there
//! are, and the order in which a topic's lock was taken is the order in which each subscriber gets its messages.
//!
//! Loss is never silent. Every message of a topic has an offset, and a subscriber is told with each delivery how many
//! before it did not come.
//!
//! ```
//! use bytes::Bytes;
//! use std::sync::{Arc, Mutex};
//! use wireline::relay::hub::{Delivery, Drain, Group, Hub, HubConfig, Member, Resume, Topic};
//!
//! #[derive(Default)]
//! struct Log(Mutex<Vec<Bytes>>);
//!
//! impl Member<Bytes> for Log {
//!     fn id(&self) -> u64 {
//!         1
//!     }
//!
//!     fn deliver(&self, _: u32, delivery: &Delivery<'_, Bytes>) {
//!         self.0.lock().unwrap().extend(delivery.entries().map(|entry| entry.message.clone()));
//!     }
//! }
//!
//! let hub = Hub::new(HubConfig::default());
//! let (group, log) = (Group::new(), Arc::new(Log::default()));
//! let topic = Topic::new("room:1").unwrap();
//! hub.subscribe(&topic, &group, log.clone(), 0, Resume::Live, 0);
//! hub.publish(&topic, Bytes::from("hello"), None, 0);
//!
//! // A task does this whenever it is woken.
//! let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! let _ = Drain::new(group).poll(&mut context, 1_000);
//! assert_eq!(*log.0.lock().unwrap(), ["hello"]);
//! ```

mod channel;
mod config;
mod group;
mod history;
mod message;
#[cfg(feature = "socketio")]
mod own;
mod presence;
mod published;
mod record;
mod seats;
mod staying;
mod topic;

pub use self::config::HubConfig;
pub(crate) use self::group::Turn;
pub use self::group::{Drain, Group};
pub use self::history::{Recovered, Resume, Retention};
pub use self::message::{Count, Delivery, EVERYBODY, Entry, Member, Message};
pub use self::presence::{Change, Present};
pub use self::published::{Elsewhere, Published};
pub use self::topic::{InvalidTopic, Topic};

use self::presence::Presence;
use self::record::{Held, Record, forget_idle};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZero;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::Waker;

/// Topics in shards.
///
/// Times are milliseconds since any moment that stays the same. No method waits, but for the lock of a shard, which is
/// never held for longer than it takes to push to one inbox for each group.
///
/// ```
/// use bytes::Bytes;
/// use wireline::relay::hub::{Hub, HubConfig, Topic};
///
/// let hub = Hub::new(HubConfig::default());
/// let topic = Topic::new("room:1").unwrap();
/// assert_eq!(hub.publish(&topic, Bytes::from("hello"), None, 0).subscribers, 0);
/// assert!(hub.is_empty(), "nobody holds the topic, and nothing is kept of it");
/// ```
pub struct Hub<M: Message> {
    shards: Box<[Mutex<Shard<M>>]>,
    hasher: RandomState,
    retention: Box<Retain>,
    /// The epoch of the next topic.
    epochs: AtomicU64,
    held: Held,
    /// How many topics stay for a while without anything that holds them.
    lingering: AtomicUsize,
}

type Shard<M> = HashMap<Topic, Record<M>>;
type Retain = dyn Fn(&Topic) -> Retention + Send + Sync;

/// A place among the subscribers of a topic. It is held until [`Hub::unsubscribe`] takes it back.
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
/// let (hub, topic) = (Hub::new(HubConfig::default()), Topic::new("room:1").unwrap());
/// let (subscription, _before) = hub.subscribe(&topic, &Group::new(), Arc::new(Silent), 0, Resume::Live, 0);
/// assert_eq!(hub.subscribers(&topic), 1);
/// hub.unsubscribe(subscription);
/// assert!(hub.is_empty());
/// ```
#[derive(Debug)]
#[must_use = "it is held until it is given to `Hub::unsubscribe`"]
pub struct Subscription<M: Message> {
    topic: Topic,
    channel: u64,
    group: Arc<Group<M>>,
    seat: u32,
    to: To,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Messages,
    Presence,
}

impl<M: Message> Subscription<M> {
    /// The topic.
    pub const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// What tells what it subscribes to from everything else of the hub, other lives of the same topic as well. It is the epoch of a
    /// topic whose order is its own.
    pub const fn channel(&self) -> u64 {
        self.channel
    }

    /// The topic, and the seat in its group, for somebody who knows the group, and has many: for [`Hub::leave`]. Nothing for one to who
    /// is present.
    pub(crate) fn into_seat(self) -> (Topic, NonZero<u32>) {
        (self.topic, NonZero::<u32>::MIN.saturating_add(self.seat))
    }
}

impl<M: Message> Hub<M> {
    /// A hub without topics.
    pub fn new(config: HubConfig) -> Self {
        let shards = config.shards.max(1);
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            retention: config.retention,
            epochs: AtomicU64::new(config.epoch.max(1)),
            held: Held {
                octets: AtomicUsize::new(0),
                most: config.history,
            },
            lingering: AtomicUsize::new(0),
        }
    }

    /// Subscribes a member of a group to a topic: it gets every message from now on, in order, each once, with `key`.
    ///
    /// Gives the subscription, and what it asked for of what was published before: between both nothing is missing and
    /// nothing is double. A member that subscribes twice gets everything twice.
    pub fn subscribe(
        &self,
        topic: &Topic,
        group: &Arc<Group<M>>,
        member: Arc<dyn Member<M>>,
        key: u32,
        resume: Resume,
        now: u64,
    ) -> (Subscription<M>, Recovered<M>) {
        self.subscribe_page(topic, group, member, key, (resume, usize::MAX), now)
    }

    /// The same, with so many messages of what came before at most, the oldest of it. The others follow from
    /// [`history_page`](Self::history_page), as far as they are kept until then.
    pub fn subscribe_page(
        &self,
        topic: &Topic,
        group: &Arc<Group<M>>,
        member: Arc<dyn Member<M>>,
        key: u32,
        (resume, most): (Resume, usize),
        now: u64,
    ) -> (Subscription<M>, Recovered<M>) {
        let topic = self.kept(topic);
        self.with_messages(&topic, None, |record| {
            record.messages.expire(now, &self.held);
            let recovered = record.messages.recover(resume, most);
            let seat = record.messages.sit(group, member, key);
            let subscription = Subscription {
                topic: topic.clone(),
                channel: record.messages.id(),
                group: group.clone(),
                seat,
                to: To::Messages,
            };
            (subscription, recovered)
        })
    }

    /// Subscribes a member to who is present: gives everybody who is now, then every change comes as a message with `key`,
    /// as [`track`](Self::track) and [`untrack`](Self::untrack) make them.
    pub fn watch(
        &self,
        topic: &Topic,
        group: &Arc<Group<M>>,
        member: Arc<dyn Member<M>>,
        key: u32,
    ) -> (Subscription<M>, Vec<Present>) {
        let epoch = self.next_epoch();
        self.with_record(topic, |record| {
            let presence = record.presence(epoch);
            let seat = presence.changes.sit(group, member, key);
            let subscription = Subscription {
                topic: topic.clone(),
                channel: presence.changes.id(),
                group: group.clone(),
                seat,
                to: To::Presence,
            };
            (subscription, presence.list())
        })
    }

    /// Ends a subscription: after this nothing comes for it. A topic that nothing holds any more is forgotten.
    pub fn unsubscribe(&self, subscription: Subscription<M>) {
        let Subscription {
            topic,
            channel: id,
            group,
            seat,
            to,
        } = subscription;
        let member = self.change(&topic, |record| {
            let channel = match to {
                To::Messages => Some(&mut record.messages),
                To::Presence => record
                    .presence
                    .as_mut()
                    .map(|presence| &mut presence.changes),
            };
            let channel = channel.filter(|channel| channel.id() == id);
            channel.and_then(|channel| channel.leave(&group, seat))
        });
        // Here no lock is held: it may be the last of a connection, which has more to give back.
        drop(member);
    }

    /// The same for a subscription to messages of which only this was kept, see [`Subscription::into_seat`]. A topic in which a seat is
    /// taken is not forgotten, so that it is the same life of it.
    pub(crate) fn leave(&self, topic: &Topic, group: &Arc<Group<M>>, seat: NonZero<u32>) {
        let seat = seat.get() - 1;
        let member = self.change(topic, |record| record.messages.leave(group, seat));
        drop(member);
    }

    /// Publishes a message to everybody who subscribes to the topic but the member `except`.
    ///
    /// Whoever asks later for what came before gets it as well if he has another id: an id is one connection's.
    pub fn publish(&self, topic: &Topic, message: M, except: Option<u64>, now: u64) -> Published {
        self.publish_as(topic, message, except, Count::Next(1), now)
    }

    /// The same, for a message that does not stand behind the last one, or not for one.
    pub fn publish_as(
        &self,
        topic: &Topic,
        message: M,
        except: Option<u64>,
        count: Count,
        now: u64,
    ) -> Published {
        self.publish_kept(topic, message, except, count, (None, now))
    }

    /// The same, for somebody who has asked what is kept of the topic: he may hold a lock, so that nobody is asked here.
    pub(super) fn publish_kept(
        &self,
        topic: &Topic,
        message: M,
        except: Option<u64>,
        count: Count,
        (keep, now): (Option<Retention>, u64),
    ) -> Published {
        let mut wakes = Vec::new();
        let publish = |record: &mut Record<M>| {
            let channel = &mut record.messages;
            channel.expire(now, &self.held);
            channel.publish(message, except, count, now, &self.held, &mut wakes)
        };
        let published = match self.change_if(topic, Record::is_asked, publish) {
            Ok(published) => published,
            Err(publish) if count == Count::Nothing => {
                self.change(topic, publish).unwrap_or_default()
            }
            Err(publish) => {
                let keep = keep.unwrap_or_else(|| (self.retention)(topic));
                let publish = |record: &mut Record<M>| {
                    record.answer(keep);
                    publish(record)
                };
                if keep.is_some() {
                    self.with_record(topic, publish)
                } else {
                    // It may be there for who is present.
                    self.change(topic, publish).unwrap_or_default()
                }
            }
        };
        wakes.into_iter().for_each(Waker::wake);
        published
    }

    /// Gives a topic an order that is another's: its epoch, its last offset, and what is kept, oldest first. The topic stays until
    /// [`release`](Self::release) takes that back; what is published to it has to come as [`Count::At`]. When there are subscribers, what
    /// lies between the last message of the same epoch and this is missing for them.
    pub fn adopt(&self, topic: &Topic, epoch: u64, last: u64, entries: Vec<Entry<M>>, now: u64) {
        self.with_messages(topic, None, |record| {
            record.is_kept = true;
            record.messages.adopt(epoch, last, entries, &self.held);
            record.messages.expire(now, &self.held);
        });
    }

    /// What is kept of a topic, without a subscription.
    pub fn history(&self, topic: &Topic, resume: Resume, now: u64) -> Recovered<M> {
        self.history_page(topic, resume, usize::MAX, now)
    }

    /// The same, so many messages at most, the oldest of what was asked for.
    pub fn history_page(
        &self,
        topic: &Topic,
        resume: Resume,
        most: usize,
        now: u64,
    ) -> Recovered<M> {
        let recovered = self.change(topic, |record| {
            record.messages.expire(now, &self.held);
            record.messages.recover(resume, most)
        });
        recovered.unwrap_or_else(|_| Recovered::of_nothing(resume))
    }

    /// Says that a member is present in a topic, under a name that may be several members' (a user with several devices),
    /// with what others should know of it. A second call for the same member changes what they know.
    ///
    /// `message` makes of the change what those get who [`watch`](Self::watch); it is called when there are any, under the
    /// lock of the topic's shard: it must not call the hub.
    pub fn track(
        &self,
        topic: &Topic,
        present: Present,
        now: u64,
        message: impl FnOnce(&Change) -> M,
    ) {
        let mut wakes = Vec::new();
        let epoch = self.next_epoch();
        self.with_record(topic, |record| {
            let presence = record.presence(epoch);
            let change = presence.track(present);
            presence.tell(&change, message, now, &self.held, &mut wakes);
        });
        wakes.into_iter().for_each(Waker::wake);
    }

    /// Says that a member is no longer present. `false` when it was not.
    pub fn untrack(
        &self,
        topic: &Topic,
        member: u64,
        now: u64,
        message: impl FnOnce(&Change) -> M,
    ) -> bool {
        let mut wakes = Vec::new();
        let was_present = self.change(topic, |record| {
            let Some(presence) = &mut record.presence else {
                return false;
            };
            let Some(change) = presence.untrack(member) else {
                return false;
            };
            presence.tell(&change, message, now, &self.held, &mut wakes);
            true
        });
        let was_present = was_present.unwrap_or(false);
        wakes.into_iter().for_each(Waker::wake);
        was_present
    }

    /// Who is present, by member.
    pub fn present(&self, topic: &Topic) -> Vec<Present> {
        self.presence(topic, Presence::list)
    }

    /// How many members are present.
    pub fn present_count(&self, topic: &Topic) -> usize {
        self.presence(topic, Presence::len)
    }

    /// How many names are present: a user with several devices counts once.
    pub fn present_names(&self, topic: &Topic) -> usize {
        self.presence(topic, Presence::names)
    }

    /// How many subscribe to a topic.
    pub fn subscribers(&self, topic: &Topic) -> usize {
        let shard = self.shard(topic);
        shard.get(topic).map_or(0, |record| record.messages.len())
    }

    /// Who subscribes to a topic: the id of each member, once for each of its subscriptions.
    pub fn members(&self, topic: &Topic) -> Vec<u64> {
        let shard = self.shard(topic);
        let record = shard.get(topic);
        record.map_or_else(Vec::new, |record| record.messages.members())
    }

    /// How many topics there are.
    pub fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| lock(shard).len()).sum()
    }

    /// Whether there is no topic.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `most` topics with the number of their subscribers, those with most of them first.
    pub fn largest(&self, most: usize) -> Vec<(Topic, usize)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            all.extend(
                shard
                    .iter()
                    .map(|(topic, record)| (topic.clone(), record.messages.len())),
            );
            // What cannot be among them is given up shard by shard: a million topics are not listed for ten.
            if all.len() > most.saturating_mul(2) {
                shorten(&mut all, most);
            }
        }
        shorten(&mut all, most);
        all
    }

    /// The octets that all histories hold.
    pub fn held(&self) -> usize {
        self.held.octets.load(Ordering::Relaxed)
    }

    /// Runs `code` with the record of a topic, which is made if there is none. What is kept of it need not be known.
    fn with_record<T>(&self, topic: &Topic, code: impl FnOnce(&mut Record<M>) -> T) -> T {
        let code = match self.change(topic, code) {
            Ok(done) => return done,
            Err(code) => code,
        };
        let epoch = self.next_epoch();
        let mut shard = self.shard(topic);
        // Somebody may have been faster.
        let record = shard
            .entry(topic.clone())
            .or_insert_with(|| Record::new(epoch));
        let done = code(record);
        forget_idle(&mut shard, topic);
        done
    }

    /// The same, when it has to be known what is kept of the topic: unless somebody has asked, the configuration is, without a lock
    /// of the hub.
    fn with_messages<T>(
        &self,
        topic: &Topic,
        keep: Option<Retention>,
        code: impl FnOnce(&mut Record<M>) -> T,
    ) -> T {
        let code = match self.change_if(topic, Record::is_asked, code) {
            Ok(done) => return done,
            Err(code) => code,
        };
        let keep = keep.unwrap_or_else(|| (self.retention)(topic));
        self.with_record(topic, |record| {
            record.answer(keep);
            code(record)
        })
    }

    /// Runs `code` with the record of a topic if there is one, and gives it back if there is none; forgets the record when
    /// nothing holds it any more.
    fn change<T, F>(&self, topic: &Topic, code: F) -> Result<T, F>
    where
        F: FnOnce(&mut Record<M>) -> T,
    {
        self.change_if(topic, |_| true, code)
    }

    /// The same for a record that is so.
    fn change_if<T, F>(
        &self,
        topic: &Topic,
        is_so: impl FnOnce(&Record<M>) -> bool,
        code: F,
    ) -> Result<T, F>
    where
        F: FnOnce(&mut Record<M>) -> T,
    {
        let mut shard = self.shard(topic);
        let Some(record) = shard.get_mut(topic).filter(|record| is_so(record)) else {
            return Err(code);
        };
        let done = code(record);
        forget_idle(&mut shard, topic);
        Ok(done)
    }

    /// The name as the hub has it: those who subscribe to a topic share it.
    fn kept(&self, topic: &Topic) -> Topic {
        let shard = self.shard(topic);
        let kept = shard.get_key_value(topic).map(|(kept, _)| kept);
        kept.unwrap_or(topic).clone()
    }

    fn presence<T: Default>(&self, topic: &Topic, read: impl FnOnce(&Presence<M>) -> T) -> T {
        let shard = self.shard(topic);
        let presence = shard
            .get(topic)
            .and_then(|record| record.presence.as_deref());
        presence.map(read).unwrap_or_default()
    }

    fn shard(&self, topic: &Topic) -> MutexGuard<'_, Shard<M>> {
        let place = self.hasher.hash_one(topic.as_str());
        let count = self.shards.len() as u64;
        let place = usize::try_from(place % count).unwrap_or_default();
        lock(&self.shards[place])
    }

    fn next_epoch(&self) -> u64 {
        self.epochs.fetch_add(1, Ordering::Relaxed)
    }
}

impl<M: Message> fmt::Debug for Hub<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("topics", &self.len())
            .field("held", &self.held())
            .finish_non_exhaustive()
    }
}

fn shorten(all: &mut Vec<(Topic, usize)>, most: usize) {
    all.sort_unstable_by(|(a, of_a), (b, of_b)| {
        of_b.cmp(of_a).then_with(|| a.as_str().cmp(b.as_str()))
    });
    all.truncate(most);
}

/// A panic of somebody's closure leaves a shard as it was before or after the call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, wireline_loom))]
mod interleavings;
#[cfg(all(test, not(wireline_loom)))]
mod tests;
