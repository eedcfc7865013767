use super::*;
use crate::resource::counters::Counter;

#[test]
fn a_deadline_is_never_early() {
    assert_eq!(ticks(Duration::ZERO), 1);
    assert_eq!(ticks(Duration::from_millis(1)), 2);
    assert_eq!(ticks(Duration::from_millis(250)), 2);
    assert_eq!(ticks(Duration::from_secs(10)), 41);
}

#[tokio::test(start_paused = true)]
async fn the_sweep_wakes_the_overdue_and_rests_when_empty() {
    let worker = Arc::new(Worker::new(Arc::new(Budget::new(1 << 20))));
    tokio::spawn(worker.clone().sweep());
    let slot = worker.register(ConnInfo::default());
    slot.set_due(worker.tick_after(Duration::from_secs(10)));
    let begun = Instant::now();
    std::future::poll_fn(|cx| {
        slot.set_waker(cx.waker());
        if slot.is_due(worker.now()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(10) && took <= Duration::from_millis(10_500),
        "{took:?}"
    );
    worker.charge(&slot, 500);
    worker.unregister(&slot);
    assert_eq!(worker.budget().used(), 0);
    assert_eq!(worker.live(), 0);
    worker.wait_empty().await;
}

#[tokio::test(start_paused = true)]
async fn the_sweep_frees_large_blocks_that_nobody_wants_and_the_last_connection_all() {
    const SIZE: usize = 1 << 20;
    let worker = Arc::new(Worker::new(Arc::new(Budget::new(64 << 20))));
    tokio::spawn(worker.clone().sweep());
    let give = || {
        let block = bytes::BytesMut::with_capacity(SIZE);
        worker.large.give(block, worker.now(), worker.budget());
        assert_eq!(worker.budget().used(), SIZE);
    };
    let slot = worker.register(ConnInfo::default());
    give();
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(worker.budget().used(), SIZE);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(worker.budget().used(), 0);
    give();
    worker.unregister(&slot);
    assert_eq!(worker.budget().used(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_cannot_look_is_behind() {
    let worker = Arc::new(Worker::new(Arc::new(Budget::new(1 << 20))));
    tokio::time::advance(TICK * 40).await;
    assert_eq!(worker.behind(), Duration::ZERO, "it has nothing to look at");
    let slot = worker.register(ConnInfo::default());
    assert!(worker.behind() < TICK);
    tokio::time::advance(TICK * 40).await;
    assert!(worker.behind() >= TICK * 40);
    tokio::spawn(worker.clone().sweep());
    tokio::time::sleep(TICK * 2).await;
    assert!(worker.behind() <= TICK);
    worker.unregister(&slot);
}

#[tokio::test(start_paused = true)]
async fn the_largest_holders_are_shed_first() {
    let worker = Arc::new(Worker::new(Arc::new(Budget::new(1000))));
    tokio::spawn(worker.clone().sweep());
    let slots: Vec<_> = (0..10)
        .map(|_| worker.register(ConnInfo::default()))
        .collect();
    for (place, slot) in slots.iter().enumerate() {
        worker.charge(slot, if place == 3 { 900 } else { 10 });
    }
    tokio::time::sleep(TICK * 3).await;
    let shed: Vec<usize> = (0..10).filter(|place| slots[*place].is_shed()).collect();
    assert_eq!(shed, [3]);
    assert_eq!(worker.counters.get(Counter::ShedConnections), 1);
}
