//! What waits in a socket and is not framed yet, and who waits for it to leave. Most sockets never have any, and
//! hold a pointer.

use crate::ws::close::CloseFrame;
use crate::ws::message::Message;
use std::collections::VecDeque;
use std::task::Waker;

/// Messages, a Close and wakers that wait.
#[derive(Debug, Default)]
pub(super) struct Backlog(Option<Box<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Message>,
    octets: usize,
    dropped: u64,
    wakers: Vec<Waker>,
    close: Option<Option<CloseFrame>>,
}

impl Backlog {
    /// Whether no message waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|waiting| waiting.messages.is_empty())
    }

    /// What the messages that wait count.
    #[inline]
    pub(super) fn octets(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.octets)
    }

    /// The messages that were dropped for want of room.
    pub(super) fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |waiting| waiting.dropped)
    }

    pub(super) fn push(&mut self, message: Message) {
        let waiting = self.waiting();
        waiting.octets += weight(&message);
        waiting.messages.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        let waiting = self.0.as_mut()?;
        let message = waiting.messages.pop_front()?;
        waiting.octets -= weight(&message);
        Some(message)
    }

    /// Drops the oldest messages until at least `excess` octets are gone, or there is none.
    pub(super) fn drop_oldest(&mut self, mut excess: usize) {
        while excess > 0
            && let Some(oldest) = self.pop()
        {
            excess = excess.saturating_sub(weight(&oldest));
            self.count_dropped();
        }
    }

    pub(super) fn count_dropped(&mut self) {
        self.waiting().dropped += 1;
    }

    /// Forgets the messages.
    pub(super) fn clear(&mut self) {
        if let Some(waiting) = &mut self.0 {
            waiting.messages.clear();
            waiting.octets = 0;
        }
    }

    /// A Close is to be sent once the lent batch is back.
    pub(super) fn close_after(&mut self, close: Option<CloseFrame>) {
        self.waiting().close = Some(close);
    }

    #[inline]
    pub(super) fn take_close(&mut self) -> Option<Option<CloseFrame>> {
        self.0.as_mut()?.close.take()
    }

    /// Wakes `waker` when something was written.
    pub(super) fn wait(&mut self, waker: &Waker) {
        let wakers = &mut self.waiting().wakers;
        if !wakers.iter().any(|waiter| waiter.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    #[inline]
    pub(super) fn wake(&mut self) {
        if let Some(waiting) = &mut self.0 {
            std::mem::take(&mut waiting.wakers)
                .into_iter()
                .for_each(Waker::wake);
        }
    }

    fn waiting(&mut self) -> &mut Waiting {
        self.0.get_or_insert_default()
    }
}

/// What a message counts while it waits.
pub(super) fn weight(message: &Message) -> usize {
    message.as_bytes().len() + OVERHEAD
}

/// What a message costs beside its payload.
const OVERHEAD: usize = 64;
