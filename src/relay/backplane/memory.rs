//! A backplane without a broker: several relays in one process.

mod history;
#[cfg(test)]
mod tests;

use self::history::{Appended, Histories};
use super::{Backplane, BackplaneError, Channel, Command, Event, Link};
use bytes::Bytes;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Carries messages between relays of one process, as a broker does between machines: the nodes are those who have a clone of it.
///
/// It keeps history, so topics with a retention have one order and one epoch for all nodes. What it holds is bounded: 64 MiB of
/// history in all, with the topics that are appended to giving up their oldest messages beyond it, 65,536 topics with history, and
/// 32 MiB that wait for a node, whose connection ends when there are more. All of it is gone when the last clone is.
///
/// [`cut`](Self::cut) makes it a broker that is away, for tests of what happens then.
///
/// ```
/// use bytes::Bytes;
/// use tokio::sync::mpsc;
/// use wireline::relay::backplane::memory::MemoryBackplane;
/// use wireline::relay::backplane::{Backplane, Channel, Command, Event, Link};
///
/// # async fn node() {
/// let backplane = MemoryBackplane::new();
/// let (commands, wanted) = mpsc::unbounded_channel();
/// let (events, mut happened) = mpsc::channel(16);
/// tokio::spawn(backplane.run(Link { commands: wanted, events }));
///
/// assert_eq!(happened.recv().await, Some(Event::Connected));
/// commands.send(Command::Subscribe(Channel::All)).unwrap();
/// assert_eq!(happened.recv().await, Some(Event::Subscribed(Channel::All)));
/// let message = Bytes::from_static(b"*");
/// commands.send(Command::Publish { id: 1, channel: Channel::All, message: message.clone() }).unwrap();
/// let came = Event::Message { channel: Channel::All, position: None, message };
/// assert_eq!(happened.recv().await, Some(came));
/// assert_eq!(happened.recv().await, Some(Event::Done { id: 1 }));
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(node());
/// ```
#[derive(Clone, Default)]
pub struct MemoryBackplane(Arc<Mutex<Bus>>);

impl MemoryBackplane {
    /// One that nobody has a clone of yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all connections, and refuses new ones until [`heal`](Self::heal). What is kept stays.
    pub fn cut(&self) {
        let mut bus = self.bus();
        bus.is_cut = true;
        for node in bus.nodes.values_mut() {
            node.end("the backplane was cut");
        }
    }

    /// Lets connections be made again.
    pub fn heal(&self) {
        self.bus().is_cut = false;
    }

    fn bus(&self) -> MutexGuard<'_, Bus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self) -> Result<Seat, BackplaneError> {
        let mut bus = self.bus();
        if bus.is_cut {
            return Err(BackplaneError::new("the backplane is cut"));
        }
        bus.joined += 1;
        let (number, wake) = (bus.joined, Arc::new(Notify::new()));
        let node = Node {
            wake: wake.clone(),
            ..Node::default()
        };
        bus.nodes.insert(number, node);
        drop(bus);
        Ok(Seat {
            backplane: self.clone(),
            number,
            wake,
        })
    }
}

impl fmt::Debug for MemoryBackplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bus = self.bus();
        f.debug_struct("MemoryBackplane")
            .field("nodes", &bus.nodes.len())
            .field("is_cut", &bus.is_cut)
            .finish_non_exhaustive()
    }
}

impl Backplane for MemoryBackplane {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn keeps_history(&self) -> bool {
        true
    }

    fn run(&self, link: Link) -> Pin<Box<dyn Future<Output = BackplaneError> + Send>> {
        let backplane = self.clone();
        Box::pin(async move {
            match backplane.join() {
                Ok(seat) => seat.serve(link).await,
                Err(error) => error,
            }
        })
    }
}

/// A node's place on the bus, until it is dropped.
struct Seat {
    backplane: MemoryBackplane,
    number: u64,
    wake: Arc<Notify>,
}

impl Seat {
    async fn serve(&self, mut link: Link) -> BackplaneError {
        if link.events.send(Event::Connected).await.is_err() {
            return gone();
        }
        loop {
            let mut woken = pin!(self.wake.notified());
            let taken = poll_fn(|cx| match link.commands.poll_recv(cx) {
                Poll::Ready(command) => Poll::Ready(Some(command)),
                Poll::Pending => woken.as_mut().poll(cx).map(|()| None),
            });
            match taken.await {
                Some(Some(command)) => {
                    (self.backplane.bus()).obey(self.number, command, Instant::now());
                }
                Some(None) => return gone(),
                None => {}
            }
            loop {
                let (event, end) = self.next();
                if let Some(why) = end {
                    return BackplaneError::new(why);
                }
                let Some(event) = event else { break };
                if link.events.send(event).await.is_err() {
                    return gone();
                }
            }
        }
    }

    /// What has happened next, or why the connection ends.
    fn next(&self) -> (Option<Event>, Option<&'static str>) {
        let mut bus = self.backplane.bus();
        let Some(node) = bus.nodes.get_mut(&self.number) else {
            return (None, None);
        };
        (node.pop(), node.ended)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.backplane.bus().leave(self.number);
    }
}

/// Nobody holds the other end of the link.
fn gone() -> BackplaneError {
    BackplaneError::new("the node wants no more of it")
}

/// All that the clones share.
#[derive(Default)]
struct Bus {
    nodes: HashMap<u64, Node>,
    takers: HashMap<Channel, Vec<u64>>,
    histories: Histories,
    joined: u64,
    is_cut: bool,
}

impl Bus {
    fn obey(&mut self, number: u64, command: Command, now: Instant) {
        let answer = match command {
            Command::Subscribe(channel) => {
                if let Some(node) = self.nodes.get_mut(&number)
                    && node.channels.insert(channel.clone())
                {
                    self.takers.entry(channel.clone()).or_default().push(number);
                }
                Event::Subscribed(channel)
            }
            Command::Unsubscribe(channel) => {
                if let Some(node) = self.nodes.get_mut(&number) {
                    node.channels.remove(&channel);
                }
                self.untake(number, &channel);
                return;
            }
            Command::Publish {
                id,
                channel,
                message,
            } => {
                self.send(&channel, None, &message);
                Event::Done { id }
            }
            Command::Append {
                id,
                topic,
                origin,
                seq,
                keep,
                message,
            } => match (self.histories).append(&topic, origin, seq, keep, &message, now) {
                Appended::At(epoch, offset) => {
                    self.send(&Channel::Topic(topic), Some((epoch, offset)), &message);
                    Event::Done { id }
                }
                Appended::Before => Event::Done { id },
                Appended::TooMany => Event::Refused {
                    id,
                    why: "too many topics have a history".to_owned(),
                },
            },
            Command::Read {
                id,
                topic,
                after,
                most,
            } => {
                let (epoch, last, entries) = self.histories.read(&topic, after, most, now);
                Event::History {
                    id,
                    epoch,
                    last,
                    entries,
                }
            }
        };
        if let Some(node) = self.nodes.get_mut(&number) {
            node.push(answer);
        }
    }

    fn send(&mut self, channel: &Channel, position: Option<(u64, u64)>, message: &Bytes) {
        for number in self.takers.get(channel).into_iter().flatten() {
            if let Some(node) = self.nodes.get_mut(number) {
                node.push(Event::Message {
                    channel: channel.clone(),
                    position,
                    message: message.clone(),
                });
            }
        }
    }

    fn untake(&mut self, number: u64, channel: &Channel) {
        if let Some(takers) = self.takers.get_mut(channel) {
            takers.retain(|taker| *taker != number);
            if takers.is_empty() {
                self.takers.remove(channel);
            }
        }
    }

    fn leave(&mut self, number: u64) {
        if let Some(node) = self.nodes.remove(&number) {
            for channel in &node.channels {
                self.untake(number, channel);
            }
        }
    }
}

/// A node that has a connection.
#[derive(Default)]
struct Node {
    channels: HashSet<Channel>,
    waiting: VecDeque<Event>,
    octets: usize,
    wake: Arc<Notify>,
    ended: Option<&'static str>,
}

impl Node {
    fn push(&mut self, event: Event) {
        let weight = weight(&event);
        if self.ended.is_some() {
            return;
        }
        // Its own history it has asked for, and there is never more of one than of all.
        if self.octets > 0 && self.octets + weight > MOST_WAITING {
            return self.end("too much waited for the node");
        }
        self.octets += weight;
        self.waiting.push_back(event);
        self.wake.notify_one();
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.waiting.pop_front()?;
        self.octets -= weight(&event);
        Some(event)
    }

    fn end(&mut self, why: &'static str) {
        self.ended = Some(why);
        self.waiting = VecDeque::new();
        self.octets = 0;
        self.wake.notify_one();
    }
}

/// What an event counts among those that wait.
fn weight(event: &Event) -> usize {
    let octets = match event {
        Event::Message { message, .. } => message.len(),
        Event::History { entries, .. } => {
            let entries = entries.iter();
            entries.map(|(_, _, message)| message.len() + 64).sum()
        }
        _ => 0,
    };
    octets + 128
}

/// The octets that wait for a node before its connection ends.
const MOST_WAITING: usize = 32 << 20;
