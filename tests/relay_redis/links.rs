//! A node's end of a connection, in hand.

use crate::brokers::Broker;
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wireline::relay::backplane::redis::Redis;
use wireline::relay::backplane::{Backplane, BackplaneError, Channel, Command, Event, Link};
use wireline::relay::hub::{Retention, Topic};

pub(crate) type Entries = Vec<(u64, u64, Bytes)>;

/// A test that does not hang.
pub(crate) async fn bounded(test: impl Future<Output = ()>) {
    timeout(Duration::from_secs(60), test).await.unwrap();
}

pub(crate) fn topic(name: &str) -> Topic {
    Topic::new(name).unwrap()
}

pub(crate) fn redis_at(server: &Broker) -> Redis {
    Redis::new(&format!("redis://{}", server.address())).unwrap()
}

pub(crate) fn append(
    id: u64,
    topic: &Topic,
    origin: (u64, u64),
    seq: u64,
    keep: Retention,
    message: impl Into<Bytes>,
) -> Command {
    Command::Append {
        id,
        topic: topic.clone(),
        origin,
        seq,
        keep,
        message: message.into(),
    }
}

pub(crate) struct Linked {
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::Receiver<Event>,
    run: JoinHandle<BackplaneError>,
}

impl Linked {
    fn begin(redis: &Redis) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a link has such a one")]
        let (commands, receiver) = mpsc::unbounded_channel();
        let (sender, events) = mpsc::channel(16);
        let link = Link {
            commands: receiver,
            events: sender,
        };
        Self {
            commands,
            events,
            run: tokio::spawn(redis.run(link)),
        }
    }

    pub(crate) async fn connect(redis: &Redis) -> Self {
        let mut linked = Self::begin(redis);
        assert_eq!(linked.event().await, Event::Connected);
        linked
    }

    pub(crate) async fn try_connect(redis: &Redis) -> Option<Self> {
        let mut linked = Self::begin(redis);
        let first = linked.event_or_end().await;
        (first == Ok(Event::Connected)).then_some(linked)
    }

    /// Why there is no connection.
    pub(crate) async fn refused(redis: &Redis) -> String {
        Self::begin(redis).ended().await
    }

    pub(crate) fn send(&self, command: Command) {
        // One that has ended takes none.
        let _ = self.commands.send(command);
    }

    pub(crate) fn publish(&self, id: u64, channel: Channel, message: impl Into<Bytes>) {
        self.send(Command::Publish {
            id,
            channel,
            message: message.into(),
        });
    }

    pub(crate) async fn subscribe(&mut self, channel: Channel) {
        self.send(Command::Subscribe(channel.clone()));
        assert_eq!(self.event().await, Event::Subscribed(channel));
    }

    pub(crate) async fn event(&mut self) -> Event {
        self.event_or_end().await.unwrap()
    }

    pub(crate) async fn event_or_end(&mut self) -> Result<Event, String> {
        match self.events.recv().await {
            Some(event) => Ok(event),
            None => Err((&mut self.run).await.unwrap().to_string()),
        }
    }

    /// The next message; what was done meanwhile is passed over.
    pub(crate) async fn message(&mut self) -> (Channel, Option<(u64, u64)>, Bytes) {
        loop {
            match self.event().await {
                Event::Message {
                    channel,
                    position,
                    message,
                } => return (channel, position, message),
                Event::Done { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn read(
        &mut self,
        topic: &Topic,
        after: Option<(u64, u64)>,
        most: usize,
    ) -> (u64, u64, Entries) {
        let topic = topic.clone();
        self.send(Command::Read {
            id: 77,
            topic,
            after,
            most,
        });
        match self.event().await {
            Event::History {
                id: 77,
                epoch,
                last,
                entries,
            } => (epoch, last, entries),
            other => panic!("{other:?}"),
        }
    }

    /// Why it ended, when it does.
    pub(crate) async fn ended(&mut self) -> String {
        while self.events.recv().await.is_some() {}
        (&mut self.run).await.unwrap().to_string()
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        self.run.abort();
    }
}

pub(crate) async fn ends_with(node: &mut Linked, why: &str) {
    let told = node.ended().await;
    assert!(told.contains(why), "{told}");
}
