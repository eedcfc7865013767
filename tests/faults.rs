//! I/O torture (RESILIENCE R7): in each of these scripted exchanges, each I/O call of the server goes wrong once in each of eight ways.
//!
//! Whatever goes wrong and where: nothing panics, the connection ends in virtual time, the byte budget and the count of connections go
//! back to nothing, no task is left, and what the client got is what it gets without the fault, cut off somewhere. Calls that are merely
//! short change nothing at all.

#[path = "faults/exchanges.rs"]
mod exchanges;
#[path = "faults/service.rs"]
mod service;

use crate::exchanges::{Step, exchanges};
use std::sync::atomic::Ordering;
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
    let names: std::collections::BTreeSet<&str> =
        exchanges().iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names.len(),
        exchanges().len(),
        "two exchanges have one name"
    );
    assert!(names.len() >= 50);
}

async fn torture(part: usize) {
    let client = TestClient::with_config(service::routes(), hurried());
    let mut runs = 0;
    for (name, steps) in exchanges().into_iter().skip(part).step_by(PARTS) {
        let (expected, calls) = run(&client, &steps, Fault::Reset, usize::MAX, name).await;
        assert!(calls > 2, "{name}: {calls} calls");
        let (again, calls_again) = run(&client, &steps, Fault::Reset, usize::MAX, name).await;
        assert_eq!(
            (&again, calls_again),
            (&expected, calls),
            "{name} is not deterministic"
        );
        for fault in Fault::ALL {
            for at in 0..calls {
                let (got, _) = run(&client, &steps, fault, at, name).await;
                check(&got, &expected, fault).unwrap_or_else(|why| {
                    panic!("{name}, {fault:?} at call {at} of {calls}: {why}\ngot      {got:?}\nexpected {expected:?}")
                });
                runs += 1;
            }
        }
    }
    assert!(runs > 500, "{runs} runs");
}

/// One exchange with one fault: what the client got, with every date masked, and how many I/O calls the server made.
async fn run(
    client: &TestClient,
    steps: &[Step],
    fault: Fault,
    at: usize,
    name: &str,
) -> (String, usize) {
    let context = format!("{name}, {fault:?} at call {at}");
    let panics = client.count(Counter::HandlerPanics);
    let (mut io, server) = memory::pair(4096);
    let faulty = FaultyTransport::new(server, fault, at);
    let calls = faulty.calls();
    let connection = client.serve(Io::Dyn(Box::new(faulty)));
    let patience = Duration::from_secs(120);
    let got = tokio::time::timeout(patience, talk(&mut io, steps)).await;
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
async fn talk(io: &mut MemoryStream, steps: &[Step]) -> String {
    let mut got = Vec::new();
    for step in steps {
        match step {
            Step::Send(octets) => {
                // What the server does not read it does not want; what it says meanwhile has to be taken.
                let (mut reader, mut writer) = tokio::io::split(&mut *io);
                let mut write = std::pin::pin!(writer.write_all(octets));
                let mut buf = [0; 512];
                loop {
                    tokio::select! {
                        biased;
                        _ = &mut write => break,
                        read = reader.read(&mut buf) => match read {
                            Ok(1..) => got.extend_from_slice(&buf[..read.unwrap()]),
                            _ => break,
                        },
                    }
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
    match fault {
        // An octet at a time, content has not come yet when a handler asks for it: 100 is sent then.
        Fault::Short | Fault::Dribble => (without_continue(got) == without_continue(expected))
            .then_some(())
            .ok_or("a short call changed what was said"),
        // A stream that ends early is a client that half-closes early: responses after that say `close`.
        Fault::End => {
            let told =
                |text: &str| text.replace("connection: close\r\n", "connection: keep-alive\r\n");
            told(expected)
                .starts_with(&told(got))
                .then_some(())
                .ok_or("something else was said")
        }
        _ => expected
            .starts_with(got)
            .then_some(())
            .ok_or("something else was said"),
    }
}

fn without_continue(text: &str) -> String {
    text.replace("HTTP/1.1 100 Continue\r\n\r\n", "")
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
