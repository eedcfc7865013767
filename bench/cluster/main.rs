//! Nodes of a cluster while their broker fails: what is delivered, what is told to be missing, and how soon it flows again.
//!
//! ```text
//!   bench-cluster kills  --server target/release/wireline --count 100
//!   bench-cluster faults --server target/release/wireline --count 50 --broker nats
//!   bench-cluster kills  --server target/release/wireline --count 100 --history
//! ```
//!
//! Three servers as processes and a real broker, all on loopback; 100 topics with 30 subscribers each, ten on each node, and 1,000
//! messages a second in all. `kills` ends the broker with SIGKILL and starts it again, empty; `faults` freezes it, slows it, garbles
//! what it says, and cuts a node off. Every subscriber holds what it gets against what was published: see `tests/support/nodes/verdict.rs`.
//! With `--history` the nodes share the history of the topics, and twelve readers besides go from node to node with the epoch and the
//! offset of what they had: see `wanderer.rs` beside it. The result is one line of JSON; the exit status is 1 when something was as it must not be.

#![forbid(unsafe_code)]

#[path = "../../tests/support/brokers.rs"]
mod brokers;
#[allow(dead_code, reason = "tests use the rest of it")]
#[path = "../../tests/support/fault_proxy.rs"]
mod fault_proxy;
#[path = "../../tests/support/nodes/mod.rs"]
mod nodes;
mod run;

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// Nodes of a cluster while their broker fails.
#[derive(Parser)]
#[command(name = "bench-cluster", version)]
struct Args {
    #[command(subcommand)]
    what: What,
    /// The server to start.
    #[arg(long, global = true, default_value = "target/release/wireline")]
    server: PathBuf,
    #[arg(long, global = true, value_enum, default_value_t = Whose::Redis)]
    broker: Whose,
    /// How many topics.
    #[arg(long, global = true, default_value_t = 100)]
    topics: usize,
    /// How many subscribers each of them has, a third on each node.
    #[arg(long, global = true, default_value_t = 30)]
    subscribers: usize,
    /// Messages a second, in all.
    #[arg(long, global = true, default_value_t = 1_000)]
    rate: u32,
    /// The nodes share the history of the topics, in Redis.
    #[arg(long, global = true)]
    history: bool,
}

#[derive(Subcommand)]
enum What {
    /// The broker is killed, and comes back.
    Kills {
        /// How often.
        #[arg(long, default_value_t = 100)]
        count: u32,
    },
    /// The broker is frozen, slow, garbled, or out of a node's reach.
    Faults {
        /// How often each.
        #[arg(long, default_value_t = 50)]
        count: u32,
    },
}

/// Whose broker it is.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Whose {
    /// `redis-server`.
    Redis,
    /// `nats-server`.
    Nats,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    if args.history && args.broker == Whose::Nats {
        eprintln!("bench-cluster: NATS keeps no history");
        return ExitCode::from(2);
    }
    let plan = nodes::Plan {
        server: args.server,
        broker: match args.broker {
            Whose::Redis => nodes::Kind::Redis,
            Whose::Nats => nodes::Kind::Nats,
        },
        topics: args.topics,
        subscribers: args.subscribers,
        rate: args.rate,
        shares_history: args.history,
    };
    let done = match args.what {
        What::Kills { count } => run::kills(&plan, count).await,
        What::Faults { count } => run::faults(&plan, count).await,
    };
    match done {
        Ok(result) => {
            println!("{}", result.json);
            ExitCode::from(u8::from(!result.holds))
        }
        Err(failure) => {
            eprintln!("bench-cluster: {failure}");
            ExitCode::from(2)
        }
    }
}
