//! What a client hears is what was published, in order, with every gap told: whatever it reads slowly, asks for in batches, is left
//! out of, or misses while it is away. Random histories of a few clients, by seed.

use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use wireline::Router;
use wireline::relay::hub::Retention;
use wireline::relay::{Relay, RelayConfig};
use wireline::test::TestClient;
use wireline::ws::prelude::*;

const SEEDS: u64 = 30;
const STEPS: usize = 120;

/// splitmix64: the same numbers for the same seed, on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

/// A client that counts as the protocol's page says.
struct Client {
    socket: Option<WebSocket>,
    conn_id: u64,
    /// Where it stands, from its first `subscribed` on.
    position: Option<(u64, u64)>,
    heard: usize,
    gaps: u64,
}

struct World {
    relay: Relay,
    client: TestClient,
    /// For each offset the connection that was left out.
    published: Vec<Option<u64>>,
    seed: u64,
}

impl World {
    /// Reads one frame, if one comes in a moment; whether one came.
    async fn read(&self, client: &mut Client, wait: u64) -> bool {
        let socket = client.socket.as_mut().unwrap();
        let Ok(heard) = timeout(Duration::from_millis(wait), socket.recv()).await else {
            return false;
        };
        let Some(Ok(Message::Text(text))) = heard else {
            panic!("seed {}: {heard:?}", self.seed);
        };
        match serde_json::from_str(&text).unwrap() {
            Value::Array(batch) => batch.iter().for_each(|message| self.take(client, message)),
            message => self.take(client, &message),
        }
        true
    }

    fn take(&self, client: &mut Client, message: &Value) {
        let seed = self.seed;
        match message["type"].as_str().unwrap() {
            "subscribed" => {
                let place = |name: &str| message[name].as_u64().unwrap();
                let (epoch, offset) = (place("epoch"), place("offset"));
                if let Some((_, before)) = client.position {
                    assert!(offset >= before, "seed {seed}: {message} after {before}");
                    if message["recovered"] == true {
                        assert_eq!(offset, before, "seed {seed}: {message}");
                    } else {
                        client.gaps += offset - before;
                    }
                }
                client.position = Some((epoch, offset));
            }
            "push" => {
                let (_, offset) = client.position.as_mut().unwrap();
                *offset += 1;
                assert_eq!(message["payload"][0], *offset, "seed {seed}: {message}");
                let left_out = self.published[usize::try_from(*offset).unwrap() - 1];
                assert_ne!(left_out, Some(client.conn_id), "seed {seed}: {message}");
                client.heard += 1;
            }
            "lagged" => {
                let missed = message["missed"].as_u64().unwrap();
                let (epoch, offset) = client.position.as_mut().unwrap();
                assert_eq!(message["epoch"], *epoch, "seed {seed}: {message}");
                assert_eq!(message["first"], *offset + 1, "seed {seed}: {message}");
                *offset += missed;
                assert_eq!(message["last"], *offset, "seed {seed}: {message}");
                client.gaps += missed;
            }
            "skipped" => {
                let (_, offset) = client.position.as_mut().unwrap();
                for _ in 0..message["count"].as_u64().unwrap() {
                    *offset += 1;
                    let left_out = self.published[usize::try_from(*offset).unwrap() - 1];
                    assert_eq!(left_out, Some(client.conn_id), "seed {seed}: {message}");
                }
            }
            "hello" => client.conn_id = message["conn_id"].as_u64().unwrap(),
            "ok" | "unsubscribed" => {}
            _ => panic!("seed {seed}: {message}"),
        }
    }

    async fn say(&self, client: &mut Client, message: Value) {
        let socket = client.socket.as_mut().unwrap();
        socket.send(message.to_string()).await.unwrap();
    }

    /// Connects, and subscribes where it stopped.
    async fn connect(&self, client: &mut Client) {
        client.socket = Some(self.client.websocket("/ws").await);
        self.say(client, json!({"type":"hello"})).await;
        assert!(self.read(client, 5_000).await);
        self.subscribe(client).await;
    }

    async fn subscribe(&self, client: &mut Client) {
        let ask = match client.position {
            None => json!({"type":"subscribe","topic":"a","ref":1}),
            Some((epoch, offset)) => {
                json!({"type":"subscribe","topic":"a","epoch":epoch,"offset":offset})
            }
        };
        self.say(client, ask).await;
    }

    async fn publish(&mut self, left_out: Option<u64>, len: usize) {
        let number = self.published.len() + 1;
        self.published.push(left_out);
        let payload = (number, "x".repeat(len));
        let published = match left_out {
            None => self.relay.push("a", "e", &payload).await,
            Some(conn_id) => self.relay.push_from(conn_id, "a", "e", &payload).await,
        };
        assert_eq!(published.unwrap().offset, number as u64);
    }
}

async fn history(seed: u64) -> (usize, u64) {
    let mut random = Random(seed);
    let kept = Retention {
        messages: 1 + random.below(40),
        octets: 1 << 20,
        age: 60_000,
    };
    let config = RelayConfig::default()
        .with_topic_capacity(1 + random.below(8))
        .message_rate(None)
        .retention(move |_| kept);
    let relay = Relay::new(config);
    let client = TestClient::new(Router::new().relay(&relay).build().unwrap());
    let mut world = World {
        relay,
        client,
        published: Vec::new(),
        seed,
    };
    let mut clients: Vec<Client> = (0..3)
        .map(|_| Client {
            socket: None,
            conn_id: 0,
            position: None,
            heard: 0,
            gaps: 0,
        })
        .collect();
    for client in &mut clients {
        world.connect(client).await;
    }
    for _ in 0..STEPS {
        let who = random.below(clients.len());
        match random.below(20) {
            0..9 => {
                // Long ones fill the socket, so that others have to wait.
                let len = if random.below(3) == 0 { 30_000 } else { 10 };
                let left_out = (random.below(4) == 0).then_some(clients[who].conn_id);
                for _ in 0..=random.below(6) {
                    world.publish(left_out, len).await;
                }
            }
            9..15 => {
                for _ in 0..=random.below(8) {
                    world.read(&mut clients[who], 1).await;
                }
            }
            15 => {
                let delay = random.below(2) * 5;
                let ask = json!({"type":"batch","delay":delay,"ref":2});
                world.say(&mut clients[who], ask).await;
            }
            16 => {
                world
                    .say(&mut clients[who], json!({"type":"unsubscribe","topic":"a"}))
                    .await;
                // What is on its way is read first: it counts.
                while world.read(&mut clients[who], 20).await {}
                world.subscribe(&mut clients[who]).await;
            }
            17 => {
                clients[who].socket = None;
                world.connect(&mut clients[who]).await;
            }
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    let end = world.published.len() as u64;
    let (mut heard, mut gaps) = (0, 0);
    for client in &mut clients {
        while client.position.is_none_or(|(_, offset)| offset < end) {
            assert!(
                world.read(client, 5_000).await,
                "seed {seed}: stands at {:?} of {end}",
                client.position
            );
        }
        heard += client.heard;
        gaps += client.gaps;
    }
    (heard, gaps)
}

#[tokio::test]
async fn every_client_hears_what_was_published_in_order_with_every_gap_told() {
    let (mut heard, mut gaps) = (0, 0);
    for seed in 0..SEEDS {
        let (of_seed, told) = history(seed).await;
        heard += of_seed;
        gaps += told;
    }
    assert!(heard > 1_000 && gaps > 100, "heard {heard}, gaps of {gaps}");
}
