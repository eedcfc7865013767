//! Every order in which places may be taken, given back and waited for: `tests/loom.sh` runs these.
//!
//! Who waits for ever while a place is free is a deadlock here, which loom reports.

use super::*;
use crate::sync::model;
use loom::future::block_on;
use loom::thread;
use std::net::SocketAddr;

#[test]
fn two_that_wait_have_the_two_places_that_become_free() {
    model(|| {
        let permits = Permits::new(2, None, None);
        let taken = [(); 2].map(|()| permits.try_take().unwrap());
        let waits = || {
            let permits = permits.clone();
            thread::spawn(move || block_on(permits.take()))
        };
        let waiting = [waits(), waits()];
        drop(taken);
        // They keep theirs: nobody gets one that was had before.
        let have = waiting.map(|waiting| waiting.join().unwrap());
        assert_eq!(permits.live(), 2);
        drop(have);
        assert_eq!(permits.live(), 0);
    });
}

#[test]
fn who_stops_waiting_takes_nobodys_place() {
    model(|| {
        let permits = Permits::new(1, None, None);
        let taken = permits.try_take().unwrap();
        let waits = {
            let permits = permits.clone();
            thread::spawn(move || drop(block_on(permits.take())))
        };
        let stops = {
            let permits = permits.clone();
            thread::spawn(move || {
                let mut take = pin!(permits.take());
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                let _ = take.as_mut().poll(&mut context);
            })
        };
        drop(taken);
        waits.join().unwrap();
        stops.join().unwrap();
        assert_eq!(permits.live(), 0);
    });
}

#[test]
fn one_address_never_has_more_than_its_share() {
    model(|| {
        let permits = Permits::new(3, Some(1), None);
        let peer = PeerAddr::from(SocketAddr::from(([192, 0, 2, 1], 4711)));
        let comes = || {
            let permits = permits.clone();
            thread::spawn(move || {
                let permit = permits.try_take().and_then(|permit| permit.of(peer));
                let is_in = permit.is_some();
                assert!(permits.live() <= 3);
                drop(permit);
                is_in
            })
        };
        let came = [comes(), comes()];
        let both = came.map(|came| came.join().unwrap());
        assert!(both.contains(&true), "a place was free");
        assert_eq!(permits.live(), 0);
        let addresses = permits.addresses.as_ref().unwrap();
        assert!(addresses.live().is_empty());
    });
}
