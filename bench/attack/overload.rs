//! R38: five times as many requests as a server has capacity for.

use crate::Context;
use crate::outcome::Outcome;
use crate::talk::{Talk, get};
use crate::target::Target;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How many requests the server lets its handlers have at the same time: with a millisecond or less for each, the last of them waits for a
/// third of what it may.
pub(crate) const IN_FLIGHT: usize = 32;

/// What `/work` can do is found with fewer clients than may be in flight; then five times that is due, whether anything is answered or not,
/// for as many seconds as the count says. Who is served is served soon, as many as before, and the others are told soon. A second server
/// shows for a while what becomes of it with the defaults alone.
pub(crate) async fn five_times(context: Arc<Context>) -> Outcome {
    let mut outcome = Outcome::default();
    let seconds = context.count as u64;
    let peak = capacity(
        &context.target,
        Duration::from_secs((seconds / 20).clamp(2, 10)),
    )
    .await;
    if peak < 1.0 {
        return Outcome::failed("nothing was answered".to_owned());
    }
    let served = load(&context.target, peak * 5.0, Duration::from_secs(seconds)).await;
    let recovery = recovery(&context.target).await;
    outcome.set("peak_per_second", peak);
    outcome.set(
        "asked_per_second",
        served.asked as f64 / seconds.max(1) as f64,
    );
    let goodput = served.in_time as f64 / seconds.max(1) as f64;
    outcome.set("served_per_second", goodput);
    outcome.set("goodput_percent", 100.0 * goodput / peak);
    outcome.set("served_p50_ms", at(&served.accepted, 50));
    outcome.set("served_p99_ms", at(&served.accepted, 99));
    outcome.set("refused", served.refused.len() as f64);
    outcome.set("refused_p50_ms", at(&served.refused, 50));
    outcome.set("refused_p99_ms", at(&served.refused, 99));
    outcome.set("refused_most_ms", at(&served.refused, 100));
    outcome.set("failed", served.failed as f64);
    outcome.set("recovery_seconds", recovery);
    if let Some(error) = served.first_failure {
        outcome.complain(format!("{} failed: {error}", served.failed));
    }
    if served.refused.is_empty() {
        outcome.complain("nobody was refused");
    }
    if recovery > 10.0 {
        outcome.complain("it does not recover");
    }
    // The figures are for a build that is optimized.
    if !cfg!(debug_assertions) {
        for (what, figure, most) in [
            ("served_p99_ms", at(&served.accepted, 99), 100.0),
            ("refused_p99_ms", at(&served.refused, 99), 10.0),
            ("recovery_seconds", recovery, 2.0),
            (
                "less than 90 % of the goodput",
                90.0 - 100.0 * goodput / peak,
                0.0,
            ),
        ] {
            if figure > most {
                outcome.complain(format!("{what}: {figure:.1}, and not {most}"));
            }
        }
    }
    with_defaults(&context, peak, &mut outcome).await;
    outcome
}

/// The same for a short time without a limit of requests.
async fn with_defaults(context: &Context, peak: f64, outcome: &mut Outcome) {
    let target = match context
        .target
        .changed(|options| options.max_in_flight = None)
    {
        Ok(target) => target,
        Err(error) => return outcome.complain(error.to_string()),
    };
    let seconds = (context.count as u64 / 20).clamp(2, 30);
    let served = load(&target, peak * 5.0, Duration::from_secs(seconds)).await;
    let goodput = served.in_time as f64 / seconds as f64;
    outcome.set("default_goodput_percent", 100.0 * goodput / peak);
    outcome.set("default_served_p99_ms", at(&served.accepted, 99));
    outcome.set("default_refused_p99_ms", at(&served.refused, 99));
    outcome.set("default_failed", served.failed as f64);
}

/// How many are answered in a second when each client asks as soon as it was answered.
async fn capacity(target: &Target, while_: Duration) -> f64 {
    let (addr, end) = (target.addr, Instant::now() + while_);
    let mut clients = JoinSet::new();
    for _ in 0..IN_FLIGHT / 2 {
        clients.spawn(async move {
            let mut count = 0_u32;
            let asking = async {
                let mut talk = open(addr).await?;
                while Instant::now() < end {
                    if talk.ask(&get("/work", "")).await?.status == 200 {
                        count += 1;
                    }
                }
                io::Result::Ok(())
            };
            let _ = asking.await;
            count
        });
    }
    let mut count = 0;
    while let Some(counted) = clients.join_next().await {
        count += counted.unwrap_or(0);
    }
    f64::from(count) / while_.as_secs_f64()
}

/// What became of requests, in milliseconds from when each was due, the shortest first.
#[derive(Default)]
struct Served {
    asked: usize,
    accepted: Vec<f64>,
    refused: Vec<f64>,
    /// How many of those before the last one was due.
    in_time: usize,
    failed: usize,
    first_failure: Option<String>,
}

impl Served {
    fn take(&mut self, told: io::Result<(u16, f64)>) {
        let why = match told {
            Ok((200, time)) => return self.accepted.push(time),
            Ok((503, time)) => return self.refused.push(time),
            Ok((status, _)) => format!("the status is {status}"),
            Err(error) => error.to_string(),
        };
        self.failed += 1;
        self.first_failure.get_or_insert(why);
    }
}

/// So many a second are due, evenly, and each is sent when it is.
async fn load(target: &Target, rate: f64, while_: Duration) -> Served {
    let idle = Arc::new(Mutex::new(Vec::new()));
    let (mut served, mut asking) = (Served::default(), JoinSet::new());
    let begun = Instant::now();
    while begun.elapsed() < while_ {
        let due = (begun.elapsed().as_secs_f64() * rate) as usize;
        while served.asked < due {
            let when = begun + Duration::from_secs_f64(served.asked as f64 / rate);
            served.asked += 1;
            if asking.len() >= AT_ONCE {
                served.take(Err(io::Error::other("too many wait for an answer")));
                continue;
            }
            asking.spawn(one(target.addr, idle.clone(), when));
        }
        sleep(Duration::from_millis(1)).await;
        while let Some(Ok(told)) = asking.try_join_next() {
            served.take(told);
        }
    }
    served.in_time = served.accepted.len();
    while let Some(told) = asking.join_next().await {
        served.take(told.unwrap_or_else(|error| Err(io::Error::other(error))));
    }
    served.accepted.sort_by(f64::total_cmp);
    served.refused.sort_by(f64::total_cmp);
    served
}

/// One request, on a connection that is idle or on a new one.
async fn one(
    addr: SocketAddr,
    idle: Arc<Mutex<Vec<Talk>>>,
    due: Instant,
) -> io::Result<(u16, f64)> {
    let known = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut talk = match known {
        Some(talk) => talk,
        None => open(addr).await?,
    };
    let answer = talk.ask(&get("/work", "")).await?;
    let time = due.elapsed().as_secs_f64() * 1000.0;
    if !answer.head.contains("connection: close") {
        idle.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(talk);
    }
    Ok((answer.status, time))
}

/// Seconds until twenty requests in a row were served at once.
async fn recovery(target: &Target) -> f64 {
    let begun = Instant::now();
    let (mut well, mut since) = (0, Duration::ZERO);
    while well < 20 && begun.elapsed() < Duration::from_secs(20) {
        if well == 0 {
            since = begun.elapsed();
        }
        let idle = Arc::default();
        well = match one(target.addr, idle, Instant::now()).await {
            Ok((200, time)) if time <= SOON => well + 1,
            _ => 0,
        };
        sleep(Duration::from_millis(10)).await;
    }
    if well < 20 {
        f64::INFINITY
    } else {
        since.as_secs_f64()
    }
}

async fn open(addr: SocketAddr) -> io::Result<Talk> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(Talk::over(stream))
}

/// The time that so many of a hundred took at most.
fn at(times: &[f64], percent: usize) -> f64 {
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or_default()
}

/// How many wait at most; what is due beyond that has failed.
const AT_ONCE: usize = 8_000;

/// What one request takes when nobody else asks, and some more.
const SOON: f64 = if cfg!(debug_assertions) { 500.0 } else { 20.0 };
