//! What a TLS handshake has found out, for handlers.

use std::fmt;
use std::sync::Arc;

/// The TLS side of a connection: what was negotiated, and who the client is when it showed a certificate.
///
/// Clones are the same information. As an extractor it is available to every handler; `Option<TlsInfo>` is
/// `None` on a connection without TLS, which a bare `TlsInfo` refuses with 403:
///
/// ```
/// use wireline::resource::tls_info::TlsInfo;
///
/// async fn whoami(tls: Option<TlsInfo>) -> String {
///     match tls {
///         Some(tls) => format!("{} to {}", tls.version(), tls.server_name().unwrap_or("nobody in particular")),
///         None => "no TLS".to_owned(),
///     }
/// }
/// # let _ = wireline::router::Router::new().get("/whoami", whoami).build().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo(Arc<Facts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    version: TlsVersion,
    cipher_suite: &'static str,
    server_name: Option<Box<str>>,
    alpn: Option<Box<[u8]>>,
    resumed: bool,
    peer_certificates: Box<[Box<[u8]>]>,
}

/// A version of TLS.
///
/// ```
/// use wireline::resource::tls_info::{TlsInfo, TlsVersion};
///
/// let tls = TlsInfo::new(TlsVersion::Tls13, "TLS13_AES_128_GCM_SHA256");
/// assert!(tls.version() >= TlsVersion::Tls13);
/// assert_eq!(tls.version().to_string(), "TLSv1.3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        })
    }
}

impl TlsInfo {
    /// What a handshake negotiated at the least; for transports of an embedder's own, and for tests.
    ///
    /// ```
    /// use wireline::resource::tls_info::{TlsInfo, TlsVersion};
    ///
    /// let tls = TlsInfo::new(TlsVersion::Tls13, "TLS13_AES_128_GCM_SHA256").with_server_name("example.org");
    /// assert_eq!(tls.server_name(), Some("example.org"));
    /// ```
    pub fn new(version: TlsVersion, cipher_suite: &'static str) -> Self {
        Self(Arc::new(Facts {
            version,
            cipher_suite,
            server_name: None,
            alpn: None,
            resumed: false,
            peer_certificates: Box::default(),
        }))
    }

    /// The same with the name that the client asked for.
    #[must_use]
    pub fn with_server_name(self, name: &str) -> Self {
        self.with(|facts| facts.server_name = Some(name.into()))
    }

    /// The same with the protocol that ALPN chose.
    #[must_use]
    pub fn with_alpn(self, protocol: &[u8]) -> Self {
        self.with(|facts| facts.alpn = Some(protocol.into()))
    }

    /// The same, of a session that was resumed.
    #[must_use]
    pub fn with_resumed(self, resumed: bool) -> Self {
        self.with(|facts| facts.resumed = resumed)
    }

    /// The same with the client's certificate chain, in DER, its own certificate first.
    #[must_use]
    pub fn with_peer_certificates<'a>(self, chain: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.with(|facts| facts.peer_certificates = chain.into_iter().map(Box::from).collect())
    }

    /// The version of TLS.
    pub fn version(&self) -> TlsVersion {
        self.0.version
    }

    /// The cipher suite by its name, as in `TLS13_AES_128_GCM_SHA256`.
    pub fn cipher_suite(&self) -> &'static str {
        self.0.cipher_suite
    }

    /// The name that the client asked for (SNI, RFC 6066 §3), in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.0.server_name.as_deref()
    }

    /// The protocol that ALPN chose (RFC 7301); `None` when the client offered none.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.0.alpn.as_deref()
    }

    /// Whether the session was resumed, so that no certificate was sent this time.
    pub fn is_resumed(&self) -> bool {
        self.0.resumed
    }

    /// The client's certificate chain in DER, its own certificate first; empty when it showed none. It was
    /// verified against the listener's certificate authorities; in a resumed session that was done when the
    /// session began.
    pub fn peer_certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.peer_certificates.iter().map(AsRef::as_ref)
    }

    fn with(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}
