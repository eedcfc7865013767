//! The runs: nodes, subscribers, publishers, and what is done to the broker meanwhile.

use crate::broker::Broker;
use crate::node::Node;
use crate::proxy::{Proxy, Way};
use crate::verdict::{Stamp, Verdict};
use crate::{Failure, Kind, publisher, subscriber};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use wireline::ws::prelude::*;

/// What is run.
pub(crate) struct Plan {
    pub(crate) server: PathBuf,
    pub(crate) broker: Kind,
    pub(crate) topics: usize,
    pub(crate) subscribers: usize,
    pub(crate) rate: u32,
}

/// A line of JSON, and whether everything was as it must be.
pub(crate) struct Done {
    pub(crate) json: Value,
    pub(crate) holds: bool,
}

/// What all tasks know of time.
pub(crate) struct Clock {
    begun: Instant,
    /// By node: when the last message of another node was published that came there, in microseconds.
    newest: Vec<AtomicU64>,
    local: Delays,
    remote: Delays,
    answers: Delays,
    pub(crate) ended: AtomicU64,
}

impl Clock {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            newest: (0..NODES).map(|_| AtomicU64::new(0)).collect(),
            local: Delays::default(),
            remote: Delays::default(),
            answers: Delays::default(),
            ended: AtomicU64::new(0),
        })
    }

    pub(crate) fn nodes(&self) -> usize {
        self.newest.len()
    }

    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn came(&self, own: usize, stamp: &Stamp) {
        let took = self.now().saturating_sub(stamp.at);
        if stamp.by == own {
            self.local.add(took);
        } else {
            self.remote.add(took);
            self.newest[own].fetch_max(stamp.at, Ordering::Relaxed);
        }
    }

    pub(crate) fn answered(&self, at: u64) {
        self.answers.add(self.now().saturating_sub(at));
    }
}

/// How many took how many tenths of a millisecond.
struct Delays(Vec<AtomicU64>);

impl Default for Delays {
    fn default() -> Self {
        Self((0..LONGEST).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Delays {
    fn add(&self, micros: u64) {
        let place = usize::try_from(micros / 100)
            .unwrap_or(LONGEST)
            .min(LONGEST - 1);
        self.0[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Gives p50 and p99 in milliseconds, and begins anew.
    fn take(&self) -> (f64, f64) {
        let counts: Vec<u64> = self
            .0
            .iter()
            .map(|of| of.swap(0, Ordering::Relaxed))
            .collect();
        let all: u64 = counts.iter().sum();
        let at = |percent: u64| {
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen * 100 > all * percent
            });
            found.map_or(0.0, |place| (place + 1) as f64 / 10.0)
        };
        (at(50), at(99))
    }
}

/// Everything that runs.
struct Scene {
    clock: Arc<Clock>,
    broker: Broker,
    proxies: Vec<Proxy>,
    nodes: Vec<Node>,
    stop: watch::Sender<bool>,
    overs: Vec<watch::Sender<Option<Arc<Vec<u64>>>>>,
    subscribers: JoinSet<Verdict>,
    publishers: JoinSet<(usize, Result<Vec<u64>, Failure>)>,
}

impl Scene {
    async fn open(plan: &Plan) -> Result<Self, Failure> {
        let broker = Broker::start(plan.broker).await?;
        let scheme = match plan.broker {
            Kind::Redis => "redis",
            Kind::Nats => "nats",
        };
        let (mut proxies, mut nodes) = (Vec::new(), Vec::new());
        for _ in 0..NODES {
            let proxy = Proxy::start(broker.port).await?;
            let at = format!("{scheme}://127.0.0.1:{}", proxy.port);
            nodes.push(Node::start(&plan.server, &at)?);
            proxies.push(proxy);
        }
        let (stop, _) = watch::channel(false);
        let mut scene = Self {
            clock: Clock::new(),
            broker,
            proxies,
            nodes,
            stop,
            overs: Vec::new(),
            subscribers: JoinSet::new(),
            publishers: JoinSet::new(),
        };
        scene.up().await?;
        for topic in 0..plan.topics {
            let (over, _) = watch::channel(None);
            for number in 0..plan.subscribers {
                let own = number % NODES;
                let name = format!("t:{topic}");
                let socket = subscriber::open(scene.nodes[own].port, &name).await?;
                let listening =
                    subscriber::listen(socket, own, scene.clock.clone(), over.subscribe());
                scene.subscribers.spawn(listening);
            }
            scene.overs.push(over);
        }
        // Marks of all nodes have come by then.
        sleep(Duration::from_secs(2)).await;
        Ok(scene)
    }

    fn publish(&mut self, plan: &Plan) {
        for (by, node) in self.nodes.iter().enumerate() {
            let rate = plan.rate / NODES as u32;
            let (clock, stop) = (self.clock.clone(), self.stop.subscribe());
            let publishing = publisher::publish(node.port, by, plan.topics, rate, clock, stop);
            self.publishers.spawn(async move { (by, publishing.await) });
        }
    }

    /// Waits until every node is connected, and knows the others.
    async fn up(&self) -> Result<(), Failure> {
        let all = async {
            for node in &self.nodes {
                while !matches!(node.metric(KNOWN).await, Ok(known) if known as usize == NODES - 1)
                {
                    sleep(Duration::from_millis(100)).await;
                }
            }
        };
        timeout(Duration::from_secs(30), all)
            .await
            .map_err(|_| "the nodes do not find each other".into())
    }

    /// Milliseconds from `since` until each node has had a message that another published after it.
    async fn flows(&self, since: u64, within: Duration) -> Option<f64> {
        let begun = self.clock.now();
        loop {
            let slowest = self
                .clock
                .newest
                .iter()
                .map(|at| at.load(Ordering::Relaxed))
                .min();
            if slowest.is_some_and(|at| at > since) {
                return Some((self.clock.now() - since) as f64 / 1000.0);
            }
            if self.clock.now() - begun > u64::try_from(within.as_micros()).unwrap_or(u64::MAX) {
                return None;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The publishers stop; what is missing is told; the subscribers judge.
    async fn judge(mut self, result: &mut Ledger) -> Result<(), Failure> {
        self.stop.send_replace(true);
        let mut published = vec![vec![0; NODES]; self.overs.len()];
        while let Some(done) = self.publishers.join_next().await {
            let (by, counts) = done?;
            match counts {
                Ok(counts) => {
                    for (topic, count) in counts.into_iter().enumerate() {
                        published[topic][by] = count;
                    }
                }
                Err(error) => result.complain(format!("publisher {by}: {error}")),
            }
        }
        // The last messages have come, and marks tell of those that have not.
        sleep(Duration::from_secs(5)).await;
        for (over, published) in self.overs.iter().zip(&published) {
            over.send_replace(Some(Arc::new(published.clone())));
        }
        let messages: u64 = published.iter().flatten().sum();
        let (mut came, mut missing, mut gaps, mut wrong) = (0, 0, 0, 0);
        while let Some(verdict) = self.subscribers.join_next().await {
            let verdict = verdict?;
            came += verdict.came;
            missing += verdict.missing;
            gaps += verdict.gaps;
            wrong += verdict.wrong;
            for complaint in verdict.complaints {
                result.complain(complaint);
            }
        }
        let mut waited: f64 = 0.0;
        let (mut duplicates, mut garbled, mut connects) = (0.0, 0.0, 0.0);
        for node in &mut self.nodes {
            if !node.is_running() {
                result.complain("a node has ended".to_owned());
                continue;
            }
            waited = waited.max(node.metric(WAITED).await?);
            duplicates += node.metric("wireline_cluster_duplicates_total").await?;
            garbled += node.metric("wireline_cluster_garbled_total").await?;
            connects += node.metric("wireline_cluster_connects_total").await?;
        }
        if waited > OUTBOX {
            result.complain(format!("{waited} octets waited for the broker"));
        }
        result.set("published", messages);
        result.set("delivered", came);
        result.set("told_missing", missing);
        result.set("gaps_told", gaps);
        result.set("wrong", wrong);
        result.set("outbox_most_octets", waited);
        result.set("doubles_dropped", duplicates);
        result.set("garbled_dropped", garbled);
        result.set("connects", connects);

        Ok(())
    }
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

    fn done(mut self, id: &str, plan: &Plan) -> Done {
        let holds = self.count == 0;
        self.set("complaints", self.count);
        let broker = match plan.broker {
            Kind::Redis => "redis",
            Kind::Nats => "nats",
        };
        Done {
            json: json!({
                "id": id, "broker": broker, "topics": plan.topics, "subscribers": plan.topics * plan.subscribers,
                "rate": plan.rate, "holds": holds, "facts": self.facts, "complaints": self.complaints,
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
        scene.broker.kill();
        // From 0.2 to 2 seconds without one.
        sleep(Duration::from_millis(200 + u64::from(number % 10) * 200)).await;
        scene.broker.begin()?;
        scene.broker.answers(Duration::from_secs(10)).await?;
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
    scene.judge(&mut ledger).await?;
    Ok(ledger.done("R29", plan))
}

/// The way to the broker is made worse, so often each way.
pub(crate) async fn faults(plan: &Plan, count: u32) -> Result<Done, Failure> {
    let mut ledger = Ledger::new();
    let mut scene = Scene::open(plan).await?;
    // They are present, and some of them go and others come while the nodes cannot speak to each other.
    let mut visitors: Vec<Vec<WebSocket>> = (0..NODES).map(|_| Vec::new()).collect();
    for number in 0..30 {
        let own = number % NODES;
        visitors[own].push(subscriber::open(scene.nodes[own].port, VISITED).await?);
    }
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
                "frozen" if number.is_multiple_of(2) => scene.broker.signal("STOP")?,
                "frozen" => scene.proxies[one].set(Way::Frozen),
                // 64 kbit a second.
                "slow" => scene
                    .proxies
                    .iter()
                    .for_each(|proxy| proxy.set(Way::Slow(8_000))),
                "split" => scene.proxies[one].set(Way::Cut),
                _ => scene.proxies[one].set(Way::Garbled(2_000)),
            }
            sleep(fault / 2).await;
            // One goes and one comes, on each node; what it has not read goes with it.
            for (node, visitors) in scene.nodes.iter().zip(&mut visitors) {
                visitors.remove(0);
                visitors.push(subscriber::open(node.port, VISITED).await?);
            }
            sleep(fault / 2).await;
            scene.broker.signal("CONT")?;
            scene.proxies.iter().for_each(|proxy| proxy.set(Way::Open));
            match agree(&scene, 30).await {
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
    scene.judge(&mut ledger).await?;
    Ok(ledger.done("R30", plan))
}

/// Milliseconds until all nodes say that the same are present, who are as many as there should be.
async fn agree(scene: &Scene, wanted: usize) -> Option<f64> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        let mut lists = Vec::new();
        for node in &scene.nodes {
            lists.push(node.present(VISITED).await.unwrap_or_default());
        }
        if lists[0].len() == wanted && lists.iter().all(|list| *list == lists[0]) {
            return Some(begun.elapsed().as_secs_f64() * 1000.0);
        }
        sleep(Duration::from_millis(50)).await;
    }
    None
}

const NODES: usize = 3;
const KNOWN: &str = "wireline_cluster_nodes";
const WAITED: &str = "wireline_cluster_waiting_octets_most";

/// What may wait for the broker.
const OUTBOX: f64 = (8 << 20) as f64;

/// Milliseconds within which it flows again once there is a broker.
const FLOWS: f64 = 2_000.0;

/// For how long the way is worse.
const FAULT: Duration = Duration::from_secs(3);
const LONG_FAULT: Duration = Duration::from_secs(9);

/// Milliseconds by which one of a hundred may be later than twice what it was: the machine has other things to do, too.
const SLACK: f64 = 10.0;

/// Delays are counted up to so many tenths of a millisecond.
const LONGEST: usize = 100_000;

/// Who is present is looked at here.
const VISITED: &str = "hall";
