//! What the task of a session does, whatever its transport: conversation, pings, deadlines, the end.

use super::{Conversation, Session};
use crate::socketio::engine::session::Due;
use crate::socketio::engine::{CloseReason, Data};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

/// A session and its conversation, in the task that serves them.
pub(super) struct Driver {
    pub(super) session: Session,
    /// Absent once it was handed over, or is ending.
    conversation: Option<Box<dyn Conversation>>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What is left to do of a session that has ended.
pub(super) type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Driver {
    pub(super) const fn new(session: Session, conversation: Box<dyn Conversation>) -> Self {
        Self {
            session,
            conversation: Some(conversation),
            timer: None,
        }
    }

    /// Whether another message may come.
    pub(super) fn has_room(&self) -> bool {
        !self.session.is_closed()
            && (self.conversation.as_ref()).is_some_and(|conversation| conversation.has_room())
    }

    /// Gives a message to the conversation, which goes on with it before the next one comes.
    pub(super) fn receive(&mut self, data: Data, cx: &mut Context<'_>) {
        if let Some(conversation) = &mut self.conversation {
            conversation.receive(data);
            conversation.poll(cx);
        }
    }

    /// Polls the conversation, and does what time has brought.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        let Some(conversation) = &mut self.conversation else {
            return;
        };
        let was_full = !conversation.has_room();
        conversation.poll(cx);
        let wish = conversation.deadline();
        let is_due_earlier = self.session.takes_due_earlier();
        if let Some(timer) = &self.timer
            && !timer.is_elapsed()
            && !is_due_earlier
            && wish.is_none_or(|wish| timer.deadline() <= wish)
        {
            return;
        }
        self.look(was_full, cx);
    }

    /// The timer is to be looked at again, because another task's waker is in it, or none.
    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        self.look(false, cx);
    }

    /// Whether it was full a moment ago counts as well: nothing has been read since.
    fn look(&mut self, was_full: bool, cx: &mut Context<'_>) {
        loop {
            let is_read = !was_full && self.has_room();
            let Some(next) = self.session.tick(is_read) else {
                self.timer = None;
                return;
            };
            let wish = self.conversation.as_ref().and_then(|it| it.deadline());
            let now = Instant::now();
            if wish.is_some_and(|wish| wish <= now) {
                // It is late for the conversation, which may have another wish then.
                if let Some(conversation) = &mut self.conversation {
                    conversation.poll(cx);
                }
            }
            let wish = self.conversation.as_ref().and_then(|it| it.deadline());
            // One that does not change its wish is not polled for it for ever.
            let wish = wish.filter(|wish| *wish > now);
            let next = wish.map_or(next, |wish| wish.min(next));
            let timer = match &mut self.timer {
                Some(timer) => {
                    timer.as_mut().reset(next);
                    timer
                }
                timer => timer.insert(Box::pin(sleep_until(next))),
            };
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
        }
    }

    /// Gives the conversation to another task.
    pub(super) fn hand_over(&mut self) -> Option<Box<dyn Conversation>> {
        self.timer = None;
        self.conversation.take()
    }

    /// Has it again, if nobody has taken it.
    pub(super) fn take_back(&mut self, conversation: Option<Box<dyn Conversation>>) {
        self.conversation = conversation;
    }

    /// What the conversation does at its end.
    pub(super) fn end(&mut self) -> Ending {
        self.timer = None;
        let reason = self.session.closed().unwrap_or(CloseReason::ForcedClose);
        match self.conversation.take() {
            Some(conversation) => conversation.closed(reason),
            None => Box::pin(std::future::ready(())),
        }
    }
}

/// A task that is dropped in the midst of a session: the conversation hears of it from a task of its own, if there is a runtime for one.
impl Drop for Driver {
    fn drop(&mut self) {
        let Some(conversation) = self.conversation.take() else {
            return;
        };
        self.session.close(CloseReason::ServerShuttingDown);
        if let Ok(runtime) = Handle::try_current() {
            let reason = self.session.closed();
            runtime.spawn(conversation.closed(reason.unwrap_or(CloseReason::ServerShuttingDown)));
        }
    }
}

impl Session {
    /// Does what time has brought; gives when there is more, unless the session has ended. A client that nobody reads from is not blamed
    /// for its silence.
    fn tick(&self, is_read: bool) -> Option<Instant> {
        let shared = &self.0.shared;
        let mut state = self.lock();
        if !is_read {
            state.core.wait_longer(shared.now(), shared.times);
        }
        loop {
            match state.core.handle_timeout(shared.now(), shared.times) {
                Due::Nothing | Due::Closed(_) => break,
                Due::Ping => {
                    self.push(&mut state, &shared.ping);
                }
                // The WebSocket looks whether it is still wanted.
                Due::UpgradeTimeout => {
                    if let Some(waker) = state.polling.as_mut().and_then(|it| it.upgrade.take()) {
                        waker.wake();
                    }
                }
            }
        }
        let next = state.core.poll_timeout();
        self.settle(state);
        next.map(|next| shared.instant(next))
    }
}

/// Whether a future has come to its end.
pub(super) fn is_over(ending: &mut Option<Ending>, cx: &mut Context<'_>) -> bool {
    let Some(future) = ending else {
        return true;
    };
    let is_over = matches!(future.as_mut().poll(cx), Poll::Ready(()));
    if is_over {
        *ending = None;
    }
    is_over
}
