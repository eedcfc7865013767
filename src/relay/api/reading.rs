//! What can be asked.

use super::answer::{Answer, wrong};
use crate::relay::endpoint::{
    ClusterHandle, ClusterNode, Connection, Partial, PresenceEntry, Relay, Stats, Whom,
};
use crate::relay::hub::{Entry, Resume, Topic};
use crate::service::error::Error;
use crate::service::request::Parts;
use crate::wire::number::decimal;
use crate::ws::prepared::Prepared;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::pin::Pin;

pub(super) type Read = for<'a> fn(&'a Relay, &'a Parts) -> Reading<'a>;

type Reading<'a> = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send + 'a>>;

/// `GET /presence?topic=`
pub(super) fn presence(relay: &Relay, parts: &Parts) -> Result<Answer, Error> {
    #[derive(Serialize)]
    struct Presence<'a> {
        topic: &'a str,
        count: usize,
        users: usize,
        members: &'a [PresenceEntry],
        more: bool,
    }
    let topic = topic(parts)?;
    let members = relay.presence(&topic);
    let shown = members.len().min(MOST);
    Answer::json(&Presence {
        topic: topic.as_str(),
        count: members.len(),
        users: relay.presence_users(&topic),
        members: &members[..shown],
        more: members.len() > shown,
    })
}

/// `GET /history?topic=&limit=&epoch=&offset=`, or with what the last page has named as `next`, `GET /history?topic=&limit=&since=`
pub(super) async fn history(relay: &Relay, parts: &Parts) -> Result<Answer, Error> {
    #[derive(Serialize)]
    struct History<'a> {
        epoch: u64,
        offset: u64,
        recovered: bool,
        messages: Vec<Kept<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    }
    let (topic, limit) = (topic(parts)?, limit(parts)?);
    let resume = match (since(parts)?, number(parts, "epoch")?) {
        (Some(since), _) => since,
        (None, Some(epoch)) => Resume::Since {
            epoch,
            offset: number(parts, "offset")?.unwrap_or(0),
        },
        (None, None) => Resume::Newest(limit),
    };
    let found = relay.history_page(&topic, resume, limit).await;
    let found = found.map_err(|error| wrong(error.to_string()))?;
    // Where a reader stands who has these: what it asks for next begins there.
    let next = found.next();
    let (epoch, offset) = match next {
        Some(Resume::Since { epoch, offset }) => (epoch, offset),
        _ => (found.epoch, found.offset),
    };
    Answer::json(&History {
        epoch,
        offset,
        recovered: found.complete,
        messages: found.entries.iter().filter_map(Kept::of).collect(),
        next: next.map(|_| format!("{epoch}:{offset}")),
    })
}

/// Where a page ended, as `81:500`: epoch and offset.
fn since(parts: &Parts) -> Result<Option<Resume>, Error> {
    let Some(since) = parts.query_value("since") else {
        return Ok(None);
    };
    let numbers = since.split_once(':').and_then(|(epoch, offset)| {
        Some((decimal(epoch.as_bytes())?, decimal(offset.as_bytes())?))
    });
    let (epoch, offset) = numbers.ok_or_else(|| wrong("since is no end of a page"))?;
    Ok(Some(Resume::Since { epoch, offset }))
}

/// A message that was kept.
#[derive(Serialize)]
struct Kept<'a> {
    offset: u64,
    event: Cow<'a, str>,
    payload: &'a RawValue,
}

impl<'a> Kept<'a> {
    /// `None` for what is no push: it was published in another way.
    fn of(entry: &'a Entry<Prepared>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Push<'a> {
            #[serde(borrow)]
            event: Cow<'a, str>,
            #[serde(borrow)]
            payload: &'a RawValue,
        }
        let push: Push<'a> = serde_json::from_slice(entry.message.payload()).ok()?;
        Some(Self {
            offset: entry.offset,
            event: push.event,
            payload: push.payload,
        })
    }
}

/// `GET /topics?limit=`, or of all nodes `GET /topics?topic=`
pub(super) async fn topics(relay: &Relay, parts: &Parts) -> Result<Answer, Error> {
    #[derive(Serialize)]
    struct Topics<'a> {
        count: usize,
        topics: Vec<Subscribed<'a>>,
        #[serde(flatten)]
        whose: Whose,
    }
    #[derive(Serialize)]
    struct Subscribed<'a> {
        topic: &'a str,
        subscribers: usize,
    }
    if parts.query_value("topic").is_some() {
        let topic = topic(parts)?;
        let subscribers = match relay.cluster() {
            Some(cluster) => cluster.subscribers(&topic).await,
            None => Ok(Partial::whole(relay.hub().subscribers(&topic))),
        };
        let subscribers = subscribers.map_err(|error| wrong(error.to_string()))?;
        let topics = (subscribers.value > 0).then_some(Subscribed {
            topic: topic.as_str(),
            subscribers: subscribers.value,
        });
        return Answer::json(&Topics {
            count: usize::from(subscribers.value > 0),
            topics: topics.into_iter().collect(),
            whose: Whose::all_but(subscribers.missing),
        });
    }
    let largest = relay.hub().largest(limit(parts)?);
    let topics = largest.iter().map(|(topic, subscribers)| Subscribed {
        topic: topic.as_str(),
        subscribers: *subscribers,
    });
    Answer::json(&Topics {
        count: relay.hub().len(),
        topics: topics.collect(),
        whose: Whose::of(relay),
    })
}

/// `GET /connections?limit=`, or of all nodes `GET /connections?user=&limit=`
pub(super) async fn connections(relay: &Relay, parts: &Parts) -> Result<Answer, Error> {
    #[derive(Serialize)]
    struct Connections {
        count: u64,
        connections: Vec<Connection>,
        #[serde(flatten)]
        whose: Whose,
    }
    let limit = limit(parts)?;
    if let Some(user) = parts.query_value("user") {
        let whom = Some(Whom::User(&user));
        let found = match relay.cluster() {
            Some(cluster) => cluster.connections(whom, limit).await,
            None => Partial::whole(relay.list(whom, limit).1),
        };
        return Answer::json(&Connections {
            count: found.value.len() as u64,
            connections: found.value,
            whose: Whose::all_but(found.missing),
        });
    }
    Answer::json(&Connections {
        count: relay.stats().connections,
        connections: relay.connections(limit),
        whose: Whose::of(relay),
    })
}

/// Whose answer it is, where there are several nodes.
#[derive(Serialize)]
struct Whose {
    /// The one whose alone it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<u64>,
    /// Those that belong to it and have not answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_nodes: Vec<u64>,
}

impl Whose {
    fn of(relay: &Relay) -> Self {
        Self {
            node: relay.cluster().map(|cluster| cluster.node()),
            missing_nodes: Vec::new(),
        }
    }

    const fn all_but(missing_nodes: Vec<u64>) -> Self {
        Self {
            node: None,
            missing_nodes,
        }
    }
}

/// `GET /stats`
pub(super) fn stats(relay: &Relay) -> Result<Answer, Error> {
    #[derive(Serialize)]
    struct Shown {
        #[serde(flatten)]
        stats: Stats,
        #[serde(skip_serializing_if = "Option::is_none")]
        cluster: Option<Clustered>,
    }
    Answer::json(&Shown {
        stats: relay.stats(),
        cluster: relay.cluster().map(|cluster| Clustered::of(&cluster)),
    })
}

/// A node among others.
#[derive(Serialize)]
struct Clustered {
    node: u64,
    backplane: &'static str,
    is_up: bool,
    since_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    nodes: Vec<ClusterNode>,
    topics: u64,
    waiting: u64,
    waiting_octets: u64,
    lag_ms: u64,
    sent: u64,
    received: u64,
    duplicates: u64,
    lost: u64,
    dropped: u64,
    garbled: u64,
    forgotten: u64,
    connects: u64,
    departed: u64,
}

impl Clustered {
    fn of(cluster: &ClusterHandle) -> Self {
        let standing = cluster.standing();
        Self {
            node: cluster.node(),
            backplane: cluster.backplane(),
            is_up: standing.is_up,
            since_ms: standing.since,
            trouble: cluster.trouble().filter(|_| !standing.is_up),
            nodes: cluster.nodes(),
            topics: standing.topics,
            waiting: standing.waiting,
            waiting_octets: standing.waiting_octets,
            lag_ms: standing.lag,
            sent: standing.sent,
            received: standing.received,
            duplicates: standing.duplicates,
            lost: standing.lost,
            dropped: standing.dropped,
            garbled: standing.garbled,
            forgotten: standing.forgotten,
            connects: standing.connects,
            departed: standing.departed,
        }
    }
}

fn topic(parts: &Parts) -> Result<Topic, Error> {
    let name = parts
        .query_value("topic")
        .ok_or_else(|| wrong("there is no topic"))?;
    Topic::new(&name).map_err(|error| wrong(error.to_string()))
}

fn limit(parts: &Parts) -> Result<usize, Error> {
    let limit = number(parts, "limit")?.map(usize::try_from);
    Ok(limit.map_or(USUAL, |limit| limit.map_or(MOST, |limit| limit.min(MOST))))
}

fn number(parts: &Parts, name: &'static str) -> Result<Option<u64>, Error> {
    let value = parts.query_value(name);
    let number = value.map(|value| {
        decimal(value.as_bytes()).ok_or_else(|| wrong(format!("{name} is no number")))
    });
    number.transpose()
}

/// How many there are in an answer, unless said otherwise, and at most.
const USUAL: usize = 100;
const MOST: usize = 1000;
