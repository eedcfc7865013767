//! A million sessions in memory: what each holds, and how long a message to all of them takes.
//!
//!     cargo run --release -p wireline-bench --features sessions --bin sessions -- --sessions 1000000
//!
//! A session is what a client over TCP is: the driver's connection, upgraded by an opening handshake, with its task, its WebSocket and its place among
//! the subscribers of a topic. In the place of a socket it has a transport that gives the octets of the handshake and then nothing, and counts what is
//! written to it. So there are no kernel's buffers, and no kernel's time, in the figures.
//!
//! With `--topics` they share so many, and message after message goes to another one: sessions go round the topics, and where there are more topics than
//! sessions, topics go round the sessions, so that each has one subscriber. With `--subscriptions` each session subscribes to all of so many topics.
//!
//! With `--relay` a session is a client of the relay, which asks for its topics by the relay's protocol.
//!
//! Prints one line of JSON. Exit status 1 when a session holds more than `--most-octets`, a broadcast takes longer than `--most-seconds`, or not every
//! session gets every octet; 2 when the process would grow beyond `--most-mib`.

#![forbid(unsafe_code)]

use bytes::BytesMut;
use clap::Parser;
use serde_json::json;
use std::io::{self, IoSlice};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use wireline::extract::State;
use wireline::relay::endpoint::{Membership, Terms};
use wireline::relay::hub::{Resume, Topic};
use wireline::relay::{Relay, RelayConfig};
use wireline::resource::io::{Io, Transport};
use wireline::router::Router;
use wireline::service::link::config::Config as Http;
use wireline::test::TestClient;
use wireline::wire::number::decimal;
use wireline::ws::prepared::Prepared;
use wireline::ws::socket::WebSocket;
use wireline::ws::socket::config::Config;

/// Opens sessions in memory, and broadcasts to all of them.
#[derive(Parser)]
#[command(name = "sessions", version)]
struct Args {
    #[arg(long, default_value_t = 1_000_000)]
    sessions: usize,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    topics: u32,
    /// Topics that each session subscribes to.
    #[arg(long, conflicts_with = "topics", value_parser = clap::value_parser!(u32).range(1..))]
    subscriptions: Option<u32>,
    /// Sessions speak the relay's protocol.
    #[arg(long, conflicts_with = "topics")]
    relay: bool,
    /// How many messages are broadcast, one after the other.
    #[arg(long, default_value_t = 3)]
    broadcasts: u32,
    /// Octets of a message.
    #[arg(long, default_value_t = 128)]
    size: usize,
    /// What a session may hold, resident.
    #[arg(long, default_value_t = 1536.0)]
    most_octets: f64,
    /// How long a broadcast may take.
    #[arg(long, default_value_t = 10.0)]
    most_seconds: f64,
    /// What the whole process may hold; beyond it the run ends.
    #[arg(long, default_value_t = 6 << 10)]
    most_mib: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    match runtime.map(|runtime| runtime.block_on(run(&args))) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => ExitCode::FAILURE,
        Ok(Err(error)) | Err(error) => {
            eprintln!("sessions: {error}");
            ExitCode::from(2)
        }
    }
}

/// What every session shares.
#[derive(Clone)]
struct News {
    relay: Relay,
    terms: Arc<Terms>,
    topics: Arc<[Topic]>,
    /// How many sessions there will be.
    sessions: usize,
    /// Whether each has all topics.
    is_all: bool,
}

impl News {
    /// The topics of the session of this number.
    fn topics_of(&self, session: usize) -> impl Iterator<Item = &Topic> {
        let (first, step) = if self.is_all {
            (0, 1)
        } else {
            (session % self.topics.len(), self.sessions)
        };
        self.topics.iter().skip(first).step_by(step)
    }

    /// How many sessions have the topic of this number.
    fn subscribers(&self, topic: usize) -> usize {
        if self.is_all {
            return self.sessions;
        }
        self.sessions
            .saturating_sub(topic)
            .div_ceil(self.topics.len())
            .max(1)
    }
}

async fn run(args: &Args) -> io::Result<bool> {
    let count = args.subscriptions.unwrap_or(args.topics);
    let limits = RelayConfig::default()
        .with_path("/")
        .with_max_subscriptions(count as usize)
        .message_rate(None)
        .heartbeat(Duration::ZERO, Duration::ZERO);
    let news = News {
        relay: Relay::new(limits),
        terms: Arc::default(),
        topics: (0..count)
            .map(|number| Topic::new(&number.to_string()))
            .collect::<Result<_, _>>()
            .map_err(io::Error::other)?,
        sessions: args.sessions + 1,
        is_all: args.relay || args.subscriptions.is_some(),
    };
    let asks = asks(args.relay.then_some(&news));
    // Nobody answers pings here.
    let config = Arc::new(Config {
        ping_interval: Duration::ZERO,
        ..Config::default()
    });
    let router = if args.relay {
        Router::new().relay(&news.relay)
    } else {
        Router::new()
            .websocket_with("/", move |upgrade| upgrade.config(config.clone()), serve)
            .state(news.clone())
    };
    let routes = router.build().map_err(io::Error::other)?;
    let server = TestClient::with_budget(routes, Http::default(), usize::MAX / 4);

    // What the first session of a process brings with it is not every session's.
    open(&server, args, &news, asks, 1).await?;
    let (before, begun) = (resident()?, Instant::now());
    open(&server, args, &news, asks, args.sessions + 1).await?;
    let opened = begun.elapsed().as_secs_f64();
    // What the last handshakes borrowed is given back.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let each = |now: u64| (now as f64 - before as f64) / args.sessions.max(1) as f64;
    let octets = each(resident()?);

    let (mut slowest, mut is_complete) = (0.0_f64, true);
    let message = Prepared::binary(&vec![b'x'; args.size]);
    let (busy, mut deliveries) = (processor_time()?, 0);
    for number in 0..args.broadcasts as usize {
        // The next one is far away, as that of another publisher would be.
        let number = number * 7919 % news.topics.len();
        let subscribers = news.subscribers(number);
        let expected = message.frame().len() as u64 * subscribers as u64;
        let (written, begun) = (WRITTEN.load(Ordering::Relaxed), Instant::now());
        let Some(topic) = news.topics.get(number) else {
            return Err(io::Error::other("no such topic"));
        };
        let published = news.relay.publish(topic, message.clone());
        is_complete &= published.subscribers == subscribers;
        while WRITTEN.load(Ordering::Relaxed) - written < expected && begun.elapsed() < PATIENCE {
            tokio::task::yield_now().await;
        }
        slowest = slowest.max(begun.elapsed().as_secs_f64());
        is_complete &= WRITTEN.load(Ordering::Relaxed) - written == expected;
        deliveries += subscribers;
    }
    let busy = processor_time()? - busy;
    // Broadcasts leave nothing behind.
    let after = each(resident()?);
    let holds = is_complete
        && octets <= args.most_octets
        && after <= args.most_octets
        && slowest <= args.most_seconds;
    println!(
        "{}",
        json!({
            "sessions": args.sessions,
            "octets_per_session": octets.round(),
            "octets_per_session_after_broadcasts": after.round(),
            "opened_seconds": rounded(opened),
            "topics": count,
            "subscriptions_of_each": if news.is_all { count } else { 1 },
            "protocol": if args.relay { "relay" } else { "none" },
            "broadcasts": args.broadcasts,
            "deliveries": deliveries,
            "cpu_us_per_delivery": rounded(busy as f64 / 1000.0 / deliveries.max(1) as f64),
            "octets_per_message": args.size,
            "slowest_broadcast_seconds": rounded(slowest),
            "every_session_got_every_octet": is_complete,
            "holds": holds,
        })
    );
    Ok(holds)
}

/// What a client says: its opening handshake, and what it asks the relay for.
fn asks(relay: Option<&News>) -> &'static [u8] {
    let mut asks = REQUEST.to_vec();
    for topic in relay.into_iter().flat_map(|news| news.topics.iter()) {
        let text = format!(r#"{{"type":"subscribe","topic":"{topic}"}}"#);
        // Masked with zeros; topics are numbers, so that no text has more than 125 octets.
        let length = u8::try_from(text.len()).unwrap_or(125);
        asks.extend_from_slice(&[0x81, 0x80 | length, 0, 0, 0, 0]);
        asks.extend_from_slice(text.as_bytes());
    }
    // There for as long as the process is, once for all sessions.
    asks.leak()
}

/// How many sessions have all that they asked for.
fn open_sessions(args: &Args, news: &News) -> usize {
    if !args.relay {
        return OPEN.load(Ordering::Relaxed);
    }
    let subscriptions = usize::try_from(news.relay.stats().subscriptions);
    subscriptions.unwrap_or(usize::MAX) / news.topics.len()
}

/// Opens sessions until there are so many.
async fn open(
    server: &TestClient,
    args: &Args,
    news: &News,
    asks: &'static [u8],
    count: usize,
) -> io::Result<()> {
    let begun = Instant::now();
    let mut begun_sessions = open_sessions(args, news);
    while begun_sessions < count {
        let more = AT_ONCE.min(count - begun_sessions);
        for _ in 0..more {
            drop(server.serve(Io::Dyn(Box::new(Scripted { asks }))));
        }
        begun_sessions += more;
        while open_sessions(args, news) < begun_sessions {
            if begun.elapsed() > OPENING {
                return Err(io::Error::other("the sessions do not open"));
            }
            tokio::task::yield_now().await;
        }
        let mib = resident()? >> 20;
        if mib > args.most_mib {
            return Err(io::Error::other(format!(
                "{mib} MiB with {begun_sessions} sessions"
            )));
        }
    }
    Ok(())
}

/// A session: it subscribes, and gets what is published for as long as it lives.
fn serve(socket: WebSocket, State(news): State<News>) -> impl Future<Output = ()> {
    // No async function: its future would keep what it is given.
    let outlet = news.relay.outlet(&socket, news.terms.clone());
    let number = OPEN.fetch_add(1, Ordering::Relaxed);
    let mut subscriptions =
        (news.topics_of(number)).map(|topic| outlet.subscribe(topic, 0, Resume::Live).0);
    let subscription = subscriptions.next();
    if let Ok(mut others) = OTHERS.lock() {
        others.extend(subscriptions);
    }
    async move {
        outlet.serve(socket, async |_| {}).await;
        drop(subscription);
    }
}

/// A client that sends its opening handshake, says nothing more, and takes everything.
struct Scripted {
    asks: &'static [u8],
}

impl Transport for Scripted {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.asks.is_empty() {
            // For ever: nobody is to be woken.
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let asks = std::mem::take(&mut self.asks);
        if asks.is_empty() {
            return Poll::Pending;
        }
        buf.extend_from_slice(asks);
        Poll::Ready(Ok(asks.len()))
    }

    fn poll_writev(
        &mut self,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len: usize = bufs.iter().map(|buf| buf.len()).sum();
        WRITTEN.fetch_add(len as u64, Ordering::Relaxed);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Nanoseconds that this thread, which does everything, was on a processor.
fn processor_time() -> io::Result<u64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = told.split_whitespace().next();
    first
        .and_then(|nanoseconds| decimal(nanoseconds.as_bytes()))
        .ok_or_else(|| io::Error::other("no schedstat"))
}

/// Resident octets of this process.
fn resident() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| decimal(line.split_whitespace().next()?.as_bytes()));
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("no VmRSS"))
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Sessions that subscribe.
static OPEN: AtomicUsize = AtomicUsize::new(0);
/// What they have beyond their first topic: kept here, so that a session with one is as large as a client's.
static OTHERS: Mutex<Vec<Membership>> = Mutex::new(Vec::new());
/// Octets that were written to all of them.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// So many handshakes at a time.
const AT_ONCE: usize = 1_000;

/// How long a broadcast is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long all sessions may take to open.
const OPENING: Duration = Duration::from_secs(300);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
