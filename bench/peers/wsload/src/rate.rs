//! Echo at a fixed rate: a message leaves when it is due, whatever has come back.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::connect::handshake;
use crate::die;
use crate::frame::{Walk, encode};
use crate::out::Out;
use crate::poll::{EventFlags, Poll, Stretch, Tick, receive};

pub struct Rate {
    pub port: u16,
    pub connections: usize,
    pub size: usize,
    /// Of all connections together; the next message is the next connection's.
    pub per_second: f64,
    pub seconds: f64,
    pub warm_up: f64,
    pub path: String,
}

struct Connection {
    stream: TcpStream,
    walk: Walk,
    out: Out,
    /// When those that are not back yet were due, in their order.
    due: VecDeque<Instant>,
}

/// A latency begins when a message was due, so that one that waits for its turn because the server was late counts with its wait.
///
/// It never sleeps: a wait would make messages late that the server has nothing to do with.
pub fn run(rate: &Rate) {
    let is_moving = rate.per_second > 0.0;
    if !is_moving || rate.connections == 0 {
        die("a rate and a connection at the least");
    }
    let frame = encode(2, &vec![b'x'; rate.size]);
    let ring = frame.repeat(16);
    let mut poll = Poll::new();
    let mut connections: Vec<Connection> = (0..rate.connections)
        .map(|at| {
            let (stream, rest) = handshake(rate.port, &rate.path, at, false);
            if !rest.is_empty() {
                die("bytes after the handshake");
            }
            poll.add(&stream, at);
            Connection {
                stream,
                walk: Walk::default(),
                out: Out::default(),
                due: VecDeque::new(),
            }
        })
        .collect();
    let mut buffer = vec![0; 512 * 1024];
    let expected = (rate.per_second * rate.seconds) as usize;
    let mut latencies: Vec<Duration> = Vec::with_capacity(expected + 1024);
    let mut stretch = Stretch::new(rate.warm_up, rate.seconds);
    let begin = Instant::now();
    let due = |number: u64| begin + Duration::from_secs_f64(number as f64 / rate.per_second);
    let (mut sent, mut away) = (0_u64, 0_usize);
    // From when messages count, and when the last one was due.
    let (mut start, mut over) = (None, None);
    loop {
        let ready = poll.wait_for(Duration::ZERO);
        let now = Instant::now();
        if over.is_none() {
            match stretch.tick(now) {
                Tick::Going => {}
                Tick::Started => start = Some(now),
                Tick::Over => over = Some(now),
            }
        }
        for (at, flags) in ready {
            let connection = &mut connections[at];
            if flags.contains(EventFlags::IN) {
                let length = receive(&connection.stream, &mut buffer);
                let back = connection.walk.feed(&buffer[..length]);
                let now = Instant::now();
                away = away.saturating_sub(back);
                for due in connection.due.drain(..back.min(connection.due.len())) {
                    if start.is_some_and(|start| due >= start) {
                        latencies.push(now - due);
                    }
                }
            } else if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
                die("a connection failed");
            }
            connection.out.pump(&connection.stream, &poll, at, &ring);
        }
        // Those that were due before the end leave, too, however late it was noticed.
        let until = over.unwrap_or(now);
        while due(sent) <= until {
            let at = (sent % rate.connections as u64) as usize;
            let connection = &mut connections[at];
            connection.due.push_back(due(sent));
            connection.out.owe(frame.len());
            connection.out.pump(&connection.stream, &poll, at, &ring);
            sent += 1;
            away += 1;
        }
        let Some(over) = over else { continue };
        if away == 0 {
            let count = latencies.len() as u64;
            return stretch.report(over, count, &mut latencies, "");
        }
        if now - over > PATIENCE {
            die(&format!("{away} messages never came back"));
        }
    }
}

/// How long the last messages may be on their way.
const PATIENCE: Duration = Duration::from_secs(10);
