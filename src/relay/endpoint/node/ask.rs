//! What the application asks all nodes.

use super::{Node, Relay, words};
use crate::relay::cluster::{Answers, Operation, Standing, Target};
use crate::relay::endpoint::directory::Whom;
use crate::relay::endpoint::mailbox::Command;
use crate::relay::endpoint::push::{Connection, IntoTopic, PushError};
use crate::relay::hub::InvalidTopic;
use crate::relay::protocol::push_text;
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::prepared::Prepared;
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// What came of a question to all nodes, and who has not answered it.
///
/// ```
/// use wireline::relay::Partial;
///
/// let count = Partial { value: 3, missing: vec![0x1f00d] };
/// assert!(count.is_partial());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partial<T> {
    /// The sum of what the others have answered, and of what is known here.
    pub value: T,
    /// The nodes that are known and have not answered in time, by number.
    pub missing: Vec<u64>,
}

impl<T> Partial<T> {
    /// Where there are no other nodes nobody is missing.
    pub(crate) const fn whole(value: T) -> Self {
        Self {
            value,
            missing: Vec::new(),
        }
    }

    /// Whether somebody has not answered.
    pub const fn is_partial(&self) -> bool {
        !self.missing.is_empty()
    }
}

/// Another node, as [`ClusterHandle::nodes`] shows it.
///
/// ```
/// use wireline::relay::backplane::memory::MemoryBackplane;
/// use wireline::relay::{ClusterNode, Relay, RelayConfig};
///
/// fn line(node: &ClusterNode) -> String {
///     format!("{:x}: heard of {} ms ago", node.node, node.heard_ms)
/// }
///
/// let relay = Relay::new(RelayConfig::default().backplane(MemoryBackplane::new()));
/// let lines: Vec<String> = relay.cluster().unwrap().nodes().iter().map(line).collect();
/// assert!(lines.is_empty(), "nobody else has this backplane");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClusterNode {
    /// Its number; its connections have it in their own, 32 bits up.
    pub node: u64,
    /// Milliseconds since it was heard of.
    pub heard_ms: u64,
}

/// A relay's cluster: what is to be done or known of all nodes. What it does here is done at once; then it waits for the others,
/// [`question_wait`](crate::relay::cluster::ClusterConfig::question_wait) at most, and says who has not answered.
///
/// What [`Relay`] does by the same names goes to all nodes as well, without waiting to hear how many connections that reached
/// there.
///
/// All its futures are cancel safe in this sense: what was asked for is done on other nodes, whether the answers are waited for
/// or not.
///
/// ```
/// use std::sync::Arc;
/// use wireline::relay::backplane::memory::MemoryBackplane;
/// use wireline::relay::{Relay, RelayConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let relay = Relay::new(RelayConfig::default().backplane(MemoryBackplane::default()));
/// let cluster = relay.cluster().unwrap();
/// let readers = cluster.subscribers("news").await.unwrap();
/// assert_eq!((readers.value, readers.is_partial()), (0, false));
/// # }
/// ```
#[derive(Clone)]
pub struct ClusterHandle {
    relay: Relay,
}

impl Relay {
    /// The cluster that it is part of; `None` without a [`backplane`](crate::relay::RelayConfig::backplane). Inside a runtime this
    /// begins to connect, which the first subscription or publication does otherwise.
    pub fn cluster(&self) -> Option<ClusterHandle> {
        let node = self.inner.node.as_ref()?;
        self.keep_joined(node);
        Some(ClusterHandle {
            relay: self.clone(),
        })
    }
}

impl ClusterHandle {
    /// Closes a connection, or all of a user's, wherever they are; gives how many there were. See [`Relay::disconnect`].
    ///
    /// Giving it up while the others are waited for undoes nothing: it is done, and their answers are not heard.
    pub async fn disconnect<'a>(
        &self,
        whom: impl Into<Whom<'a>>,
        code: CloseCode,
        reason: &str,
    ) -> Partial<usize> {
        let whom = whom.into();
        let here = self.relay.close(whom, &CloseFrame::new(code, reason));
        let operation = Operation::Disconnect {
            whom: whom.into(),
            code: code.get(),
            reason: reason.to_owned(),
        };
        counted(here, self.ask(operation).await)
    }

    /// Pushes an event to all connections of a user, wherever they are; gives how many there were. See [`Relay::push_to_user`].
    ///
    /// Giving it up while the others are waited for undoes nothing: it is done, and their answers are not heard.
    ///
    /// # Errors
    ///
    /// When the topic's name is none, or the payload does not become JSON.
    pub async fn push_to_user<T: Serialize + ?Sized>(
        &self,
        user: &str,
        topic: impl IntoTopic,
        event: &str,
        payload: &T,
    ) -> Result<Partial<usize>, PushError> {
        let topic = topic.into_topic().map_err(PushError::Topic)?;
        let text = push_text(&topic, event, payload, true).map_err(PushError::Payload)?;
        let message = Prepared::text(&text);
        let here = self.relay.send_to_user(user, &message);
        self.relay.counters().published(here);
        let operation = Operation::PushToUser {
            user: user.to_owned(),
            parcel: words::parcel(&message, None),
        };
        Ok(counted(here, self.ask(operation).await))
    }

    /// Subscribes a connection, or all of a user's, to a topic, wherever they are. See [`Relay::subscribe`].
    ///
    /// Giving it up while the others are waited for undoes nothing: it is done, and their answers are not heard.
    ///
    /// # Errors
    ///
    /// When the topic's name is none.
    pub async fn subscribe<'a>(
        &self,
        whom: impl Into<Whom<'a>>,
        topic: impl IntoTopic,
    ) -> Result<Partial<usize>, InvalidTopic> {
        let (whom, topic) = (whom.into(), topic.into_topic()?);
        let here = self.relay.command(whom, &Command::Subscribe(topic.clone()));
        let whom = Target::from(whom);
        let asked = self.ask(Operation::Subscribe { whom, topic });
        Ok(counted(here, asked.await))
    }

    /// Ends a subscription of a connection, or of all of a user's, wherever they are. See [`Relay::unsubscribe`].
    ///
    /// Giving it up while the others are waited for undoes nothing: it is done, and their answers are not heard.
    ///
    /// # Errors
    ///
    /// When the topic's name is none.
    pub async fn unsubscribe<'a>(
        &self,
        whom: impl Into<Whom<'a>>,
        topic: impl IntoTopic,
    ) -> Result<Partial<usize>, InvalidTopic> {
        let (whom, topic) = (whom.into(), topic.into_topic()?);
        let here = self
            .relay
            .command(whom, &Command::Unsubscribe(topic.clone()));
        let whom = Target::from(whom);
        let asked = self.ask(Operation::Unsubscribe { whom, topic });
        Ok(counted(here, asked.await))
    }

    /// How many connections subscribe to a topic, on all nodes.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// When the topic's name is none.
    pub async fn subscribers(&self, topic: impl IntoTopic) -> Result<Partial<usize>, InvalidTopic> {
        let topic = topic.into_topic()?;
        let here = self.relay.hub().subscribers(&topic);
        Ok(counted(
            here,
            self.ask(Operation::Subscribers { topic }).await,
        ))
    }

    /// Up to `most` connections of each node, in no order: that one, or all of that user's, or any. A node lists 1,000 at most.
    ///
    /// Cancel safe.
    pub async fn connections(
        &self,
        whom: Option<Whom<'_>>,
        most: usize,
    ) -> Partial<Vec<Connection>> {
        let (_, mut value) = self.relay.list(whom, most);
        let operation = Operation::Connections {
            whom: whom.map(Target::from),
            most: u32::try_from(most).unwrap_or(u32::MAX),
        };
        let answers = self.ask(operation).await;
        let mut missing = answers.missing;
        for (node, answer) in answers.answers {
            match serde_json::from_slice::<Vec<Connection>>(&answer.text) {
                Ok(listed) => value.extend(listed),
                Err(_) => missing.push(node),
            }
        }
        Partial { value, missing }
    }

    /// The number of this node.
    pub fn node(&self) -> u64 {
        self.with_node(|node| node.number).unwrap_or_default()
    }

    /// What it is connected by, in one word: `redis`, say.
    pub fn backplane(&self) -> &'static str {
        self.with_node(|node| node.backplane.name())
            .unwrap_or_default()
    }

    /// The other nodes that are known.
    pub fn nodes(&self) -> Vec<ClusterNode> {
        let nodes = self.with_node(|node| {
            let known = self
                .relay
                .with_core(node, |core, now| core.cluster.nodes(now));
            let nodes = known.into_iter();
            nodes
                .map(|(node, _, heard_ms)| ClusterNode { node, heard_ms })
                .collect()
        });
        nodes.unwrap_or_default()
    }

    /// How this node stands.
    pub fn standing(&self) -> Standing {
        self.relay.cluster_standing().unwrap_or_default()
    }

    /// Why there is no connection to the broker, if there is none.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.with_node(|node| node.core().trouble.as_deref().map(str::to_owned));
        trouble.flatten()
    }

    /// Tells the others that this node goes: its connections are not present any more there, and nobody waits for its answers.
    /// Waits until the broker has been told, half a second at most.
    ///
    /// Cancel safe: the others are told, whether that is waited for or not.
    pub async fn leave(&self) {
        self.with_node(|node| {
            self.relay
                .with_core(node, |core, now| core.cluster.leave(now))
        });
        let told = async {
            loop {
                sleep(TELLING).await;
                if self.standing().waiting == 0 {
                    return;
                }
            }
        };
        let _ = timeout(LEAVING, told).await;
    }

    /// Asks the others.
    async fn ask(&self, operation: Operation) -> Answers {
        let (sender, receiver) = oneshot::channel();
        let wait = self.with_node(|node| {
            self.relay.with_core(node, |core, now| {
                let id = core.cluster.ask(operation, now);
                core.questions.insert(id, sender);
            });
            node.question_wait + GRACE
        });
        let answered = timeout(wait.unwrap_or_default(), receiver).await;
        match answered {
            Ok(Ok(answers)) => answers,
            // Nobody keeps time for it: without a runtime of its own there is no task.
            _ => Answers {
                missing: self.nodes().iter().map(|node| node.node).collect(),
                ..Answers::default()
            },
        }
    }

    fn with_node<T>(&self, code: impl FnOnce(&Node) -> T) -> Option<T> {
        self.relay.inner.node.as_deref().map(code)
    }
}

impl fmt::Debug for ClusterHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterHandle")
            .field("node", &self.node())
            .finish_non_exhaustive()
    }
}

fn counted(here: usize, answers: Answers) -> Partial<usize> {
    let counts = answers.answers.iter().map(|(_, answer)| answer.count);
    let elsewhere = counts.fold(0, u64::saturating_add);
    Partial {
        value: here.saturating_add(usize::try_from(elsewhere).unwrap_or(usize::MAX)),
        missing: answers.missing,
    }
}

/// How long an answer is waited for beyond the time that the cluster gives it.
const GRACE: Duration = Duration::from_secs(1);

/// How long a farewell is on its way at least, and how long it is waited for.
const TELLING: Duration = Duration::from_millis(20);
const LEAVING: Duration = Duration::from_millis(500);
