//! What a client is made with.

use crate::relay::client::BoxError;
use crate::relay::client::core::pace::Backoff;
use crate::relay::client::core::stream::{Way, Ways};
use crate::relay::client::core::{Core, Tuning};
use crate::relay::client::dial::{Dial, DialError, Later};
use crate::relay::client::driver::Driver;
use crate::relay::client::handle::{Handle, RelayClient};
use crate::relay::client::inbox::{Inbox, Limits};
use crate::relay::client::shared::Shared;
use crate::resource::io::Io;
use crate::ws::client::Client;
use crate::ws::limits;
use crate::ws::socket::WebSocket;
use crate::ws::socket::config::{Config, Overflow};
use http::{HeaderName, HeaderValue};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a client asks for, how long it waits and what it holds.
///
/// ```
/// use std::time::Duration;
/// use wireline::relay::client::RelayClient;
///
/// let builder = RelayClient::builder("ws://localhost:8000/ws")
///     .header("origin", "https://app.example")
///     .bearer(async || Ok::<_, std::io::Error>("5a1e".to_owned()))
///     .request_timeout(Duration::from_secs(5));
/// # let _ = builder;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Builder {
    pub(crate) dial: Dial,
    tuning: Tuning,
    socket: Config,
}

impl Builder {
    pub(crate) fn new(url: String) -> Self {
        Self {
            dial: Dial {
                url,
                client: Client::new(),
                bearer: None,
                over: None,
                limit: Duration::from_secs(10),
                sse: "/sse".to_owned(),
                longest_event: 0,
            },
            tuning: Tuning {
                backoff: Backoff::default(),
                request_timeout: Duration::from_secs(10),
                join_timeout: Duration::from_secs(30),
                max_requests: 256,
                max_message: 64 * 1024,
                max_subscriptions: 1024,
                can_sign_in: false,
                batch: None,
                ways: Ways::Both,
                probe: Duration::from_secs(60),
            },
            socket: Config {
                limits: limits::Limits {
                    frame: 4 * 1024 * 1024,
                    message: 4 * 1024 * 1024,
                    ..limits::Limits::default()
                },
                overflow: Overflow::Wait,
                control_frames: false,
                ..Config::default()
            },
        }
    }

    /// Offers subprotocols, the preferred one first. Default none.
    pub fn protocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.dial.client = self.dial.client.protocols(names);
        self
    }

    /// Adds a field line to the request of every connection.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        self.dial.client = self.dial.client.header(name, value);
        self
    }

    /// Signs every connection in with a token of this callback, as `Authorization: Bearer`. It is asked before each
    /// connection. With it a client comes back after 4401 and 401, three times in a row at the most.
    pub fn bearer<F, Fut, E>(mut self, callback: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.tuning.can_sign_in = true;
        self.dial.bearer = Some(Arc::new(move || -> Later<Result<String, BoxError>> {
            let token = callback();
            Box::pin(async move { token.await.map_err(Into::into) })
        }));
        self
    }

    /// Opens the transport in place of TCP: a tunnel, a Unix domain socket, or one in memory. With a `wss` URL, TLS is
    /// spoken over it.
    pub fn over<F, Fut>(mut self, open: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Io>> + Send + 'static,
    {
        self.dial.over = Some(Arc::new(move || -> Later<io::Result<Io>> {
            Box::pin(open())
        }));
        self
    }

    /// Opens WebSockets with this client, for what this builder has no words for: deadlines of connecting, compression. It
    /// replaces what was said before by [`header`](Self::header), [`protocols`](Self::protocols) and TLS; its
    /// configuration of sockets is replaced by this builder's.
    pub fn websocket(mut self, client: Client) -> Self {
        self.dial.client = client;
        self
    }

    /// The waits between connections. Default 500 ms at first and 30 s at the most, spread at random.
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.tuning.backoff = backoff;
        self
    }

    /// How long a request waits for its answer, and for a connection before. Default 10 s. Calls have their own deadline.
    pub const fn request_timeout(mut self, limit: Duration) -> Self {
        self.tuning.request_timeout = limit;
        self
    }

    /// How long a subscription waits for the server's answer; then the connection is taken for dead, and the next is
    /// opened. Default 30 s.
    pub const fn subscribe_timeout(mut self, limit: Duration) -> Self {
        self.tuning.join_timeout = limit;
        self
    }

    /// How long a callback for a token, or the one that opens a transport, may take. Default 10 s.
    pub const fn callback_timeout(mut self, limit: Duration) -> Self {
        self.dial.limit = limit;
        self
    }

    /// The requests that may wait for an answer. Default 256.
    pub const fn max_requests(mut self, count: usize) -> Self {
        self.tuning.max_requests = count;
        self
    }

    /// The octets of a message to the server, which ends the connection for good when there are more. Default 64 KiB, as the
    /// server's.
    pub const fn max_message(mut self, octets: usize) -> Self {
        self.tuning.max_message = octets;
        self
    }

    /// The octets of a frame from the server, and of an event of its streams; beyond it the connection is failed. Default 4 MiB.
    pub const fn max_received(mut self, octets: usize) -> Self {
        self.socket.limits.frame = octets as u64;
        self.socket.limits.message = octets;
        self
    }

    /// How long a server may be silent before it gets a ping, and how long it may be silent after that before the
    /// connection is dead and the next is opened. Default 25 s and 10 s; a zero interval turns both off.
    pub const fn keep_alive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.socket.ping_interval = interval;
        self.socket.pong_timeout = timeout;
        self
    }

    /// Asks for pushes in batches, as [`RelayClient::batch`]. Default no.
    pub fn batch(mut self, delay: Duration) -> Self {
        self.tuning.batch = Some(delay.min(Duration::from_secs(1)));
        self
    }

    /// Where the server's event streams are: a path of the same server, or a URL of `http` or `https`. Default `/sse`.
    ///
    /// Where a WebSocket cannot be opened, some proxies do not let them through, the client reads an event stream in its
    /// place: at the first failure when there never was a connection, at the third in a row when there was one. Then the
    /// status is [`Status::Reading`](crate::relay::client::Status::Reading); pushes, gaps and presence come as ever, each
    /// subscription goes on where it stopped, and requests fail with
    /// [`RequestError::ReadOnly`](crate::relay::client::RequestError::ReadOnly). Other topics than before are another
    /// stream. A subscription's payload is not sent, and `rewind` is the largest of all that begin.
    ///
    /// ```
    /// use wireline::relay::client::RelayClient;
    ///
    /// let builder = RelayClient::builder("wss://app.example/ws").event_stream("/relay/sse");
    /// # let _ = builder;
    /// ```
    pub fn event_stream(mut self, place: impl Into<String>) -> Self {
        self.dial.sse = place.into();
        self
    }

    /// Opens WebSockets only.
    pub const fn without_event_stream(mut self) -> Self {
        self.tuning.ways = Ways::Sockets;
        self
    }

    /// Opens event streams only, for who reads only. There is a connection while there is a subscription.
    pub const fn event_stream_only(mut self) -> Self {
        self.tuning.ways = Ways::Streams;
        self
    }

    /// How often a WebSocket is tried beside an event stream; it takes over as soon as it is open. Default 60 s.
    pub const fn probe(mut self, interval: Duration) -> Self {
        self.tuning.probe = interval;
        self
    }

    /// Opens the first connection, which is a WebSocket; with [`event_stream_only`](Self::event_stream_only) it is as
    /// [`start`](Self::start). After that the client comes back by itself.
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Errors
    ///
    /// [`DialError`]: there was no first connection, also when there might be one later. [`start`](Self::start) waits for
    /// it.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time and I/O enabled.
    pub async fn connect(self) -> Result<RelayClient, DialError> {
        let builder = self.with_config();
        if builder.tuning.ways == Ways::Streams {
            return Ok(builder.run(None));
        }
        let socket = builder.dial.clone().open().await?;
        Ok(builder.run(Some(socket)))
    }

    /// Gives the client at once, and opens the first connection like every other: until there is one, or a reason not to
    /// try again.
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    pub fn start(self) -> RelayClient {
        self.with_config().run(None)
    }

    fn with_config(mut self) -> Self {
        self.dial.longest_event = self.socket.limits.message;
        self.dial.client = self.dial.client.config(self.socket.clone());
        self
    }

    fn run(self, socket: Option<WebSocket>) -> RelayClient {
        let direct = Arc::new(Inbox::new(Limits {
            events: DIRECT,
            octets: DIRECT_OCTETS,
        }));
        let mut core = Core::new(self.tuning, seed());
        if socket.is_some() {
            // The wish to connect was granted before.
            let _ = core.poll_action();
            core.opened(Instant::now().into_std(), Way::Socket);
        }
        let shared = Arc::new(Shared::new(core, direct.clone()));
        let mut driver = Driver::new(shared.clone(), self.dial, socket);
        let handle = Handle::new(shared, direct);
        // The status is right before anybody asks.
        handle.with(|_, _| ());
        tokio::spawn(async move {
            poll_fn(|cx| driver.poll(cx)).await;
        });
        RelayClient {
            handle: Arc::new(handle),
        }
    }
}

/// Spreads the waits of clients that lose their connections together. When the system has no random octets, so has no
/// socket, and there is nothing to spread.
fn seed() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// What waits of what the server sends without being asked.
const DIRECT: usize = 1024;
const DIRECT_OCTETS: usize = 4 * 1024 * 1024;
