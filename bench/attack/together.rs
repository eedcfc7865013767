//! R28: every attacker at once, against a server in a memory cgroup.

use crate::Context;
use crate::catalogue;
use crate::outcome::Outcome;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

/// The attacks that need neither a server of their own, nor a limit of their own, nor the whole driver, each with how many of its kind it
/// has at a time. Together they stay below the limit of connections, so that the probe finds a place.
pub(crate) const ATTACKERS: &[(&str, usize)] = &[
    ("SL-1", 1_500),
    ("SL-2", 1_000),
    ("SL-3", 500),
    ("SL-4", 1_500),
    ("SL-5", 20_000),
    ("SL-9", 500),
    ("H1-14", 500),
    ("H1-16", 20),
    ("H1-17", 500),
    ("H2-1", 10_000),
    ("H2-2", 10_000),
    ("H2-3", 10_000),
    ("H2-4", 100),
    ("H2-5", 20_000),
    ("H2-6", 20_000),
    ("H2-7", 20_000),
    ("H2-8", 20_000),
    ("H2-9", 20),
    ("H2-10", 50),
    ("H2-11", 100),
    ("H2-13", 10),
    ("WS-2", 500),
    ("WS-4", 20),
    ("WS-5", 200),
    ("WS-7", 200),
    ("WS-8", 500),
    ("WS-9", 200),
    ("WS-10", 200),
    ("WS-13", 100),
    ("CO-2", 200),
    ("CO-4", 100),
    ("MP-1", 50),
    ("HD-2", 200),
    ("RL-1", 2_000),
    ("RY-1", 10_000),
    ("RY-2", 200),
    ("SI-1", 300),
    ("SI-3", 30),
    ("SI-5", 10_000),
];

/// As many seconds as the count says. What the attackers complain of, refusals that are another one's for instance, is counted and no fault
/// here: the server has to be there at the end, and the probe has to be served.
pub(crate) async fn everything(context: Arc<Context>) -> Outcome {
    let end = Instant::now() + Duration::from_secs(context.count as u64);
    // A short run is for a machine that has other things to do as well.
    let share = if context.count < 60 { 10 } else { 1 };
    let mut attackers = JoinSet::new();
    for (number, (id, count)) in ATTACKERS.iter().enumerate() {
        let Some(attack) = catalogue::all().find(|attack| attack.id == *id) else {
            return Outcome::failed(format!("there is no attack {id}"));
        };
        let context = context.clone();
        attackers.spawn(async move {
            // Not all in the same moment.
            sleep(Duration::from_millis(50 * number as u64)).await;
            let (mut rounds, mut complaints) = (0.0, 0.0);
            while Instant::now() < end {
                let own = Arc::new(Context {
                    target: context.target.clone(),
                    count: (count / share).max(1),
                    concurrency: context.concurrency.min(20),
                    seed: context.seed.wrapping_add(rounds as u64),
                });
                match timeout_at(end, (attack.run)(own)).await {
                    Ok(outcome) => {
                        rounds += 1.0;
                        complaints += f64::from(u8::from(outcome.get("complaints") > 0.0));
                    }
                    // It ends in the middle of what it does.
                    Err(_) => break,
                }
            }
            (rounds, complaints)
        });
    }
    let (mut outcome, mut most_descriptors) = (Outcome::default(), 0);
    loop {
        tokio::select! {
            ended = attackers.join_next() => match ended {
                Some(Ok((rounds, complaints))) => {
                    outcome.count("attackers");
                    outcome.more("rounds", rounds);
                    outcome.more("rounds_with_complaints", complaints);
                }
                Some(Err(error)) => outcome.complain(error.to_string()),
                None => break,
            },
            () = sleep(Duration::from_millis(500)) => {
                most_descriptors = context.target.descriptors().max(most_descriptors);
            }
        }
    }
    outcome.set("most_descriptors", most_descriptors as f64);
    match context.target.counters().await {
        Ok(counters) => {
            for name in [
                "connections_accepted",
                "connections_refused",
                "shed_requests",
                "shed_connections",
                "handler_panics",
            ] {
                outcome.set(name, counters.get(name).copied().unwrap_or(0) as f64);
            }
        }
        Err(error) => outcome.complain(format!("no counters: {error}")),
    }
    let Some(cgroup) = context.target.cgroup() else {
        outcome.complain("the server is in no memory cgroup");
        return outcome;
    };
    outcome.set("most_cgroup_mib", cgroup.most_mib().unwrap_or(0.0));
    match cgroup.kills() {
        Some(0) => outcome.set("kills", 0.0),
        Some(kills) => outcome.complain(format!("killed {kills} times")),
        None => outcome.complain("the cgroup does not tell whether anybody was killed"),
    }
    outcome
}
