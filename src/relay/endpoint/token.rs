//! Signed leave to subscribe.

use super::config::RelayConfig;
use super::payload::Payload;
use crate::layer::auth::{Verdict, VerifyToken};
use crate::relay::hub::Topic;
use crate::relay::protocol::ErrorCode;
use crate::service::user::CurrentUser;
use std::pin::Pin;
use std::sync::Arc;
use tokio::time::Instant;

/// What a client sends.
pub(super) type Token = String;

/// Who a token is for.
pub(super) type Judging = Pin<Box<dyn Future<Output = Result<CurrentUser, String>> + Send>>;

/// Who tells whom tokens are for.
#[derive(Clone)]
pub(super) struct Judge {
    pub(super) judge: Arc<dyn Fn(Token) -> Judging + Send + Sync>,
    /// Whether its tokens say which topic they are for.
    pub(super) is_claimed: bool,
}

/// What a token gives.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) until: Option<Instant>,
    pub(super) meta: Option<Payload>,
}

/// Judges a token for a topic; `own` is the user who has opened the connection.
pub(super) async fn grant(
    judge: &Judge,
    token: Option<Token>,
    own: Option<&str>,
    topic: &Topic,
) -> Result<Grant, (ErrorCode, String)> {
    let Some(token) = token else {
        let message = format!("{topic} wants a token");
        return Err((ErrorCode::TokenRequired, message));
    };
    let invalid = |why: &str| (ErrorCode::InvalidToken, format!("invalid token: {why}"));
    if token.len() > LONGEST {
        return Err(invalid("it is too long"));
    }
    let user = (judge.judge)(token).await.map_err(|why| invalid(&why))?;
    if own.is_some_and(|own| own != user.id()) {
        return Err(invalid("it is for another user"));
    }
    let claims = user.claims();
    let names_it = match claims.get("topic") {
        Some(pattern) => pattern
            .as_str()
            .is_some_and(|pattern| covers(pattern, topic)),
        // A judge that knows no claims has judged by itself.
        None => !judge.is_claimed && claims.is_null(),
    };
    if !names_it {
        return Err(invalid("it is for another topic"));
    }
    let until = user.deadline();
    if until.is_some_and(|until| until <= Instant::now()) {
        return Err((ErrorCode::TokenExpired, "token expired".to_owned()));
    }
    let meta = claims.get("meta").map(Payload::new);
    let meta = meta.transpose().map_err(|_| invalid("its meta"))?;
    Ok(Grant { until, meta })
}

fn covers(pattern: &str, topic: &Topic) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => topic.as_str().starts_with(prefix),
        None => topic.as_str() == pattern,
    }
}

impl RelayConfig {
    /// These topics want a token that this verifies, by a [`VerifyToken`]: its claims must name the
    /// topic, or a beginning with `*` behind it, as `topic`; with `exp` the subscription ends then. `pattern` is as for
    /// [`channel`](Self::channel).
    #[must_use]
    pub fn tokens(self, pattern: &str, verify: impl VerifyToken) -> Self {
        let verify = Arc::new(verify);
        self.judged_by(pattern, true, move |token| {
            let verdict = verify.verify(&token);
            async move {
                let refused = |why: &str| Err(why.to_owned());
                match verdict {
                    Verdict::User(user) => Ok(user),
                    Verdict::Absent => refused("it is of another kind"),
                    Verdict::Refused(refusal) => refused(refusal.message()),
                    Verdict::Wait(verifying) => verifying
                        .await
                        .map_err(|refusal| refusal.message().to_owned()),
                }
            }
        })
    }
}

/// The longest token, as for `Authorization`.
const LONGEST: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_a_topic_or_for_a_beginning() {
        for (pattern, name, is_for_it) in [
            ("room:1", "room:1", true),
            ("room:1", "room:11", false),
            ("room:*", "room:1", true),
            ("room:*", "rooms", false),
            ("*", "anything", true),
            ("", "a", false),
        ] {
            let topic = Topic::new(name).unwrap();
            assert_eq!(covers(pattern, &topic), is_for_it, "{pattern} {name}");
        }
    }
}
