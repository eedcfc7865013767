//! Services of tower here, and ours there: an axum `Router` behind a wireline route, a wireline router
//! behind hyper.
//!
//! ```text
//!   wireline request ── TowerService ──> poll_ready, call ──> any tower service (axum, tonic, ...)
//!   hyper's request  ── HyperService ──> admit, call ──────> any wireline service (Routes, ...)
//! ```
//!
//! Heads are converted, contents are not: they stream through, with their trailers. A switch of protocols
//! does not pass: each side has its own way to hand a connection over.

use crate::router::Router;
use crate::service::body::{Body, BodyError};
use crate::service::handler::{ResponseFuture, Service};
use crate::service::request::Request;
use crate::service::response::Response;
use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A tower service as a wireline [`Service`].
///
/// Each request goes to a clone of the service, once that says it is ready. The request is an
/// [`http::Request`] of wireline's [`Body`] with a [`ConnInfo`](crate::resource::addr::ConnInfo) among its
/// extensions. An error of the service is a 500, and so is a 101: nobody here could speak what it
/// switches to.
///
/// ```
/// use std::convert::Infallible;
/// use std::task::{Context, Poll};
/// use wireline::router::Router;
/// use wireline::service::{body::Body, handler::Service, request::Request};
///
/// #[derive(Clone)]
/// struct Hello;
///
/// impl tower_service::Service<http::Request<Body>> for Hello {
///     type Response = http::Response<Body>;
///     type Error = Infallible;
///     type Future = std::future::Ready<Result<Self::Response, Infallible>>;
///
///     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn call(&mut self, request: http::Request<Body>) -> Self::Future {
///         std::future::ready(Ok(http::Response::new(format!("hello from {}", request.uri()).into())))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let routes = Router::new().mount_tower("/old", Hello).build().unwrap();
/// let mut response = routes.call(Request::get("/old/page")).await;
/// let content = std::mem::take(response.body_mut()).collect().await.unwrap();
/// assert_eq!(content, "hello from /page");
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TowerService<S> {
    service: S,
    /// Whether the service sees only what the route's rest parameter took of the path.
    mounted: bool,
}

impl<S> TowerService<S> {
    /// The service, for requests with their whole path.
    pub const fn new(service: S) -> Self {
        Self {
            service,
            mounted: false,
        }
    }
}

impl<S, B> Service for TowerService<S>
where
    S: tower_service::Service<http::Request<Body>, Response = http::Response<B>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: HttpBody + Send + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    fn call(&self, request: Request) -> ResponseFuture {
        let mut service = self.service.clone();
        // A mount without a rest of the path is its prefix alone.
        let rest = self.mounted.then(|| {
            request
                .parts()
                .route()
                .span(REST)
                .map(|rest| rest.start() - 1)
        });
        Box::pin(async move {
            let Ok(mut request) = http::Request::try_from(request) else {
                return Response::text("the request target is not a URI")
                    .with_status(StatusCode::BAD_REQUEST);
            };
            if let Some(rest) = rest {
                *request.uri_mut() = from_octet(std::mem::take(request.uri_mut()), rest);
            }
            if poll_fn(|cx| service.poll_ready(cx)).await.is_err() {
                return Response::internal_error();
            }
            match service.call(request).await {
                Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    Response::internal_error()
                }
                Ok(response) => response.map(body_of).into(),
                Err(_) => Response::internal_error(),
            }
        })
    }
}

/// Tower services in a router.
impl Router {
    /// Gives a tower service everything at and under `prefix`, whatever the method. The service sees paths
    /// without the prefix, so that one with routes of its own needs not know where it hangs; `/` alone
    /// gives it everything. Other routes under the prefix win where they are more precise.
    ///
    /// Middleware, state and limits of this router stand around it as around a route.
    #[must_use]
    pub fn mount_tower<S, B>(self, prefix: &str, service: S) -> Self
    where
        S: tower_service::Service<http::Request<Body>, Response = http::Response<B>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
        B: HttpBody + Send + 'static,
        B::Data: Into<Bytes>,
        B::Error: Into<BoxError>,
    {
        let prefix = prefix.trim_end_matches('/');
        // A handler is cloned for each request, and so is the service: once is enough.
        let service = Arc::new(TowerService {
            service,
            mounted: true,
        });
        let handler = move |request: Request| service.call(request);
        let (slash, rest) = (format!("{prefix}/"), format!("{prefix}/{{*{REST}}}"));
        let router = if prefix.is_empty() {
            self
        } else {
            self.any(prefix, handler.clone())
        };
        router.any(&slash, handler.clone()).any(&rest, handler)
    }

    /// Gives a tower service what has no route, with its whole path. Counts on the outermost router.
    #[must_use]
    pub fn fallback_tower<S, B>(self, service: S) -> Self
    where
        S: tower_service::Service<http::Request<Body>, Response = http::Response<B>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
        B: HttpBody + Send + 'static,
        B::Data: Into<Bytes>,
        B::Error: Into<BoxError>,
    {
        let service = Arc::new(TowerService::new(service));
        self.fallback(move |request: Request| service.call(request))
    }
}

/// A wireline service as a tower service; see [`HyperService`].
///
/// ```
/// use std::sync::Arc;
/// use wireline::Router;
/// use wireline::tower::into_tower;
///
/// let routes = Router::new().post("/upload", async || "thanks").build().unwrap();
/// let service = into_tower(Arc::new(routes)).max_body(100 * 1024 * 1024);
/// # drop(service);
/// ```
pub fn into_tower(service: Arc<dyn Service>) -> HyperService {
    HyperService {
        service,
        max_body: DEFAULT_MAX_BODY,
    }
}

/// A wireline service as a tower service, for hyper (through `hyper_util::service::TowerToHyperService`)
/// and for everything else that calls tower services.
///
/// The body limit of the route holds, else [`max_body`](Self::max_body): past it the handler meets
/// [`BodyError::TooLarge`], and a length that says so beforehand is answered with 413 in its place. All
/// other limits, deadlines and the guard against panics are the calling server's.
///
/// Addresses are not known here: whoever has them leaves a
/// [`ConnInfo`](crate::resource::addr::ConnInfo) in the request's extensions. A response that would switch
/// protocols becomes 501.
///
/// ```
/// use std::sync::Arc;
/// use tower_service::Service as _;
/// use wireline::router::Router;
/// use wireline::service::body::Body;
/// use wireline::tower::into_tower;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let routes = Router::new().get("/ping", async || "pong").build().unwrap();
/// let mut service = into_tower(Arc::new(routes));
/// let request = http::Request::get("/ping").body(Body::empty()).unwrap();
/// let response = service.call(request).await.unwrap();
/// assert_eq!(response.into_body().collect().await.unwrap(), "pong");
/// # });
/// ```
#[derive(Clone)]
pub struct HyperService {
    service: Arc<dyn Service>,
    max_body: u64,
}

impl HyperService {
    /// Limits the content of requests, in octets, where their route does not say otherwise. Default 10 MiB.
    #[must_use]
    pub const fn max_body(mut self, octets: u64) -> Self {
        self.max_body = octets;
        self
    }
}

impl fmt::Debug for HyperService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperService")
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}

impl<B> tower_service::Service<http::Request<B>> for HyperService
where
    B: HttpBody + Send + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        let method = head.method.clone();
        let mut request = Request::from(http::Request::from_parts(head, ()));
        let limit = self
            .service
            .admit(&mut request)
            .max_body
            .unwrap_or(self.max_body);
        request.parts_mut().route_mut().set_max_body(limit);
        if body.size_hint().lower() > limit {
            let response =
                Response::text("content too large").with_status(StatusCode::PAYLOAD_TOO_LARGE);
            *request.body_mut() = Body::failed(BodyError::TooLarge);
            let response = self.service.refuse(request, response);
            return Box::pin(async move { Ok(sendable(response.await, &method)) });
        }
        if !body.is_end_stream() {
            *request.body_mut() = Body::from_http_body(Limited {
                body: Box::pin(body),
                left: limit,
            });
        }
        let response = self.service.call(request);
        Box::pin(async move { Ok(sendable(response.await, &method)) })
    }
}

/// The response as a server of another making may send it.
fn sendable(response: Response, method: &Method) -> http::Response<Body> {
    if response.invalid().is_some() {
        return Response::internal_error().into();
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        || (*method == Method::CONNECT && response.status().is_success())
    {
        return Response::text("this server does not switch protocols")
            .with_status(StatusCode::NOT_IMPLEMENTED)
            .into();
    }
    let mut response = http::Response::from(response);
    // A length that the content tells itself wins over the handler's, where there is content.
    let tells = response.body().len().is_some();
    let announces = (*method == Method::HEAD || response.status() == StatusCode::NOT_MODIFIED)
        && response.body().is_empty();
    let headers: &mut HeaderMap = response.headers_mut();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    if tells && !announces {
        headers.remove(CONTENT_LENGTH);
    }
    response
}

/// The same URI with a path that begins at this octet of its path; `/` alone without one.
fn from_octet(uri: Uri, at: Option<usize>) -> Uri {
    let rest = at.and_then(|at| uri.path().get(at..)).unwrap_or("/");
    let shortened = uri
        .query()
        .map_or_else(|| rest.to_owned(), |query| format!("{rest}?{query}"));
    // What was left out of a valid path leaves a valid path.
    let Ok(shortened) = PathAndQuery::try_from(shortened) else {
        return uri;
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(shortened);
    Uri::from_parts(parts).unwrap_or(uri)
}

/// A body that is known to have ended stays known to be empty: to HEAD that is the difference between the
/// service's Content-Length and none.
fn body_of<B>(body: B) -> Body
where
    B: HttpBody + Send + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        Body::empty()
    } else {
        Body::from_http_body(body)
    }
}

/// A body with a ceiling.
struct Limited<B> {
    body: Pin<Box<B>>,
    left: u64,
}

impl<B> HttpBody for Limited<B>
where
    B: HttpBody,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(frame) = ready!(self.body.as_mut().poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let frame = frame
            .map_err(|error| BodyError::Foreign(error.into()))
            .and_then(|frame| {
                let length = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                self.left = self.left.checked_sub(length).ok_or(BodyError::TooLarge)?;
                Ok(frame.map_data(Into::into))
            });
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The limit of wireline's own server.
const DEFAULT_MAX_BODY: u64 = 10 * 1024 * 1024;

/// The name of the parameter that takes the rest of the path, unlikely to be one of the prefix's.
const REST: &str = "rest_of_the_path";

/// Fields of the connection (RFC 9110 §7.6.1), which is the calling server's.
const HOP_BY_HOP: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

#[cfg(test)]
mod tests;
