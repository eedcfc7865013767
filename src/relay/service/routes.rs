//! The routes.

use crate::extract::{OriginalUri, Path, State};
use crate::layer::cors::Cors;
use crate::relay::service::inbox::{self, LONGEST_TOPIC, Said};
use crate::relay::service::outbox::Outbox;
use crate::relay::service::registry::{ClientId, Registry};
use crate::relay::service::url::PublicUrl;
use crate::relay::service::{Settings, log};
use crate::resource::addr::ConnInfo;
use crate::resource::tls_info::TlsInfo;
use crate::router::Router;
use crate::service::error::Error;
use crate::service::handler::{FromRequest, FromRequestParts, RouteCheck};
use crate::service::request::{Parts, Request};
use crate::service::response::Response;
use crate::wire::fields::essence;
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::limits::Limits;
use crate::ws::message::Message;
use crate::ws::origin::Policy;
use crate::ws::prepared::Prepared;
use crate::ws::route::WebSocketUpgrade;
use crate::ws::socket::config::{Config, Overflow};
use crate::ws::socket::rate::RateLimit;
use crate::ws::socket::{WebSocket, WsReceiver, WsSender};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// What the routes share.
#[derive(Clone)]
struct Service(Arc<Shared>);

struct Shared {
    settings: Settings,
    registry: Arc<Registry>,
    /// Of the sockets.
    config: Arc<Config>,
}

impl Service {
    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn registry(&self) -> &Registry {
        &self.0.registry
    }
}

pub(super) fn router(settings: Settings, registry: Arc<Registry>) -> Router {
    let config = Arc::new(Config {
        limits: Limits {
            frame: settings.message as u64,
            message: settings.message,
            ..Limits::default()
        },
        queue: QUEUE,
        overflow: Overflow::Wait,
        control_frames: false,
        ..Config::default()
    });
    // An octet of text has up to six in JSON.
    let content = settings.message.saturating_mul(6).saturating_add(ENVELOPE);
    Router::new()
        .post("/register", register)
        .delete("/register/{client_id}", unregister)
        .post("/publish", publish)
        .get_or_tunnel("/ws/{client_id}", open)
        .state(Service(Arc::new(Shared {
            settings,
            registry,
            config,
        })))
        .max_body(content as u64)
        .layer(
            Cors::new()
                .any_origin()
                .methods(["GET", "POST", "DELETE"])
                .any_header(),
        )
}

#[derive(Deserialize)]
struct Registration {
    user_id: u64,
}

#[derive(Serialize)]
struct Registered {
    url: String,
}

async fn register(
    State(service): State<Service>,
    info: ConnInfo,
    tls: Option<TlsInfo>,
    uri: OriginalUri,
    Content(Registration { user_id }): Content<Registration>,
) -> Result<Response, Error> {
    let settings = service.settings();
    let id = service.registry().register(user_id, settings)?;
    let url = match &settings.public_url {
        Some(url) => url.socket(id),
        None => PublicUrl::of_listener(&info, tls.is_some(), &uri).socket(id),
    };
    Response::json(&Registered { url })
}

/// 200 whatever the id.
async fn unregister(State(service): State<Service>, Path(id): Path<String>) -> StatusCode {
    if let Some(id) = ClientId::read(&id) {
        service.registry().remove(id);
    }
    StatusCode::OK
}

#[derive(Deserialize)]
struct Publication {
    user_id: Option<u64>,
    topic: String,
    message: String,
}

async fn publish(
    State(service): State<Service>,
    Content(publication): Content<Publication>,
) -> Result<StatusCode, Error> {
    let Publication {
        user_id,
        topic,
        message,
    } = publication;
    let settings = service.settings();
    if topic.len() > LONGEST_TOPIC || message.len() > settings.message {
        return Err(Error::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "a topic has at most {LONGEST_TOPIC} octets, and a message {}",
                settings.message
            ),
        ));
    }
    let message = Prepared::text(&message);
    let waiting = &settings.waiting;
    service
        .registry()
        .publish(user_id, &topic, &message, waiting);
    Ok(StatusCode::OK)
}

/// The id of a client that there is; 404 for any other.
struct Known(ClientId);

impl FromRequestParts for Known {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Error> {
        let State(service) = State::<Service>::from_request_parts(parts).await?;
        let Path(id) = Path::<String>::from_request_parts(parts).await?;
        service.registry().forget_late(service.settings());
        let known = ClientId::read(&id).filter(|id| service.registry().knows(*id));
        known
            .map(Self)
            .ok_or_else(|| Error::new(StatusCode::NOT_FOUND, "no such client"))
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        <State<Service> as FromRequestParts>::check(route)?;
        <Path<String> as FromRequestParts>::check(route)
    }
}

/// Who has no such id is told so, whatever else the request says.
async fn open(
    Known(id): Known,
    State(service): State<Service>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let outbox = Arc::new(Outbox::new(id));
    let place = Place {
        service: service.clone(),
        id,
        outbox: outbox.clone(),
    };
    let config = service.0.config.clone();
    let upgrade = upgrade.origin(Policy::Any).config(config);
    let response = upgrade.on_upgrade(move |socket| serve(socket, place));
    let is_refused = response.status().is_client_error() || response.status().is_server_error();
    // Before the answer goes: a client that has it misses nothing.
    if !is_refused && !service.registry().connect(id, &outbox) {
        outbox.close(CloseCode::POLICY, "no such client");
    }
    response
}

async fn serve(socket: WebSocket, place: Place) -> CloseFrame {
    let (sender, receiver) = socket.split();
    place.outbox.attach(&sender);
    let mut listens = pin!(listen(&place, &sender, receiver));
    let mut drains = pin!(place.outbox.drain(&sender));
    let mut is_draining = true;
    poll_fn(|cx| {
        if is_draining {
            is_draining = drains.as_mut().poll(cx).is_pending();
        }
        listens.as_mut().poll(cx)
    })
    .await;
    CloseCode::NORMAL.into()
}

/// A socket's place: leaving it, however that happens, forgets the client.
struct Place {
    service: Service,
    id: ClientId,
    outbox: Arc<Outbox>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.service.registry().disconnect(self.id, &self.outbox);
    }
}

/// Takes what the client says, until its socket ends.
async fn listen(place: &Place, sender: &WsSender, mut receiver: WsReceiver) {
    let settings = place.service.settings();
    let mut limiter = RateLimit {
        messages: settings.frames as usize,
        window: Duration::from_secs(1),
    }
    .limiter();
    while let Some(Ok(message)) = receiver.recv().await {
        let Message::Text(text) = message else {
            continue;
        };
        if !limiter.allows() {
            log::tell_ignored(place.id, "too many messages");
            continue;
        }
        match inbox::read(&text, settings.topics_per_client) {
            Ok(Said::Topics(topics)) => place.service.registry().set_topics(place.id, topics),
            Ok(Said::Ping) if settings.reply_pong => {
                // A client that does not take it is not waited for.
                let _ = sender.try_send("pong");
            }
            Ok(Said::Ping) => {}
            Err(why) => log::tell_ignored(place.id, &why),
        }
    }
}

/// JSON content: 400 if it is none or another, 415 if the request says that it is something else.
struct Content<T>(T);

impl<T: DeserializeOwned + Send> FromRequest for Content<T> {
    type Rejection = Error;

    async fn from_request(request: Request) -> Result<Self, Error> {
        let kind = request.header("content-type");
        if kind.is_some_and(|kind| !is_json(kind.as_bytes())) {
            return Err(Error::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "expected `Content-Type: application/json`",
            ));
        }
        let content = request.into_parts().1.collect().await?;
        serde_json::from_slice(&content)
            .map(Self)
            .map_err(|error| Error::new(StatusCode::BAD_REQUEST, format!("invalid JSON: {error}")))
    }
}

/// RFC 9110 §8.3.1: in any case, whatever its parameters.
fn is_json(kind: &[u8]) -> bool {
    essence(kind).eq_ignore_ascii_case(b"application/json")
}

/// The octets that wait in a socket; beyond them messages wait where they can still be dropped.
const QUEUE: usize = 64 * 1024;
/// Room for what stands around a message.
const ENVELOPE: usize = 4096;
