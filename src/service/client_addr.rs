//! Who the client is, as far as it can be known.

use crate::resource::addr::{ConnInfo, PeerAddr};
use crate::service::headers::Headers;
use crate::service::request::Parts;
use crate::service::trusted::{ForwardedField, TrustedProxies};
use crate::wire::forwarded::{self, Element, Node};
use crate::wire::grammar;
use http::header::FORWARDED;
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// The address of the client: of the connection's peer, or, when that is a
/// [trusted proxy](crate::server::Server::trusted_proxies), the one that the proxy names.
///
/// Of a list of addresses the last one counts that is not itself a trusted proxy: what stands left of it was said by
/// somebody who is not trusted. Without trusted proxies no field is looked at.
///
/// As an extractor it is available to every handler:
///
/// ```
/// use wireline::service::client_addr::ClientAddr;
///
/// async fn whoami(client: ClientAddr) -> String {
///     format!("you are {client} and used {}", client.scheme())
/// }
/// # let _ = wireline::router::Router::new().get("/whoami", whoami).build().unwrap();
/// ```
///
/// A `ClientAddr` in the request's extensions wins, as with `ConnInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddr {
    nearest: PeerAddr,
    port: Option<u16>,
    is_client: bool,
    identifier: Option<Box<str>>,
    is_https: bool,
    host: Option<Box<str>>,
}

impl ClientAddr {
    /// The client's address, or, when a trusted proxy does not tell it, that of this proxy: what limits may be kept by.
    /// `None` at a Unix domain socket and in memory. IPv4 addresses that are mapped into IPv6 are IPv4 addresses.
    pub fn ip(&self) -> Option<IpAddr> {
        self.nearest.ip().map(|ip| ip.to_canonical())
    }

    /// The client's port, when it is known.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether the address is the client's: `false` when a trusted proxy does not tell it (`unknown`, an obfuscated
    /// identifier, what cannot be read), so that the address is the proxy's.
    pub fn is_client(&self) -> bool {
        self.is_client
    }

    /// The name that a trusted proxy has for a client whose address it does not tell (RFC 7239 §6.3), its underscore
    /// included.
    pub fn identifier(&self) -> Option<&str> {
        self.identifier.as_deref()
    }

    /// `http` or `https`: what the client used, as far as a trusted proxy says it, else what this connection uses.
    pub fn scheme(&self) -> &'static str {
        if self.is_https { "https" } else { "http" }
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// The host that the client asked for, with its port, when a trusted proxy says so in `Forwarded`; else
    /// [`Parts::host`] has it.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Of a request.
    pub(crate) fn of(parts: &Parts) -> Self {
        if let Some(left) = parts
            .extensions()
            .and_then(|extensions| extensions.get::<Self>())
        {
            return left.clone();
        }
        let left = parts
            .extensions()
            .and_then(|extensions| extensions.get::<ConnInfo>());
        let peer = left.map_or_else(|| parts.connection().peer, |info| info.peer);
        let mut client = Self::of_peer(peer, parts.tls().is_some());
        if let Some(proxies) = parts.trusted()
            && proxies.networks.contains(peer)
        {
            client.listen_to(proxies, parts.headers());
        }
        client
    }

    fn of_peer(peer: PeerAddr, is_https: bool) -> Self {
        Self {
            nearest: peer,
            port: match peer {
                PeerAddr::Inet(addr) => Some(addr.port()),
                _ => None,
            },
            is_client: true,
            identifier: None,
            is_https,
            host: None,
        }
    }

    /// What the trusted proxies say, the nearest one first.
    fn listen_to(&mut self, proxies: &TrustedProxies, headers: &Headers) {
        match proxies.field {
            ForwardedField::Forwarded => {
                let lines: Vec<_> = headers.get_all(FORWARDED).collect();
                let elements = lines
                    .iter()
                    .rev()
                    .flat_map(|line| forwarded::elements(line.as_bytes()));
                let (mut proto, mut host) = (None, None);
                for element in elements {
                    let node = element.map(|element| {
                        // Whoever is nearest to the client knows what the client used.
                        let Element { node, .. } = element;
                        (proto, host) = (element.proto, element.host);
                        node
                    });
                    if self.is_end(node, proxies) {
                        break;
                    }
                }
                self.hear_scheme(proto.as_deref());
                let host = host
                    .filter(|host| grammar::is_host(host))
                    .map(Cow::into_owned);
                self.host = host
                    .and_then(|host| String::from_utf8(host).ok())
                    .map(Into::into);
            }
            ForwardedField::XForwardedFor => {
                let lines: Vec<_> = headers.get_all("x-forwarded-for").collect();
                let members = lines
                    .iter()
                    .rev()
                    .flat_map(|line| forwarded::members(line.as_bytes()));
                let mut hops: usize = 0;
                for node in members {
                    hops += 1;
                    if self.is_end(node, proxies) {
                        break;
                    }
                }
                // A proxy replaces this field, or adds to it as it does to the other. Further left than its own
                // address a trusted proxy has written nothing.
                let lines: Vec<_> = headers.get_all("x-forwarded-proto").collect();
                let schemes = lines
                    .iter()
                    .rev()
                    .flat_map(|line| line.as_bytes().rsplit(|octet| *octet == b','));
                let scheme = schemes.map(<[u8]>::trim_ascii).take(hops.max(1)).last();
                self.hear_scheme(scheme);
            }
        }
    }

    /// Goes one hop further from us; whether it is the last one that can be believed.
    fn is_end(&mut self, node: Option<Node<'_>>, proxies: &TrustedProxies) -> bool {
        match node {
            Some(Node::Address(ip, port)) => {
                self.nearest = PeerAddr::Inet((ip.to_canonical(), port.unwrap_or(0)).into());
                self.port = port;
                !proxies.networks.contains_ip(ip)
            }
            Some(Node::Obfuscated(name)) => {
                self.is_client = false;
                self.identifier = Some(String::from_utf8_lossy(&name).into());
                true
            }
            Some(Node::Unknown) | None => {
                self.is_client = false;
                true
            }
        }
    }

    fn hear_scheme(&mut self, scheme: Option<&[u8]>) {
        match scheme {
            Some(scheme) if scheme.eq_ignore_ascii_case(b"https") => self.is_https = true,
            Some(scheme) if scheme.eq_ignore_ascii_case(b"http") => self.is_https = false,
            _ => {}
        }
    }
}

/// The address without its port, or `unix`, or `memory`.
impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            Some(ip) => ip.fmt(f),
            None => self.nearest.fmt(f),
        }
    }
}
