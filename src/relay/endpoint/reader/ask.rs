//! What a reader asks for, in the query of its request.

use super::cursor::Cursor;
use crate::relay::endpoint::Relay;
use crate::relay::hub::Topic;
use crate::service::error::Error;
use crate::service::request::Parts;
use crate::wire::number::decimal;
use http::StatusCode;
use serde::Serialize;
use std::time::Duration;

/// What a reader asks for.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) cursor: Cursor,
    rewind: Option<u32>,
    presence: bool,
    /// One for each topic that wants one, in their order.
    tokens: Vec<String>,
    pub(super) wait: Duration,
}

/// A request to subscribe, as a client writes it.
#[derive(Serialize)]
struct Subscribe<'a> {
    r#type: &'static str,
    topic: &'a str,
    r#ref: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rewind: Option<u32>,
    presence: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

impl Ask {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for the client: 400.
    pub(super) fn of(parts: &Parts, relay: &Relay) -> Result<Self, Error> {
        let (mut topics, mut tokens) = (Vec::new(), Vec::new());
        let (mut said, mut rewind, mut presence, mut wait) = (None, None, false, WAIT);
        for (name, value) in parts.query_pairs() {
            match name.as_str() {
                "topic" => {
                    let topic = Topic::new(&value).map_err(|error| refuse(error.to_string()))?;
                    if !topics.contains(&topic) {
                        topics.push(topic);
                    }
                    let most = relay.inner.settings.max_subscriptions;
                    if topics.len() > most {
                        return Err(refuse(format!("there are more than {most} topics")));
                    }
                }
                "token" => tokens.push(value),
                "cursor" => said = Some(value),
                "rewind" => {
                    let count = number(&name, &value)?;
                    rewind = Some(u32::try_from(count).unwrap_or(u32::MAX));
                }
                "presence" => presence = matches!(value.as_str(), "1" | "true"),
                "wait" => wait = Duration::from_secs(number(&name, &value)?).min(LONGEST_WAIT),
                _ => {}
            }
        }
        if topics.is_empty() {
            return Err(refuse("there is no topic"));
        }
        // What a browser has seen last is newer than the address that its page gave it.
        if let Some(last) = parts.header("last-event-id")
            && !last.as_bytes().is_empty()
        {
            let last = last
                .to_str()
                .map_err(|_| refuse("Last-Event-ID is no cursor"))?;
            said = Some(last.to_owned());
        }
        let cursor = Cursor::new(topics, said.as_deref()).map_err(refuse)?;
        if !cursor.fits() {
            return Err(refuse(
                "the names of the topics are too long for one cursor",
            ));
        }
        Ok(Self {
            cursor,
            rewind,
            presence,
            tokens,
            wait,
        })
    }

    /// The requests to subscribe, whose `ref` is the place of their topic.
    pub(super) fn requests(&self, relay: &Relay) -> Vec<String> {
        let judges = &relay.inner.settings.tokens;
        let mut tokens = self.tokens.iter();
        let topics = self.cursor.topics().enumerate();
        let requests = topics.map(|(place, (topic, position))| Subscribe {
            r#type: "subscribe",
            topic: topic.as_str(),
            r#ref: place,
            epoch: position.map(|position| position.epoch),
            offset: position.map(|position| position.offset),
            rewind: self.rewind.filter(|_| position.is_none()),
            presence: self.presence,
            token: judges
                .find(topic.as_str())
                .and_then(|_| tokens.next())
                .map(String::as_str),
        });
        // Strings as keys, and no type that can fail.
        requests
            .map(|request| serde_json::to_string(&request).unwrap_or_default())
            .collect()
    }

    /// Nobody is told who is present.
    pub(super) fn without_presence(mut self) -> Self {
        self.presence = false;
        self
    }
}

fn number(name: &str, value: &str) -> Result<u64, Error> {
    decimal(value.as_bytes()).ok_or_else(|| refuse(format!("{name} is no number")))
}

fn refuse(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(StatusCode::BAD_REQUEST, detail)
}

/// How long a long poll waits that does not say.
const WAIT: Duration = Duration::from_secs(25);

/// How long any long poll waits.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
