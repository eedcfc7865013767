use super::{MOST_WAITING, MemoryBackplane};
use crate::relay::backplane::{Backplane, BackplaneError, Channel, Command, Event, Link};
use crate::relay::hub::{Retention, Topic};
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A node's end.
struct Peer {
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::Receiver<Event>,
    runs: JoinHandle<BackplaneError>,
}

impl Peer {
    async fn join(backplane: &MemoryBackplane) -> Self {
        let mut peer = Self::start(backplane);
        assert_eq!(peer.next().await, Event::Connected);
        peer
    }

    fn start(backplane: &MemoryBackplane) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the tests send few")]
        let (commands, wanted) = mpsc::unbounded_channel();
        let (sender, events) = mpsc::channel(1);
        let link = Link {
            commands: wanted,
            events: sender,
        };
        let runs = tokio::spawn(backplane.run(link));
        Self {
            commands,
            events,
            runs,
        }
    }

    fn does(&self, command: Command) {
        self.commands.send(command).unwrap();
    }

    async fn subscribes(&mut self, channel: &Channel) {
        self.does(Command::Subscribe(channel.clone()));
        assert_eq!(self.next().await, Event::Subscribed(channel.clone()));
    }

    async fn next(&mut self) -> Event {
        let next = tokio::time::timeout(Duration::from_secs(5), self.events.recv());
        next.await.unwrap().unwrap()
    }

    async fn ends(self) -> String {
        let Self {
            commands,
            events,
            runs,
        } = self;
        let ended = tokio::time::timeout(Duration::from_secs(5), runs).await;
        drop((commands, events));
        ended.unwrap().unwrap().to_string()
    }
}

fn topic(name: &str) -> (Topic, Channel) {
    let topic = Topic::new(name).unwrap();
    (topic.clone(), Channel::Topic(topic))
}

fn publish(id: u64, channel: &Channel, message: &'static str) -> Command {
    Command::Publish {
        id,
        channel: channel.clone(),
        message: Bytes::from_static(message.as_bytes()),
    }
}

fn append(id: u64, topic: &Topic, origin: (u64, u64), message: &'static str) -> Command {
    let keep = Retention {
        messages: 10,
        octets: 1_000,
        age: 60_000,
    };
    Command::Append {
        id,
        topic: topic.clone(),
        origin,
        seq: id,
        keep,
        message: Bytes::from_static(message.as_bytes()),
    }
}

fn came(channel: &Channel, position: Option<(u64, u64)>, message: &'static str) -> Event {
    Event::Message {
        channel: channel.clone(),
        position,
        message: Bytes::from_static(message.as_bytes()),
    }
}

#[tokio::test]
async fn what_is_published_reaches_those_who_took_the_channel() {
    let backplane = MemoryBackplane::new();
    let (mut one, mut two) = (Peer::join(&backplane).await, Peer::join(&backplane).await);
    let (_, channel) = topic("a");
    one.subscribes(&channel).await;
    // Taking it twice is taking it once.
    one.subscribes(&channel).await;
    one.subscribes(&Channel::Node(7)).await;
    two.does(publish(1, &channel, "x"));
    two.does(publish(2, &channel, "y"));
    two.does(publish(3, &Channel::Node(7), "z"));
    two.does(publish(4, &Channel::Node(8), "nobody"));
    for id in 1..=4 {
        assert_eq!(two.next().await, Event::Done { id });
    }
    assert_eq!(one.next().await, came(&channel, None, "x"));
    assert_eq!(one.next().await, came(&channel, None, "y"));
    assert_eq!(one.next().await, came(&Channel::Node(7), None, "z"));

    // Who publishes has it as well, before he is told that it is done.
    one.does(publish(5, &channel, "own"));
    assert_eq!(one.next().await, came(&channel, None, "own"));
    assert_eq!(one.next().await, Event::Done { id: 5 });

    one.does(Command::Unsubscribe(channel.clone()));
    one.does(publish(6, &channel, "own"));
    assert_eq!(one.next().await, Event::Done { id: 6 });

    // A node that has ended takes nothing any more.
    drop(one.commands);
    one.runs.await.unwrap();
    assert!(backplane.bus().takers.is_empty());
    assert_eq!(backplane.bus().nodes.len(), 1);
}

#[tokio::test]
async fn one_order_and_one_history() {
    let backplane = MemoryBackplane::new();
    assert!(backplane.keeps_history());
    let (mut one, mut two) = (Peer::join(&backplane).await, Peer::join(&backplane).await);
    let (name, channel) = topic("a");
    two.subscribes(&channel).await;
    one.does(append(1, &name, (1, 1), "x"));
    assert_eq!(one.next().await, Event::Done { id: 1 });
    let Event::Message {
        position: Some((epoch, 1)),
        ..
    } = two.next().await
    else {
        panic!("it has no position");
    };
    two.does(append(2, &name, (2, 1), "y"));
    assert_eq!(two.next().await, came(&channel, Some((epoch, 2)), "y"));
    assert_eq!(two.next().await, Event::Done { id: 2 });
    // Again: it is done, and nothing comes of it.
    two.does(append(2, &name, (2, 1), "y"));
    assert_eq!(two.next().await, Event::Done { id: 2 });

    let read = |id, after| Command::Read {
        id,
        topic: name.clone(),
        after,
        most: 100,
    };
    let texts = |event| match event {
        Event::History {
            id,
            epoch,
            last,
            entries,
        } => {
            let texts = entries.into_iter().map(|(offset, _, text)| (offset, text));
            (id, epoch, last, texts.collect::<Vec<_>>())
        }
        other => panic!("{other:?}"),
    };
    let (x, y) = ((1, Bytes::from_static(b"x")), (2, Bytes::from_static(b"y")));
    one.does(read(3, None));
    assert_eq!(texts(one.next().await), (3, epoch, 2, vec![x, y.clone()]));
    one.does(read(4, Some((epoch, 1))));
    assert_eq!(texts(one.next().await), (4, epoch, 2, vec![y]));
    one.does(Command::Read {
        id: 5,
        topic: topic("b").0,
        after: None,
        most: 100,
    });
    // It begins now, for whoever appends to it first.
    let (id, begun, last, none) = texts(one.next().await);
    assert_eq!((id, last, none), (5, 0, Vec::new()));
    assert!(begun > epoch);
}

#[tokio::test]
async fn cut_and_healed() {
    let backplane = MemoryBackplane::new();
    let mut one = Peer::join(&backplane).await;
    let (name, channel) = topic("a");
    one.subscribes(&channel).await;
    one.does(append(1, &name, (1, 1), "x"));
    let Event::Message {
        position: Some((epoch, 1)),
        ..
    } = one.next().await
    else {
        panic!("it has no position");
    };
    backplane.cut();
    assert_eq!(one.ends().await, "the backplane was cut");
    assert_eq!(Peer::start(&backplane).ends().await, "the backplane is cut");
    backplane.heal();
    // Nothing is subscribed, and the history is what it was.
    let mut one = Peer::join(&backplane).await;
    one.does(append(2, &name, (1, 1), "y"));
    assert_eq!(one.next().await, Event::Done { id: 2 });
    one.subscribes(&channel).await;
    one.does(append(3, &name, (1, 1), "z"));
    assert_eq!(one.next().await, came(&channel, Some((epoch, 3)), "z"));
}

#[tokio::test]
async fn a_node_that_does_not_read_ends_alone() {
    let backplane = MemoryBackplane::new();
    let (mut slow, mut fast) = (Peer::join(&backplane).await, Peer::join(&backplane).await);
    slow.subscribes(&Channel::All).await;
    let message = Bytes::from(vec![b'*'; 1 << 20]);
    for id in 1..=(MOST_WAITING >> 20) as u64 + 4 {
        fast.does(Command::Publish {
            id,
            channel: Channel::All,
            message: message.clone(),
        });
        assert_eq!(fast.next().await, Event::Done { id });
    }
    // It has got what was on its way to it, and no more.
    let mut got = 0;
    while slow.events.recv().await.is_some() {
        got += 1;
    }
    assert!(got < 4, "{got}");
    assert_eq!(slow.ends().await, "too much waited for the node");
    fast.does(publish(100, &Channel::All, "x"));
    assert_eq!(fast.next().await, Event::Done { id: 100 });
}

#[tokio::test]
async fn nobody_listens() {
    let peer = Peer::join(&MemoryBackplane::new()).await;
    drop(peer.events);
    peer.commands
        .send(Command::Subscribe(Channel::All))
        .unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), peer.runs).await;
    assert_eq!(
        ended.unwrap().unwrap().to_string(),
        "the node wants no more of it"
    );
}
