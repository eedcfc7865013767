//! Messages from the server, and what it does to connections.

use super::Relay;
use super::directory::Whom;
use super::mailbox::Command;
use super::node::parcel;
use crate::relay::cluster::Operation;
use crate::relay::hub::{InvalidTopic, Published, Topic};
use crate::relay::protocol::push_text;
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::prepared::Prepared;
use serde::{Deserialize, Serialize};
use std::fmt;
use tokio::task::coop::consume_budget;

/// What names a topic.
///
/// A name as text, or a [`Topic`], which was checked before; or a type of the program:
///
/// ```
/// use wireline::relay::Relay;
/// use wireline::relay::endpoint::IntoTopic;
/// use wireline::relay::hub::{InvalidTopic, Topic};
///
/// struct Room(u32);
///
/// impl IntoTopic for Room {
///     fn into_topic(self) -> Result<Topic, InvalidTopic> {
///         Topic::new(&format!("room:{}", self.0))
///     }
/// }
/// assert_eq!(Relay::default().presence_count(Room(7)), 0);
/// ```
pub trait IntoTopic {
    /// The topic.
    ///
    /// # Errors
    ///
    /// When the name is none.
    fn into_topic(self) -> Result<Topic, InvalidTopic>;
}

impl IntoTopic for Topic {
    fn into_topic(self) -> Result<Topic, InvalidTopic> {
        Ok(self)
    }
}

impl IntoTopic for &Topic {
    fn into_topic(self) -> Result<Topic, InvalidTopic> {
        Ok(self.clone())
    }
}

impl IntoTopic for &str {
    fn into_topic(self) -> Result<Topic, InvalidTopic> {
        Topic::new(self)
    }
}

impl IntoTopic for &String {
    fn into_topic(self) -> Result<Topic, InvalidTopic> {
        Topic::new(self)
    }
}

impl IntoTopic for String {
    fn into_topic(self) -> Result<Topic, InvalidTopic> {
        Topic::new(&self)
    }
}

impl Relay {
    /// Pushes an event to everybody who subscribes to the topic: `{"type":"push","topic":...,"event":...,"payload":...}`. When nobody
    /// does, and nothing is kept of the topic, it is dropped.
    ///
    /// It does not wait for anybody; many in a row give way to other tasks now and then. Cancel safe: nothing is pushed before it is awaited.
    ///
    /// # Errors
    ///
    /// When the topic's name is none, or the payload does not become JSON.
    ///
    /// ```
    /// use wireline::relay::{PushError, Relay};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), PushError> {
    /// let relay = Relay::default();
    /// let published = relay.push("orders:new", "placed", &7).await?;
    /// assert_eq!(published.subscribers, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn push<T: Serialize + ?Sized>(
        &self,
        topic: impl IntoTopic,
        event: &str,
        payload: &T,
    ) -> Result<Published, PushError> {
        // In a loop of pushes those who deliver have their turn as well.
        consume_budget().await;
        self.push_except(topic, event, payload, None)
    }

    /// The same, to everybody but this connection.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub async fn push_from<T: Serialize + ?Sized>(
        &self,
        conn_id: u64,
        topic: impl IntoTopic,
        event: &str,
        payload: &T,
    ) -> Result<Published, PushError> {
        consume_budget().await;
        self.push_except(topic, event, payload, Some(conn_id))
    }

    pub(super) fn push_except<T: Serialize + ?Sized>(
        &self,
        topic: impl IntoTopic,
        event: &str,
        payload: &T,
        except: Option<u64>,
    ) -> Result<Published, PushError> {
        let topic = topic.into_topic().map_err(PushError::Topic)?;
        let text = push_text(&topic, event, payload, false).map_err(PushError::Payload)?;
        Ok(self.publish_except(&topic, Prepared::text(&text), except))
    }

    /// Pushes an event to all connections of a user, whether they subscribe to the topic or not; gives how many that are. It
    /// counts for no topic and is kept in no history.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub async fn push_to_user<T: Serialize + ?Sized>(
        &self,
        user: &str,
        topic: impl IntoTopic,
        event: &str,
        payload: &T,
    ) -> Result<usize, PushError> {
        let topic = topic.into_topic().map_err(PushError::Topic)?;
        let text = push_text(&topic, event, payload, true).map_err(PushError::Payload)?;
        let message = Prepared::text(&text);
        let count = self.send_to_user(user, &message);
        self.inner.counters.published(count);
        self.tell(|| Operation::PushToUser {
            user: user.to_owned(),
            parcel: parcel(&message, None),
        });
        Ok(count)
    }

    /// Subscribes a connection, or all of a user's, to a topic, as if they had asked for it: its handler is asked, and they are told.
    /// Gives how many connections that are; it does not wait for them.
    ///
    /// # Errors
    ///
    /// When the topic's name is none.
    pub fn subscribe<'a>(
        &self,
        whom: impl Into<Whom<'a>>,
        topic: impl IntoTopic,
    ) -> Result<usize, InvalidTopic> {
        let (whom, topic) = (whom.into(), topic.into_topic()?);
        let count = self.command(whom, &Command::Subscribe(topic.clone()));
        self.tell(|| Operation::Subscribe {
            whom: whom.into(),
            topic,
        });
        Ok(count)
    }

    /// Ends a subscription of a connection, or of all of a user's; they are told. Gives how many connections that are; it does not
    /// wait for them.
    ///
    /// # Errors
    ///
    /// When the topic's name is none.
    pub fn unsubscribe<'a>(
        &self,
        whom: impl Into<Whom<'a>>,
        topic: impl IntoTopic,
    ) -> Result<usize, InvalidTopic> {
        let (whom, topic) = (whom.into(), topic.into_topic()?);
        let count = self.command(whom, &Command::Unsubscribe(topic.clone()));
        self.tell(|| Operation::Unsubscribe {
            whom: whom.into(),
            topic,
        });
        Ok(count)
    }

    pub(super) fn command(&self, whom: Whom<'_>, command: &Command) -> usize {
        let links = self.inner.directory.find(whom);
        for link in &links {
            link.outlet.command(command.clone());
        }
        links.len()
    }

    /// Closes a connection, or all of a user's, with a code and a reason; gives how many that are. Clients come back after 4000 to 4499,
    /// and do not after 4500 to 4999.
    ///
    /// ```
    /// use wireline::relay::Relay;
    /// use wireline::ws::close::CloseCode;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let relay = Relay::default();
    /// let banned = CloseCode::new(4500).unwrap();
    /// assert_eq!(relay.disconnect("ann", banned, "banned"), 0);
    /// # }
    /// ```
    pub fn disconnect<'a>(
        &self,
        whom: impl Into<Whom<'a>>,
        code: CloseCode,
        reason: &str,
    ) -> usize {
        let whom = whom.into();
        let count = self.close(whom, &CloseFrame::new(code, reason));
        self.tell(|| Operation::Disconnect {
            whom: whom.into(),
            code: code.get(),
            reason: reason.to_owned(),
        });
        count
    }

    /// Up to `most` connections, in no order.
    pub fn connections(&self, most: usize) -> Vec<Connection> {
        self.list(None, most).1
    }

    /// How many connections are meant, and up to `most` of them.
    pub(crate) fn list(&self, whom: Option<Whom<'_>>, most: usize) -> (usize, Vec<Connection>) {
        let directory = &self.inner.directory;
        let (count, links) = match whom {
            None => (directory.len(), directory.some(most)),
            Some(whom) => {
                let links = directory.find(whom);
                (links.len(), links)
            }
        };
        let listed = links.iter().take(most).map(|link| Connection {
            conn_id: link.outlet.id(),
            user: link.user.as_deref().map(str::to_owned),
            subscriptions: link.outlet.subscriptions(),
            waiting: link.outlet.waiting(),
        });
        (count, listed.collect())
    }
}

/// A connection, as [`Relay::connections`] shows it.
///
/// ```
/// use wireline::Router;
/// use wireline::relay::Relay;
/// use wireline::test::TestClient;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let relay = Relay::default();
/// let client = TestClient::new(Router::new().relay(&relay).build().unwrap());
/// let mut socket = client.websocket("/ws").await;
/// socket.send(r#"{"type":"subscribe","topic":"news"}"#).await.unwrap();
/// socket.recv().await.unwrap().unwrap();
///
/// let connections = relay.connections(10);
/// assert_eq!((connections.len(), connections[0].subscriptions), (1, 1));
/// assert_eq!(connections[0].user, None, "nobody has signed in");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Connection {
    /// What tells it from all others of the relay.
    pub conn_id: u64,
    /// The id of the user who opened it.
    pub user: Option<String>,
    /// How many subscriptions it has.
    pub subscriptions: usize,
    /// The octets that wait for it.
    pub waiting: usize,
}

/// Why nothing was pushed.
///
/// ```
/// use wireline::relay::{PushError, Relay};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let pushed = Relay::default().push("room 1", "said", "hello").await;
/// assert!(matches!(pushed, Err(PushError::Topic(_))), "a topic has no space in it");
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum PushError {
    /// The topic's name is none.
    Topic(InvalidTopic),
    /// The payload does not become JSON.
    Payload(serde_json::Error),
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(error) => error.fmt(f),
            Self::Payload(error) => write!(f, "the payload does not become JSON: {error}"),
        }
    }
}

impl std::error::Error for PushError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Topic(error) => Some(error),
            Self::Payload(error) => Some(error),
        }
    }
}
