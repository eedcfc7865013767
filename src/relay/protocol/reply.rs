//! What the server says.

mod text;

pub use self::text::push_text;

use crate::relay::hub::{Present, Topic};
use serde_json::value::RawValue;

/// What a server says.
///
/// ```
/// use wireline::relay::hub::Topic;
/// use wireline::relay::protocol::Reply;
///
/// let topic = Topic::new("room:1").unwrap();
/// let lagged = Reply::Lagged { topic: &topic, missed: 3, counts: true, offsets: None };
/// assert_eq!(lagged.text(None), r#"{"type":"lagged","topic":"room:1","missed":3}"#);
/// ```
#[derive(Clone, Debug)]
pub enum Reply<'a> {
    /// `{"type":"subscribed","topic":"orders:new"}`
    Subscribed {
        /// The topic.
        topic: &'a Topic,
        /// Where it stands, for a client that asked.
        position: Option<Position>,
        /// What whoever let it subscribe says.
        reply: Option<&'a RawValue>,
        /// In how many seconds the subscription ends, if it does by itself.
        ttl: Option<u64>,
        /// What the client named it by.
        join: Option<u64>,
    },
    /// `{"type":"unsubscribed","topic":"orders:new"}`
    Unsubscribed {
        /// The topic.
        topic: &'a Topic,
        /// What the client named the subscription by.
        join: Option<u64>,
        /// A word for programs and one for people, when the client did not ask for it.
        reason: Option<(&'a str, &'a str)>,
    },
    /// `{"type":"push","topic":"orders:new","event":"placed","payload":{...}}`
    Push {
        /// The topic.
        topic: &'a Topic,
        /// The event.
        event: &'a str,
        /// What it carries.
        payload: &'a RawValue,
    },
    /// `{"type":"pong"}`
    Pong,
    /// `{"type":"ok"}`, to a message with a `ref`.
    Ok {
        /// In how many seconds the subscription ends that was refreshed.
        ttl: Option<u64>,
    },
    /// `{"type":"result","payload":3}`, to a call.
    Result {
        /// What it gives.
        payload: &'a RawValue,
    },
    /// `{"type":"hello","conn_id":7,"user":"ann"}`
    Hello {
        /// What tells the connection from all others.
        conn_id: u64,
        /// Who has signed in.
        user: Option<&'a str>,
    },
    /// `{"type":"error","message":"not subscribed to orders:new"}`
    Error {
        /// A word for programs, for a client that gave a `ref`.
        code: ErrorCode,
        /// The topic that it is about, for a client that gave a `ref`.
        topic: Option<&'a Topic>,
        /// What the client named the subscription by.
        join: Option<u64>,
        /// The words for people.
        message: &'a str,
    },
    /// `{"type":"lagged","topic":"orders:new","missed":3}`
    Lagged {
        /// The topic.
        topic: &'a Topic,
        /// How many pushes are missing where this stands.
        missed: u64,
        /// Whether they count; `"to":"all"` says that they do not.
        counts: bool,
        /// Which they are, if that is known: the epoch of the topic, the first offset, the last.
        offsets: Option<(u64, u64, u64)>,
    },
    /// `{"type":"skipped","topic":"orders:new","count":1}`
    Skipped {
        /// The topic.
        topic: &'a Topic,
        /// How many pushes were for everybody else.
        count: u64,
    },
    /// `{"type":"presence_state","topic":"room:1","members":[...]}`
    PresenceState {
        /// The topic.
        topic: &'a Topic,
        /// Who is present.
        members: &'a [Present],
        /// Whether there are more than these.
        more: bool,
    },
    /// `{"type":"presence_diff","topic":"room:1","joined":[...],"left":[...]}`
    PresenceDiff {
        /// The topic.
        topic: &'a Topic,
        /// Who has come, or is known by something else now.
        joined: &'a [Present],
        /// Who has gone.
        left: &'a [Present],
    },
}

/// Where a subscription begins: the push that comes next has the next offset, and so on.
///
/// ```
/// use wireline::relay::hub::Topic;
/// use wireline::relay::protocol::{Position, Reply};
///
/// let topic = Topic::new("room:1").unwrap();
/// let position = Some(Position { epoch: 3, offset: 41, recovered: true });
/// let begun = Reply::Subscribed { topic: &topic, position, reply: None, ttl: None, join: None };
/// let text = r#"{"type":"subscribed","topic":"room:1","epoch":3,"offset":41,"recovered":true}"#;
/// assert_eq!(begun.text(None), text);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The epoch of the topic.
    pub epoch: u64,
    /// The offset of the last push before those that follow.
    pub offset: u64,
    /// Whether nothing is missing of what the client asked for.
    pub recovered: bool,
}

/// What is wrong, as a word.
///
/// ```
/// use wireline::relay::protocol::ErrorCode;
///
/// assert_eq!(ErrorCode::RateLimited.as_str(), "rate_limited");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The message is none.
    InvalidMessage,
    /// There are too many subscriptions.
    SubscriptionLimit,
    /// Whoever decides has said no.
    JoinRejected,
    /// The topic is not subscribed to.
    NotSubscribed,
    /// Whoever takes the messages of the topic failed.
    HandlerError,
    /// Nobody takes messages of this topic.
    UnknownTopic,
    /// There were too many messages, or the client has subscribed too often.
    RateLimited,
    /// The topic wants a token.
    TokenRequired,
    /// The token is not good.
    InvalidToken,
    /// The token was good once.
    TokenExpired,
    /// There is no such method.
    UnknownMethod,
    /// The call took too long.
    DeadlineExceeded,
    /// The client has cancelled the call.
    Cancelled,
    /// There are too many calls already.
    TooManyCalls,
}

impl ErrorCode {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidMessage => "invalid_message",
            Self::SubscriptionLimit => "subscription_limit",
            Self::JoinRejected => "join_rejected",
            Self::NotSubscribed => "not_subscribed",
            Self::HandlerError => "handler_error",
            Self::UnknownTopic => "unknown_topic",
            Self::RateLimited => "rate_limited",
            Self::TokenRequired => "token_required",
            Self::InvalidToken => "invalid_token",
            Self::TokenExpired => "token_expired",
            Self::UnknownMethod => "unknown_method",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Cancelled => "cancelled",
            Self::TooManyCalls => "too_many_calls",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn plain_answers_have_nothing_but_what_they_always_had() {
        let topic = &Topic::new("chat:lobby").unwrap();
        let payload = &*raw(r#"{"total": 9.50}"#);
        for (reply, text) in [
            (
                Reply::Subscribed {
                    topic,
                    position: None,
                    reply: None,
                    ttl: None,
                    join: None,
                },
                r#"{"type":"subscribed","topic":"chat:lobby"}"#,
            ),
            (
                Reply::Unsubscribed {
                    topic,
                    join: None,
                    reason: None,
                },
                r#"{"type":"unsubscribed","topic":"chat:lobby"}"#,
            ),
            (
                Reply::Push {
                    topic,
                    event: "a\"b",
                    payload,
                },
                r#"{"type":"push","topic":"chat:lobby","event":"a\"b","payload":{"total": 9.50}}"#,
            ),
            (Reply::Pong, r#"{"type":"pong"}"#),
            (
                Reply::Error {
                    code: ErrorCode::NotSubscribed,
                    topic: Some(topic),
                    join: None,
                    message: "not subscribed to chat:lobby",
                },
                r#"{"type":"error","message":"not subscribed to chat:lobby"}"#,
            ),
        ] {
            assert_eq!(reply.text(None), text);
        }
    }

    #[test]
    fn what_was_asked_for_is_added() {
        let topic = &Topic::new("a").unwrap();
        let reference = raw("17");
        let position = Position {
            epoch: 5,
            offset: 2,
            recovered: true,
        };
        let ann = Present {
            member: 7,
            name: Some("ann".into()),
            meta: r#"{"age":3}"#.into(),
        };
        let bob = Present {
            member: 8,
            name: None,
            meta: "no JSON".into(),
        };
        for (reply, text) in [
            (
                Reply::Subscribed {
                    topic,
                    position: Some(position),
                    reply: Some(&reference),
                    ttl: Some(60),
                    join: Some(3),
                },
                r#"{"type":"subscribed","topic":"a","epoch":5,"offset":2,"recovered":true,"reply":17,"ttl":60,"join":3,"ref":17}"#,
            ),
            (Reply::Ok { ttl: None }, r#"{"type":"ok","ref":17}"#),
            (
                Reply::Unsubscribed {
                    topic,
                    join: Some(3),
                    reason: Some(("server", "unsubscribed by the server")),
                },
                r#"{"type":"unsubscribed","topic":"a","code":"server","message":"unsubscribed by the server","join":3,"ref":17}"#,
            ),
            (
                Reply::Result {
                    payload: &reference,
                },
                r#"{"type":"result","payload":17,"ref":17}"#,
            ),
            (
                Reply::Hello {
                    conn_id: 7,
                    user: Some("ann"),
                },
                r#"{"type":"hello","conn_id":7,"user":"ann","ref":17}"#,
            ),
            (
                Reply::Skipped { topic, count: 1 },
                r#"{"type":"skipped","topic":"a","count":1,"ref":17}"#,
            ),
            (
                Reply::Error {
                    code: ErrorCode::JoinRejected,
                    topic: Some(topic),
                    join: Some(3),
                    message: "join rejected: no",
                },
                r#"{"type":"error","topic":"a","code":"join_rejected","message":"join rejected: no","join":3,"ref":17}"#,
            ),
            (
                Reply::Lagged {
                    topic,
                    missed: 3,
                    counts: true,
                    offsets: None,
                },
                r#"{"type":"lagged","topic":"a","missed":3,"ref":17}"#,
            ),
            (
                Reply::Lagged {
                    topic,
                    missed: 3,
                    counts: true,
                    offsets: Some((5, 7, 9)),
                },
                r#"{"type":"lagged","topic":"a","missed":3,"epoch":5,"first":7,"last":9,"ref":17}"#,
            ),
            (
                Reply::Lagged {
                    topic,
                    missed: 3,
                    counts: false,
                    offsets: None,
                },
                r#"{"type":"lagged","topic":"a","missed":3,"to":"all","ref":17}"#,
            ),
            (
                Reply::PresenceDiff {
                    topic,
                    joined: &[ann],
                    left: &[bob],
                },
                r#"{"type":"presence_diff","topic":"a","joined":[{"conn_id":7,"user":"ann","meta":{"age":3}}],"left":[{"conn_id":8,"meta":"no JSON"}],"ref":17}"#,
            ),
        ] {
            assert_eq!(reply.text(Some(&reference)), text);
        }
    }
}
