//! What stands between a listener and HTTP: nothing, a TLS handshake, another service than the server's, and before any of
//! these a proxy that says who its client is.

use crate::resource::addr::ConnInfo;
use crate::resource::counters::Counters;
use crate::resource::io::Io;
use crate::server::bind::Bound;
use crate::server::http2;
use crate::server::permit::Permit;
use crate::server::proxied::Proxied;
use crate::service::handler::Service;
use crate::service::link::Shared;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

/// How the connections of one listener are received.
#[derive(Clone)]
pub(super) enum Door {
    /// HTTP from the first octet on.
    Plain,
    /// A handshake comes first.
    Secure(Arc<dyn Secure>),
    /// HTTP from the first octet on, answered by this service.
    Aside(Arc<dyn Service>),
    /// A header of the PROXY protocol comes first, and then another of these.
    Proxied(Arc<Proxied>),
}

/// A handshake that comes before HTTP, and what it needs.
pub(super) trait Secure: fmt::Debug + Send + Sync {
    /// Serves a connection as a task of the present runtime.
    fn serve(self: Arc<Self>, io: Io, info: ConnInfo, shared: Arc<Shared>, permit: Permit);

    /// What a connection without a place is told, in the clear.
    fn refusal(&self) -> &'static [u8];

    /// Reads again what was read from files.
    fn reload(&self, counters: &Counters) -> io::Result<()>;

    /// Watches the files for as long as it is polled; `None` when there is nothing to watch.
    fn watch(self: Arc<Self>, counters: Arc<Counters>) -> Option<Watch>;
}

/// Never ready.
pub(super) type Watch = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Door {
    /// Serves a connection as a task of the present runtime.
    #[inline]
    pub(super) fn serve(&self, io: Io, info: ConnInfo, shared: &Arc<Shared>, permit: Permit) {
        match self {
            Self::Plain => http2::serve_plain(io, info, shared.clone(), permit),
            Self::Secure(secure) => secure.clone().serve(io, info, shared.clone(), permit),
            Self::Aside(service) => {
                let shared = Shared {
                    worker: shared.worker.clone(),
                    service: service.clone(),
                    config: shared.config.clone(),
                };
                http2::serve_plain(io, info, Arc::new(shared), permit);
            }
            Self::Proxied(proxied) => proxied.clone().serve(io, info, shared.clone(), permit),
        }
    }

    /// What is known of the place where it stands.
    pub(super) fn bound(&self, bound: Bound) -> Bound {
        match (self.secure(), bound) {
            (Some(_), Bound::Tcp(addr)) => Bound::Tls(addr),
            (_, bound) => bound,
        }
    }

    pub(super) fn secure(&self) -> Option<&Arc<dyn Secure>> {
        match self {
            Self::Secure(secure) => Some(secure),
            Self::Proxied(proxied) => proxied.then.secure(),
            _ => None,
        }
    }

    /// Whether the peer of a connection is its client, so that it is counted for its address at once.
    pub(super) fn knows_the_client(&self) -> bool {
        !matches!(self, Self::Proxied(_))
    }
}

impl From<Arc<dyn Secure>> for Door {
    fn from(secure: Arc<dyn Secure>) -> Self {
        Self::Secure(secure)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("Plain"),
            Self::Secure(secure) => secure.fmt(f),
            Self::Aside(_) => f.write_str("Aside"),
            Self::Proxied(proxied) => proxied.fmt(f),
        }
    }
}
