//! The relay's cluster in a simulation, for many seeds.
//!
//!     simulation --seeds 10000 --first 1
//!
//! Each seed is 80 s of three nodes, nine clients and a broker with everything that can go wrong; what must hold is checked on the way and at the end.
//! Prints each seed that fails, then one line of JSON: seeds, seconds, seeds a second, simulated seconds, what happened in them, and a hash over all.
//! The exit code is 1 if a seed failed.

#![forbid(unsafe_code)]

#[path = "../../../tests/support/simulation/mod.rs"]
mod simulation;

use clap::Parser;
use serde_json::json;
use simulation::{Mutant, Report, run};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use tokio::time::Instant;

/// Runs seeds of the simulation.
#[derive(Parser)]
#[command(name = "simulation", version)]
struct Args {
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 1)]
    first: u64,
    #[arg(long, default_value_t = 2)]
    threads: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let begun = Instant::now();
    let next = AtomicU64::new(args.first);
    let end = args.first.saturating_add(args.seeds);
    let all = Mutex::new((Report::default(), 0_u64));
    thread::scope(|scope| {
        for _ in 0..args.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = run(seed, Mutant::None);
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    match outcome {
                        Ok(report) => all.0.add(&report),
                        Err(failure) => {
                            all.1 += 1;
                            println!("{failure}");
                            println!("again: simulation --first {seed} --seeds 1");
                        }
                    }
                }
            });
        }
    });
    let (sum, failed) = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = args.seeds as f64 / seconds;
    println!(
        "{}",
        json!({
            "first": args.first,
            "seeds": args.seeds,
            "failed": failed,
            "seconds": seconds,
            "seeds_per_second": rate,
            "simulated_seconds": sum.simulated / 1_000,
            "faults": sum.faults,
            "published": sum.published,
            "delivered": sum.delivered,
            "told_lost": sum.lost,
            "duplicates_dropped": sum.duplicates,
            "garbled": sum.garbled,
            "missed_by_slow_clients": sum.missed,
            "hops": sum.hops,
            "hash": format!("{:016x}", sum.hash),
        })
    );
    ExitCode::from(u8::from(failed > 0))
}
