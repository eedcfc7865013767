//! Rate limits: how many requests one client, user, key or route may make in a time.
//!
//! ```text
//!   RateLimit (a layer)
//!     | whose request is it: Key             (key.rs)
//!     v
//!   QuotaLimiter::spend(key, cost, quota)    (limiter.rs; a RateLimiter is one)
//!     |          \
//!     |           Later: another process is asked, and the request waits
//!     v
//!   InMemoryRateLimiter                      (memory.rs: a table of windows)
//!     | Window::spend                        (window.rs: the arithmetic)
//!     v
//!   Go, or 429 with Retry-After, RateLimit and RateLimit-Policy   (fields.rs)
//! ```

mod fields;
mod key;
mod limiter;
mod memory;
#[cfg(not(feature = "tracing"))]
mod no_tell;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "tracing")]
mod tell;
pub mod window;

#[cfg(not(feature = "tracing"))]
use self::no_tell as tell;

pub use self::key::Key;
pub use self::limiter::{LimiterFailed, Quota, QuotaLimiter, RateLimiter, Spending, Verdict};
pub use self::memory::InMemoryRateLimiter;
#[cfg(feature = "redis")]
pub use self::redis::RedisRateLimiter;

use self::fields::{Left, refusal, unavailable};
use self::key::By;
use self::limiter::DEFAULT_NAME;
use crate::layer::ceiling::Ceiling;
use crate::service::layer::{Before, Layer, Note, Place, Waiting};
use crate::service::request::Request;
use crate::service::response::Response;
use crate::service::user::CurrentUser;
use http::HeaderName;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So many requests of one client in so long a time, and 429 for more.
///
/// The window slides: what was spent in the one before counts as far as that still overlaps the time that ends now. In no
/// span `t` more is allowed than the quota and what it gives in `t`, however many requests come at once. What is refused
/// does not count.
///
/// Requests are counted by the client's address, of IPv6 by its first 64 bits; behind a proxy tell the server
/// [whom to trust](crate::server::Server::trusted_proxies). They are counted in memory, by this process,
/// unless there is another [`limiter`](Self::limiter). A preflight that [`Cors`](crate::layer::cors::Cors)
/// answers does not come here; where there is none, it counts like any other request.
///
/// Several limits may stand around a route, and each is asked: a group's limit stands beside that of the router around
/// it. Whoever counts for both keeps them apart by their [`name`](Self::name).
///
/// ```
/// use std::time::Duration;
/// use wireline::Router;
/// use wireline::layer::rate_limit::RateLimit;
///
/// let minute = Duration::from_secs(60);
/// let login = Router::new()
///     .layer(RateLimit::new(5, minute).name("login"))
///     .post("/login", async || "welcome");
/// let routes = Router::new().layer(RateLimit::new(100, minute)).merge(login).build()?;
/// # Ok::<(), wireline::router::BuildError>(())
/// ```
///
/// # Errors
///
/// [`Router::build`](crate::router::Router::build) refuses a quota of no requests, a window below a millisecond or above 366 days, a name
/// that cannot stand in quotes, and what a [`RateLimiter`] cannot count: costs, and windows of parts of a second.
#[derive(Clone)]
pub struct RateLimit {
    policy: Policy,
    limiter: Arc<dyn QuotaLimiter>,
    by: By,
    per_route: bool,
    place: Place,
    cost: Option<Ask<u32>>,
    exempt: Option<Ask<bool>>,
    timeout: Duration,
    failures: Arc<Failures>,
    problem: Option<&'static str>,
}

/// Something that is found out about a request.
type Ask<T> = Arc<dyn Fn(&Request) -> T + Send + Sync>;

/// How often a limiter gave no verdict, and how often that was told.
#[derive(Default)]
struct Failures {
    count: AtomicU64,
    told: Ceiling,
}

/// What is done with a verdict.
#[derive(Clone)]
struct Policy {
    quota: Quota,
    tells: bool,
    on_failure: OnFailure,
}

/// What becomes of a request when its limiter fails or takes too long.
///
/// ```
/// use std::time::Duration;
/// use wireline::layer::rate_limit::{OnFailure, RateLimit};
///
/// let sign_ins = RateLimit::new(5, Duration::from_secs(60)).on_failure(OnFailure::Refuse, Duration::from_millis(200));
/// # let _ = sign_ins;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It passes: the service matters more than its limit.
    #[default]
    Allow,
    /// It is answered 503 with `Retry-After`: the limit guards what must not be tried often.
    Refuse,
}

impl RateLimit {
    /// At most so many requests of each client in each span of this length; `(100, 60 s)` is a usual one.
    pub fn new(max_requests: u32, window: Duration) -> Self {
        Self {
            policy: Policy {
                quota: Quota {
                    name: Cow::Borrowed(DEFAULT_NAME),
                    max_requests,
                    window,
                },
                tells: false,
                on_failure: OnFailure::default(),
            },
            limiter: Arc::new(InMemoryRateLimiter::new()),
            by: By::Client,
            per_route: false,
            place: Place::RateLimit,
            cost: None,
            exempt: None,
            timeout: TIMEOUT,
            failures: Arc::default(),
            problem: None,
        }
    }

    /// The same with another quota; whoever counts stays, so the order of the two does not matter.
    #[must_use]
    pub const fn quota(mut self, max_requests: u32, window: Duration) -> Self {
        self.policy.quota.max_requests = max_requests;
        self.policy.quota.window = window;
        self
    }

    /// Who counts: a [`RateLimiter`], which says yes or no, or a [`QuotaLimiter`], which knows more.
    #[must_use]
    pub fn limiter(mut self, limiter: impl QuotaLimiter) -> Self {
        self.limiter = Arc::new(limiter);
        self
    }

    /// The limit's name, `default` unless it is given one: clients read it in `RateLimit`, and a limiter that counts for
    /// several limits keeps them apart by it.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.policy.quota.name = name.into();
        self
    }

    /// Counts by the first value of a field, such as an API key. Requests without it are counted by client.
    ///
    /// A client that sends another value each time is a new one each time: use it where values are checked, or beside a
    /// limit by client.
    #[must_use]
    pub fn by_header<N: TryInto<HeaderName>>(mut self, name: N) -> Self {
        match name.try_into() {
            Ok(name) => self.by = By::Header(name),
            Err(_) => self.problem = Some("the field that it counts by has no such name"),
        }
        self
    }

    /// Counts by the id of the [`CurrentUser`], once [`Auth`](crate::layer::auth::Auth) has found out who it is. Requests
    /// without a user, on public routes for one, are counted by client.
    ///
    /// Middleware stands inside all layers: a user whom middleware has left in the request, that of a session for one, is not there
    /// yet.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wireline::layer::auth::{Auth, Bearer, Refusal};
    /// use wireline::layer::rate_limit::RateLimit;
    /// use wireline::service::user::CurrentUser;
    /// use wireline::Router;
    ///
    /// let bearer = Bearer::by(async |token: String| match token.as_str() {
    ///     "open-sesame" => Ok(CurrentUser::new("ali")),
    ///     _ => Err(Refusal::invalid("nobody has this token")),
    /// });
    /// let routes = Router::new()
    ///     .layer(Auth::new(bearer))
    ///     .layer(RateLimit::new(1000, Duration::from_secs(3600)).by_current_user())
    ///     .get("/", async || "hello")
    ///     .build();
    /// assert!(routes.is_ok());
    /// ```
    #[must_use]
    pub fn by_current_user(self) -> Self {
        self.by_user(|request| Some(CurrentUser::of(request)?.id().to_owned()))
    }

    /// Counts by user, once users are authenticated: what the function finds, which a layer at [`Place::Auth`] has left in the
    /// request; [`by_current_user`](Self::by_current_user) finds the user of [`Auth`](crate::layer::auth::Auth). Requests
    /// without a user are counted by client.
    #[must_use]
    pub fn by_user<F>(mut self, user: F) -> Self
    where
        F: Fn(&Request) -> Option<String> + Send + Sync + 'static,
    {
        self.place = Place::UserRateLimit;
        let find = move |request: &Request| Some(Key::text(format!("user={}", user(request)?)));
        self.by = By::Find(Arc::new(find));
        self
    }

    /// Counts by the route's pattern: all clients together.
    #[must_use]
    pub fn by_route(mut self) -> Self {
        self.by = By::Route;
        self
    }

    /// Counts by what the function finds; requests for which it finds nothing are counted by client.
    #[must_use]
    pub fn by<F>(mut self, find: F) -> Self
    where
        F: Fn(&Request) -> Option<Key> + Send + Sync + 'static,
    {
        self.by = By::Find(Arc::new(find));
        self
    }

    /// Counts each route for itself: a client has the quota once for every pattern.
    #[must_use]
    pub const fn per_route(mut self) -> Self {
        self.per_route = true;
        self
    }

    /// What a request costs; 1 unless this says otherwise. One that costs 0 always passes, one that costs more than the
    /// quota never does.
    #[must_use]
    pub fn cost(mut self, cost: impl Fn(&Request) -> u32 + Send + Sync + 'static) -> Self {
        self.cost = Some(Arc::new(cost));
        self
    }

    /// Lets requests pass uncounted for which the function says so.
    #[must_use]
    pub fn exempt(mut self, exempt: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.exempt = Some(Arc::new(exempt));
        self
    }

    /// Whether responses that were allowed say what is left, too, in `RateLimit` and `RateLimit-Policy`. Off by default;
    /// 429 always says it.
    #[must_use]
    pub const fn tell_remaining(mut self, on: bool) -> Self {
        self.policy.tells = on;
        self
    }

    /// What becomes of requests when the limiter fails, or does not say anything in `timeout`: they pass, unless this
    /// says otherwise. It has 1 s by default. Each such request counts ([`failures`](Self::failures)), and is an event at
    /// level WARN, at most 100 of them in a second.
    #[must_use]
    pub const fn on_failure(mut self, what: OnFailure, timeout: Duration) -> Self {
        self.policy.on_failure = what;
        self.timeout = timeout;
        self
    }

    /// For how many requests the limiter gave no verdict: it failed, or took too long. Clones count together, so that
    /// one that is kept tells of the one that stands around the routes.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wireline::Router;
    /// use wireline::layer::rate_limit::RateLimit;
    ///
    /// let limit = RateLimit::new(100, Duration::from_secs(60));
    /// let routes = Router::new().layer(limit.clone()).get("/", async || "hello").build();
    /// assert_eq!(limit.failures(), 0);
    /// # let _ = routes;
    /// ```
    pub fn failures(&self) -> u64 {
        self.failures.count.load(Ordering::Relaxed)
    }
}

impl Failures {
    #[cold]
    fn add(&self, policy: &Policy, error: &dyn fmt::Display) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.told.allows(MOST_TOLD) {
            tell::failure(&policy.quota.name, policy.on_failure, error);
        }
    }
}

impl Policy {
    /// What is remembered of a request that is allowed, or the answer to one that is not.
    #[expect(
        clippy::result_large_err,
        reason = "the response is the layer's answer, which is moved once"
    )]
    fn conclude(&self, verdict: Option<Verdict>) -> Result<Note, Response> {
        match verdict {
            Some(verdict) if !verdict.allowed => Err(refusal(&verdict, &self.quota)),
            Some(verdict) if self.tells => {
                let left = Left::of(&verdict, &self.quota);
                Ok(Note::Octets(left.to_octets()))
            }
            None if self.on_failure == OnFailure::Refuse => Err(unavailable()),
            _ => Ok(Note::Empty),
        }
    }
}

impl Layer for RateLimit {
    fn place(&self) -> Place {
        self.place
    }

    fn check(&self) -> Result<(), String> {
        let Quota {
            name,
            max_requests,
            window,
        } = &self.policy.quota;
        let in_quotes = |octet: u8| matches!(octet, b' '..=b'~') && octet != b'"' && octet != b'\\';
        let is_whole = window.subsec_nanos() == 0;
        let problem = if self.problem.is_some() {
            self.problem
        } else if *max_requests == 0 {
            Some("a quota of no requests allows nothing")
        } else if *window < SHORTEST || *window > LONGEST {
            Some("a window has between a millisecond and 366 days")
        } else if name.is_empty() || !name.bytes().all(in_quotes) {
            Some("a name is visible US-ASCII without quotes and backslashes")
        } else if self.limiter.is_simple() && self.cost.is_some() {
            Some("its limiter counts requests, not their cost: it needs a QuotaLimiter")
        } else if self.limiter.is_simple() && !is_whole {
            Some("its limiter has windows of whole seconds")
        } else {
            None
        };
        problem.map_or(Ok(()), |what| Err(format!("rate limit \"{name}\": {what}")))
    }

    fn before(&self, request: &mut Request, note: &mut Note) -> Before {
        let is_exempt = (self.exempt.as_ref()).is_some_and(|exempt| exempt(request));
        if is_exempt {
            return Before::Go;
        }
        let cost = self.cost.as_ref().map_or(1, |cost| cost(request));
        let key = self.by.key(request, self.per_route);
        match self.limiter.spend(&key, cost, &self.policy.quota) {
            Spending::Now(verdict) => match self.policy.conclude(Some(verdict)) {
                Ok(left) => {
                    *note = left;
                    Before::Go
                }
                Err(response) => Before::Answer(response),
            },
            Spending::Later(verdict) => {
                let verdict = tokio::time::timeout(self.timeout, verdict);
                let (policy, failures) = (self.policy.clone(), self.failures.clone());
                Before::Wait(Waiting::new(async move {
                    let verdict = match verdict.await {
                        Ok(Ok(verdict)) => Some(verdict),
                        Ok(Err(failed)) => {
                            failures.add(&policy, &failed);
                            None
                        }
                        Err(late) => {
                            failures.add(&policy, &late);
                            None
                        }
                    };
                    policy.conclude(verdict)
                }))
            }
        }
    }

    fn after(&self, note: &mut Note, response: &mut Response) {
        if let Note::Octets(left) = note {
            Left::from_octets(*left).tell(&self.policy.quota, response.headers_mut());
        }
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("quota", &self.policy.quota)
            .finish_non_exhaustive()
    }
}

/// Failures that are told in a second.
const MOST_TOLD: u64 = 100;
const TIMEOUT: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);
