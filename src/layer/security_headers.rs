//! Fields that tell browsers what they must not do with a response.

use crate::service::headers::{InvalidField, field};
use crate::service::layer::{Before, Layer, Note, Place};
use crate::service::request::Request;
use crate::service::response::Response;
use crate::wire::shared::SharedLines;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use http::{HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;

/// Security headers for every response of a router.
///
/// `X-Content-Type-Options: nosniff` is always among them; everything else is there when it was asked for. A field
/// that the handler has set stays as the handler set it. In place of a layer of the same type of an outer
/// router the nearest one counts, so that a group can have a policy of its own.
///
/// ```
/// use std::time::Duration;
/// use wireline::Router;
/// use wireline::layer::security_headers::{Frames, SecurityHeaders};
///
/// let headers = SecurityHeaders::new()
///     .frames(Frames::Deny)
///     .csp("default-src 'self'; script-src 'self'")?
///     .referrer_policy("strict-origin-when-cross-origin")?
///     .permissions_policy("camera=(), geolocation=()")?
///     .hsts(Duration::from_secs(365 * 24 * 3600), true);
/// let routes = Router::new().layer(headers).get("/", async || "hello").build().unwrap();
/// # let _ = routes;
/// # Ok::<(), wireline::service::headers::InvalidField>(())
/// ```
#[derive(Clone, Debug)]
pub struct SecurityHeaders {
    fields: Vec<(HeaderName, HeaderValue)>,
    /// The same, written once, if that may be.
    shared: Option<Arc<SharedLines>>,
    /// Said over https only.
    hsts: Option<HeaderValue>,
}

/// Who may show a page in a frame (RFC 7034). A `frame-ancestors` in the policy of [`SecurityHeaders::csp`] says the
/// same in more detail, and browsers that know it look at that alone.
///
/// ```
/// use wireline::layer::security_headers::{Frames, SecurityHeaders};
///
/// let headers = SecurityHeaders::new().frames(Frames::SameOrigin);
/// # let _ = headers;
/// ```
#[doc(alias = "FrameOptions")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Nobody: `DENY`.
    Deny,
    /// Pages of the same origin: `SAMEORIGIN`.
    SameOrigin,
}

impl SecurityHeaders {
    /// `X-Content-Type-Options: nosniff` and nothing else.
    pub fn new() -> Self {
        let me = Self {
            fields: Vec::new(),
            shared: None,
            hsts: None,
        };
        me.with(X_CONTENT_TYPE_OPTIONS, NOSNIFF)
    }

    /// What hurts no site that is one origin: `X-Frame-Options: SAMEORIGIN`, `Referrer-Policy:
    /// strict-origin-when-cross-origin`, `Cross-Origin-Opener-Policy: same-origin`, `Cross-Origin-Resource-Policy:
    /// same-origin`, `X-XSS-Protection: 0`.
    pub fn recommended() -> Self {
        let said = HeaderValue::from_static;
        Self::new()
            .frames(Frames::SameOrigin)
            .with(REFERRER_POLICY, said("strict-origin-when-cross-origin"))
            .with(OPENER_POLICY, said("same-origin"))
            .with(RESOURCE_POLICY, said("same-origin"))
            .with(X_XSS_PROTECTION, said("0"))
    }

    /// `X-Frame-Options` (RFC 7034), which is not said by default.
    #[must_use]
    pub fn frames(self, frames: Frames) -> Self {
        let value = match frames {
            Frames::Deny => "DENY",
            Frames::SameOrigin => "SAMEORIGIN",
        };
        self.with(X_FRAME_OPTIONS, HeaderValue::from_static(value))
    }

    /// `Content-Security-Policy` (CSP level 3).
    ///
    /// # Errors
    ///
    /// A value that cannot stand in a field line.
    pub fn csp(self, policy: &str) -> Result<Self, InvalidField> {
        self.custom(CONTENT_SECURITY_POLICY, policy)
    }

    /// `Content-Security-Policy-Report-Only`: the browser tells what it would have refused, and refuses nothing.
    ///
    /// # Errors
    ///
    /// A value that cannot stand in a field line.
    pub fn csp_report_only(self, policy: &str) -> Result<Self, InvalidField> {
        self.custom(CONTENT_SECURITY_POLICY_REPORT_ONLY, policy)
    }

    /// `Referrer-Policy`: how much of its address a page tells where its links lead.
    ///
    /// # Errors
    ///
    /// A value that cannot stand in a field line.
    pub fn referrer_policy(self, policy: &str) -> Result<Self, InvalidField> {
        self.custom(REFERRER_POLICY, policy)
    }

    /// `Permissions-Policy`: which features of the browser pages may use.
    ///
    /// # Errors
    ///
    /// A value that cannot stand in a field line.
    pub fn permissions_policy(self, policy: &str) -> Result<Self, InvalidField> {
        self.custom(PERMISSIONS_POLICY, policy)
    }

    /// `X-XSS-Protection`. The filter that it speaks to has been removed from browsers, and while it was there
    /// `1; mode=block` could be turned against a page: `0` is what to say today, with a policy in
    /// [`csp`](Self::csp).
    ///
    /// # Errors
    ///
    /// A value that cannot stand in a field line.
    pub fn xss_protection(self, value: &str) -> Result<Self, InvalidField> {
        self.custom(X_XSS_PROTECTION, value)
    }

    /// `Cross-Origin-Opener-Policy`: `same-origin` keeps pages of other origins out of the window's group.
    ///
    /// # Errors
    ///
    /// A value that cannot stand in a field line.
    pub fn opener_policy(self, policy: &str) -> Result<Self, InvalidField> {
        self.custom(OPENER_POLICY, policy)
    }

    /// `Cross-Origin-Resource-Policy`: `same-origin` and `same-site` keep others from embedding the response.
    ///
    /// # Errors
    ///
    /// A value that cannot stand in a field line.
    pub fn resource_policy(self, policy: &str) -> Result<Self, InvalidField> {
        self.custom(RESOURCE_POLICY, policy)
    }

    /// `Cross-Origin-Embedder-Policy`: `require-corp` lets a page embed only what says that it may be embedded.
    ///
    /// # Errors
    ///
    /// A value that cannot stand in a field line.
    pub fn embedder_policy(self, policy: &str) -> Result<Self, InvalidField> {
        self.custom(EMBEDDER_POLICY, policy)
    }

    /// `Strict-Transport-Security` (RFC 6797): for so long, in whole seconds, a browser that has seen it uses https
    /// alone, with `subdomains` for every host below this one, too.
    ///
    /// It is said to requests that came over https, this server's TLS or that of a
    /// [trusted proxy](crate::service::trusted::TrustedProxies), and to no others (§7.2). It cannot be taken back from browsers
    /// that have seen it but by saying zero over https: begin with minutes.
    #[must_use]
    pub fn hsts(mut self, for_how_long: Duration, subdomains: bool) -> Self {
        let scope = if subdomains {
            "; includeSubDomains"
        } else {
            ""
        };
        let value = format!("max-age={}{scope}", for_how_long.as_secs());
        // Digits and words are a field value.
        self.hsts = HeaderValue::try_from(value).ok();
        self
    }

    /// `Strict-Transport-Security: max-age=63072000; includeSubDomains; preload`: [`hsts`](Self::hsts) for two years and every host
    /// below this one, and the consent to be on the [list](https://hstspreload.org) that browsers bring with them.
    ///
    /// A domain leaves that list months after it asked to, and browsers of that time never learn of it: say it once all hosts of the
    /// domain have been under `hsts` for a while.
    ///
    /// ```
    /// use wireline::layer::security_headers::SecurityHeaders;
    ///
    /// let headers = SecurityHeaders::recommended().hsts_preload();
    /// # let _ = headers;
    /// ```
    #[must_use]
    pub fn hsts_preload(mut self) -> Self {
        self.hsts = Some(PRELOAD);
        self
    }

    /// Any other field, in place of what this had under that name.
    ///
    /// # Errors
    ///
    /// A name or a value that cannot stand in a field line.
    pub fn custom<N, V>(self, name: N, value: V) -> Result<Self, InvalidField>
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        let (name, value) = field(name, value)?;
        Ok(self.with(name, value))
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if name == STRICT_TRANSPORT_SECURITY {
            self.hsts = Some(value);
            return self;
        }
        match self.fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.fields.push((name, value)),
        }
        self.shared = SharedLines::new(self.fields.clone()).map(Arc::new);
        self
    }
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for SecurityHeaders {
    fn place(&self) -> Place {
        Place::Headers
    }

    fn replaces_outer(&self) -> bool {
        true
    }

    fn before(&self, request: &mut Request, note: &mut Note) -> Before {
        if self.hsts.is_some() && request.client().is_https() {
            *note = Note::Number(HTTPS);
        }
        Before::Go
    }

    fn after(&self, note: &mut Note, response: &mut Response) {
        match &self.shared {
            Some(lines) => response.headers_mut().fill_shared(lines),
            None => response.headers_mut().fill(&self.fields),
        }
        if let (Some(value), Note::Number(HTTPS)) = (&self.hsts, &*note)
            && !response.headers().contains(STRICT_TRANSPORT_SECURITY)
        {
            response
                .headers_mut()
                .append(STRICT_TRANSPORT_SECURITY, value.clone());
        }
    }
}

/// `nosniff` alone, for the paved path.
#[allow(dead_code, reason = "only `App` calls it, and it is optional")]
pub(crate) fn apply(response: &mut Response) {
    if !response.headers().contains(X_CONTENT_TYPE_OPTIONS) {
        response
            .headers_mut()
            .append(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    }
}

const HTTPS: u64 = 1;
const PRELOAD: HeaderValue =
    HeaderValue::from_static("max-age=63072000; includeSubDomains; preload");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const EMBEDDER_POLICY: HeaderName = HeaderName::from_static("cross-origin-embedder-policy");
