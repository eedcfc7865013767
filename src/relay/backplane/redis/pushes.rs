//! What comes of subscriptions.

use crate::relay::backplane::redis::names::Names;
use crate::relay::backplane::redis::nobody;
use crate::relay::backplane::{Channel, Event};
use crate::resource::redis::{Connection, Pushes, RedisError};
use crate::wire::number::decimal;
use bytes::{Buf, Bytes};
use redis::{PushInfo, PushKind, Value};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Passes on what is pushed, and asks again and again whether the server is there; gives why it ended.
pub(super) async fn relay(
    mut pushes: Pushes,
    subscriber: Arc<Connection>,
    names: Names,
    left: Arc<Left>,
    events: mpsc::Sender<Event>,
) -> RedisError {
    let mut taken = Taken {
        names,
        left,
        channels: HashMap::new(),
    };
    let passed_on = async move {
        while let Some(push) = pushes.next().await {
            match taken.event(push) {
                Ok(None) => {}
                Ok(Some(event)) => {
                    if events.send(event).await.is_err() {
                        return nobody();
                    }
                }
                Err(why) => return why,
            }
        }
        RedisError::new("the connection for subscriptions has ended")
    };
    let asked = async move {
        loop {
            sleep(PAUSE).await;
            let mut ping = redis::pipe();
            ping.cmd("PING");
            if let Err(why) = subscriber.ask(&ping).await {
                return why;
            }
        }
    };
    let (mut passed_on, mut asked) = (pin!(passed_on), pin!(asked));
    std::future::poll_fn(|cx| {
        let ended = passed_on.as_mut().poll(cx);
        if ended.is_ready() {
            return ended;
        }
        asked.as_mut().poll(cx)
    })
    .await
}

/// The names of channels that were given up and have not been confirmed yet, with how often: a server that gives one up by itself is
/// told from one that was asked to.
#[derive(Debug, Default)]
pub(super) struct Left(Mutex<HashMap<Vec<u8>, u32>>);

impl Left {
    pub(super) fn leave(&self, name: &str) {
        *self.lock().entry(name.as_bytes().to_vec()).or_default() += 1;
    }

    fn has_left(&self, name: &[u8]) -> bool {
        let mut left = self.lock();
        let Some(count) = left.get_mut(name) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            left.remove(name);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The channels that are taken, by their names.
struct Taken {
    names: Names,
    left: Arc<Left>,
    channels: HashMap<Vec<u8>, Channel>,
}

impl Taken {
    /// What a push means.
    fn event(&mut self, push: PushInfo) -> Result<Option<Event>, RedisError> {
        let mut parts = push.data.into_iter().map(|part| match part {
            Value::BulkString(octets) => Some(octets),
            _ => None,
        });
        let mut part = || parts.next().flatten();
        match push.kind {
            PushKind::Message | PushKind::SMessage => {
                let (Some(name), Some(message)) = (part(), part()) else {
                    return Err(RedisError::new("a message has no channel, or no content"));
                };
                // Of a channel that was given up meanwhile.
                let Some(channel) = self.channels.get(&name) else {
                    return Ok(None);
                };
                let (position, message) = unwrap(message.into());
                Ok(Some(Event::Message {
                    channel: channel.clone(),
                    position,
                    message,
                }))
            }
            PushKind::Subscribe | PushKind::SSubscribe => {
                let name = part().unwrap_or_default();
                let Some(channel) = self.names.read(&name) else {
                    return Err(RedisError::new("a channel was taken that nobody wanted"));
                };
                self.channels.insert(name, channel.clone());
                Ok(Some(Event::Subscribed(channel)))
            }
            PushKind::Unsubscribe | PushKind::SUnsubscribe => {
                let name = part().unwrap_or_default();
                self.channels.remove(&name);
                if self.left.has_left(&name) {
                    return Ok(None);
                }
                // Its slot is another server's now, and nothing more comes from this one.
                Err(RedisError::new("a channel was taken away"))
            }
            PushKind::Disconnection => Err(RedisError::new(
                "the connection for subscriptions has ended",
            )),
            _ => Ok(None),
        }
    }
}

/// Takes the position off an envelope, which never begins with a digit.
fn unwrap(mut message: Bytes) -> (Option<(u64, u64)>, Bytes) {
    match position(&message) {
        Some((epoch, offset, octets)) => {
            message.advance(octets);
            (Some((epoch, offset)), message)
        }
        None => (None, message),
    }
}

/// `epoch:offset:`, and how long that is.
fn position(message: &[u8]) -> Option<(u64, u64, usize)> {
    let mut parts = message.splitn(3, |octet| *octet == b':');
    let (epoch, offset) = (parts.next()?, parts.next()?);
    parts.next()?;
    let octets = epoch.len() + offset.len() + 2;
    Some((decimal(epoch)?, decimal(offset)?, octets))
}

/// Between two questions whether the server is there.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_told_from_envelopes() {
        let at = |message: &'static str| unwrap(message.into());
        assert_eq!(at("7:9:W..."), (Some((7, 9)), "W...".into()));
        assert_eq!(at("7:9::8:"), (Some((7, 9)), ":8:".into()));
        for message in [
            "",
            "W7:9:x",
            "7:9",
            ":9:x",
            "7::x",
            "7:99999999999999999999:x",
            "7:-9:x",
        ] {
            assert_eq!(at(message), (None, message.into()));
        }
    }
}
