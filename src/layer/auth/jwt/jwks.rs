//! A set of keys that somebody else replaces (JWKS, RFC 7517 §5).

use crate::layer::auth::jwt::key::{Algorithm, Ready, VerifyKey};
use jsonwebtoken::Validation;
use jsonwebtoken::jwk::Jwk;
use serde_json::Value;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// A set of keys on its way.
pub(super) type Fetched = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;

/// The last good set of keys, and how to get the next.
pub(super) struct Jwks {
    fetch: Box<dyn Fn() -> Fetched + Send + Sync>,
    terms: Validation,
    algorithms: Vec<Algorithm>,
    /// How old a set gets.
    refresh: Duration,
    keys: RwLock<Arc<[Ready]>>,
    fetching: Mutex<Fetching>,
    /// Changes with the end of every fetch.
    ends: watch::Sender<()>,
}

#[derive(Default)]
struct Fetching {
    is_under_way: bool,
    begun: Option<Instant>,
    /// When the set that is in use came.
    taken: Option<Instant>,
    /// What was wrong with the last fetch.
    error: Option<String>,
}

impl Jwks {
    pub(super) fn new(
        fetch: Box<dyn Fn() -> Fetched + Send + Sync>,
        terms: Validation,
        algorithms: Vec<Algorithm>,
        refresh: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            fetch,
            terms,
            algorithms,
            refresh,
            keys: RwLock::new(Arc::new([])),
            fetching: Mutex::default(),
            ends: watch::Sender::new(()),
        })
    }

    /// The keys of the last good set.
    pub(super) fn keys(&self) -> Arc<[Ready]> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether there ever was a good set.
    pub(super) fn is_there(&self) -> bool {
        self.fetching().taken.is_some()
    }

    /// Begins to fetch a set that has become old; nobody waits for it.
    pub(super) fn keep_fresh(self: &Arc<Self>) {
        let is_old = self
            .fetching()
            .taken
            .is_some_and(|taken| taken.elapsed() >= self.refresh);
        if is_old {
            self.begin();
        }
    }

    /// Waits until a fetch is over: one that is under way, or one that begins now, unless the last one has only just begun.
    pub(super) async fn wait(self: &Arc<Self>) {
        let mut ends = self.ends.subscribe();
        if self.begin() {
            // Whether it came, and what it brought, shows in the keys.
            let _ = timeout(LONGEST_WAIT, ends.changed()).await;
        }
    }

    /// What was wrong with the last fetch; `None` when it went well.
    pub(super) fn error(&self) -> Option<String> {
        self.fetching().error.clone()
    }

    /// Reads a set and puts it in place of the last.
    pub(super) fn take(&self, text: &[u8]) -> Result<(), String> {
        let keys = self.read(text)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
        self.fetching().taken = Some(Instant::now());
        Ok(())
    }

    fn read(&self, text: &[u8]) -> Result<Vec<Ready>, String> {
        if text.len() > LONGEST {
            return Err(format!("it has more than {LONGEST} octets"));
        }
        let set: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let Some(keys) = set.get("keys").and_then(Value::as_array) else {
            return Err("it has no list `keys`".to_owned());
        };
        if keys.len() > MOST_KEYS {
            return Err(format!("it has more than {MOST_KEYS} keys"));
        }
        // A key that is not understood is left out, with the others of kinds that are not used here (RFC 7517 §5).
        let ready: Vec<Ready> = keys
            .iter()
            .filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok())
            .filter_map(|key| VerifyKey::of_set(&key, &self.algorithms))
            .map(|key| key.ready(&self.terms))
            .collect();
        if ready.is_empty() {
            return Err(
                "it has no key that verifies signatures by an allowed algorithm".to_owned(),
            );
        }
        Ok(ready)
    }

    /// Whether a fetch is under way after this.
    fn begin(self: &Arc<Self>) -> bool {
        // A token may be verified where nothing runs; a set is not fetched then.
        let Ok(runtime) = Handle::try_current() else {
            return false;
        };
        let mut fetching = self.fetching();
        if fetching.is_under_way {
            return true;
        }
        let is_early = (fetching.begun).is_some_and(|begun| begun.elapsed() < SHORTEST_INTERVAL);
        if is_early {
            return false;
        }
        fetching.is_under_way = true;
        fetching.begun = Some(Instant::now());
        drop(fetching);
        let end = End(self.clone());
        runtime.spawn(async move {
            let set = &end.0;
            let outcome = match timeout(LONGEST_FETCH, (set.fetch)()).await {
                Ok(Ok(text)) => set.take(&text),
                Ok(Err(error)) => Err(error),
                Err(_) => Err("fetching it took too long".to_owned()),
            };
            set.fetching().error = outcome.err();
        });
        true
    }

    fn fetching(&self) -> MutexGuard<'_, Fetching> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a fetch, whatever becomes of it.
struct End(Arc<Jwks>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.fetching().is_under_way = false;
        self.0.ends.send_replace(());
    }
}

/// From the beginning of a fetch to that of the next.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(10);

/// How long a request waits for a set.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

const LONGEST_FETCH: Duration = Duration::from_secs(10);

/// Octets and keys of a set.
const LONGEST: usize = 256 * 1024;
const MOST_KEYS: usize = 64;
