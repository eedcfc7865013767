//! The broker that connects this node with others.

use crate::config::Backplane;
use std::fmt::Display;
use wireline::relay::RelayConfig;
use wireline::relay::backplane::nats::Nats;
use wireline::relay::backplane::redis::Redis;
use wireline::resource::redis::RedisServer;
use wireline::socketio::adapter::{BackplaneAdapter, RedisAdapter};
use wireline::socketio::server::SocketIo;

/// Where it is, and how it is believed.
pub(crate) enum Broker {
    Redis(RedisServer),
    Nats(Nats),
}

impl Broker {
    pub(crate) fn of(asked: &Backplane) -> Result<Self, String> {
        let authorities = asked.authorities.as_deref();
        let not_these = |error: &dyn Display| {
            let file = asked.authorities.as_deref().unwrap_or_default();
            format!("backplane_ca: {file}: {error}")
        };
        if asked.is_nats() {
            let mut nats = Nats::new(&asked.address).map_err(|error| wrong(&error))?;
            if let Some(file) = authorities {
                nats = nats.roots_file(file).map_err(|error| not_these(&error))?;
            }
            if let Some(secret) = read("backplane_credentials", asked.credentials.as_deref())? {
                let file = asked.credentials.as_deref().unwrap_or_default();
                let none = |error: &dyn Display| format!("backplane_credentials: {file}: {error}");
                let secret =
                    String::from_utf8(secret).map_err(|error| none(&error.utf8_error()))?;
                nats = nats.credentials(secret).map_err(|error| none(&error))?;
            }
            return Ok(Self::Nats(nats));
        }
        let mut server = RedisServer::new(&asked.address).map_err(|error| wrong(&error))?;
        if let Some(file) = authorities {
            server = server.roots_file(file).map_err(|error| not_these(&error))?;
        }
        Ok(Self::Redis(server))
    }

    /// The relay as a part of the cluster.
    pub(crate) fn join(self, relay: RelayConfig, prefix: &str) -> Result<RelayConfig, String> {
        Ok(match self {
            Self::Nats(nats) => relay.backplane(nats.prefix(prefix)),
            Self::Redis(server) => relay.backplane(redis(server, prefix)?),
        })
    }

    /// The rooms of Socket.IO as those of all nodes. They have a prefix of their own, since a relay does not take the words of others.
    pub(crate) fn share_rooms(self, io: &SocketIo, prefix: &str) -> Result<(), String> {
        match self {
            Self::Nats(nats) => {
                let nats = nats.prefix(&format!("{prefix}-socketio"));
                io.set_adapter(BackplaneAdapter::new(nats));
            }
            Self::Redis(server) => {
                // Within what a user may do whose channels begin with `{prefix:`.
                let redis = redis(server, &format!("{prefix}:socketio"))?;
                io.set_adapter(BackplaneAdapter::new(redis));
            }
        }
        Ok(())
    }

    /// The same in the channels of npm's `@socket.io/redis-adapter`.
    pub(crate) fn share_rooms_with_npm(self, io: &SocketIo, key: &str) -> Result<(), String> {
        match self {
            Self::Redis(server) => {
                io.set_adapter(RedisAdapter::at(server).prefix(key));
                Ok(())
            }
            Self::Nats(_) => {
                Err("socketio.adapter: npm's channels are those of a Redis".to_owned())
            }
        }
    }
}

fn redis(server: RedisServer, prefix: &str) -> Result<Redis, String> {
    Redis::at(server)
        .prefix(prefix)
        .map_err(|error| wrong(&error))
}

fn wrong(error: &dyn Display) -> String {
    format!("backplane: {error}")
}

/// What stands in a file that a setting names.
fn read(key: &str, file: Option<&str>) -> Result<Option<Vec<u8>>, String> {
    let read = file.map(std::fs::read).transpose();
    read.map_err(|error| format!("{key}: {}: {error}", file.unwrap_or_default()))
}
