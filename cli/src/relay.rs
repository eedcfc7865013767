//! The relay as it is configured.

use crate::config::{Backplane, Config, History};
use crate::sign_in::SignIn;
use std::fmt::Display;
use std::time::Duration;
use wireline::relay::backplane::nats::Nats;
use wireline::relay::backplane::redis::Redis;
use wireline::relay::hub::{Retention, Topic};
use wireline::relay::{Rate, Relay, RelayConfig, RelayEvent, Unmatched};
use wireline::resource::redis::RedisServer;
use wireline::ws::origin::Policy;
use wireline::{Error, Router};

/// The relay, and its endpoints with the sign-in around them.
pub(crate) fn routes(config: &Config) -> Result<(Relay, Router), String> {
    let sign_in = SignIn::new(config)?;
    let mut relay = configured(config, &sign_in);
    if let Some(asked) = &config.backplane {
        relay = joined(relay, asked)?;
    }
    let relay = Relay::new(relay);
    let mut router = Router::new().relay(&relay);
    if let Some(auth) = sign_in.auth {
        router = router.layer(auth);
    }
    Ok((relay, router))
}

/// The relay as a part of the cluster that a broker makes.
fn joined(relay: RelayConfig, asked: &Backplane) -> Result<RelayConfig, String> {
    let wrong = |error: &dyn Display| format!("backplane: {error}");
    let read = |key: &str, file: &Option<String>| {
        let read = file.as_ref().map(std::fs::read).transpose();
        let file = file.as_deref().unwrap_or_default();
        read.map_err(|error| format!("{key}: {file}: {error}"))
    };
    let authorities = read("backplane_ca", &asked.authorities)?;
    let not_these = |error: &dyn Display| {
        let file = asked.authorities.as_deref().unwrap_or_default();
        format!("backplane_ca: {file}: {error}")
    };
    let relay = relay.shared_history(asked.shares_history);
    let is_nats = ["nats://", "tls://"]
        .iter()
        .any(|scheme| asked.address.starts_with(scheme));
    if is_nats {
        let mut nats = Nats::new(&asked.address).map_err(|error| wrong(&error))?;
        if let Some(pem) = authorities {
            nats = nats.roots(pem).map_err(|error| not_these(&error))?;
        }
        if let Some(secret) = read("backplane_credentials", &asked.credentials)? {
            let file = asked.credentials.as_deref().unwrap_or_default();
            let none = |error: &dyn Display| format!("backplane_credentials: {file}: {error}");
            let secret = String::from_utf8(secret).map_err(|error| none(&error.utf8_error()))?;
            nats = nats.credentials(secret).map_err(|error| none(&error))?;
        }
        return Ok(relay.backplane(nats.prefix(&asked.prefix)));
    }
    let mut server = RedisServer::new(&asked.address).map_err(|error| wrong(&error))?;
    if let Some(pem) = authorities {
        server = server.roots(pem).map_err(|error| not_these(&error))?;
    }
    let redis = Redis::at(server).prefix(&asked.prefix);
    Ok(relay.backplane(redis.map_err(|error| wrong(&error))?))
}

fn configured(config: &Config, sign_in: &SignIn) -> RelayConfig {
    let asked = &config.relay;
    let history = asked.history.clone();
    let rate = asked.messages_per_second;
    let mut relay = RelayConfig::default()
        .with_path(asked.path.as_str())
        .sse("/sse")
        .poll("/poll")
        .origin(origins(&asked.origins))
        .max_message(asked.max_message)
        .with_max_subscriptions(asked.max_subscriptions)
        .message_rate(Some(Rate::new(rate, rate.saturating_mul(5))))
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
