//! `wireline bench`: what a relay delivers, how late, and whether anything is missing.
//!
//! Publishing is an open loop: message k is due at the start + k/rate, whatever became of those before, and the latency of a delivery
//! counts from when its message was due. So a server, or a bench, that falls behind shows in the latency of everything that waits for
//! it (no "coordinated omission"). One thread does everything: `late` tells how far publishing itself was behind.

mod report;
mod track;

use crate::bench::report::{Plan, Report};
use crate::bench::track::{Stamp, Tally};
use crate::client::{self, ENDED, Failure, REFUSED, UNCLEAN, between};
use crate::tell::print;
use clap::Args;
use serde::Serialize;
use std::collections::HashSet;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use wireline::relay::client::{Event, RelayClient, RequestError, SubscribeOptions, Subscription};

/// What to measure.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Where the relay is: ws://HOST:PORT/PATH or wss://...; the path is /ws when there is none. Subscribers may publish there.
    url: String,
    /// Connections that subscribe to a topic each.
    #[arg(long, value_name = "N", default_value = "100", value_parser = subscribers)]
    subscribers: u64,
    /// Topics; subscribers and messages take turns.
    #[arg(long, value_name = "M", default_value = "1", value_parser = topics)]
    topics: u64,
    /// Messages that are published each second, over all topics.
    #[arg(long, value_name = "R", default_value = "100", value_parser = rate)]
    rate: u64,
    /// The octets of a message's payload, 64 at the least.
    #[arg(long, value_name = "B", default_value = "128", value_parser = size)]
    size: u64,
    /// How long to publish.
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds)]
    seconds: u64,
    /// How the topics' names begin; a number follows.
    #[arg(long, value_name = "NAME", default_value = "bench")]
    prefix: String,
    /// Sign in with this token, as Authorization: Bearer.
    #[arg(long, value_name = "TOKEN")]
    bearer: Option<String>,
    /// Trust the authorities in this PEM file in place of the system's.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    ca: Option<PathBuf>,
    /// Print the report as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// A connection that publishes, and the topics that it publishes to.
struct Publisher {
    client: RelayClient,
    /// A client may send where it subscribes; what comes back to this one is not read.
    _places: Vec<Subscription>,
}

/// What became of what was published.
#[derive(Default)]
struct Sent {
    accepted: u64,
    refused: u64,
    failed: u64,
    why: Option<String>,
    /// Stream, topic and number of those that nobody is going to get.
    void: HashSet<(u64, u64, u64)>,
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let run = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let run = run.map_or(0, |age| u64::from(age.subsec_nanos()));
    let publishers = publishers(&options).await?;
    let tally = Arc::new(Mutex::new(Tally::default()));
    // On a tick of the timer, so that what is due at a whole millisecond is woken then.
    let epoch = Instant::now();
    let (mut readers, mut opening) = (JoinSet::new(), JoinSet::new());
    for number in 0..options.subscribers {
        if opening.len() >= AT_ONCE {
            read_on(&mut readers, opening.join_next().await, &tally, run, epoch)?;
        }
        opening.spawn(subscriber(options.clone(), number));
    }
    while let Some(opened) = opening.join_next().await {
        read_on(&mut readers, Some(opened), &tally, run, epoch)?;
    }

    sleep(Duration::from_millis(1)).await;
    let start = Instant::now();
    let (sent, numbers, late) = publish(&options, &publishers, run, epoch, start).await;
    if sent.accepted == 0 {
        let why = sent
            .why
            .unwrap_or_else(|| "nothing was published".to_owned());
        return Err(Failure::new(REFUSED, format!("{}: {why}", options.url)));
    }
    let expected: u64 = numbers
        .iter()
        .enumerate()
        .flat_map(|(publisher, topics)| {
            let count = |(topic, count): (u64, &u64)| {
                let void = sent
                    .void
                    .iter()
                    .filter(|(stream, place, _)| (*stream, *place) == (publisher as u64, topic));
                (count - void.count() as u64) * readers_of(&options, topic)
            };
            (0..).zip(topics).map(count).collect::<Vec<_>>()
        })
        .sum();
    let last = settle(&tally, expected).await;
    readers.abort_all();
    while readers.join_next().await.is_some() {}

    let tally = Arc::try_unwrap(tally).map_or_else(
        |tally| std::mem::take(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner)),
        |tally| tally.into_inner().unwrap_or_else(PoisonError::into_inner),
    );
    let plan = Plan {
        subscribers: options.subscribers,
        topics: options.topics,
        rate: options.rate,
        size: options.size,
        seconds: options.seconds,
        publishers: publishers.len() as u64,
    };
    let is_void = |stream, topic, number| sent.void.contains(&(stream, topic, number));
    let lost = tally.lost(&numbers, is_void);
    let elapsed = last
        .unwrap_or_else(Instant::now)
        .saturating_duration_since(start);
    let report = Report::new(plan, &tally, lost, expected, elapsed).published(
        sent.accepted,
        sent.refused,
        sent.failed,
        late,
    );
    if options.json {
        print(&serde_json::to_string(&report).unwrap_or_default());
    } else {
        print(&report.to_string());
        if let Some(why) = &sent.why {
            print(&format!(
                "not everything was published: {}",
                client::one_line(why)
            ));
        }
    }
    for publisher in publishers {
        publisher.client.close().await;
    }
    match report.complaint() {
        None => Ok(()),
        Some(complaint) => Err(Failure::new(UNCLEAN, complaint)),
    }
}

/// Waits until everything has come, or nothing has for a while; says when the last delivery was.
async fn settle(tally: &Mutex<Tally>, expected: u64) -> Option<Instant> {
    let (mut known, mut since) = (0, Instant::now());
    loop {
        let (came, last) = {
            let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            (tally.delivered + tally.lagged, tally.last)
        };
        if came >= expected || since.elapsed() >= QUIET {
            return last;
        }
        if came != known {
            (known, since) = (came, Instant::now());
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// As many connections as the server's usual limits want: so many messages a second, and so many topics, of each.
async fn publishers(options: &Options) -> Result<Vec<Publisher>, Failure> {
    let wanted = options
        .rate
        .div_ceil(MESSAGES)
        .max(options.topics.div_ceil(PLACES));
    // More publishers than topics take turns at each topic.
    let count = match wanted > options.topics {
        true => wanted.next_multiple_of(options.topics),
        false => wanted,
    };
    let mut publishers = Vec::new();
    for number in 0..count {
        let client = connect(options).await?;
        let mut places = Vec::new();
        let topics = (0..options.topics).filter(|topic| match count > options.topics {
            true => number % options.topics == *topic,
            false => topic % count == number,
        });
        for topic in topics {
            let wants = SubscribeOptions::new().queue(1);
            places.push(joined(options, &client, topic, wants).await?);
        }
        publishers.push(Publisher {
            client,
            _places: places,
        });
    }
    Ok(publishers)
}

async fn connect(options: &Options) -> Result<RelayClient, Failure> {
    client::builder(
        &options.url,
        options.bearer.as_deref(),
        options.ca.as_deref(),
    )?
    .max_requests(16 * 1024)
    // What it measures is sockets.
    .without_event_stream()
    .connect()
    .await
    .map_err(|error| Failure::dial(&options.url, &error))
}

async fn joined(
    options: &Options,
    client: &RelayClient,
    topic: u64,
    wants: SubscribeOptions,
) -> Result<Subscription, Failure> {
    let topic = format!("{}:{topic}", options.prefix);
    let mut subscription = client.subscribe_with(&topic, wants)?;
    match subscription.next().await {
        Some(Event::Subscribed(_)) => Ok(subscription),
        Some(Event::Error(refusal)) => Err(Failure::new(REFUSED, format!("{topic}: {refusal}"))),
        _ => Err(Failure::new(
            ENDED,
            format!("{topic}: the subscription has ended"),
        )),
    }
}

async fn subscriber(options: Options, number: u64) -> Result<(Subscription, u64), Failure> {
    let topic = number % options.topics;
    let client = connect(&options).await?;
    let wants = SubscribeOptions::new()
        .queue(64 * 1024)
        .queue_octets(64 * 1024 * 1024);
    Ok((joined(&options, &client, topic, wants).await?, topic))
}

/// The subscribers that take this topic.
fn readers_of(options: &Options, topic: u64) -> u64 {
    (options.subscribers + options.topics - 1 - topic) / options.topics
}

type Opened = Result<Result<(Subscription, u64), Failure>, tokio::task::JoinError>;

/// Has a subscription read that was opened.
fn read_on(
    readers: &mut JoinSet<()>,
    opened: Option<Opened>,
    tally: &Arc<Mutex<Tally>>,
    run: u64,
    epoch: Instant,
) -> Result<(), Failure> {
    let Some(Ok(opened)) = opened else {
        return Err(Failure::new(ENDED, "a subscriber could not be opened"));
    };
    let (mut subscription, topic) = opened?;
    let tally = tally.clone();
    let track = tally
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .subscriber(topic);
    readers.spawn(async move {
        while let Some(event) = subscription.next().await {
            let now = Instant::now();
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Event::Push(push) => match push.json::<Stamp>() {
                    Ok(stamp) if stamp.run == run => {
                        let due = epoch + Duration::from_micros(stamp.at);
                        tally.delivered(track, &stamp, now, now.saturating_duration_since(due));
                    }
                    // Of another bench, or of somebody else.
                    _ => tally.foreign += 1,
                },
                Event::Lagged(lagged) => tally.lagged(track, lagged.missed),
                Event::Subscribed(begun) => {
                    tally.reconnections += 1;
                    tally.unrecovered += u64::from(!begun.recovered);
                }
                _ => {}
            }
        }
    });
    Ok(())
}

/// Publishes, each message when it is due. Gives what became of them, how many numbers were given of each publisher and topic, and how
/// far this was behind at the most.
async fn publish(
    options: &Options,
    publishers: &[Publisher],
    run: u64,
    epoch: Instant,
    start: Instant,
) -> (Sent, Vec<Vec<u64>>, Duration) {
    #[derive(Serialize)]
    struct Message<'a> {
        #[serde(flatten)]
        stamp: Stamp,
        pad: &'a str,
    }
    let pad = "x".repeat(usize::try_from(options.size).unwrap_or_default());
    let count = publishers.len() as u64;
    let turns = (count / options.topics).max(1);
    let mut numbers =
        vec![vec![0; usize::try_from(options.topics).unwrap_or_default()]; publishers.len()];
    let (mut sending, mut sent, mut late) = (JoinSet::new(), Sent::default(), Duration::ZERO);
    for message in 0..options.rate * options.seconds {
        let due = start + Duration::from_millis(message * 1000 / options.rate);
        if Instant::now() < due {
            sleep_until(due).await;
        }
        late = late.max(due.elapsed());
        let topic = message % options.topics;
        let publisher = match count > options.topics {
            true => topic + options.topics * (message / options.topics % turns),
            false => topic % count,
        };
        let (stream, place) = (publisher as usize, topic as usize);
        let stamp = Stamp {
            run,
            stream: publisher,
            number: numbers[stream][place],
            at: u64::try_from(due.saturating_duration_since(epoch).as_micros()).unwrap_or_default(),
        };
        numbers[stream][place] += 1;
        let bare = serde_json::to_string(&stamp).map_or(0, |text| text.len() + PAD);
        let message = Message {
            pad: &pad[..pad.len().saturating_sub(bare)],
            stamp,
        };
        let key = (publisher, topic, message.stamp.number);
        let payload = serde_json::value::to_raw_value(&message);
        let (client, name) = (
            publishers[stream].client.clone(),
            format!("{}:{topic}", options.prefix),
        );
        let mut send = Box::pin(async move {
            let Ok(payload) = payload else {
                return (key, Ok(()));
            };
            (key, client.send(&name, "bench", &payload).await)
        });
        // It is sent before the next one is; only its answer is waited for elsewhere.
        match std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut send).poll(cx))).await {
            Poll::Ready(done) => sent.count(done),
            Poll::Pending => drop(sending.spawn(send)),
        }
        while let Some(Ok(done)) = sending.try_join_next() {
            sent.count(done);
        }
    }
    while let Some(done) = sending.join_next().await {
        if let Ok(done) = done {
            sent.count(done);
        }
    }
    (sent, numbers, late)
}

impl Sent {
    fn count(&mut self, (key, outcome): ((u64, u64, u64), Result<(), RequestError>)) {
        let Err(error) = outcome else {
            self.accepted += 1;
            return;
        };
        match error {
            RequestError::Refused(_) | RequestError::Full => self.refused += 1,
            // Whether it was delivered is not known, so nobody is expected to have it.
            _ => self.failed += 1,
        }
        self.void.insert(key);
        self.why.get_or_insert_with(|| error.to_string());
    }
}

fn subscribers(text: &str) -> Result<u64, String> {
    between(text, 1, 100_000)
}

fn topics(text: &str) -> Result<u64, String> {
    between(text, 1, 10_000)
}

fn rate(text: &str) -> Result<u64, String> {
    between(text, 1, 1_000_000)
}

fn size(text: &str) -> Result<u64, String> {
    between(text, 64, 60_000)
}

fn seconds(text: &str) -> Result<u64, String> {
    between(text, 1, 86_400)
}

/// The connections that are opened at the same time.
const AT_ONCE: usize = 32;

/// What a server takes of one connection, with some room: messages each second, and topics.
const MESSAGES: u64 = 150;
const PLACES: u64 = 40;

/// Nothing came for this long: nothing will.
const QUIET: Duration = Duration::from_secs(3);

/// `,"pad":""`
const PAD: usize = 9;
