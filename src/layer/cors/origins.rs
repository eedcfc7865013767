//! Which origins may read what comes back.

use crate::wire::number;
use http::HeaderValue;
use std::sync::Arc;

/// A function that decides by the origin as the browser wrote it.
type Decide = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The origins that a policy allows: all that any part of it allows.
#[derive(Clone, Default)]
pub(super) struct Origins {
    pub(super) any: bool,
    pub(super) null: bool,
    exact: Vec<HeaderValue>,
    subdomains: Vec<Subdomains>,
    function: Option<Decide>,
}

/// What is said of the origin of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everybody is allowed, whoever asks.
    Any,
    /// This origin of the list.
    Listed(usize),
    /// The origin as it came.
    AsItCame,
    /// It may read nothing.
    No,
}

/// `https://*.example.com`.
#[derive(Clone)]
struct Subdomains {
    /// With the two slashes.
    scheme: String,
    /// With its first dot and, if it has one, its port.
    domain: String,
}

impl Origins {
    /// Adds `*`, an origin, or the subdomains of one.
    ///
    /// # Errors
    ///
    /// Why no browser would ever send such an origin.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        if text == "*" {
            self.any = true;
            return Ok(());
        }
        let wrong = |why: &str| format!("{text:?} is not an origin as browsers write them: {why}");
        let (scheme, authority) = text
            .split_once("://")
            .ok_or_else(|| wrong("expected scheme://host, or scheme://host:port"))?;
        let is_scheme = |octet: u8| {
            octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"+-.".contains(&octet)
        };
        if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
            return Err(wrong("a scheme is in lower case"));
        }
        let stars = authority.strip_prefix("*.");
        check_authority(scheme, stars.unwrap_or(authority)).map_err(wrong)?;
        let Some(domain) = stars else {
            let value = HeaderValue::try_from(text);
            self.exact.push(value.map_err(|_| wrong("it is no text"))?);
            return Ok(());
        };
        if !domain.contains('.') && host(domain) != "localhost" {
            return Err(wrong("*. stands before a domain that is yours"));
        }
        self.subdomains.push(Subdomains {
            scheme: format!("{scheme}://"),
            domain: format!(".{domain}"),
        });
        Ok(())
    }

    pub(super) fn decide_by(&mut self, function: impl Fn(&str) -> bool + Send + Sync + 'static) {
        self.function = Some(Arc::new(function));
    }

    /// Whether the function allows an origin that nobody has.
    pub(super) fn takes_anything(&self) -> bool {
        (self.function.as_ref()).is_some_and(|allows| allows("https://nobody.invalid"))
    }

    /// What is said of an origin; `None` when the request has none, or several.
    #[inline]
    pub(super) fn verdict(&self, origin: Option<&[u8]>) -> Verdict {
        if self.any {
            return Verdict::Any;
        }
        let Some(origin) = origin else {
            return Verdict::No;
        };
        // Origins are compared octet by octet: browsers write them in one way (RFC 6454 §6.1), and nobody else is
        // protected by the comparison.
        if let Some(place) = self.exact.iter().position(|exact| exact == origin) {
            return Verdict::Listed(place);
        }
        let Ok(origin) = std::str::from_utf8(origin) else {
            return Verdict::No;
        };
        let allowed = if origin == "null" {
            self.null
        } else {
            self.subdomains.iter().any(|domain| domain.has(origin))
                || self.function.as_ref().is_some_and(|allows| allows(origin))
        };
        if allowed {
            Verdict::AsItCame
        } else {
            Verdict::No
        }
    }

    pub(super) fn listed(&self, place: usize) -> Option<&HeaderValue> {
        self.exact.get(place)
    }
}

impl Subdomains {
    fn has(&self, origin: &str) -> bool {
        let name = origin
            .strip_prefix(&self.scheme)
            .and_then(|authority| authority.strip_suffix(&self.domain));
        // Whatever cannot stand in a name, a slash or a colon for one, would make it another host's.
        name.is_some_and(|name| !name.is_empty() && name.bytes().all(is_name))
    }
}

fn check_authority(scheme: &str, authority: &str) -> Result<(), &'static str> {
    let host = host(authority);
    let port = authority.get(host.len()..).unwrap_or_default();
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_host = match address {
        Some(address) => address
            .bytes()
            .all(|octet| octet == b':' || octet == b'.' || octet.is_ascii_hexdigit()),
        None => host.bytes().all(is_name),
    };
    if host.is_empty() || !is_host {
        return Err(
            "a host is a name in lower case, or an address, and nothing stands behind it but a port",
        );
    }
    let Some(port) = port.strip_prefix(':') else {
        return Ok(());
    };
    let number = number::decimal(port.as_bytes()).filter(|port| (1..=65_535).contains(port));
    match (number, scheme) {
        (None, _) => Err("a port is a number from 1 to 65535"),
        (Some(80), "http") | (Some(443), "https") => Err("the port of the scheme is left out"),
        _ => Ok(()),
    }
}

/// The host of an authority, with the brackets of an IPv6 address.
fn host(authority: &str) -> &str {
    let end = match authority.find(']') {
        Some(end) => end + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    authority.get(..end).unwrap_or(authority)
}

const fn is_name(octet: u8) -> bool {
    octet.is_ascii_lowercase() || octet.is_ascii_digit() || matches!(octet, b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_browser_sends_is_refused() {
        for text in [
            "https://app.example",
            "http://localhost:3000",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://xn--bcher-kva.example",
            "chrome-extension://abcdefgh",
            "tauri://localhost",
            "https://*.example.com",
            "http://*.localhost:3000",
            "*",
        ] {
            assert_eq!(Origins::default().add(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "null",
            "app.example",
            "https://",
            "https://app.example/",
            "https://app.example/path",
            "https://App.example",
            "HTTPS://app.example",
            "https://app.example:443",
            "http://app.example:80",
            "https://app.example:",
            "https://app.example:0",
            "https://app.example:+1",
            "https://app.example:65536",
            "https://user@app.example",
            "https://bücher.example",
            "https://app.example, https://b.example",
            "https://[::1",
            "https://*",
            "https://*.com",
            "https://*.",
            "https://a.*.example.com",
        ] {
            assert!(Origins::default().add(text).is_err(), "{text}");
        }
    }
}
