//! The register/publish service: clients register over HTTP, get the address of a WebSocket of their own, and hear there what is published to their topics.
//!
//! ```text
//!   POST   /register       {"user_id": 1}                                    -> {"url": "ws://127.0.0.1:8000/ws/<id>"}
//!   DELETE /register/{id}                                                    -> 200, also for an id that nobody has
//!   GET    /ws/{id}        the socket: 404 before the upgrade for an id that nobody has
//!   POST   /publish        {"user_id": 1, "topic": "cats", "message": "..."} -> 200; without "user_id": to all users
//!
//!   client -> server   {"topics": ["cats", "dogs"]}   replaces the topics;  ping   is taken silently
//!   server -> client   the bare text of a message
//! ```
//!
//! It is a protocol of its own, beside the relay's and without its topics: whoever knows the address of a socket is the client, nobody has a key, and
//! pages of every origin may call it (CORS `*`, on these routes alone). An id is a UUID of version 4 from the system's generator, as 32 hexadecimal digits.
//!
//! A client has one socket: a second one takes the place of the first, which is closed with 4000. It is forgotten with its socket, or when none came in time.
//!
//! All clients are in one registry behind a read-write lock. Publishing only reads, so publications do not wait for each other, and no socket is written to
//! under the lock. A message is framed once. What a socket does not take at once waits, up to a bound ([`Waiting`]).

mod error;
mod inbox;
#[cfg(feature = "tracing")]
mod log;
#[cfg(not(feature = "tracing"))]
mod no_log;
mod outbox;
mod registry;
mod routes;
mod url;

#[cfg(not(feature = "tracing"))]
use self::no_log as log;
pub use self::outbox::Waiting;
pub use self::url::InvalidUrl;

use self::registry::Registry;
use self::url::PublicUrl;
use crate::router::Router;
use crate::ws::prepared::Prepared;
use std::sync::Arc;
use std::time::Duration;

/// The settings of the service and its clients. Cloning it gives another handle to the same clients.
///
/// ```
/// use wireline::Router;
/// use wireline::relay::service::RegisterService;
/// use wireline::test::TestClient;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let service = RegisterService::new().topics(["news"]).public_url("https://push.example").unwrap();
/// let routes = Router::new().merge(service.router()).get("/health", async || "ok").build().unwrap();
/// let client = TestClient::new(routes);
///
/// let registered = client.post("/register").body(r#"{"user_id": 1}"#).await;
/// assert!(registered.text().starts_with(r#"{"url":"wss://push.example/ws/"#));
/// assert_eq!((service.clients(), service.connected()), (1, 0));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct RegisterService {
    settings: Settings,
    registry: Arc<Registry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) topics: Vec<Arc<str>>,
    pub(crate) reply_pong: bool,
    pub(crate) clients: usize,
    pub(crate) clients_per_user: usize,
    pub(crate) topics_per_client: usize,
    pub(crate) message: usize,
    pub(crate) frames: u32,
    pub(crate) unconnected: Duration,
    pub(crate) waiting: Waiting,
}

/// How many clients a message went to.
///
/// ```
/// use wireline::relay::service::{Delivered, RegisterService};
///
/// let service = RegisterService::new();
/// assert_eq!(service.publish(None, "cats", "meow"), Delivered::default(), "nobody listens");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// The clients with a socket that have the topic.
    pub clients: usize,
    /// Those of them whose socket could not be sent to.
    pub failed: usize,
}

impl RegisterService {
    /// No clients, and the default of every setting.
    pub fn new() -> Self {
        Self {
            settings: Settings {
                public_url: None,
                topics: vec!["cats".into()],
                reply_pong: false,
                clients: 100_000,
                clients_per_user: 1000,
                topics_per_client: 50,
                message: 64 * 1024,
                frames: 100,
                unconnected: Duration::from_secs(60 * 60),
                waiting: Waiting::default(),
            },
            registry: Arc::default(),
        }
    }

    /// What stands before `/ws/{id}` in the addresses that clients are given: `https://push.example/feed`, of http, https, ws or wss. Unless it is set, it is
    /// the address that the client has connected to, `ws` or `wss` as the listener, and the path that the service is mounted at. It is never what the client says
    /// in `Host`; on a Unix domain socket, which has no address, it is `ws://localhost`.
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`] if it is no such address, or has a query or a fragment.
    pub fn public_url(mut self, url: &str) -> Result<Self, InvalidUrl> {
        self.settings.public_url = Some(PublicUrl::new(url)?);
        Ok(self)
    }

    /// The topics of a new client. Default `["cats"]`.
    #[must_use]
    pub fn topics<T: Into<Arc<str>>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.settings.topics = topics.into_iter().map(Into::into).collect();
        self
    }

    /// Whether the text `ping` is answered with the text `pong`. Default no: it is taken silently.
    #[must_use]
    pub const fn reply_pong(mut self, on: bool) -> Self {
        self.settings.reply_pong = on;
        self
    }

    /// The most clients at the same time; for one more, registering is answered 503. Default 100,000.
    #[must_use]
    pub const fn max_clients(mut self, clients: usize) -> Self {
        self.settings.clients = clients;
        self
    }

    /// The most clients of one user at the same time; for one more, registering is answered 429. Default 1,000.
    #[must_use]
    pub const fn max_clients_per_user(mut self, clients: usize) -> Self {
        self.settings.clients_per_user = clients;
        self
    }

    /// The most topics of a client; a list with more is ignored. Default 50.
    #[must_use]
    pub const fn max_topics(mut self, topics: usize) -> Self {
        self.settings.topics_per_client = topics;
        self
    }

    /// The most octets of a message, published or from a client: publishing more is answered 413, and a socket that sends more is closed with 1009.
    /// Default 64 KiB.
    #[must_use]
    pub const fn max_message(mut self, octets: usize) -> Self {
        self.settings.message = octets;
        self
    }

    /// The most messages that a client may send in a second; what is more is ignored. Default 100.
    #[must_use]
    pub const fn max_frames_per_second(mut self, frames: u32) -> Self {
        self.settings.frames = frames;
        self
    }

    /// How long a client is kept that does not connect. Default one hour.
    #[must_use]
    pub const fn unconnected_for(mut self, time: Duration) -> Self {
        self.settings.unconnected = time;
        self
    }

    /// What may wait for a slow client, and what becomes of the rest. Default [`Waiting::default`].
    #[must_use]
    pub const fn waiting(mut self, waiting: Waiting) -> Self {
        self.settings.waiting = waiting;
        self
    }

    /// The routes, with CORS for every origin around them and around nothing else: to be served by themselves, merged or nested. What is set later does not
    /// change them; the clients are those of this service.
    pub fn router(&self) -> Router {
        routes::router(self.settings.clone(), self.registry.clone())
    }

    /// Publishes a message as `POST /publish` does: to the clients of one user, or of all, that have the topic.
    pub fn publish(&self, user: Option<u64>, topic: &str, message: &str) -> Delivered {
        self.registry.publish(
            user,
            topic,
            &Prepared::text(message),
            &self.settings.waiting,
        )
    }

    /// The clients that are registered.
    pub fn clients(&self) -> usize {
        self.registry.clients()
    }

    /// Those of them that have a socket.
    pub fn connected(&self) -> usize {
        self.registry.connected()
    }

    /// The messages that were dropped for clients that are slower than what is published, see [`Waiting`]: one that two clients have missed counts twice.
    pub fn dropped(&self) -> u64 {
        self.registry.losses.dropped()
    }

    /// The clients that were closed for that, with 1013.
    pub fn closed_slow(&self) -> u64 {
        self.registry.losses.closed_slow()
    }
}

impl Default for RegisterService {
    fn default() -> Self {
        Self::new()
    }
}
