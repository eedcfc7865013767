//! How a listener speaks TLS.

use crate::resource::tls_stream::provider;
use crate::server::tls::alpn;
use crate::server::tls::error::TlsError;
use crate::server::tls::material::{Clients, Loaded, Pair, Place, Recipe};
use crate::server::tls::names::{Name, Remembered};
use crate::server::tls::self_signed;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoClientAuth, ServerSessionMemoryCache, StoresServerSessions};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Certificates, keys and limits of a listener's TLS: given to
/// [`Server::bind_tls`](crate::server::Server::bind_tls).
///
/// TLS 1.3 and 1.2, with the cipher suites and groups that rustls considers safe; sessions are resumed; which
/// protocols ALPN offers is set here and not to be chosen. Files are read at once, so that what is wrong with
/// them is told before the server starts, and watched from then on
/// ([`reload_interval`](Self::reload_interval)).
///
/// ```no_run
/// use wireline::server::TlsConfig;
/// use wireline::{Router, Server};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let routes = Router::new().get("/", async || "hello").build()?;
///     let tls = TlsConfig::from_pem("/etc/tls/example.pem", "/etc/tls/example.key")?
///         .sni("*.example.org", "/etc/tls/org.pem", "/etc/tls/org.key")?;
///     Server::new(routes).bind_tls("0.0.0.0:443", tls).redirect_to_https("0.0.0.0:80", 443).run()?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct TlsConfig {
    pub(super) source: Source,
    pub(super) on_reload: Option<OnReload>,
    /// From accept to the end of the handshake; beyond it the connection is closed. Default 5 s.
    pub handshake_timeout: Duration,
    /// Handshakes in progress at the same time, over all workers; further ones wait for their turn, and one
    /// that has kept its turn for a second makes way for them. The last eighth is for addresses that have few in
    /// progress. Default 512.
    pub max_handshakes: usize,
    /// How often the time stamps of files are looked at; `None` leaves it to SIGHUP and to
    /// [`Handle::reload`](crate::server::Handle::reload). Default 10 s, and 10 ms for anything shorter.
    pub reload_interval: Option<Duration>,
}

pub(super) type OnReload = Arc<dyn Fn(Result<(), &TlsError>) + Send + Sync>;

/// What the certificates come from.
#[derive(Clone)]
pub(super) enum Source {
    Recipe(Box<Recipe>),
    Rustls(Arc<ServerConfig>),
}

impl TlsConfig {
    /// A certificate chain and its private key from PEM files. The chain begins with the server's own
    /// certificate.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or has no such thing in it, when the key is not the certificate's, and when
    /// the certificate has expired or is not valid yet.
    pub fn from_pem(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        Self::new(Pair {
            certificate: Place::File(certificate.as_ref().to_owned()),
            key: Place::File(key.as_ref().to_owned()),
        })
    }

    /// The same from octets of PEM.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem).
    pub fn from_pem_bytes(
        certificate: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, TlsError> {
        Self::new(given(certificate.as_ref(), key.as_ref()))
    }

    /// A certificate made now for `name`, a host name or an address, that no client trusts by itself: for
    /// development. One for `localhost` is for 127.0.0.1 and ::1, too.
    ///
    /// ```
    /// # use wireline::server::TlsConfig;
    /// assert!(TlsConfig::self_signed("localhost").is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// When `name` is neither.
    pub fn self_signed(name: &str) -> Result<Self, TlsError> {
        let mut names = vec![name.to_owned()];
        if name == "localhost" {
            names.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
        }
        let (certificate, key) = self_signed::make(names)?;
        Self::from_pem_bytes(certificate, key)
    }

    /// A configuration of rustls, for whatever else it can do. ALPN is set here all the same, and early
    /// data is turned off, because it can be replayed. Nothing of it is checked or watched.
    pub fn from_config(config: ServerConfig) -> Self {
        let mut config = config;
        settle(&mut config);
        Self::with_source(Source::Rustls(Arc::new(config)))
    }

    /// Clients that ask for `name` get this certificate: a host name, or `*.` and a host name for all names with
    /// one label more. An exact name wins over a wildcard; who asks for another name, or for none, gets the
    /// first certificate. A dot at the end of either side's name does not matter.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem), and when `name` is no such name, was given before, or is not among the
    /// certificate's (RFC 9525 §6.3).
    pub fn sni(
        self,
        name: &str,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        let pair = Pair {
            certificate: Place::File(certificate.as_ref().to_owned()),
            key: Place::File(key.as_ref().to_owned()),
        };
        self.named(name, pair)
    }

    /// The same from octets of PEM.
    ///
    /// # Errors
    ///
    /// As [`sni`](Self::sni).
    pub fn sni_bytes(
        self,
        name: &str,
        certificate: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, TlsError> {
        let pair = given(certificate.as_ref(), key.as_ref());
        self.named(name, pair)
    }

    /// Clients must show a certificate that one of the authorities in this PEM file vouches for; handlers find it
    /// in [`TlsInfo`](crate::resource::tls_info::TlsInfo::peer_certificates).
    ///
    /// # Errors
    ///
    /// When the file cannot be read or has no certificate in it.
    pub fn client_ca(self, authorities: impl AsRef<Path>) -> Result<Self, TlsError> {
        self.clients(Place::File(authorities.as_ref().to_owned()), true)
    }

    /// The same for clients that want to: one without a certificate is served, too; a wrong one is refused.
    ///
    /// # Errors
    ///
    /// As [`client_ca`](Self::client_ca).
    pub fn client_ca_optional(self, authorities: impl AsRef<Path>) -> Result<Self, TlsError> {
        self.clients(Place::File(authorities.as_ref().to_owned()), false)
    }

    /// As [`client_ca`](Self::client_ca), from octets of PEM.
    ///
    /// # Errors
    ///
    /// As [`client_ca`](Self::client_ca).
    pub fn client_ca_bytes(self, authorities: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        self.clients(Place::given_authorities(authorities), true)
    }

    /// As [`client_ca_optional`](Self::client_ca_optional), from octets of PEM.
    ///
    /// # Errors
    ///
    /// As [`client_ca`](Self::client_ca).
    pub fn client_ca_optional_bytes(self, authorities: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        self.clients(Place::given_authorities(authorities), false)
    }

    /// Changes the field `handshake_timeout`.
    #[must_use]
    pub const fn handshake_timeout(mut self, longest: Duration) -> Self {
        self.handshake_timeout = longest;
        self
    }

    /// Changes the field `max_handshakes`; 0 is taken as 1.
    #[must_use]
    pub const fn max_handshakes(mut self, count: usize) -> Self {
        self.max_handshakes = count;
        self
    }

    /// Changes the field `reload_interval`.
    #[must_use]
    pub const fn reload_interval(mut self, interval: Option<Duration>) -> Self {
        self.reload_interval = interval;
        self
    }

    /// Runs `told` after every reload: what was read is in use, or why not all of it is, once for each certificate
    /// that stays as it was. Without it there is an event of the feature `tracing`. It runs on the thread that reads
    /// the files, apart from the connections, and may block; it runs on the caller's when that is
    /// [`Handle::reload`](crate::server::Handle::reload), which it may call itself.
    #[must_use]
    pub fn on_reload(
        mut self,
        told: impl Fn(Result<(), &TlsError>) + Send + Sync + 'static,
    ) -> Self {
        self.on_reload = Some(Arc::new(told));
        self
    }

    fn new(default: Pair) -> Result<Self, TlsError> {
        let recipe = Recipe {
            default,
            named: Vec::new(),
            clients: None,
        };
        recipe.load(&provider())?;
        Ok(Self::with_source(Source::Recipe(Box::new(recipe))))
    }

    const fn with_source(source: Source) -> Self {
        Self {
            source,
            on_reload: None,
            handshake_timeout: Duration::from_secs(5),
            max_handshakes: 512,
            reload_interval: Some(Duration::from_secs(10)),
        }
    }

    fn named(self, name: &str, pair: Pair) -> Result<Self, TlsError> {
        self.change(|recipe| {
            let read = Name::read(name)?;
            if recipe.named.iter().any(|(other, _)| *other == read) {
                return Err(TlsError::RepeatedName(read.to_string()));
            }
            recipe.named.push((read, pair));
            Ok(())
        })
    }

    fn clients(self, authorities: Place, required: bool) -> Result<Self, TlsError> {
        self.change(|recipe| {
            recipe.clients = Some(Clients {
                authorities,
                required,
            });
            Ok(())
        })
    }

    fn change(
        mut self,
        change: impl FnOnce(&mut Recipe) -> Result<(), TlsError>,
    ) -> Result<Self, TlsError> {
        let Source::Recipe(recipe) = &mut self.source else {
            return Err(TlsError::Unusable(
                "a configuration of rustls has its own certificates and its own client authorities"
                    .to_owned(),
            ));
        };
        change(recipe)?;
        recipe.load(&provider())?;
        Ok(self)
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TlsConfig");
        if let Source::Recipe(recipe) = &self.source {
            shown.field("recipe", recipe);
        }
        shown
            .field("handshake_timeout", &self.handshake_timeout)
            .field("max_handshakes", &self.max_handshakes)
            .field("reload_interval", &self.reload_interval)
            .finish_non_exhaustive()
    }
}

/// What outlives a reload, so that sessions do, too.
pub(super) struct Sessions {
    stored: Arc<dyn StoresServerSessions>,
    ticketer: Option<Arc<dyn rustls::server::ProducesTickets>>,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self {
            stored: ServerSessionMemoryCache::new(STORED_SESSIONS),
            // Without randomness for its keys there are no tickets, and sessions are stored.
            ticketer: aws_lc_rs::Ticketer::new().ok(),
        }
    }
}

/// The configuration of rustls that a recipe came to.
pub(super) fn assemble(
    recipe: &Recipe,
    loaded: &Loaded,
    sessions: &Sessions,
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Unusable(error.to_string()))?;
    let verifier = loaded.verifier().unwrap_or_else(|| Arc::new(NoClientAuth));
    let mut config = builder
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(loaded.names(recipe)));
    config.session_storage = sessions.stored.clone();
    if let Some(ticketer) = &sessions.ticketer {
        config.ticketer = ticketer.clone();
    }
    settle(&mut config);
    Ok(config)
}

/// What every configuration has, whoever made it.
fn settle(config: &mut ServerConfig) {
    config.alpn_protocols = alpn::offered();
    config.max_early_data_size = 0;
    config.cert_resolver = Arc::new(Remembered(config.cert_resolver.clone()));
}

fn given(certificate: &[u8], key: &[u8]) -> Pair {
    Pair {
        certificate: Place::Given(certificate.into(), "the given certificate"),
        key: Place::Given(key.into(), "the given key"),
    }
}

/// Sessions of TLS 1.2 clients that take no tickets.
const STORED_SESSIONS: usize = 4096;
