//! What a node reads is what another one wrote, to the octet, and nothing that comes from a broker upsets it.

use bytes::Bytes;
use wireline::relay::backplane::{Channel, Command, Event};
use wireline::relay::cluster::envelope::{Envelope, Sender, checksum};
use wireline::relay::cluster::{Cluster, ClusterConfig};
use wireline::relay::hub::{Retention, Topic};

/// Input: an octet that chooses the channel, one for the kind, then the rest of an envelope, whose checksum is put right here.
///
/// # Panics
///
/// When what is read is not what it is written as, or a node does without end what it says.
pub fn envelope(data: &[u8]) {
    let Some((&[which, kind], body)) = data.split_first_chunk() else {
        return;
    };
    let topic = Topic::new("t").expect("a name");
    let channel = match which % 3 {
        0 => Channel::All,
        1 => Channel::Node(7),
        _ => Channel::Topic(topic.clone()),
    };
    // As it is, it is hardly ever one.
    let raw = Bytes::copy_from_slice(data);
    if let Some((sender, envelope)) = Envelope::decode(&raw, &channel) {
        assert_eq!(envelope.encode(sender, &channel), raw);
    }
    let octets = repaired(kind, body, &channel);
    if let Some((sender, envelope)) = Envelope::decode(&octets, &channel) {
        assert_eq!(envelope.encode(sender, &channel), octets);
    }
    for keep in [None, Some(KEPT)] {
        let mut node = Cluster::new(ClusterConfig::default(), 7, 1, true);
        node.attach(&topic, keep, 0);
        node.event(Event::Connected, 1);
        answer(&mut node, 2);
        let position = (which >= 128).then_some((9, u64::from(which)));
        for now in [10, 20] {
            let message = Event::Message {
                channel: channel.clone(),
                position,
                message: octets.clone(),
            };
            node.event(message, now);
            answer(&mut node, now);
        }
        let mut now = 20;
        while now < 20_000 {
            now = node.tick(now).max(now + 1);
            answer(&mut node, now);
        }
    }
}

/// The envelope with that kind and that body, as if somebody had written it.
fn repaired(kind: u8, body: &[u8], channel: &Channel) -> Bytes {
    let like = Envelope::Leave.encode(Sender { node: 1, life: 1 }, channel);
    let mut octets = [&[like[0], like[1], kind, 0, 0, 0, 0], body].concat();
    let sum = checksum(&octets, channel);
    octets[3..7].copy_from_slice(&sum.to_be_bytes());
    octets.into()
}

/// Does what the node wants of the broker, and takes what it wants of the relay.
fn answer(node: &mut Cluster, now: u64) {
    for _ in 0..1_000 {
        let Some(command) = node.next_command() else {
            while node.next_action().is_some() {}
            return;
        };
        let event = match command {
            Command::Subscribe(channel) => Event::Subscribed(channel),
            Command::Unsubscribe(_) => continue,
            Command::Publish { id, .. } | Command::Append { id, .. } => Event::Done { id },
            Command::Read { id, .. } => Event::History {
                id,
                epoch: 9,
                last: 0,
                entries: Vec::new(),
            },
        };
        node.event(event, now);
    }
    panic!("it never ends");
}

const KEPT: Retention = Retention {
    messages: 10,
    octets: 10_000,
    age: 60_000,
};
