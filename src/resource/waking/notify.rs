//! tokio's `Notify` as its documentation has it, of loom's locks.

use loom::sync::Mutex;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A permit at the most, and who waits, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Notify(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    has_permit: bool,
    /// How often everybody was told.
    calls: u64,
    came: u64,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    waker: Option<Waker>,
    told: Option<Told>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Alone,
    WithAll,
}

/// It hears of every call to all since it was made, of one alone once it was polled or enabled.
#[derive(Debug)]
pub(crate) struct Notified<'a> {
    notify: &'a Notify,
    calls: u64,
    number: Option<u64>,
    is_over: bool,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        Notified {
            notify: self,
            calls: self.0.lock().unwrap().calls,
            number: None,
            is_over: false,
        }
    }

    pub(crate) fn notify_one(&self) {
        let mut state = self.0.lock().unwrap();
        let first = state.waiting.iter_mut().find(|one| one.told.is_none());
        let waker = match first {
            Some(first) => {
                first.told = Some(Told::Alone);
                first.waker.take()
            }
            None => {
                state.has_permit = true;
                None
            }
        };
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn notify_waiters(&self) {
        let mut state = self.0.lock().unwrap();
        state.calls += 1;
        let untold = state.waiting.iter_mut().filter(|one| one.told.is_none());
        let wakers: Vec<Waker> = untold
            .filter_map(|one| {
                one.told = Some(Told::WithAll);
                one.waker.take()
            })
            .collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Notified<'_> {
    pub(crate) fn enable(self: Pin<&mut Self>) -> bool {
        self.get_mut().look(None)
    }

    fn look(&mut self, waker: Option<&Waker>) -> bool {
        if self.is_over {
            return true;
        }
        let mut state = self.notify.0.lock().unwrap();
        let Some(number) = self.number else {
            if state.calls != self.calls || std::mem::take(&mut state.has_permit) {
                self.is_over = true;
                return true;
            }
            let number = state.came;
            state.came += 1;
            state.waiting.push(Waiting {
                number,
                waker: waker.cloned(),
                told: None,
            });
            self.number = Some(number);
            return false;
        };
        let place = state.place(number);
        if state.waiting[place].told.is_some() {
            state.waiting.remove(place);
            self.is_over = true;
        } else {
            state.waiting[place].waker = waker.cloned();
        }
        self.is_over
    }
}

impl State {
    fn place(&self, number: u64) -> usize {
        let mut waiting = self.waiting.iter();
        waiting.position(|one| one.number == number).unwrap()
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.get_mut().look(Some(cx.waker())) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Notified<'_> {
    /// Who was told alone, and has not heard, hands it on.
    fn drop(&mut self) {
        if let Some(number) = self.number.filter(|_| !self.is_over) {
            let mut state = self.notify.0.lock().unwrap();
            let place = state.place(number);
            let left = state.waiting.remove(place);
            drop(state);
            if left.told == Some(Told::Alone) {
                self.notify.notify_one();
            }
        }
    }
}
