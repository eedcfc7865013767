//! R36: hours in which something is wrong every few seconds.

mod slope;

use self::slope::{Sample, slope};
use crate::Context;
use crate::catalogue;
use crate::outcome::Outcome;
use crate::probe;
use crate::slow::PROBES;
use crate::talk::{Talk, frame, get};
use crate::target::{Random, handshake, within};
use crate::together::ATTACKERS;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// For as many seconds as the count says a fault each ten seconds: those that are none of the catalogue once, and then what the seed draws; each second in a run that is shorter than two
/// minutes. At the end nothing is left of any: connections, WebSockets, tasks and descriptors are as many as the counters say.
///
/// Another process takes over in the first third only, so that what is there in the other two is one process: how its memory grows is
/// looked at there. What takes away the probe's place (SL-6, SL-8, few descriptors) is not drawn.
pub(crate) async fn faults(context: Arc<Context>) -> Outcome {
    let mut outcome = Outcome::default();
    // What is there once something was asked for is no growth.
    let used = async {
        reload(&context).await?;
        heard(&context).await?;
        settled(&context).await
    };
    let quiet = match used.await {
        Ok(quiet) => quiet,
        Err(error) => return Outcome::failed(error.to_string()),
    };
    let mut first = FIRST.iter().copied();
    let begun = Instant::now();
    let length = Duration::from_secs(context.count as u64);
    let every = Duration::from_secs(if context.count < 120 { 1 } else { 10 });
    let mut random = Random::new(context.seed, 36);
    let (mut running, mut samples, mut due) = (JoinSet::new(), Vec::new(), begun);
    outcome.set(
        "broker",
        f64::from(u8::from(context.target.broker().is_some())),
    );
    while begun.elapsed() < length {
        if Instant::now() >= due {
            due += every;
            let drawn = Fault::draw(&mut random, begun.elapsed() < length / 3);
            let fault = first.next().unwrap_or(drawn);
            outcome.count("faults");
            // One process after the other, and none while it is not known which it is.
            if matches!(fault, Fault::Successor) {
                own(&mut outcome, fault, fault.cause(&context).await);
            } else {
                let context = context.clone();
                let seed = context.seed.wrapping_add(running.len() as u64);
                running.spawn(async move {
                    let caused = timeout(LONGEST, fault.cause_with(&context, seed)).await;
                    (
                        fault,
                        caused.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
                    )
                });
            }
        }
        samples.push(Sample {
            process: context.target.process(),
            seconds: begun.elapsed().as_secs_f64(),
            kib: context.target.memory().now,
        });
        while let Some(Ok((fault, caused))) = running.try_join_next() {
            own(&mut outcome, fault, caused);
        }
        sleep(Duration::from_secs(1).min(every / 2)).await;
    }
    while let Some(caused) = running.join_next().await {
        match caused {
            Ok((fault, caused)) => own(&mut outcome, fault, caused),
            Err(error) => outcome.complain(error.to_string()),
        }
    }
    let third = length.as_secs_f64() / 3.0;
    if let Some(grown) = slope(&samples, third) {
        outcome.set("mib_an_hour", grown.mib_an_hour);
        outcome.set("first_mib", grown.first_mib);
        outcome.set("last_mib", grown.last_mib);
        // A few minutes are no measure of an hour.
        if context.count >= 1_800 && grown.mib_an_hour > 1.0 {
            outcome.complain(format!("{:.1} MiB more an hour", grown.mib_an_hour));
        }
    }
    settle(&context, &quiet, &mut outcome).await;
    outcome
}

/// What may be wrong.
#[derive(Clone, Copy)]
enum Fault {
    /// One of the catalogue, with a twentieth of what R28 has of it.
    Attack(&'static str, usize),
    /// New certificates.
    Reload,
    /// Another process in its place.
    Successor,
    /// A handler that panics.
    Panic,
    /// The whole process stands still for half a second.
    Freeze,
    /// The broker is killed, and comes back a second later.
    Broker,
}

const FIRST: [Fault; 5] = [
    Fault::Successor,
    Fault::Panic,
    Fault::Freeze,
    Fault::Broker,
    Fault::Reload,
];

impl Fault {
    fn draw(random: &mut Random, may_succeed: bool) -> Self {
        // One in three is none of the catalogue.
        match random.below(15) {
            0 if may_succeed => Self::Successor,
            0 | 1 => Self::Panic,
            2 => Self::Freeze,
            3 => Self::Broker,
            4 => Self::Reload,
            _ => {
                let (id, count) = ATTACKERS[random.below(ATTACKERS.len())];
                Self::Attack(id, (count / 20).max(1))
            }
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Attack(..) => "attacks",
            Self::Reload => "reloads",
            Self::Successor => "successors",
            Self::Panic => "panics",
            Self::Freeze => "freezes",
            Self::Broker => "broker_kills",
        }
    }

    async fn cause(self, context: &Context) -> io::Result<()> {
        match self {
            Self::Attack(..) => Ok(()),
            Self::Reload => reload(context).await,
            Self::Successor => context.target.succeed().await,
            Self::Panic => panic(context).await,
            Self::Freeze => context.target.freeze(Duration::from_millis(500)).await,
            Self::Broker => broker(context).await,
        }
    }

    async fn cause_with(self, context: &Arc<Context>, seed: u64) -> io::Result<()> {
        let Self::Attack(id, count) = self else {
            return self.cause(context).await;
        };
        let attack = catalogue::all().find(|attack| attack.id == id);
        let attack = attack.ok_or_else(|| io::Error::other(format!("there is no attack {id}")))?;
        let own = Arc::new(Context {
            target: context.target.clone(),
            count,
            concurrency: context.concurrency.min(20),
            seed,
        });
        // What it complains of may be another one's doing, as in R28: the end is what counts.
        if (attack.run)(own).await.get("complaints") > 0.0 {
            return Err(io::Error::other("it has complained"));
        }
        Ok(())
    }
}

/// What came of a fault.
fn own(outcome: &mut Outcome, fault: Fault, caused: io::Result<()>) {
    outcome.count(fault.name());
    match caused {
        Ok(()) => {}
        Err(_) if matches!(fault, Fault::Attack(..)) => outcome.count("attacks_with_complaints"),
        Err(error) => outcome.complain(format!("{}: {error}", fault.name())),
    }
}

/// New certificates are in use for whoever comes then.
async fn reload(context: &Context) -> io::Result<()> {
    let pair = context.target.sign().map_err(io::Error::other)?;
    let target = &context.target;
    target.replace(Some(&pair.certificate), Some(&pair.key))?;
    let addr = target.secured.ok_or(io::ErrorKind::Unsupported)?;
    let stream = within(TcpStream::connect(addr)).await?;
    crate::target::ask(&mut handshake(stream, target.honest.clone()).await?).await
}

/// Only that request fails, and its connection goes on or says that it does not.
async fn panic(context: &Context) -> io::Result<()> {
    let mut talk = Talk::over(TcpStream::connect(context.target.addr).await?);
    match talk.ask(&get("/panic", "")).await?.status {
        500 => Ok(()),
        status => Err(io::Error::other(format!("the status is {status}"))),
    }
}

/// Who is at this node hears what is said at this node, with a broker and without.
async fn broker(context: &Context) -> io::Result<()> {
    let Some(broker) = context.target.broker() else {
        return Ok(());
    };
    broker.kill();
    let heard = heard(context).await;
    sleep(Duration::from_secs(1)).await;
    broker.begin()?;
    heard
}

/// What is published comes to who has subscribed.
async fn heard(context: &Context) -> io::Result<()> {
    let (mut reader, mut writer) = (open(context, "/sub").await?, open(context, "/pub").await?);
    for _ in 0..50 {
        writer.send(&frame(0x82, b"is anybody there?")).await?;
        let next = timeout(Duration::from_millis(200), reader.frame()).await;
        if let Ok(Ok((0x82, _))) = next {
            return Ok(());
        }
    }
    Err(io::Error::other("nothing was delivered"))
}

/// What the server has when nobody asks for anything any more.
async fn settled(context: &Context) -> io::Result<State> {
    sleep(Duration::from_secs(1)).await;
    State::now(context).await
}

async fn open(context: &Context, path: &str) -> io::Result<Talk> {
    let stream = TcpStream::connect(context.target.addr).await?;
    Talk::over(stream).upgrade(path, "").await
}

/// What the server has.
struct State {
    counters: BTreeMap<String, u64>,
    descriptors: usize,
}

impl State {
    async fn now(context: &Context) -> io::Result<Self> {
        Ok(Self {
            counters: context.target.counters().await?,
            descriptors: context.target.descriptors(),
        })
    }

    fn get(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// What does not fit: with each other, and with what there was before anything was wrong.
    fn wrong(&self, quiet: &Self) -> Vec<String> {
        let honest = probe::open() + PROBES;
        let mut wrong = Vec::new();
        let mut same = |what: &str, one: u64, other: u64| {
            if one != other {
                wrong.push(format!("{what}: {one} and {other}"));
            }
        };
        let [accepted, closed, connections] =
            ["connections_accepted", "connections_closed", "connections"]
                .map(|name| self.get(name));
        same("connections", accepted.saturating_sub(closed), connections);
        let closed = self.get("websockets_closed_clean") + self.get("websockets_closed_unclean");
        same("WebSockets", self.get("websockets_opened"), closed);
        same("present", self.get("present"), 0);
        let mut few = |what: &str, now: usize, most: usize| {
            if now > most {
                wrong.push(format!("{what}: {now}, and at most {most} were expected"));
            }
        };
        let of = |state: &Self, name: &str| usize::try_from(state.get(name)).unwrap_or(usize::MAX);
        few("connections", of(self, "connections"), honest);
        few("tasks", of(self, "tasks"), of(quiet, "tasks") + honest);
        few("descriptors", self.descriptors, quiet.descriptors + honest);
        few("octets held", of(self, "buffered"), 10_000_000);
        wrong
    }
}

/// Waits until everything is as it was; what is not within a minute is complained of.
async fn settle(context: &Context, quiet: &State, outcome: &mut Outcome) {
    let begun = Instant::now();
    let wrong = loop {
        let wrong = match State::now(context).await {
            Ok(now) => {
                for name in ["tasks", "connections", "handler_panics", "shed_requests"] {
                    outcome.set(name, now.get(name) as f64);
                }
                outcome.set("descriptors", now.descriptors as f64);
                now.wrong(quiet)
            }
            Err(error) => vec![error.to_string()],
        };
        if wrong.is_empty() || begun.elapsed() > Duration::from_secs(60) {
            break wrong;
        }
        sleep(Duration::from_millis(200)).await;
    };
    outcome.set("settled_seconds", begun.elapsed().as_secs_f64());
    outcome.set("tasks_before", quiet.get("tasks") as f64);
    outcome.set("descriptors_before", quiet.descriptors as f64);
    for what in wrong {
        outcome.complain(what);
    }
}

/// No fault takes longer.
const LONGEST: Duration = Duration::from_secs(120);
