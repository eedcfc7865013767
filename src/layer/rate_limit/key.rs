//! Whose requests are counted together.

use crate::service::headers::FieldValue;
use crate::service::request::Request;
use crate::wire::ip;
use http::HeaderName;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Whose requests are counted together: as text the address of a client, or whatever it was made of.
///
/// ```
/// use wireline::layer::rate_limit::Key;
///
/// assert_eq!(Key::address("203.0.113.7".parse().unwrap()).to_string(), "203.0.113.7");
/// // Whoever has one address of a /64 has all of them.
/// assert_eq!(Key::address("2001:db8::1".parse().unwrap()), Key::address("2001:db8::ffff:2".parse().unwrap()));
/// assert_eq!(Key::address("2001:db8::1".parse().unwrap()).to_string(), "2001:db8::/64");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Repr);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Repr {
    /// An IPv6 address without its last 64 bits.
    Address(IpAddr),
    /// The first address of a network, and how many bits its addresses have in common.
    Network(IpAddr, u8),
    /// Whoever comes over a Unix domain socket, or in memory.
    Local,
    Text(Box<str>),
}

impl Key {
    /// An address: an IPv4 address, or the first 64 bits of an IPv6 address, of which one customer has all others.
    pub fn address(address: IpAddr) -> Self {
        Self(Repr::Address(ip::client(address)))
    }

    /// The network of an address, where 32 bits of IPv4 and 64 of IPv6 are not what a customer has: some have 48 or 56. Bits beyond those of
    /// an address are none.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wireline::layer::rate_limit::{Key, RateLimit};
    ///
    /// assert_eq!(Key::network("2001:db8:0:42::1".parse().unwrap(), 32, 56).to_string(), "2001:db8::/56");
    /// let limit = RateLimit::new(100, Duration::from_secs(60))
    ///     .by(|request| Some(Key::network(request.client().ip()?, 32, 56)));
    /// # drop(limit);
    /// ```
    pub fn network(address: IpAddr, ipv4_bits: u8, ipv6_bits: u8) -> Self {
        let first = ip::beginning(address, ipv4_bits.into(), ipv6_bits.into());
        let bits = match first {
            IpAddr::V4(_) => ipv4_bits.min(32),
            IpAddr::V6(_) => ipv6_bits.min(128),
        };
        Self(Repr::Network(first, bits))
    }

    /// The client of a request: its [address](crate::service::client_addr::ClientAddr::ip), which fields name only where a
    /// proxy is trusted. All clients without an address, as at a Unix domain socket, have one key.
    pub fn client(request: &Request) -> Self {
        (request.client().ip()).map_or(Self(Repr::Local), Self::address)
    }

    /// Any text.
    pub fn text(text: impl Into<String>) -> Self {
        Self(Repr::Text(text.into().into_boxed_str()))
    }

    /// Whether it is not a client: as text, one may look like the other.
    #[allow(dead_code, reason = "asked where keys are written down, by a feature")]
    pub(super) const fn is_text(&self) -> bool {
        matches!(self.0, Repr::Text(_))
    }

    /// The same key for one route.
    fn at(self, pattern: &str) -> Self {
        Self::text(format!("{pattern} {self}"))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Address(IpAddr::V4(address)) => address.fmt(f),
            Repr::Address(IpAddr::V6(address)) => write!(f, "{address}/64"),
            Repr::Network(first, bits) => write!(f, "{first}/{bits}"),
            Repr::Local => f.write_str("local"),
            Repr::Text(text) => f.write_str(text),
        }
    }
}

/// A function that finds the key of a request.
pub(super) type Find = Arc<dyn Fn(&Request) -> Option<Key> + Send + Sync>;

/// How keys are found.
#[derive(Clone)]
pub(super) enum By {
    Client,
    Route,
    Header(HeaderName),
    Find(Find),
}

impl By {
    /// The key of a request; the client's where there is no other. `per_route` keeps routes apart.
    pub(super) fn key(&self, request: &Request, per_route: bool) -> Key {
        let key = match self {
            Self::Client => None,
            Self::Route => return Key::text(pattern(request)),
            // The name keeps a value apart from the client whose address somebody sends as one.
            Self::Header(name) => (request.headers().get(name))
                .map(|value| Key::text(format!("{name}={}", readable(value)))),
            Self::Find(find) => find(request),
        };
        let key = key.unwrap_or_else(|| Key::client(request));
        if per_route {
            key.at(pattern(request))
        } else {
            key
        }
    }
}

/// All requests without a route have one pattern.
fn pattern(request: &Request) -> &str {
    request.matched_pattern().unwrap_or_default()
}

fn readable(value: FieldValue<'_>) -> String {
    value.as_bytes().escape_ascii().to_string()
}
