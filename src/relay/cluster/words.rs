//! What a cluster is told, and what it tells: its words.

use super::envelope::Run;
use crate::relay::hub::{Present, Topic};
use bytes::Bytes;

/// How a node behaves.
///
/// ```
/// use wireline::relay::cluster::ClusterConfig;
///
/// let config = ClusterConfig { outbox: 64 << 20, ..ClusterConfig::default() };
/// assert_eq!((config.beat, config.ttl), (2_000, 7_000));
/// ```
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The octets that wait for the broker, each message with 128 besides its own: 8 MiB unless said otherwise.
    pub outbox: usize,
    /// What is given up when there are more: the oldest messages unless said otherwise.
    pub outbox_policy: OutboxPolicy,
    /// The octets of who is present on other nodes, each entry with 128 besides its own: 256 MiB unless said otherwise. Of nodes that
    /// say more than that a part is not known here.
    pub presence: usize,
    /// Milliseconds between two beats of a node: 2,000 unless said otherwise.
    pub beat: u64,
    /// Milliseconds after which a node that was not heard of is gone, at least three beats: 7,000 unless said otherwise.
    pub ttl: u64,
    /// Milliseconds that a local delivery of a topic whose history is shared waits for the broker's order: 50 unless said otherwise.
    pub order_wait: u64,
    /// Milliseconds that a question waits for the nodes that have not answered: 1,000 unless said otherwise.
    pub question_wait: u64,
}

/// What is given up when more waits for the broker than may.
///
/// ```
/// use wireline::relay::cluster::{ClusterConfig, OutboxPolicy};
///
/// assert_eq!(ClusterConfig::default().outbox_policy, OutboxPolicy::DropOldest);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutboxPolicy {
    /// The messages that have waited longest.
    #[default]
    DropOldest,
    /// The messages that have just been published.
    DropNewest,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            outbox: 8 << 20,
            outbox_policy: OutboxPolicy::DropOldest,
            presence: 256 << 20,
            beat: 2_000,
            ttl: 7_000,
            order_wait: 50,
            question_wait: 1_000,
        }
    }
}

/// A message as it goes from node to node.
///
/// ```
/// use bytes::Bytes;
/// use wireline::relay::cluster::{Cluster, ClusterConfig, Local, Parcel};
/// use wireline::relay::hub::Topic;
///
/// let mut node = Cluster::new(ClusterConfig::default(), 7, 1, false);
/// let parcel = Parcel { is_text: true, except: 0, payload: Bytes::from("hello") };
/// assert_eq!(node.publish(&Topic::new("news").unwrap(), parcel, None, 0), Local::Deliver);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Whether it is text.
    pub is_text: bool,
    /// The connection that does not get it; 0 for none. Numbers of connections are the cluster's.
    pub except: u64,
    /// What subscribers get.
    pub payload: Bytes,
}

/// What becomes at once of a message that is published here.
///
/// ```
/// use bytes::Bytes;
/// use wireline::relay::cluster::{Cluster, ClusterConfig, Local, Parcel};
/// use wireline::relay::hub::{Retention, Topic};
///
/// let keep = Retention { messages: 100, octets: 1 << 20, age: 60_000 };
/// let mut node = Cluster::new(ClusterConfig::default(), 7, 1, true);
/// let parcel = Parcel { is_text: true, except: 0, payload: Bytes::from("hello") };
/// let local = node.publish(&Topic::new("news").unwrap(), parcel, Some(keep), 0);
/// assert_eq!(local, Local::DeliverUncounted, "the order is a broker's, and there is none");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// It takes the next offset, and is delivered.
    Deliver,
    /// It is delivered without an offset: the broker, which gives them, is away, or is not given it yet because other nodes are.
    DeliverUncounted,
    /// It comes back as an action, in its place or when it has waited long enough.
    Wait,
}

/// What the relay does for the cluster, in this order.
///
/// ```
/// use wireline::relay::cluster::{Action, Cluster, ClusterConfig};
/// use wireline::relay::hub::Topic;
///
/// let topic = Topic::new("news").unwrap();
/// let mut node = Cluster::new(ClusterConfig::default(), 7, 1, false);
/// node.attach(&topic, None, 0);
/// assert_eq!(node.next_action(), Some(Action::Attached { topic }), "nobody waits for a broker that is away");
/// assert_eq!(node.next_action(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// From now on everything arrives that is published to the topic anywhere; or the broker is away, and nobody waits for it.
    Attached {
        /// The topic.
        topic: Topic,
    },
    /// The topic's order is now this: epoch, last offset, and what is kept, oldest first, as (offset, age in milliseconds, message).
    Adopt {
        /// The topic.
        topic: Topic,
        /// Its epoch.
        epoch: u64,
        /// The offset of its last message.
        last: u64,
        /// What is kept.
        entries: Vec<(u64, u64, Parcel)>,
    },
    /// A message for those who subscribe here.
    Deliver {
        /// The topic.
        topic: Topic,
        /// The message.
        parcel: Parcel,
        /// Where it stands.
        place: Place,
    },
    /// Messages of another node will not come. Those who subscribe here are told, in its place in the topic.
    Lost {
        /// The topic.
        topic: Topic,
        /// Whose.
        node: u64,
        /// Of which life of his sequence.
        epoch: u64,
        /// The first one in that.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// Messages of the shared order will not come: the offsets after the last one that was delivered, up to this one.
    Missing {
        /// The topic.
        topic: Topic,
        /// The epoch.
        epoch: u64,
        /// The last offset that is missing.
        last: u64,
    },
    /// Messages of another node will not come, and have no place in the shared order: they were given up before the broker had them, or
    /// the broker forgot the order in which they had theirs.
    GivenUp {
        /// The topic.
        topic: Topic,
        /// Whose.
        node: u64,
        /// How many, of which nobody here was told before.
        count: u64,
        /// Which, if that is known.
        run: Option<Run>,
    },
    /// A message of the shared order that those who subscribe here have had without its offset: it only counts.
    Count {
        /// The topic.
        topic: Topic,
        /// The epoch.
        epoch: u64,
        /// The offset.
        offset: u64,
        /// The message, for those who come later.
        parcel: Parcel,
    },
    /// A connection of another node is present.
    Track {
        /// In which topic.
        topic: Topic,
        /// Who.
        present: Present,
    },
    /// It is not any more.
    Untrack {
        /// In which topic.
        topic: Topic,
        /// The connection.
        member: u64,
    },
    /// Another node wants something done here; [`answer`](crate::relay::cluster::Cluster::answer) wants its result if `asks` is something.
    Do {
        /// What.
        operation: Operation,
        /// Who asks, and how it is called there.
        asks: Option<(u64, u64)>,
    },
    /// A question has been answered, by all or as far as could be waited for.
    Answered {
        /// Which.
        id: u64,
        /// What the others have said.
        answers: Answers,
    },
}

/// Where a message stands in its topic.
///
/// ```
/// use wireline::relay::cluster::Place;
/// use wireline::relay::hub::Count;
///
/// /// The same for who publishes it to a hub.
/// fn count(place: Place) -> Count {
///     match place {
///         Place::Next => Count::Next(1),
///         Place::At { epoch, offset } => Count::At { epoch, offset },
///         Place::Uncounted => Count::Nothing,
///     }
/// }
/// assert_eq!(count(Place::Uncounted), Count::Nothing);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind the last one.
    Next,
    /// At this offset of this epoch.
    At {
        /// The epoch.
        epoch: u64,
        /// The offset.
        offset: u64,
    },
    /// At none: it is delivered, and does not count.
    Uncounted,
}

/// What a node asks of others.
///
/// ```
/// use wireline::relay::cluster::{Action, Answers, Cluster, ClusterConfig, Operation};
/// use wireline::relay::hub::Topic;
///
/// let topic = Topic::new("news").unwrap();
/// let mut node = Cluster::new(ClusterConfig::default(), 7, 1, false);
/// let id = node.ask(Operation::Subscribers { topic }, 0);
/// // It is alone, so that this is all there is to know.
/// assert_eq!(node.next_action(), Some(Action::Answered { id, answers: Answers::default() }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Push to all connections of a user; counts them.
    PushToUser {
        /// Whose.
        user: String,
        /// What.
        parcel: Parcel,
    },
    /// Close connections; counts them.
    Disconnect {
        /// Whose.
        whom: Target,
        /// The close code.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// Subscribe connections to a topic; counts them.
    Subscribe {
        /// Whose.
        whom: Target,
        /// The topic.
        topic: Topic,
    },
    /// End subscriptions; counts them.
    Unsubscribe {
        /// Whose.
        whom: Target,
        /// The topic.
        topic: Topic,
    },
    /// Count those who subscribe to a topic.
    Subscribers {
        /// The topic.
        topic: Topic,
    },
    /// List connections, as JSON; counts them all.
    Connections {
        /// Of whom; of all if nobody is named.
        whom: Option<Target>,
        /// At most so many.
        most: u32,
    },
}

/// Connections by number, or by user.
///
/// ```
/// use wireline::relay::cluster::{Cluster, ClusterConfig, Operation, Target};
///
/// let mut node = Cluster::new(ClusterConfig::default(), 7, 1, false);
/// let whom = Target::User("ann".to_owned());
/// node.tell(Operation::Disconnect { whom, code: 4500, reason: "banned".to_owned() }, 0);
/// assert_eq!(node.standing(0).waiting, 1, "it goes to the others when there is a broker");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One.
    Connection(u64),
    /// All of a user's.
    User(String),
}

/// What a node has answered.
///
/// ```
/// use wireline::relay::backplane::Channel;
/// use wireline::relay::cluster::Answer;
/// use wireline::relay::cluster::envelope::{Envelope, Sender};
///
/// let (me, asker) = (Sender { node: 7, life: 1 }, Channel::Node(9));
/// let answer = Envelope::Answer { id: 3, answer: Answer { count: 2, ..Answer::default() } };
/// let octets = answer.encode(me, &asker);
/// assert_eq!(Envelope::decode(&octets, &asker), Some((me, answer)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// How many.
    pub count: u64,
    /// What was to be listed.
    pub text: Bytes,
}

/// What nodes have answered, and who has not.
///
/// ```
/// use wireline::relay::cluster::{Answer, Answers};
///
/// let two = Answer { count: 2, ..Answer::default() };
/// let answers = Answers { answers: vec![(7, two.clone()), (8, two)], missing: vec![9] };
/// let known: u64 = answers.answers.iter().map(|(_, answer)| answer.count).sum();
/// assert_eq!(known, 4);
/// assert!(!answers.missing.is_empty(), "there may be more");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// By node.
    pub answers: Vec<(u64, Answer)>,
    /// The nodes that are known and have not answered: with any, the result is a partial one.
    pub missing: Vec<u64>,
}

/// How a node stands.
///
/// ```
/// use wireline::relay::cluster::{Cluster, ClusterConfig};
///
/// let cluster = Cluster::new(ClusterConfig::default(), 7, 0x5EED, false);
/// let standing = cluster.standing(0);
/// assert_eq!((standing.is_up, standing.nodes, standing.lost), (false, 0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// Whether there is a connection to the broker, with everything subscribed.
    pub is_up: bool,
    /// For how many milliseconds it has been as it is.
    pub since: u64,
    /// The other nodes that are known.
    pub nodes: u64,
    /// The messages that wait for the broker.
    pub waiting: u64,
    /// The octets of them.
    pub waiting_octets: u64,
    /// The most octets that ever waited.
    pub waiting_octets_most: u64,
    /// How long the oldest one has waited, in milliseconds: the lag of the other nodes.
    pub lag: u64,
    /// The topics that are taken from the broker.
    pub topics: u64,
    /// Messages that were sent to the broker and confirmed.
    pub sent: u64,
    /// Messages that came from others.
    pub received: u64,
    /// Messages that had come before.
    pub duplicates: u64,
    /// Messages of others that did not come, and were told to be missing.
    pub lost: u64,
    /// Messages that were given up because too much waited, or the broker refused them; the other nodes are told.
    pub dropped: u64,
    /// What came and was no envelope.
    pub garbled: u64,
    /// Publishers whose place in a topic was forgotten here, because too many others publish to it: what was missing of them just then
    /// is not told.
    pub forgotten: u64,
    /// Connections to the broker that were made.
    pub connects: u64,
    /// Nodes that were taken for gone.
    pub departed: u64,
    /// Another node that is there has the same number: this one has to be made anew with another.
    pub is_double: bool,
}
