//! The paved path: one builder that ties routes, layers and a server together.

use crate::layer::request_id::RequestId;
use crate::layer::security_headers;
use crate::layer::trace::Trace;
use crate::router::{BuildError, Router, Routes};
use crate::server::Server;
use crate::service::handler::{Admission, ResponseFuture, Service};
use crate::service::request::Request;
use crate::service::response::Response;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Routes with what every public service wants around them: a request id in `X-Request-ID`,
/// `X-Content-Type-Options: nosniff`, and a span for each request (D40). Each can be turned off.
///
/// Limits, deadlines and budgets do not depend on it: [`Server`] has them on by itself.
///
/// ```no_run
/// use wireline::app::App;
/// use wireline::router::Router;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let router = Router::new().get("/", async || "Hello, World!");
///     App::new(router).server()?.bind("127.0.0.1:8000").run()?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct App {
    router: Router,
    paving: Paving,
}

#[derive(Clone, Copy, Debug)]
struct Paving {
    request_id: bool,
    nosniff: bool,
    spans: bool,
}

impl App {
    /// The paved path around `router`.
    pub const fn new(router: Router) -> Self {
        Self {
            router,
            paving: Paving {
                request_id: true,
                nosniff: true,
                spans: true,
            },
        }
    }

    /// Whether requests get an id, and responses say it. On by default.
    #[must_use]
    pub const fn request_id(mut self, on: bool) -> Self {
        self.paving.request_id = on;
        self
    }

    /// Whether responses say `X-Content-Type-Options: nosniff`. On by default.
    #[must_use]
    pub const fn nosniff(mut self, on: bool) -> Self {
        self.paving.nosniff = on;
        self
    }

    /// Whether each request has an `http.request` span. On by default.
    #[must_use]
    pub const fn spans(mut self, on: bool) -> Self {
        self.paving.spans = on;
        self
    }

    /// The service.
    ///
    /// # Errors
    ///
    /// As [`Router::build`].
    pub fn build(self) -> Result<AppService, BuildError> {
        Ok(AppService {
            routes: self.router.build()?,
            paving: self.paving,
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

/// What [`App::build`] makes.
#[derive(Debug)]
pub struct AppService {
    routes: Routes,
    paving: Paving,
}

impl Service for AppService {
    fn admit(&self, request: &mut Request) -> Admission {
        self.routes.admit(request)
    }

    fn call(&self, mut request: Request) -> ResponseFuture {
        let id = self.paving.request_id.then(RequestId::random);
        if let Some(id) = id {
            id.give_to(&mut request);
        }
        if request.parts().route().endpoint().is_none() {
            self.routes.admit(&mut request);
        }
        let trace = if self.paving.spans {
            Trace::begin(&request, id)
        } else {
            Trace::none()
        };
        let response = trace.within(|| self.routes.call(request));
        Box::pin(Paved {
            response,
            trace,
            id,
            nosniff: self.paving.nosniff,
        })
    }
}

/// A response on its way out.
struct Paved {
    response: ResponseFuture,
    trace: Trace,
    id: Option<RequestId>,
    nosniff: bool,
}

impl Future for Paved {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let me = &mut *self;
        let mut response = ready!(me.trace.within(|| me.response.as_mut().poll(cx)));
        let paved = me.nosniff && me.id.is_some_and(|id| id.pave(&mut response));
        if !paved {
            if let Some(id) = me.id {
                id.tell(&mut response);
            }
            if me.nosniff {
                security_headers::apply(&mut response);
            }
        }
        me.trace.end(&response);
        Poll::Ready(response)
    }
}
