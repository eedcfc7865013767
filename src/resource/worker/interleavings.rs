//! Every order in which connections may come and go while their worker drains: `tests/loom.sh` runs these.
//!
//! A task that is never woken is a deadlock here, which loom reports.

use super::*;
use crate::sync::model;
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use std::task::Poll;

fn worker() -> Arc<Worker> {
    Arc::new(Worker::new(Arc::new(Budget::new(1_000))))
}

/// What a connection's task does that does nothing else: it ends when it sees that its worker drains.
fn connection(worker: &Worker) {
    let slot = worker.register(ConnInfo::default());
    block_on(poll_fn(|cx| {
        slot.set_waker(cx.waker());
        if worker.phase() == Phase::Running {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }));
    worker.unregister(&slot);
}

#[test]
fn every_connection_sees_the_drain_and_is_waited_for() {
    model(|| {
        let worker = worker();
        let comes = {
            let worker = worker.clone();
            thread::spawn(move || connection(&worker))
        };
        let drains = {
            let worker = worker.clone();
            thread::spawn(move || {
                worker.enter(Phase::Draining);
                block_on(worker.wait_empty());
            })
        };
        comes.join().unwrap();
        drains.join().unwrap();
        assert_eq!(worker.live(), 0);
    });
}

#[test]
fn whoever_waits_until_all_are_gone_is_told() {
    model(|| {
        let worker = worker();
        let goes = |slot: Arc<Slot>| {
            let worker = worker.clone();
            thread::spawn(move || worker.unregister(&slot))
        };
        let gone = [(); 2].map(|()| goes(worker.register(ConnInfo::default())));
        block_on(worker.wait_empty());
        assert_eq!(worker.live(), 0);
        for gone in gone {
            gone.join().unwrap();
        }
    });
}

#[test]
fn whoever_waits_for_the_end_of_a_peer_is_told() {
    model(|| {
        let worker = worker();
        let slot = worker.register(ConnInfo::default());
        let ends = {
            let slot = slot.clone();
            thread::spawn(move || slot.set_gone())
        };
        block_on(slot.closed());
        ends.join().unwrap();
        worker.unregister(&slot);
    });
}

#[test]
fn a_budget_has_what_is_charged_and_gets_all_of_it_back() {
    model(|| {
        let worker = worker();
        let comes = |octets: usize| {
            let worker = worker.clone();
            thread::spawn(move || {
                let slot = worker.register(ConnInfo::default());
                worker.charge(&slot, octets);
                assert!(worker.budget().used() >= octets);
                worker.charge(&slot, octets / 2);
                worker.unregister(&slot);
            })
        };
        let came = [comes(300), comes(500)];
        // Never below nothing, which would be beyond the limit.
        assert!(worker.budget().used() <= 800);
        assert!(worker.budget().pressure() <= Pressure::High);
        for came in came {
            came.join().unwrap();
        }
        assert_eq!((worker.budget().used(), worker.live()), (0, 0));
    });
}
