//! What others did, done here.

use super::words::{self, Whose};
use super::{Core, Relay};
use crate::relay::backplane::BackplaneError;
use crate::relay::cluster::{Action, Answer, Operation, Parcel, Place, Target};
use crate::relay::endpoint::directory::Whom;
use crate::relay::endpoint::mailbox;
use crate::relay::endpoint::presence::difference;
use crate::relay::hub::{Change, Count, EVERYBODY, Entry, Published, Resume, Topic};
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::prepared::Prepared;

impl Relay {
    /// Does what the cluster wants done. The node is locked: nothing here may speak to it.
    pub(super) fn apply(&self, core: &mut Core, action: Action, now: u64) {
        let hub = &self.inner.hub;
        match action {
            Action::Attached { topic } => {
                for waiter in core.waiting.remove(&topic).into_iter().flatten() {
                    let _ = waiter.send(());
                }
            }
            Action::Adopt {
                topic,
                epoch,
                last,
                entries,
            } => {
                let entries = entries.into_iter().map(|(offset, age, parcel)| Entry {
                    offset,
                    span: 1,
                    at: now.saturating_sub(age),
                    except: parcel.except,
                    message: words::message(&parcel),
                });
                hub.adopt(&topic, epoch, last, entries.collect(), now);
                self.keep_swept();
            }
            Action::Deliver {
                topic,
                parcel,
                place,
            } => self.deliver(core, &topic, &parcel, place, now),
            Action::Lost {
                topic,
                node,
                first,
                last,
                ..
            } => {
                let told = words::lagged(&topic, &Whose::Node(node), first, last);
                let count = Count::Next(words::span(first, last));
                self.delivered(hub.publish_as(&topic, told, None, count, now));
            }
            Action::Missing { topic, epoch, last } => {
                let known = hub.history(&topic, Resume::Live, now);
                if known.epoch == epoch && known.offset < last {
                    let first = known.offset + 1;
                    let told = words::lagged(&topic, &Whose::All(epoch), first, last);
                    let count = Count::Next(words::span(first, last));
                    self.delivered(hub.publish_as(&topic, told, None, count, now));
                }
            }
            Action::GivenUp {
                topic,
                node,
                count,
                run,
            } => {
                let told = words::given_up(&topic, node, count, run);
                self.delivered(hub.publish_as(&topic, told, None, Count::Nothing, now));
            }
            Action::Count {
                topic,
                epoch,
                offset,
                parcel,
            } => {
                core.early.settle(&topic, &parcel.payload);
                let message = words::message(&parcel);
                let count = Count::At { epoch, offset };
                hub.publish_as(&topic, message, Some(EVERYBODY), count, now);
            }
            Action::Track { topic, present } => {
                let told = |change: &Change| difference(&topic, change);
                hub.track(&topic, present, now, told);
            }
            Action::Untrack { topic, member } => {
                let told = |change: &Change| difference(&topic, change);
                hub.untrack(&topic, member, now, told);
            }
            Action::Do { operation, asks } => {
                let answer = self.obey(operation, asks.is_some());
                if let Some(asks) = asks {
                    core.cluster.answer(asks, answer, now);
                }
            }
            Action::Answered { id, answers } => {
                if let Some(asked) = core.questions.remove(&id) {
                    let _ = asked.send(answers);
                }
            }
        }
    }

    fn deliver(&self, core: &mut Core, topic: &Topic, parcel: &Parcel, place: Place, now: u64) {
        let message = words::message(parcel);
        let except = Some(parcel.except).filter(|except| *except != 0);
        let (message, count) = match place {
            Place::Next => (message, Count::Next(1)),
            Place::At { epoch, offset } => (message, Count::At { epoch, offset }),
            Place::Uncounted => {
                core.early.add(topic, &message, except);
                (words::uncounted(message), Count::Nothing)
            }
        };
        let hub = &self.inner.hub;
        self.delivered(hub.publish_as(topic, message, except, count, now));
    }

    fn delivered(&self, published: Published) {
        self.inner.counters.delivered(published.subscribers);
        if published.epoch != 0 {
            self.keep_swept();
        }
    }

    /// Does what another node asks for; what came of it.
    fn obey(&self, operation: Operation, is_asked: bool) -> Answer {
        let count = match operation {
            Operation::PushToUser { user, parcel } => {
                self.send_to_user(&user, &words::message(&parcel))
            }
            Operation::Disconnect { whom, code, reason } => CloseCode::new(code)
                .map_or(0, |code| {
                    self.close(whom.named(), &CloseFrame::new(code, &*reason))
                }),
            Operation::Subscribe { whom, topic } => {
                self.command(whom.named(), &mailbox::Command::Subscribe(topic))
            }
            Operation::Unsubscribe { whom, topic } => {
                self.command(whom.named(), &mailbox::Command::Unsubscribe(topic))
            }
            Operation::Subscribers { topic } => self.inner.hub.subscribers(&topic),
            Operation::Connections { whom, most } => {
                let most = usize::try_from(most).unwrap_or(usize::MAX).min(MOST_LISTED);
                let whom = whom.as_ref().map(Target::named);
                let (count, listed) = self.list(whom, most);
                let text = if is_asked {
                    serde_json::to_vec(&listed).unwrap_or_default()
                } else {
                    Vec::new()
                };
                return Answer {
                    count: count as u64,
                    text: text.into(),
                };
            }
        };
        Answer {
            count: count as u64,
            ..Answer::default()
        }
    }

    /// The connection to the broker has ended.
    pub(super) fn down(&self, core: &mut Core, why: &BackplaneError, now: u64) {
        core.commands = None;
        core.trouble = Some(why.to_string().into());
        core.cluster.down(now);
    }

    pub(in crate::relay::endpoint) fn send_to_user(&self, user: &str, message: &Prepared) -> usize {
        let links = self.inner.directory.find(Whom::User(user));
        for link in &links {
            link.outlet.send(message);
        }
        links.len()
    }

    pub(in crate::relay::endpoint) fn close(&self, whom: Whom<'_>, close: &CloseFrame) -> usize {
        let links = self.inner.directory.find(whom);
        for link in &links {
            link.outlet.close(close.clone());
        }
        links.len()
    }
}

impl Target {
    fn named(&self) -> Whom<'_> {
        match self {
            Self::Connection(id) => Whom::Connection(*id),
            Self::User(user) => Whom::User(user),
        }
    }
}

impl From<Whom<'_>> for Target {
    fn from(whom: Whom<'_>) -> Self {
        match whom {
            Whom::Connection(id) => Self::Connection(id),
            Whom::User(user) => Self::User(user.to_owned()),
        }
    }
}

/// The most connections that a node lists for another.
const MOST_LISTED: usize = 1000;
