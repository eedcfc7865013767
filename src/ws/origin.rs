//! Who may open a WebSocket from a page (RFC 6455 §10.2).
//!
//! A browser sends cookies, and the Authorization that it knows, with an upgrade from any page, and no CORS
//! check stands before it, so a foreign page could act as its visitor. What is not a browser sends no Origin and can forge one: the check
//! protects visitors, not the server.

use crate::wire::origin::is_own;

/// Which origins may open a WebSocket. A request without Origin does not come from a page and is always
/// allowed.
///
/// ```
/// use wireline::ws::origin::Policy;
///
/// let policy = Policy::default();
/// let (own, foreign) = (Some(&b"https://a.example"[..]), Some(&b"https://b.example"[..]));
/// assert!(policy.allows(own, Some(b"a.example"), true));
/// assert!(!policy.allows(foreign, Some(b"a.example"), true));
/// assert!(policy.allows(foreign, Some(b"a.example"), false), "nothing to abuse");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// A foreign origin is refused when the request carries cookies or Authorization.
    #[default]
    ForeignWithoutCookies,
    /// A foreign origin is refused.
    SameOrigin,
    /// These origins, as browsers write them (`https://app.example:8443`), and no others.
    List(Vec<String>),
    /// The server's own origin and these, and no others.
    OwnAnd(Vec<String>),
    /// Every origin: for services without any credentials that a browser adds by itself.
    Any,
}

impl Policy {
    /// These origins, as browsers write them, and no others.
    pub fn list<S: Into<String>>(origins: impl IntoIterator<Item = S>) -> Self {
        Self::List(origins.into_iter().map(Into::into).collect())
    }

    /// The server's own origin and these, as browsers write them, and no others.
    ///
    /// ```
    /// use wireline::ws::origin::Policy;
    ///
    /// let policy = Policy::own_and(["https://app.example"]);
    /// let host = Some(&b"api.example"[..]);
    /// assert!(policy.allows(Some(b"https://app.example"), host, true));
    /// assert!(policy.allows(Some(b"https://api.example"), host, true));
    /// assert!(!policy.allows(Some(b"https://evil.example"), host, false));
    /// ```
    pub fn own_and<S: Into<String>>(origins: impl IntoIterator<Item = S>) -> Self {
        Self::OwnAnd(origins.into_iter().map(Into::into).collect())
    }

    /// Whether a request with this Origin and Host is allowed; `credentials` are cookies or Authorization.
    pub fn allows(&self, origin: Option<&[u8]>, host: Option<&[u8]>, credentials: bool) -> bool {
        let Some(origin) = origin else {
            return true;
        };
        match self {
            Self::ForeignWithoutCookies => !credentials || is_own(origin, host),
            Self::SameOrigin => is_own(origin, host),
            Self::List(list) => is_listed(list, origin),
            Self::OwnAnd(list) => is_own(origin, host) || is_listed(list, origin),
            Self::Any => true,
        }
    }
}

fn is_listed(list: &[String], origin: &[u8]) -> bool {
    list.iter()
        .any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d33_host_and_port_decide() {
        for (origin, host, own) in [
            ("http://good.com", "good.com", true),
            ("https://good.com", "good.com", true),
            ("https://GOOD.com", "Good.Com", true),
            ("http://good.com:80", "good.com", true),
            ("https://good.com", "good.com:443", true),
            ("https://good.com:8443", "good.com:8443", true),
            ("http://[::1]:8000", "[::1]:8000", true),
            ("http://[::1]", "[::1]", true),
            ("http://good.com:", "good.com", true),
            ("http://good.com.evil.com", "good.com", false),
            ("http://evil.com", "good.com", false),
            ("http://good.com:8080", "good.com", false),
            ("http://good.com", "good.com:8080", false),
            ("https://good.com", "good.com:80", false),
            ("http://good.com@evil.com", "evil.com", false),
            ("http://good.com/", "good.com", false),
            ("null", "good.com", false),
            ("file://", "", false),
            ("http://", "", false),
            ("", "good.com", false),
            ("good.com", "good.com", false),
        ] {
            let (origin, host) = (Some(origin.as_bytes()), Some(host.as_bytes()));
            assert_eq!(
                Policy::SameOrigin.allows(origin, host, false),
                own,
                "{origin:?}"
            );
            assert_eq!(
                Policy::default().allows(origin, host, true),
                own,
                "{origin:?}"
            );
            assert!(Policy::default().allows(origin, host, false));
            assert!(Policy::Any.allows(origin, host, true));
        }
        assert!(Policy::SameOrigin.allows(None, Some(b"good.com"), true));
        assert!(!Policy::SameOrigin.allows(Some(b"http://good.com"), None, true));
        let list = Policy::list(["https://app.example"]);
        assert!(list.allows(Some(b"https://APP.example"), None, true));
        assert!(!list.allows(Some(b"http://app.example"), None, false));
        assert!(!list.allows(Some(b"null"), None, false));
        let own_and = Policy::own_and(["https://app.example"]);
        let host = Some(&b"good.com"[..]);
        for (origin, allowed) in [
            ("https://APP.example", true),
            ("http://good.com", true),
            ("http://app.example", false),
            ("https://evil.com", false),
            ("null", false),
        ] {
            let origin = Some(origin.as_bytes());
            assert_eq!(own_and.allows(origin, host, false), allowed, "{origin:?}");
        }
        assert!(own_and.allows(None, host, true));
    }
}
