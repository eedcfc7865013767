//! The paved path: one builder that ties routes, layers and a server together.

#[cfg(feature = "relay")]
mod relay;

use crate::layer::request_id::{self, RequestIds};
use crate::layer::security_headers::{self, SecurityHeaders};
use crate::layer::trace::{Trace, Traces};
use crate::resource::panic::guarded;
use crate::router::{BuildError, Router, Routes};
use crate::server::Server;
use crate::service::handler::{Admission, ResponseFuture, Service};
use crate::service::layer::Layer;
use crate::service::layered::Panicked;
use crate::service::request::Request;
use crate::service::response::Response;
use std::any::Any;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Routes with what every public service wants around them: a request id in `X-Request-ID`,
/// `X-Content-Type-Options: nosniff`, and a span for each request. Each can be turned off, and each can be had as
/// a layer of one's own making in its place.
///
/// Limits, deadlines and budgets do not depend on it: [`Server`] has them on by itself.
///
/// ```no_run
/// use wireline::app::App;
/// use wireline::layer::security_headers::{Frames, SecurityHeaders};
/// use wireline::router::Router;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let router = Router::new().get("/", async || "Hello, World!");
///     let headers = SecurityHeaders::new().frames(Frames::Deny).csp("default-src 'self'")?;
///     App::new(router).security_headers(headers).server()?.bind("127.0.0.1:8000").run()?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct App {
    router: Router,
    request_id: bool,
    nosniff: bool,
    traces: Option<Traces>,
}

impl App {
    /// The paved path around `router`.
    pub fn new(router: Router) -> Self {
        Self {
            router,
            request_id: true,
            nosniff: true,
            traces: Some(Traces::new()),
        }
    }

    /// Whether requests get an id, and responses say it. On by default.
    #[must_use]
    pub const fn request_id(mut self, on: bool) -> Self {
        self.request_id = on;
        self
    }

    /// Ids of another kind, or in another field.
    #[must_use]
    pub fn request_ids(mut self, ids: RequestIds) -> Self {
        self.request_id = false;
        self.layer(ids)
    }

    /// Whether responses say `X-Content-Type-Options: nosniff`. On by default.
    #[must_use]
    pub const fn nosniff(mut self, on: bool) -> Self {
        self.nosniff = on;
        self
    }

    /// More security headers than `nosniff`, which is among them.
    #[must_use]
    pub fn security_headers(mut self, headers: SecurityHeaders) -> Self {
        self.nosniff = false;
        self.layer(headers)
    }

    /// Whether each request has an `http.request` span. On by default.
    #[must_use]
    pub fn spans(mut self, on: bool) -> Self {
        self.traces = on.then(Traces::new);
        self
    }

    /// Spans as these settings want them.
    #[must_use]
    pub fn traces(mut self, traces: Traces) -> Self {
        self.traces = Some(traces);
        self
    }

    /// Puts a layer around all routes, and around what has none, as [`Router::layer`] does.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.router = self.router.layer(layer);
        self
    }

    /// The service.
    ///
    /// # Errors
    ///
    /// As [`Router::build`].
    pub fn build(mut self) -> Result<AppService, BuildError> {
        // Ids of another kind are given by a layer, and spans have to stand inside it to know them.
        if !self.request_id
            && let Some(traces) = self.traces.take()
        {
            self.router = self.router.layer(traces);
        }
        Ok(AppService {
            routes: self.router.build()?,
            request_id: self.request_id,
            nosniff: self.nosniff,
            traces: self.traces.map(Arc::new),
        })
    }

    /// A server for the service.
    ///
    /// # Errors
    ///
    /// As [`Router::build`].
    pub fn server(self) -> Result<Server, BuildError> {
        Ok(Server::new(self.build()?))
    }
}

/// What [`App::build`] makes. Random ids and `nosniff` are written in one go here, without a list of fields, which costs
/// less than the layers that do the same.
///
/// ```
/// use wireline::app::App;
/// use wireline::router::Router;
/// use wireline::test::TestClient;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let service = App::new(Router::new().get("/", async || "Hello, World!")).build().unwrap();
/// let response = TestClient::new(service).get("/").await;
/// assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
/// assert!(response.header("x-request-id").is_some());
/// # });
/// ```
#[derive(Debug)]
pub struct AppService {
    routes: Routes,
    request_id: bool,
    nosniff: bool,
    traces: Option<Arc<Traces>>,
}

impl Service for AppService {
    fn admit(&self, request: &mut Request) -> Admission {
        self.routes.admit(request)
    }

    fn call(&self, request: Request) -> ResponseFuture {
        self.pave(request, |request| self.routes.call(request))
    }

    fn refuse(&self, request: Request, response: Response) -> ResponseFuture {
        self.pave(request, |request| self.routes.refuse(request, response))
    }
}

impl AppService {
    /// The paved path around what answers.
    #[inline]
    fn pave(
        &self,
        mut request: Request,
        answer: impl FnOnce(Request) -> ResponseFuture,
    ) -> ResponseFuture {
        let id = self.request_id.then(|| request_id::give(&mut request));
        if request.parts().route().endpoint().is_none() {
            self.routes.admit(&mut request);
        }
        let mut trace = None;
        let called = guarded(|| {
            trace = self.traces.as_ref().and_then(|traces| {
                let trace = traces.begin(&mut request)?;
                Some(Box::new((trace, traces.clone())))
            });
            within(trace.as_deref(), || answer(request))
        });
        Box::pin(Paved {
            // What panicked before there was a future is answered as what panics later.
            response: called.unwrap_or_else(|payload| Box::pin(Fallen(Some(payload)))),
            trace,
            id,
            nosniff: self.nosniff,
        })
    }
}

/// A response on its way out.
struct Paved {
    response: ResponseFuture,
    trace: Option<Box<(Trace, Arc<Traces>)>>,
    id: Option<[u8; 16]>,
    nosniff: bool,
}

impl Future for Paved {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let me = &mut *self;
        let polled = guarded(|| within(me.trace.as_deref(), || me.response.as_mut().poll(cx)));
        let (mut response, panicked) = match polled {
            Ok(response) => (ready!(response), None),
            Err(payload) => {
                let (payload, response) = Panicked::split(payload);
                let response = response.unwrap_or_else(Response::internal_error);
                (response, Some(payload))
            }
        };
        response.settle();
        let paved = me.nosniff && me.id.is_some_and(|id| response.headers_mut().pave(id));
        if !paved {
            if let Some(id) = me.id {
                request_id::tell(id, &mut response);
            }
            if me.nosniff {
                security_headers::apply(&mut response);
            }
        }
        if let Some(trace) = &mut me.trace {
            trace.1.end(&mut trace.0, &mut response);
        }
        match panicked {
            None => Poll::Ready(response),
            Some(payload) => Panicked::resume(payload, response),
        }
    }
}

/// A panic that waits to be polled.
struct Fallen(Option<Box<dyn Any + Send>>);

impl Future for Fallen {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Response> {
        match self.0.take() {
            Some(payload) => resume_unwind(payload),
            None => Poll::Ready(Response::internal_error()),
        }
    }
}

/// Runs code inside the span of its request, if that has one.
#[inline]
fn within<T>(trace: Option<&(Trace, Arc<Traces>)>, code: impl FnOnce() -> T) -> T {
    match trace {
        Some((trace, _)) => trace.within(code),
        None => code(),
    }
}
