//! What the tests of restarts and of panics do in small, in full: a line of JSON for each.

#![forbid(unsafe_code)]

#[path = "../../cli/tests/restarts/chain.rs"]
#[expect(
    clippy::disallowed_methods,
    reason = "it measures real time and reads what its own server has written"
)]
mod chain;
#[path = "../../cli/tests/restarts/load.rs"]
#[expect(
    clippy::disallowed_methods,
    reason = "it reads what its own server has written"
)]
mod load;
#[path = "../../tests/support/panicking.rs"]
#[expect(
    clippy::disallowed_methods,
    reason = "it reads a number that the kernel has written"
)]
mod panicking;

use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    program: Program,
}

#[derive(Subcommand)]
enum Program {
    /// The ready server is replaced again and again while it serves.
    Restarts {
        /// The program `wireline`.
        #[arg(long)]
        server: PathBuf,
        #[arg(long, default_value_t = 5)]
        restarts: u32,
        /// The least number of requests, spread over the restarts.
        #[arg(long, default_value_t = 0)]
        requests: u64,
    },
    /// One request in ten panics.
    Panics {
        #[arg(long, default_value_t = 20_000)]
        requests: u64,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().program {
        Program::Restarts {
            server,
            restarts,
            requests,
        } => replace(&server, restarts, requests),
        Program::Panics { requests } => panics(requests),
    };
    println!("{result}");
    ExitCode::from(u8::from(result["pass"] != true))
}

fn replace(server: &Path, restarts: u32, requests: u64) -> Value {
    let mut command = Command::new(server);
    command.args(["--addr", "127.0.0.1:0", "--workers", "2", "--h2c"]);
    let mut chain = chain::Chain::start(command);
    let addr = chain.addr();
    let seen = Arc::new(load::Seen::default());
    let clients = std::thread::spawn({
        let seen = seen.clone();
        move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut clients = JoinSet::new();
                for _ in 0..16 {
                    clients.spawn(load::http1(addr, seen.clone()));
                    clients.spawn(load::websocket(addr, seen.clone()));
                }
                for _ in 0..4 {
                    clients.spawn(load::http2(addr, seen.clone()));
                    clients.spawn(load::upload(addr, seen.clone()));
                }
                while clients.join_next().await.is_some() {}
            });
        }
    });
    let mut drains: Vec<Duration> = Vec::new();
    for restart in 1..=restarts {
        drains.push(chain.restart());
        let due = requests * u64::from(restart) / u64::from(restarts);
        while seen.requests() < due && seen.failed.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    seen.end();
    let _ = clients.join();
    let lines = chain.end();
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let cut = lines.iter().filter(|line| line.contains("cut off")).count();
    let longest = drains.iter().max().copied().unwrap_or_default();
    let is_right = count(&seen.failed) == 0 && cut == 0 && longest <= Duration::from_secs(10);
    json!({
        "row": "R33",
        "restarts": drains.len(),
        "requests": seen.requests(),
        "http1": count(&seen.http1),
        "http2": count(&seen.http2),
        "uploads": count(&seen.uploads),
        "websockets_closed_1012": count(&seen.restarted),
        "connections": count(&seen.connections),
        "refused": count(&seen.refused),
        "failed": count(&seen.failed),
        "cut_off": cut,
        "faults": *seen.faults.lock().unwrap(),
        "longest_drain_seconds": longest.as_secs_f64(),
        "pass": is_right && seen.requests() >= requests && drains.len() as u32 == restarts,
    })
}

fn panics(requests: u64) -> Value {
    std::panic::set_hook(Box::new(|_| ()));
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let outcome = runtime.block_on(panicking::run(requests));
    let (before, after) = outcome.rss_kib;
    let drift = after.saturating_sub(before);
    json!({
        "row": "R32",
        "asked": outcome.asked,
        "panics": outcome.panics,
        "complaints": outcome.complaints,
        "rss_kib": [before, after],
        "drift_kib": drift,
        "pass": outcome.complaints.is_empty() && outcome.asked >= requests && drift <= 5 * 1024,
    })
}
