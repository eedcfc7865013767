//! The attack driver: the recipes of the catalogue, each against a bench server of its own, with an honest probe beside it.
//!
//! ```text
//!   bench-attack list
//!   bench-attack TL-1 --count 10000 --concurrency 500 --seed 7
//!   bench-attack all --full
//! ```
//!
//! The result is one line of JSON for each attack; the exit status is 1 when one of them did what it must not do. Load
//! goes to loopback only, bounded in count and in time. `bench/README.md` has the columns.

#![forbid(unsafe_code)]

mod broker;
mod catalogue;
mod certificates;
mod cgroup;
mod churn;
mod coded;
mod crowd;
mod dribble;
mod events;
mod fan;
mod files;
mod floods;
mod forms;
mod frames;
mod handshakes;
mod limits;
mod lost;
mod network;
mod outcome;
mod overload;
mod pipelines;
mod pki;
mod probe;
mod slow;
mod soak;
mod sockets;
mod stall;
mod streams;
mod talk;
mod target;
mod together;
mod topics;
mod transcript;

use crate::catalogue::Attack;
use crate::outcome::{Outcome, Report};
use crate::pki::Failure;
use crate::probe::Probe;
use crate::target::{Options, Target};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Attacks a bench server and watches how honest clients fare meanwhile.
#[derive(Parser)]
#[command(name = "bench-attack", version)]
struct Args {
    /// The attack's id (TL-1, H2-1, ...), the beginning of several (`H2`), `all`, or `list`.
    id: String,
    /// How often; the default of each attack takes seconds.
    #[arg(long)]
    count: Option<usize>,
    /// How many at the same time.
    #[arg(long, default_value_t = 50)]
    concurrency: usize,
    /// Whatever is random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The counts of the catalogue in place of small ones.
    #[arg(long)]
    full: bool,
    /// The server to start, a bench-server; the one beside this program if it is not said.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// How long one request of a hundred of the probe may take, in milliseconds.
    #[arg(long, default_value_t = 50.0, value_name = "MS")]
    probe_p99: f64,
    /// For how long the probe asks before the attack, and with --full behind it, in milliseconds.
    #[arg(long, default_value_t = 1000, value_name = "MS")]
    baseline: u64,
}

/// What an attack has to work with.
pub(crate) struct Context {
    pub(crate) target: Arc<Target>,
    pub(crate) count: usize,
    pub(crate) concurrency: usize,
    pub(crate) seed: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.id.eq_ignore_ascii_case("list") {
        for attack in catalogue::all() {
            println!(
                "{:6} {} ({}; {} with --full)",
                attack.id, attack.what, attack.small, attack.full
            );
        }
        return ExitCode::SUCCESS;
    }
    let is_wanted = |attack: &&Attack| {
        let family = attack.id.split('-').next().unwrap_or_default();
        ["all", attack.id, family]
            .iter()
            .any(|id| args.id.eq_ignore_ascii_case(id))
    };
    let wanted: Vec<&Attack> = catalogue::all().filter(is_wanted).collect();
    if wanted.is_empty() {
        eprintln!(
            "bench-attack: there is no attack {}; `bench-attack list` has them",
            args.id
        );
        return ExitCode::from(2);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let mut all_held = true;
    for attack in wanted {
        let mut options = Options::default();
        (attack.options)(&mut options);
        if options.apart && !network::is_apart() {
            match network::apart(attack.id, &args.id) {
                Ok(held) => all_held &= held,
                Err(error) if args.id.eq_ignore_ascii_case(attack.id) => return failed(&*error),
                // Of several it is one that there is not.
                Err(error) => eprintln!("bench-attack: {}: {error}", attack.id),
            }
            continue;
        }
        match runtime.block_on(run(attack, &args)) {
            Ok(report) => {
                println!("{}", report.line());
                all_held &= report.holds();
            }
            Err(error) => return failed(&*error),
        }
    }
    if all_held {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("bench-attack: {error}");
    ExitCode::from(2)
}

/// A server, a baseline, the attack with the probe beside it, and whether the server is itself again.
async fn run(attack: &Attack, args: &Args) -> Result<Report, Failure> {
    let count = args
        .count
        .unwrap_or(if args.full { attack.full } else { attack.small });
    let mut options = Options {
        server: args.server.clone(),
        count,
        ..Options::default()
    };
    (attack.options)(&mut options);
    let target = Target::start(&options)?;
    let while_ = Duration::from_millis(args.baseline);
    let baseline = Probe::begin(&target).for_a_while(while_).await;
    let idle = target.memory();
    let context = Arc::new(Context {
        target: Arc::new(target),
        count,
        concurrency: args.concurrency.max(1),
        seed: args.seed,
    });
    let probe = Probe::begin(&context.target);
    let begun = Instant::now();
    let longest = (attack.longest)(count);
    let mut outcome = match tokio::time::timeout(longest, (attack.run)(context.clone())).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::failed(format!("not done after {} s", longest.as_secs())),
    };
    let seconds = begun.elapsed().as_secs_f64();
    let probe = probe.end().await;
    // What is behind an attack must not linger.
    let after = match args.full {
        true => Some(Probe::begin(&context.target).for_a_while(while_).await),
        false => None,
    };
    let peak = context.target.memory();
    if !context.target.is_running() {
        outcome.complain("the server has ended");
    }
    let more = peak.peak.saturating_sub(idle.now) / 1024;
    if attack.memory.is_some_and(|most| more > most) {
        outcome.complain(format!("{more} MiB more than before"));
    }
    outcome.set("more_mib", more as f64);
    Ok(Report {
        id: attack.id,
        seed: args.seed,
        count: context.count,
        concurrency: context.concurrency,
        seconds,
        outcome,
        baseline,
        probe,
        after,
        // Whoever says on which machine it is knows better than the catalogue, unless the catalogue allows more.
        probe_p99: args.probe_p99.max(attack.probe_p99),
        probe_failures: attack.probe_failures,
        most_mib: attack.memory,
        idle_kib: idle.now,
        peak_kib: peak.peak,
    })
}
