//! How a relay is set up.

use super::channels::{Channels, Patterns};
use super::handler::{Erased, EventHandler, RelayCall, RelayEvent};
use super::node::{Joined, Node};
use super::outlet::Terms;
use super::overflow::Overflow;
use super::pace::Rate;
use super::token::{Judge, Judging, Token};
use crate::relay::backplane::Backplane;
use crate::relay::cluster::ClusterConfig;
use crate::relay::hub::{HubConfig, Retention, Topic};
use crate::service::user::CurrentUser;
use crate::ws::limits::Limits;
use crate::ws::origin::Policy;
use crate::ws::socket::config::Config;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

/// What becomes of topics that no channel handler takes.
///
/// ```
/// use wireline::relay::{RelayConfig, Unmatched};
///
/// let config = RelayConfig::default().unmatched(Unmatched::Reject);
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unmatched {
    /// Everybody may subscribe, and what a subscriber sends goes to all of them, to himself as well. Good for trying things
    /// out; a public service wants [`Reject`](Self::Reject).
    #[default]
    Broadcast,
    /// Nobody may subscribe.
    Reject,
}

/// How a relay is set up. Everything has a default; each method changes one thing.
///
/// ```
/// use wireline::relay::{Relay, RelayConfig, RelayEvent, Unmatched};
/// use wireline::{Error, Router};
///
/// async fn room(event: RelayEvent, relay: Relay) -> Result<(), Error> {
///     if let RelayEvent::Message { topic, event, payload, .. } = event {
///         relay.push(&topic, &event, &payload).await.map_err(Error::internal)?;
///     }
///     Ok(())
/// }
///
/// let config = RelayConfig::default().channel("room:*", room).unmatched(Unmatched::Reject);
/// assert!(Router::new().with_relay(config).build().is_ok());
/// ```
pub struct RelayConfig {
    pub(super) path: String,
    /// Where event streams and long polls are, if they are anywhere.
    pub(super) sse: Option<String>,
    pub(super) poll: Option<String>,
    pub(super) is_public: bool,
    pub(super) hub: HubConfig,
    pub(super) terms: Terms,
    pub(super) socket: Config,
    pub(super) settings: Settings,
    backplane: Option<Arc<dyn Backplane>>,
    cluster: ClusterConfig,
    shares_history: bool,
}

/// What connections look up.
pub(super) struct Settings {
    pub(super) channels: Channels,
    pub(super) unmatched: Unmatched,
    pub(super) max_subscriptions: usize,
    pub(super) tokens: Patterns<Judge>,
    pub(super) tracks: Patterns<()>,
    pub(super) problems: Vec<String>,
    pub(super) origin: Policy,
    pub(super) handler_timeout: Duration,
    pub(super) messages: Option<Rate>,
    pub(super) octets: Option<Rate>,
    pub(super) subscriptions: Option<Rate>,
}

impl Default for RelayConfig {
    fn default() -> Self {
        let socket = Config {
            limits: Limits {
                frame: LONGEST as u64,
                message: LONGEST,
                ..Limits::default()
            },
            control_frames: false,
            ..Config::default()
        };
        Self {
            path: "/ws".to_owned(),
            sse: None,
            poll: None,
            is_public: false,
            hub: HubConfig {
                epoch: random_epoch(),
                ..HubConfig::default()
            },
            terms: Terms::default(),
            socket,
            settings: Settings {
                channels: Channels::default(),
                unmatched: Unmatched::default(),
                max_subscriptions: 50,
                tokens: Patterns::default(),
                tracks: Patterns::default(),
                problems: Vec::new(),
                origin: Policy::default(),
                handler_timeout: Duration::from_secs(30),
                messages: Some(Rate::new(200, 1000)),
                octets: Some(Rate::new(1 << 20, 4 << 20)),
                subscriptions: Some(Rate::new(50, 500)),
            },
            backplane: None,
            cluster: ClusterConfig::default(),
            shares_history: true,
        }
    }
}

impl RelayConfig {
    /// The path of the endpoint: `/ws` unless said otherwise.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Topics as event streams at this path, for who only reads: `GET /sse?topic=news&topic=room:1`. Not unless said so.
    ///
    /// A page of another origin may read them when a [`Cors`](crate::layer::cors::Cors) says so.
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::relay::RelayConfig;
    ///
    /// let config = RelayConfig::default().sse("/sse").poll("/poll");
    /// let routes = Router::new().with_relay(config).build().unwrap();
    /// assert_eq!(routes.patterns().count(), 3);
    /// ```
    #[must_use]
    pub fn sse(mut self, path: impl Into<String>) -> Self {
        self.sse = Some(path.into());
        self
    }

    /// Topics by long polling at this path: `GET /poll?topic=news&cursor=...&wait=25`. Not unless said so.
    ///
    /// Each request subscribes anew, so the handlers of channels are asked each time, and what comes between two requests is
    /// found in what [`retention`](Self::retention) keeps.
    #[must_use]
    pub fn poll(mut self, path: impl Into<String>) -> Self {
        self.poll = Some(path.into());
        self
    }

    /// Opens the endpoint to everybody where a layer asks for authentication. Not unless said so.
    #[must_use]
    pub const fn public(mut self) -> Self {
        self.is_public = true;
        self
    }

    /// How many messages of a subscription may wait for a slow client: 128 unless said otherwise.
    #[must_use]
    pub const fn with_topic_capacity(mut self, messages: usize) -> Self {
        self.terms.capacity = if messages == 0 { 1 } else { messages };
        self
    }

    /// What becomes of messages above that: the oldest is dropped and the client told so, unless said otherwise.
    #[must_use]
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.terms.overflow = overflow;
        self
    }

    /// The octets that may wait for a client, each message with 64 besides its own: 1 MiB unless said otherwise.
    #[must_use]
    pub const fn max_waiting(mut self, octets: usize) -> Self {
        self.terms.octets = octets;
        self
    }

    /// What becomes of messages above that: the client is closed with 1013 unless said otherwise.
    #[must_use]
    pub const fn waiting_overflow(mut self, overflow: Overflow) -> Self {
        self.terms.octets_overflow = overflow;
        self
    }

    /// The most subscriptions of a connection: 50 unless said otherwise. So many may come at once, too: a client that comes back asks for
    /// all of them, and [`subscription_rate`](Self::subscription_rate) is raised to that where it allows fewer.
    #[must_use]
    pub const fn with_max_subscriptions(mut self, subscriptions: usize) -> Self {
        self.settings.max_subscriptions = subscriptions;
        if let Some(rate) = self.settings.subscriptions {
            self.settings.subscriptions = Some(rate.with_room_for(subscriptions));
        }
        self
    }

    /// The longest message of a client, in octets: 64 KiB unless said otherwise. A longer one closes its connection with 1009. So many octets
    /// may come at once, too: [`octet_rate`](Self::octet_rate) is raised to that where it allows fewer.
    #[must_use]
    pub const fn max_message(mut self, octets: usize) -> Self {
        let limits = &mut self.socket.limits;
        limits.message = octets;
        limits.frame = octets as u64;
        if let Some(rate) = self.settings.octets {
            self.settings.octets = Some(rate.with_room_for(octets));
        }
        self
    }

    /// How many messages a client may send each second in the long run, and at once: 200 and 1,000 unless said otherwise; `None` for
    /// as many as it likes. What comes above is refused, and answered with an error.
    #[must_use]
    pub const fn message_rate(mut self, rate: Option<Rate>) -> Self {
        self.settings.messages = rate;
        self
    }

    /// How many octets of messages a client may send each second in the long run, and at once: 1 MiB and 4 MiB unless said otherwise.
    #[must_use]
    pub const fn octet_rate(mut self, rate: Option<Rate>) -> Self {
        self.settings.octets = rate;
        self
    }

    /// How many times a client may subscribe each second in the long run, and at once, whether it is to one topic again and again or to many:
    /// 50 and 500 unless said otherwise; `None` for as often as it likes. What comes above is refused, and answered with an error that names
    /// the topic; it counts as a message all the same. What the server subscribes a client to does not count.
    ///
    /// ```
    /// use wireline::relay::{Rate, RelayConfig};
    ///
    /// let config = RelayConfig::default().subscription_rate(Some(Rate::new(5, 50)));
    /// # let _ = config;
    /// ```
    #[must_use]
    pub const fn subscription_rate(mut self, rate: Option<Rate>) -> Self {
        self.settings.subscriptions = rate;
        self
    }

    /// Which pages may connect: own ones, and foreign ones that send no credentials, unless said otherwise. See [`Policy`].
    #[must_use]
    pub fn origin(mut self, policy: Policy) -> Self {
        self.settings.origin = policy;
        self
    }

    /// A client that was silent for `interval` gets a ping, and is gone when it says nothing for `timeout` after it: 25 s and 10 s
    /// unless said otherwise. An interval of zero turns both off.
    #[must_use]
    pub const fn heartbeat(mut self, interval: Duration, timeout: Duration) -> Self {
        self.socket.ping_interval = interval;
        self.socket.pong_timeout = timeout;
        self
    }

    /// What is kept of each topic for those who come later: nothing unless said otherwise.
    ///
    /// ```
    /// use wireline::relay::RelayConfig;
    /// use wireline::relay::hub::Retention;
    ///
    /// let config = RelayConfig::default().retention(|topic| match topic.as_str().starts_with("room:") {
    ///     true => Retention { messages: 100, octets: 1 << 20, age: 600_000 },
    ///     false => Retention::NOTHING,
    /// });
    /// # let _ = config;
    /// ```
    #[must_use]
    pub fn retention(
        mut self,
        retention: impl Fn(&Topic) -> Retention + Send + Sync + 'static,
    ) -> Self {
        self.hub.retention = Box::new(retention);
        self
    }

    /// The octets that all histories together may hold: 64 MiB unless said otherwise.
    #[must_use]
    pub const fn max_history(mut self, octets: usize) -> Self {
        self.hub.history = octets;
        self
    }

    /// Makes the relay part of a cluster: what is published on one node reaches the subscribers of all that have the same backplane,
    /// and who is present on one is present on all. Not unless said so.
    ///
    /// The connection is made, and made again when it ends, by a task of the runtime in which the relay is used first. What is
    /// published here is delivered here, whether there is a connection or not.
    ///
    /// ```
    /// use wireline::relay::backplane::memory::MemoryBackplane;
    /// use wireline::relay::{Relay, RelayConfig};
    ///
    /// let backplane = MemoryBackplane::default();
    /// let nodes = [(); 2].map(|()| Relay::new(RelayConfig::default().backplane(backplane.clone())));
    /// assert!(nodes.iter().all(|node| node.cluster().is_some()));
    /// ```
    #[must_use]
    pub fn backplane(mut self, backplane: impl Backplane) -> Self {
        self.backplane = Some(Arc::new(backplane));
        self
    }

    /// How it behaves as a part of that cluster: as [`ClusterConfig::default`] says, unless said otherwise.
    #[must_use]
    pub const fn cluster(mut self, cluster: ClusterConfig) -> Self {
        self.cluster = cluster;
        self
    }

    /// Whether the nodes keep what is [kept](Self::retention) of topics together, where the backplane can: then a client goes on with
    /// another node where it was. They do unless said otherwise.
    #[must_use]
    pub const fn shared_history(mut self, on: bool) -> Self {
        self.shares_history = on;
        self
    }

    /// Its part in the cluster, which asks what is kept as the hub does.
    pub(super) fn join(&mut self) -> Option<Box<Node>> {
        let joined = Joined {
            backplane: self.backplane.take()?,
            cluster: self.cluster.clone(),
            shares_history: self.shares_history,
        };
        let nothing: Box<dyn Fn(&Topic) -> Retention + Send + Sync> =
            Box::new(|_| Retention::NOTHING);
        let retention: Arc<dyn Fn(&Topic) -> Retention + Send + Sync> =
            std::mem::replace(&mut self.hub.retention, nothing).into();
        let same = retention.clone();
        self.hub.retention = Box::new(move |topic| same(topic));
        Some(Box::new(Node::new(joined, retention)))
    }

    /// The handler of a channel: of one topic (`chat:lobby`), or of all topics with a beginning (`room:*`). A topic's own handler
    /// wins, then the longest beginning. Two of one pattern, and a pattern that can be no topic's, are errors when the router is
    /// built.
    #[must_use]
    pub fn channel<H, Args>(self, pattern: &str, handler: H) -> Self
    where
        H: EventHandler<RelayEvent, Args>,
        Args: 'static,
    {
        self.channel_at(pattern, None, handler)
    }

    #[doc(hidden)]
    #[must_use]
    pub fn channel_at<H, Args>(
        mut self,
        pattern: &str,
        place: Option<(&'static str, u32)>,
        handler: H,
    ) -> Self
    where
        H: EventHandler<RelayEvent, Args>,
        Args: 'static,
    {
        let handler = Erased::new(handler);
        self.settings.channels.add(pattern, place, handler);
        self
    }

    /// The handler of calls of a method.
    ///
    /// ```
    /// use wireline::Error;
    /// use wireline::extract::Json;
    /// use wireline::relay::{Relay, RelayCall, RelayConfig};
    ///
    /// async fn sum(call: RelayCall, _: Relay) -> Result<Json<i64>, Error> {
    ///     let numbers: Vec<i64> = call.payload.json().map_err(Error::internal)?;
    ///     Ok(Json(numbers.iter().sum()))
    /// }
    /// # let _ =
    /// RelayConfig::default().call("sum", sum)
    /// # ;
    /// ```
    #[must_use]
    pub fn call<H, Args>(mut self, method: &str, handler: H) -> Self
    where
        H: EventHandler<RelayCall, Args>,
        Args: 'static,
    {
        let handler = Erased::new(handler);
        self.settings.channels.add_call(method, handler);
        self
    }

    /// How long the handler of a channel, or whoever judges a token, may take for an event: 30 s unless said otherwise. Then the
    /// event is refused, and the handler is dropped.
    #[must_use]
    pub const fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.settings.handler_timeout = timeout;
        self
    }

    /// What becomes of topics without a handler: everybody may subscribe and send unless said otherwise, see [`Unmatched`].
    #[must_use]
    pub const fn unmatched(mut self, unmatched: Unmatched) -> Self {
        self.settings.unmatched = unmatched;
        self
    }

    /// Every subscriber of these topics is present in them by itself, without a handler that tracks it; `pattern` is as for
    /// [`channel`](Self::channel). What others see of it is `meta` of its token, else the `payload` of its `subscribe`, up to 1 KiB.
    #[must_use]
    pub fn presence(mut self, pattern: &str) -> Self {
        if let Err(problem) = self.settings.tracks.add(pattern, ()) {
            self.problem("presence in", pattern, &problem);
        }
        self
    }

    /// These topics want a token, which `judge` knows the user of: with a deadline, the subscription ends then. Its claims, if there
    /// are any, must name the topic, or a beginning with `*` behind it, as `topic`. `pattern` is as for [`channel`](Self::channel).
    ///
    /// ```
    /// use wireline::Error;
    /// use wireline::relay::RelayConfig;
    /// use wireline::service::user::CurrentUser;
    ///
    /// let config = RelayConfig::default().tokens_by("vip:*", async |token: String| match token.as_str() {
    ///     "open-sesame" => Ok(CurrentUser::new("ali")),
    ///     _ => Err("nobody has this token".to_owned()),
    /// });
    /// # let _ = config;
    /// ```
    #[must_use]
    pub fn tokens_by<F, Fut>(self, pattern: &str, judge: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<CurrentUser, String>> + Send + 'static,
    {
        self.judged_by(pattern, false, judge)
    }

    pub(super) fn judged_by<F, Fut>(mut self, pattern: &str, is_claimed: bool, judge: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<CurrentUser, String>> + Send + 'static,
    {
        let judge = Judge {
            judge: Arc::new(move |token: Token| Box::pin(judge(token)) as Judging),
            is_claimed,
        };
        if let Err(problem) = self.settings.tokens.add(pattern, judge) {
            self.problem("tokens for", pattern, &problem);
        }
        self
    }

    fn problem(&mut self, what: &str, pattern: &str, problem: &str) {
        self.settings
            .problems
            .push(format!("{what} {pattern:?}: {problem}"));
    }
}

impl fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayConfig")
            .field("path", &self.path)
            .field("hub", &self.hub)
            .field("unmatched", &self.settings.unmatched)
            .finish_non_exhaustive()
    }
}

/// Somewhere among the numbers that every client reads exactly: 2^53 is JavaScript's limit.
fn random_epoch() -> u64 {
    (RandomState::new().hash_one("epoch") >> 12) | 1
}

/// The longest message of a client.
const LONGEST: usize = 64 << 10;
