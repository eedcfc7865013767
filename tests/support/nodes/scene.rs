//! Everything that runs, and what is made of it in the end.

use super::{Clock, Failure, Kind, Node, publisher, subscriber, verdict::Verdict, wanderer};
use crate::brokers::{Broker, Nats, Redis};
use crate::fault_proxy::FaultProxy;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use wireline::ws::prelude::*;

/// What is run.
pub(crate) struct Plan {
    /// The program.
    pub(crate) server: PathBuf,
    pub(crate) broker: Kind,
    pub(crate) topics: usize,
    /// Of each topic, a third on each node.
    pub(crate) subscribers: usize,
    /// Messages a second, in all.
    pub(crate) rate: u32,
    /// Whether the nodes share the history of the topics; NATS keeps none.
    pub(crate) shares_history: bool,
}

pub(crate) struct Scene {
    pub(crate) clock: Arc<Clock>,
    broker: Arc<Mutex<Broker>>,
    pub(crate) proxies: Vec<FaultProxy>,
    pub(crate) nodes: Vec<Node>,
    stop: watch::Sender<bool>,
    overs: Vec<watch::Sender<Option<Arc<Vec<u64>>>>>,
    subscribers: JoinSet<Verdict>,
    publishers: JoinSet<(usize, Result<Vec<u64>, Failure>)>,
    wanderers: JoinSet<Result<wanderer::Journal, Failure>>,
    shares_history: bool,
    /// Who comes and goes, by node.
    visitors: Vec<Vec<WebSocket>>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    pub(crate) published: u64,
    pub(crate) delivered: u64,
    pub(crate) told_missing: u64,
    pub(crate) gaps_told: u64,
    /// How much was not as it must be.
    pub(crate) wrong: u64,
    /// Some of that.
    pub(crate) complaints: Vec<String>,
    pub(crate) outbox_most_octets: f64,
    pub(crate) duplicates_dropped: f64,
    pub(crate) garbled_dropped: f64,
    pub(crate) connects: f64,
    /// How often a reader went to another node, and how often it missed nothing there.
    pub(crate) returns: u64,
    pub(crate) recovered: u64,
}

impl Judgement {
    pub(crate) fn complain(&mut self, what: String) {
        self.wrong += 1;
        if self.complaints.len() < 8 {
            self.complaints.push(what);
        }
    }
}

impl Scene {
    /// Starts all of it but the publishers; the nodes know each other then.
    pub(crate) async fn open(plan: &Plan) -> Result<Self, Failure> {
        let kind = plan.broker;
        let starting = tokio::task::spawn_blocking(move || match kind {
            Kind::Redis => Redis::new().start(),
            Kind::Nats => Nats::new().start(),
        });
        let broker = starting.await??;
        let (mut proxies, mut nodes) = (Vec::new(), Vec::new());
        for _ in 0..NODES {
            let proxy = FaultProxy::start(broker.address()).await?;
            let at = format!("{}://{}", kind.scheme(), proxy.address());
            let history = ["--history", "topics=t:*, messages=1000"];
            let more: &[&str] = if plan.shares_history { &history } else { &[] };
            nodes.push(Node::start_with(&plan.server, &at, more)?);
            proxies.push(proxy);
        }
        let mut scene = Self {
            clock: Clock::new(NODES),
            broker: Arc::new(Mutex::new(broker)),
            proxies,
            nodes,
            stop: watch::channel(false).0,
            overs: Vec::new(),
            subscribers: JoinSet::new(),
            publishers: JoinSet::new(),
            wanderers: JoinSet::new(),
            shares_history: plan.shares_history,
            visitors: (0..NODES).map(|_| Vec::new()).collect(),
        };
        scene.up().await?;
        let mut names = Vec::new();
        for node in &scene.nodes {
            names.push(format!("{:x}", node.number().await?));
        }
        let names: Arc<[String]> = names.into();
        for topic in 0..plan.topics {
            let (over, _) = watch::channel(None);
            for number in 0..plan.subscribers {
                let own = number % NODES;
                let name = format!("t:{topic}");
                let socket = subscriber::open(scene.nodes[own].port, &name).await?;
                let (clock, over) = (scene.clock.clone(), over.subscribe());
                let verdict = Verdict::new(own, names.clone(), plan.shares_history);
                let listening = subscriber::listen(socket, verdict, clock, over);
                scene.subscribers.spawn(listening);
            }
            scene.overs.push(over);
        }
        // Marks of all nodes have come by then.
        sleep(Duration::from_secs(2)).await;
        Ok(scene)
    }

    pub(crate) fn broker(&self) -> MutexGuard<'_, Broker> {
        self.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What takes its time, with the broker.
    pub(crate) async fn with_broker(
        &self,
        what: impl FnOnce(&mut Broker) -> io::Result<()> + Send + 'static,
    ) -> Result<(), Failure> {
        let broker = self.broker.clone();
        let done = tokio::task::spawn_blocking(move || {
            what(&mut broker.lock().unwrap_or_else(PoisonError::into_inner))
        });
        Ok(done.await??)
    }

    pub(crate) fn publish(&mut self, plan: &Plan) {
        if self.shares_history {
            let ports: Vec<u16> = self.nodes.iter().map(|node| node.port).collect();
            for number in 0..WANDERERS {
                let topic = format!("t:{}", number % plan.topics);
                let wandering =
                    wanderer::wander(ports.clone(), number, topic, self.stop.subscribe());
                self.wanderers.spawn(wandering);
            }
        }
        for (by, node) in self.nodes.iter().enumerate() {
            let rate = plan.rate / NODES as u32;
            let (clock, stop) = (self.clock.clone(), self.stop.subscribe());
            let publishing = publisher::publish(node.port, by, plan.topics, rate, clock, stop);
            self.publishers.spawn(async move { (by, publishing.await) });
        }
    }

    /// So many are present on each node, besides those who subscribe to other topics.
    pub(crate) async fn visit(&mut self, each: usize) -> Result<(), Failure> {
        for (node, visitors) in self.nodes.iter().zip(&mut self.visitors) {
            for _ in 0..each {
                visitors.push(subscriber::open(node.port, VISITED).await?);
            }
        }
        Ok(())
    }

    /// One visitor goes and one comes, on each node; what it has not read goes with it.
    pub(crate) async fn change_visitors(&mut self) -> Result<(), Failure> {
        for (node, visitors) in self.nodes.iter().zip(&mut self.visitors) {
            visitors.remove(0);
            visitors.push(subscriber::open(node.port, VISITED).await?);
        }
        Ok(())
    }

    /// No faults any more.
    pub(crate) fn heal(&self) -> Result<(), Failure> {
        self.broker().thaw()?;
        self.proxies.iter().for_each(FaultProxy::heal);
        Ok(())
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
    pub(crate) async fn flows(&self, since: u64, within: Duration) -> Option<f64> {
        let flowing = async {
            while !self.clock.is_flowing_since(since) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(within, flowing).await.ok()?;
        Some((self.clock.now() - since) as f64 / 1000.0)
    }

    /// Milliseconds until all nodes say that the same visitors are present, who are as many as there should be.
    pub(crate) async fn agree(&self) -> Option<f64> {
        let wanted: usize = self.visitors.iter().map(Vec::len).sum();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            let mut lists = Vec::new();
            for node in &self.nodes {
                lists.push(node.present(VISITED).await.unwrap_or_default());
            }
            if lists[0].len() == wanted && lists.iter().all(|list| *list == lists[0]) {
                return Some(begun.elapsed().as_secs_f64() * 1000.0);
            }
            sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// The publishers stop; what is missing is told; the subscribers judge.
    pub(crate) async fn judge(mut self) -> Result<Judgement, Failure> {
        let mut judged = Judgement::default();
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
                Err(error) => judged.complain(format!("publisher {by}: {error}")),
            }
        }
        while let Some(wandered) = self.wanderers.join_next().await {
            match wandered? {
                Ok(journal) => {
                    judged.returns += journal.returns;
                    judged.recovered += journal.recovered;
                    journal.complaints.into_iter().for_each(|complaint| {
                        judged.complain(complaint);
                    });
                }
                Err(error) => judged.complain(format!("a reader that wanders: {error}")),
            }
        }
        for (over, published) in self.overs.iter().zip(&published) {
            over.send_replace(Some(Arc::new(published.clone())));
        }
        judged.published = published.iter().flatten().sum();
        while let Some(verdict) = self.subscribers.join_next().await {
            let verdict = verdict?;
            judged.delivered += verdict.came;
            judged.told_missing += verdict.missing;
            judged.gaps_told += verdict.gaps;
            judged.wrong += verdict.wrong - verdict.complaints.len() as u64;
            for complaint in verdict.complaints {
                judged.complain(complaint);
            }
        }
        if self.shares_history {
            self.compare_places(&mut judged).await?;
        }
        for node in &mut self.nodes {
            if !node.is_running() {
                judged.complain("a node has ended".to_owned());
                continue;
            }
            let waited = node.metric("wireline_cluster_waiting_octets_most").await?;
            judged.outbox_most_octets = judged.outbox_most_octets.max(waited);
            judged.duplicates_dropped += node.metric("wireline_cluster_duplicates_total").await?;
            judged.garbled_dropped += node.metric("wireline_cluster_garbled_total").await?;
            judged.connects += node.metric("wireline_cluster_connects_total").await?;
        }
        if judged.outbox_most_octets > OUTBOX {
            let waited = judged.outbox_most_octets;
            judged.complain(format!("{waited} octets waited for the broker"));
        }
        Ok(judged)
    }

    /// Every node stands at the same offset of the same epoch of each topic.
    async fn compare_places(&self, judged: &mut Judgement) -> Result<(), Failure> {
        for topic in 0..self.overs.len() {
            let topic = format!("t:{topic}");
            let mut places = Vec::new();
            for node in &self.nodes {
                places.push(node.stands(&topic).await?);
            }
            if places.iter().any(|place| *place != places[0]) {
                judged.complain(format!("the nodes stand at {places:?} of {topic}"));
            }
        }
        if judged.recovered == 0 {
            judged.complain("nobody who went to another node missed nothing there".to_owned());
        }
        Ok(())
    }
}

/// The readers that go from node to node.
const WANDERERS: usize = 12;

pub(crate) const NODES: usize = 3;

const KNOWN: &str = "wireline_cluster_nodes";

/// What may wait for the broker.
const OUTBOX: f64 = (8 << 20) as f64;

/// Who is present is looked at here.
const VISITED: &str = "hall";
