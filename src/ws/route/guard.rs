//! What has to be true before a WebSocket is opened.

use crate::service::arguments::from_parts;
use crate::service::handler::{FromRequestParts, RouteCheck};
use crate::service::request::Parts;
use crate::service::response::{IntoResponse, Response};
use crate::ws::route::{WebSocketHandler, WebSocketUpgrade};
use std::marker::PhantomData;

/// `handler`, for requests that `guard` lets pass: an async function of up to eight extractors whose error
/// is the answer, in HTTP, in place of the upgrade.
///
/// ```
/// use http::StatusCode;
/// use wireline::Router;
/// use wireline::ws::route::guard::guarded;
/// use wireline::ws::route::token::Token;
/// use wireline::ws::socket::WebSocket;
///
/// async fn members_only(Token(token): Token) -> Result<(), StatusCode> {
///     (token == "open-sesame").then_some(()).ok_or(StatusCode::FORBIDDEN)
/// }
///
/// async fn chat(mut socket: WebSocket) {
///     while socket.recv_msg().await.is_some() {}
/// }
///
/// assert!(Router::new().websocket("/chat", guarded(members_only, chat)).build().is_ok());
/// ```
///
/// A guard only judges. What it finds out, such as whose token it is, cannot be handed on: for a handler that
/// wants to know the user, write a [`FromRequestParts`] that gives the user or refuses, and take it as an
/// argument in place of the guard.
pub const fn guarded<G, H>(guard: G, handler: H) -> Guarded<G, H> {
    Guarded { guard, handler }
}

/// See [`guarded`].
///
/// ```
/// use http::StatusCode;
/// use wireline::Router;
/// use wireline::ws::route::guard::guarded;
/// use wireline::ws::socket::WebSocket;
///
/// async fn closed() -> Result<(), StatusCode> {
///     Err(StatusCode::SERVICE_UNAVAILABLE)
/// }
///
/// async fn chat(mut socket: WebSocket) {
///     while socket.recv_msg().await.is_some() {}
/// }
///
/// // It is a handler as any other, and may stand at several paths.
/// let chat = guarded(closed, chat);
/// let routes = Router::new().websocket("/chat", chat.clone()).websocket("/v1/chat", chat);
/// assert!(routes.build().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Guarded<G, H> {
    guard: G,
    handler: H,
}

/// A function that judges a request.
///
/// ```
/// use http::StatusCode;
/// use wireline::Router;
/// use wireline::extract::Path;
/// use wireline::test::TestClient;
/// use wireline::ws::route::guard::guarded;
/// use wireline::ws::route::token::Token;
/// use wireline::ws::socket::WebSocket;
///
/// async fn has_key(Path(room): Path<String>, Token(token): Token) -> Result<(), (StatusCode, &'static str)> {
///     match token == format!("key-of-{room}") {
///         true => Ok(()),
///         false => Err((StatusCode::FORBIDDEN, "the key of another room")),
///     }
/// }
///
/// async fn chat(mut socket: WebSocket) {
///     while socket.recv_msg().await.is_some() {}
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let routes = Router::new().websocket("/rooms/{room}", guarded(has_key, chat)).build().unwrap();
/// let client = TestClient::new(routes);
/// assert_eq!(client.websocket("/rooms/red").bearer("key-of-blue").refusal().await.status, 403);
/// assert!(client.websocket("/rooms/red").bearer("key-of-red").connect().await.is_ok());
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a guard",
    note = "it is an async function of at most 8 extractors that do not take the body, and returns a `Result<(), _>` whose error is a response"
)]
pub trait Guard<Args>: Clone + Send + Sync + 'static {
    /// Judges.
    ///
    /// Dropping the future drops the request: nothing was judged, and nothing answered.
    ///
    /// # Errors
    ///
    /// The answer.
    fn judge(self, parts: &mut Parts) -> impl Future<Output = Result<(), Response>> + Send;

    /// As [`Handler::check`](crate::service::handler::Handler::check).
    ///
    /// # Errors
    ///
    /// What is missing.
    fn check(route: &RouteCheck<'_>) -> Result<(), String>;
}

macro_rules! guard {
    ($($part:ident)*) => {
        impl<Fun, Fut, Refusal, $($part,)*> Guard<($($part,)*)> for Fun
        where
            Fun: Fn($($part,)*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = Result<(), Refusal>> + Send + 'static,
            Refusal: IntoResponse,
            $($part: FromRequestParts + 'static,)*
        {
            #[allow(non_snake_case, unused_variables, reason = "one macro for every number of arguments")]
            async fn judge(self, parts: &mut Parts) -> Result<(), Response> {
                from_parts!(parts, $($part)* => Err);
                self($($part,)*).await.map_err(IntoResponse::into_response)
            }

            #[allow(unused_variables, reason = "a guard without arguments asks nothing")]
            fn check(route: &RouteCheck<'_>) -> Result<(), String> {
                $($part::check(route)?;)*
                Ok(())
            }
        }
    };
}

/// Calls a macro for each number of arguments up to eight.
macro_rules! up_to_eight {
    ($each:ident) => {
        $each!();
        $each!(A);
        $each!(A B);
        $each!(A B C);
        $each!(A B C D);
        $each!(A B C D E);
        $each!(A B C D E F);
        $each!(A B C D E F G);
        $each!(A B C D E F G H);
    };
}

pub(super) use up_to_eight;

up_to_eight!(guard);

/// Marks handlers with a guard.
///
/// The compiler finds it, and nobody has to name it: what is guarded may be guarded again. The outer guard judges first.
///
/// ```
/// use http::StatusCode;
/// use wireline::Router;
/// use wireline::ws::route::guard::guarded;
/// use wireline::ws::route::token::Token;
/// use wireline::ws::socket::WebSocket;
///
/// async fn is_open() -> Result<(), StatusCode> {
///     Ok(())
/// }
///
/// async fn is_member(Token(token): Token) -> Result<(), StatusCode> {
///     (token == "open-sesame").then_some(()).ok_or(StatusCode::FORBIDDEN)
/// }
///
/// async fn chat(mut socket: WebSocket) {
///     while socket.recv_msg().await.is_some() {}
/// }
/// let handler = guarded(is_open, guarded(is_member, chat));
/// assert!(Router::new().websocket("/chat", handler).build().is_ok());
/// ```
#[derive(Debug)]
pub struct ViaGuard<GuardArgs, Args>(PhantomData<fn() -> (GuardArgs, Args)>);

#[diagnostic::do_not_recommend]
impl<G, H, GuardArgs, Args> WebSocketHandler<ViaGuard<GuardArgs, Args>> for Guarded<G, H>
where
    G: Guard<GuardArgs>,
    H: WebSocketHandler<Args>,
    GuardArgs: 'static,
    Args: 'static,
{
    async fn open(self, mut parts: Parts, upgrade: WebSocketUpgrade) -> Response {
        match self.guard.judge(&mut parts).await {
            Ok(()) => self.handler.open(parts, upgrade).await,
            Err(answer) => answer,
        }
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        G::check(route)?;
        H::check(route)
    }
}
