//! The relay's cluster in a simulation: nodes, clients and a broker in virtual time, with everything that can go wrong.
//!
//! A seed that fails is printed with the command that runs it again, and it alone.

#[path = "support/simulation/mod.rs"]
mod simulation;

use simulation::{Mutant, Report, run};
use std::env;

/// `SEED=n` runs that one and says what it was like.
#[test]
fn nothing_is_lost_untold_and_all_agree_in_the_end() {
    if let Some(seed) = env::var("SEED").ok().and_then(|seed| number(&seed)) {
        let report = run(seed, Mutant::None).unwrap_or_else(|failure| panic!("{failure}"));
        println!("{report:#?}");
        return;
    }
    let mut sum = Report::default();
    let mut failures = 0;
    for seed in 1..=SEEDS {
        match run(seed, Mutant::None) {
            Ok(report) => sum.add(&report),
            Err(failure) => {
                failures += 1;
                println!(
                    "{failure}\nagain: SEED={seed} cargo test --all-features --test relay_simulation nothing_is_lost -- --nocapture"
                );
            }
        }
    }
    assert_eq!(failures, 0, "seeds failed");
    // It was no idle talk.
    for (count, least) in [
        (sum.published, 500 * SEEDS),
        (sum.delivered, 500 * SEEDS),
        (sum.lost, 20 * SEEDS),
        (sum.given_up, SEEDS),
        (sum.duplicates, SEEDS),
        (sum.faults, 5 * SEEDS),
        (sum.garbled, SEEDS),
        (sum.missed, SEEDS),
        (sum.hops, SEEDS),
    ] {
        assert!(count >= least, "{sum:#?}");
    }
    println!("{sum:#?}");
}

#[test]
fn a_seed_is_the_same_each_time() {
    for seed in [1, 77, 4_711] {
        let first = run(seed, Mutant::None).unwrap();
        assert_eq!(run(seed, Mutant::None).unwrap(), first);
        assert_ne!(run(seed + 1, Mutant::None).unwrap().hash, first.hash);
    }
}

/// What is not done is found: the simulation can fail.
#[test]
fn what_is_done_wrong_is_found() {
    for mutant in [
        Mutant::NoDedupe,
        Mutant::NoMark,
        Mutant::ShortRange,
        Mutant::Untold,
        Mutant::UntoldGivenUp,
        Mutant::NoUntrack,
    ] {
        let found = (1..=20).find_map(|seed| run(seed, mutant).err());
        let found = found.unwrap_or_else(|| panic!("{mutant:?} is not found"));
        println!("{mutant:?}: {found}");
    }
}

fn number(text: &str) -> Option<u64> {
    wireline::wire::number::decimal(text.as_bytes())
}

const SEEDS: u64 = 200;
