use super::*;
use crate::resource::counters::Counter;
use std::future::poll_fn;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;

#[test]
fn a_deadline_is_never_early() {
    assert_eq!(ticks(Duration::ZERO), 1);
    assert_eq!(ticks(Duration::from_millis(1)), 2);
    assert_eq!(ticks(Duration::from_millis(250)), 2);
    assert_eq!(ticks(Duration::from_secs(10)), 41);
}

#[tokio::test(start_paused = true)]
async fn the_sweep_wakes_the_overdue_and_rests_when_empty() {
    let worker = Worker::start(Arc::new(Budget::new(1 << 20)));
    let slot = worker.register(ConnInfo::default());
    slot.set_due(worker.tick_after(Duration::from_secs(10)));
    let begun = Instant::now();
    poll_fn(|cx| {
        slot.set_waker(cx.waker());
        if slot.is_due(worker.now()) {
            Poll::Ready(())
        } else {
            Poll::Pending
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

/// Nobody has to keep, spawn or end anything: the task ends with the worker, also before its first turn.
#[tokio::test]
async fn the_sweep_does_not_keep_the_worker() {
    let tasks = Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    for turns in [0, 1] {
        let worker = Worker::start(Arc::new(Budget::new(1 << 20)));
        for _ in 0..turns {
            yield_now().await;
        }
        let gone = Arc::downgrade(&worker);
        drop(worker);
        assert!(gone.upgrade().is_none());
        while tasks.num_alive_tasks() > before {
            tokio::time::sleep(TICK).await;
        }
    }
}

/// Without a clock there would be no deadlines, and nobody would hear of that.
#[test]
#[should_panic(expected = "timers are disabled")]
fn a_runtime_without_time_is_refused_at_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        drop(Worker::start(Arc::new(Budget::new(1 << 20))));
    });
}

/// Whoever comes while many deadlines pass at once does not wait for all of them.
#[tokio::test(start_paused = true)]
async fn many_that_are_overdue_leave_others_their_turn() {
    const MANY: usize = 20 * PART;
    let worker = Worker::start(Arc::new(Budget::new(1 << 20)));
    let (ended, first) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::default()));
    let due = worker.tick_after(Duration::from_secs(1));
    for _ in 0..MANY {
        let (worker, ended, first) = (worker.clone(), ended.clone(), first.clone());
        tokio::spawn(async move {
            let slot = worker.register(ConnInfo::default());
            slot.set_due(due);
            poll_fn(|cx| {
                slot.set_waker(cx.waker());
                if slot.is_due(worker.now()) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            worker.unregister(&slot);
            ended.fetch_add(1, Ordering::Relaxed);
            first.notify_one();
        });
    }
    first.notified().await;
    let (mut seen, mut most) = (0, 0);
    while seen < MANY {
        yield_now().await;
        let now = ended.load(Ordering::Relaxed);
        most = most.max(now - seen);
        seen = now;
    }
    assert!(most <= 2 * PART, "{most} between two turns");
}

#[tokio::test(start_paused = true)]
async fn the_sweep_frees_large_blocks_that_nobody_wants_and_the_last_connection_all() {
    const SIZE: usize = 1 << 20;
    let worker = Worker::start(Arc::new(Budget::new(64 << 20)));
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
    let (occupied, called) = (worker.occupied.clone(), worker.called.clone());
    tokio::spawn(Worker::sweep(Arc::downgrade(&worker), occupied, called));
    tokio::time::sleep(TICK * 2).await;
    assert!(worker.behind() <= TICK);
    worker.unregister(&slot);
}

#[tokio::test(start_paused = true)]
async fn the_largest_holders_are_shed_first() {
    let worker = Worker::start(Arc::new(Budget::new(1000)));
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

/// A worker of which some connections wait for their peers and hold 100 each, as long as there is room.
async fn short_of(waiting: usize, working: usize) -> (Arc<Worker>, Vec<Arc<Slot>>) {
    let worker = Worker::start(Arc::new(Budget::new(10_000)));
    let slots: Vec<_> = (0..waiting + working)
        .map(|_| worker.register(ConnInfo::default()))
        .collect();
    for slot in &slots[..waiting] {
        slot.set_waits(worker.now());
    }
    tokio::time::sleep(TICK * 3).await;
    for slot in &slots {
        worker.charge(slot, 100);
    }
    (worker, slots)
}

fn shed(slots: &[Arc<Slot>]) -> usize {
    slots.iter().filter(|slot| slot.is_shed()).count()
}

/// Nobody waits for a tick, and nobody who does not bring much is refused.
#[tokio::test(start_paused = true)]
async fn who_waits_for_his_peer_goes_before_anybody_is_refused() {
    let (worker, slots) = short_of(96, 0).await;
    let new = worker.register(ConnInfo::default());
    assert!(worker.refuses(&new, || false), "content is still to come");
    assert!(!worker.refuses(&new, || true));
    assert_eq!(shed(&slots), 6, "down to 90 %");
    // Those are on their way, so nobody else has to go.
    assert!(!worker.refuses(&new, || true));
    assert_eq!(shed(&slots), 6);
    for slot in slots.iter().filter(|slot| slot.is_shed()) {
        worker.unregister(slot);
    }
    assert_eq!(worker.budget().pressure(), Pressure::High);
    assert_eq!(worker.counters.get(Counter::ShedRequests), 1);
}

/// Whoever makes it short wakes the sweep, though nobody asks for anything.
#[tokio::test(start_paused = true)]
async fn the_sweep_does_not_wait_for_its_tick() {
    let (worker, slots) = short_of(94, 0).await;
    assert_eq!(shed(&slots), 0);
    let begun = Instant::now();
    worker.charge(&slots[0], 300);
    while shed(&slots) == 0 {
        yield_now().await;
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(slots[0].is_shed(), "it holds most");
}

#[tokio::test(start_paused = true)]
async fn who_was_there_and_holds_nothing_is_refused_last() {
    let worker = Arc::new(Worker::new(Arc::new(Budget::new(10_000))));
    let [old, new, busy] = [(); 3].map(|()| worker.register(ConnInfo::default()));
    assert!(!worker.refuses(&old, || true));
    worker.charge(&busy, 9600);
    // It waits for us, so nobody can go.
    assert!(worker.refuses(&new, || true) && worker.refuses(&old, || false));
    assert!(!worker.refuses(&old, || true));
    assert!(!busy.is_shed());
    // Beyond that whoever holds most goes, whatever it waits for.
    worker.charge(&busy, 9900);
    assert!(worker.relieve(true) && busy.is_shed());
    assert!(worker.refuses(&new, || true) && !worker.refuses(&old, || true));
}

/// Those that go on for ever have their turns one after another, and whoever comes waits for one of them.
#[tokio::test(start_paused = true)]
async fn a_row_of_those_that_go_on_has_one_turn_at_a_time() {
    let worker = Worker::start(Arc::new(Budget::new(1 << 20)));
    let slot = worker.register(ConnInfo::default());
    let had = Arc::new(Mutex::new(Vec::new()));
    for number in 0..100 {
        let (worker, had) = (worker.clone(), had.clone());
        let mut turns = 0;
        tokio::spawn(poll_fn(move |cx| {
            turns += 1;
            had.lock().unwrap().push(number);
            if turns == 4 {
                return Poll::Ready(());
            }
            worker.wait_for_a_turn(cx.waker().clone());
            Poll::Pending
        }));
    }
    // Who comes while they are at it is looked at after one turn, or two.
    while had.lock().unwrap().len() < 150 {
        yield_now().await;
    }
    for _ in 0..20 {
        let before = had.lock().unwrap().len();
        tokio::spawn(async {}).await.unwrap();
        assert!(had.lock().unwrap().len() - before <= 3);
    }
    // It is nobody's loss: each has the same, and the clock goes on.
    while had.lock().unwrap().len() < 400 {
        tokio::time::sleep(TICK).await;
    }
    let had = had.lock().unwrap();
    for round in had.chunks(100) {
        assert!((0..100).all(|number| round.contains(&number)));
    }
    worker.unregister(&slot);
}
