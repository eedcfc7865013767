//! Subscribers that never read, among those that do.

use crate::Context;
use crate::outcome::Outcome;
use crate::target::within;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// As many subscribers as the count says, every twentieth of them deaf; ten messages a second.
///
/// Healthy ones get every message, once, in order, 99 of 100 deliveries within 250 ms. Deaf ones are told how many they
/// have missed, or are closed. The server holds at most 160 MiB more than before the first message, and 32 MiB more
/// when it is over.
pub(crate) async fn deaf_subscribers(context: Arc<Context>) -> Outcome {
    // Five minutes for the catalogue's 10,000. Fewer have less time and larger messages: 4 MiB for each, so that they, too,
    // are more than the kernel holds for somebody who does not read.
    let messages = (context.count * 3 / 10).clamp(60, 3_000);
    let size = match messages {
        3_000 => 1024,
        fewer => (4 << 20) / fewer,
    };
    let messages = messages as u64;
    let plan = Arc::new(Plan {
        addr: context.target.addr,
        messages,
        begun: Instant::now(),
        delays: (0..DELAYS).map(|_| AtomicU64::new(0)).collect(),
        opening: Semaphore::new(context.concurrency),
    });
    let mut outcome = Outcome::default();
    let (over, is_over) = watch::channel(false);
    let (mut healthy, mut deaf) = (JoinSet::new(), JoinSet::new());
    let (ready, mut opened) = watch::channel(0_usize);
    let ready = Arc::new(ready);
    for number in 0..context.count {
        let (plan, ready, is_over) = (plan.clone(), ready.clone(), is_over.clone());
        if number % 20 == 19 {
            deaf.spawn(async move { ears_shut(&plan, number, &ready, is_over).await });
        } else {
            healthy.spawn(async move { listen(&plan, number, &ready).await });
        }
    }
    let all = opened.wait_for(|count| *count == context.count);
    if !matches!(timeout(OPENING, all).await, Ok(Ok(_))) {
        outcome.complain("not every subscriber could subscribe");
        return outcome;
    }
    sleep(Duration::from_secs(1)).await;
    let idle = context.target.memory().now;
    outcome.set("idle_mib", idle as f64 / 1024.0);
    if let Err(error) = publish(&plan, context.count, size).await {
        outcome.complain(format!("the publisher: {error}"));
    }
    while let Some(ended) = healthy.join_next().await {
        match ended {
            Ok(Ok(())) => outcome.count("healthy"),
            Ok(Err(error)) => outcome.complain(format!("a healthy subscriber: {error}")),
            Err(error) => outcome.complain(error.to_string()),
        }
    }
    let during = context.target.memory().peak.saturating_sub(idle) / 1024;
    outcome.set("most_mib_during", during as f64);
    if during > DURING {
        outcome.complain(format!("{during} MiB more during it"));
    }
    let _ = over.send(true);
    while let Some(ended) = deaf.join_next().await {
        match ended {
            Ok(Ok(end)) => outcome.count(end),
            Ok(Err(error)) => outcome.complain(format!("a deaf subscriber: {error}")),
            Err(error) => outcome.complain(error.to_string()),
        }
    }
    if outcome.get("deaf_told") + outcome.get("deaf_closed") == 0.0 {
        outcome.complain("nobody who did not read has missed anything: there was too little of it");
    }
    sleep(Duration::from_secs(2)).await;
    let after = context.target.memory().now.saturating_sub(idle) / 1024;
    outcome.set("mib_after", after as f64);
    if after > AFTER {
        outcome.complain(format!("{after} MiB more behind it"));
    }
    let (p50, p99) = (plan.percentile(50), plan.percentile(99));
    outcome.set("delivery_p50_ms", p50 as f64);
    outcome.set("delivery_p99_ms", p99 as f64);
    // The figure is for a build that is optimized.
    if p99 > LATE && !cfg!(debug_assertions) {
        outcome.complain(format!("one delivery of a hundred took {p99} ms"));
    }
    outcome
}

/// What all of them know.
struct Plan {
    addr: SocketAddr,
    messages: u64,
    begun: Instant,
    /// How many deliveries took so many milliseconds; the last one is for all that took longer.
    delays: Vec<AtomicU64>,
    opening: Semaphore,
}

impl Plan {
    fn delivered(&self, sent: u64) {
        let took = self.now().saturating_sub(sent) / 1_000_000;
        let place = usize::try_from(took).unwrap_or(DELAYS).min(DELAYS - 1);
        self.delays[place].fetch_add(1, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Milliseconds, rounded up.
    fn percentile(&self, percent: u64) -> u64 {
        let counts: Vec<u64> = self
            .delays
            .iter()
            .map(|of| of.load(Ordering::Relaxed))
            .collect();
        let wanted = counts.iter().sum::<u64>() * percent / 100;
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen > wanted
        });
        found.map_or(DELAYS as u64, |place| place as u64 + 1)
    }
}

/// A subscriber that reads: all messages, in order, none missing.
async fn listen(plan: &Plan, number: usize, ready: &watch::Sender<usize>) -> io::Result<()> {
    let mut reader = open(plan, number, "/sub", None).await?;
    ready.send_modify(|count| *count += 1);
    for wanted in 0..plan.messages {
        match timeout(STALLED, reader.next()).await {
            Ok(Ok(Heard::Message { number, sent })) if number == wanted => plan.delivered(sent),
            Ok(other) => {
                return Err(io::Error::other(format!(
                    "in place of message {wanted}: {other:?}"
                )));
            }
            Err(_) => return Err(io::Error::other(format!("message {wanted} never came"))),
        }
    }
    // None twice.
    match timeout(Duration::from_secs(1), reader.next()).await {
        Err(_) => Ok(()),
        Ok(more) => Err(io::Error::other(format!(
            "behind the last message: {more:?}"
        ))),
    }
}

/// One that reads nothing before it is over. Then it finds an end, or every gap told.
async fn ears_shut(
    plan: &Plan,
    number: usize,
    ready: &watch::Sender<usize>,
    mut is_over: watch::Receiver<bool>,
) -> io::Result<&'static str> {
    let mut reader = open(plan, number, "/sub", Some(4096)).await?;
    ready.send_modify(|count| *count += 1);
    let _ = is_over.wait_for(|is_over| *is_over).await;
    let (mut at, mut missing) = (0, 0);
    while at < plan.messages {
        match timeout(STALLED, reader.next()).await {
            Ok(Ok(Heard::Message { number, .. })) if number == at => at += 1,
            Ok(Ok(Heard::Missed(count))) => {
                missing += count;
                at += count;
            }
            Ok(Ok(Heard::Message { number, .. })) => {
                return Err(io::Error::other(format!(
                    "message {number} where {at} was due, and nothing told"
                )));
            }
            Ok(Ok(Heard::Closed) | Err(_)) => return Ok("deaf_closed"),
            Err(_) => {
                return Err(io::Error::other(format!(
                    "neither told nor closed at message {at} of {}",
                    plan.messages
                )));
            }
        }
    }
    Ok(if missing > 0 {
        "deaf_told"
    } else {
        "deaf_with_everything"
    })
}

/// Ten messages a second, each with its number and when it was due.
async fn publish(plan: &Plan, number: usize, size: usize) -> io::Result<()> {
    let mut stream = open(plan, number, "/pub", None).await?.stream;
    let begun = Instant::now();
    for number in 0..plan.messages {
        let due = begun + EVERY * u32::try_from(number).unwrap_or(u32::MAX);
        sleep_until(due).await;
        let mut payload = vec![b'x'; size.max(16)];
        payload[..8].copy_from_slice(&number.to_be_bytes());
        payload[8..16].copy_from_slice(&plan.now().to_be_bytes());
        // Masked with zeros; the shortest form of the length is the only one that may be.
        let mut frame = match u16::try_from(payload.len()) {
            Ok(length @ 126..) => [&[0x82, 0xfe][..], &length.to_be_bytes()].concat(),
            Ok(length) => vec![0x82, 0x80 | length.to_be_bytes()[1]],
            Err(_) => [&[0x82, 0xff][..], &(payload.len() as u64).to_be_bytes()].concat(),
        };
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(&payload);
        within(stream.write_all(&frame)).await?;
    }
    Ok(())
}

/// An opening handshake; the addresses change so that none runs out of ports.
async fn open(plan: &Plan, number: usize, path: &str, receive: Option<u32>) -> io::Result<Reader> {
    let _permit = plan.opening.acquire().await.map_err(io::Error::other)?;
    let socket = TcpSocket::new_v4()?;
    if let Some(octets) = receive {
        socket.set_recv_buffer_size(octets)?;
    }
    let host = u8::try_from(2 + number / 5_000).unwrap_or(u8::MAX);
    socket.bind((Ipv4Addr::new(127, 0, 7, host), 0).into())?;
    let mut stream = within(socket.connect(plan.addr)).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    within(stream.write_all(request.as_bytes())).await?;
    let mut answer = Vec::new();
    let mut piece = [0; 512];
    let end = loop {
        let length = within(stream.read(&mut piece)).await?;
        answer.extend_from_slice(&piece[..length]);
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if length == 0 || answer.len() > 8192 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    if !answer.starts_with(b"HTTP/1.1 101 ") {
        return Err(io::Error::other("not upgraded"));
    }
    Ok(Reader {
        stream,
        unread: answer.split_off(end),
    })
}

/// What a subscriber hears.
#[derive(Debug)]
enum Heard {
    Message {
        number: u64,
        sent: u64,
    },
    /// So many messages did not come.
    Missed(u64),
    Closed,
}

struct Reader {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Reader {
    /// The next message. Pings are answered, as by every client that means well.
    async fn next(&mut self) -> io::Result<Heard> {
        loop {
            if let Some((opcode, payload, end)) = frame(&self.unread) {
                if opcode == PING {
                    let echoed = &self.unread[payload..end];
                    // Masked with zeros; a control frame has 125 octets at most.
                    let mut pong = vec![0x8a, 0x80 | u8::try_from(echoed.len()).unwrap_or(0)];
                    pong.extend_from_slice(&[0; 4]);
                    pong.extend_from_slice(echoed);
                    self.stream.write_all(&pong).await?;
                }
                let heard = heard(opcode, &self.unread[payload..end])?;
                self.unread.drain(..end);
                match heard {
                    Some(heard) => return Ok(heard),
                    None => continue,
                }
            }
            let mut piece = [0; 4096];
            let length = self.stream.read(&mut piece).await?;
            if length == 0 {
                return Ok(Heard::Closed);
            }
            self.unread.extend_from_slice(&piece[..length]);
        }
    }
}

/// The opcode of a ping.
const PING: u8 = 9;

/// A whole frame: its opcode, where its payload begins, and where it ends.
fn frame(octets: &[u8]) -> Option<(u8, usize, usize)> {
    let (begin, length) = match octets.get(1)? & 127 {
        126 => (
            4,
            u64::from(u16::from_be_bytes(*octets.get(2..)?.first_chunk()?)),
        ),
        127 => (10, u64::from_be_bytes(*octets.get(2..)?.first_chunk()?)),
        short => (2, u64::from(short)),
    };
    let end = begin + usize::try_from(length).ok()?;
    (octets.len() >= end).then_some((octets[0] & 15, begin, end))
}

fn heard(opcode: u8, payload: &[u8]) -> io::Result<Option<Heard>> {
    let number = |at: usize| Some(u64::from_be_bytes(*payload.get(at..)?.first_chunk()?));
    match opcode {
        1 => {
            let missed = payload
                .strip_prefix(b"missed ")
                .and_then(wireline::wire::number::decimal);
            let missed = missed.ok_or_else(|| io::Error::other("a text that says nothing"))?;
            Ok(Some(Heard::Missed(missed)))
        }
        2 => match (number(0), number(8)) {
            (Some(number), Some(sent)) => Ok(Some(Heard::Message { number, sent })),
            _ => Err(io::Error::other("a message without a number")),
        },
        8 => Ok(Some(Heard::Closed)),
        _ => Ok(None),
    }
}

const EVERY: Duration = Duration::from_millis(100);

/// What the server may hold besides while somebody does not read, in MiB, and what when it is over.
const DURING: u64 = 160;
const AFTER: u64 = 32;

/// Milliseconds within which 99 of 100 deliveries are.
const LATE: u64 = 250;

/// Delays are counted up to so many milliseconds.
const DELAYS: usize = 10_000;

/// A message that does not come for so long never comes.
const STALLED: Duration = Duration::from_secs(15);

const OPENING: Duration = Duration::from_secs(60);
