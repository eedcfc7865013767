//! Who is at the other end. Not every peer has an IP address.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The address of one end of a connection.
///
/// ```
/// use std::net::SocketAddr;
/// use wireline::resource::addr::PeerAddr;
///
/// let peer = PeerAddr::from(SocketAddr::from(([203, 0, 113, 7], 4711)));
/// assert_eq!(peer.ip(), Some([203, 0, 113, 7].into()));
/// assert_eq!(peer.to_string(), "203.0.113.7:4711");
/// // Neighbours on this machine have none.
/// assert_eq!(PeerAddr::Unix.ip(), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerAddr {
    /// An IP address and a port.
    Inet(SocketAddr),
    /// A Unix domain socket; peers of those rarely have a name.
    Unix,
    /// A connection without a socket: in memory, in a test.
    #[default]
    Memory,
}

impl PeerAddr {
    /// The IP address, if there is one.
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Inet(addr) => Some(addr.ip()),
            Self::Unix | Self::Memory => None,
        }
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(addr) => addr.fmt(f),
            Self::Unix => f.write_str("unix"),
            Self::Memory => f.write_str("memory"),
        }
    }
}

impl From<SocketAddr> for PeerAddr {
    fn from(addr: SocketAddr) -> Self {
        Self::Inet(addr)
    }
}

/// Both ends of a connection, as the socket reports them. Behind a proxy the peer is the proxy.
///
/// As an extractor it is available to every handler:
///
/// ```
/// use wireline::resource::addr::ConnInfo;
///
/// async fn whoami(info: ConnInfo) -> String {
///     format!("you are {}", info.peer)
/// }
/// # let _ = wireline::router::Router::new().get("/whoami", whoami).build().unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnInfo {
    /// The peer's address.
    pub peer: PeerAddr,
    /// Our own address.
    pub local: PeerAddr,
}
