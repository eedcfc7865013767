//! Many of the same, so many at a time.

use crate::Context;
use crate::outcome::Outcome;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// Runs `job` for the numbers from 0 to the attack's count, and adds up what comes of it.
pub(crate) async fn each<F, Fut>(context: &Arc<Context>, job: F) -> Outcome
where
    F: Fn(Arc<Context>, usize) -> Fut,
    Fut: Future<Output = Outcome> + Send + 'static,
{
    let (mut running, mut outcome) = (JoinSet::new(), Outcome::default());
    for number in 0..context.count {
        if running.len() >= context.concurrency {
            collect(&mut running, &mut outcome).await;
        }
        running.spawn(job(context.clone(), number));
    }
    while !running.is_empty() {
        collect(&mut running, &mut outcome).await;
    }
    outcome
}

/// Runs `job` for the numbers from 0 to the attack's count, all of them at the same time: `concurrency` begin, and others a breath
/// later.
pub(crate) async fn at_once<F, Fut>(context: &Arc<Context>, job: F) -> Outcome
where
    F: Fn(Arc<Context>, usize) -> Fut,
    Fut: Future<Output = Outcome> + Send + 'static,
{
    let (mut running, mut outcome) = (JoinSet::new(), Outcome::default());
    for number in 0..context.count {
        running.spawn(job(context.clone(), number));
        if number % context.concurrency == context.concurrency - 1 {
            tokio::time::sleep(BREATH).await;
        }
    }
    while !running.is_empty() {
        collect(&mut running, &mut outcome).await;
    }
    outcome
}

/// What comes of `work`, and the milliseconds on a core that each of the attack's count has cost the server; more than `most` are too
/// many, where there is such a figure.
pub(crate) async fn costing(
    context: &Context,
    most: Option<f64>,
    work: impl Future<Output = Outcome>,
) -> Outcome {
    let before = context.target.cpu_ms();
    let mut outcome = work.await;
    let each = (context.target.cpu_ms() - before) / context.count.max(1) as f64;
    outcome.set("cpu_ms_each", each);
    // A build that is not optimized takes what it takes.
    if most.is_some_and(|most| each > most) && !cfg!(debug_assertions) {
        outcome.complain(format!("{each:.1} ms for each"));
    }
    outcome
}

/// What `job` has counted, and a complaint when it fails.
pub(crate) async fn told<Fut>(number: usize, job: Fut) -> Outcome
where
    Fut: Future<Output = io::Result<Outcome>>,
{
    job.await
        .unwrap_or_else(|error| Outcome::failed(format!("connection {number}: {error}")))
}

/// Runs `job` again and again until those that are done have spent the attack's count; each gives what it has spent.
pub(crate) async fn spend<F, Fut>(context: &Arc<Context>, job: F) -> Outcome
where
    F: Fn(Arc<Context>, usize) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = (Outcome, usize)> + Send,
{
    let (begun, spent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (mut running, mut outcome) = (JoinSet::new(), Outcome::default());
    for _ in 0..context.concurrency {
        let (context, job) = (context.clone(), job.clone());
        let (begun, spent) = (begun.clone(), spent.clone());
        running.spawn(async move {
            let mut outcome = Outcome::default();
            while spent.load(Ordering::Relaxed) < context.count {
                let number = begun.fetch_add(1, Ordering::Relaxed);
                let (one, cost) = job(context.clone(), number).await;
                spent.fetch_add(cost.max(1), Ordering::Relaxed);
                outcome.add(one);
            }
            outcome
        });
    }
    while !running.is_empty() {
        collect(&mut running, &mut outcome).await;
    }
    outcome.set("sent", spent.load(Ordering::Relaxed) as f64);
    outcome
}

async fn collect(running: &mut JoinSet<Outcome>, outcome: &mut Outcome) {
    match running.join_next().await {
        Some(Ok(other)) => outcome.add(other),
        Some(Err(error)) => outcome.complain(error.to_string()),
        None => {}
    }
}

/// Between two crowds that begin.
const BREATH: Duration = Duration::from_millis(20);
