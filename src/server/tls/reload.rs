//! The configuration in use, and the one that takes its place.
//!
//! A handshake takes the configuration that is there when it begins; connections never ask again. A new one is
//! checked before it takes its place: each certificate with its key is replaced whole, or not at all.

use crate::resource::counters::{Counter, Counters};
use crate::resource::tls_stream::provider;
use crate::server::tls::config::{OnReload, Sessions, Source, TlsConfig, assemble};
use crate::server::tls::error::TlsError;
use crate::server::tls::material::{Loaded, Recipe};
use crate::server::tls::tell;
use rustls::ServerConfig;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

/// The certificates of one listener.
pub(super) struct Certificates {
    current: RwLock<Arc<ServerConfig>>,
    /// `None` for a configuration that was given whole.
    recipe: Option<Recipe>,
    /// What is in use, and what the files looked like when they were read last. Locked for a whole reload.
    state: Mutex<State>,
    on_reload: Option<OnReload>,
    pub(super) interval: Option<Duration>,
}

struct State {
    sessions: Sessions,
    /// `None` for a configuration that was given whole.
    loaded: Option<Loaded>,
    stamps: Vec<Option<Stamp>>,
    /// Whether the time stamps of then may hide a later change.
    was_young: bool,
    /// The text of each failure that was told last, while they last.
    failing: Vec<String>,
}

/// What a reload came to.
#[derive(Default)]
struct Outcome {
    /// What could not be used.
    failures: Vec<TlsError>,
    /// Whether anybody wants to know.
    is_news: bool,
}

/// Device, inode, length and time of the last change: of a file, and of none when it cannot be looked at.
type Stamp = (u64, u64, u64, i64, i64);

impl Certificates {
    /// Reads everything and checks it.
    pub(super) fn new(config: &TlsConfig) -> Result<Self, TlsError> {
        let sessions = Sessions::new();
        let mut state = State {
            sessions,
            loaded: None,
            stamps: Vec::new(),
            was_young: false,
            failing: Vec::new(),
        };
        let (current, recipe) = match &config.source {
            Source::Rustls(config) => (config.clone(), None),
            Source::Recipe(recipe) => {
                state.stamps = stamps(recipe);
                state.was_young = is_young(&state.stamps);
                let loaded = recipe.load(&provider())?;
                let made = assemble(recipe, &loaded, &state.sessions)?;
                state.loaded = Some(loaded);
                (Arc::new(made), Some((**recipe).clone()))
            }
        };
        Ok(Self {
            current: RwLock::new(current),
            recipe,
            state: Mutex::new(state),
            on_reload: config.on_reload.clone(),
            interval: config
                .reload_interval
                .map(|interval| interval.max(SHORTEST_INTERVAL)),
        })
    }

    /// The configuration for a handshake that begins now.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether anything of it stands in files.
    pub(super) fn has_files(&self) -> bool {
        self.recipe
            .as_ref()
            .is_some_and(|recipe| recipe.files().next().is_some())
    }

    /// Reads the files again, whatever they look like.
    pub(super) fn reload(&self, counters: &Counters) -> Result<(), TlsError> {
        self.reload_when(|_| true, counters)
    }

    /// Reads the files again when one of them looks different from when it was read last, or when they could not
    /// be used then.
    pub(super) fn reload_changed(&self, counters: &Counters) {
        // Whoever asked has no use for the error; it was told.
        let _ = self.reload_when(|changed| changed, counters);
    }

    fn reload_when(
        &self,
        go_on: impl FnOnce(bool) -> bool,
        counters: &Counters,
    ) -> Result<(), TlsError> {
        // Told when the lock is free: whoever is told may reload.
        let Outcome { failures, is_news } = self.replace_when(go_on, counters);
        if is_news {
            for error in &failures {
                self.tell(Err(error));
            }
            if failures.is_empty() {
                self.tell(Ok(()));
            }
        }
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    fn replace_when(&self, go_on: impl FnOnce(bool) -> bool, counters: &Counters) -> Outcome {
        let Some(recipe) = &self.recipe else {
            return Outcome::default();
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at before they are read: what changes meanwhile looks different the next time.
        let stamps = stamps(recipe);
        let looks_different = stamps != state.stamps;
        if !go_on(looks_different || !state.failing.is_empty() || state.was_young) {
            return Outcome::default();
        }
        state.was_young = is_young(&stamps);
        state.stamps = stamps;
        let (is_replaced, failures) = self.replace(recipe, &mut state);
        let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
        let before = std::mem::replace(&mut state.failing, texts);
        let is_recovered = failures.is_empty() && !before.is_empty();
        if is_replaced || is_recovered {
            counters.add(Counter::CertificateReloads);
        }
        // A failure that goes on is told once for each change of the files.
        let is_failure = !failures.is_empty() && (looks_different || state.failing != before);
        if is_failure {
            counters.add(Counter::CertificateReloadFailures);
        }
        Outcome {
            failures,
            is_news: is_replaced || is_recovered || is_failure,
        }
    }

    /// Whether there was anything new that can be used, and what cannot.
    fn replace(&self, recipe: &Recipe, state: &mut State) -> (bool, Vec<TlsError>) {
        let Some(before) = &state.loaded else {
            return (false, Vec::new());
        };
        let mut loaded = before.clone();
        let mut failures = recipe.load_again(&provider(), &mut loaded);
        if loaded.is_same(before) {
            return (false, failures);
        }
        // A session remembers a client certificate that was verified before: by authorities that are not trusted
        // any more it must not go on.
        let fresh = (!loaded.has_authorities_of(before)).then(Sessions::new);
        match assemble(recipe, &loaded, fresh.as_ref().unwrap_or(&state.sessions)) {
            Ok(made) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(made);
            }
            Err(error) => {
                failures.push(error);
                return (false, failures);
            }
        }
        if let Some(fresh) = fresh {
            state.sessions = fresh;
        }
        state.loaded = Some(loaded);
        (true, failures)
    }

    fn tell(&self, outcome: Result<(), &TlsError>) {
        match &self.on_reload {
            Some(told) => told(outcome),
            None => tell::reload(outcome),
        }
    }
}

fn stamps(recipe: &Recipe) -> Vec<Option<Stamp>> {
    recipe
        .files()
        .map(|path| {
            let found = fs::metadata(path).ok()?;
            let (seconds, nanoseconds) = (found.mtime(), found.mtime_nsec());
            Some((found.dev(), found.ino(), found.len(), seconds, nanoseconds))
        })
        .collect()
}

/// Whether a file was changed so lately that the next change could leave the same time stamp.
fn is_young(stamps: &[Option<Stamp>]) -> bool {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
    let mut changed = stamps.iter().flatten().map(|(.., seconds, _)| *seconds);
    changed.any(|seconds| now.saturating_sub(seconds) < YOUNG)
}

/// In seconds: no file system in use has coarser time stamps.
const YOUNG: i64 = 3;

/// More looks than these find nothing sooner.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_of_nothing_is_taken_as_the_shortest() {
        let tls = TlsConfig::self_signed("localhost").unwrap();
        for (given, taken) in [
            (Some(Duration::ZERO), Some(SHORTEST_INTERVAL)),
            (Some(Duration::from_secs(1)), Some(Duration::from_secs(1))),
            (None, None),
        ] {
            let certificates = Certificates::new(&tls.clone().reload_interval(given)).unwrap();
            assert_eq!(certificates.interval, taken);
        }
    }
}
