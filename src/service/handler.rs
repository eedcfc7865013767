//! Functions as handlers, and where their arguments come from.
//!
//! A handler is an async function of up to eight extractors that returns something that is a response.
//! All arguments but the last come from a request's [`Parts`]; the last may take the body.

use crate::service::arguments::{from_request, up_to_eight};
use crate::service::request::{Parts, Request};
use crate::service::response::{IntoResponse, Response};
use crate::service::route::StateMap;
use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// A response to come.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Whatever answers requests: a router, or one function through [`service_fn`].
///
/// A driver asks twice about a request with content. [`admit`](Self::admit) sees the head and says how
/// much the route takes, before a single octet of it is read; [`call`](Self::call) answers. A request
/// without content is called at once.
pub trait Service: Send + Sync + 'static {
    /// Looks at the head of a request with content; may leave in it what `call` would have to find out.
    fn admit(&self, request: &mut Request) -> Admission {
        let _ = request;
        Admission::default()
    }

    /// Answers.
    fn call(&self, request: Request) -> ResponseFuture;

    /// Takes the answer to a request that the server refuses by itself, content beyond the limit for one, past
    /// whatever stands around the handlers: it gets the fields of CORS and an id, is logged and counted. No handler
    /// runs, and the content of the request is an error. Without such layers, as by default, the response is ready
    /// as it is.
    ///
    /// ```
    /// use wireline::service::handler::Service;
    /// use wireline::{Request, Response, Router};
    /// use wireline::layer::request_id::RequestIds;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let routes = Router::new().layer(RequestIds::new()).get("/", async || "hello").build().unwrap();
    /// let refusal = Response::text("no room").with_status(http::StatusCode::SERVICE_UNAVAILABLE);
    /// let response = routes.refuse(Request::get("/"), refusal).await;
    /// assert!(response.headers().contains("x-request-id"));
    /// # });
    /// ```
    fn refuse(&self, request: Request, response: Response) -> ResponseFuture {
        drop(request);
        Box::pin(std::future::ready(response))
    }
}

impl<S: Service + ?Sized> Service for Arc<S> {
    fn admit(&self, request: &mut Request) -> Admission {
        (**self).admit(request)
    }

    fn call(&self, request: Request) -> ResponseFuture {
        (**self).call(request)
    }

    fn refuse(&self, request: Request, response: Response) -> ResponseFuture {
        (**self).refuse(request, response)
    }
}

/// What a route asks of the driver.
///
/// ```
/// use wireline::service::handler::{Admission, ResponseFuture, Service};
/// use wireline::{Request, Response};
///
/// /// Takes uploads of any length under one path, as they come.
/// struct Uploads;
///
/// impl Service for Uploads {
///     fn admit(&self, request: &mut Request) -> Admission {
///         if request.path() == "/upload" {
///             return Admission { max_body: Some(u64::MAX), streams_content: true };
///         }
///         Admission::default()
///     }
///
///     fn call(&self, _: Request) -> ResponseFuture {
///         Box::pin(async { Response::text("thanks") })
///     }
/// }
///
/// assert!(Uploads.admit(&mut Request::get("/upload")).streams_content);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// The most octets of content; `None` leaves it to the server's limit.
    pub max_body: Option<u64>,
    /// Whether the handler is called before its content is there, however little that is.
    pub streams_content: bool,
}

/// One function for every request.
///
/// ```
/// use wireline::service::handler::service_fn;
///
/// let service = service_fn(async |request: wireline::service::request::Request| format!("you asked for {}", request.path()));
/// # let _ = service;
/// ```
pub fn service_fn<F, Fut, R>(function: F) -> impl Service
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: IntoResponse,
{
    struct Function<F>(F);

    impl<F, Fut, R> Service for Function<F>
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: IntoResponse,
    {
        fn call(&self, request: Request) -> ResponseFuture {
            let response = (self.0)(request);
            Box::pin(async move { response.await.into_response() })
        }
    }

    Function(function)
}

/// An argument that comes from the head of a request.
///
/// ```
/// use http::StatusCode;
/// use wireline::service::handler::FromRequestParts;
/// use wireline::service::request::Parts;
///
/// struct Tenant(String);
///
/// impl FromRequestParts for Tenant {
///     type Rejection = (StatusCode, &'static str);
///
///     async fn from_request_parts(parts: &mut Parts) -> Result<Self, Self::Rejection> {
///         let name = parts.header("x-tenant").and_then(|value| value.to_str().ok());
///         Ok(Self(name.ok_or((StatusCode::BAD_REQUEST, "which tenant?"))?.to_owned()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an argument that a handler can have here",
    note = "only the last argument may take the body"
)]
pub trait FromRequestParts: Sized + Send {
    /// What the client gets when there is no such value.
    type Rejection: IntoResponse + Send;

    /// Takes the value from the parts.
    ///
    /// Where it waits it may be dropped, as [`Handler::call`] says.
    fn from_request_parts(
        parts: &mut Parts,
    ) -> impl Future<Output = Result<Self, Self::Rejection>> + Send;

    /// Looks, when the router is built, whether the route can give such a value at all.
    ///
    /// # Errors
    ///
    /// What is missing, for the person who starts the server.
    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        let _ = route;
        Ok(())
    }
}

/// A last argument, which may take the body. Everything that is [`FromRequestParts`] is one, too.
///
/// ```
/// use wireline::service::body::BodyError;
/// use wireline::service::handler::FromRequest;
/// use wireline::test::TestClient;
/// use wireline::{Request, Router};
///
/// /// The lines of the content.
/// struct Lines(Vec<String>);
///
/// impl FromRequest for Lines {
///     type Rejection = BodyError;
///
///     async fn from_request(request: Request) -> Result<Self, BodyError> {
///         let text = String::from_request(request).await?;
///         Ok(Self(text.lines().map(str::to_owned).collect()))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let routes = Router::new().post("/", async |Lines(lines): Lines| format!("{} lines", lines.len()));
/// let client = TestClient::new(routes.build().unwrap());
/// assert_eq!(client.post("/").body("a\nb").await.text(), "2 lines");
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an argument that a handler can have here"
)]
pub trait FromRequest<Via = ViaRequest>: Sized + Send {
    /// What the client gets when there is no such value.
    type Rejection: IntoResponse + Send;

    /// Takes the value from the request.
    ///
    /// Where it waits it may be dropped, as [`Handler::call`] says; what it has read of the content is lost then.
    fn from_request(request: Request)
    -> impl Future<Output = Result<Self, Self::Rejection>> + Send;

    /// As [`FromRequestParts::check`]; where another argument says that such requests have no content, this
    /// one is refused.
    ///
    /// # Errors
    ///
    /// What is missing.
    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        match route.empty.get() {
            None => Ok(()),
            Some(because) => Err(format!(
                "`{}` takes the body, but {because}",
                std::any::type_name::<Self>()
            )),
        }
    }
}

/// Marks the extractors that take the whole request.
///
/// What [`FromRequest`] means where nothing else is said.
///
/// ```
/// use wireline::Request;
/// use wireline::service::handler::{FromRequest, ViaRequest};
///
/// fn may_take_the_body<T: FromRequest<ViaRequest>>() {}
/// may_take_the_body::<Request>();
/// may_take_the_body::<String>();
/// ```
#[derive(Debug)]
pub struct ViaRequest(Infallible);

/// Marks the extractors that take the parts only.
///
/// Nobody writes it but code that takes extractors of this kind alone; the compiler finds it for handlers.
///
/// ```
/// use wireline::extract::Path;
/// use wireline::service::handler::{FromRequest, ViaParts};
///
/// fn leaves_the_body<T: FromRequest<ViaParts>>() {}
/// leaves_the_body::<Path<u32>>();
/// ```
#[derive(Debug)]
pub struct ViaParts(Infallible);

/// What is known of a route when a router is built.
///
/// ```
/// use http::StatusCode;
/// use wireline::Router;
/// use wireline::service::handler::{FromRequestParts, RouteCheck};
/// use wireline::service::request::Parts;
///
/// /// The tenant that the path names.
/// struct Tenant(String);
///
/// impl FromRequestParts for Tenant {
///     type Rejection = StatusCode;
///
///     async fn from_request_parts(parts: &mut Parts) -> Result<Self, StatusCode> {
///         let name = parts.param("tenant").ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
///         Ok(Self(name.into_owned()))
///     }
///
///     fn check(route: &RouteCheck<'_>) -> Result<(), String> {
///         let is_there = route.names.iter().any(|name| &**name == "tenant");
///         is_there.then_some(()).ok_or_else(|| format!("`{}` names no tenant", route.pattern))
///     }
/// }
///
/// async fn home(Tenant(name): Tenant) -> String {
///     name
/// }
/// assert!(Router::new().get("/{tenant}", home).build().is_ok());
/// assert!(Router::new().get("/home", home).build().is_err());
/// ```
#[derive(Debug)]
pub struct RouteCheck<'a> {
    /// The pattern.
    pub pattern: &'a str,
    /// The names of its parameters.
    pub names: &'a [Box<str>],
    /// The state of its routers.
    pub state: &'a StateMap,
    /// Why its requests have no content, when an argument has said so.
    empty: Cell<Option<&'static str>>,
}

impl<'a> RouteCheck<'a> {
    pub(crate) const fn new(pattern: &'a str, names: &'a [Box<str>], state: &'a StateMap) -> Self {
        Self {
            pattern,
            names,
            state,
            empty: Cell::new(None),
        }
    }

    /// Says why, or that, there may be content.
    pub(crate) fn set_empty(&self, because: Option<&'static str>) {
        self.empty.set(because);
    }
}

impl FromRequest for Request {
    type Rejection = Infallible;

    #[inline]
    async fn from_request(request: Request) -> Result<Self, Infallible> {
        Ok(request)
    }

    /// There is more in it than content.
    fn check(_: &RouteCheck<'_>) -> Result<(), String> {
        Ok(())
    }
}

impl<T: FromRequestParts> FromRequest<ViaParts> for T {
    type Rejection = T::Rejection;

    #[inline]
    async fn from_request(request: Request) -> Result<Self, Self::Rejection> {
        let (mut parts, _body) = request.into_parts();
        T::from_request_parts(&mut parts).await
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        T::check(route)
    }
}

/// An async function of up to eight extractors.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::Path;
/// use wireline::service::handler::Handler;
///
/// /// The same handler under two paths.
/// fn twice<H: Handler<Args>, Args: 'static>(router: Router, handler: H) -> Router {
///     router.get("/users/{id}", handler.clone()).get("/people/{id}", handler)
/// }
///
/// let routes = twice(Router::new(), async |Path(id): Path<u64>| format!("user {id}"));
/// assert!(routes.build().is_ok());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    note = "a handler is an async function of at most 8 extractors that returns a response; only its last argument may take the body"
)]
pub trait Handler<Args>: Clone + Send + Sync + 'static {
    /// Extracts the arguments and runs the function.
    ///
    /// It is dropped at an `await` when its client is gone, when a time limit has passed, and at the end of a drain: what has to
    /// be done to its end runs in a task of its own.
    fn call(self, request: Request) -> impl Future<Output = Response> + Send + 'static;

    /// Asks every argument whether the route can give it.
    ///
    /// # Errors
    ///
    /// What is missing.
    fn check(route: &RouteCheck<'_>) -> Result<(), String>;

    /// Whether it is open to everybody where a layer asks for authentication.
    fn is_public() -> bool {
        false
    }

    /// Whether it is called as soon as the head is there, however little content comes behind it. Otherwise a driver gathers
    /// content up to its threshold first, unless all of it is there already.
    fn streams_content() -> bool {
        false
    }

    /// Whether this very handler can serve, asked when the router is built: for handlers with a configuration.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Opens the route of a handler to everybody where a layer asks for authentication.
///
/// ```
/// use wireline::Router;
/// use wireline::service::handler::public;
///
/// let routes = Router::new().get("/health", public(async || ())).build();
/// # routes.unwrap();
/// ```
pub const fn public<H>(handler: H) -> Public<H> {
    Public(handler)
}

/// What [`public`] makes.
///
/// ```
/// use wireline::Router;
/// use wireline::layer::auth::{Auth, Bearer, Refusal};
/// use wireline::service::handler::public;
/// use wireline::service::user::CurrentUser;
/// use wireline::test::TestClient;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let nobody = Auth::new(Bearer::by(async |_: String| Err::<CurrentUser, _>(Refusal::missing())));
/// let router = Router::new().get("/", async || "secrets").get("/health", public(async || "ok"));
/// let client = TestClient::new(router.layer(nobody).build().unwrap());
/// assert_eq!(client.get("/").await.status, 401);
/// assert_eq!(client.get("/health").await.text(), "ok");
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Public<H>(H);

/// Marks the arguments of a [`Public`] handler.
///
/// ```
/// use wireline::Router;
/// use wireline::service::handler::{Handler, OpenTo, public};
///
/// /// Takes handlers that are open to everybody, and no others.
/// fn pages<H: Handler<OpenTo<Args>>, Args: 'static>(handler: H) -> Router {
///     Router::new().get("/", handler)
/// }
/// assert!(pages(public(async || "welcome")).build().is_ok());
/// ```
#[derive(Debug)]
pub struct OpenTo<Args>(std::marker::PhantomData<fn() -> Args>);

impl<H: Handler<Args>, Args> Handler<OpenTo<Args>> for Public<H> {
    fn call(self, request: Request) -> impl Future<Output = Response> + Send + 'static {
        self.0.call(request)
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        H::check(route)
    }

    fn is_public() -> bool {
        true
    }

    fn streams_content() -> bool {
        H::streams_content()
    }

    fn ready(&self) -> Result<(), String> {
        self.0.ready()
    }
}

macro_rules! functions {
    ($($part:ident)* ; $($last:ident)?) => {
        impl<Fun, Fut, Res, $($part,)* $($last, Via)?> Handler<($(Via, $last,)? $($part,)*)> for Fun
        where
            Fun: Fn($($part,)* $($last)?) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = Res> + Send + 'static,
            Res: IntoResponse + 'static,
            $($part: FromRequestParts + 'static,)*
            $($last: FromRequest<Via> + 'static, Via: 'static)?
        {
            #[allow(non_snake_case, unused_mut, unused_variables, reason = "one macro for every number of arguments")]
            async fn call(self, request: Request) -> Response {
                from_request!(request, $($part)*; $($last)?);
                self($($part,)* $($last)?).await.into_response()
            }

            fn check(route: &RouteCheck<'_>) -> Result<(), String> {
                $($part::check(route)?;)*
                $($last::check(route)?;)?
                Ok(())
            }
        }
    };
}

/// Without arguments nothing of the request is kept while the function runs.
impl<Fun, Fut, Res> Handler<()> for Fun
where
    Fun: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Res> + Send + 'static,
    Res: IntoResponse + 'static,
{
    #[inline]
    fn call(self, request: Request) -> impl Future<Output = Response> + Send + 'static {
        drop(request);
        async move { self().await.into_response() }
    }

    fn check(_: &RouteCheck<'_>) -> Result<(), String> {
        Ok(())
    }
}

up_to_eight!(functions);

/// A handler whose arguments are forgotten.
pub(crate) trait AnyHandler: Send + Sync + 'static {
    fn call(&self, request: Request) -> ResponseFuture;
    fn check(&self, route: &RouteCheck<'_>) -> Result<(), String>;
    fn is_public(&self) -> bool;

    /// Whether it is called before its content is there.
    fn streams_content(&self) -> bool {
        false
    }
}

/// See [`AnyHandler`].
pub(crate) fn erase<H, Args>(handler: H) -> Arc<dyn AnyHandler>
where
    H: Handler<Args>,
    Args: 'static,
{
    struct Erased<H, Args>(H, std::marker::PhantomData<fn() -> Args>);

    impl<H: Handler<Args>, Args: 'static> AnyHandler for Erased<H, Args> {
        #[inline]
        fn call(&self, request: Request) -> ResponseFuture {
            Box::pin(self.0.clone().call(request))
        }

        fn check(&self, route: &RouteCheck<'_>) -> Result<(), String> {
            H::check(route)?;
            self.0.ready()
        }

        fn is_public(&self) -> bool {
            H::is_public()
        }

        fn streams_content(&self) -> bool {
            H::streams_content()
        }
    }

    Arc::new(Erased(handler, std::marker::PhantomData))
}

impl fmt::Debug for dyn AnyHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("handler")
    }
}
