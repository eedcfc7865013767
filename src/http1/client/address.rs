//! An absolute URL in its parts (RFC 9110 §4.2, RFC 6455 §3).

use crate::wire::grammar;
use http::Uri;

/// Where to connect and what to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    is_secure: bool,
    host: String,
    port: u16,
    /// As Host says it: without the port where that is the default.
    authority: String,
    target: String,
}

/// The two schemes that a URL may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schemes {
    pub(crate) plain: &'static str,
    /// Over TLS.
    pub(crate) secure: &'static str,
    /// What is said of any other.
    pub(crate) wrong: &'static str,
}

impl Address {
    /// The parts, or what is wrong with them.
    pub(crate) fn read(url: &Uri, schemes: Schemes) -> Result<Self, &'static str> {
        let is_secure = match url.scheme_str() {
            Some(scheme) if scheme.eq_ignore_ascii_case(schemes.plain) => false,
            Some(scheme) if scheme.eq_ignore_ascii_case(schemes.secure) => true,
            _ => return Err(schemes.wrong),
        };
        let authority = url.authority().map_or("", |authority| authority.as_str());
        let host = url.host().unwrap_or_default();
        // An empty port is a slip: of `ws://http://host/`, for one.
        if host.is_empty() || authority.ends_with(':') || !grammar::is_host(authority.as_bytes()) {
            return Err("its host is not a name, address or port");
        }
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        if !target.bytes().all(grammar::is_target) {
            return Err("its path or query is not percent-encoded");
        }
        let default_port = if is_secure { 443 } else { 80 };
        let port = url.port_u16().unwrap_or(default_port);
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
    pub(crate) const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The name or address to connect to.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// The value of Host (RFC 9110 §7.2).
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The request target in origin-form.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Option<Address> {
        let schemes = Schemes {
            plain: "ws",
            secure: "wss",
            wrong: "another",
        };
        Address::read(&Uri::try_from(url).ok()?, schemes).ok()
    }

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
            let address = read(url).expect(url);
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
            assert!(read(url).is_none(), "{url}");
        }
    }
}
