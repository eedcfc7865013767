//! The configuration in use, and the one that takes its place.
//!
//! A handshake takes the configuration that is there when it begins; connections never ask again. A new one is
//! put in its place whole and checked, or not at all.

use crate::resource::counters::{Counter, Counters};
use crate::resource::tls_stream::provider;
use crate::server::tls::config::{OnReload, Sessions, Source, TlsConfig, assemble};
use crate::server::tls::error::TlsError;
use crate::server::tls::material::Recipe;
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
    digest: u64,
    authorities_digest: u64,
    stamps: Vec<Option<Stamp>>,
    /// Whether the time stamps of then may hide a later change.
    was_young: bool,
    /// The text of the failure that was told last, while it lasts.
    failing: Option<String>,
}

/// Device, inode, length and time of the last change: of a file, and of none when it cannot be looked at.
type Stamp = (u64, u64, u64, i64, i64);

impl Certificates {
    /// Reads everything and checks it.
    pub(super) fn new(config: &TlsConfig) -> Result<Self, TlsError> {
        let sessions = Sessions::new();
        let mut state = State {
            sessions,
            digest: 0,
            authorities_digest: 0,
            stamps: Vec::new(),
            was_young: false,
            failing: None,
        };
        let (current, recipe) = match &config.source {
            Source::Rustls(config) => (config.clone(), None),
            Source::Recipe(recipe) => {
                state.stamps = stamps(recipe);
                state.was_young = is_young(&state.stamps);
                let loaded = recipe.load(&provider())?;
                state.digest = loaded.digest;
                state.authorities_digest = loaded.authorities_digest;
                let made = assemble(loaded, &state.sessions)?;
                (Arc::new(made), Some((**recipe).clone()))
            }
        };
        Ok(Self {
            current: RwLock::new(current),
            recipe,
            state: Mutex::new(state),
            on_reload: config.on_reload.clone(),
            interval: config.reload_interval,
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
        let Some(recipe) = &self.recipe else {
            return Ok(());
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at before they are read: what changes meanwhile looks different the next time.
        let stamps = stamps(recipe);
        let changed = stamps != state.stamps || state.failing.is_some() || state.was_young;
        if !go_on(changed) {
            return Ok(());
        }
        let looks_different = stamps != state.stamps;
        state.was_young = is_young(&stamps);
        state.stamps = stamps;
        match self.replace(recipe, &mut state) {
            Ok(replaced) => {
                let recovered = state.failing.take().is_some();
                if replaced || recovered {
                    counters.add(Counter::CertificateReloads);
                    self.tell(Ok(()));
                }
                Ok(())
            }
            Err(error) => {
                let text = error.to_string();
                // A failure that goes on is told once for each change of the files.
                if looks_different || state.failing.as_ref() != Some(&text) {
                    counters.add(Counter::CertificateReloadFailures);
                    self.tell(Err(&error));
                }
                state.failing = Some(text);
                Err(error)
            }
        }
    }

    /// `false` when the files say what is in use already.
    fn replace(&self, recipe: &Recipe, state: &mut State) -> Result<bool, TlsError> {
        let loaded = recipe.load(&provider())?;
        if loaded.digest == state.digest {
            return Ok(false);
        }
        let (digest, authorities_digest) = (loaded.digest, loaded.authorities_digest);
        // A session remembers a client certificate that was verified before: by authorities that are not trusted
        // any more it must not go on.
        let fresh = (authorities_digest != state.authorities_digest).then(Sessions::new);
        let made = assemble(loaded, fresh.as_ref().unwrap_or(&state.sessions))?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(made);
        if let Some(fresh) = fresh {
            state.sessions = fresh;
        }
        state.digest = digest;
        state.authorities_digest = authorities_digest;
        Ok(true)
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
