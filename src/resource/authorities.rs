//! Authorities: whom the system trusts, and whom a file names.

#[cfg(any(feature = "redis", feature = "nats"))]
mod file;
#[cfg(feature = "native-roots")]
mod native_roots;
#[cfg(not(feature = "native-roots"))]
mod no_native_roots;

#[cfg(any(feature = "redis", feature = "nats"))]
pub(crate) use self::file::File;
#[cfg(feature = "native-roots")]
use self::native_roots as roots;
#[cfg(not(feature = "native-roots"))]
use self::no_native_roots as roots;

use crate::resource::tls_stream::provider;
use rustls::pki_types::TrustAnchor;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What goes wrong with certificates.
pub(crate) type TlsError = Box<dyn std::error::Error + Send + Sync>;

/// The system's authorities. They are read anew for a connection when that was a minute ago: a process outlives certificates, and who
/// replaces those of the system restarts nothing.
pub(crate) async fn system() -> Result<Arc<ClientConfig>, TlsError> {
    static SYSTEM: System = System(Mutex::new(None));
    if let Some(config) = SYSTEM.fresh(Instant::now()) {
        return Ok(config);
    }
    let store = tokio::task::spawn_blocking(roots::read).await?;
    SYSTEM.take(store, Instant::now())
}

/// What was read last.
struct System(Mutex<Option<Read>>);

struct Read {
    at: Instant,
    /// Who is believed, to see whether anything has changed.
    roots: Vec<TrustAnchor<'static>>,
    config: Arc<ClientConfig>,
}

impl System {
    /// What need not be read anew. Who gets nothing reads it; others take meanwhile what there was.
    fn fresh(&self, now: Instant) -> Option<Arc<ClientConfig>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.as_mut()?;
        if now.saturating_duration_since(last.at) >= FRESH {
            last.at = now;
            return None;
        }
        Some(last.config.clone())
    }

    /// Something was read. Where nothing has changed, or nothing could be read, all stays as it was, with the sessions to go on with.
    fn take(
        &self,
        read: Result<RootCertStore, String>,
        now: Instant,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let store = match (read, &*last) {
            (Ok(store), Some(last)) if store.roots == last.roots => return Ok(last.config.clone()),
            (Err(_), Some(last)) => return Ok(last.config.clone()),
            (read, _) => read?,
        };
        let roots = store.roots.clone();
        let config = Arc::new(trusting(store)?);
        *last = Some(Read {
            at: now,
            roots,
            config: config.clone(),
        });
        Ok(config)
    }
}

/// For how long what was read is taken for what is there.
const FRESH: Duration = Duration::from_secs(60);

/// A client that believes these.
pub(crate) fn trusting(store: RootCertStore) -> Result<ClientConfig, TlsError> {
    let versions =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(versions.with_root_certificates(store).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(names: &[&str]) -> RootCertStore {
        let mut store = RootCertStore::empty();
        for name in names {
            let made = rcgen::generate_simple_self_signed([(*name).to_owned()]).unwrap();
            store.add(made.cert.der().clone()).unwrap();
        }
        store
    }

    #[tokio::test(start_paused = true)]
    async fn authorities_are_read_anew_and_sessions_kept_where_nothing_has_changed() {
        let system = System(Mutex::new(None));
        let now = Instant::now();
        assert!(system.fresh(now).is_none());
        assert!(system.take(Err("none".to_owned()), now).is_err());
        let one = store(&["one.example"]);
        let first = system.take(Ok(one.clone()), now).unwrap();
        let is_first = |config: Option<Arc<ClientConfig>>| {
            config.is_some_and(|config| Arc::ptr_eq(&config, &first))
        };
        assert!(is_first(system.fresh(now + FRESH / 2)));
        // One reads anew, others do not wait for that.
        assert!(system.fresh(now + FRESH).is_none());
        assert!(is_first(system.fresh(now + FRESH)));
        assert!(is_first(system.take(Ok(one), now + FRESH).ok()));
        assert!(is_first(
            system.take(Err("gone".to_owned()), now + FRESH).ok()
        ));
        let both = store(&["one.example", "two.example"]);
        let second = system.take(Ok(both), now + FRESH).unwrap();
        assert!(!Arc::ptr_eq(&second, &first));
        assert!(
            system
                .fresh(now + FRESH)
                .is_some_and(|config| Arc::ptr_eq(&config, &second))
        );
    }
}
