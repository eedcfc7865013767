//! The server as a route, and as an argument of handlers.

use super::SocketIo;
use crate::router::Router;
use crate::service::handler::{FromRequestParts, RouteCheck};
use crate::service::request::Parts;
use crate::service::response::{IntoResponse, Response};
use crate::socketio::transport::ApplicationCheck;
use http::StatusCode;
use std::fmt;
use std::sync::Arc;

impl Router {
    /// Mounts a Socket.IO server at [`SocketIoConfig::path`](super::SocketIoConfig::path), and gives [`SocketIo`] as an argument to
    /// every handler of this router.
    ///
    /// ```
    /// use wireline::socketio::server::{Data, Socket, SocketIo};
    /// use wireline::{Error, Router};
    ///
    /// async fn announce(io: SocketIo, text: String) -> Result<(), Error> {
    ///     io.to("news").emit("announced", text).map_err(Error::internal)
    /// }
    ///
    /// let io = SocketIo::new();
    /// io.on("subscribe", async |socket: Socket| socket.join("news"));
    /// let routes = Router::new().post("/announce", announce).socket_io(&io).build();
    /// assert!(routes.is_ok());
    /// ```
    #[must_use]
    pub fn socket_io(self, io: &SocketIo) -> Self {
        let check = {
            let io = io.clone();
            ApplicationCheck(Arc::new(move |route| io.check(route)))
        };
        self.state(io.clone())
            .state(check)
            .engine_io(io.path(), io.engine())
    }
}

/// The server of the router, or of one around it. A router without one is an error when it is built.
impl FromRequestParts for SocketIo {
    type Rejection = NoSocketIo;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, NoSocketIo> {
        let facts = parts.route().facts();
        let io = facts.and_then(|facts| facts.state.get::<Self>());
        io.cloned().ok_or(NoSocketIo)
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        match route.state.get::<Self>() {
            Some(_) => Ok(()),
            None => Err(NoSocketIo.to_string()),
        }
    }
}

/// No router of the request's route has a Socket.IO server: 500.
///
/// ```
/// use wireline::Router;
/// use wireline::socketio::server::SocketIo;
///
/// let path = async |io: SocketIo| io.path().to_owned();
/// let refused = Router::new().get("/where", path).build().unwrap_err().to_string();
/// assert!(refused.contains("socket_io"), "{refused}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSocketIo;

impl fmt::Display for NoSocketIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler takes `SocketIo`, but no router around it has `.socket_io(..)`")
    }
}

impl std::error::Error for NoSocketIo {}

impl IntoResponse for NoSocketIo {
    fn into_response(self) -> Response {
        Response::text(self.to_string()).with_status(StatusCode::INTERNAL_SERVER_ERROR)
    }
}
