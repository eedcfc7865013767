//! Every order in which streams may be woken while their connection looks for them: `tests/loom.sh` runs these.
//!
//! A wake that is lost is a deadlock here, which loom reports.

use super::*;
use crate::resource::addr::ConnInfo;
use crate::resource::budget::Budget;
use crate::resource::worker::Worker;
use crate::sync::{AtomicUsize, model};
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use std::task::Poll;

/// The connection's task, for so many streams: it looks at those that were woken until each has seen this much.
fn connection(streams: &mut Streams, handles: &[StreamHandle], said: &[AtomicUsize], most: usize) {
    let slot = streams.ready.slot.clone();
    let mut seen = vec![0; said.len()];
    block_on(poll_fn(|cx| {
        slot.set_waker(cx.waker());
        streams.begin_look();
        loop {
            let taken = streams.take_ready();
            for place in &taken {
                handles[*place].begin();
                seen[*place] = said[*place].load(Ordering::Relaxed);
            }
            streams.give_taken(taken);
            if seen.iter().all(|seen| *seen == most) {
                return Poll::Ready(());
            }
            if streams.end_look() {
                return Poll::Pending;
            }
            streams.begin_look();
        }
    }));
}

/// So many streams; each is told by so many threads.
fn run(count: usize, tellers: usize) {
    let worker = Worker::new(Arc::new(Budget::new(1_000)));
    let slot = worker.register(ConnInfo::default());
    let mut streams = Streams::new(slot.clone());
    let handles: Vec<StreamHandle> = (0..count).map(|_| streams.reserve().1).collect();
    let said: Arc<[AtomicUsize]> = (0..count).map(|_| AtomicUsize::new(0)).collect();
    let mut threads = Vec::new();
    for (place, handle) in handles.iter().enumerate() {
        for _ in 0..tellers {
            let (waker, said) = (handle.waker(), said.clone());
            threads.push(thread::spawn(move || {
                said[place].fetch_add(1, Ordering::Relaxed);
                waker.wake();
            }));
        }
    }
    connection(&mut streams, &handles, &said, tellers);
    for thread in threads {
        thread.join().unwrap();
    }
    worker.unregister(&slot);
}

#[test]
fn each_stream_that_is_woken_is_polled() {
    model(|| run(2, 1));
}

#[test]
fn a_stream_that_is_woken_twice_sees_both() {
    model(|| run(1, 2));
}
