//! Proofs by counting, a line of JSON for each.
//!
//! ```text
//! wireline-proofs [--full] [--seed N] [--count N] [NAME...]
//! ```
//!
//! The names are those of `PROOFS`; without one all run. `--count` is for those that have no natural end. Exit status 1 when a proof fails.

mod classes;
#[path = "../../../../support/conversation.rs"]
mod conversation;
#[allow(dead_code, reason = "what comes of a case is judged by other tests")]
#[path = "../../../../support/corpus.rs"]
mod corpus;
mod differential;
mod dribble;
mod hyper_peer;
mod model;
mod paths;
mod positions;
mod random;
#[path = "../../../../../fuzz/src/reference.rs"]
mod reference;
mod row;
mod smuggling;
mod splits;
mod utf8;
#[allow(dead_code, reason = "what comes of a case is judged by other tests")]
#[path = "../../../../support/ws_corpus.rs"]
mod ws_corpus;
#[path = "../../../../support/ws_talk.rs"]
mod ws_talk;

use row::Row;
use std::process::ExitCode;

/// What was asked for.
struct Asked {
    full: bool,
    seed: u64,
    count: Option<u64>,
}

impl Asked {
    /// How many: what was asked for, or the count of this size.
    fn count(&self, small: u64, full: u64) -> u64 {
        self.count.unwrap_or(if self.full { full } else { small })
    }
}

type Proof = (&'static str, fn(&Asked) -> Row);

const PROOFS: [Proof; 9] = [
    ("smuggling", |asked| {
        smuggling::smuggling(asked.count(1_500, 100_000), asked.seed)
    }),
    ("differential", |asked| {
        differential::differential(asked.count(200_000, 100_000_000), asked.seed)
    }),
    ("octets", |_| positions::octets()),
    ("pairs", |asked| {
        positions::pairs(if asked.full { 1 } else { 29 })
    }),
    ("paths", |asked| {
        paths::paths(if asked.full { 1 } else { 7 })
    }),
    ("utf8", |asked| utf8::utf8(asked.full)),
    ("splits-http1", |asked| {
        splits::http1(if asked.full { 300 } else { 45 })
    }),
    ("splits-websocket", |asked| {
        splits::websocket(if asked.full { 100 } else { 8 })
    }),
    ("splits-multipart", |asked| {
        splits::multipart(if asked.full { 300 } else { 120 })
    }),
];

fn main() -> ExitCode {
    let mut asked = Asked {
        full: false,
        seed: 1,
        count: None,
    };
    let mut names = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let text = arguments.next().unwrap_or_default();
            wireline::wire::number::decimal(text.as_bytes())
        };
        match (
            argument.as_str(),
            PROOFS.iter().any(|(name, _)| *name == argument),
        ) {
            ("--full", _) => asked.full = true,
            ("--seed", _) => asked.seed = number().unwrap_or(1),
            ("--count", _) => asked.count = number(),
            // One run for whoever counts instructions, and nothing else.
            ("dribble", _) => {
                let kind = arguments.next().unwrap_or_default();
                let size = arguments.next().unwrap_or_default();
                let size = wireline::wire::number::decimal(size.as_bytes()).unwrap_or(1);
                dribble::dribble(&kind, usize::try_from(size).unwrap_or(1));
                return ExitCode::SUCCESS;
            }
            (_, true) => names.push(argument),
            _ => {
                eprintln!("there is no proof {argument}");
                return ExitCode::from(2);
            }
        }
    }
    let mut failed = false;
    for (name, proof) in PROOFS {
        if names.is_empty() || names.iter().any(|asked| asked == name) {
            let begin = tokio::time::Instant::now();
            let row = proof(&asked);
            failed |= !row.faults.is_empty();
            println!("{}", row.json(asked.full, begin.elapsed()));
        }
    }
    ExitCode::from(u8::from(failed))
}
