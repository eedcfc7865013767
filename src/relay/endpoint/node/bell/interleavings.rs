//! Every order in which the bell may be rung and heard: `tests/loom.sh` runs this.

use super::*;
use crate::sync::{AtomicUsize, model};
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use std::sync::Arc;

#[test]
fn what_was_done_before_it_was_rung_is_seen() {
    model(|| {
        let (bell, done) = (Arc::new(Bell::default()), Arc::new(AtomicUsize::new(0)));
        let rings = || {
            let (bell, done) = (bell.clone(), done.clone());
            thread::spawn(move || {
                done.fetch_add(1, Ordering::Relaxed);
                bell.ring();
            })
        };
        let ringers = [rings(), rings()];
        block_on(poll_fn(|cx| {
            while bell.poll(cx).is_ready() {
                if done.load(Ordering::Relaxed) == 2 {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        }));
        for ringer in ringers {
            ringer.join().unwrap();
        }
    });
}
