//! The runs: what is done to the broker meanwhile, and what is told of it.

use crate::brokers::Broker;
use crate::fault_proxy::Way;
use crate::nodes::{Failure, Judgement, NODES, Plan, Scene};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// A line of JSON, and whether everything was as it must be.
pub(crate) struct Done {
    pub(crate) json: Value,
    pub(crate) holds: bool,
}

/// What is told at the end.
struct Ledger {
    facts: serde_json::Map<String, Value>,
    complaints: Vec<String>,
    count: u64,
}

impl Ledger {
    fn new() -> Self {
        Self {
            facts: serde_json::Map::new(),
            complaints: Vec::new(),
            count: 0,
        }
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    fn delays(&mut self, name: &str, (p50, p99): (f64, f64)) {
        self.set(&format!("{name}_p50_ms"), p50);
        self.set(&format!("{name}_p99_ms"), p99);
    }

    /// Whether it is about as it was: the broker's faults are nobody's here.
    fn compare(&mut self, name: &str, before: (f64, f64), during: (f64, f64)) {
        self.delays(&format!("{name}_before"), before);
        self.delays(&format!("{name}_during"), during);
        if during.1 > before.1 * 2.0 + SLACK {
            self.complain(format!(
                "{name}: one of a hundred took {} ms before and {} ms during it",
                before.1, during.1
            ));
        }
    }

    fn complain(&mut self, what: String) {
        self.count += 1;
        if self.complaints.len() < 8 {
            self.complaints.push(what);
        }
    }

    fn judged(&mut self, judged: Judgement) {
        self.set("published", judged.published);
        self.set("delivered", judged.delivered);
        self.set("told_missing", judged.told_missing);
        self.set("gaps_told", judged.gaps_told);
        self.set("wrong", judged.wrong);
        self.set("outbox_most_octets", judged.outbox_most_octets);
        self.set("doubles_dropped", judged.duplicates_dropped);
        self.set("garbled_dropped", judged.garbled_dropped);
        self.set("connects", judged.connects);
        self.set("returns", judged.returns);
        self.set("recovered", judged.recovered);
        let untold = judged.wrong - judged.complaints.len() as u64;
        for complaint in judged.complaints {
            self.complain(complaint);
        }
        self.count += untold;
    }

    fn done(mut self, id: &str, plan: &Plan) -> Done {
        let holds = self.count == 0;
        self.set("complaints", self.count);
        Done {
            json: json!({
                "id": id, "broker": plan.broker.scheme(), "topics": plan.topics, "subscribers": plan.topics * plan.subscribers,
                "rate": plan.rate, "history": plan.shares_history, "holds": holds, "facts": self.facts, "complaints": self.complaints,
            }),
            holds,
        }
    }
}

/// The broker is killed so often, and comes back empty.
pub(crate) async fn kills(plan: &Plan, count: u32) -> Result<Done, Failure> {
    let mut ledger = Ledger::new();
    let mut scene = Scene::open(plan).await?;
    scene.publish(plan);
    sleep(Duration::from_secs(5)).await;
    ledger.delays("remote_before", scene.clock.remote.take());
    let before = (scene.clock.local.take(), scene.clock.answers.take());
    let (mut slowest, mut sum) = (0.0_f64, 0.0);
    for number in 0..count {
        scene.broker().kill();
        // From 0.2 to 2 seconds without one.
        sleep(Duration::from_millis(200 + u64::from(number % 10) * 200)).await;
        scene.with_broker(Broker::restart_empty).await?;
        let back = scene.clock.now();
        match scene.flows(back, Duration::from_secs(10)).await {
            Some(took) => {
                slowest = slowest.max(took);
                sum += took;
                if took > FLOWS {
                    ledger.complain(format!("kill {number}: it flowed again after {took:.0} ms"));
                }
            }
            None => ledger.complain(format!("kill {number}: nothing flowed within 10 s")),
        }
        sleep(Duration::from_millis(300)).await;
        if number % 10 == 9 {
            eprintln!(
                "{} kills, flow back within {slowest:.0} ms at most",
                number + 1
            );
        }
    }
    ledger.set("kills", count);
    ledger.set("flow_back_most_ms", slowest.round());
    ledger.set("flow_back_mean_ms", (sum / f64::from(count.max(1))).round());
    ledger.compare("local", before.0, scene.clock.local.take());
    ledger.compare("http", before.1, scene.clock.answers.take());
    sleep(Duration::from_secs(2)).await;
    ledger.judged(scene.judge().await?);
    Ok(ledger.done("R29", plan))
}

/// The way to the broker is made worse, so often each way.
pub(crate) async fn faults(plan: &Plan, count: u32) -> Result<Done, Failure> {
    let mut ledger = Ledger::new();
    let mut scene = Scene::open(plan).await?;
    // They are present, and some of them go and others come while the nodes cannot speak to each other.
    scene.visit(10).await?;
    scene.publish(plan);
    sleep(Duration::from_secs(5)).await;
    let before = (scene.clock.local.take(), scene.clock.answers.take());
    let mut slowest = 0.0_f64;
    let kinds = ["frozen", "slow", "split", "garbled"];
    for number in 0..count {
        for kind in kinds {
            let one = number as usize % NODES;
            // Every third time for longer than a node may be silent: then the others take it for gone.
            let fault = if number % 3 == 2 { LONG_FAULT } else { FAULT };
            match kind {
                // For all, or for one.
                "frozen" if number.is_multiple_of(2) => scene.broker().freeze()?,
                "frozen" => scene.proxies[one].both(Way::Frozen),
                // 64 kbit a second.
                "slow" => scene
                    .proxies
                    .iter()
                    .for_each(|proxy| proxy.both(Way::Slow(8_000))),
                "split" => scene.proxies[one].split(),
                _ => scene.proxies[one].both(Way::Garbled {
                    seed: u64::from(number),
                    one_in: 2_000,
                }),
            }
            sleep(fault / 2).await;
            scene.change_visitors().await?;
            sleep(fault / 2).await;
            scene.heal()?;
            match scene.agree().await {
                Some(took) => slowest = slowest.max(took),
                None => ledger.complain(format!("{kind} {number}: presence differs after 30 s")),
            }
            let back = scene.clock.now();
            if scene.flows(back, Duration::from_secs(10)).await.is_none() {
                ledger.complain(format!("{kind} {number}: nothing flows"));
            }
        }
        eprintln!(
            "{} of {count}, presence agrees within {slowest:.0} ms at most",
            number + 1
        );
    }
    ledger.set("faults_each", count);
    ledger.set("presence_agrees_most_ms", slowest.round());
    ledger.compare("local", before.0, scene.clock.local.take());
    ledger.compare("http", before.1, scene.clock.answers.take());
    sleep(Duration::from_secs(8)).await;
    ledger.judged(scene.judge().await?);
    Ok(ledger.done("R30", plan))
}

/// Milliseconds within which it flows again once there is a broker.
const FLOWS: f64 = 2_000.0;

/// For how long the way is worse.
const FAULT: Duration = Duration::from_secs(3);
const LONG_FAULT: Duration = Duration::from_secs(9);

/// Milliseconds by which one of a hundred may be later than twice what it was: the machine has other things to do, too.
const SLACK: f64 = 10.0;
