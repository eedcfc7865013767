//! What is published, and who takes it.

use bytes::{Bytes, BytesMut};

/// What is published: cheap to clone, as a `Bytes` is.
///
/// ```
/// use wireline::relay::hub::{Entry, Hub, HubConfig, Message, Topic};
///
/// #[derive(Clone)]
/// struct Figure(u64);
///
/// impl Message for Figure {
///     type Run = Vec<u64>;
///
///     fn octets(&self) -> usize {
///         8
///     }
///
///     fn run(entries: &[Entry<Self>]) -> Vec<u64> {
///         entries.iter().map(|entry| entry.message.0).collect()
///     }
/// }
///
/// let hub = Hub::new(HubConfig::default());
/// hub.publish(&Topic::new("figures").unwrap(), Figure(7), None, 0);
/// ```
pub trait Message: Clone + Send + Sync + 'static {
    /// Several messages in a row, made once for all who get all of them: for a socket their frames, in one piece.
    type Run: Send + Sync + 'static;

    /// What it counts in histories and inboxes.
    fn octets(&self) -> usize;

    /// Makes one of these, which are never none.
    fn run(entries: &[Entry<Self>]) -> Self::Run;
}

/// A message of a topic.
///
/// ```
/// use bytes::Bytes;
/// use wireline::relay::hub::{Hub, HubConfig, Resume, Retention, Topic};
///
/// let keep = Retention { messages: 10, octets: 1 << 20, age: 60_000 };
/// let hub = Hub::new(HubConfig { retention: Box::new(move |_| keep), ..HubConfig::default() });
/// let topic = Topic::new("news").unwrap();
/// hub.publish(&topic, Bytes::from("hello"), None, 5);
///
/// let kept = hub.history(&topic, Resume::Newest(1), 6);
/// let entry = &kept.entries[0];
/// assert_eq!((entry.offset, entry.at, &entry.message[..]), (1, 5, &b"hello"[..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<M> {
    /// Its place in the topic's epoch: 1, 2, 3 ...
    pub offset: u64,
    /// How many places it stands for, the last of which is its offset: 1, or more for one that tells of messages that do not come,
    /// or 0 for one that is not counted.
    pub span: u64,
    /// When it was published.
    pub at: u64,
    /// The member that does not get it; 0 for none, and [`EVERYBODY`] when all who subscribe have had it, so that it is for those
    /// alone who come later.
    pub except: u64,
    /// The message.
    pub message: M,
}

/// Where a message stands in its topic.
///
/// ```
/// use bytes::Bytes;
/// use wireline::relay::hub::{Count, Hub, HubConfig, Topic};
///
/// let (hub, topic) = (Hub::new(HubConfig::default()), Topic::new("news").unwrap());
/// // Its order is another's, which has given out eight places.
/// hub.adopt(&topic, 5, 8, Vec::new(), 0);
/// let count = Count::At { epoch: 5, offset: 9 };
/// let published = hub.publish_as(&topic, Bytes::from("the ninth"), None, count, 0);
/// assert_eq!((published.epoch, published.offset), (5, 9));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Behind the last one, for so many messages: 1, or more for one that tells of messages that do not come.
    Next(u64),
    /// At an offset of an order that is another's; what it leaves out is missing. One that is not behind the last one was there before,
    /// and is not published again.
    At {
        /// The epoch.
        epoch: u64,
        /// The offset.
        offset: u64,
    },
    /// Nowhere: it is delivered to those who subscribe now, kept by nobody, and not told when it is lost.
    Nothing,
}

impl<M> Entry<M> {
    /// Whether this member does not get it.
    pub(super) const fn leaves_out(&self, member: u64) -> bool {
        self.except == member || self.except == EVERYBODY
    }
}

/// Stands for all members: see [`Entry::except`]. No member has this id.
pub const EVERYBODY: u64 = u64::MAX;

/// Whoever takes the messages of subscriptions: a connection, as a rule.
///
/// ```
/// use bytes::Bytes;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use wireline::relay::hub::{Delivery, Group, Hub, HubConfig, Member, Resume, Topic};
///
/// #[derive(Default)]
/// struct Counter(AtomicUsize);
///
/// impl Member<Bytes> for Counter {
///     fn id(&self) -> u64 {
///         1
///     }
///
///     fn deliver(&self, _key: u32, delivery: &Delivery<'_, Bytes>) {
///         self.0.fetch_add(delivery.entries().count(), Ordering::Relaxed);
///     }
/// }
///
/// let (hub, topic) = (Hub::new(HubConfig::default()), Topic::new("news").unwrap());
/// let (group, counter) = (Group::new(), Arc::new(Counter::default()));
/// let (subscription, _before) = hub.subscribe(&topic, &group, counter.clone(), 0, Resume::Live, 0);
/// hub.publish(&topic, Bytes::from("one"), None, 0);
/// hub.publish(&topic, Bytes::from("two"), None, 0);
/// group.flush();
/// assert_eq!(counter.0.load(Ordering::Relaxed), 2);
/// hub.unsubscribe(subscription);
/// ```
pub trait Member<M: Message>: Send + Sync + 'static {
    /// Tells it from all others; not 0.
    fn id(&self) -> u64;

    /// Takes what has come for the subscription that was made with `key`.
    ///
    /// It is called by the task of its group, one call at a time for each subscription, in the order of the topic, for up
    /// to thousands of members in a row: it must not wait, and not call the hub.
    fn deliver(&self, key: u32, delivery: &Delivery<'_, M>);
}

/// Neighbouring messages of a topic for a subscriber.
///
/// ```
/// use bytes::Bytes;
/// use std::sync::mpsc::Sender;
/// use wireline::relay::hub::{Delivery, Member};
///
/// /// What came, and where something did not, as lines.
/// struct Lines(Sender<String>);
///
/// impl Member<Bytes> for Lines {
///     fn id(&self) -> u64 {
///         1
///     }
///
///     fn deliver(&self, key: u32, delivery: &Delivery<'_, Bytes>) {
///         if delivery.missed > 0 {
///             let _ = self.0.send(format!("{key}: {} are missing", delivery.missed));
///         }
///         for entry in delivery.entries() {
///             let _ = self.0.send(format!("{key}: {:?} at {}", entry.message, entry.offset));
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Delivery<'a, M: Message> {
    /// How many messages before these did not come.
    pub missed: u64,
    /// The place before these, as the channel counts.
    pub(super) before: u64,
    pub(super) member: u64,
    pub(super) entries: &'a [Entry<M>],
    pub(super) whole: Option<&'a M::Run>,
}

impl<M: Message> Delivery<'_, M> {
    /// The messages that are for this subscriber, one by one. There may be none: then something was missed, or it is the
    /// one who published.
    pub fn entries(&self) -> impl Iterator<Item = &Entry<M>> {
        let all = self.all();
        all.filter_map(|(entry, is_for_member)| is_for_member.then_some(entry))
    }

    /// All messages, each with whether it is for this subscriber: the one who published may be left out.
    pub fn all(&self) -> impl Iterator<Item = (&Entry<M>, bool)> {
        let is_for_member = |entry: &Entry<M>| entry.except == 0 || !entry.leaves_out(self.member);
        self.entries
            .iter()
            .map(move |entry| (entry, is_for_member(entry)))
    }

    /// All of them in one piece, if that is all that was published.
    pub const fn whole(&self) -> Option<&M::Run> {
        self.whole
    }

    /// The place in the topic before these messages. What did not come ends there; `Hub::offsets` tells which those are.
    pub(crate) const fn before(&self) -> u64 {
        self.before
    }

    /// The offset of the last message that this delivery accounts for.
    pub fn last(&self) -> Option<u64> {
        self.entries.last().map(|entry| entry.offset)
    }
}

/// Octets are joined.
impl Message for Bytes {
    type Run = Self;

    fn octets(&self) -> usize {
        self.len()
    }

    fn run(entries: &[Entry<Self>]) -> Self {
        if let [only] = entries {
            return only.message.clone();
        }
        let len = entries.iter().map(|entry| entry.message.len()).sum();
        let mut joined = BytesMut::with_capacity(len);
        for entry in entries {
            joined.extend_from_slice(&entry.message);
        }
        joined.freeze()
    }
}
