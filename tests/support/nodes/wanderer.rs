//! A reader that goes from node to node, and goes on where it was: with the epoch and the offset of what it had.

use super::Failure;
use super::verdict::Stamp;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use wireline::ws::prelude::*;

/// What came of it.
#[derive(Default)]
pub(crate) struct Journal {
    /// How often it came to a node with a place.
    pub(crate) returns: u64,
    /// How often nothing was missing there.
    pub(crate) recovered: u64,
    pub(crate) complaints: Vec<String>,
}

/// What it hears.
#[derive(Deserialize)]
struct Heard {
    r#type: String,
    #[serde(default)]
    payload: Option<Stamp>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    epoch: u64,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    recovered: bool,
    #[serde(default)]
    missed: u64,
    #[serde(default)]
    count: u64,
}

#[derive(Default)]
struct Wanderer {
    topic: String,
    /// The epoch and the offset of what it had last.
    at: Option<(u64, u64)>,
    /// The last number of each publisher.
    had: BTreeMap<usize, u64>,
    /// What it had without an offset, which it may get again with one.
    uncounted: BTreeSet<(usize, u64)>,
    /// How many were told to be missing, and not yet found to be.
    told: u64,
    journal: Journal,
}

/// Reads a topic, now here, now there, until it is told to stop.
pub(super) async fn wander(
    ports: Vec<u16>,
    number: usize,
    topic: String,
    mut stop: watch::Receiver<bool>,
) -> Result<Journal, Failure> {
    let mut wanderer = Wanderer {
        topic,
        ..Wanderer::default()
    };
    let mut turn = number;
    while !*stop.borrow() {
        let port = ports[turn % ports.len()];
        // From 0.2 to 1.1 s, not all at the same time.
        let stays = Duration::from_millis(200 + 100 * ((turn * 7 + number * 3) % 10) as u64);
        wanderer.visit(port, stays, &mut stop).await?;
        turn += 1;
    }
    Ok(wanderer.journal)
}

impl Wanderer {
    async fn visit(
        &mut self,
        port: u16,
        stays: Duration,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let url = format!("ws://127.0.0.1:{port}/ws");
        let mut socket = wireline::ws::client::connect(&url).await?;
        let topic = &self.topic;
        let subscribe = match self.at {
            Some((epoch, offset)) => format!(
                r#"{{"type":"subscribe","topic":"{topic}","ref":1,"epoch":{epoch},"offset":{offset}}}"#
            ),
            None => format!(r#"{{"type":"subscribe","topic":"{topic}","ref":1}}"#),
        };
        socket.send(Message::Text(subscribe.into())).await?;
        let mut until = Instant::now() + ANSWER;
        let mut is_subscribed = false;
        loop {
            let message = tokio::select! {
                message = timeout_at(until, socket.recv_msg()) => message,
                _ = stop.changed() => return Ok(()),
            };
            match message {
                Ok(Some(message)) => {
                    let Some(text) = message.as_text() else {
                        continue;
                    };
                    let heard: Heard = serde_json::from_str(text)?;
                    if heard.r#type == "subscribed" {
                        is_subscribed = true;
                        until = Instant::now() + stays;
                        self.arrive(&heard);
                    } else {
                        self.take(&heard);
                    }
                }
                Ok(None) => return Err("its socket has ended".into()),
                Err(_) if is_subscribed => return Ok(()),
                Err(_) => return Err("it was not subscribed".into()),
            }
        }
    }

    /// What the node says of where it stands.
    fn arrive(&mut self, heard: &Heard) {
        let now = (heard.epoch, heard.offset);
        if let Some(had) = self.at {
            self.journal.returns += 1;
            if heard.recovered {
                self.journal.recovered += 1;
                if now != had {
                    self.complain(format!("it had {had:?}, and goes on from {now:?}"));
                }
            } else if now.0 == had.0 && now.1 >= had.1 {
                // The same order, which all have, and nothing of it is kept?
                self.complain(format!("it had {had:?}, and missed something at {now:?}"));
            }
        }
        if !heard.recovered || self.at.is_none() {
            self.had.clear();
            self.uncounted.clear();
            self.told = 0;
        }
        self.at = Some(now);
    }

    fn take(&mut self, heard: &Heard) {
        let is_counted = heard.to.is_none();
        let step = match &*heard.r#type {
            "push" => u64::from(is_counted),
            "lagged" if is_counted => heard.missed,
            "skipped" => heard.count,
            _ => 0,
        };
        if let Some((_, offset)) = &mut self.at {
            *offset += step;
        }
        match (&*heard.r#type, heard.payload) {
            ("push", Some(stamp)) => self.push(stamp, is_counted),
            ("lagged", _) => self.told += heard.missed,
            ("skipped", _) => {}
            (other, _) => self.complain(format!("an unexpected {other}")),
        }
    }

    fn push(&mut self, stamp: Stamp, is_counted: bool) {
        let place = (stamp.by, stamp.n);
        let had = self.had.get(&stamp.by).copied();
        match had {
            Some(had) if stamp.n <= had => {
                if !self.uncounted.contains(&place) {
                    self.complain(format!("{place:?} came again behind {had}"));
                }
                return;
            }
            Some(had) if stamp.n > had + 1 => {
                let missing = stamp.n - had - 1;
                match self.told.checked_sub(missing) {
                    Some(left) => self.told = left,
                    None => self.complain(format!("{place:?} came behind {had}")),
                }
            }
            _ => {}
        }
        self.had.insert(stamp.by, stamp.n);
        if !is_counted {
            self.uncounted.insert(place);
        }
    }

    fn complain(&mut self, what: String) {
        let (topic, at) = (&self.topic, self.at);
        let what = format!("a reader of {topic} that wanders, at {at:?}: {what}");
        self.journal.complaints.push(what);
    }
}

/// A node waits a second for its broker before it says that somebody is subscribed.
const ANSWER: Duration = Duration::from_secs(20);
