//! A `ws` or `wss` URL (RFC 6455 §3) in its parts.

use crate::wire::grammar;
use crate::ws::client::error::ConnectError;
use http::Uri;

/// Where to connect and what to ask for.
#[derive(Debug)]
pub(super) struct Address {
    is_secure: bool,
    host: String,
    port: u16,
    /// As Host says it: without the port where that is the default.
    authority: String,
    target: String,
}

impl Address {
    pub(super) fn read(url: &str) -> Result<Self, ConnectError> {
        let uri = Uri::try_from(url).map_err(|_| ConnectError::Url("it is not a URL"))?;
        let is_secure = match uri.scheme_str() {
            Some(scheme) if scheme.eq_ignore_ascii_case("ws") => false,
            Some(scheme) if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(ConnectError::Url("its scheme is not ws or wss")),
        };
        // RFC 6455 §3: there is no fragment; `Uri` would drop it without a word.
        if url.contains('#') {
            return Err(ConnectError::Url("it has a fragment (RFC 6455 3)"));
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let host = uri.host().unwrap_or_default();
        // An empty port is a slip: of `ws://http://host/`, for one.
        if host.is_empty() || authority.ends_with(':') || !grammar::is_host(authority.as_bytes()) {
            return Err(ConnectError::Url("its host is not a name, address or port"));
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        if !target.bytes().all(grammar::is_target) {
            return Err(ConnectError::Url(
                "its path or query is not percent-encoded",
            ));
        }
        let default_port = if is_secure { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default_port);
        Ok(Self {
            is_secure,
            authority: if port == default_port {
                host.to_owned()
            } else {
                authority.to_owned()
            },
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            target,
        })
    }

    /// Whether it is reached over TLS.
    pub(super) const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The name or address to connect to.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// The value of Host (RFC 9110 §7.2).
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// The request target in origin-form.
    pub(super) fn target(&self) -> &str {
        &self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts() {
        for (url, host, port, authority, target) in [
            ("ws://a", "a", 80, "a", "/"),
            ("WS://a:80/b", "a", 80, "a", "/b"),
            ("ws://a:8000/b?c=d", "a", 8000, "a:8000", "/b?c=d"),
            ("ws://a?c", "a", 80, "a", "/?c"),
            ("ws://[::1]:9/", "::1", 9, "[::1]:9", "/"),
            ("wss://a", "a", 443, "a", "/"),
            ("WSS://a:443/b", "a", 443, "a", "/b"),
            ("wss://a:80/b", "a", 80, "a:80", "/b"),
            ("ws://a:443/b", "a", 443, "a:443", "/b"),
            ("ws://127.0.0.1/%20", "127.0.0.1", 80, "127.0.0.1", "/%20"),
        ] {
            let address = Address::read(url).expect(url);
            assert_eq!(
                (
                    address.host(),
                    address.port(),
                    address.authority(),
                    address.target()
                ),
                (host, port, authority, target),
                "{url}"
            );
            assert_eq!(
                address.is_secure(),
                url.starts_with(['w', 'W']) && url[2..].starts_with(['s', 'S'])
            );
        }
    }

    #[test]
    fn what_is_no_such_url() {
        for url in [
            "",
            "a",
            "/a",
            "http://a/",
            "ws:a",
            "ws:///a",
            "ws://a/#b",
            "ws://u@a/",
            "ws://u:p@a/",
            "ws://a b/",
            "ws://a/ b",
            "ws://a:99999/",
            "ws://a/é",
            "ws://a,b/",
            "wss://",
            "wsss://a/",
            "ws://a/\r\nb: c",
        ] {
            assert!(
                matches!(Address::read(url), Err(ConnectError::Url(_))),
                "{url}"
            );
        }
    }
}
