//! What the node wants, in batches.

use crate::relay::backplane::redis::names::Names;
use crate::relay::backplane::redis::nobody;
use crate::relay::backplane::redis::pushes::Left;
use crate::relay::backplane::redis::scripts::{APPEND, READ, Scripts};
use crate::relay::backplane::{Command, Event};
use crate::relay::hub::Topic;
use crate::resource::redis::{Connection, RedisError, Slots};
use crate::wire::number::decimal;
use bytes::Bytes;
use redis::{Pipeline, Value};
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Carries out commands on two connections to a server, or to each one of a cluster.
pub(super) struct Commands {
    pub(super) lines: Vec<Line>,
    /// Which of them has which names.
    pub(super) slots: Slots,
    pub(super) names: Names,
    pub(super) is_sharded: bool,
    pub(super) scripts: Scripts,
    pub(super) left: Arc<Left>,
    pub(super) events: mpsc::Sender<Event>,
}

/// The connections to one server.
pub(super) struct Line {
    pub(super) connection: Connection,
    pub(super) subscriber: Arc<Connection>,
    /// The run of the server, if epochs end with it.
    pub(super) run: String,
}

/// What is sent to a server at once, and who hears of the answers.
#[derive(Default)]
struct Batch {
    /// What is for the connection for subscriptions.
    channels: Pipeline,
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
        for line in &mut self.lines {
            let answers = line.connection.ask(&all).await?;
            let mut texts = answers.into_iter().map(text);
            let mut next = || texts.next().unwrap_or_else(|| Err(not_understood()));
            // The same everywhere: they are digests.
            self.scripts.append = next()?;
            self.scripts.read = next()?;
            if !is_durable {
                let about = next()?;
                let run = about.lines().find_map(|line| line.strip_prefix("run_id:"));
                line.run = run.ok_or_else(not_understood)?.trim().to_owned();
            }
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
        let mut batches: Vec<Batch> = self.lines.iter().map(|_| Batch::default()).collect();
        let is_idle = wanted.is_empty();
        for command in wanted.drain(..) {
            self.add(command, &mut batches)?;
        }
        for batch in &mut batches {
            if is_idle {
                batch.all.cmd("PING");
                batch.asked.push(Asked::Ping);
            }
        }
        // What is taken earlier than it had to be takes no harm.
        let channels = self.lines.iter().zip(&batches);
        let channels = channels.filter(|(_, batch)| !batch.channels.is_empty());
        let taken = channels.map(|(line, batch)| line.subscriber.ask(&batch.channels));
        for answers in together(taken).await {
            for answer in answers? {
                // Nobody may miss silently what he has asked for.
                if let Value::ServerError(error) = answer {
                    return Err(RedisError::new(redis::RedisError::from(error)));
                }
            }
        }
        let asking = self.lines.iter().zip(&batches);
        let asking = asking.filter(|(_, batch)| !batch.asked.is_empty());
        let answered = together(asking.map(|(line, batch)| line.connection.ask(&batch.all))).await;
        let asked = batches.into_iter().filter(|batch| !batch.asked.is_empty());
        for (batch, answers) in asked.zip(answered) {
            for (asked, answer) in batch.asked.into_iter().zip(answers?) {
                self.tell(asked, answer).await?;
            }
        }
        Ok(())
    }

    fn add(&self, command: Command, batches: &mut [Batch]) -> Result<(), RedisError> {
        let name = match &command {
            Command::Subscribe(channel)
            | Command::Unsubscribe(channel)
            | Command::Publish { channel, .. } => self.names.channel(channel),
            Command::Append { topic, .. } | Command::Read { topic, .. } => self.names.topic(topic),
        };
        let at = self.slots.of(name.as_bytes());
        let (Some(line), Some(batch)) = (self.lines.get(at), batches.get_mut(at)) else {
            return Err(not_understood());
        };
        match command {
            Command::Subscribe(_) => {
                let word = self.word("SUBSCRIBE", "SSUBSCRIBE");
                batch.channels.cmd(word).arg(name);
            }
            Command::Unsubscribe(_) => {
                self.left.leave(&name);
                let word = self.word("UNSUBSCRIBE", "SUNSUBSCRIBE");
                batch.channels.cmd(word).arg(name);
            }
            Command::Publish { id, message, .. } => {
                let publish = batch.all.cmd(self.word("PUBLISH", "SPUBLISH"));
                publish.arg(name).arg(&*message);
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
                let before = batch.under_way.insert((topic, origin), seq);
                let append = batch.all.cmd("EVALSHA").arg(&self.scripts.append).arg(3);
                append
                    .arg(format!("{name}:meta"))
                    .arg(format!("{name}:log"));
                append.arg(format!("{name}:from:{:x}:{:x}", origin.0, origin.1));
                append.arg(seq);
                append.arg(before.map_or_else(String::new, |seq| seq.to_string()));
                append.arg(random_epoch()?).arg(&line.run);
                append
                    .arg(keep.messages)
                    .arg(keep.octets)
                    .arg(keep.age.clamp(1, LONGEST));
                append.arg(self.word("PUBLISH", "SPUBLISH")).arg(name);
                append.arg(&*message);
                batch.asked.push(Asked::Done(id));
            }
            Command::Read {
                id, after, most, ..
            } => {
                let read = batch.all.cmd("EVALSHA").arg(&self.scripts.read).arg(2);
                read.arg(format!("{name}:meta")).arg(format!("{name}:log"));
                match after {
                    Some((epoch, offset)) => read.arg(epoch).arg(offset),
                    None => read.arg("").arg(""),
                };
                read.arg(most.min(MOST_READ))
                    .arg(random_epoch()?)
                    .arg(&line.run);
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

/// Waits for all of them at once, and gives what came of each.
async fn together<T>(all: impl Iterator<Item = impl Future<Output = T> + Send>) -> Vec<T> {
    let mut all: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    poll_fn(|cx| {
        let mut is_done = true;
        for (one, done) in &mut all {
            if done.is_none() {
                match one.as_mut().poll(cx) {
                    Poll::Ready(came) => *done = Some(came),
                    Poll::Pending => is_done = false,
                }
            }
        }
        if is_done {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    all.into_iter().filter_map(|(_, done)| done).collect()
}

/// Fails when the server is not the one to talk to any more: it lost its scripts, it is a replica now, it is starting, or another one
/// of its cluster has the slot.
fn fail_for(answer: &Value) -> Result<(), RedisError> {
    let Value::ServerError(error) = answer else {
        return Ok(());
    };
    match error.code() {
        "NOSCRIPT" | "READONLY" | "LOADING" | "MASTERDOWN" | "NOAUTH" | "MOVED" | "ASK"
        | "TRYAGAIN" | "CLUSTERDOWN" => {
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
