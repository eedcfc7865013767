//! The limiter that counts in Redis, for all processes that ask it.

mod script;

use self::script::SPEND;
use crate::layer::rate_limit::key::Key;
use crate::layer::rate_limit::limiter::{LimiterFailed, Quota, QuotaLimiter, Spending, Verdict};
use crate::resource::redis::{Kept, RedisError, RedisServer};
use redis::{Pipeline, Value};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Counts in Redis, in the windows of [`InMemoryRateLimiter`](crate::layer::rate_limit::InMemoryRateLimiter), with times of whole
/// milliseconds: however many nodes ask, together they allow no more than the quota. Clones share a connection.
///
/// A request is one question and one answer, in which the server counts by its own clock while nothing else runs. Whoever waits for
/// 250 ms, or finds nobody there, is told that the limiter failed, and
/// [`RateLimit::on_failure`](crate::layer::rate_limit::RateLimit::on_failure) decides. Then the connection is made again in the background, at
/// most once a second; until that is done, no request waits.
///
/// Keys are a prefix and a digest, so that no address and no secret is to be read there, and go when nothing of them counts any more.
///
/// ```no_run
/// use std::time::Duration;
/// use wireline::Router;
/// use wireline::layer::rate_limit::{RateLimit, RedisRateLimiter};
///
/// let limiter = RedisRateLimiter::new("redis://127.0.0.1")?;
/// let routes = Router::new()
///     .layer(RateLimit::new(100, Duration::from_secs(60)).limiter(limiter))
///     .get("/", async || "hello")
///     .build()?;
/// # let _ = routes;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RedisRateLimiter {
    connection: Arc<Kept>,
    prefix: Arc<str>,
}

impl RedisRateLimiter {
    /// Counts at the server of a URL, as [`RedisServer::new`] takes it. It is connected to when the first request comes.
    ///
    /// # Errors
    ///
    /// [`RedisError`] for what is no such URL.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        Ok(Self::at(RedisServer::new(url)?))
    }

    /// A server that needs more than a URL: authorities of its own, say.
    pub fn at(server: RedisServer) -> Self {
        let mut load = redis::pipe();
        load.cmd("SCRIPT").arg("LOAD").arg(SPEND);
        Self {
            connection: Arc::new(Kept::new(server, load)),
            prefix: "wireline".into(),
        }
    }

    /// What the names of keys begin with: `wireline` unless said otherwise. Those who count together need the same.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    fn question(
        &self,
        key: &Key,
        cost: u32,
        quota: &Quota,
    ) -> impl Fn(&[Value]) -> Pipeline + use<> {
        let window = quota.window.as_nanos().div_ceil(1_000_000).max(1);
        let mut digest = Sha256::new();
        let kind = [u8::from(key.is_text())];
        for part in [quota.name.as_bytes(), &kind, key.to_string().as_bytes()] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        let digest = u128::from_be_bytes(std::array::from_fn({
            let digest = digest.finalize();
            move |at| digest.get(at).copied().unwrap_or_default()
        }));
        let name = format!("{}:rate:{{{digest:032x}:{window:x}}}", self.prefix);
        let quota = quota.max_requests;
        move |loaded| {
            let mut all = redis::pipe();
            let ask = all.cmd("EVALSHA").arg(digest_of(loaded)).arg(1);
            ask.arg(&name).arg(cost).arg(quota).arg(window.to_string());
            all
        }
    }
}

impl QuotaLimiter for RedisRateLimiter {
    fn spend(&self, key: &Key, cost: u32, quota: &Quota) -> Spending {
        let question = self.question(key, cost, quota);
        let connection = self.connection.clone();
        Spending::Later(Box::pin(async move {
            let answer = connection.ask(question, PATIENCE).await;
            let answer = answer.map_err(LimiterFailed::new)?;
            verdict(&answer).ok_or_else(|| LimiterFailed::new("the answer was not understood"))
        }))
    }
}

impl fmt::Debug for RedisRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRateLimiter")
            .field("server", self.connection.server())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// Under what the server knows the script.
fn digest_of(loaded: &[Value]) -> &[u8] {
    match loaded.first() {
        Some(Value::BulkString(digest)) => digest,
        _ => b"",
    }
}

fn verdict(answer: &[Value]) -> Option<Verdict> {
    let [Value::Array(parts)] = answer else {
        return None;
    };
    let [
        Value::Int(allowed),
        Value::Int(remaining),
        Value::Int(reset),
    ] = parts[..]
    else {
        return None;
    };
    Some(Verdict {
        allowed: allowed == 1,
        remaining: Some(u32::try_from(remaining).ok()?),
        reset: Some(Duration::from_millis(u64::try_from(reset).ok()?)),
    })
}

const PATIENCE: Duration = Duration::from_millis(250);
