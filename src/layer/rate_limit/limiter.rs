//! Who counts: the two traits of limiters.

use crate::layer::rate_limit::key::Key;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A limiter that says yes or no.
///
/// It is the smaller of two traits: whatever implements it is a [`QuotaLimiter`], too, of which only less is known.
///
/// ```
/// use std::collections::HashMap;
/// use std::pin::Pin;
/// use std::sync::Mutex;
/// use wireline::layer::rate_limit::RateLimiter;
///
/// /// So many for each key, and then no more.
/// #[derive(Default)]
/// struct Once(Mutex<HashMap<String, u32>>);
///
/// impl RateLimiter for Once {
///     fn check(&self, key: &str, max_requests: u32, _window_secs: u64) -> Pin<Box<dyn Future<Output = bool> + Send>> {
///         let mut counts = self.0.lock().unwrap();
///         let count = counts.entry(key.to_owned()).or_default();
///         *count += 1;
///         Box::pin(std::future::ready(*count <= max_requests))
///     }
/// }
/// ```
pub trait RateLimiter: Send + Sync + 'static {
    /// Counts a request of `key`, and says whether it is one of at most `max_requests` in `window_secs` seconds.
    ///
    /// The key is the client's address, `203.0.113.7` or `2001:db8::/64`, unless another one was asked for; that of a
    /// limit with a name stands behind the name and a colon. It may be as long as a request's header section.
    fn check(
        &self,
        key: &str,
        max_requests: u32,
        window_secs: u64,
    ) -> Pin<Box<dyn Future<Output = bool> + Send>>;
}

impl<L: RateLimiter + ?Sized> RateLimiter for Arc<L> {
    fn check(
        &self,
        key: &str,
        max_requests: u32,
        window_secs: u64,
    ) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        (**self).check(key, max_requests, window_secs)
    }
}

/// A limiter that knows what a request costs, how much is left and for how long, that may fail, and that need not wait.
///
/// ```
/// use std::time::Duration;
/// use wireline::layer::rate_limit::{InMemoryRateLimiter, Key, Quota, QuotaLimiter, RateLimit, Spending, Verdict};
///
/// /// Asks nobody about the office; others are counted in memory.
/// struct ButTheOffice(InMemoryRateLimiter);
///
/// impl QuotaLimiter for ButTheOffice {
///     fn spend(&self, key: &Key, cost: u32, quota: &Quota) -> Spending {
///         if key.to_string() == "203.0.113.7" {
///             return Spending::Now(Verdict { allowed: true, remaining: None, reset: None });
///         }
///         self.0.spend(key, cost, quota)
///     }
/// }
///
/// let limiter = ButTheOffice(InMemoryRateLimiter::new());
/// let limit = RateLimit::new(100, Duration::from_secs(60)).limiter(limiter);
/// # let _ = limit;
/// ```
///
/// One that asks another process gives back [`Spending::Later`] with a future, which ends in [`LimiterFailed`] when nobody answers.
pub trait QuotaLimiter: Send + Sync + 'static {
    /// Spends `cost` of the key's quota, if that much is left. What is refused must not count.
    fn spend(&self, key: &Key, cost: u32, quota: &Quota) -> Spending;

    /// Whether it counts requests alone, not their cost, in windows of whole seconds: then a limit that asks for more is
    /// refused when the router is built.
    fn is_simple(&self) -> bool {
        false
    }
}

impl<L: RateLimiter> QuotaLimiter for L {
    fn spend(&self, key: &Key, _: u32, quota: &Quota) -> Spending {
        let key = if quota.name == DEFAULT_NAME {
            key.to_string()
        } else {
            format!("{}:{key}", quota.name)
        };
        let window = quota.window;
        let allowed = self.check(&key, quota.max_requests, window.as_secs());
        Spending::Later(Box::pin(async move {
            Ok(Verdict {
                allowed: allowed.await,
                remaining: None,
                reset: None,
            })
        }))
    }

    fn is_simple(&self) -> bool {
        true
    }
}

/// How much may be spent, and under which name.
///
/// ```
/// use std::time::Duration;
/// use wireline::layer::rate_limit::{InMemoryRateLimiter, Key, Quota, QuotaLimiter, Spending};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let quota = Quota { name: "uploads".into(), max_requests: 10, window: Duration::from_secs(60) };
/// let limiter = InMemoryRateLimiter::new();
/// let key = Key::address([203, 0, 113, 7].into());
/// // One that costs as much as four.
/// let Spending::Now(verdict) = limiter.spend(&key, 4, &quota) else { panic!("memory needs no time") };
/// assert_eq!(verdict.remaining, Some(6));
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The limit's name, under which clients are told of it. One limiter may keep several limits apart by it.
    pub name: Cow<'static, str>,
    /// How many requests, or how much of their cost.
    pub max_requests: u32,
    /// In how long a time.
    pub window: Duration,
}

/// What a limiter says of a request.
///
/// ```
/// use std::time::Duration;
/// use wireline::layer::rate_limit::Verdict;
///
/// // Who asks for more hears `Retry-After: 30`.
/// let refused = Verdict { allowed: false, remaining: Some(0), reset: Some(Duration::from_secs(30)) };
/// # let _ = refused;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is allowed.
    pub allowed: bool,
    /// What is left behind it, when that is known.
    pub remaining: Option<u32>,
    /// When there is more again: for a refused one, when to try again. `None` is when the window has passed.
    pub reset: Option<Duration>,
}

/// A verdict, or the wait for one.
///
/// ```
/// use wireline::layer::rate_limit::{LimiterFailed, Spending, Verdict};
///
/// async fn settle(spending: Spending) -> Result<Verdict, LimiterFailed> {
///     match spending {
///         Spending::Now(verdict) => Ok(verdict),
///         Spending::Later(verdict) => verdict.await,
///     }
/// }
/// # drop(settle);
/// ```
pub enum Spending {
    /// It is known already.
    Now(Verdict),
    /// It has to be asked for.
    Later(Pin<Box<dyn Future<Output = Result<Verdict, LimiterFailed>> + Send>>),
}

impl fmt::Debug for Spending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(verdict) => verdict.fmt(f),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// A limiter could not say anything: whoever it asks is away, for one.
///
/// ```
/// use wireline::layer::rate_limit::{Key, LimiterFailed, Quota, QuotaLimiter, Spending};
///
/// /// One that asks a neighbour who is not at home.
/// struct Neighbour;
///
/// impl QuotaLimiter for Neighbour {
///     fn spend(&self, _: &Key, _: u32, _: &Quota) -> Spending {
///         Spending::Later(Box::pin(async { Err(LimiterFailed::new("nobody opens")) }))
///     }
/// }
///
/// assert_eq!(LimiterFailed::new("nobody opens").to_string(), "the rate limiter failed: nobody opens");
/// ```
#[derive(Debug)]
pub struct LimiterFailed(Box<dyn Error + Send + Sync>);

impl LimiterFailed {
    /// It failed because of this.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for LimiterFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the rate limiter failed: {}", self.0)
    }
}

impl Error for LimiterFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// The name of a limit that was given none.
pub(super) const DEFAULT_NAME: &str = "default";
