//! A `ws` URL (RFC 6455 §3) in its parts.

use crate::wire::grammar;
use crate::ws::client::error::ConnectError;
use http::Uri;

/// Where to connect and what to ask for.
#[derive(Debug)]
pub(super) struct Address {
    host: String,
    port: u16,
    /// As Host says it: without the port where that is the default.
    authority: String,
    target: String,
}

impl Address {
    pub(super) fn read(url: &str) -> Result<Self, ConnectError> {
        let uri = Uri::try_from(url).map_err(|_| ConnectError::Url("it is not a URL"))?;
        match uri.scheme_str() {
            Some(scheme) if scheme.eq_ignore_ascii_case("ws") => {}
            Some(scheme) if scheme.eq_ignore_ascii_case("wss") => return Err(ConnectError::Tls),
            _ => return Err(ConnectError::Url("its scheme is not ws")),
        }
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
        let port = uri.port_u16().unwrap_or(DEFAULT_PORT);
        Ok(Self {
            authority: if port == DEFAULT_PORT {
                host.to_owned()
            } else {
                authority.to_owned()
            },
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            target,
        })
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

const DEFAULT_PORT: u16 = 80;

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
            "ws://a/\r\nb: c",
        ] {
            assert!(
                matches!(Address::read(url), Err(ConnectError::Url(_))),
                "{url}"
            );
        }
        assert!(matches!(Address::read("wss://a/"), Err(ConnectError::Tls)));
    }
}
