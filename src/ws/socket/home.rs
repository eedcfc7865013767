//! Where a socket lives: in a connection of a server, or, as a client's, in a task of its own.

use crate::resource::budget::Pressure;
use crate::resource::counters::Counter;
use crate::resource::pool;
use crate::resource::worker::{Phase, TICK, ticks};
use crate::service::upgrade::{Place, Watch};
use bytes::{Bytes, BytesMut};
use std::cell::Cell;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

/// Who keeps the time of a socket and who is woken to write.
#[derive(Debug)]
pub(super) enum Home {
    /// A connection of a server, with its worker's clock and sweep.
    Served(Place),
    /// A task for this socket alone, until the socket has ended.
    Own(Option<Box<Keeper>>),
}

/// The task that keeps a client's socket.
#[derive(Debug)]
pub(super) struct Keeper {
    epoch: Instant,
    due: Cell<u32>,
    /// Absent until the task has run for the first time.
    waker: Option<Waker>,
    /// Wakes the task when it is due. A server's sweep needs none.
    timer: Option<(u32, Pin<Box<Sleep>>)>,
}

impl Home {
    /// A home in a task that is to be spawned.
    pub(super) fn own() -> Self {
        Self::Own(Some(Box::new(Keeper {
            epoch: Instant::now(),
            due: Cell::new(0),
            waker: None,
            timer: None,
        })))
    }

    /// The present tick; never 0.
    pub(super) fn now(&self) -> u32 {
        match self {
            Self::Served(place) => place.worker().now(),
            Self::Own(None) => 1,
            Self::Own(Some(keeper)) => {
                let passed = keeper.epoch.elapsed().as_millis() / TICK.as_millis();
                u32::try_from(passed).unwrap_or(u32::MAX - 1) + 1
            }
        }
    }

    /// The tick by which `wait` has surely passed since the tick `since`.
    pub(super) fn after(since: u32, wait: Duration) -> u32 {
        since.saturating_add(ticks(wait))
    }

    /// What the server is doing; a client's socket knows no drain.
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Served(place) => place.worker().phase(),
            Self::Own(_) => Phase::Running,
        }
    }

    /// Whether another process goes on where the server ends.
    pub(super) fn gives_way(&self) -> bool {
        match self {
            Self::Served(place) => place.worker().gives_way(),
            Self::Own(_) => false,
        }
    }

    /// How many ticks others come before this one, where what happens to all sockets is to take so long.
    pub(super) fn turn(&self, spread: Duration) -> u32 {
        match self {
            Self::Served(place) => {
                let ticks = spread.as_millis() / TICK.as_millis();
                place.slot().index() % u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
            }
            Self::Own(_) => 0,
        }
    }

    /// When to look again; 0 is never.
    pub(super) fn set_due(&self, tick: u32) {
        match self {
            Self::Served(place) => place.slot().set_due(tick),
            Self::Own(keeper) => keeper.iter().for_each(|keeper| keeper.due.set(tick)),
        }
    }

    /// Wakes whoever writes.
    pub(super) fn wake(&self) {
        match self {
            Self::Served(place) => place.slot().wake(),
            Self::Own(keeper) => {
                let waker = keeper.iter().flat_map(|keeper| &keeper.waker);
                waker.for_each(Waker::wake_by_ref);
            }
        }
    }

    /// Ends this task's turn; it goes on when others had theirs.
    pub(super) fn end_turn(&self, cx: &mut Context<'_>) {
        match self {
            Self::Served(place) => place.worker().wait_for_a_turn(cx.waker().clone()),
            // A mere wake would let it run again before the runtime has looked at other sockets.
            Self::Own(_) => {
                let _ = pin!(yield_now()).poll(cx);
            }
        }
    }

    /// Remembers the task that keeps this socket.
    pub(super) fn set_waker(&mut self, waker: &Waker) {
        if let Self::Own(Some(keeper)) = self {
            match &mut keeper.waker {
                Some(known) => known.clone_from(waker),
                None => keeper.waker = Some(waker.clone()),
            }
        }
    }

    /// Whether whoever has this waker is the task that writes: it is polled for everything that happens here.
    pub(super) fn is_woken_by(&self, waker: &Waker) -> bool {
        let known = match self {
            Self::Served(place) => place.slot().waker(),
            Self::Own(keeper) => keeper.as_ref().and_then(|keeper| keeper.waker.as_ref()),
        };
        known.is_some_and(|known| known.will_wake(waker))
    }

    /// Whom the transport wakes when it takes octets again, whoever wrote: the task that will go on writing.
    pub(super) fn writer(&self) -> Waker {
        match self {
            Self::Served(_) => Waker::noop().clone(),
            // A task that has not run yet writes when it does.
            Self::Own(keeper) => {
                let waker = keeper.as_ref().and_then(|keeper| keeper.waker.clone());
                waker.unwrap_or_else(|| Waker::noop().clone())
            }
        }
    }

    pub(super) fn count(&self, counter: Counter) {
        if let Self::Served(place) = self {
            place.worker().counters.add(counter);
        }
    }

    /// Charges what the socket holds to the server's budget.
    pub(super) fn charge(&self, octets: usize) {
        if let Self::Served(place) = self {
            place.charge(octets);
        }
    }

    /// A block for `need` octets, if the worker has kept one; the budget is charged for it when the socket is.
    pub(super) fn take_large(&self, need: usize) -> Option<BytesMut> {
        match self {
            Self::Served(place) => {
                let worker = place.worker();
                worker.large.take(need, worker.budget())
            }
            Self::Own(_) => None,
        }
    }

    /// Gives back a block that is large, for the messages that follow.
    pub(super) fn give_large(&self, block: BytesMut) {
        if let Self::Served(place) = self {
            let worker = place.worker();
            worker.large.give(block, worker.now(), worker.budget());
        }
    }

    /// Gives back the block of a slice that was written, if nobody has another.
    pub(super) fn give_last(&self, slice: Bytes) {
        if let Some(block) = pool::wide::give_last(slice) {
            self.give_large(block);
        }
    }

    /// Says since when the peer lets us wait, in the midst of something; 0 is not.
    pub(super) fn set_waits(&self, since: u32) {
        if let Self::Served(place) = self {
            place.slot().set_waits(since);
        }
    }

    /// Whether the server's budget runs short and this socket holds its share already.
    pub(super) fn is_short(&self, held: usize) -> bool {
        match self {
            Self::Served(place) => {
                let worker = place.worker();
                worker.budget().pressure() >= Pressure::High && held >= worker.share()
            }
            Self::Own(_) => false,
        }
    }

    /// Whether the server has ended this connection.
    pub(super) fn is_cut(&self) -> bool {
        match self {
            Self::Served(place) => {
                place.slot().is_gone() || place.worker().phase() == Phase::Forced
            }
            Self::Own(_) => false,
        }
    }

    /// What says without a lock whether there is anything to look at.
    pub(super) fn watch(&self) -> Option<Watch> {
        match self {
            Self::Served(place) => Some(place.watch()),
            Self::Own(_) => None,
        }
    }

    /// The socket has ended: its task learns of it, and the connection no longer counts once that has ended.
    pub(super) fn leave(&mut self) {
        self.wake();
        *self = Self::Own(None);
    }

    /// Wakes the task that keeps this socket when its deadline has come.
    pub(super) fn poll_alarm(&mut self, cx: &mut Context<'_>) {
        let Self::Own(Some(keeper)) = self else {
            return;
        };
        let tick = keeper.due.get();
        if tick == 0 {
            return;
        }
        let at = keeper.epoch + TICK * (tick - 1);
        let timer = match &mut keeper.timer {
            Some((set, timer)) => {
                if *set != tick {
                    timer.as_mut().reset(at);
                    *set = tick;
                }
                timer
            }
            none => &mut none.insert((tick, Box::pin(sleep_until(at)))).1,
        };
        if let Poll::Ready(()) = timer.as_mut().poll(cx) {
            cx.waker().wake_by_ref();
        }
    }
}
