//! Every order in which something may be put into an outbox while its task looks: `tests/loom.sh` runs this.

use super::*;
use crate::sync::model;
use loom::future::block_on;
use loom::thread;
use std::sync::Arc;

#[test]
fn everything_is_taken() {
    model(|| {
        let outbox = Arc::new(Outbox::new());
        let puts = |what: u32| {
            let outbox = outbox.clone();
            thread::spawn(move || assert!(outbox.push(what, 1)))
        };
        let others = [puts(1), puts(2)];
        let mut taken = Vec::new();
        while taken.len() < 2 {
            taken.extend(block_on(outbox.take(1_000)));
        }
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
        for other in others {
            other.join().unwrap();
        }
    });
}
