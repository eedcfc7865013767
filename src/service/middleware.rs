//! Code around handlers: `async fn(request, next)`.

use crate::service::handler::{AnyHandler, ResponseFuture};
use crate::service::layer::{Layer, Place};
use crate::service::layered::Layered;
use crate::service::request::Request;
use crate::service::response::{IntoResponse, Response};
use http::StatusCode;
use std::fmt;
use std::sync::Arc;

/// A function that sees a request before its handler and the response after it.
///
/// It may change the request, answer without calling [`Next::run`], or change the response.
///
/// ```
/// use wireline::router::Router;
/// use wireline::service::{middleware::Next, request::Request, response::Response};
///
/// async fn no_cache(request: Request, next: Next) -> Response {
///     next.run(request).await.with_header("cache-control", "no-store")
/// }
///
/// let router = Router::new().middleware(no_cache).get("/", async || "hello").build().unwrap();
/// # let _ = router;
/// ```
pub trait Middleware: Send + Sync + 'static {
    /// Runs.
    fn handle(&self, request: Request, next: Next) -> ResponseFuture;
}

impl<F, Fut, R> Middleware for F
where
    F: Fn(Request, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: IntoResponse,
{
    fn handle(&self, request: Request, next: Next) -> ResponseFuture {
        let response = self(request, next);
        Box::pin(async move { response.await.into_response() })
    }
}

/// The rest of the way to the handler.
///
/// ```
/// use std::time::Instant;
/// use wireline::service::middleware::Next;
/// use wireline::{Request, Response};
///
/// async fn timed(request: Request, next: Next) -> Response {
///     let begin = Instant::now();
///     let response = next.run(request).await;
///     response.with_header("server-timing", format!("handler;dur={}", begin.elapsed().as_millis()))
/// }
/// # let _ = wireline::Router::new().middleware(timed);
/// ```
pub struct Next {
    chain: Arc<Chain>,
    at: usize,
}

/// What stands around a handler, in order, and the handler.
pub(crate) struct Chain {
    pub(crate) layers: Vec<Arc<dyn Layer>>,
    pub(crate) middleware: Vec<Arc<dyn Middleware>>,
    pub(crate) handler: Arc<dyn AnyHandler>,
}

impl Chain {
    /// The same around another handler.
    pub(crate) fn to(&self, handler: Arc<dyn AnyHandler>) -> Self {
        Self {
            layers: self.layers.clone(),
            middleware: self.middleware.clone(),
            handler,
        }
    }

    /// What a refusal of the server's own with this status passes on its way to `handler`. What is refused for want
    /// of room stands where load is shed: nothing is asked that may wait or that has to work.
    pub(crate) fn refusing(&self, status: StatusCode, handler: Arc<dyn AnyHandler>) -> Self {
        let mut chain = self.to(handler);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            chain.layers.retain(|layer| layer.place() < Place::Shed);
            chain.middleware.clear();
        }
        chain
    }

    /// Takes a request through the layers and the middleware to the handler.
    #[inline]
    pub(crate) fn call(chain: &Arc<Self>, request: Request) -> ResponseFuture {
        if chain.layers.is_empty() {
            Next::new(chain.clone()).start(request)
        } else {
            Box::pin(Layered::start(chain.clone(), request))
        }
    }
}

impl Next {
    /// The way inside the layers.
    #[inline]
    pub(crate) const fn new(chain: Arc<Chain>) -> Self {
        Self { chain, at: 0 }
    }

    /// Goes on with the request; gives the response.
    ///
    /// Giving it up cancels the handler.
    pub async fn run(self, request: Request) -> Response {
        self.start(request).await
    }

    /// Goes on with the request without waiting.
    pub(crate) fn start(mut self, request: Request) -> ResponseFuture {
        match self.chain.middleware.get(self.at).cloned() {
            Some(middleware) => {
                self.at += 1;
                middleware.handle(request, self)
            }
            None => self.chain.handler.call(request),
        }
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Next({} more)", self.chain.middleware.len() - self.at)
    }
}
