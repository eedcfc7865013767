//! Many of the same, so many at a time.

use crate::Context;
use crate::outcome::Outcome;
use std::sync::Arc;
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

async fn collect(running: &mut JoinSet<Outcome>, outcome: &mut Outcome) {
    match running.join_next().await {
        Some(Ok(other)) => outcome.add(other),
        Some(Err(error)) => outcome.complain(error.to_string()),
        None => {}
    }
}
