//! Redis Sentinels, which say where their master is.

use crate::resource::redis::{Connection, Pushes, RedisError, RedisServer};
use redis::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Those that watch over a master, and what they call it.
#[derive(Clone, Debug)]
pub(super) struct Sentinels {
    places: Arc<[(String, u16)]>,
    master: Arc<str>,
}

impl Sentinels {
    /// Reads `[user][:password@]host[:port][,host[:port]]/master[/database][?sentinel=user:password]`; gives besides what says in a URL
    /// who we are to the master, and what says it to the Sentinels.
    pub(super) fn read(rest: &str) -> Result<(Self, String, Option<String>), RedisError> {
        let wrong = |why: &str| Err(RedisError::new(format_args!("a URL of Sentinels {why}")));
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let to_them = match query.map(|query| query.strip_prefix("sentinel=")) {
            None => None,
            Some(Some(who)) if who.contains(':') && !who.contains(['@', '/', '&']) => {
                Some(format!("{who}@localhost"))
            }
            Some(_) => return wrong("has sentinel=USER:PASSWORD behind a ?, if anything"),
        };
        let (who, rest) = match rest.rsplit_once('@') {
            Some((who, rest)) => (format!("{who}@"), rest),
            None => (String::new(), rest),
        };
        let Some((hosts, rest)) = rest.split_once('/') else {
            return wrong("has the name of a master behind the hosts");
        };
        let (master, database) = rest.split_once('/').unwrap_or((rest, ""));
        let is_allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        if master.is_empty() || !master.bytes().all(is_allowed) {
            return wrong("has a name of a master of letters, digits and - _ .");
        }
        if !database.bytes().all(|octet| octet.is_ascii_digit()) {
            return wrong("has a number behind the master, if anything");
        }
        let Some(places) = hosts.split(',').map(|host| place(host, PORT)).collect() else {
            return wrong("has hosts, maybe with ports, with commas between them");
        };
        let sentinels = Self {
            places,
            master: master.into(),
        };
        // The host is of no importance.
        Ok((sentinels, format!("{who}localhost/{database}"), to_them))
    }

    /// Connects to the master that the first of them knows, if it is there and is one; else to that of the next.
    pub(super) async fn connect(
        &self,
        server: &RedisServer,
    ) -> Result<(Connection, Pushes), RedisError> {
        let mut why = RedisError::new("there is no Sentinel");
        for (host, port) in &*self.places {
            let found = async {
                let (host, port) = within(ASKING, self.ask(server, host, *port)).await?;
                within(CONNECTING, connect_to_master(server, &host, port)).await
            };
            match found.await {
                Ok(connected) => return Ok(connected),
                Err(error) => {
                    let told = format_args!("by the Sentinel at {host}:{port}: {error}");
                    why = RedisError::new(told);
                }
            }
        }
        Err(why)
    }

    /// Where the master is.
    async fn ask(
        &self,
        server: &RedisServer,
        host: &str,
        port: u16,
    ) -> Result<(String, u16), RedisError> {
        let (connection, _pushes) = server.connect_to_sentinel(host, port).await?;
        let mut question = redis::pipe();
        let asked = question.cmd("SENTINEL").arg("get-master-addr-by-name");
        asked.arg(&*self.master);
        let answer = connection.ask(&question).await?.pop();
        match answer {
            Some(Value::Array(parts)) => {
                let mut parts = parts.iter().filter_map(text);
                let place = parts.next().zip(parts.next().and_then(as_port));
                let place = place.map(|(host, port)| (host.to_owned(), port));
                place.ok_or_else(|| RedisError::new("what it answers is not understood"))
            }
            Some(Value::ServerError(error)) => Err(RedisError::new(error)),
            _ => Err(RedisError::new("it knows no such master")),
        }
    }
}

async fn within<T>(
    time: Duration,
    asked: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    let done = timeout(time, asked).await;
    done.unwrap_or_else(|_| Err(RedisError::new(format_args!("no answer in {time:?}"))))
}

/// One that was replaced may not know it yet, and a Sentinel neither.
async fn connect_to_master(
    server: &RedisServer,
    host: &str,
    port: u16,
) -> Result<(Connection, Pushes), RedisError> {
    let connected = server.connect_to(host, port).await?;
    let mut question = redis::pipe();
    question.cmd("INFO").arg("replication");
    let answers = connected.0.ask(&question).await?;
    let about = answers.first().and_then(text).unwrap_or_default();
    if about.lines().any(|line| line.trim_end() == "role:master") {
        return Ok(connected);
    }
    Err(RedisError::new(format_args!(
        "{host}:{port} is no master, or does not say so"
    )))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(octets) => str::from_utf8(octets).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// A host, and its port or that one.
pub(super) fn place(text: &str, port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !text.ends_with(']') => (host, as_port(port)?),
        _ => (text, port),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match bare {
        Some(address) => address.contains(':').then(|| (address.to_owned(), port)),
        None => (!host.is_empty() && host.chars().all(is_plain)).then(|| (host.to_owned(), port)),
    }
}

pub(super) fn as_port(text: &str) -> Option<u16> {
    let port = text.bytes().try_fold(0_u16, |port, octet| {
        let digit = char::from(octet).to_digit(10)?;
        port.checked_mul(10)?.checked_add(digit.try_into().ok()?)
    });
    port.filter(|port| *port != 0)
}

/// Where Sentinels listen.
const PORT: u16 = 26379;

/// For one Sentinel, and for the master that it names: a whole connection has 5 s.
const ASKING: Duration = Duration::from_secs(1);
const CONNECTING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_master_and_database_are_read_and_who_we_are_goes_on() {
        let (found, plain, _) =
            Sentinels::read("ada:a%40b@one,two:7,[::1]:8,[::2]/my-master/3").unwrap();
        let places = found.places.iter().map(|(host, port)| (&**host, *port));
        let expected = [("one", 26379), ("two", 7), ("::1", 8), ("::2", 26379)];
        assert_eq!(places.collect::<Vec<_>>(), expected);
        assert_eq!(
            (&*found.master, &*plain),
            ("my-master", "ada:a%40b@localhost/3")
        );
        let server = RedisServer::new("redis+sentinel://:secret@one/m").unwrap();
        let shown = format!("{server:?}");
        assert!(
            shown.contains("one") && !shown.contains("secret"),
            "{shown}"
        );
        let url = "redis+sentinel://:secret@one/m?sentinel=watcher:hid%40den";
        let server = RedisServer::new(url).unwrap();
        let watchers = server.watchers.as_ref().unwrap();
        let who = (watchers.username(), watchers.password());
        assert_eq!(who, (Some("watcher"), Some("hid@den")));
        let shown = format!("{server:?}");
        assert!(
            !shown.contains("hid") && !shown.contains("secret"),
            "{shown}"
        );
        for url in [
            "one/m?sentinel=",
            "one/m?sentinel=secret",
            "one/m?sentinel=a:b&sentinel=c:d",
            "one/m?sentinel=a:b@c",
            "",
            "one",
            "one/",
            "/m",
            "one,/m",
            "one:0/m",
            "one:65536/m",
            "one:x/m",
            "one/m m",
            "one/m/x",
            "[one]/m",
            "o ne/m",
            "one/m?a=b",
            "one/m/1/2",
        ] {
            assert!(
                RedisServer::new(&format!("redis+sentinel://{url}")).is_err(),
                "{url}"
            );
        }
    }
}
