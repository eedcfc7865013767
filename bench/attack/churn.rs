//! Connections that come and go, and more of them than there is room for: SL-5, SL-6, SL-8.

use crate::Context;
use crate::crowd::{self, told};
use crate::outcome::Outcome;
use crate::probe;
use crate::slow::PROBES;
use crate::talk::{Talk, get};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// SL-5: connections that are reset as soon as they are there, with nothing, half a head or a whole request sent; 5,000 a second.
pub(crate) async fn resets(context: Arc<Context>) -> Outcome {
    let begun = Instant::now();
    let before = context.target.descriptors();
    let mut outcome = crowd::each(&context, |context, number| {
        told(number, async move {
            sleep_until(begun + EVERY * u32::try_from(number).unwrap_or(u32::MAX)).await;
            let mut talk = Talk::open(&context, number).await?;
            match number % 3 {
                0 => {}
                1 => talk.send(b"GET /plaintext HTTP/1.1\r\nHo").await?,
                _ => talk.send(get("/bytes/1000000", "").as_bytes()).await?,
            }
            talk.stream.set_zero_linger()?;
            drop(talk);
            let mut outcome = Outcome::default();
            outcome.count("resets");
            Ok(outcome)
        })
    })
    .await;
    let rate = context.count as f64 / begun.elapsed().as_secs_f64();
    outcome.set("resets_per_second", rate);
    descriptors_are_back(&context, before, &mut outcome).await;
    outcome
}

/// The server has as many descriptors as it had before, but for the probe's; within ten seconds.
pub(crate) async fn descriptors_are_back(context: &Context, before: usize, outcome: &mut Outcome) {
    let mut after = usize::MAX;
    let mut honest = 0;
    for _ in 0..100 {
        after = context.target.descriptors();
        honest = probe::open() + PROBES;
        if after <= before + honest {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    outcome.set("descriptors_before", before as f64);
    outcome.set("descriptors_after", after as f64);
    if after > before + honest {
        outcome.complain(format!("{after} descriptors, and {before} before"));
    }
}

/// SL-6: as many attempts as the count says against a limit of a tenth of them, which others keep reached. Those that are connected
/// are the honest ones here: each asks again and again. The probe comes too late, as everybody does.
pub(crate) async fn over_the_cap(context: Arc<Context>) -> Outcome {
    let before = context.target.descriptors();
    let cap = cap(context.count);
    let mut outcome = Outcome::default();
    let mut established = Vec::new();
    // The probe may have taken a place for a moment: whoever is refused comes again.
    let mut attempts = 0;
    while established.len() < cap && attempts < 2 * cap + 100 {
        attempts += 1;
        let opened = async {
            let mut talk = Talk::open(&context, attempts).await?;
            let answer = talk.ask(&get("/plaintext", "")).await?;
            Ok::<_, io::Error>((talk, answer.status))
        };
        if let Ok((talk, 200)) = opened.await {
            established.push(talk);
        }
    }
    outcome.set("established", established.len() as f64);
    if established.len() < cap {
        outcome.complain(format!("only {} of {cap} connections", established.len()));
    }
    let extra = crowd::each(&context, |context, number| async move {
        let mut outcome = Outcome::default();
        let begun = Instant::now();
        match refused(&context, number).await {
            Ok(fact) => outcome.count(fact),
            Err(error) => outcome.complain(format!("attempt {number}: {error}")),
        }
        outcome.raise("longest_seconds", begun.elapsed().as_secs_f64());
        outcome
    });
    let asking = async {
        let mut lost = 0.0;
        let mut asked = 0.0;
        for talk in &mut established {
            match talk.ask(&get("/plaintext", "")).await {
                Ok(answer) if answer.status == 200 => asked += 1.0,
                _ => lost += 1.0,
            }
        }
        (asked, lost)
    };
    let (extra, (mut asked, mut lost)) = tokio::join!(extra, asking);
    outcome.add(extra);
    // And once more behind it.
    for talk in &mut established {
        match talk.ask(&get("/plaintext", "")).await {
            Ok(answer) if answer.status == 200 => asked += 1.0,
            _ => lost += 1.0,
        }
    }
    outcome.set("established_asked", asked);
    outcome.set("established_lost", lost);
    if lost > 0.0 {
        outcome.complain(format!("{lost} established connections were lost"));
    }
    drop(established);
    descriptors_are_back(&context, before, &mut outcome).await;
    outcome
}

/// A connection for which there is no room: it gets a 503 that says when to come again, or an end.
async fn refused(context: &Context, number: usize) -> io::Result<&'static str> {
    let mut talk = Talk::open(context, number).await?;
    // Nothing is said: what is refused is the connection, not a request.
    let ended = talk.rest(Duration::from_secs(5)).await?;
    let head = String::from_utf8_lossy(&ended.octets).to_lowercase();
    match ended.status() {
        503 if head.contains("\r\nretry-after: ") => Ok("told_503"),
        0 if ended.octets.is_empty() => Ok("closed"),
        status => Err(io::Error::other(format!(
            "the answer is {status}: {head:?}"
        ))),
    }
}

/// How many connections a server has room for that is attempted so often.
pub(crate) const fn cap(count: usize) -> usize {
    if count < 200 { 20 } else { count / 10 }
}

/// SL-8: a server with 256 descriptors. Two hundred connections that are there are served throughout, the others are told that there is no
/// room or wait; the server does not spin, and accepts again within a second.
pub(crate) async fn descriptors(context: Arc<Context>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut established = Vec::new();
    for number in 0..ESTABLISHED {
        // One that finds no place, because the probe has some, is none of those that are there: it comes again.
        let opened = async {
            loop {
                let mut talk = Talk::open(&context, number).await?;
                if talk.ask(&get("/plaintext", "")).await?.status == 200 {
                    return Ok::<_, io::Error>(talk);
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(10), opened).await {
            Ok(Ok(talk)) => established.push(talk),
            Ok(Err(error)) => outcome.complain(format!("connection {number}: {error}")),
            Err(_) => outcome.complain(format!("connection {number}: no place")),
        }
    }
    let mut waiting = Vec::new();
    for number in 0..context.count {
        // The kernel takes them, whatever the server does.
        if let Ok(talk) = Talk::open(&context, number).await {
            waiting.push(talk);
        }
    }
    outcome.set("waiting", waiting.len() as f64);
    let (busy, begun) = (context.target.cpu_ms(), Instant::now());
    let (mut served, mut lost) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        for talk in &mut established {
            match talk.ask(&get("/plaintext", "")).await {
                Ok(answer) if answer.status == 200 => served += 1.0,
                _ => lost += 1.0,
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
    let share = (context.target.cpu_ms() - busy) / begun.elapsed().as_secs_f64() / 10.0;
    outcome.set("cpu_percent", share);
    outcome.set("served", served);
    outcome.set("lost", lost);
    if lost > 0.0 {
        outcome.complain(format!("{lost} requests of established connections failed"));
    }
    // A build that is not optimized takes what it takes.
    if share > 20.0 && !cfg!(debug_assertions) {
        outcome.complain(format!("{share:.0} % of a core"));
    }
    drop((established, waiting));
    let begun = Instant::now();
    let accepts = async {
        loop {
            let asked = async {
                Talk::open(&context, 0)
                    .await?
                    .ask(&get("/plaintext", ""))
                    .await
            };
            if matches!(asked.await, Ok(answer) if answer.status == 200) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(10), accepts)
        .await
        .is_err()
    {
        outcome.complain("the server does not accept again");
    }
    let again = begun.elapsed().as_secs_f64();
    outcome.set("accepts_again_seconds", again);
    if again > 1.0 && !cfg!(debug_assertions) {
        outcome.complain(format!("it accepts again after {again:.1} s"));
    }
    outcome
}

/// 5,000 a second.
const EVERY: Duration = Duration::from_micros(200);

const ESTABLISHED: usize = 200;
const ROUNDS: usize = 5;
