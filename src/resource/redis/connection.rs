//! One connection to a Redis server.

use crate::resource::io::Io;
use crate::resource::redis::pipe::{Pipe, Watch};
use crate::resource::redis::{Address, RedisError, RedisServer};
use redis::aio::{AsyncPushSender, MultiplexedConnection, SendError};
use redis::{
    AsyncConnectionConfig, Pipeline, ProtocolVersion, PushInfo, RedisConnectionInfo, Value,
};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A connection; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    commands: MultiplexedConnection,
    watch: Arc<Watch>,
    /// Where the server is.
    place: Box<str>,
    _driver: Driver,
}

/// What drives it.
#[derive(Debug)]
struct Driver(JoinHandle<()>);

/// What the server says of itself. While somebody is slow to take it, no more is read.
#[derive(Debug)]
pub(crate) struct Pushes {
    pushes: mpsc::UnboundedReceiver<PushInfo>,
    watch: Arc<Watch>,
}

impl RedisServer {
    /// Connects, and signs in.
    pub(crate) async fn connect(&self) -> Result<(Connection, Pushes), RedisError> {
        let connected = timeout(PATIENCE, async {
            match &self.address {
                Address::Tcp(host, port) => self.connect_to(host, *port).await,
                Address::Unix(path) => {
                    let stream = UnixStream::connect(path).await.map_err(RedisError::new)?;
                    sign_in(Io::Unix(stream), &self.who, "").await
                }
                Address::Sentinel(sentinels) => sentinels.connect(self).await,
                Address::Cluster(_) => Err(RedisError::new(
                    "a Redis Cluster carries topics, and nothing else does with one",
                )),
            }
        });
        let connected = connected.await;
        connected.unwrap_or_else(|_| Err(RedisError::new("the connection was not made in 5 s")))
    }

    /// Connects to a server somewhere as who we are, and signs in.
    pub(super) async fn connect_to(
        &self,
        host: &str,
        port: u16,
    ) -> Result<(Connection, Pushes), RedisError> {
        let io = self.open(host, port).await?;
        sign_in(io, &self.who, &format!("{host}:{port}")).await
    }

    /// The same as who we are to Sentinels, which is nobody unless the URL says it.
    pub(super) async fn connect_to_sentinel(
        &self,
        host: &str,
        port: u16,
    ) -> Result<(Connection, Pushes), RedisError> {
        let io = self.open(host, port).await?;
        let nobody = || Arc::new(RedisConnectionInfo::default().set_protocol(RESP3));
        let who = self.watchers.clone().unwrap_or_else(nobody);
        sign_in(io, &who, "").await
    }

    async fn open(&self, host: &str, port: u16) -> Result<Io, RedisError> {
        let stream = TcpStream::connect((host, port)).await;
        let stream = stream.map_err(RedisError::new)?;
        stream.set_nodelay(true).map_err(RedisError::new)?;
        match &self.trust {
            Some(trust) => trust.secure(Io::Tcp(stream), host).await,
            None => Ok(Io::Tcp(stream)),
        }
    }
}

async fn sign_in(
    io: Io,
    who: &RedisConnectionInfo,
    place: &str,
) -> Result<(Connection, Pushes), RedisError> {
    let watch = Arc::<Watch>::default();
    #[expect(
        clippy::disallowed_methods,
        reason = "its ceiling is kept where octets are read"
    )]
    let (to, pushes) = mpsc::unbounded_channel();
    let sender = Sender {
        to,
        watch: watch.clone(),
    };
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_push_sender(sender);
    let pipe = Pipe::new(io, watch.clone());
    let (commands, driver) = MultiplexedConnection::new_with_config(who, pipe, config)
        .await
        .map_err(RedisError::new)?;
    let connection = Connection {
        commands,
        watch: watch.clone(),
        place: place.into(),
        _driver: Driver(tokio::spawn(driver)),
    };
    Ok((connection, Pushes { pushes, watch }))
}

impl Connection {
    /// Whether both lead to one server, as far as addresses tell.
    #[allow(dead_code, reason = "only the relay asks, and it is optional")]
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// Has all of it done, in this order, and gives an answer for each, errors of the server among them. Fails when the connection
    /// has ended, or nothing was heard for 5 s.
    ///
    /// Not cancel safe: what was begun is done.
    pub(crate) async fn ask(&self, all: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let count = all.len();
        let mut commands = self.commands.clone();
        let mut answers = pin!(commands.send_packed_commands(all, 0, count));
        loop {
            let heard = self.watch.heard();
            match timeout(PATIENCE, answers.as_mut()).await {
                Ok(Ok(answers)) if answers.len() == count => return Ok(answers),
                Ok(Ok(_)) => return Err(RedisError::new("it was answered out of turn")),
                Ok(Err(error)) => return Err(RedisError::new(error)),
                // Much of an answer may take long; and who does not read hears nothing.
                Err(_) if self.watch.heard() != heard || self.watch.is_full() => {}
                Err(_) => return Err(RedisError::new("no answer in 5 s")),
            }
        }
    }
}

impl Pushes {
    /// Waits until the connection has ended, whatever is pushed.
    pub(crate) async fn end(&mut self) {
        while self.next().await.is_some() {}
    }

    /// The next one; nothing when the connection has ended.
    ///
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<PushInfo> {
        let push = self.pushes.recv().await?;
        self.watch.take(weight(&push));
        Some(push)
    }
}

struct Sender {
    to: mpsc::UnboundedSender<PushInfo>,
    watch: Arc<Watch>,
}

impl AsyncPushSender for Sender {
    fn send(&self, push: PushInfo) -> Result<(), SendError> {
        let weight = weight(&push);
        self.watch.add(weight);
        self.to.send(push).map_err(|_| {
            // Nobody listens, so nobody waits.
            self.watch.take(weight);
            SendError
        })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The octets of a push, with what its parts take beside them.
fn weight(push: &PushInfo) -> usize {
    push.data.iter().fold(PART, |sum, part| match part {
        Value::BulkString(octets) => sum + octets.len() + PART,
        _ => sum + PART,
    })
}

const PART: usize = 64;

const RESP3: ProtocolVersion = ProtocolVersion::RESP3;

/// A server that says nothing for so long, though it was asked, is taken for gone.
const PATIENCE: Duration = Duration::from_secs(5);
