//! Clients that take their time: SL-1 to SL-4, SL-9, SL-10.

use crate::Context;
use crate::crowd::{self, told};
use crate::outcome::Outcome;
use crate::probe;
use crate::talk::{Ended, Talk, get};
use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// SL-1: header sections that grow by a line each two seconds and do not end.
pub(crate) async fn heads(context: Arc<Context>) -> Outcome {
    let counted = Counted::begin(&context, &["head_timeouts"]).await;
    let mut outcome = crowd::at_once(&context, |context, number| {
        told(number, async move {
            let mut talk = Talk::open(&context, number).await?;
            talk.send(b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\n")
                .await?;
            let ended = drip(&mut talk, b"X-More: of it\r\n", Duration::from_secs(2)).await?;
            let mut outcome = closed(&ended, HEAD);
            if ended.status() != 408 {
                outcome.complain(format!("the status is {}", ended.status()));
            }
            Ok(outcome)
        })
    })
    .await;
    counted.end(&context, &mut outcome).await;
    outcome
}

/// SL-2: content of a declared length that is read before the handler runs, such that is streamed to it, and chunks; an octet each
/// four seconds.
pub(crate) async fn bodies(context: Arc<Context>) -> Outcome {
    let counted = Counted::begin(&context, &["body_timeouts"]).await;
    let mut outcome = crowd::at_once(&context, |context, number| {
        told(number, async move {
            let mut talk = Talk::open(&context, number).await?;
            let (field, piece): (_, &[u8]) = match number % 3 {
                0 => ("Content-Length: 8192", b"x"),
                1 => ("Content-Length: 100000000", b"x"),
                _ => ("Transfer-Encoding: chunked", b"1\r\nx\r\n"),
            };
            let head = format!("POST /sink HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n");
            talk.send(head.as_bytes()).await?;
            let ended = drip(&mut talk, piece, Duration::from_secs(4)).await?;
            let mut outcome = closed(&ended, BODY);
            if ended.status() != 408 {
                outcome.complain(format!("{field}: the status is {}", ended.status()));
            }
            Ok(outcome)
        })
    })
    .await;
    counted.end(&context, &mut outcome).await;
    outcome
}

/// SL-4: connections on which nothing is said.
pub(crate) async fn silence(context: Arc<Context>) -> Outcome {
    let counted = Counted::begin(&context, &["silent_timeouts"]).await;
    let mut outcome = crowd::at_once(&context, |context, number| {
        told(number, async move {
            let mut talk = Talk::open(&context, number).await?;
            let ended = talk.rest(PATIENCE).await?;
            let mut outcome = closed(&ended, HEAD);
            if !ended.octets.is_empty() {
                outcome.complain(format!("{} octets came", ended.octets.len()));
            }
            Ok(outcome)
        })
    })
    .await;
    counted.end(&context, &mut outcome).await;
    outcome
}

/// SL-3: 100 MB, of which every other client takes five octets each five seconds, and the others nothing. Whether they are closed is
/// the server's to say: who does not read does not see it.
pub(crate) async fn readers(context: Arc<Context>) -> Outcome {
    let counted = Counted::begin(&context, &["write_timeouts"]).await;
    let mut outcome = Outcome::default();
    let (over, is_over) = watch::channel(false);
    let open = Arc::new(AtomicUsize::new(0));
    let mut reading = JoinSet::new();
    for number in 0..context.count {
        let (asking, mut is_over, open) = (context.clone(), is_over.clone(), open.clone());
        reading.spawn(async move {
            let mut talk = Talk::narrow(&asking, number).await?;
            talk.send(get("/bytes/104857600", "").as_bytes()).await?;
            open.fetch_add(1, Ordering::Relaxed);
            let taking = async {
                if number.is_multiple_of(2) {
                    take_slowly(&talk).await
                } else {
                    pending().await
                }
            };
            tokio::select! {
                () = taking => {}
                _ = is_over.wait_for(|is_over| *is_over) => {}
            }
            io::Result::Ok(())
        });
        if number % context.concurrency == context.concurrency - 1 {
            sleep(Duration::from_millis(20)).await;
        }
    }
    let begun = Instant::now();
    let mut kernel = 0.0_f64;
    loop {
        sleep(Duration::from_millis(250)).await;
        kernel = kernel.max(kernel_mib());
        match counted.by(&context, "write_timeouts").await {
            Ok(closed) if closed >= context.count as u64 => break,
            Ok(closed) if begun.elapsed() > STALLED => {
                outcome.complain(format!("{closed} are closed after {STALLED:?}"));
                break;
            }
            Ok(_) => {}
            Err(error) => outcome.complain(error.to_string()),
        }
    }
    outcome.set("closed_seconds", begun.elapsed().as_secs_f64());
    outcome.set("most_kernel_mib", kernel);
    outcome.set("opened", open.load(Ordering::Relaxed) as f64);
    if open.load(Ordering::Relaxed) < context.count {
        outcome.complain("not every client could ask");
    }
    let _ = over.send(true);
    while reading.join_next().await.is_some() {}
    counted.end(&context, &mut outcome).await;
    outcome
}

/// Five octets each five seconds, to the end.
async fn take_slowly(talk: &Talk) {
    let mut five = [0; 5];
    loop {
        if talk.stream.readable().await.is_err() {
            return;
        }
        match talk.stream.try_read(&mut five) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            _ => sleep(Duration::from_secs(5)).await,
        }
    }
}

/// SL-9: the client's side is closed after a request, inside a head, inside content.
pub(crate) async fn half_closed(context: Arc<Context>) -> Outcome {
    let counted = Counted::begin(&context, &[]).await;
    let busy = context.target.cpu_ms();
    let mut outcome = crowd::each(&context, |context, number| {
        told(number, async move {
            let (octets, status) = match number % 4 {
                0 => (get("/plaintext", ""), Some(200)),
                1 => (
                    format!("{}{}", get("/plaintext", ""), get("/json", "")),
                    Some(200),
                ),
                2 => ("GET /plaintext HTTP/1.1\r\nHost: loc".to_owned(), None),
                _ => (
                    "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nfive."
                        .to_owned(),
                    None,
                ),
            };
            let mut talk = Talk::open(&context, number).await?;
            talk.send(octets.as_bytes()).await?;
            talk.stream.shutdown().await?;
            let ended = talk.rest(PATIENCE).await?;
            let mut outcome = Outcome::default();
            outcome.raise("longest_seconds", ended.seconds);
            match status {
                Some(status) if ended.status() != status => {
                    outcome.complain(format!("a whole request got {}", ended.status()));
                }
                // A client that sends no more may be told why, and nothing else.
                None if !matches!(ended.status(), 0 | 400 | 408) => {
                    outcome.complain(format!("half a request got {}", ended.status()));
                }
                Some(_) if !ended.octets.ends_with(b"!") && number % 4 == 0 => {
                    outcome.complain("an answer that is not whole");
                }
                Some(_) if number % 4 == 1 && !ended.octets.ends_with(b"}") => {
                    outcome.complain("the second request was not answered");
                }
                Some(_) => outcome.count("answered"),
                None => outcome.count("dropped"),
            }
            if ended.seconds > 5.0 {
                outcome.complain(format!("ended after {:.1} s", ended.seconds));
            }
            Ok(outcome)
        })
    })
    .await;
    outcome.set("cpu_ms", context.target.cpu_ms() - busy);
    counted.end(&context, &mut outcome).await;
    outcome
}

/// SL-10: windows of zero cost the server no time.
pub(crate) async fn closed_windows(context: Arc<Context>) -> Outcome {
    let mut outcome = Outcome::default();
    let quiet = busy(&context).await;
    let mut open = Vec::new();
    for number in 0..context.count {
        let asked = async {
            let mut talk = Talk::narrow(&context, number).await?;
            talk.send(get("/bytes/104857600", "").as_bytes()).await?;
            Ok::<_, io::Error>(talk)
        };
        match asked.await {
            Ok(talk) => open.push(talk),
            Err(error) => outcome.complain(error.to_string()),
        }
    }
    // What fits into the kernel's buffers is on its way.
    sleep(Duration::from_secs(1)).await;
    let stalled = busy(&context).await;
    outcome.set("open", open.len() as f64);
    outcome.set("cpu_percent_before", quiet);
    outcome.set("cpu_percent", stalled);
    // The probe is in both of them.
    if stalled > 2.0 * quiet + SPARE {
        outcome.complain(format!(
            "{stalled:.0} % of a core, and {quiet:.0} % without them"
        ));
    }
    outcome
}

/// How much of a core the server has taken during two seconds, in per cent.
async fn busy(context: &Context) -> f64 {
    let (before, begun) = (context.target.cpu_ms(), Instant::now());
    sleep(Duration::from_secs(2)).await;
    (context.target.cpu_ms() - before) / begun.elapsed().as_secs_f64() / 10.0
}

/// Sends a piece again and again until the server ends the connection.
async fn drip(talk: &mut Talk, piece: &[u8], pause: Duration) -> io::Result<Ended> {
    let begun = Instant::now();
    let octets = loop {
        match timeout(pause, talk.rest(PATIENCE)).await {
            Ok(ended) => break ended?.octets,
            Err(_) if begun.elapsed() > PATIENCE => return Err(io::ErrorKind::TimedOut.into()),
            // An end that was not seen yet is seen when it is read for.
            Err(_) => drop(talk.stream.write_all(piece).await),
        }
    };
    Ok(Ended {
        octets,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// A connection that the server has closed, and has to have closed within so many seconds.
fn closed(ended: &Ended, most: f64) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.count("closed");
    outcome.raise("longest_seconds", ended.seconds);
    if ended.seconds > most {
        outcome.complain(format!("closed after {:.1} s", ended.seconds));
    }
    outcome
}

/// The server's counters before an attack, of which some have to move by one for each connection.
pub(crate) struct Counted {
    before: io::Result<BTreeMap<String, u64>>,
    moved: &'static [&'static str],
}

impl Counted {
    pub(crate) async fn begin(context: &Context, moved: &'static [&'static str]) -> Self {
        Self {
            before: context.target.counters().await,
            moved,
        }
    }

    /// By how much a counter has moved.
    async fn by(&self, context: &Context, name: &str) -> io::Result<u64> {
        let now = context.target.counters().await?;
        let of = |counters: &BTreeMap<String, u64>| counters.get(name).copied().unwrap_or(0);
        Ok(of(&now).saturating_sub(self.before.as_ref().map_or(0, of)))
    }

    /// What has moved, and whether the server has closed what it had: within two seconds.
    pub(crate) async fn end(self, context: &Context, outcome: &mut Outcome) {
        let left = left(context).await;
        if left > 0 {
            outcome.complain(format!("{left} connections are left"));
        }
        for name in self.moved {
            match self.by(context, name).await {
                Ok(by) => {
                    outcome.set(name, by as f64);
                    if by < context.count as u64 {
                        outcome.complain(format!("{name} has moved by {by}"));
                    }
                }
                Err(error) => outcome.complain(error.to_string()),
            }
        }
    }
}

/// How many connections are left that are nobody's any more: none, within ten seconds.
pub(crate) async fn left(context: &Context) -> usize {
    let mut left = usize::MAX;
    for _ in 0..100 {
        let honest = probe::open() + PROBES;
        if let Ok(now) = context.target.counters().await {
            let all = now.get("connections").copied().unwrap_or(0);
            left = usize::try_from(all)
                .unwrap_or(usize::MAX)
                .saturating_sub(honest);
            if left == 0 {
                break;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    left
}

/// What the kernel holds for all sockets of the machine, both sides of them, in MiB.
fn kernel_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let pages = text
        .lines()
        .find_map(|line| line.strip_prefix("TCP: ")?.split("mem ").nth(1))
        .and_then(|pages| wireline::wire::number::decimal(pages.as_bytes()));
    pages.unwrap_or(0) as f64 * 4.0 / 1024.0
}

/// What a busy machine adds: the figures are for a build that is optimized, on a machine with nothing else to do.
const BUSY: u64 = if cfg!(debug_assertions) { 15 } else { 0 };

/// Per cent of a core by which two looks at it differ.
const SPARE: f64 = 10.0 + 2.0 * BUSY as f64;

/// Seconds within which a head has to be here: ten, two ticks, and what 15,000 of them add.
const HEAD: f64 = 12.0 + BUSY as f64;

/// And content that is too slow.
const BODY: f64 = 45.0;

/// A response that is not taken.
const STALLED: Duration = Duration::from_secs(35 + BUSY);

/// Longer than any of them.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many connections of the probe may have ended for it and not for the server, and the one that asks.
pub(crate) const PROBES: usize = 8;
