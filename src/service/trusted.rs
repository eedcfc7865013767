//! Whom to believe what is said of others.

use crate::resource::addr::PeerAddr;
use crate::service::handler::{Admission, ResponseFuture, Service};
use crate::service::request::Request;
use crate::service::response::Response;
use crate::wire::ip::Network;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// A list of networks, and whether Unix domain sockets are on it.
///
/// ```
/// use wireline::service::trusted::Networks;
///
/// let networks = Networks::read(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7", "unix"]).unwrap();
/// assert!(networks.contains_ip([10, 1, 2, 3].into()));
/// assert!(!networks.contains_ip([127, 0, 0, 1].into()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Networks {
    list: Arc<[Network]>,
    unix: bool,
}

impl Networks {
    /// Reads a list of `ADDRESS/BITS`, of addresses, and of `unix` for every peer at a Unix domain socket. Nobody is on
    /// it who is not listed: not even this machine.
    ///
    /// # Errors
    ///
    /// The first text that is none of these.
    pub fn read<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, InvalidNetwork> {
        let (mut list, mut unix) = (Vec::new(), false);
        for text in texts {
            let text = text.as_ref();
            if text == "unix" {
                unix = true;
                continue;
            }
            let network = Network::read(text.as_bytes());
            list.push(network.ok_or_else(|| InvalidNetwork(text.to_owned()))?);
        }
        Ok(Self {
            list: list.into(),
            unix,
        })
    }

    /// Whether the peer is on the list.
    pub fn contains(&self, peer: PeerAddr) -> bool {
        match peer.ip() {
            Some(ip) => self.contains_ip(ip),
            None => self.unix && peer == PeerAddr::Unix,
        }
    }

    /// Whether the address is on the list.
    pub fn contains_ip(&self, ip: IpAddr) -> bool {
        self.list.iter().any(|network| network.contains(ip))
    }
}

/// A text that names no network.
///
/// ```
/// use wireline::service::trusted::Networks;
///
/// let error = Networks::read(["10.0.0.0/8", "example.com"]).unwrap_err();
/// assert!(error.to_string().starts_with("`example.com` is no network"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidNetwork(String);

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no network (expected ADDRESS, ADDRESS/BITS or unix)",
            self.0
        )
    }
}

impl std::error::Error for InvalidNetwork {}

/// The proxies whose word on their clients is taken, and the field in which they give it. Clones are the same list.
///
/// One field counts and the other is not looked at: a proxy that writes the one passes on what its clients have written
/// into the other.
///
/// ```
/// use wireline::service::trusted::{ForwardedField, TrustedProxies};
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8", "unix"])?.field(ForwardedField::Forwarded);
/// # drop(proxies);
/// # Ok::<(), wireline::service::trusted::InvalidNetwork>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    pub(crate) networks: Networks,
    pub(crate) field: ForwardedField,
}

/// Where proxies say who their client is.
///
/// ```
/// use wireline::service::trusted::{ForwardedField, TrustedProxies};
/// use wireline::{Router, Server};
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8"])?.field(ForwardedField::Forwarded);
/// let server = Server::new(Router::new().build().unwrap()).trusted_proxies(proxies);
/// # drop(server);
/// # Ok::<(), wireline::service::trusted::InvalidNetwork>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedField {
    /// `X-Forwarded-For`, and the scheme in `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239), with `for`, `proto` and `host`.
    Forwarded,
}

impl TrustedProxies {
    /// Proxies at these addresses: networks as in [`Networks::read`]. They say who their client is in
    /// `X-Forwarded-For`, unless [`field`](Self::field) says otherwise.
    ///
    /// # Errors
    ///
    /// The first text that names no network.
    pub fn new<T: AsRef<str>>(
        networks: impl IntoIterator<Item = T>,
    ) -> Result<Self, InvalidNetwork> {
        Ok(Self {
            networks: Networks::read(networks)?,
            field: ForwardedField::default(),
        })
    }

    /// The same proxies, which use this field.
    #[must_use]
    pub fn field(mut self, field: ForwardedField) -> Self {
        self.field = field;
        self
    }

    /// A service whose requests know these proxies: what [`Server::trusted_proxies`](crate::server::Server::trusted_proxies)
    /// does with its service, for whoever calls one without a server.
    pub fn around(self, service: impl Service) -> impl Service {
        Trusting {
            service,
            proxies: Arc::new(self),
        }
    }
}

struct Trusting<S> {
    service: S,
    proxies: Arc<TrustedProxies>,
}

impl<S: Service> Service for Trusting<S> {
    fn admit(&self, request: &mut Request) -> Admission {
        self.service.admit(request)
    }

    fn call(&self, mut request: Request) -> ResponseFuture {
        request.set_trusted(self.proxies.clone());
        self.service.call(request)
    }

    fn refuse(&self, mut request: Request, response: Response) -> ResponseFuture {
        request.set_trusted(self.proxies.clone());
        self.service.refuse(request, response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_what_is_on_it() {
        let networks = Networks::read(["10.0.0.0/8", "::1"]).unwrap();
        assert!(networks.contains_ip([10, 0, 0, 1].into()));
        assert!(!networks.contains(PeerAddr::Unix) && !networks.contains(PeerAddr::Memory));
        let unix = Networks::read(["unix"]).unwrap();
        assert!(unix.contains(PeerAddr::Unix) && !unix.contains(PeerAddr::Memory));
        assert!(!unix.contains_ip([127, 0, 0, 1].into()));
        let wrong = Networks::read(["10.0.0.0/8", "localhost"]).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "`localhost` is no network (expected ADDRESS, ADDRESS/BITS or unix)"
        );
    }
}
