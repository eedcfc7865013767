//! Three servers as processes while everything goes wrong with their broker that can, a few times each; `bench/brokers` does it for
//! long.

#[path = "../../tests/support/brokers.rs"]
mod brokers;
#[path = "../../tests/support/fault_proxy.rs"]
mod fault_proxy;
#[path = "cluster_faults/links.rs"]
mod links;
#[path = "../../tests/support/nodes/mod.rs"]
mod nodes;

use brokers::Broker;
use fault_proxy::{FaultProxy, Way};
use nodes::{Kind, NODES, Node, Plan, Scene};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

fn plan(broker: Kind) -> Plan {
    Plan {
        server: PathBuf::from(PROGRAM),
        broker,
        topics: 6,
        subscribers: NODES,
        rate: 150,
        shares_history: false,
    }
}

/// What must hold at every moment is held by the subscribers; here is what must hold during a fault, and behind it.
struct Faulty(Scene);

impl Faulty {
    /// Who is on a node hears what is published there, comes and goes.
    async fn goes_on_here(&mut self) {
        let since = self.0.clock.now();
        until("a message of each node's own", async || {
            self.0.clock.is_local_since(since)
        })
        .await;
        self.0.change_visitors().await.unwrap();
    }

    /// No faults any more: what is new comes to all, and all agree on who is present.
    async fn is_well_again(&self, fault: &str) {
        self.0.heal().unwrap();
        let now = self.0.clock.now();
        let took = self.0.flows(now, LIMIT).await;
        assert!(took.is_some(), "{fault}: nothing flows");
        let agreed = self.0.agree().await;
        assert!(agreed.is_some(), "{fault}: they differ in who is present");
        self.each("backplane: up", "wireline_cluster_up", 1.0).await;
    }

    /// Waits until all nodes say so.
    async fn each(&self, ready: &str, metric: &str, value: f64) {
        for node in &self.0.nodes {
            says(node, ready).await;
            until(metric, async || node.metric(metric).await.unwrap() == value).await;
        }
    }
}

async fn says(node: &Node, ready: &str) {
    until(ready, async || {
        let (status, content) = node.ask("/ready").await.unwrap();
        assert_eq!(status, "200", "{content}");
        content.contains(ready)
    })
    .await;
}

/// Whether a node has tried no more than once a second for so long.
async fn tries_once_a_second(proxy: &FaultProxy, time: Duration) {
    let (begun, before) = (Instant::now(), proxy.connections());
    sleep(time).await;
    let tries = proxy.connections() - before;
    let most = begun.elapsed().as_secs() + 1;
    assert!((1..=most).contains(&tries), "{tries} in {time:?}");
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let so = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let reached = timeout(LIMIT, so).await;
    assert!(reached.is_ok(), "never: {what}");
}

async fn outlived(kind: Kind) {
    let plan = plan(kind);
    let mut scene = Scene::open(&plan).await.unwrap();
    scene.visit(2).await.unwrap();
    scene.publish(&plan);
    let mut faulty = Faulty(scene);
    faulty.is_well_again("nothing").await;
    let _ = faulty.0.clock.answers.take();

    // For less than it takes to be taken for gone.
    faulty.0.broker().freeze().unwrap();
    faulty.goes_on_here().await;
    for node in &faulty.0.nodes {
        until("lag", async || {
            node.metric("wireline_cluster_lag_ms").await.unwrap() > 500.0
        })
        .await;
    }
    faulty.is_well_again("frozen").await;

    faulty.0.broker().kill();
    faulty
        .each("backplane: down", "wireline_cluster_up", 0.0)
        .await;
    faulty.goes_on_here().await;
    for proxy in &faulty.0.proxies {
        let accepts = proxy.connections();
        until("a try", async || proxy.connections() > accepts).await;
    }
    faulty.0.with_broker(Broker::restart_empty).await.unwrap();
    faulty.is_well_again("killed").await;

    for proxy in &faulty.0.proxies {
        proxy.both(Way::Slow(8_000));
    }
    faulty.goes_on_here().await;
    sleep(Duration::from_secs(1)).await;
    faulty.is_well_again("slow").await;

    let garbled = &faulty.0.proxies[0];
    let (seed, one_in) = (7, 1_000);
    garbled.both(Way::Garbled { seed, one_in });
    until("octets that are others", async || garbled.garbled() > 20).await;
    faulty.goes_on_here().await;
    faulty.is_well_again("garbled").await;

    for proxy in &faulty.0.proxies {
        proxy.split();
    }
    faulty
        .each("backplane: down", "wireline_cluster_up", 0.0)
        .await;
    faulty.goes_on_here().await;
    faulty.is_well_again("all split off").await;

    // For longer than a node may be silent: the others take it for gone, and all who are present there with it.
    faulty.0.proxies[1].split();
    says(&faulty.0.nodes[1], "backplane: down").await;
    tries_once_a_second(&faulty.0.proxies[1], Duration::from_secs(4)).await;
    faulty.goes_on_here().await;
    for other in [0, 2] {
        let node = &faulty.0.nodes[other];
        until("one is gone", async || {
            node.metric("wireline_cluster_nodes").await.unwrap() == 1.0
                && node
                    .metric("wireline_cluster_departed_total")
                    .await
                    .unwrap()
                    >= 1.0
        })
        .await;
    }
    faulty.is_well_again("split off").await;

    let (_, slowest) = faulty.0.clock.answers.take();
    let judged = faulty.0.judge().await.unwrap();
    assert_eq!(judged.wrong, 0, "{judged:#?}");
    // It was no idle talk.
    assert!(judged.published > 1_000, "{judged:#?}");
    assert!(judged.delivered > judged.published, "{judged:#?}");
    assert!(judged.gaps_told > 0, "{judged:#?}");
    assert!(slowest < QUICK, "one of a hundred took {slowest} ms");
}

#[tokio::test]
async fn nodes_outlive_what_becomes_of_redis() {
    timeout(WHOLE, outlived(Kind::Redis)).await.unwrap();
}

#[tokio::test]
async fn nodes_outlive_what_becomes_of_nats() {
    timeout(WHOLE, outlived(Kind::Nats)).await.unwrap();
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_wireline");
const LIMIT: Duration = Duration::from_secs(20);
const WHOLE: Duration = Duration::from_secs(120);

/// Milliseconds for a request, on a machine that does much else.
const QUICK: f64 = 250.0;
