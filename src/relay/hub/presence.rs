//! Who is present in a topic: members, under names that may be several members'.

use super::Held;
use super::channel::Channel;
use super::history::Retention;
use super::message::{Count, Message};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::task::Waker;

/// A member that is present.
///
/// ```
/// use bytes::Bytes;
/// use wireline::relay::hub::{Hub, HubConfig, Present, Topic};
///
/// let (hub, topic) = (Hub::new(HubConfig::default()), Topic::new("room:1").unwrap());
/// // Ann with two devices.
/// for member in [7, 8] {
///     let present = Present { member, name: Some("ann".into()), meta: "null".into() };
///     hub.track(&topic, present, 0, |_| Bytes::new());
/// }
/// assert_eq!((hub.present_count(&topic), hub.present_names(&topic)), (2, 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Its id.
    pub member: u64,
    /// The name that it is present under: a user's, as a rule.
    pub name: Option<Arc<str>>,
    /// What others should know of it.
    pub meta: Arc<str>,
}

/// A change of who is present.
///
/// ```
/// use bytes::Bytes;
/// use std::sync::Arc;
/// use wireline::relay::hub::{Change, Delivery, Group, Hub, HubConfig, Member, Present, Topic};
/// # struct Silent;
/// # impl Member<Bytes> for Silent {
/// #     fn id(&self) -> u64 { 1 }
/// #     fn deliver(&self, _: u32, _: &Delivery<'_, Bytes>) {}
/// # }
///
/// let (hub, topic) = (Hub::new(HubConfig::default()), Topic::new("room:1").unwrap());
/// let (watching, present) = hub.watch(&topic, &Group::new(), Arc::new(Silent), 0);
/// assert!(present.is_empty());
/// let ann = Present { member: 7, name: Some("ann".into()), meta: "null".into() };
/// let mut told = None;
/// hub.track(&topic, ann.clone(), 0, |change| {
///     told = Some(change.clone());
///     Bytes::from("ann is here")
/// });
/// assert_eq!(told, Some(Change::Joined { present: ann, is_first: true }));
/// hub.unsubscribe(watching);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A member has come; the first one of its name if `is_first`.
    Joined {
        /// The member.
        present: Present,
        /// Whether nobody else of its name is present. A member without a name is always the first.
        is_first: bool,
    },
    /// What others should know of a member has changed.
    Updated(Present),
    /// A member has gone; the last one of its name if `is_last`.
    Left {
        /// The member.
        present: Present,
        /// Whether nobody else of its name is present. A member without a name is always the last.
        is_last: bool,
    },
}

pub(super) struct Presence<M: Message> {
    members: BTreeMap<u64, Present>,
    names: HashMap<Arc<str>, usize>,
    /// The order of changes.
    pub(super) changes: Channel<M>,
}

impl<M: Message> Presence<M> {
    pub(super) fn new(epoch: u64) -> Self {
        Self {
            members: BTreeMap::new(),
            names: HashMap::new(),
            changes: Channel::new(epoch, Retention::NOTHING),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.members.is_empty() && self.changes.is_idle()
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// How many names there are; a member without one counts as one.
    pub(super) fn names(&self) -> usize {
        let unnamed = self
            .members
            .values()
            .filter(|present| present.name.is_none());
        self.names.len() + unnamed.count()
    }

    pub(super) fn list(&self) -> Vec<Present> {
        self.members.values().cloned().collect()
    }

    pub(super) fn track(&mut self, present: Present) -> Change {
        let before = self.members.insert(present.member, present.clone());
        if before
            .as_ref()
            .is_some_and(|before| before.name == present.name)
        {
            return Change::Updated(present);
        }
        if let Some(before) = before {
            self.forget(before.name.as_ref());
        }
        let is_first = present.name.as_ref().is_none_or(|name| {
            let count = self.names.entry(name.clone()).or_insert(0);
            *count += 1;
            *count == 1
        });
        Change::Joined { present, is_first }
    }

    pub(super) fn untrack(&mut self, member: u64) -> Option<Change> {
        let present = self.members.remove(&member)?;
        let is_last = self.forget(present.name.as_ref());
        Some(Change::Left { present, is_last })
    }

    /// Tells those who watch.
    pub(super) fn tell(
        &mut self,
        change: &Change,
        message: impl FnOnce(&Change) -> M,
        now: u64,
        held: &Held,
        wakes: &mut Vec<Waker>,
    ) {
        if self.changes.len() > 0 {
            self.changes
                .publish(message(change), None, Count::Next(1), now, held, wakes);
        }
    }

    /// One member of that name less; whether it was the last one.
    fn forget(&mut self, name: Option<&Arc<str>>) -> bool {
        let Some(name) = name else {
            return true;
        };
        match self.names.get_mut(name) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            _ => {
                self.names.remove(name);
                true
            }
        }
    }
}
