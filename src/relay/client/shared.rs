//! What the handles and the task of a client share: one lock around the core and those who wait for it.

use crate::relay::client::core::event::{Event, RequestError};
use crate::relay::client::core::stream::Way;
use crate::relay::client::core::{Action, Answer, Core, DIRECT, Link};
use crate::relay::client::inbox::Inbox;
use crate::relay::client::{Status, TokenCallback};
use crate::relay::hub::Offsets;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Instant;
use tokio::sync::{oneshot, watch};

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) status: watch::Sender<Status>,
    /// Whether the task is over.
    finished: watch::Sender<bool>,
}

/// Everything under the lock, which is never held across a wait.
pub(crate) struct State {
    pub(crate) core: Core,
    pub(crate) waiters: HashMap<u64, oneshot::Sender<Result<Answer, RequestError>>>,
    pub(crate) inboxes: HashMap<u64, Arc<Inbox>>,
    pub(crate) tokens: HashMap<u64, TokenCallback>,
    /// What is left for the task.
    pub(crate) todo: VecDeque<Action>,
    /// How often something was changed.
    pub(crate) version: u64,
    /// The task, while it waits.
    task: Option<Waker>,
}

impl Shared {
    pub(crate) fn new(core: Core, direct: Arc<Inbox>) -> Self {
        Self {
            state: Mutex::new(State {
                core,
                waiters: HashMap::new(),
                inboxes: HashMap::from([(DIRECT, direct)]),
                tokens: HashMap::new(),
                todo: VecDeque::new(),
                version: 0,
                task: None,
            }),
            status: watch::Sender::new(Status::Connecting),
            finished: watch::Sender::new(false),
        }
    }

    /// Changes something, gives everybody what follows from it, and wakes the task.
    pub(crate) fn with<T>(&self, now: Instant, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.lock();
        state.version = state.version.wrapping_add(1);
        let outcome = change(&mut state, now);
        state.settle();
        let status = Status::of(&state.core);
        self.status.send_if_modified(|known| {
            let is_new = *known != status;
            if is_new {
                *known = status;
            }
            is_new
        });
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        outcome
    }

    /// Has the task woken by the next change. `false` when there was one since this version.
    pub(crate) fn park(&self, version: u64, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        let is_same = state.version == version;
        if is_same {
            state.task = Some(cx.waker().clone());
        }
        is_same
    }

    /// The task runs: it need not be woken, least of all by itself.
    pub(crate) fn unpark(&self) {
        self.lock().task = None;
    }

    /// The next thing that is left for the task.
    pub(crate) fn next_action(&self) -> Option<Action> {
        self.lock().todo.pop_front()
    }

    /// The next frame to send.
    pub(crate) fn next_frame(&self) -> Option<String> {
        self.lock().core.poll_transmit()
    }

    /// A frame for which there was no room.
    pub(crate) fn put_back(&self, frame: String) {
        self.lock().core.untransmit(frame);
    }

    /// The task is over.
    pub(crate) fn finish(&self) {
        self.finished.send_replace(true);
    }

    /// Waits until the task is over.
    pub(crate) async fn finished(&self) {
        // The sender is here: this ends when it says so.
        let _ = self.finished.subscribe().wait_for(|over| *over).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn settle(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Event {
                    seat,
                    event,
                    offsets,
                } => self.tell(seat, event, offsets),
                Action::End { seat } => {
                    self.tokens.remove(&seat);
                    if let Some(inbox) = self.inboxes.remove(&seat) {
                        inbox.end();
                    }
                }
                Action::Answer { reference, outcome } => {
                    if let Some(waiter) = self.waiters.remove(&reference) {
                        // Who does not wait any more does not mind.
                        let _ = waiter.send(outcome);
                    }
                }
                action @ (Action::Connect
                | Action::Stream
                | Action::Close
                | Action::Token { .. }) => {
                    self.todo.push_back(action);
                }
            }
        }
    }

    fn tell(&self, seat: u64, event: Event, offsets: Option<Offsets>) {
        if let Some(inbox) = self.inboxes.get(&seat) {
            inbox.push(event, offsets);
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.core.fmt(f)
    }
}

impl Status {
    fn of(core: &Core) -> Self {
        match core.link() {
            Link::Opening => Self::Connecting,
            Link::Open { .. } if core.way() == Way::Stream => Self::Reading,
            Link::Open { .. } => Self::Connected,
            Link::Waiting { why, .. } => Self::Waiting(why.clone()),
            Link::Ended(ended) => Self::Ended(ended.clone()),
        }
    }
}
