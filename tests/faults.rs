//! I/O torture (RESILIENCE R7): in each of these scripted exchanges, each I/O call of the server goes wrong once in each of eight ways.
//!
//! Whatever goes wrong and where: nothing panics, the connection ends in virtual time, the byte budget and the count of connections go
//! back to nothing, no task is left, and what the client got is what it gets without the fault, cut off somewhere. Calls that are merely
//! short change nothing that a client takes note of.

#![expect(
    clippy::await_holding_lock,
    reason = "each test has a thread and a runtime of its own: who waits for the lock holds up nobody else"
)]

#[path = "faults/exchanges.rs"]
mod exchanges;
#[path = "faults/service.rs"]
mod service;

use crate::exchanges::{Step, exchanges};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::http1::driver::config::Config;
use wireline::resource::counters::Counter;
use wireline::resource::io::Io;
use wireline::resource::io::fault::{Fault, FaultyTransport};
use wireline::resource::io::memory::{self, MemoryStream};
use wireline::test::TestClient;

macro_rules! parts {
    ($($name:ident = $part:literal),*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            torture($part).await;
        }
    )*};
}

parts!(
    part_0 = 0,
    part_1 = 1,
    part_2 = 2,
    part_3 = 3,
    part_4 = 4,
    part_5 = 5,
    part_6 = 6,
    part_7 = 7
);

const PARTS: usize = 8;

#[test]
fn there_is_enough_to_break() {
    let _together = ALONE.read().unwrap_or_else(PoisonError::into_inner);
    let names: std::collections::BTreeSet<String> =
        exchanges().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names.len(),
        exchanges().len(),
        "two exchanges have one name"
    );
    assert!(names.len() >= 300, "{}", names.len());
}

/// How a client's octets come, and how much the connection takes at once.
#[derive(Clone, Copy, Debug)]
struct Wire {
    piece: usize,
    capacity: usize,
}

/// In few calls, and in many.
const WIRES: [Wire; 2] = [
    Wire {
        piece: usize::MAX,
        capacity: 4096,
    },
    Wire {
        piece: 23,
        capacity: 100,
    },
];

async fn torture(part: usize) {
    let _together = ALONE.read().unwrap_or_else(PoisonError::into_inner);
    let client = TestClient::with_config(service::routes(), hurried());
    let (mut runs, mut tried) = (0, 0);
    for (name, steps) in exchanges().into_iter().skip(part).step_by(PARTS) {
        let most = most_places(&name);
        tried += 1;
        let mut usual = None;
        for wire in WIRES {
            let run = async |fault, at| run(&client, &steps, wire, fault, at, &name).await;
            let (expected, calls) = run(Fault::Reset, usize::MAX).await;
            assert!(calls > 2, "{name}: {calls} calls");
            let again = run(Fault::Reset, usize::MAX).await;
            assert_eq!(
                again,
                (expected.clone(), calls),
                "{name} is not deterministic"
            );
            let usual = usual.get_or_insert_with(|| expected.clone());
            check(&expected, usual, Fault::Short).unwrap_or_else(|why| panic!("{name}: {why}"));
            for fault in Fault::ALL {
                for at in (0..calls).step_by(calls.div_ceil(most).max(1)) {
                    let (got, _) = run(fault, at).await;
                    check(&got, &expected, fault).unwrap_or_else(|why| {
                        panic!("{name}, {wire:?}, {fault:?} at call {at} of {calls}: {why}\ngot      {got:?}\nexpected {expected:?}")
                    });
                    runs += 1;
                }
            }
        }
    }
    assert!(runs > 1000, "{runs} runs");
    report(
        "I/O faults in scripted exchanges, nothing left behind each",
        runs,
        100_000,
    );
    report("scripted exchanges that were tortured", tried, 300);
}

/// The octets that the process holds are the same after an exchange as before it, whatever went wrong in it.
#[tokio::test(start_paused = true)]
async fn nothing_leaks() {
    // Others would count as well: this is the only one while it runs.
    let _alone = ALONE.write().unwrap_or_else(PoisonError::into_inner);
    let client = TestClient::with_config(service::routes(), hurried());
    let mut runs = 0;
    for (name, steps) in exchanges() {
        let wire = WIRES[0];
        let (_, calls) = run(&client, &steps, wire, Fault::Reset, usize::MAX, &name).await;
        for fault in Fault::ALL {
            let places = if is_full() { 16 } else { 1 };
            for at in (calls / 2..calls).step_by(calls.div_ceil(places).max(1)) {
                // What is made once and kept (a thread's stores, a table that grows) is made by then: what leaks does so each time.
                let mut kept = Vec::new();
                while kept.len() < 6 {
                    let region = Region::new(ALLOCATOR);
                    drop(run(&client, &steps, wire, fault, at, &name).await);
                    let change = region.change();
                    let grown = change
                        .bytes_allocated
                        .saturating_sub(change.bytes_deallocated);
                    kept.push(grown);
                    if grown == 0 {
                        break;
                    }
                }
                assert_eq!(
                    kept.last(),
                    Some(&0),
                    "{name}, {fault:?} at call {at}: {kept:?}"
                );
                runs += 1;
            }
        }
    }
    report(
        "I/O faults after which the allocator holds what it held",
        runs,
        10_000,
    );
}

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Read by those that run together, written by the one that counts.
static ALONE: RwLock<()> = RwLock::new(());

/// Of the calls of an exchange only so many, evenly spread, meet each fault; with the full count all of them.
fn most_places(name: &str) -> usize {
    match name {
        _ if is_full() => usize::MAX,
        crossed if crossed.contains("sent in way") => 2,
        _ => 32,
    }
}

fn is_full() -> bool {
    std::env::var_os("WIRELINE_PROOFS").is_some_and(|size| size == "full")
}

/// A line for `bench/proofs`, which sums those that say the same.
fn report(what: &str, figure: usize, limit: usize) {
    println!(
        "{{\"row\": \"R7\", \"what\": \"{what}\", \"figure\": {figure}, \"limit\": {limit}, \"full\": {}}}",
        is_full()
    );
}

/// One exchange with one fault: what the client got, with every date masked, and how many I/O calls the server made.
async fn run(
    client: &TestClient,
    steps: &[Step],
    wire: Wire,
    fault: Fault,
    at: usize,
    name: &str,
) -> (String, usize) {
    let context = format!("{name}, {fault:?} at call {at}");
    let panics = client.count(Counter::HandlerPanics);
    let (mut io, server) = memory::pair(wire.capacity);
    let faulty = FaultyTransport::new(server, fault, at);
    let calls = faulty.calls();
    let connection = client.serve(Io::Dyn(Box::new(faulty)));
    let patience = Duration::from_secs(120);
    let got = tokio::time::timeout(patience, talk(&mut io, steps, wire.piece)).await;
    let got = got.unwrap_or_else(|_| panic!("{context}: the connection never ends"));
    let ended = tokio::time::timeout(patience, connection).await;
    let ended =
        ended.unwrap_or_else(|_| panic!("{context}: the connection lives on without its client"));
    ended.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(
        (client.connections(), client.buffered()),
        (0, 0),
        "{context}: something is left"
    );
    let counts = (
        client.count(Counter::ConnectionsAccepted),
        client.count(Counter::ConnectionsClosed),
    );
    assert_eq!(counts.0, counts.1, "{context}: accepted and closed");
    if !name.contains("panic") {
        assert_eq!(
            client.count(Counter::HandlerPanics),
            panics,
            "{context}: a handler panicked"
        );
    }
    // Tasks that handlers spawned go when their body is not taken any more; the sweep stays.
    for _ in 0..100 {
        if tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
            <= 1
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks(),
        1,
        "{context}: a task is left"
    );
    (got, calls.load(Ordering::Relaxed))
}

/// The client's side: every step, then everything until the end of the stream.
async fn talk(io: &mut MemoryStream, steps: &[Step], piece: usize) -> String {
    let mut got = Vec::new();
    for step in steps {
        match step {
            Step::Send(octets) => {
                for part in octets.chunks(piece.min(octets.len())) {
                    send(io, part, &mut got).await;
                    tokio::task::yield_now().await;
                }
            }
            Step::Await(text) => {
                let mut buf = [0; 1];
                while !got.ends_with(text.as_bytes())
                    && io.read(&mut buf).await.is_ok_and(|len| len == 1)
                {
                    got.push(buf[0]);
                }
            }
            Step::Pass(duration) => tokio::time::sleep(*duration).await,
            Step::Fin => io.shutdown().await.unwrap(),
        }
    }
    let _ = io.read_to_end(&mut got).await;
    mask_dates(&mut got);
    String::from_utf8(got).expect("these responses are text")
}

/// Sends; what the server does not read it does not want, and what it says meanwhile has to be taken.
async fn send(io: &mut MemoryStream, octets: &[u8], got: &mut Vec<u8>) {
    let (mut reader, mut writer) = tokio::io::split(io);
    let mut write = std::pin::pin!(writer.write_all(octets));
    let mut buf = [0; 512];
    loop {
        tokio::select! {
            biased;
            _ = &mut write => break,
            read = reader.read(&mut buf) => match read {
                Ok(len @ 1..) => got.extend_from_slice(&buf[..len]),
                _ => break,
            },
        }
    }
}

/// Puts the same octets in place of every date, also of one that is cut off.
fn mask_dates(got: &mut [u8]) {
    let field = b"\r\ndate: ";
    for at in 0..got.len() {
        if got[at..].starts_with(field) {
            let from = at + field.len();
            let to = (from + "Sun, 06 Nov 1994 08:49:37 GMT".len()).min(got.len());
            got[from..to].fill(b'D');
        }
    }
}

fn check(got: &str, expected: &str, fault: Fault) -> Result<(), &'static str> {
    let same = match fault {
        // An octet at a time, content has not come yet when a handler asks for it: 100 is sent then, and
        // what is left unread may be too much to wait for. Chunks are cut where the content was.
        Fault::Short | Fault::Dribble => {
            let plain = |text: &str| dechunked(&without_options(text).replace(CONTINUE, ""));
            plain(got) == plain(expected)
        }
        // A stream that ends early is a client that half-closes early: responses after that say `close`.
        Fault::End => without_options(expected).starts_with(&without_options(got)),
        _ => expected.starts_with(got),
    };
    same.then_some(()).ok_or("something else was said")
}

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn without_options(text: &str) -> String {
    text.replace("connection: close\r\n", "connection: keep-alive\r\n")
}

/// The text with the sizes of all chunks taken out.
fn dechunked(text: &str) -> String {
    let Some((head, mut rest)) = text.split_once("transfer-encoding: chunked\r\n") else {
        return text.to_owned();
    };
    let (fields, content) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
    let mut plain = format!("{head}{fields}\r\n\r\n");
    rest = content;
    while let Some((size, after)) = rest.split_once("\r\n") {
        let Some(size) = hex(size) else {
            break;
        };
        if size == 0 || after.len() < size + 2 {
            break;
        }
        plain.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    plain + &dechunked(rest)
}

/// Deadlines that keep a stalled run short, and limits that small exchanges reach.
fn hurried() -> Config {
    let mut config = Config::default();
    config.max_body = 8 * 1024;
    config.stream_threshold = 1024;
    config.drain_body = 1024;
    config.head_timeout = Duration::from_secs(2);
    config.read_timeout = Duration::from_secs(2);
    config.body_timeout = Duration::from_secs(10);
    config.idle_timeout = Duration::from_secs(3);
    config.write_timeout = Duration::from_secs(2);
    config.rate_grace = Duration::from_secs(1);
    config.closed_grace = Duration::from_secs(1);
    config.linger = Duration::from_secs(1);
    config
}

/// A chunk size; anything but hexadecimal digits is none.
fn hex(text: &str) -> Option<usize> {
    text.bytes().try_fold(0, |size, digit| {
        Some(size * 16 + usize::from(wireline::wire::number::hex_digit(digit)?))
    })
}
