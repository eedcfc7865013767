//! Who waits for the end of a stream, in every order in which it may come: `tests/loom.sh` runs this.

use super::*;
use crate::sync::model;
use loom::future::block_on;
use loom::thread;

#[test]
fn whoever_waits_is_told() {
    model(|| {
        let end = StreamEnd::recycled(None);
        let guard = StreamGuard::new(end.clone());
        let waits = {
            let end = end.clone();
            thread::spawn(move || block_on(end.wait()))
        };
        let ends = thread::spawn(move || drop(guard));
        block_on(end.wait());
        waits.join().unwrap();
        ends.join().unwrap();
    });
}
