//! Every order in which handshakes may take places, wait, end and give up: `tests/loom.sh` runs these.
//!
//! A place that nobody has while somebody waits is a deadlock here, which loom reports: time does not go on.

use super::*;
use crate::resource::addr::ConnInfo;
use crate::resource::budget::Budget;
use crate::sync::{AtomicUsize, model};
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use tokio::runtime::{Builder, Runtime};

/// For the timers: nothing runs in it.
fn clock() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn worker() -> Arc<Worker> {
    Arc::new(Worker::new(Arc::new(Budget::new(1_000))))
}

/// A handshake that is over as soon as it has its place.
fn handshake(places: &Arc<Places>, worker: &Worker, inside: &AtomicUsize) {
    let slot = worker.register(ConnInfo::default());
    let mut place = Place::Wanted;
    block_on(poll_fn(|cx| {
        slot.set_waker(cx.waker());
        places.poll_take(cx, &mut place, &slot, worker)
    }));
    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
    inside.fetch_sub(1, Ordering::Relaxed);
    drop(place);
    worker.unregister(&slot);
}

/// One that is given up after one look.
fn given_up(places: &Arc<Places>, worker: &Worker) {
    let slot = worker.register(ConnInfo::default());
    let mut place = Place::Wanted;
    let _ = block_on(poll_fn(|cx| {
        slot.set_waker(cx.waker());
        Poll::Ready(places.poll_take(cx, &mut place, &slot, worker))
    }));
    drop(place);
    worker.unregister(&slot);
}

#[test]
fn a_place_goes_from_one_to_the_next() {
    let clock = clock();
    let _inside = clock.enter();
    model(|| {
        let (places, worker) = (Arc::new(Places::new(1)), worker());
        let inside = Arc::new(AtomicUsize::new(0));
        let comes = || {
            let (places, worker, inside) = (places.clone(), worker.clone(), inside.clone());
            thread::spawn(move || handshake(&places, &worker, &inside))
        };
        let other = comes();
        handshake(&places, &worker, &inside);
        other.join().unwrap();
        assert_eq!(places.inner().free, 1);
        assert!(places.inner().lines.is_empty());
    });
}

#[test]
fn who_gives_up_leaves_the_place_to_others() {
    let clock = clock();
    let _inside = clock.enter();
    model(|| {
        let (places, worker) = (Arc::new(Places::new(1)), worker());
        let inside = Arc::new(AtomicUsize::new(0));
        let slot = worker.register(ConnInfo::default());
        let Ok(held) = places.take_or_wait(&slot) else {
            panic!("it is free");
        };
        let waits = {
            let (places, worker) = (places.clone(), worker.clone());
            thread::spawn(move || handshake(&places, &worker, &inside))
        };
        let gives_up = {
            let (places, worker) = (places.clone(), worker.clone());
            thread::spawn(move || given_up(&places, &worker))
        };
        drop(held);
        waits.join().unwrap();
        gives_up.join().unwrap();
        worker.unregister(&slot);
        assert_eq!(places.inner().free, 1);
        assert!(places.inner().lines.is_empty());
    });
}
