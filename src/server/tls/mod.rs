//! TLS at the listeners, by rustls.
//!
//! ```text
//!   accept --permit--> Serving: Hello -> place -> Shaking -> ALPN -> http1::driver::Connection or http2::Connection
//!                         |  400 to plain HTTP, an alert to anything else, the deadline
//!   TlsConfig --load, check--> Certificates: the configuration in use
//!                                 ^  time stamps, SIGHUP, Handle::reload: load and check each, then swap; tell what stays
//! ```
//!
//! | file | what it knows |
//! |---|---|
//! | `config` | what a program may say, and the configuration of rustls that comes of it |
//! | `material` | PEM, keys that belong to certificates, certificates that are valid now, client authorities |
//! | `chains` | how long a client's chain may be |
//! | `names` | which certificate answers to which name |
//! | `self_signed` | certificates for development |
//! | `reload` | the configuration in use and how it changes |
//! | `acceptor`, `handshake`, `places` | a connection from accept to its protocol, and how many may be on that way |
//! | `alpn` | which protocols are offered |
//!
//! The seam is narrow: a [`Transport`](crate::resource::io::Transport) with a
//! [`TlsInfo`](crate::resource::tls_info::TlsInfo) in the connection's slot, and `handshake::begin`, which picks the
//! protocol. Drivers do not know TLS.

mod acceptor;
mod alpn;
mod chains;
mod config;
mod error;
mod handshake;
mod material;
mod names;
#[cfg(not(feature = "tracing"))]
mod no_tell;
mod places;
mod reload;
mod self_signed;
#[cfg(feature = "tracing")]
mod tell;

#[cfg(not(feature = "tracing"))]
use self::no_tell as tell;

pub use self::acceptor::TlsAcceptor;
pub use self::config::TlsConfig;
pub use self::error::TlsError;

use crate::server::bind::{Bound, IntoBind};
use crate::server::builder::Server;
use crate::server::door::{Door, Secure};
use crate::server::error::StartError;
use crate::server::tls::acceptor::Acceptor;
use std::sync::Arc;

impl Server {
    /// Listens there, too, and speaks TLS: any place that [`bind`](Self::bind) takes.
    ///
    /// ```no_run
    /// use wireline::server::TlsConfig;
    /// use wireline::{Router, Server};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let routes = Router::new().get("/", async || "hello").build()?;
    ///     Server::new(routes).bind_tls("127.0.0.1:8443", TlsConfig::self_signed("localhost")?).run()?;
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn bind_tls(self, place: impl IntoBind, tls: TlsConfig) -> Self {
        let open = move || {
            let acceptor: Arc<dyn Secure> = Arc::new(Acceptor::new(&tls)?);
            Ok(Door::from(acceptor))
        };
        self.bind_with(place, open)
    }

    /// Listens at one place with TLS and serves until a signal ends it.
    ///
    /// Giving it up stops accepting, as dropping a [`Running`](crate::server::Running) does.
    ///
    /// # Errors
    ///
    /// When the place cannot be listened at, or the certificates can no longer be used.
    pub async fn listen_tls(self, place: impl IntoBind, tls: TlsConfig) -> Result<(), StartError> {
        self.listen_tls_with(place, tls, async |_| ()).await
    }

    /// As [`listen_tls`](Self::listen_tls); `ready` runs once the server accepts connections.
    ///
    /// Giving it up stops accepting, as dropping a [`Running`](crate::server::Running) does.
    ///
    /// # Errors
    ///
    /// As [`listen_tls`](Self::listen_tls).
    pub async fn listen_tls_with(
        self,
        place: impl IntoBind,
        tls: TlsConfig,
        ready: impl AsyncFnOnce(&Bound),
    ) -> Result<(), StartError> {
        self.bind_tls(place, tls).listen_bound(ready).await
    }
}
