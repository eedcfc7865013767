//! Fan-out: one publisher, or the first subscriber of each topic, many subscribers, so many messages in flight.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::frame::{Walk, encode};
use crate::or_die;
use crate::poll::{Poll, Stretch, Tick, receive};
use crate::speak::Speaks;

pub struct Fan {
    pub port: u16,
    /// Of another node, where every second subscriber is; else the same.
    pub other: u16,
    pub speaks: Speaks,
    /// All of them, those that never read as well.
    pub subscribers: usize,
    /// How many of them never read.
    pub deaf: usize,
    /// How many topics they share, as many each. Message after message goes to the next one.
    pub topics: usize,
    pub size: usize,
    pub window: u64,
    pub seconds: f64,
    pub warm_up: f64,
    /// So many publications in place of so many seconds; 0 is by time.
    pub messages: u64,
}

struct Subscriber {
    stream: TcpStream,
    walk: Walk,
    topic: u64,
    /// How many messages it has. They come in order, so this tells the number of the next.
    received: u64,
}

/// A message that was published: when, and how many subscribers have it.
#[derive(Clone)]
struct Flight {
    sent: Instant,
    landed_at: u64,
}

pub fn run(fan: &Fan) {
    let mut poll = Poll::new();
    let topics = fan.topics.max(1) as u64;
    let topic_of = |at: usize| (topics > 1).then_some(at % fan.topics.max(1));
    let readers = fan.subscribers.saturating_sub(fan.deaf);
    if readers as u64 % topics != 0 || readers == 0 {
        crate::die("every topic must have as many subscribers that read");
    }
    let port_of = |at: usize| if at % 2 == 0 { fan.port } else { fan.other };
    let deaf: Vec<TcpStream> = (readers..fan.subscribers)
        .map(|at| fan.speaks.subscribe(port_of(at), at, topic_of(at), true).0)
        .collect();
    let mut subscribers: Vec<Subscriber> = (0..readers)
        .map(|at| {
            let (stream, walk) = fan.speaks.subscribe(port_of(at), at, topic_of(at), false);
            poll.add(&stream, at);
            Subscriber {
                stream,
                walk,
                topic: at as u64 % topics,
                received: 0,
            }
        })
        .collect();
    let publisher = fan
        .speaks
        .publisher(fan.port, fan.subscribers, fan.topics > 1);
    let mut publishers: Vec<TcpStream> = match publisher {
        Some(publisher) => vec![publisher],
        // The first of each topic.
        None => (subscribers.iter().take(topics as usize))
            .map(|subscriber| or_die(subscriber.stream.try_clone(), "publisher"))
            .collect(),
    };
    let window = fan.window.max(1);
    // The messages in their order, each to its topic, over and over: what is written begins anywhere in the first round.
    let messages: Vec<Vec<u8>> = (0..topics)
        .map(|topic| {
            let (opcode, text) = fan.speaks.message(topic_of(topic as usize), fan.size);
            encode(opcode, &text)
        })
        .collect();
    let length = messages[0].len();
    let rounds = window.div_ceil(topics) + 1;
    let ring = messages.concat().repeat(rounds as usize);
    let each = readers as u64 / topics;
    // A server may still be registering its last subscriber after the handshake.
    std::thread::sleep(Duration::from_millis(300));

    let mut buffer = vec![0; 512 * 1024];
    let slots = 2 * window;
    let mut flights = vec![
        Flight {
            sent: Instant::now(),
            landed_at: 0
        };
        slots as usize
    ];
    let mut latencies: Vec<Duration> = Vec::with_capacity(LATENCIES);
    let (mut count, mut sent, mut landed, mut lost, mut quiet) = (0, 0, 0, 0, 0);
    let mut stretch = match fan.messages {
        0 => Stretch::new(fan.warm_up, fan.seconds),
        _ => Stretch::new(0.0, f64::INFINITY),
    };
    let last = match fan.messages {
        0 => u64::MAX,
        messages => messages,
    };
    let mut now = Instant::now();
    loop {
        let room = (window - (sent - landed)).min(last - sent);
        if room > 0 {
            if let [publisher] = &mut publishers[..] {
                let begin = (sent % topics) as usize * length;
                let octets = &ring[begin..begin + room as usize * length];
                or_die(publisher.write_all(octets), "publish");
            } else {
                for number in sent..sent + room {
                    let topic = (number % topics) as usize;
                    or_die(publishers[topic].write_all(&messages[topic]), "publish");
                }
            }
            for number in sent..sent + room {
                flights[(number % slots) as usize] = Flight {
                    sent: now,
                    landed_at: 0,
                };
            }
            sent += room;
        }
        let ready = poll.wait();
        now = Instant::now();
        match stretch.tick(now) {
            Tick::Going => {}
            Tick::Started => {
                count = 0;
                lost = 0;
                latencies.clear();
            }
            Tick::Over => {
                drop(deaf);
                return stretch.report(now, count, &mut latencies, &format!(",\"lost\":{lost}"));
            }
        }
        quiet = if ready.is_empty() { quiet + 1 } else { 0 };
        for (at, _) in ready {
            let subscriber = &mut subscribers[at];
            let length = receive(&subscriber.stream, &mut buffer);
            let messages = subscriber.walk.feed(&buffer[..length]) as u64;
            count += messages;
            for place in subscriber.received..subscriber.received + messages {
                let number = place * topics + subscriber.topic;
                if number >= landed && number < sent {
                    flights[(number % slots) as usize].landed_at += 1;
                }
            }
            subscriber.received += messages;
        }
        while landed < sent && flights[(landed % slots) as usize].landed_at >= each {
            if latencies.len() < LATENCIES {
                latencies.push(now - flights[(landed % slots) as usize].sent);
            }
            landed += 1;
        }
        // A server that drops messages never lands them: after ten empty waits they count as lost.
        if quiet >= 10 {
            for subscriber in &mut subscribers {
                // Of the numbers below `sent`, those of its topic.
                let wanted = (sent + topics - 1 - subscriber.topic) / topics;
                lost += wanted.saturating_sub(subscriber.received);
                subscriber.received = wanted;
            }
            landed = sent;
            quiet = 0;
        }
        if landed == last {
            println!("MARK end");
            return stretch.report(now, count, &mut latencies, &format!(",\"lost\":{lost}"));
        }
    }
}

/// How many latencies are kept.
const LATENCIES: usize = 1 << 20;
