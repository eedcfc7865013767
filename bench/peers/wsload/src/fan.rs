//! Fan-out: one publisher, many subscribers, so many messages in flight.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::connect::handshake;
use crate::frame::{Walk, encode};
use crate::or_die;
use crate::poll::{Poll, Stretch, Tick, receive};

pub struct Fan {
    pub port: u16,
    pub subscribers: usize,
    pub size: usize,
    pub window: u64,
    pub seconds: f64,
    pub warm_up: f64,
    pub sub: String,
    pub publish: String,
}

struct Subscriber {
    stream: TcpStream,
    walk: Walk,
    /// How many messages it has. They come in order, so this is also the number of the next.
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
    let mut subscribers: Vec<Subscriber> = (0..fan.subscribers)
        .map(|at| {
            let (stream, rest) = handshake(fan.port, &fan.sub, at, false);
            let mut walk = Walk::default();
            walk.feed(&rest);
            poll.add(&stream, at);
            Subscriber {
                stream,
                walk,
                received: 0,
            }
        })
        .collect();
    let (mut publisher, _) = handshake(fan.port, &fan.publish, fan.subscribers, false);
    let message = encode(2, &vec![b'x'; fan.size]);
    let window = fan.window.max(1);
    let batch = message.repeat(window as usize);
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
    let mut stretch = Stretch::new(fan.warm_up, fan.seconds);
    let mut now = Instant::now();
    loop {
        let room = window - (sent - landed);
        if room > 0 {
            or_die(
                publisher.write_all(&batch[..room as usize * message.len()]),
                "publish",
            );
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
                return stretch.report(now, count, &mut latencies, &format!(",\"lost\":{lost}"));
            }
        }
        quiet = if ready.is_empty() { quiet + 1 } else { 0 };
        for (at, _) in ready {
            let subscriber = &mut subscribers[at];
            let length = receive(&subscriber.stream, &mut buffer);
            let messages = subscriber.walk.feed(&buffer[..length]) as u64;
            count += messages;
            for number in
                subscriber.received.max(landed)..(subscriber.received + messages).min(sent)
            {
                flights[(number % slots) as usize].landed_at += 1;
            }
            subscriber.received += messages;
        }
        while landed < sent
            && flights[(landed % slots) as usize].landed_at >= fan.subscribers as u64
        {
            if latencies.len() < LATENCIES {
                latencies.push(now - flights[(landed % slots) as usize].sent);
            }
            landed += 1;
        }
        // A server that drops messages never lands them: after ten empty waits they count as lost.
        if quiet >= 10 {
            for subscriber in &mut subscribers {
                lost += sent.saturating_sub(subscriber.received);
                subscriber.received = sent;
            }
            landed = sent;
            quiet = 0;
        }
    }
}

/// How many latencies are kept.
const LATENCIES: usize = 1 << 20;
