//! Which certificate answers to which name (SNI, RFC 6066 §3).

use crate::server::tls::error::TlsError;
use rustls::pki_types::DnsName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A name of the map, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Exact(Box<str>),
    /// `*.example.org`: one label in place of the star, as in certificates (RFC 9525 §6.3).
    Wildcard(Box<str>),
}

impl Name {
    pub(super) fn read(text: &str) -> Result<Self, TlsError> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let (host, is_wildcard) = match name.strip_prefix("*.") {
            Some(host) => (host, true),
            None => (name.as_str(), false),
        };
        if DnsName::try_from(host).is_err() {
            return Err(TlsError::InvalidName(text.to_owned()));
        }
        Ok(if is_wildcard {
            Self::Wildcard(host.into())
        } else {
            Self::Exact(host.into())
        })
    }

    /// A name that a client may ask for to get this one's certificate.
    pub(super) fn example(&self) -> String {
        match self {
            Self::Exact(host) => host.to_string(),
            Self::Wildcard(host) => format!("any.{host}"),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Wildcard(host) => write!(f, "*.{host}"),
        }
    }
}

/// The certificates of a listener: an exact name wins over a wildcard, and whoever asks for neither gets the
/// default one.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) default: Arc<CertifiedKey>,
    pub(super) named: HashMap<Name, Arc<CertifiedKey>>,
}

impl Names {
    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        if self.named.is_empty() {
            return None;
        }
        // RFC 6066 has no dot at the end, and some clients send it all the same.
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let exact = self.named.get(&Name::Exact(name.as_str().into()));
        exact.or_else(|| {
            let (_, host) = name.split_once('.')?;
            self.named.get(&Name::Wildcard(host.into()))
        })
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.find(name));
        Some(named.unwrap_or(&self.default).clone())
    }
}

/// Remembers the name that a client asked for: rustls tells it to the resolver and, of a connection without its
/// buffers, to nobody else. It asks within the call that takes the ClientHello apart, so whoever made that call
/// finds the name on its thread.
#[derive(Debug)]
pub(super) struct Remembered(pub(super) Arc<dyn ResolvesServerCert>);

impl ResolvesServerCert for Remembered {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        ASKED_FOR.set(hello.server_name().map(str::to_ascii_lowercase));
        self.0.resolve(hello)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.0.only_raw_public_keys()
    }
}

/// The name that the ClientHello taken apart last on this thread asked for, once.
pub(super) fn asked_for() -> Option<String> {
    ASKED_FOR.take()
}

thread_local! {
    static ASKED_FOR: RefCell<Option<String>> = const { RefCell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::tls_stream::provider;
    use crate::server::tls::self_signed;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    #[test]
    fn names_are_read_as_clients_ask_for_them() {
        let exact = |name: &str| Name::Exact(name.into());
        assert_eq!(Name::read("Example.ORG.").unwrap(), exact("example.org"));
        assert_eq!(
            Name::read("*.Example.org").unwrap(),
            Name::Wildcard("example.org".into())
        );
        for wrong in [
            "",
            "*",
            "*.",
            "a..b",
            "*.*.a",
            "a b",
            "http://a",
            "a:443",
            "bücher.example",
        ] {
            assert!(Name::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_dot_at_the_end_of_what_a_client_asks_for_does_not_matter() {
        let (certificate, key) = self_signed::make(vec!["a.example".to_owned()]).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let made = Arc::new(CertifiedKey::from_der(chain, key, &provider()).unwrap());
        let other = Arc::new(CertifiedKey::clone(&made));
        let names = Names {
            default: made.clone(),
            named: HashMap::from([
                (Name::read("a.example").unwrap(), made.clone()),
                (Name::read("*.a.example").unwrap(), other.clone()),
            ]),
        };
        for (name, expected) in [
            ("a.example", Some(&made)),
            ("A.example.", Some(&made)),
            ("b.a.example.", Some(&other)),
            ("a.example..", None),
            (".", None),
        ] {
            let found = names.find(name);
            assert_eq!(found.map(Arc::as_ptr), expected.map(Arc::as_ptr), "{name}");
        }
    }
}
