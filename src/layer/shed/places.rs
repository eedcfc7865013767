//! So many places, and who waits for one.

use crate::resource::waking::oneshot::{Receiver, Sender, channel};
use crate::sync::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

/// Places that are taken and given back; the newest of those who wait has the next one.
pub(super) struct Places {
    most: usize,
    most_waiting: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    /// Who waits, by the number of their arrival.
    waiting: BTreeMap<u64, Sender<Place>>,
    arrived: u64,
}

impl Places {
    pub(super) fn new(most: usize, most_waiting: usize) -> Self {
        Self {
            most,
            most_waiting,
            state: Mutex::default(),
        }
    }

    /// A place, if one is free.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.lock();
        if state.taken >= self.most {
            return None;
        }
        state.taken += 1;
        Some(Place(Some(self.clone())))
    }

    /// A place in the queue, from which the oldest has to go when it is full; `None` when there is no queue.
    pub(super) fn wait(self: &Arc<Self>) -> Option<Waiter> {
        if self.most_waiting == 0 {
            return None;
        }
        let (sender, receiver) = channel();
        let mut state = self.lock();
        let number = state.arrived;
        state.arrived += 1;
        // A place that became free since `take` has looked is nobody's: whoever gave it back saw nobody wait.
        if state.taken < self.most {
            state.taken += 1;
            drop(state);
            // It is received from whatever becomes of it: a place that is not received is given back.
            let _ = sender.send(Place(Some(self.clone())));
        } else {
            let oldest = if state.waiting.len() >= self.most_waiting {
                state.waiting.pop_first()
            } else {
                None
            };
            state.waiting.insert(number, sender);
            drop(state);
            // Its task is woken without the lock.
            drop(oldest);
        }
        Some(Waiter {
            places: self.clone(),
            number,
            receiver,
        })
    }

    pub(super) fn taken(&self) -> usize {
        self.lock().taken
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Hands a place on to the newest who still waits, or makes it free.
    fn give_back(self: Arc<Self>) {
        let mut place = Place(Some(self));
        while let Some(places) = place.0.take() {
            let newest = {
                let mut state = places.lock();
                let newest = state.waiting.pop_last();
                if newest.is_none() {
                    state.taken -= 1;
                }
                newest
            };
            let Some((_, newest)) = newest else {
                return;
            };
            match newest.send(Place(Some(places))) {
                Ok(()) => return,
                // Its client has gone away just now.
                Err(returned) => place = returned,
            }
        }
    }

    /// Nothing under the lock can leave the state half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken; dropped, it is given back.
pub(super) struct Place(Option<Arc<Places>>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(places) = self.0.take() {
            places.give_back();
        }
    }
}

/// A place in the queue; dropped, it is free for somebody else.
pub(super) struct Waiter {
    places: Arc<Places>,
    number: u64,
    receiver: Receiver<Place>,
}

impl Waiter {
    /// Waits for a place; `None` when the queue was too full for one that has waited so long.
    ///
    /// Cancel safe: a place that comes too late is given back.
    pub(super) async fn place(mut self) -> Option<Place> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let sender = self.places.lock().waiting.remove(&self.number);
        drop(sender);
    }
}

#[cfg(all(test, wireline_loom))]
mod interleavings;
#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_is_first_and_the_oldest_has_to_go() {
        let places = Arc::new(Places::new(1, 2));
        let taken = places.take().unwrap();
        assert!(places.take().is_none());
        let [oldest, middle, newest] = [(); 3].map(|()| places.wait().unwrap());
        assert!(oldest.place().await.is_none(), "two may wait");
        assert_eq!(places.waiting(), 2);
        drop(taken);
        let taken = newest.place().await.unwrap();
        assert_eq!((places.taken(), places.waiting()), (1, 1));
        drop(taken);
        let taken = middle.place().await.unwrap();
        drop(taken);
        assert_eq!((places.taken(), places.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn nothing_is_lost_by_who_goes_away() {
        let places = Arc::new(Places::new(1, 4));
        let taken = places.take().unwrap();
        let [first, second, third] = [(); 3].map(|()| places.wait().unwrap());
        // One goes away while it waits, and one when it has a place and does not know yet.
        drop(second);
        assert_eq!(places.waiting(), 2);
        drop(taken);
        assert_eq!((places.taken(), places.waiting()), (1, 1));
        drop(third);
        assert_eq!((places.taken(), places.waiting()), (1, 0));
        drop(first.place().await.unwrap());
        assert_eq!(places.taken(), 0);
        // A place that was given back between two looks is not waited for.
        let late = places.wait().unwrap();
        assert!(late.place().await.is_some());
        assert_eq!(places.taken(), 0);
    }

    #[test]
    fn rl5_threads_never_have_more_places_than_there_are() {
        let places = Arc::new(Places::new(3, 64));
        let inside = Arc::new(Mutex::new((0_usize, 0_usize)));
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap()
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (places, inside) = (places.clone(), inside.clone());
                scope.spawn(move || {
                    for round in 0..2000 {
                        let place = match places.take() {
                            Some(place) => Some(place),
                            None => {
                                let waiter = places.wait().unwrap();
                                if (round + thread) % 7 == 0 {
                                    None
                                } else {
                                    runtime().block_on(waiter.place())
                                }
                            }
                        };
                        if place.is_some() {
                            let now = {
                                let mut inside = inside.lock().unwrap();
                                inside.0 += 1;
                                inside.1 = inside.1.max(inside.0);
                                inside.0
                            };
                            assert!(now <= 3);
                            std::thread::yield_now();
                            inside.lock().unwrap().0 -= 1;
                        }
                        drop(place);
                    }
                });
            }
        });
        assert_eq!((places.taken(), places.waiting()), (0, 0));
        assert!(inside.lock().unwrap().1 > 1);
    }
}
