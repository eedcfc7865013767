//! What can be done.

use super::answer::{Answer, wrong};
use crate::relay::endpoint::{Partial, Payload, PushError, Relay, Whom};
use crate::relay::hub::{Elsewhere, InvalidTopic, Published, Topic};
use crate::service::error::Error;
use crate::ws::close::{CloseCode, LONGEST_REASON};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The content of a request, which says what is to be done.
pub(super) trait Act: DeserializeOwned + Send + 'static {
    /// Does it.
    fn act(self, relay: Relay) -> impl Future<Output = Result<Answer, Error>> + Send;
}

/// `POST /publish`
#[derive(Deserialize)]
pub(super) struct Publish {
    topic: String,
    event: String,
    #[serde(default)]
    payload: Payload,
    except: Option<u64>,
}

/// What became of one message.
#[derive(Serialize)]
struct Done {
    epoch: u64,
    offset: u64,
    subscribers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    elsewhere: Option<&'static str>,
}

/// What is to be said of the other nodes, when they do not get it now.
const fn elsewhere(published: &Published) -> Option<&'static str> {
    match published.elsewhere {
        Elsewhere::Waits => Some("waits"),
        Elsewhere::GivenUp => Some("given_up"),
        _ => None,
    }
}

impl Act for Publish {
    async fn act(self, relay: Relay) -> Result<Answer, Error> {
        fits(&self.event, &self.payload)?;
        let topic = named(&self.topic)?;
        let published = match self.except {
            Some(except) => {
                relay
                    .push_from(except, &topic, &self.event, &self.payload)
                    .await
            }
            None => relay.push(&topic, &self.event, &self.payload).await,
        };
        let published = published.map_err(refused)?;
        Answer::json(&Done {
            epoch: published.epoch,
            offset: published.offset,
            subscribers: published.subscribers,
            elsewhere: elsewhere(&published),
        })
    }
}

/// `POST /broadcast`
#[derive(Deserialize)]
pub(super) struct Broadcast {
    topics: Vec<String>,
    event: String,
    #[serde(default)]
    payload: Payload,
}

impl Act for Broadcast {
    async fn act(self, relay: Relay) -> Result<Answer, Error> {
        #[derive(Serialize)]
        struct Results {
            results: Vec<DoneIn>,
        }
        #[derive(Serialize)]
        struct DoneIn {
            topic: String,
            epoch: u64,
            offset: u64,
            subscribers: usize,
            #[serde(skip_serializing_if = "Option::is_none")]
            elsewhere: Option<&'static str>,
        }
        fits(&self.event, &self.payload)?;
        if self.topics.len() > MOST_TOPICS {
            return Err(wrong(format!("there are more than {MOST_TOPICS} topics")));
        }
        // All or none: a wrong name is found before anything is published.
        let topics: Result<Vec<Topic>, Error> =
            self.topics.iter().map(|topic| named(topic)).collect();
        let mut results = Vec::new();
        for (topic, name) in topics?.into_iter().zip(self.topics) {
            let published = relay
                .push(topic, &self.event, &self.payload)
                .await
                .map_err(refused)?;
            results.push(DoneIn {
                topic: name,
                epoch: published.epoch,
                offset: published.offset,
                subscribers: published.subscribers,
                elsewhere: elsewhere(&published),
            });
        }
        Answer::json(&Results { results })
    }
}

/// `POST /push_to_user`
#[derive(Deserialize)]
pub(super) struct PushToUser {
    user: String,
    topic: String,
    event: String,
    #[serde(default)]
    payload: Payload,
}

impl Act for PushToUser {
    async fn act(self, relay: Relay) -> Result<Answer, Error> {
        fits(&self.event, &self.payload)?;
        let topic = named(&self.topic)?;
        let Self {
            user,
            event,
            payload,
            ..
        } = &self;
        let pushed = match relay.cluster() {
            Some(cluster) => cluster.push_to_user(user, topic, event, payload).await,
            None => (relay.push_to_user(user, topic, event, payload).await).map(Partial::whole),
        };
        reached(pushed.map_err(refused)?)
    }
}

/// `POST /subscribe`
#[derive(Deserialize)]
pub(super) struct Subscribe {
    topic: String,
    conn_id: Option<u64>,
    user: Option<String>,
}

impl Act for Subscribe {
    async fn act(self, relay: Relay) -> Result<Answer, Error> {
        let topic = named(&self.topic)?;
        let whom = whom(self.conn_id, self.user.as_deref())?;
        let subscribed = match relay.cluster() {
            Some(cluster) => cluster.subscribe(whom, topic).await,
            None => relay.subscribe(whom, topic).map(Partial::whole),
        };
        reached(subscribed.map_err(nameless)?)
    }
}

/// `POST /unsubscribe`
#[derive(Deserialize)]
pub(super) struct Unsubscribe {
    topic: String,
    conn_id: Option<u64>,
    user: Option<String>,
}

impl Act for Unsubscribe {
    async fn act(self, relay: Relay) -> Result<Answer, Error> {
        let topic = named(&self.topic)?;
        let whom = whom(self.conn_id, self.user.as_deref())?;
        let unsubscribed = match relay.cluster() {
            Some(cluster) => cluster.unsubscribe(whom, topic).await,
            None => relay.unsubscribe(whom, topic).map(Partial::whole),
        };
        reached(unsubscribed.map_err(nameless)?)
    }
}

/// `POST /disconnect`
#[derive(Deserialize)]
pub(super) struct Disconnect {
    conn_id: Option<u64>,
    user: Option<String>,
    code: Option<u16>,
    #[serde(default)]
    reason: String,
}

impl Act for Disconnect {
    async fn act(self, relay: Relay) -> Result<Answer, Error> {
        let whom = whom(self.conn_id, self.user.as_deref())?;
        let code = self.code.unwrap_or(DISCONNECTED);
        let code = CloseCode::new(code).filter(|code| CODES.contains(&code.get()));
        let code = code.ok_or_else(|| wrong("code is not one of 4000 to 4999"))?;
        if self.reason.len() > LONGEST_REASON {
            return Err(wrong(format!(
                "the reason has more than {LONGEST_REASON} octets"
            )));
        }
        reached(match relay.cluster() {
            Some(cluster) => cluster.disconnect(whom, code, &self.reason).await,
            None => Partial::whole(relay.disconnect(whom, code, &self.reason)),
        })
    }
}

/// How many connections it was done to, on all nodes that have answered.
fn reached(connections: Partial<usize>) -> Result<Answer, Error> {
    #[derive(Serialize)]
    struct Reached {
        connections: usize,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        missing_nodes: Vec<u64>,
    }
    Answer::json(&Reached {
        connections: connections.value,
        missing_nodes: connections.missing,
    })
}

fn fits(event: &str, payload: &Payload) -> Result<(), Error> {
    if event.len() + payload.get().len() <= LONGEST {
        return Ok(());
    }
    let detail = format!("event and payload have more than {LONGEST} octets");
    Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
}

fn named(topic: &str) -> Result<Topic, Error> {
    Topic::new(topic).map_err(nameless)
}

fn nameless(error: InvalidTopic) -> Error {
    wrong(error.to_string())
}

fn refused(error: PushError) -> Error {
    wrong(error.to_string())
}

fn whom(conn_id: Option<u64>, user: Option<&str>) -> Result<Whom<'_>, Error> {
    match (conn_id, user) {
        (Some(conn_id), None) => Ok(Whom::Connection(conn_id)),
        (None, Some(user)) => Ok(Whom::User(user)),
        _ => Err(wrong("one of conn_id and user says whom")),
    }
}

/// The octets of an event and its payload.
const LONGEST: usize = 64 << 10;

/// The topics of one broadcast.
const MOST_TOPICS: usize = 1000;

/// What an application may disconnect with, and what it is if it does not say.
const CODES: std::ops::RangeInclusive<u16> = 4000..=4999;
const DISCONNECTED: u16 = 4000;
