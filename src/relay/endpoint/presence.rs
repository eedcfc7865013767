//! Who is present in a topic.

use super::Relay;
use super::directory::Link;
use super::payload::Payload;
use super::push::{IntoTopic, PushError};
use crate::relay::hub::{Change, Present, Topic};
use crate::relay::protocol::Reply;
use crate::ws::prepared::Prepared;
use serde::Serialize;
use std::slice;
use std::sync::Arc;

/// A connection that is present in a topic.
///
/// ```
/// use wireline::relay::Relay;
///
/// fn names(relay: &Relay, room: &str) -> Vec<String> {
///     let present = relay.presence(room).into_iter();
///     present.map(|entry| entry.user.unwrap_or_else(|| format!("guest {}", entry.conn_id))).collect()
/// }
/// assert!(names(&Relay::default(), "room:1").is_empty());
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PresenceEntry {
    /// The connection.
    pub conn_id: u64,
    /// The id of its user; the same for all of a user's devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What others should know of it.
    pub meta: Payload,
}

impl Relay {
    /// Says that a connection is present in a topic, with what others should know of it; a second call changes that. It ends by
    /// itself when the connection unsubscribes from the topic, or ends. `false` for a connection that is not there.
    ///
    /// # Errors
    ///
    /// When the topic's name is none, or `meta` does not become JSON.
    pub fn track<T: Serialize + ?Sized>(
        &self,
        topic: impl IntoTopic,
        conn_id: u64,
        meta: &T,
    ) -> Result<bool, PushError> {
        let topic = topic.into_topic().map_err(PushError::Topic)?;
        let meta = serde_json::to_string(meta).map_err(PushError::Payload)?;
        let link = self.inner.directory.get(conn_id);
        Ok(link.is_some_and(|link| self.track_link(&link, &topic, meta.into())))
    }

    /// Says that a connection is no longer present in a topic. `false` when it was not.
    ///
    /// # Errors
    ///
    /// When the topic's name is none.
    pub fn untrack(&self, topic: impl IntoTopic, conn_id: u64) -> Result<bool, PushError> {
        let topic = topic.into_topic().map_err(PushError::Topic)?;
        let link = self.inner.directory.get(conn_id);
        Ok(link.is_some_and(|link| self.untrack_link(&link, &topic)))
    }

    /// Who is present in a topic, by connection; nobody in one whose name is none.
    ///
    /// ```
    /// use wireline::extract::{Json, Path};
    /// use wireline::relay::{PresenceEntry, Relay, RelayConfig};
    /// use wireline::Router;
    ///
    /// async fn members(relay: Relay, Path(room): Path<String>) -> Json<Vec<PresenceEntry>> {
    ///     Json(relay.presence(format!("room:{room}")))
    /// }
    /// let routes = Router::new().get("/rooms/{room}/members", members).with_relay(RelayConfig::default());
    /// assert!(routes.build().is_ok());
    /// ```
    pub fn presence(&self, topic: impl IntoTopic) -> Vec<PresenceEntry> {
        let Ok(topic) = topic.into_topic() else {
            return Vec::new();
        };
        let present = self.inner.hub.present(&topic).into_iter();
        present
            .map(|present| PresenceEntry {
                conn_id: present.member,
                user: present.name.as_deref().map(str::to_owned),
                meta: serde_json::from_str(&present.meta).unwrap_or_default(),
            })
            .collect()
    }

    /// How many connections are present in a topic.
    pub fn presence_count(&self, topic: impl IntoTopic) -> usize {
        let topic = topic.into_topic();
        topic.map_or(0, |topic| self.inner.hub.present_count(&topic))
    }

    /// How many users are present in a topic: one with several devices counts once, and a connection without a user is one.
    pub fn presence_users(&self, topic: impl IntoTopic) -> usize {
        let topic = topic.into_topic();
        topic.map_or(0, |topic| self.inner.hub.present_names(&topic))
    }

    pub(super) fn track_link(&self, link: &Link, topic: &Topic, meta: Arc<str>) -> bool {
        link.track(topic, || {
            let present = Present {
                member: link.outlet.id(),
                name: link.user.clone(),
                meta,
            };
            let told = |change: &Change| difference(topic, change);
            let shown = self.is_clustered().then(|| present.clone());
            self.inner.hub.track(topic, present, self.now(), told);
            if let Some(present) = shown {
                self.tell_present(topic, &present);
            }
        })
    }

    pub(super) fn untrack_link(&self, link: &Link, topic: &Topic) -> bool {
        link.untrack(topic, || self.absent(link, topic))
    }

    /// A connection has gone: it is present nowhere.
    pub(super) fn untrack_everywhere(&self, link: &Link) {
        for topic in link.leave() {
            self.absent(link, &topic);
        }
    }

    fn absent(&self, link: &Link, topic: &Topic) {
        let told = |change: &Change| difference(topic, change);
        let member = link.outlet.id();
        self.inner.hub.untrack(topic, member, self.now(), told);
        self.tell_absent(topic, member);
    }
}

/// What those are told who watch.
pub(super) fn difference(topic: &Topic, change: &Change) -> Prepared {
    let (joined, left) = match change {
        Change::Joined { present, .. } | Change::Updated(present) => {
            (slice::from_ref(present), &[][..])
        }
        Change::Left { present, .. } => (&[][..], slice::from_ref(present)),
    };
    let reply = Reply::PresenceDiff {
        topic,
        joined,
        left,
    };
    Prepared::text(&reply.text(None))
}
