//! WebSockets in a router: the extractor, and the route.

mod expiry;
pub mod guard;
pub mod messages;
pub mod token;

use crate::router::Router;
use crate::service::arguments::from_parts;
use crate::service::bearer::opens_websocket;
use crate::service::error::Error;
use crate::service::handler::{FromRequestParts, Handler, RouteCheck};
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::{Parts, Request};
use crate::service::response::{IntoResponse, Response};
use crate::service::user::CurrentUser;
use crate::ws::connection::Connection;
use crate::ws::deflate;
use crate::ws::handshake::server::{Head, Opening, Refusal, Terms};
use crate::ws::handshake::subprotocol::Subprotocols;
use crate::ws::message::Message;
use crate::ws::origin::Policy;
use crate::ws::route::expiry::until;
use crate::ws::route::guard::up_to_eight;
use crate::ws::route::messages::{batches, messages};
use crate::ws::socket::config::Config;
use crate::ws::socket::each::{Batch, Each, IntoOutcome};
use crate::ws::socket::{IntoClose, WebSocket, WsSender};
use http::Method;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock};
use tokio::time::Instant;

/// A request that opens a WebSocket: answer with [`on_upgrade`](Self::on_upgrade), or with anything else
/// to refuse it in HTTP.
///
/// ```no_run
/// use wireline::ws::route::WebSocketUpgrade;
/// use wireline::{Response, Router};
///
/// async fn echo(upgrade: WebSocketUpgrade) -> Response {
///     upgrade.on_upgrade(async |mut socket| {
///         while let Some(Ok(message)) = socket.recv().await {
///             let _ = socket.send(message).await;
///         }
///     })
/// }
/// let routes = Router::new().get("/echo", echo).build();
/// ```
///
/// An argument that takes the body beside it is refused when the router is built: there is no content. Beside
/// `Option<WebSocketUpgrade>` or `Result<WebSocketUpgrade, _>`, for a handler that also answers other requests, there may be.
///
/// ```
/// use wireline::ws::route::WebSocketUpgrade;
/// use wireline::{Response, Router};
///
/// async fn greet(upgrade: WebSocketUpgrade, name: String) -> Response {
///     upgrade.on_upgrade(async move |socket| socket.send(name).await)
/// }
/// let refused = Router::new().get("/greet", greet).build().unwrap_err().to_string();
/// assert!(refused.contains("a request that opens a WebSocket has none"), "{refused}");
/// ```
pub struct WebSocketUpgrade {
    /// The fields that decide, copied off the head.
    fields: Vec<Field>,
    protocols: Vec<String>,
    /// It came as an extended CONNECT.
    is_extended: bool,
    terms: Terms,
    config: Arc<Config>,
    /// Until when the user may use it.
    deadline: Option<Instant>,
}

/// A field's name and value.
type Field = (Box<[u8]>, Box<[u8]>);

impl WebSocketUpgrade {
    /// Which pages may open it. Default [`Policy::ForeignWithoutCookies`].
    #[must_use]
    pub fn origin(mut self, policy: Policy) -> Self {
        self.terms.origin = policy;
        self
    }

    /// How a subprotocol is chosen. Default: none is.
    #[must_use]
    pub fn subprotocols(mut self, subprotocols: Subprotocols) -> Self {
        self.terms.subprotocols = subprotocols;
        self
    }

    /// Allows permessage-deflate (RFC 7692). Its configuration can be made with the feature `ws-deflate` only. Default no.
    #[must_use]
    pub fn deflate(mut self, config: deflate::Config) -> Self {
        self.terms.deflate = Some(config);
        self
    }

    /// Limits, deadlines and queues: those of [`Config::default`] unless said otherwise. Equal ones are shared by the sockets of a
    /// thread.
    #[must_use]
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.config = Config::shared(config.into());
        self
    }

    /// The subprotocols that the client offers.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &str> {
        self.protocols.iter().map(String::as_str)
    }

    /// 101, and `handler` with the socket; or the refusal, when the terms are not met. What the handler
    /// returns ends the socket: nothing with 1000, an error with 1008 or 1011.
    pub fn on_upgrade<F, Fut>(self, handler: F) -> Response
    where
        F: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IntoClose,
    {
        let accepted = match self
            .opening()
            .and_then(|opening| opening.accept(&self.terms))
        {
            Ok(accepted) => accepted,
            Err(refusal) => return refusal.into_response(),
        };
        let fields = accepted.fields();
        let connection = Connection::server(accepted.deflate.as_ref());
        let (protocol, config) = (accepted.protocol, self.config);
        let response = match self.deadline {
            None => Response::upgrade("websocket", move |upgraded| {
                WebSocket::serve(upgraded, connection, protocol, config, handler)
            }),
            Some(deadline) => Response::upgrade("websocket", move |upgraded| {
                let handler = move |socket| until(deadline, socket, handler);
                WebSocket::serve(upgraded, connection, protocol, config, handler)
            }),
        };
        // There is no key over HTTP/2 that would be answered (RFC 8441 §5).
        let is_extended = self.is_extended;
        fields
            .into_iter()
            .filter(|(name, _)| {
                name.starts_with("sec-") && !(is_extended && *name == "sec-websocket-accept")
            })
            .fold(response, |response, (name, value)| {
                response.with_header(name, value)
            })
    }

    fn opening(&self) -> Result<Opening<'_>, Refusal> {
        Opening::read(
            if self.is_extended { EXTENDED } else { HEAD },
            self.fields.iter().map(|(name, value)| (&**name, &**value)),
        )
    }
}

impl FromRequestParts for WebSocketUpgrade {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Refusal> {
        let head = Head {
            method: parts.method(),
            version: parts.version(),
            content: parts.header("content-length").is_some_and(|len| len != "0")
                || parts.header("transfer-encoding").is_some(),
        };
        let is_extended = head.method == Method::CONNECT;
        if is_extended {
            match parts.connect_protocol() {
                Some("websocket") => {}
                Some(_) => return Err(Refusal::Protocol),
                None => return Err(Refusal::Method),
            }
        }
        // HTTP/2 names the host beside the fields.
        let host = parts
            .host()
            .filter(|_| parts.header("host").is_none())
            .map(|host| ("host".as_bytes().into(), host.as_bytes().into()));
        let fields: Vec<Field> = parts
            .headers()
            .iter()
            .filter(|(name, _)| decides(name))
            .map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()))
            .map(without_secret)
            .chain(host)
            .collect();
        let opening = Opening::read(head, fields.iter().map(|(name, value)| (&**name, &**value)))?;
        let protocols = opening
            .protocols()
            .iter()
            .map(|name| (*name).to_owned())
            .collect();
        Ok(Self {
            fields,
            protocols,
            is_extended,
            terms: Terms::default(),
            config: DEFAULT.clone(),
            deadline: CurrentUser::of(parts).and_then(CurrentUser::deadline),
        })
    }

    /// An argument that takes the body beside this one is refused.
    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        route.set_empty(Some("a request that opens a WebSocket has none"));
        Ok(())
    }
}

/// `None` for a request that opens no WebSocket: one handler answers both kinds. An opening handshake that is malformed is
/// refused all the same.
impl OptionalFromRequestParts for WebSocketUpgrade {
    type Rejection = Refusal;

    async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, Refusal> {
        if !opens_websocket(parts) {
            return Ok(None);
        }
        Self::from_request_parts(parts).await.map(Some)
    }
}

impl Router {
    /// A route that opens WebSockets, over HTTP/1.1 (RFC 6455) and HTTP/2 (RFC 8441): `handler` takes the socket and up to eight arguments from the head of
    /// the request, as any handler. An argument that is not to be had answers in HTTP, before the
    /// upgrade. What the handler returns ends the socket, see [`IntoClose`].
    ///
    /// A body extractor is no such argument: a request that opens a WebSocket has no content. It does not
    /// compile:
    ///
    /// ```compile_fail,E0277
    /// use wireline::Router;
    /// use wireline::ws::socket::WebSocket;
    ///
    /// async fn greet(socket: WebSocket, name: String) {}
    /// let _ = Router::new().websocket("/greet", greet);
    /// ```
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::extract::Path;
    /// use wireline::ws::socket::WebSocket;
    ///
    /// async fn greet(socket: WebSocket, Path(name): Path<String>) {
    ///     let _ = socket.send(format!("Hello, {name}!")).await;
    /// }
    /// assert!(Router::new().websocket("/greet/{name}", greet).build().is_ok());
    /// ```
    #[must_use]
    pub fn websocket<H, Args>(self, path: &str, handler: H) -> Self
    where
        H: WebSocketHandler<Args>,
        Args: 'static,
    {
        self.websocket_with(path, |upgrade| upgrade, handler)
    }

    /// A route that opens WebSockets and calls `handler` with every text and binary message, and a handle to
    /// answer with. See [`WebSocket::for_each`]; with terms, a guard or extractors: [`messages()`].
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::ws::message::Message;
    /// use wireline::ws::socket::WsSender;
    /// use wireline::ws::socket::each::Each;
    ///
    /// let routes = Router::new().websocket_messages("/echo", Each::default(), async |sender: WsSender, message: Message| {
    ///     sender.send(message).await
    /// });
    /// assert!(routes.build().is_ok());
    /// ```
    #[must_use]
    pub fn websocket_messages<F, Fut>(self, path: &str, each: Each, handler: F) -> Self
    where
        F: Fn(WsSender, Message) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IntoOutcome,
    {
        self.websocket(path, messages(each, handler))
    }

    /// A route that opens WebSockets and calls `handler` with batches of messages. See
    /// [`WebSocket::for_each_batch`]; with terms, a guard or extractors: [`batches`].
    #[must_use]
    pub fn websocket_batches<F, Fut>(self, path: &str, each: Each, batch: Batch, handler: F) -> Self
    where
        F: Fn(WsSender, Vec<Message>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IntoOutcome,
    {
        self.websocket(path, batches(each, batch, handler))
    }

    /// [`websocket`](Self::websocket) with terms: `terms` says which pages, subprotocols, extensions and limits.
    #[must_use]
    pub fn websocket_with<H, Args, T>(self, path: &str, terms: T, handler: H) -> Self
    where
        H: WebSocketHandler<Args>,
        Args: 'static,
        T: Fn(WebSocketUpgrade) -> WebSocketUpgrade + Clone + Send + Sync + 'static,
    {
        let route = Opens {
            terms,
            handler,
            args: PhantomData,
        };
        self.get_or_tunnel(path, route)
    }
}

/// A function that takes a socket and up to eight extractors.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::Path;
/// use wireline::ws::route::WebSocketHandler;
/// use wireline::ws::socket::WebSocket;
///
/// /// The same handler at two paths.
/// fn at_both<Args: 'static>(routes: Router, handler: impl WebSocketHandler<Args>) -> Router {
///     routes.websocket("/chat/{room}", handler.clone()).websocket("/v1/chat/{room}", handler)
/// }
///
/// async fn chat(socket: WebSocket, Path(room): Path<String>) {
///     let _ = socket.send(format!("this is {room}")).await;
/// }
/// assert!(at_both(Router::new(), chat).build().is_ok());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of WebSockets",
    note = "it is an async function of a `WebSocket` and at most 8 extractors that do not take the body",
    note = "its future is `Send`: what is not, such as an `Rc` or the guard of a lock, does not live across an `await`",
    note = "it returns `()`, a `CloseCode`, a `CloseFrame`, a `StatusCode`, or a `Result` of those whose error becomes a `wireline::Error` (by `.map_err(Error::from_http)` or `.map_err(Error::internal)` at the least): see `IntoClose`"
)]
pub trait WebSocketHandler<Args>: Clone + Send + Sync + 'static {
    /// Extracts the arguments and answers the upgrade.
    ///
    /// Dropping the future drops the request: nothing was answered.
    fn open(
        self,
        parts: Parts,
        upgrade: WebSocketUpgrade,
    ) -> impl Future<Output = Response> + Send + 'static;

    /// As [`Handler::check`].
    ///
    /// # Errors
    ///
    /// What is missing.
    fn check(route: &RouteCheck<'_>) -> Result<(), String>;
}

macro_rules! websocket_handler {
    ($($part:ident)*) => {
        impl<Fun, Fut, $($part,)*> WebSocketHandler<($($part,)*)> for Fun
        where
            Fun: Fn(WebSocket, $($part,)*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future + Send + 'static,
            Fut::Output: IntoClose,
            $($part: FromRequestParts + 'static,)*
        {
            #[allow(non_snake_case, unused_mut, unused_variables, reason = "one macro for every number of arguments")]
            async fn open(self, mut parts: Parts, upgrade: WebSocketUpgrade) -> Response {
                from_parts!(&mut parts, $($part)* => std::convert::identity);
                upgrade.on_upgrade(move |socket| self(socket, $($part,)*))
            }

            #[allow(unused_variables, reason = "a handler without arguments asks nothing")]
            fn check(route: &RouteCheck<'_>) -> Result<(), String> {
                $($part::check(route)?;)*
                Ok(())
            }
        }
    };
}

up_to_eight!(websocket_handler);

/// A handler of WebSockets as one of requests.
struct Opens<T, H, Args> {
    terms: T,
    handler: H,
    args: PhantomData<fn() -> Args>,
}

impl<T: Clone, H: Clone, Args> Clone for Opens<T, H, Args> {
    fn clone(&self) -> Self {
        Self {
            terms: self.terms.clone(),
            handler: self.handler.clone(),
            args: PhantomData,
        }
    }
}

/// Marks the handlers of WebSockets.
///
/// The compiler finds it, and nobody has to name it: a handler of WebSockets stands beside those of requests.
///
/// ```
/// use wireline::Router;
/// use wireline::ws::socket::WebSocket;
///
/// async fn wait(mut socket: WebSocket) {
///     while socket.recv_msg().await.is_some() {}
/// }
/// let routes = Router::new().websocket("/wait", wait).get("/", async || "hello");
/// assert!(routes.build().is_ok());
/// ```
#[derive(Debug)]
pub struct ViaWebSocket(Infallible);

impl<T, H, Args> Handler<ViaWebSocket> for Opens<T, H, Args>
where
    T: Fn(WebSocketUpgrade) -> WebSocketUpgrade + Clone + Send + Sync + 'static,
    H: WebSocketHandler<Args>,
    Args: 'static,
{
    async fn call(self, request: Request) -> Response {
        let (mut parts, _body) = request.into_parts();
        match WebSocketUpgrade::from_request_parts(&mut parts).await {
            Ok(upgrade) => {
                let upgrade = (self.terms)(upgrade);
                self.handler.open(parts, upgrade).await
            }
            Err(refusal) => refusal.into_response(),
        }
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        H::check(route)
    }
}

impl fmt::Debug for WebSocketUpgrade {
    /// The names of the fields: tokens come among the subprotocols, too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.fields.iter().map(|(name, _)| name.escape_ascii());
        let names: Vec<String> = names.map(|name| name.to_string()).collect();
        f.debug_struct("WebSocketUpgrade")
            .field("fields", &names)
            .field("protocols", &self.protocols.len())
            .field("is_extended", &self.is_extended)
            .finish_non_exhaustive()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let response = Response::text(self.reason()).with_status(self.status());
        self.fields()
            .iter()
            .fold(response, |response, (name, value)| {
                response.with_header(*name, *value)
            })
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status(), refusal.reason())
    }
}

/// Of credentials only counts that they are there: they are not kept.
fn without_secret((name, value): Field) -> Field {
    let secret = [&b"cookie"[..], b"authorization"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    (name, if secret { Box::default() } else { value })
}

fn decides(name: &str) -> bool {
    [
        "host",
        "origin",
        "cookie",
        "authorization",
        "upgrade",
        "connection",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
    ]
    .iter()
    .any(|known| name.eq_ignore_ascii_case(known))
}

/// The head has been judged when the fields are read again.
const HEAD: Head<'static> = Head {
    method: &Method::GET,
    version: http::Version::HTTP_11,
    content: false,
};

/// The same of an extended CONNECT.
const EXTENDED: Head<'static> = Head {
    method: &Method::CONNECT,
    version: http::Version::HTTP_2,
    content: false,
};

/// What every socket shares that was not configured.
static DEFAULT: LazyLock<Arc<Config>> = LazyLock::new(Arc::default);
