//! What waits for a connection while it cannot be written.

use super::overflow::Waiting;
use crate::relay::hub::Topic;
use crate::ws::close::CloseFrame;
use std::task::Waker;

/// What waits for a connection, and who is told.
#[derive(Default)]
pub(super) struct Mailbox {
    /// Absent while nothing waits.
    pub(super) waiting: Option<Box<Waiting>>,
    pub(super) rare: Option<Box<Rare>>,
    /// The connection's task, which sends what waits.
    pub(super) waker: Option<Waker>,
    pub(super) is_closed: bool,
    /// Whether messages wait for others, to be sent with them.
    pub(super) is_gathering: bool,
    /// Gathered messages are so many that they should be sent.
    pub(super) is_pressed: bool,
}

/// What most mailboxes do not have.
#[derive(Default)]
pub(super) struct Rare {
    /// Messages of subscriptions that are not confirmed yet.
    pub(super) held: Vec<(u32, Waiting)>,
    pub(super) commands: Vec<Command>,
    /// Why it ends, for a reader that is no socket.
    pub(super) close: Option<CloseFrame>,
}

/// What others want a connection to do.
#[derive(Clone, Debug)]
pub(super) enum Command {
    Subscribe(Topic),
    Unsubscribe(Topic),
}

impl Rare {
    pub(super) fn closing(close: CloseFrame) -> Box<Self> {
        Box::new(Self {
            close: Some(close),
            ..Self::default()
        })
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.held.is_empty() && self.commands.is_empty() && self.close.is_none()
    }
}

impl Mailbox {
    /// Whether a message may be written at once.
    pub(super) const fn is_free(&self) -> bool {
        self.waiting.is_none() && !self.is_gathering
    }

    /// Where messages of a subscription wait, and whether the connection's task need not be woken for them.
    pub(super) fn queue(&mut self, key: u32) -> (&mut Waiting, bool) {
        if let Some(rare) = &mut self.rare
            && let Some((_, held)) = rare.held.iter_mut().find(|(of, _)| *of == key)
        {
            return (held, true);
        }
        // Whoever empties it need not take it away: the task that is awake does.
        let knows = (self.waiting.as_ref()).is_some_and(|waiting| !waiting.is_empty());
        (self.waiting.get_or_insert_default(), knows)
    }

    pub(super) fn is_held(&self, key: u32) -> bool {
        self.rare
            .as_ref()
            .is_some_and(|rare| rare.held.iter().any(|(of, _)| *of == key))
    }

    pub(super) fn take_held(&mut self, key: u32) -> Option<Waiting> {
        let rare = self.rare.as_mut()?;
        let place = rare.held.iter().position(|(of, _)| *of == key)?;
        let held = rare.held.swap_remove(place).1;
        self.tidy();
        Some(held)
    }

    /// What all of it counts.
    pub(super) fn octets(&self) -> usize {
        let waiting = (self.waiting.as_ref()).map_or(0, |waiting| waiting.octets());
        let held = self.rare.iter().flat_map(|rare| &rare.held);
        waiting + held.map(|(_, held)| held.octets()).sum::<usize>()
    }

    pub(super) fn drop_oldest(&mut self) -> bool {
        let mut held = (self.rare.iter_mut()).flat_map(|rare| &mut rare.held);
        (self.waiting.as_mut()).is_some_and(|waiting| waiting.drop_oldest_of_all())
            || held.any(|(_, held)| held.drop_oldest_of_all())
    }

    pub(super) fn tidy(&mut self) {
        if self.rare.as_ref().is_some_and(|rare| rare.is_empty()) {
            self.rare = None;
        }
    }
}
