//! What is published, and who takes it.

use bytes::{Bytes, BytesMut};

/// What is published: cheap to clone, as a `Bytes` is.
pub trait Message: Clone + Send + Sync + 'static {
    /// Several messages in a row, made once for all who get all of them: for a socket their frames, in one piece.
    type Run: Send + Sync + 'static;

    /// What it counts in histories and inboxes.
    fn octets(&self) -> usize;

    /// Makes one of these, which are never none.
    fn run(entries: &[Entry<Self>]) -> Self::Run;
}

/// A message of a topic.
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

impl<M> Entry<M> {
    /// Whether this member does not get it.
    pub(super) const fn leaves_out(&self, member: u64) -> bool {
        self.except == member || self.except == EVERYBODY
    }
}

/// Stands for all members: see [`Entry::except`]. No member has this id.
pub const EVERYBODY: u64 = u64::MAX;

/// Whoever takes the messages of subscriptions: a connection, as a rule.
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
#[derive(Debug)]
pub struct Delivery<'a, M: Message> {
    /// How many messages before these did not come.
    pub missed: u64,
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
