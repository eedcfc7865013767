//! Redis Cluster: which server has which keys.

use crate::resource::redis::sentinel::{as_port, place};
use crate::resource::redis::{Address, Connection, Pushes, RedisError, RedisServer};
use redis::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Some servers of a cluster, each of which knows the others.
pub(super) type Seeds = Arc<[(String, u16)]>;

/// What a cluster is asked for: two connections to each server that has slots, and which those are.
#[allow(dead_code, reason = "only the relay asks, and it is optional")]
pub(crate) struct Spread {
    pub(crate) slots: Slots,
    pub(crate) servers: Vec<[(Connection, Pushes); 2]>,
}

/// Which server has which slots, by its place among the servers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    /// The first and the last slot, lowest first, without a hole.
    ranges: Vec<(u16, u16, usize)>,
}

impl Slots {
    /// All of them are one server's.
    #[allow(dead_code, reason = "only the relay asks, and it is optional")]
    pub(crate) fn of_one() -> Self {
        Self {
            ranges: vec![(0, COUNT - 1, 0)],
        }
    }

    /// The place of the server that has a key.
    #[allow(dead_code, reason = "only the relay asks, and it is optional")]
    pub(crate) fn of(&self, key: &[u8]) -> usize {
        let slot = slot(key);
        let at = self.ranges.partition_point(|(_, last, _)| *last < slot);
        self.ranges.get(at).map_or(0, |(.., server)| *server)
    }

    /// What `CLUSTER SLOTS` answers, asked at `host`, and where the servers are.
    fn read(answer: &Value, host: &str) -> Option<(Self, Vec<(String, u16)>)> {
        let Value::Array(said) = answer else {
            return None;
        };
        let (mut ranges, mut servers) = (Vec::new(), Vec::new());
        for range in said {
            let Value::Array(parts) = range else {
                return None;
            };
            let [first, last, Value::Array(master), ..] = &parts[..] else {
                return None;
            };
            let server = match &master[..] {
                // It need not know its own address.
                [Value::Nil, port, ..] => (host.to_owned(), number(port)?),
                [Value::BulkString(name), port, ..] if name.is_empty() => {
                    (host.to_owned(), number(port)?)
                }
                [Value::BulkString(name), port, ..] => {
                    (str::from_utf8(name).ok()?.to_owned(), number(port)?)
                }
                _ => return None,
            };
            let at = servers.iter().position(|known| *known == server);
            let at = at.unwrap_or(servers.len());
            if at == servers.len() {
                servers.push(server);
            }
            ranges.push((number(first)?, number(last)?, at));
        }
        ranges.sort_unstable();
        let mut next = 0;
        for (first, last, _) in &ranges {
            if *first != next || last < first {
                return None;
            }
            next = last.checked_add(1)?;
        }
        (next == COUNT && servers.len() <= MOST_SERVERS).then_some((Self { ranges }, servers))
    }
}

impl RedisServer {
    /// Whether it is a cluster, to be reached with [`spread`](Self::spread).
    #[allow(dead_code, reason = "only the relay asks, and it is optional")]
    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self.address, Address::Cluster(_))
    }

    /// Reads `[user][:password@]host[:port][,host[:port]]`; gives besides what says in a URL who we are.
    pub(super) fn seeds(rest: &str) -> Result<(Seeds, String), RedisError> {
        let (who, hosts) = match rest.rsplit_once('@') {
            Some((who, hosts)) => (format!("{who}@"), hosts),
            None => (String::new(), rest),
        };
        let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
        let places: Option<Vec<_>> = hosts.split(',').map(|host| place(host, PORT)).collect();
        let places = places.ok_or_else(|| {
            RedisError::new("a URL of a cluster has hosts, maybe with ports, with commas between")
        })?;
        Ok((places.into(), format!("{who}localhost")))
    }

    /// Connects to each server of a cluster, twice, as the first of the seeds says that answers.
    #[allow(dead_code, reason = "only the relay asks, and it is optional")]
    pub(crate) async fn spread(&self) -> Result<Spread, RedisError> {
        self.spread_within(PATIENCE).await
    }

    async fn spread_within(&self, patience: Duration) -> Result<Spread, RedisError> {
        let mut why = RedisError::new("this is no cluster");
        let Address::Cluster(seeds) = &self.address else {
            return Err(why);
        };
        for (host, port) in &**seeds {
            match self.spread_from(host, *port, patience).await {
                Ok(spread) => return Ok(spread),
                Err(error) => {
                    why = RedisError::new(format_args!("by the server at {host}:{port}: {error}"));
                }
            }
        }
        Err(why)
    }

    async fn spread_from(
        &self,
        host: &str,
        port: u16,
        patience: Duration,
    ) -> Result<Spread, RedisError> {
        let (connection, _pushes) = self.connect_within(host, port, patience).await?;
        let mut question = redis::pipe();
        question.cmd("CLUSTER").arg("SLOTS");
        let answer = connection.ask(&question).await?.pop();
        if let Some(Value::ServerError(error)) = answer {
            return Err(RedisError::new(error));
        }
        let read = answer.and_then(|answer| Slots::read(&answer, host));
        let (slots, places) =
            read.ok_or_else(|| RedisError::new("not every slot has a server that is known"))?;
        let servers = self.connect_to_all(places, patience).await?;
        Ok(Spread { slots, servers })
    }

    /// Connects twice to each server, to some of them side by side: one that is far away, or does not answer, keeps the others waiting
    /// once, and nobody is overrun by all at once. The first that cannot be reached ends it for all.
    async fn connect_to_all(
        &self,
        places: Vec<(String, u16)>,
        patience: Duration,
    ) -> Result<Vec<[(Connection, Pushes); 2]>, RedisError> {
        let mut servers: Vec<_> = places.iter().map(|_| None).collect();
        let mut places = places.into_iter().enumerate();
        let mut connecting = JoinSet::new();
        loop {
            while connecting.len() < SIDE_BY_SIDE
                && let Some((at, (host, port))) = places.next()
            {
                let server = self.clone();
                connecting.spawn(async move {
                    let first = server.connect_within(&host, port, patience).await?;
                    let second = server.connect_within(&host, port, patience).await?;
                    Ok((at, [first, second]))
                });
            }
            let Some(connected) = connecting.join_next().await else {
                return Ok(servers.into_iter().flatten().collect());
            };
            let (at, pair) = connected.map_err(RedisError::new)??;
            if let Some(place) = servers.get_mut(at) {
                *place = Some(pair);
            }
        }
    }

    /// Each connection has its own time: how many there are, and how far away, is the cluster's business.
    async fn connect_within(
        &self,
        host: &str,
        port: u16,
        patience: Duration,
    ) -> Result<(Connection, Pushes), RedisError> {
        let connected = timeout(patience, self.connect_to(host, port)).await;
        connected.unwrap_or_else(|_| {
            let why = format_args!("no answer of {host}:{port} in {patience:?}");
            Err(RedisError::new(why))
        })
    }
}

/// The slot of a key: what stands in its first braces, if anything does, counts alone.
fn slot(key: &[u8]) -> u16 {
    let tag = key
        .iter()
        .position(|octet| *octet == b'{')
        .and_then(|open| {
            let behind = key.get(open + 1..)?;
            let length = behind.iter().position(|octet| *octet == b'}')?;
            behind.get(..length).filter(|tag| !tag.is_empty())
        });
    checksum(tag.unwrap_or(key)) % COUNT
}

/// CRC-16 as XMODEM has it, which is what Redis Cluster takes.
fn checksum(octets: &[u8]) -> u16 {
    octets.iter().fold(0, |sum, octet| {
        (0..8).fold(sum ^ (u16::from(*octet) << 8), |sum, _| {
            let is_over = sum & 0x8000 != 0;
            (sum << 1) ^ if is_over { 0x1021 } else { 0 }
        })
    })
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        Value::BulkString(text) => as_port(str::from_utf8(text).ok()?),
        _ => None,
    }
}

/// How many slots there are.
const COUNT: u16 = 16_384;

/// Where servers listen.
const PORT: u16 = 6379;

/// The servers with slots that a node connects to at most.
const MOST_SERVERS: usize = 256;

/// The servers that are connected to at a time.
const SIDE_BY_SIDE: usize = 16;

/// For one connection.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::number::decimal;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(checksum(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
        // Braces with nothing between them mean nothing, and the first ones count.
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"));
        assert_eq!(slot(b"foo{{bar}}"), slot(b"{bar"));
        assert_eq!(slot(b"{a}:log"), slot(b"{a}:meta"));
    }

    #[test]
    fn every_slot_has_a_server_or_there_is_no_cluster() {
        let text = |text: &str| Value::BulkString(text.into());
        let range = |first, last, host: Value, port| {
            let master = Value::Array(vec![host, Value::Int(port), text("id")]);
            Value::Array(vec![Value::Int(first), Value::Int(last), master])
        };
        let said = Value::Array(vec![
            range(5_000, 16_383, text("b"), 7001),
            range(0, 99, Value::Nil, 7000),
            range(100, 4_999, text("b"), 7001),
        ]);
        let (slots, servers) = Slots::read(&said, "seed").unwrap();
        assert_eq!(servers, [("b".to_owned(), 7001), ("seed".to_owned(), 7000)]);
        assert_eq!(
            slots.ranges,
            [(0, 99, 1), (100, 4_999, 0), (5_000, 16_383, 0)]
        );
        for key in 0..1_000_u32 {
            let key = key.to_string();
            assert_eq!(slots.of(key.as_bytes()) == 1, slot(key.as_bytes()) < 100);
            assert_eq!(Slots::of_one().of(key.as_bytes()), 0);
        }
        for (first, last) in [(0, 16_382), (1, 16_383), (0, 16_384), (3, 2)] {
            let said = Value::Array(vec![range(first, last, text("a"), 1)]);
            assert_eq!(Slots::read(&said, "seed"), None, "{first} {last}");
        }
        let twice = [range(0, 16_383, text("a"), 1), range(7, 8, text("b"), 1)];
        assert_eq!(Slots::read(&Value::Array(twice.into()), "seed"), None);
        assert_eq!(Slots::read(&Value::Array(Vec::new()), "seed"), None);
        assert_eq!(Slots::read(&Value::Nil, "seed"), None);
    }

    /// Says to every command what a server of a cluster says, to the first one of a connection after a while.
    async fn distant(stream: TcpStream, away: Duration, port: u16) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut is_first = true;
        loop {
            let (mut line, mut words) = (String::new(), Vec::new());
            stream.read_line(&mut line).await?;
            let Some(count) = line.trim_end().strip_prefix('*') else {
                return Ok(());
            };
            for _ in 0..decimal(count.as_bytes()).unwrap() {
                let mut word = String::new();
                stream.read_line(&mut line).await?;
                stream.read_line(&mut word).await?;
                words.push(word.trim_end().to_uppercase());
            }
            if std::mem::take(&mut is_first) {
                tokio::time::sleep(away).await;
            }
            let answer = match words[0].as_str() {
                "HELLO" => "%1\r\n+proto\r\n:3\r\n".to_owned(),
                // Four servers: all of them are this one, by another name each.
                "CLUSTER" => {
                    let range = |number: u16| {
                        let (first, last) = (number * 4096, number * 4096 + 4095);
                        let host = format!("127.0.0.{}", number + 1);
                        let length = host.len();
                        format!(
                            "*3\r\n:{first}\r\n:{last}\r\n*2\r\n${length}\r\n{host}\r\n:{port}\r\n"
                        )
                    };
                    format!("*4\r\n{}", (0..4).map(range).collect::<String>())
                }
                _ => "+OK\r\n".to_owned(),
            };
            stream.write_all(answer.as_bytes()).await?;
        }
    }

    #[tokio::test]
    async fn each_connection_has_its_own_time_and_servers_are_connected_to_side_by_side() {
        const PATIENCE: Duration = Duration::from_millis(1700);
        const AWAY: Duration = Duration::from_millis(600);
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(distant(stream, AWAY, port));
            }
        });
        let server = RedisServer::new(&format!("redis+cluster://127.0.0.1:{port}")).unwrap();
        let begun = tokio::time::Instant::now();
        let spread = server.spread_within(PATIENCE).await.unwrap();
        let took = begun.elapsed();
        assert!(took > PATIENCE, "{took:?}");
        // One after the other they are nine times as far away as one.
        assert!(took < AWAY * 8, "{took:?}");
        assert_eq!(spread.servers.len(), 4);
        assert_eq!(spread.slots.of(b"foo"), 12_182 / 4096);
        let silent = server.spread_within(Duration::from_millis(100)).await;
        let why = silent.map(|_| ()).unwrap_err().to_string();
        assert!(why.contains("no answer"), "{why}");
    }

    #[test]
    fn a_cluster_is_named_by_some_of_its_servers() {
        let server = RedisServer::new("redis+cluster://ada:a%40b@one,two:7,[::1]:8").unwrap();
        assert!(server.is_cluster());
        let Address::Cluster(seeds) = &server.address else {
            panic!("{server:?}");
        };
        let seeds = seeds.iter().map(|(host, port)| (&**host, *port));
        assert_eq!(
            seeds.collect::<Vec<_>>(),
            [("one", 6379), ("two", 7), ("::1", 8)]
        );
        assert_eq!(
            (server.who.username(), server.who.password()),
            (Some("ada"), Some("a@b"))
        );
        for url in ["", "one,", "one/1", "one:x", "o ne", ":secret@"] {
            assert!(
                RedisServer::new(&format!("redis+cluster://{url}")).is_err(),
                "{url}"
            );
        }
    }
}
