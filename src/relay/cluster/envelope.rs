//! What nodes write to each other: octets with a checksum, which is over the channel as well.
//!
//! ```text
//!   0xB5 | version | kind | CRC-32 (4) | node (4) | life (8) | what the kind says
//! ```
//!
//! All numbers are in network order. Whatever does not come out to the octet is no envelope.

mod reader;
mod writer;

use self::reader::Reader;
use crate::relay::backplane::Channel;
use crate::relay::cluster::words::{Answer, Operation, Parcel};
use crate::relay::hub::{Present, Topic};
use bytes::{Bytes, BytesMut};

/// A node in one of its lives.
///
/// ```
/// use wireline::relay::backplane::Channel;
/// use wireline::relay::cluster::envelope::{Envelope, Sender};
///
/// let nobody = Sender { node: 0, life: 1 };
/// let octets = Envelope::Leave.encode(nobody, &Channel::All);
/// assert_eq!(Envelope::decode(&octets, &Channel::All), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sender {
    /// Its number: not 0, below 2^21.
    pub node: u64,
    /// What tells this life of it from others.
    pub life: u64,
}

/// A sequence of messages to one topic, one of several in the life of its node.
///
/// ```
/// use wireline::relay::backplane::Channel;
/// use wireline::relay::cluster::envelope::{Envelope, Place, Sender};
/// use wireline::relay::hub::Topic;
///
/// let (me, channel) = (Sender { node: 7, life: 1 }, Channel::Topic(Topic::new("news").unwrap()));
/// let mark = Envelope::Mark { place: Place { sequence: 0, number: 12, age: 3_000 } };
/// let octets = mark.encode(me, &channel);
/// assert_eq!(Envelope::decode(&octets, &channel), Some((me, mark)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which sequence: 0, 1, 2 ... in the order in which they began.
    pub sequence: u64,
    /// The number in that: 1, 2, 3 ... and below 2^48.
    pub number: u64,
    /// How many milliseconds ago the sequence began.
    pub age: u32,
}

/// Messages of a sequence that follow one another.
///
/// ```
/// use wireline::relay::backplane::Channel;
/// use wireline::relay::cluster::envelope::{Envelope, Run, Sender};
/// use wireline::relay::hub::Topic;
///
/// // Three were given up, the 4th to the 6th of the first sequence.
/// let runs = vec![Run { sequence: 0, first: 4, last: 6 }];
/// let told = Envelope::GivenUp { id: 1, count: 3, age: 0, runs };
/// let channel = Channel::Topic(Topic::new("room:1").unwrap());
/// let sender = Sender { node: 7, life: 1 };
/// assert_eq!(Envelope::decode(&told.encode(sender, &channel), &channel), Some((sender, told)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// Which sequence.
    pub sequence: u64,
    /// The number of the first one.
    pub first: u64,
    /// The number of the last one: not below the first, and below 2^48.
    pub last: u64,
}

/// What a node says to others.
///
/// ```
/// use wireline::relay::backplane::Channel;
/// use wireline::relay::cluster::envelope::{Envelope, Sender};
///
/// let sender = Sender { node: 7, life: 1 };
/// let octets = Envelope::Leave.encode(sender, &Channel::All);
/// assert_eq!(Envelope::decode(&octets, &Channel::All), Some((sender, Envelope::Leave)));
/// // It says so to everybody, and to nobody else.
/// assert_eq!(Envelope::decode(&octets, &Channel::Node(1)), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// A message of a topic.
    Message {
        /// Where it stands.
        place: Place,
        /// What it is.
        parcel: Parcel,
    },
    /// The last message of a topic so far.
    Mark {
        /// Where that stands.
        place: Place,
    },
    /// Messages of a topic whose order is the broker's were given up before the broker had them.
    GivenUp {
        /// Which count of them: 1, 2, 3 ... in the order in which they began.
        id: u64,
        /// How many there are in it so far, below 2^48.
        count: u64,
        /// How many milliseconds ago the last one was.
        age: u32,
        /// Which the last of them were, in the order in which they were given up.
        runs: Vec<Run>,
    },
    /// Wants marks of topics.
    Ask {
        /// Names it in the answer.
        id: u64,
        /// Of which.
        topics: Vec<Topic>,
    },
    /// All marks that were asked for have been sent before this.
    Asked {
        /// Which ask.
        id: u64,
        /// Sequences that begin from now on have this number, or a higher one.
        next: u64,
        /// The places of the topics in the ask that there were marks of.
        marked: Vec<u16>,
    },
    /// The node is there.
    Beat {
        /// How often it has changed who is present.
        version: u64,
        /// A checksum of who is.
        digest: u64,
        /// Sequences that begin from now on have this number, or a higher one.
        next: u64,
    },
    /// Who has come and gone, each change a version of its own.
    Changes {
        /// The version with the first one.
        version: u64,
        /// What has changed.
        changes: Vec<(Topic, Change)>,
    },
    /// Wants to know who is present.
    Resync,
    /// A part of who is present.
    State {
        /// Of which version.
        version: u64,
        /// The place of this part: 0, 1, 2 ...
        part: u32,
        /// Whether it is the last one.
        is_last: bool,
        /// Who.
        present: Vec<(Topic, Present)>,
    },
    /// Wants something done.
    Operation {
        /// Names it; those of a life that ask, and those that do not, have ids in rising order.
        id: u64,
        /// Whether an answer is wanted.
        asks: bool,
        /// What.
        operation: Operation,
    },
    /// What came of it.
    Answer {
        /// Which.
        id: u64,
        /// What.
        answer: Answer,
    },
    /// The node goes.
    Leave,
}

/// A change of who is present.
///
/// ```
/// use wireline::relay::cluster::envelope::Change;
/// use wireline::relay::hub::Present;
///
/// // The number of a connection has its node's, 32 bits up.
/// let ann = Present { member: 7 << 32 | 1, name: Some("ann".into()), meta: "null".into() };
/// assert_eq!(Change::Here(ann).member(), Change::Gone(7 << 32 | 1).member());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Somebody is present, or what others should know of him has changed.
    Here(Present),
    /// A connection is not present any more.
    Gone(u64),
}

impl Change {
    /// The connection that it is about.
    pub const fn member(&self) -> u64 {
        match self {
            Self::Here(present) => present.member,
            Self::Gone(member) => *member,
        }
    }
}

impl Envelope {
    /// Writes it for a channel.
    pub fn encode(&self, sender: Sender, channel: &Channel) -> Bytes {
        let mut octets = BytesMut::with_capacity(HEAD + self.octets());
        octets.extend_from_slice(&[MAGIC, VERSION, self.kind(), 0, 0, 0, 0]);
        writer::write(self, sender, &mut octets);
        let sum = checksum(&octets, channel).to_be_bytes();
        if let Some(place) = octets.get_mut(3..7) {
            place.copy_from_slice(&sum);
        }
        octets.freeze()
    }

    /// Reads what came on a channel; `None` for what is no envelope.
    pub fn decode(octets: &Bytes, channel: &Channel) -> Option<(Sender, Self)> {
        let [MAGIC, VERSION, kind, a, b, c, d, ..] = octets[..] else {
            return None;
        };
        if checksum(octets, channel) != u32::from_be_bytes([a, b, c, d]) {
            return None;
        }
        Reader::new(octets.slice(7..)).envelope(kind)
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Message { .. } => 1,
            Self::Mark { .. } => 2,
            Self::Ask { .. } => 3,
            Self::Asked { .. } => 4,
            Self::Beat { .. } => 5,
            Self::Changes { .. } => 6,
            Self::Resync => 7,
            Self::State { .. } => 8,
            Self::Operation { .. } => 9,
            Self::Answer { .. } => 10,
            Self::Leave => 11,
            Self::GivenUp { .. } => 12,
        }
    }

    /// About how long it is, for what is long.
    pub(super) const fn octets(&self) -> usize {
        match self {
            Self::Message { parcel, .. } => parcel.payload.len() + 32,
            Self::Answer { answer, .. } => answer.text.len() + 32,
            Self::Asked { marked, .. } => marked.len() * 2 + 32,
            Self::GivenUp { runs, .. } => runs.len() * 24 + 32,
            _ => 64,
        }
    }
}

/// What octets 3 to 6 of an envelope say in this channel: CRC-32 over the channel and all of the other octets.
///
/// For tests that want a false envelope to be read.
///
/// ```
/// use wireline::relay::backplane::Channel;
/// use wireline::relay::cluster::envelope::{Envelope, Sender, checksum};
///
/// let octets = Envelope::Leave.encode(Sender { node: 7, life: 1 }, &Channel::All);
/// assert_eq!(octets[3..7], checksum(&octets, &Channel::All).to_be_bytes());
/// assert_ne!(octets[3..7], checksum(&octets, &Channel::Node(9)).to_be_bytes());
/// ```
pub fn checksum(octets: &[u8], channel: &Channel) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    match channel {
        Channel::Topic(topic) => {
            sum.update(b"t");
            sum.update(topic.as_str().as_bytes());
        }
        Channel::Node(node) => {
            sum.update(b"n");
            sum.update(&node.to_be_bytes());
        }
        Channel::All => sum.update(b"a"),
    }
    sum.update(octets.get(..3).unwrap_or_default());
    sum.update(octets.get(7..).unwrap_or_default());
    sum.finalize()
}

/// No digit, and no beginning of a text.
const MAGIC: u8 = 0xB5;
const VERSION: u8 = 2;
const HEAD: usize = 19;

/// Numbers of nodes are below this.
const NODES: u64 = 1 << 21;

/// Numbers of messages are below this, so that nobody can make offsets overflow.
const NUMBERS: u64 = 1 << 48;

#[cfg(test)]
mod tests;
