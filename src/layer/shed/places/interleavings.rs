//! Every order in which requests may take places, wait, give up and give back: `tests/loom.sh` runs these.
//!
//! A place that nobody has while somebody waits is a deadlock here, which loom reports.

use super::*;
use crate::sync::{AtomicUsize, model};
use loom::future::block_on;
use loom::thread;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

/// A request: it takes a place or waits for one. Whether it was let in.
fn request(places: &Arc<Places>, inside: &AtomicUsize) -> bool {
    let place = places.take();
    let place = place.or_else(|| block_on(places.wait()?.place()));
    let Some(place) = place else {
        return false;
    };
    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
    inside.fetch_sub(1, Ordering::Relaxed);
    drop(place);
    true
}

#[test]
fn a_place_goes_from_one_to_the_next() {
    model(|| {
        let (places, inside) = (Arc::new(Places::new(1, 2)), Arc::new(AtomicUsize::new(0)));
        let comes = || {
            let (places, inside) = (places.clone(), inside.clone());
            thread::spawn(move || assert!(request(&places, &inside)))
        };
        let others = [comes(), comes()];
        assert!(request(&places, &inside));
        for other in others {
            other.join().unwrap();
        }
        assert_eq!((places.taken(), places.waiting()), (0, 0));
    });
}

#[test]
fn who_gives_up_leaves_the_place_to_others() {
    model(|| {
        let places = Arc::new(Places::new(1, 2));
        let taken = places.take().unwrap();
        let waits = {
            let places = places.clone();
            thread::spawn(move || {
                let inside = AtomicUsize::new(0);
                assert!(request(&places, &inside));
            })
        };
        let gives_up = {
            let places = places.clone();
            thread::spawn(move || {
                let waiter = places.wait().unwrap();
                let mut place = pin!(waiter.place());
                let _ = place.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            })
        };
        drop(taken);
        waits.join().unwrap();
        gives_up.join().unwrap();
        assert_eq!((places.taken(), places.waiting()), (0, 0));
    });
}
