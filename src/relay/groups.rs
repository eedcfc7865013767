//! The group of members that a task serves, and that task.

use crate::relay::hub::{Drain, Group, Message, Turn};
use std::any::Any;
use std::cell::RefCell;
use std::future::poll_fn;
use std::num::NonZero;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::thread::available_parallelism;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::yield_now;

/// The groups of a hub: one for each thread that runs a runtime of its own, as workers do, or an equal share of all
/// members where a runtime has several threads.
pub(crate) struct Groups<M: Message> {
    /// Tells it from those of other hubs; never used again.
    id: u64,
    shared: Mutex<Vec<Arc<Group<M>>>>,
    next: AtomicUsize,
    own: Mutex<Vec<Weak<Group<M>>>>,
}

impl<M: Message> Groups<M> {
    pub(crate) fn new() -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            shared: Mutex::default(),
            next: AtomicUsize::new(0),
            own: Mutex::default(),
        }
    }

    /// The group for a member of this task. Must be called inside a runtime.
    pub(crate) fn here(&self) -> Arc<Group<M>> {
        let runtime = Handle::current();
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            self.of_thread(&runtime)
        } else {
            self.share(&runtime)
        }
    }

    fn of_thread(&self, runtime: &Handle) -> Arc<Group<M>> {
        HERE.with_borrow_mut(|here| {
            // Those of hubs that are gone.
            here.retain(|(_, group)| group.strong_count() > 0);
            let known = here.iter().position(|(id, _)| *id == self.id);
            if let Some(known) = known {
                let group = here[known].1.upgrade();
                match group.and_then(|group| group.downcast::<Group<M>>().ok()) {
                    Some(group) if !group.is_closed() => return group,
                    // That of a runtime that this thread ran before.
                    _ => drop(here.swap_remove(known)),
                }
            }
            let group = begin(runtime);
            let kept: Arc<dyn Any + Send + Sync> = group.clone();
            here.push((self.id, Arc::downgrade(&kept)));
            let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            own.retain(|group| group.strong_count() > 0);
            own.push(Arc::downgrade(&group));
            group
        })
    }

    fn share(&self, runtime: &Handle) -> Arc<Group<M>> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.iter().any(|group| group.is_closed()) {
            // Their runtime has ended.
            shared.clear();
        }
        if shared.is_empty() {
            let count = available_parallelism().map_or(1, NonZero::get);
            shared.extend((0..count).map(|_| begin(runtime)));
        }
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        shared[next % shared.len()].clone()
    }
}

impl<M: Message> Drop for Groups<M> {
    fn drop(&mut self) {
        let shared = self
            .shared
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let own = self.own.get_mut().unwrap_or_else(PoisonError::into_inner);
        for group in shared
            .drain(..)
            .chain(own.drain(..).filter_map(|group| group.upgrade()))
        {
            group.close();
        }
    }
}

/// A group and its task.
fn begin<M: Message>(runtime: &Handle) -> Arc<Group<M>> {
    let group = Group::new();
    let drain = Drain::new(group.clone());
    runtime.spawn(poll_fn(move |cx| match drain.turn(cx, TURN) {
        Turn::Closed => Poll::Ready(()),
        Turn::Idle => Poll::Pending,
        Turn::Over => {
            // A mere wake would let it go on for dozens of turns before the runtime looks at other sockets, which is a twentieth of a
            // second where thousands have subscribed.
            let _ = pin!(yield_now()).poll(cx);
            Poll::Pending
        }
    }));
    group
}

thread_local! {
    /// The groups of this thread, by hub.
    static HERE: RefCell<Vec<(u64, Weak<dyn Any + Send + Sync>)>> = const { RefCell::new(Vec::new()) };
}

/// How many members are written to before others have their turn: about half a millisecond.
const TURN: usize = 256;

#[cfg(all(test, not(wireline_loom)))]
mod tests {
    use super::*;
    use crate::relay::hub::{Delivery, Hub, HubConfig, Member, Resume, Topic};
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Member<Bytes> for Counter {
        fn id(&self) -> u64 {
            1
        }

        fn deliver(&self, _: u32, _: &Delivery<'_, Bytes>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An octet goes to and fro over a socket while a message goes to as many as take forty turns.
    #[tokio::test]
    async fn between_turns_the_runtime_looks_at_sockets() {
        let (hub, groups) = (Hub::new(HubConfig::default()), Groups::new());
        let (group, counter) = (groups.here(), Arc::new(Counter::default()));
        let topic = Topic::new("news").unwrap();
        let held: Vec<_> = (0..40 * TURN)
            .map(|_| hub.subscribe(&topic, &group, counter.clone(), 0, Resume::Live, 0))
            .collect();
        let (mut here, mut there) = UnixStream::pair().unwrap();
        tokio::spawn(async move {
            let mut octet = [0];
            while there.read_exact(&mut octet).await.is_ok() {
                there.write_all(&octet).await.unwrap();
            }
        });
        hub.publish(&topic, Bytes::from_static(b"x"), None, 0);
        let (mut octet, mut rounds) = ([0], 0);
        while counter.0.load(Ordering::Relaxed) < held.len() {
            here.write_all(&octet).await.unwrap();
            here.read_exact(&mut octet).await.unwrap();
            rounds += 1;
        }
        assert!(rounds >= 8, "{rounds} rounds");
    }
}
