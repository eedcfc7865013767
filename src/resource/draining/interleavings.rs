//! Who asks whether a drain has begun, in every order in which it may begin meanwhile: `tests/loom.sh` runs this.

use super::*;
use crate::sync::model;
use loom::future::block_on;
use loom::thread;
use std::sync::Arc;

#[test]
fn whoever_asks_is_told_and_of_what_was_said_before() {
    model(|| {
        let draining = Arc::new(Draining::default());
        let begins = {
            let draining = draining.clone();
            thread::spawn(move || {
                draining.give_way();
                draining.begin();
                draining.begin();
            })
        };
        let asks = {
            let draining = draining.clone();
            thread::spawn(move || assert!(block_on(draining.begun())))
        };
        assert!(block_on(draining.begun()));
        asks.join().unwrap();
        begins.join().unwrap();
    });
}
