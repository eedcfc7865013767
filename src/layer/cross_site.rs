//! Pages of other sites: what their visitors' browsers are made to send is refused.

use crate::service::bearer::opens_websocket;
use crate::service::error::Error;
use crate::service::layer::{Before, Layer, Note, Place};
use crate::service::request::{Parts, Request};
use crate::service::response::IntoResponse;
use crate::wire::origin::is_own;
use http::header::ORIGIN;
use http::{Method, StatusCode};
use std::fmt;
use std::sync::Arc;

/// A layer that refuses what pages of other sites make browsers send (cross-site request forgery): 403.
///
/// A browser sends the cookies of a site whatever page asks it to, and a form may be sent to any site. So whoever trusts cookies,
/// [sessions](crate::layer::session) for one, puts this around what they protect. Nothing has to be put into forms.
///
/// - GET, HEAD and OPTIONS pass: they must not change anything (RFC 9110 §9.2.1).
/// - `Sec-Fetch-Site: same-origin` and `none` (an address that was typed, a bookmark) pass, any other value does not. Browsers send it
///   since 2023, to https and to `localhost`, and no page can change it.
/// - Without that field, the host of `Origin` has to be the request's own.
/// - With neither, it passes: it comes from no browser.
///
/// Pages of other origins, also of another subdomain or another port, pass when they are listed with [`origins`](Self::origins).
/// Requests that open a WebSocket pass: who may open one is said by the route's
/// [`origin`](https://docs.rs/wireline/latest/wireline/ws/route/struct.WebSocketUpgrade.html#method.origin).
///
/// It stands inside [`Cors`](crate::layer::cors::Cors), and a group's layer stands in for that of the router around it.
///
/// ```
/// use wireline::Router;
/// use wireline::layer::cross_site::SameOrigin;
///
/// let guard = SameOrigin::new()
///     .origins(["https://app.example"])
///     .exempt(|request| request.path().starts_with("/hooks/"));
/// let routes = Router::new().layer(guard).post("/transfer", async || "done").build();
/// assert!(routes.is_ok());
/// ```
///
/// # Errors
///
/// [`Router::build`](crate::router::Router::build) refuses an origin in the list that no browser sends: it has a scheme, a host, a port
/// where it is not the scheme's own, and nothing else.
#[derive(Clone, Default)]
pub struct SameOrigin {
    origins: Vec<String>,
    exempt: Option<Exempt>,
}

/// Whether a request passes whoever sent it.
type Exempt = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

impl SameOrigin {
    /// The pages of the host itself, and no others.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The pages that may send requests beside those of the host itself, as browsers write them: `https://app.example`, with a
    /// port where it is not the scheme's own.
    #[must_use]
    pub fn origins<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.origins.extend(origins.into_iter().map(Into::into));
        self
    }

    /// Lets requests pass of which the function says so: those that trust no cookie.
    #[must_use]
    pub fn exempt(mut self, exempt: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.exempt = Some(Arc::new(exempt));
        self
    }
}

impl Layer for SameOrigin {
    fn place(&self) -> Place {
        Place::CrossSite
    }

    fn replaces_outer(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        match self.origins.iter().find(|origin| !is_origin(origin)) {
            None => Ok(()),
            Some(wrong) => Err(format!(
                "{wrong:?} is not an origin as browsers write them: expected scheme://host, or scheme://host:port"
            )),
        }
    }

    fn before(&self, request: &mut Request, _: &mut Note) -> Before {
        let passes = is_safe(request.method())
            || *request.method() == Method::CONNECT && opens_websocket(request)
            || !is_foreign(request, &self.origins)
            || (self.exempt.as_ref()).is_some_and(|exempt| exempt(request));
        if passes {
            return Before::Go;
        }
        let refusal = Error::new(
            StatusCode::FORBIDDEN,
            "a page of another site may not do this",
        );
        Before::Answer(refusal.into_response())
    }
}

impl fmt::Debug for SameOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SameOrigin")
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

/// Whether a method changes nothing (RFC 9110 §9.2.1).
pub(super) fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Whether a request comes from a page that neither belongs to its host nor is one of `origins`.
pub(crate) fn is_foreign(parts: &Parts, origins: &[String]) -> bool {
    let origin = parts.headers().get(ORIGIN).map(|origin| origin.as_bytes());
    let is_listed = |origin: &[u8]| {
        let mut listed = origins.iter().map(String::as_bytes);
        listed.any(|listed| listed.eq_ignore_ascii_case(origin))
    };
    if origin.is_some_and(is_listed) {
        return false;
    }
    // The browser knows better than a comparison of names: a proxy may have changed the host, and a page of http is not one of https.
    if let Some(site) = parts.header("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    origin.is_some_and(|origin| !is_own(origin, parts.host().map(str::as_bytes)))
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let is_plain = |octet: u8| octet.is_ascii_graphic() && !b"/@?#*\"\\,".contains(&octet);
    !scheme.is_empty()
        && !authority.is_empty()
        && scheme.bytes().chain(authority.bytes()).all(is_plain)
}
