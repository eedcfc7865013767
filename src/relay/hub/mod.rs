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

mod attendance;
mod channel;
mod config;
mod group;
mod history;
mod lives;
mod message;
#[cfg(feature = "socketio")]
mod own;
mod presence;
mod published;
mod record;
mod seats;
mod shards;
mod staying;
mod survey;
mod topic;

pub use self::config::HubConfig;
pub(crate) use self::group::Turn;
pub use self::group::{Drain, Group};
pub use self::history::{Recovered, Resume, Retention};
pub(crate) use self::lives::Offsets;
pub use self::message::{Count, Delivery, EVERYBODY, Entry, Member, Message};
pub use self::presence::{Change, Present};
pub use self::published::{Elsewhere, Published};
pub use self::topic::{InvalidTopic, Topic};

use self::record::{Held, Record};
use crate::sync::{AtomicU64, AtomicUsize, Mutex};
use std::collections::HashMap;
use std::hash::RandomState;
use std::num::NonZero;
use std::sync::Arc;
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
}

#[cfg(all(test, wireline_loom))]
mod interleavings;
#[cfg(all(test, not(wireline_loom)))]
mod tests;
