//! Every order in which the two ends of a body may come to its slot: `tests/loom.sh` runs these.
//!
//! An end that is never woken again is a deadlock here, which loom reports.

use super::*;
use crate::sync::model;
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;

/// Pushes so many chunks when they are asked for, and ends; whether all of them were wanted.
fn produce(feed: &Feed, chunks: usize) -> bool {
    let mut pushed = 0;
    block_on(poll_fn(|cx| {
        loop {
            if pushed == chunks {
                feed.end(Ok(None));
                return Poll::Ready(true);
            }
            match feed.poll_demand(cx) {
                Demand::Wanted => feed.push(Bytes::from_static(b"x"), cx.waker()),
                Demand::Full => return Poll::Pending,
                Demand::Abandoned => return Poll::Ready(false),
            }
            pushed += 1;
        }
    }))
}

/// The next chunk.
fn take(feed: &Feed) -> Option<Bytes> {
    match block_on(poll_fn(|cx| feed.poll_take(cx))) {
        Some(Ok(Fed::Chunk(chunk))) => Some(chunk),
        Some(_) => panic!("neither trailers nor an error"),
        None => None,
    }
}

fn producer(chunks: usize) -> (Arc<Feed>, thread::JoinHandle<bool>) {
    let feed = Arc::new(Feed::default());
    let writer = FeedWriter(feed.clone());
    let producer = thread::spawn(move || produce(&writer, chunks));
    (feed, producer)
}

#[test]
fn every_chunk_comes_and_then_the_end() {
    model(|| {
        let (feed, producer) = producer(2);
        let mut came = 0;
        while take(&feed).is_some() {
            came += 1;
        }
        assert_eq!(came, 2);
        assert!(producer.join().unwrap() && feed.is_ended());
        assert_eq!(feed.held(), 0);
    });
}

#[test]
fn who_goes_in_the_middle_keeps_nobody_waiting() {
    model(|| {
        let (feed, producer) = producer(3);
        let reader = FeedReader(feed.clone());
        assert!(take(&reader.0).is_some());
        drop(reader);
        assert!(!producer.join().unwrap());
        assert_eq!(feed.held(), 0);
    });
}

#[test]
fn a_body_whose_producer_is_gone_ends_badly() {
    model(|| {
        let feed = Arc::new(Feed::default());
        let writer = FeedWriter(feed.clone());
        let gone = thread::spawn(move || drop(writer));
        let end = block_on(poll_fn(|cx| feed.poll_take(cx)));
        assert!(matches!(end, Some(Err(BodyError::Incomplete))));
        gone.join().unwrap();
    });
}
