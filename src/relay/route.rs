//! The endpoint as a route, and the relay as an argument of handlers.

use crate::relay::endpoint::{Relay, RelayConfig, long_poll, serve, stream};
use crate::router::Router;
use crate::service::handler::{FromRequestParts, RouteCheck};
use crate::service::request::{Parts, Request};
use crate::service::response::{IntoResponse, Response};
use crate::service::user::CurrentUser;
use crate::ws::route::{WebSocketHandler, WebSocketUpgrade};
use http::{Method, StatusCode};
use std::convert::Infallible;
use std::fmt;

impl Router {
    /// Mounts a relay: its endpoint at [`RelayConfig::with_path`], event streams and long polls where [`RelayConfig::sse`] and
    /// [`RelayConfig::poll`] say, and [`Relay`] as an argument of every handler of this router.
    ///
    /// The endpoint is a route as any other: layers of the router are around it, and where they ask for authentication it does, too,
    /// unless it is [`public`](RelayConfig::public). Its path is the router's: under [`nest`](Self::nest) it has a prefix.
    ///
    /// ```
    /// use wireline::relay::{Relay, RelayConfig};
    /// use wireline::{Error, Router};
    ///
    /// async fn announce(relay: Relay, text: String) -> Result<String, Error> {
    ///     let published = relay.push("news", "announced", &text).await.map_err(Error::internal)?;
    ///     Ok(format!("told {} readers", published.subscribers))
    /// }
    ///
    /// let routes = Router::new().post("/announce", announce).with_relay(RelayConfig::default());
    /// assert!(routes.build().is_ok());
    /// ```
    #[must_use]
    pub fn with_relay(self, config: RelayConfig) -> Self {
        self.relay(&Relay::new(config))
    }

    /// The same with a relay that the program has already, for tasks that push without a request.
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::relay::{Relay, RelayConfig};
    ///
    /// let relay = Relay::new(RelayConfig::default().with_path("/realtime"));
    /// let routes = Router::new().relay(&relay).build().unwrap();
    /// assert_eq!(routes.patterns().collect::<Vec<_>>(), ["/realtime"]);
    /// ```
    #[must_use]
    pub fn relay(self, relay: &Relay) -> Self {
        let terms = {
            let relay = relay.clone();
            move |upgrade: WebSocketUpgrade| {
                upgrade
                    .origin(relay.origin().clone())
                    .config(relay.socket_config())
            }
        };
        let endpoint = Endpoint(relay.clone());
        let mut router = self
            .state(relay.clone())
            .websocket_with(relay.path(), terms, endpoint);
        if let Some(path) = relay.sse_path() {
            let relay = relay.clone();
            router = router.get(path, move |request: Request| {
                stream(relay.clone(), request.into_parts().0)
            });
        }
        if let Some(path) = relay.poll_path() {
            let relay = relay.clone();
            router = router.get(path, move |request: Request| {
                long_poll(relay.clone(), request.into_parts().0)
            });
        }
        if relay.is_public() {
            let paths = [Some(relay.path()), relay.sse_path(), relay.poll_path()];
            for path in paths.into_iter().flatten() {
                router = router.public_route(Method::GET, path);
            }
        }
        router
    }
}

/// The handler of the endpoint.
#[derive(Clone, Debug)]
struct Endpoint(Relay);

/// Marks it.
///
/// The compiler finds it, and nobody has to name it: a relay is a route beside others.
///
/// ```
/// use wireline::Router;
/// use wireline::relay::RelayConfig;
///
/// let routes = Router::new().get("/", async || "hello").with_relay(RelayConfig::default()).build().unwrap();
/// assert_eq!(routes.patterns().count(), 2);
/// ```
#[derive(Debug)]
pub struct ViaRelay(Infallible);

impl WebSocketHandler<ViaRelay> for Endpoint {
    async fn open(self, parts: Parts, upgrade: WebSocketUpgrade) -> Response {
        let user = CurrentUser::of(&parts).cloned();
        // Kept for as long as the connection lives: only if somebody wants to see it.
        let parts = self.0.extracts().then_some(parts);
        upgrade.on_upgrade(move |socket| serve(self.0, socket, user, parts))
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        match route.state.get::<Relay>() {
            Some(relay) => relay.check(route),
            None => Err(NoRelay.to_string()),
        }
    }
}

/// The relay of the router, or of one around it. A router without one is an error when it is built.
impl FromRequestParts for Relay {
    type Rejection = NoRelay;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, NoRelay> {
        let facts = parts.route().facts();
        let relay = facts.and_then(|facts| facts.state.get::<Self>());
        relay.cloned().ok_or(NoRelay)
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        match route.state.get::<Self>() {
            Some(_) => Ok(()),
            None => Err(NoRelay.to_string()),
        }
    }
}

/// No router of the request's route has a relay: 500.
///
/// ```
/// use wireline::Router;
/// use wireline::relay::Relay;
///
/// let path = async |relay: Relay| relay.path().to_owned();
/// let refused = Router::new().get("/where", path).build().unwrap_err().to_string();
/// assert!(refused.contains("with_relay"), "{refused}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRelay;

impl fmt::Display for NoRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler takes `Relay`, but no router around it has `.with_relay(..)`")
    }
}

impl std::error::Error for NoRelay {}

impl IntoResponse for NoRelay {
    fn into_response(self) -> Response {
        Response::text(self.to_string()).with_status(StatusCode::INTERNAL_SERVER_ERROR)
    }
}
