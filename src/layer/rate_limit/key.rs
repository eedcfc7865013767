//! Whose requests are counted together.

use crate::service::headers::FieldValue;
use crate::service::request::Request;
use http::HeaderName;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
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
    /// Whoever comes over a Unix domain socket, or in memory.
    Local,
    Text(Box<str>),
}

impl Key {
    /// An address: an IPv4 address, or the first 64 bits of an IPv6 address, of which one customer has all others.
    pub fn address(address: IpAddr) -> Self {
        Self(Repr::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address => address,
        }))
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
