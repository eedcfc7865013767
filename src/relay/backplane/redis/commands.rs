//! What the node wants, in batches.

use crate::relay::backplane::redis::names::Names;
use crate::relay::backplane::redis::nobody;
use crate::relay::backplane::redis::scripts::{APPEND, READ, Scripts};
use crate::relay::backplane::{Command, Event};
use crate::relay::hub::Topic;
use crate::resource::redis::{Connection, RedisError};
use crate::wire::number::decimal;
use bytes::Bytes;
use redis::{Pipeline, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Carries out commands on two connections.
pub(super) struct Commands {
    pub(super) connection: Connection,
    pub(super) subscriber: Arc<Connection>,
    pub(super) names: Names,
    pub(super) is_sharded: bool,
    /// The run of the server, if epochs end with it.
    pub(super) run: String,
    pub(super) scripts: Scripts,
    pub(super) events: mpsc::Sender<Event>,
}

/// What is sent at once, and who hears of the answers.
#[derive(Default)]
struct Batch {
    all: Pipeline,
    asked: Vec<Asked>,
    /// The last of each origin in each topic that is under way.
    under_way: HashMap<(Topic, (u64, u64)), u64>,
}

enum Asked {
    /// Nobody.
    Ping,
    Done(u64),
    History(u64),
}

impl Commands {
    /// Asks what has to be known, and tells the scripts.
    pub(super) async fn prepare(mut self, is_durable: bool) -> Result<Self, RedisError> {
        let mut all = redis::pipe();
        all.cmd("SCRIPT").arg("LOAD").arg(APPEND);
        all.cmd("SCRIPT").arg("LOAD").arg(READ);
        all.cmd("INFO").arg("server");
        let answers = self.connection.ask(&all).await?;
        let mut texts = answers.into_iter().map(text);
        let mut next = || texts.next().unwrap_or_else(|| Err(not_understood()));
        self.scripts.append = next()?;
        self.scripts.read = next()?;
        if !is_durable {
            let about = next()?;
            let run = about.lines().find_map(|line| line.strip_prefix("run_id:"));
            self.run = run.ok_or_else(not_understood)?.trim().to_owned();
        }
        Ok(self)
    }

    /// Carries out what comes until something fails; gives what.
    pub(super) async fn carry_out(
        self,
        mut commands: mpsc::UnboundedReceiver<Command>,
    ) -> RedisError {
        let mut most_octets = FIRST_OCTETS;
        let mut wanted = Vec::new();
        let mut left_over = None;
        loop {
            let first = match left_over.take() {
                Some(command) => Some(command),
                None => match timeout(PAUSE, commands.recv()).await {
                    Ok(Some(command)) => Some(command),
                    Ok(None) => return nobody(),
                    Err(_) => None,
                },
            };
            let mut octets = first.as_ref().map_or(0, weight);
            wanted.extend(first);
            while wanted.len() < MOST_COMMANDS {
                let Ok(command) = commands.try_recv() else {
                    break;
                };
                octets += weight(&command);
                if octets > most_octets {
                    left_over = Some(command);
                    break;
                }
                wanted.push(command);
            }
            let begun = Instant::now();
            if let Err(why) = self.carry_out_all(&mut wanted).await {
                return why;
            }
            // What a slow line carries in a second: the server must not seem to be silent because much is under way.
            let took = begun.elapsed();
            if took > SLOW {
                most_octets = (most_octets / 2).max(LEAST_OCTETS);
            } else if took < QUICK && octets >= most_octets / 2 {
                most_octets = (most_octets * 2).min(MOST_OCTETS);
            }
        }
    }

    async fn carry_out_all(&self, wanted: &mut Vec<Command>) -> Result<(), RedisError> {
        // What is taken earlier than it had to be takes no harm.
        let mut channels = redis::pipe();
        let mut batch = Batch::default();
        for command in wanted.drain(..) {
            self.add(command, &mut channels, &mut batch)?;
        }
        if !channels.is_empty() {
            for answer in self.subscriber.ask(&channels).await? {
                // Nobody may miss silently what he has asked for.
                if let Value::ServerError(error) = answer {
                    return Err(RedisError::new(redis::RedisError::from(error)));
                }
            }
        } else if batch.asked.is_empty() {
            batch.all.cmd("PING");
            batch.asked.push(Asked::Ping);
        }
        if batch.asked.is_empty() {
            return Ok(());
        }
        let answers = self.connection.ask(&batch.all).await?;
        for (asked, answer) in batch.asked.into_iter().zip(answers) {
            self.tell(asked, answer).await?;
        }
        Ok(())
    }

    fn add(
        &self,
        command: Command,
        channels: &mut Pipeline,
        batch: &mut Batch,
    ) -> Result<(), RedisError> {
        match command {
            Command::Subscribe(channel) => {
                let name = self.names.channel(&channel);
                channels.cmd(self.word("SUBSCRIBE", "SSUBSCRIBE")).arg(name);
            }
            Command::Unsubscribe(channel) => {
                let name = self.names.channel(&channel);
                let word = self.word("UNSUBSCRIBE", "SUNSUBSCRIBE");
                channels.cmd(word).arg(name);
            }
            Command::Publish {
                id,
                channel,
                message,
            } => {
                let publish = batch.all.cmd(self.word("PUBLISH", "SPUBLISH"));
                publish.arg(self.names.channel(&channel)).arg(&*message);
                batch.asked.push(Asked::Done(id));
            }
            Command::Append {
                id,
                topic,
                origin,
                seq,
                keep,
                message,
            } => {
                let before = batch.under_way.insert((topic.clone(), origin), seq);
                let name = self.names.topic(&topic);
                let append = batch.all.cmd("EVALSHA").arg(&self.scripts.append).arg(3);
                append
                    .arg(format!("{name}:meta"))
                    .arg(format!("{name}:log"));
                append.arg(format!("{name}:from:{:x}:{:x}", origin.0, origin.1));
                append.arg(seq);
                append.arg(before.map_or_else(String::new, |seq| seq.to_string()));
                append.arg(random_epoch()?).arg(&self.run);
                append
                    .arg(keep.messages)
                    .arg(keep.octets)
                    .arg(keep.age.clamp(1, LONGEST));
                append.arg(self.word("PUBLISH", "SPUBLISH")).arg(name);
                append.arg(&*message);
                batch.asked.push(Asked::Done(id));
            }
            Command::Read {
                id,
                topic,
                after,
                most,
            } => {
                let name = self.names.topic(&topic);
                let read = batch.all.cmd("EVALSHA").arg(&self.scripts.read).arg(2);
                read.arg(format!("{name}:meta")).arg(format!("{name}:log"));
                match after {
                    Some((epoch, offset)) => read.arg(epoch).arg(offset),
                    None => read.arg("").arg(""),
                };
                read.arg(most.min(MOST_READ))
                    .arg(random_epoch()?)
                    .arg(&self.run);
                batch.asked.push(Asked::History(id));
            }
        }
        Ok(())
    }

    async fn tell(&self, asked: Asked, answer: Value) -> Result<(), RedisError> {
        fail_for(&answer)?;
        let event = match (asked, answer) {
            (Asked::Ping, _) => return Ok(()),
            (Asked::Done(id) | Asked::History(id), Value::ServerError(error)) => Event::Refused {
                id,
                why: redis::RedisError::from(error).to_string(),
            },
            (Asked::Done(id), Value::Int(_)) => Event::Done { id },
            (Asked::History(id), Value::Array(parts)) => {
                history(id, parts).ok_or_else(not_understood)?
            }
            _ => return Err(not_understood()),
        };
        self.events.send(event).await.map_err(|_| nobody())
    }

    const fn word(&self, plain: &'static str, sharded: &'static str) -> &'static str {
        if self.is_sharded { sharded } else { plain }
    }
}

/// Fails when the server is not the one to talk to any more: it lost its scripts, it is a replica now, it is starting.
fn fail_for(answer: &Value) -> Result<(), RedisError> {
    let Value::ServerError(error) = answer else {
        return Ok(());
    };
    match error.code() {
        "NOSCRIPT" | "READONLY" | "LOADING" | "MASTERDOWN" | "NOAUTH" => {
            Err(RedisError::new(redis::RedisError::from(error.clone())))
        }
        _ => Ok(()),
    }
}

/// What the script that reads says.
fn history(id: u64, parts: Vec<Value>) -> Option<Event> {
    let mut parts = parts.into_iter().map(|part| match part {
        Value::BulkString(octets) => Some(octets),
        _ => None,
    });
    let epoch = decimal(&parts.next()??)?;
    let last = decimal(&parts.next()??)?;
    let mut entries = Vec::new();
    while let Some(offset) = parts.next() {
        let (offset, age) = (decimal(&offset?)?, decimal(&parts.next()??)?);
        entries.push((offset, age, Bytes::from(parts.next()??)));
    }
    entries.reverse();
    Some(Event::History {
        id,
        epoch,
        last,
        entries,
    })
}

fn text(answer: Value) -> Result<String, RedisError> {
    match answer {
        Value::BulkString(octets) => String::from_utf8(octets).map_err(RedisError::new),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text),
        Value::ServerError(error) => Err(RedisError::new(redis::RedisError::from(error))),
        _ => Err(not_understood()),
    }
}

/// Below 2^53, and not 0.
fn random_epoch() -> Result<u64, RedisError> {
    let mut octets = [0; 8];
    getrandom::fill(&mut octets).map_err(RedisError::new)?;
    Ok((u64::from_be_bytes(octets) >> 11).max(1))
}

/// The octets of a command, with what it takes beside the message.
fn weight(command: &Command) -> usize {
    match command {
        Command::Publish { message, .. } | Command::Append { message, .. } => message.len() + 256,
        _ => 256,
    }
}

fn not_understood() -> RedisError {
    RedisError::new("the answer was not understood")
}

/// Between two questions whether the server is there, when there are no others.
const PAUSE: Duration = Duration::from_secs(1);

/// Ten years, in milliseconds: what the server takes for a time.
const LONGEST: u64 = 315_360_000_000;

/// What the server takes for a count.
const MOST_READ: usize = 1 << 30;

const MOST_COMMANDS: usize = 1024;

/// What is sent at once, at first, at the least and at the most.
const FIRST_OCTETS: usize = 32 << 10;
const LEAST_OCTETS: usize = 8 << 10;
const MOST_OCTETS: usize = 1 << 20;

const SLOW: Duration = Duration::from_secs(1);
const QUICK: Duration = Duration::from_millis(100);
