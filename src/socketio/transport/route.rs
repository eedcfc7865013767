//! A path of a router, and what its requests ask for.

use super::compress;
use super::content::Content;
use super::engine_io::{EngineIo, Opening, Shared};
use super::websocket::{self, Claim};
use super::{Session, polling};
use crate::router::Router;
use crate::service::bearer::opens_websocket;
use crate::service::handler::{FromRequestParts, Handler, RouteCheck};
use crate::service::request::{Parts, Request};
use crate::service::response::{IntoResponse, Response};
use crate::socketio::engine::{Query, RequestError, Transport};
use crate::ws::route::WebSocketUpgrade;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION};
use http::{HeaderValue, Method, StatusCode};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

impl Router {
    /// Mounts Engine.IO at a path, with and without the slash at its end: polling, WebSockets over HTTP/1.1 and HTTP/2, and the way from
    /// one to the other.
    ///
    /// The path is a route as any other: layers of the router are around it. What limits the time of handlers does not count for polls,
    /// which wait for as long as there is nothing to say.
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::socketio::transport::{EngineConfig, EngineIo};
    ///
    /// let engine = EngineIo::each(EngineConfig::default(), |_session, _data| {});
    /// let routes = Router::new().engine_io("/engine.io/", &engine).build().unwrap();
    /// assert_eq!(routes.patterns().collect::<Vec<_>>(), ["/engine.io/", "/engine.io"]);
    /// ```
    #[must_use]
    pub fn engine_io(self, path: &str, engine: &EngineIo) -> Self {
        let config = engine.shared.config();
        let endpoint = Endpoint(engine.shared.clone());
        let longest = config.ping_interval.saturating_add(config.ping_timeout);
        let mut group = Self::new()
            // Who brings too much loses his session, and so is refused by that.
            .max_body(u64::MAX)
            .time_limit(longest.saturating_add(SPARE));
        for path in spellings(path) {
            group = group
                .get_or_tunnel(&path, endpoint.clone())
                .any(&path, endpoint.clone());
        }
        if let Some(cors) = &config.cors {
            group = group.layer(cors.clone());
        }
        if config.compress_polls {
            group = compress::around(group, config.compress_from);
        }
        self.merge(group)
    }
}

/// A path with and without the slash at its end.
fn spellings(path: &str) -> Vec<String> {
    let bare = path.trim_end_matches('/');
    if bare.is_empty() {
        return vec![path.to_owned()];
    }
    vec![format!("{bare}/"), bare.to_owned()]
}

/// The handler of all methods.
#[derive(Clone)]
struct Endpoint(Arc<Shared>);

/// Marks it.
#[derive(Debug)]
pub(super) struct ViaEngineIo(Infallible);

impl Handler<ViaEngineIo> for Endpoint {
    async fn call(self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let asked = match self.0.read(&parts) {
            Ok(asked) => asked,
            Err(error) if is_not_enabled(&self.0, error, &parts) => {
                return Answer::OnlyWebSocket.into();
            }
            Err(error) => {
                let is_too_many =
                    error == RequestError::UnknownSid && self.0.is_guess_too_many(&parts);
                let refusal = refuse(&self.0, error);
                return if is_too_many {
                    refusal.with_header(CONNECTION, "close")
                } else {
                    refusal
                };
            }
        };
        match asked {
            Asked::Open(Transport::Polling) => match self.0.open_polling(parts) {
                Ok(Opening { content, task }) => {
                    tokio::spawn(task);
                    Answer::Payload(content.into()).into()
                }
                Err(answer) => answer.into(),
            },
            Asked::Open(Transport::WebSocket) => {
                let upgrade = match self.0.upgrade(&mut parts).await {
                    Ok(upgrade) => upgrade,
                    Err(response) => return response,
                };
                let shared = self.0;
                upgrade.on_upgrade(move |socket| websocket::open(shared, socket, parts))
            }
            Asked::Use(session, Transport::Polling) => match *parts.method() {
                Method::GET => polling::poll(session, parts).await,
                Method::POST => polling::post(session, parts, body).await,
                _ => refuse(&self.0, RequestError::BadRequest),
            },
            Asked::Use(session, Transport::WebSocket) => {
                let upgrade = match self.0.upgrade(&mut parts).await {
                    Ok(upgrade) => upgrade,
                    Err(response) => return response,
                };
                let begun = {
                    let mut state = session.lock();
                    (state.core).begin_upgrade(self.0.times, self.0.now())
                };
                let Ok(ticket) = begun else {
                    return refuse(&self.0, RequestError::BadRequest);
                };
                session.wake();
                let claim = Claim { session, ticket };
                upgrade.on_upgrade(move |socket| websocket::upgrade(claim, socket))
            }
        }
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        match route.state.get::<ApplicationCheck>() {
            Some(ApplicationCheck(check)) => check(route),
            None => Ok(()),
        }
    }

    /// A POST has the session from its head on, so that a second one beside it is seen.
    fn streams_content() -> bool {
        true
    }
}

/// What an application looks at when a router is built: a state of the router.
#[derive(Clone)]
pub(crate) struct ApplicationCheck(pub(crate) Arc<CheckRoute>);

type CheckRoute = dyn Fn(&RouteCheck<'_>) -> Result<(), String> + Send + Sync;

/// What a request asks for.
enum Asked {
    Open(Transport),
    Use(Session, Transport),
}

impl Shared {
    fn read(&self, parts: &Parts) -> Result<Asked, RequestError> {
        let query = Query::read(parts.query().unwrap_or_default())?;
        let config = self.config();
        let is_enabled = match query.transport {
            Transport::Polling => config.polling,
            Transport::WebSocket => config.websocket,
        };
        if !is_enabled {
            return Err(RequestError::UnknownTransport);
        }
        let field = |name| parts.header(name).map(|value| value.as_bytes().to_vec());
        let has_credentials = ["cookie", "authorization"]
            .iter()
            .any(|name| parts.header(name).is_some());
        let host = parts.host().map(str::as_bytes);
        if !(config.origin).allows(field("origin").as_deref(), host, has_credentials) {
            return Err(RequestError::Forbidden);
        }
        let session = match query.sid {
            Some(sid) => Some(self.find(sid, parts).ok_or(RequestError::UnknownSid)?),
            None => None,
        };
        let is_socket = opens_websocket(parts);
        if is_socket != (query.transport == Transport::WebSocket) {
            return Err(RequestError::BadRequest);
        }
        match session {
            Some(session) => Ok(Asked::Use(session, query.transport)),
            None if !is_socket && *parts.method() != Method::GET => {
                Err(RequestError::BadHandshakeMethod)
            }
            None => query.opens().map(|()| Asked::Open(query.transport)),
        }
    }

    async fn upgrade(&self, parts: &mut Parts) -> Result<WebSocketUpgrade, Response> {
        let upgrade = WebSocketUpgrade::from_request_parts(parts).await;
        let upgrade = upgrade.map_err(IntoResponse::into_response)?;
        let upgrade = upgrade
            .origin(self.config().origin.clone())
            .config(self.socket.clone());
        Ok(match &self.deflate {
            Some(config) => upgrade.deflate(config.clone()),
            None => upgrade,
        })
    }
}

/// Whether a request is refused because it polls where nobody may.
fn is_not_enabled(shared: &Shared, error: RequestError, parts: &Parts) -> bool {
    let query = Query::read(parts.query().unwrap_or_default());
    let polls = query.is_ok_and(|query| query.transport == Transport::Polling);
    error == RequestError::UnknownTransport && polls && !shared.config().polling
}

/// Refuses a request.
pub(super) fn refuse(shared: &Shared, error: RequestError) -> Response {
    shared.count_refused(error);
    Answer::Refused(error).into()
}

/// What a request is answered with.
pub(super) enum Answer {
    /// Packets.
    Payload(Content),
    /// What was brought has been taken.
    Ok,
    /// It was not done.
    Refused(RequestError),
    /// It polls where nobody may.
    OnlyWebSocket,
    /// There are too many sessions.
    TooMany,
    /// There is no name for a session.
    NoRandomness,
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        let response = match answer {
            Answer::Payload(content) => {
                let response = Self::typed(TEXT, content.octets.into());
                if content.is_compressible {
                    response
                } else {
                    compress::spare(response)
                }
            }
            Answer::Ok => Self::typed(HTML, Bytes::from_static(b"ok").into()),
            Answer::Refused(error) => refusal(error, error.message()),
            Answer::OnlyWebSocket => refusal(RequestError::UnknownTransport, ONLY_WEBSOCKET),
            Answer::TooMany => refusal(RequestError::Forbidden, "Too many sessions")
                .with_status(StatusCode::SERVICE_UNAVAILABLE),
            Answer::NoRandomness => Self::internal_error(),
        };
        response.with_header(CACHE_CONTROL, "no-store")
    }
}

fn refusal(error: RequestError, message: &str) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    Response::typed(JSON, error.json_with(message).into()).with_status(status)
}

const ONLY_WEBSOCKET: &str =
    "Transport unknown: this server takes WebSockets only, set transports to websocket";
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Beyond the time in which a poll is answered at the latest, by a ping or by the end of its session.
const SPARE: Duration = Duration::from_secs(60);
