//! The cookies that a client keeps (RFC 6265 §5).

use crate::service::headers::Headers;
use crate::wire::number;
use http::HeaderValue;
use http::header::SET_COOKIE;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Cookies in the order in which they were first set.
#[derive(Debug, Default)]
pub(crate) struct Jar(Vec<Cookie>);

#[derive(Debug)]
pub(crate) struct Cookie {
    pub(crate) name: String,
    pub(crate) value: String,
    /// The host, or the domain.
    domain: String,
    /// Whether it is for that host alone.
    host_only: bool,
    path: String,
    /// Whether it goes over TLS alone.
    is_secure: bool,
    expires: Option<Instant>,
}

impl Jar {
    /// Keeps what the fields of a response set.
    pub(crate) fn take(&mut self, host: &str, path: &str, headers: &Headers) {
        for line in headers.get_all(SET_COOKIE) {
            if let Ok(line) = line.to_str() {
                self.set(host, path, line);
            }
        }
    }

    /// RFC 6265 §5.2 and §5.3: keeps what one line sets.
    pub(crate) fn set(&mut self, host: &str, path: &str, line: &str) {
        let mut parts = line.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let host = name_of(host);
        let mut cookie = Cookie {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            domain: host.clone(),
            host_only: true,
            path: default_path(path),
            is_secure: false,
            expires: None,
        };
        if cookie.name.is_empty() || cookie.name.len() + cookie.value.len() > LONGEST {
            return;
        }
        let (mut age, mut date) = (None, None);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "domain" if !value.is_empty() => {
                    let domain = value.trim_start_matches('.').to_ascii_lowercase();
                    if !is_within(&host, &domain) {
                        return;
                    }
                    (cookie.domain, cookie.host_only) = (domain, false);
                }
                "secure" => cookie.is_secure = true,
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "max-age" => age = lifetime(value).or(age),
                "expires" => date = httpdate::parse_http_date(value).ok().or(date),
                _ => {}
            }
        }
        // RFC 6265 §5.3 (3): Max-Age wins.
        let left = age.or_else(|| {
            date.map(|date| {
                date.duration_since(SystemTime::now())
                    .unwrap_or(Duration::ZERO)
            })
        });
        let known = self.0.iter().position(|known| {
            (&known.name, &known.domain, &known.path)
                == (&cookie.name, &cookie.domain, &cookie.path)
        });
        if let Some(left) = left {
            if left.is_zero() {
                known.map(|known| self.0.remove(known));
                return;
            }
            // One that outlives the clock does not expire.
            cookie.expires = Instant::now().checked_add(left);
        }
        match known.and_then(|known| self.0.get_mut(known)) {
            Some(known) => *known = cookie,
            None => self.0.push(cookie),
        }
        if self.0.len() > MOST {
            self.0.remove(0);
        }
    }

    /// The value of Cookie for a request (RFC 6265 §5.4): longer paths first.
    pub(crate) fn field(&mut self, host: &str, path: &str, is_secure: bool) -> Option<HeaderValue> {
        let host = name_of(host);
        let mut fit: Vec<&Cookie> = (self.all().iter())
            .filter(|cookie| is_secure || !cookie.is_secure)
            .filter(|cookie| {
                let is_its = if cookie.host_only {
                    cookie.domain == host
                } else {
                    is_within(&host, &cookie.domain)
                };
                is_its && is_under(path, &cookie.path)
            })
            .collect();
        fit.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = (fit.iter())
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if pairs.is_empty() {
            return None;
        }
        HeaderValue::try_from(pairs.join("; ")).ok()
    }

    /// All that have not expired.
    pub(crate) fn all(&mut self) -> &[Cookie] {
        let now = Instant::now();
        self.0
            .retain(|cookie| cookie.expires.is_none_or(|expires| expires > now));
        &self.0
    }
}

/// The seconds of Max-Age; negative ones are none (RFC 6265 §5.2.2), more than fit are the most that do.
fn lifetime(value: &str) -> Option<Duration> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    if value.starts_with('-') {
        return Some(Duration::ZERO);
    }
    let seconds = number::decimal(digits.as_bytes()).unwrap_or(u64::MAX);
    Some(Duration::from_secs(seconds))
}

/// The host without its port, in lower case.
fn name_of(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    name.to_ascii_lowercase()
}

/// RFC 6265 §5.1.3: whether a host is a domain, or under it; an address is under nothing.
fn is_within(host: &str, domain: &str) -> bool {
    host == domain
        || host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.'))
            && !domain.is_empty()
            && host.rsplit('.').next().is_some_and(|last| {
                !last.is_empty() && !last.bytes().all(|octet| octet.is_ascii_digit())
            })
}

/// RFC 6265 §5.1.4: the path of a cookie that names none.
fn default_path(path: &str) -> String {
    match path.rfind('/') {
        Some(end @ 1..) if path.starts_with('/') => path.get(..end).unwrap_or("/").to_owned(),
        _ => "/".to_owned(),
    }
}

/// RFC 6265 §5.1.4: whether the path of a request matches that of a cookie.
fn is_under(path: &str, cookie: &str) -> bool {
    path.strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

/// The most cookies that are kept; the oldest go first.
const MOST: usize = 1000;

/// The octets of a name and a value together, beyond which a cookie is not kept.
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent to each place, after these lines.
    fn after(lines: &[&str]) -> Jar {
        let mut cookies = Jar::default();
        for line in lines {
            cookies.set("www.Example.com:80", "/shop/cart", line);
        }
        cookies
    }

    fn value(cookies: &mut Jar, name: &str) -> Option<String> {
        let cookie = cookies.all().iter().find(|cookie| cookie.name == name)?;
        Some(cookie.value.clone())
    }

    fn sent(cookies: &mut Jar, host: &str, path: &str) -> String {
        let field = cookies.field(host, path, true);
        field.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn where_cookies_go() {
        for (line, goes, stays) in [
            (
                "a=1",
                &["www.example.com/shop", "www.example.com:81/shop/x"][..],
                &[
                    "www.example.com/",
                    "www.example.com/shopping",
                    "example.com/shop",
                ][..],
            ),
            (
                "a=1; Path=/",
                &["www.example.com/", "WWW.EXAMPLE.COM/x"],
                &["a.www.example.com/"],
            ),
            (
                "a=1; path=/; DOMAIN=.example.com; Secure; HttpOnly; SameSite=Strict",
                &["example.com/", "b.example.com/"],
                &["badexample.com/", "com/"],
            ),
            (
                "a=1; domain=other.com; path=/",
                &[],
                &["other.com/", "www.example.com/"],
            ),
            (
                "a=1; path=relative",
                &["www.example.com/shop"],
                &["www.example.com/"],
            ),
        ] {
            let mut cookies = after(&[line]);
            for (places, expected) in [(goes, "a=1"), (stays, "")] {
                for place in places {
                    let at = place.find('/').unwrap();
                    let found = sent(&mut cookies, &place[..at], &place[at..]);
                    assert_eq!(found, expected, "{line} at {place}");
                }
            }
        }
        let mut address = Jar::default();
        address.set("127.0.0.1", "/", "a=1; domain=0.0.1");
        assert!(address.0.is_empty());
    }

    #[test]
    fn longer_paths_go_first_and_values_are_kept_as_they_are() {
        let mut cookies = after(&[
            "a=\"x=y\"; Path=/",
            "b=; Path=/shop",
            "a=2; Path=/shop/cart",
            "=none",
            "none",
        ]);
        assert_eq!(
            sent(&mut cookies, "www.example.com", "/shop/cart"),
            "a=2; b=; a=\"x=y\""
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_gone() {
        for gone in [
            "a=; Path=/; Max-Age=0",
            "a=; Path=/; max-age=-1",
            "a=x; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "a=x; Path=/; Max-Age=0; Expires=Fri, 31 Dec 2100 00:00:00 GMT",
        ] {
            let mut cookies = after(&["a=1; Path=/", gone]);
            assert_eq!(value(&mut cookies, "a"), None, "{gone}");
        }
        for kept in [
            "a=1; Path=/; Max-Age=99999999999999999999",
            "a=1; Path=/; Max-Age=soon",
            "a=1; Path=/; Max-Age=1; Max-Age=60",
            "a=1; Path=/; Expires=Fri, 31 Dec 2100 00:00:00 GMT",
        ] {
            let mut cookies = after(&[kept]);
            tokio::time::advance(Duration::from_secs(59)).await;
            assert_eq!(value(&mut cookies, "a").as_deref(), Some("1"), "{kept}");
        }
        let mut cookies = after(&["a=1; Path=/; Max-Age=60"]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(sent(&mut cookies, "www.example.com", "/"), "");
    }

    #[test]
    fn there_is_a_ceiling() {
        let mut cookies = Jar::default();
        for number in 0..MOST + 5 {
            cookies.set("a", "/", &format!("n{number}=1"));
        }
        assert_eq!(cookies.0.len(), MOST);
        let long = "x".repeat(LONGEST);
        cookies.set("a", "/", &format!("l={long}"));
        assert_eq!(value(&mut cookies, "l"), None);
        assert_eq!(value(&mut cookies, "n4"), None);
    }

    #[test]
    fn what_is_for_tls_alone_does_not_go_without() {
        let mut cookies = after(&["a=1; Path=/; Secure", "b=2; Path=/"]);
        let plain = cookies.field("www.example.com", "/", false);
        assert_eq!(plain.unwrap(), "b=2");
    }
}
