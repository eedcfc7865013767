//! Echo: every connection keeps so many messages in flight.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::connect::handshake;
use crate::die;
use crate::frame::{Walk, encode};
use crate::out::Out;
use crate::poll::{EventFlags, Poll, Stretch, Tick, receive};
use crate::speak::asked;

pub struct Echo {
    pub port: u16,
    pub connections: usize,
    pub size: usize,
    pub depth: usize,
    pub seconds: f64,
    pub warm_up: f64,
    /// So many messages in place of so many seconds; 0 is by time.
    pub messages: u64,
    pub path: String,
    /// Events of Socket.IO that are answered, of so many octets of text, in the place of messages that come back.
    pub socket_io: bool,
}

struct Connection {
    stream: TcpStream,
    walk: Walk,
    out: Out,
    /// Messages that it may still begin.
    left: u64,
    /// Messages back since `sent`: a latency is that of DEPTH messages.
    back: usize,
    sent: Instant,
}

pub fn run(echo: &Echo) {
    let mut frame = encode(2, &vec![b'x'; echo.size]);
    let depth = echo.depth.max(1);
    // Those of all connections are the same.
    let mut opened = Vec::with_capacity(echo.connections);
    for at in 0..echo.connections {
        let (stream, walk) = if echo.socket_io {
            let (stream, event, walk) = asked(echo.port, at, echo.size);
            frame = event;
            (stream, walk)
        } else {
            (plain(echo, at), Walk::default())
        };
        opened.push((stream, walk));
    }
    let ring = frame.repeat(depth);
    let mut poll = Poll::new();
    let mut connections: Vec<Connection> = opened
        .into_iter()
        .enumerate()
        .map(|(at, (stream, walk))| {
            poll.add(&stream, at);
            let connections = echo.connections as u64;
            let share = match echo.messages {
                0 => u64::MAX,
                all => all / connections + u64::from((at as u64) < all % connections),
            };
            let first = (depth as u64).min(share);
            let mut out = Out::default();
            out.owe(first as usize * frame.len());
            Connection {
                stream,
                walk,
                out,
                left: share - first,
                back: 0,
                sent: Instant::now(),
            }
        })
        .collect();
    for (at, connection) in connections.iter_mut().enumerate() {
        connection.sent = Instant::now();
        connection.out.pump(&connection.stream, &poll, at, &ring);
    }

    let mut buffer = vec![0; 512 * 1024];
    let mut latencies: Vec<Duration> = Vec::with_capacity(LATENCIES);
    let mut count = 0;
    let mut stretch = match echo.messages {
        0 => Stretch::new(echo.warm_up, echo.seconds),
        _ => Stretch::new(0.0, f64::INFINITY),
    };
    let mut quiet = 0;
    loop {
        let ready = poll.wait();
        let now = Instant::now();
        quiet = if ready.is_empty() { quiet + 1 } else { 0 };
        if quiet == QUIET {
            die("nothing comes back");
        }
        match stretch.tick(now) {
            Tick::Going => {}
            Tick::Started => {
                count = 0;
                latencies.clear();
            }
            Tick::Over => return stretch.report(now, count, &mut latencies, ""),
        }
        for (at, flags) in ready {
            let connection = &mut connections[at];
            if flags.contains(EventFlags::IN) {
                let length = receive(&connection.stream, &mut buffer);
                let messages = connection.walk.feed(&buffer[..length]);
                count += messages as u64;
                connection.back += messages;
                if connection.back >= depth {
                    connection.back = 0;
                    if latencies.len() < LATENCIES {
                        latencies.push(now - connection.sent);
                    }
                    connection.sent = now;
                }
                let more = (messages as u64).min(connection.left);
                connection.left -= more;
                connection.out.owe(more as usize * frame.len());
            } else if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
                die("a connection failed");
            }
            connection.out.pump(&connection.stream, &poll, at, &ring);
        }
        if echo.messages > 0 && count >= echo.messages {
            println!("MARK end");
            return stretch.report(now, count, &mut latencies, "");
        }
    }
}

/// A WebSocket on the path.
fn plain(echo: &Echo, at: usize) -> TcpStream {
    let (stream, rest) = handshake(echo.port, &echo.path, at, false);
    if !rest.is_empty() {
        die("bytes after the handshake");
    }
    stream
}

/// So many empty waits of 100 ms are a fault.
const QUIET: u32 = 300;

/// How many latencies are kept.
const LATENCIES: usize = 1 << 20;
