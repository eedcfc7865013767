//! The relay as it is configured.

use crate::broker::Broker;
use crate::config::{Config, History};
use crate::sign_in::SignIn;
use std::time::Duration;
use wireline::relay::hub::{Retention, Topic};
use wireline::relay::{Rate, Relay, RelayConfig, RelayEvent, Unmatched};
use wireline::ws::origin::Policy;
use wireline::{Error, Router};

/// The relay, and its endpoints with the sign-in around them.
pub(crate) fn routes(config: &Config) -> Result<(Relay, Router), String> {
    let sign_in = SignIn::new(config)?;
    let mut relay = configured(config, &sign_in);
    if let Some(asked) = &config.backplane {
        relay = relay.shared_history(asked.shares_history);
        relay = Broker::of(asked)?.join(relay, &asked.prefix)?;
    }
    let relay = Relay::new(relay);
    let mut router = Router::new().relay(&relay);
    if let Some(auth) = sign_in.auth {
        router = router.layer(auth);
    }
    Ok((relay, router))
}

fn configured(config: &Config, sign_in: &SignIn) -> RelayConfig {
    let asked = &config.relay;
    let history = asked.history.clone();
    let rate =
        |per_second: u32, times| Some(Rate::new(per_second, per_second.saturating_mul(times)));
    let mut relay = RelayConfig::default()
        .with_path(asked.path.as_str())
        .sse("/sse")
        .poll("/poll")
        .origin(origins(&asked.origins))
        .message_rate(rate(asked.messages_per_second, 5))
        .octet_rate(rate(asked.octets_per_second, 4))
        .subscription_rate(rate(asked.subscriptions_per_second, 10))
        // What is long, and what subscribes to much, has room in these.
        .max_message(asked.max_message)
        .with_max_subscriptions(asked.max_subscriptions)
        .with_topic_capacity(asked.topic_capacity)
        .max_waiting(asked.max_waiting)
        .max_history(asked.max_history)
        .retention(move |topic| retention(&history, topic));
    if asked.rejects_unmatched {
        relay = relay.unmatched(Unmatched::Reject);
        for pattern in &asked.topics {
            relay = relay.channel(pattern, broadcast);
        }
    }
    if asked.presence {
        relay = relay.presence("*");
    }
    if let Some(tokens) = &sign_in.tokens {
        for pattern in &asked.token_topics {
            relay = relay.tokens(pattern, tokens.clone());
        }
    }
    if config.auth.required {
        relay
    } else {
        relay.public()
    }
}

/// What everybody may use: all who subscribe get what one of them sends, and so does he.
async fn broadcast(event: RelayEvent, relay: Relay) -> Result<(), Error> {
    if let RelayEvent::Message {
        topic,
        event,
        payload,
        ..
    } = event
    {
        relay
            .push(&topic, &event, &payload)
            .await
            .map_err(Error::internal)?;
    }
    Ok(())
}

fn origins(origins: &[String]) -> Policy {
    match origins {
        [] => Policy::default(),
        [one] if one == "any" => Policy::Any,
        [one] if one == "same-origin" => Policy::SameOrigin,
        list => Policy::own_and(list),
    }
}

/// What the first table whose pattern fits says.
fn retention(history: &[History], topic: &Topic) -> Retention {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => topic.as_str().starts_with(beginning),
        None => topic.as_str() == pattern,
    };
    let found = history.iter().find(|history| fits(&history.topics));
    found.map_or(Retention::NOTHING, |history| Retention {
        messages: history.messages,
        octets: history.octets,
        age: millis(history.age),
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_fits_counts() {
        let kept = |topics: &str, messages| History {
            topics: topics.to_owned(),
            messages,
            octets: 1,
            age: Duration::from_secs(1),
        };
        let history = [kept("room:1", 1), kept("room:*", 2), kept("room:2", 3)];
        for (topic, messages) in [("room:1", 1), ("room:2", 2), ("room:12", 2), ("rooms", 0)] {
            let retention = retention(&history, &Topic::new(topic).unwrap());
            assert_eq!(retention.messages, messages, "{topic}");
        }
        let everything = retention(&[kept("*", 7)], &Topic::new("a").unwrap());
        assert_eq!((everything.messages, everything.age), (7, 1000));
    }
}
