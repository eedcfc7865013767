//! The addresses that clients are given.

use crate::extract::OriginalUri;
use crate::relay::service::registry::ClientId;
use crate::resource::addr::{ConnInfo, PeerAddr};
use http::Uri;
use std::fmt;
use std::net::SocketAddr;

/// What stands before `/ws/{id}`, of ws or wss, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicUrl(String);

/// Not the address of a server: `http://`, `https://`, `ws://` or `wss://`, a host, and maybe a port and a path.
///
/// ```
/// use wireline::relay::service::RegisterService;
///
/// let invalid = RegisterService::new().public_url("push.example").unwrap_err();
/// assert!(invalid.to_string().starts_with("`push.example` is not http://"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidUrl(String);

impl PublicUrl {
    pub(crate) fn new(url: &str) -> Result<Self, InvalidUrl> {
        let invalid = || InvalidUrl(url.to_owned());
        let uri = Uri::try_from(url).map_err(|_| invalid())?;
        let scheme = match uri.scheme_str() {
            Some("http" | "ws") => "ws",
            Some("https" | "wss") => "wss",
            _ => return Err(invalid()),
        };
        let authority = uri.authority().ok_or_else(invalid)?.as_str();
        if authority.contains('@') || uri.query().is_some() || url.contains('#') {
            return Err(invalid());
        }
        let path = uri.path().trim_end_matches('/');
        Ok(Self(format!("{scheme}://{authority}{path}")))
    }

    /// Of the listener that a request for `/register` came by.
    pub(super) fn of_listener(info: &ConnInfo, has_tls: bool, uri: &OriginalUri) -> Self {
        let scheme = if has_tls { "wss" } else { "ws" };
        let prefix = uri.0.path();
        let prefix = prefix.strip_suffix("/register").unwrap_or(prefix);
        match info.local {
            PeerAddr::Inet(addr) => {
                let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
                Self(format!("{scheme}://{addr}{prefix}"))
            }
            PeerAddr::Unix | PeerAddr::Memory => Self(format!("{scheme}://localhost{prefix}")),
        }
    }

    pub(super) fn socket(&self, id: ClientId) -> String {
        format!("{}/ws/{id}", self.0)
    }
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not http://, https://, ws:// or wss:// with a host, and maybe a port and a path",
            self.0
        )
    }
}

impl std::error::Error for InvalidUrl {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn a_public_url_becomes_one_of_websockets() {
        for (url, expected) in [
            ("http://a.example", "ws://a.example"),
            ("https://a.example:8443/", "wss://a.example:8443"),
            ("ws://[::1]:8000/feed/", "ws://[::1]:8000/feed"),
            ("wss://a.example/a/b", "wss://a.example/a/b"),
        ] {
            assert_eq!(PublicUrl::new(url), Ok(PublicUrl(expected.to_owned())));
        }
        for url in [
            "",
            "a.example",
            "/feed",
            "ftp://a.example",
            "https://",
            "https://a.example/?a=b",
            "https://a.example/#a",
            "https://user@a.example",
        ] {
            assert_eq!(PublicUrl::new(url), Err(InvalidUrl(url.to_owned())));
        }
    }

    #[test]
    fn the_listener_is_named_as_the_client_reaches_it() {
        let uri = OriginalUri(Uri::from_static("/feed/register"));
        let mapped = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
        for (local, has_tls, expected) in [
            (
                (Ipv4Addr::LOCALHOST, 8000).into(),
                false,
                "ws://127.0.0.1:8000/feed",
            ),
            (
                (Ipv6Addr::LOCALHOST, 8443).into(),
                true,
                "wss://[::1]:8443/feed",
            ),
            (
                SocketAddr::from((mapped, 80)),
                false,
                "ws://192.0.2.1:80/feed",
            ),
        ] {
            let info = ConnInfo {
                local: PeerAddr::Inet(local),
                ..ConnInfo::default()
            };
            let url = PublicUrl::of_listener(&info, has_tls, &uri);
            assert_eq!(url, PublicUrl(expected.to_owned()));
        }
    }
}
