//! What the server serves: the register/publish service, the relay and its HTTP API, metrics, the console or a welcome page, and a few routes to try.

use crate::config::Config;
use crate::guard;
use crate::observe::{Observed, Watched};
use crate::relay;
use crate::socketio;
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use std::sync::Arc;
use wireline::relay::service::RegisterService;
use wireline::relay::{Relay, RelayApi};
use wireline::router::Routes;
use wireline::server::Handle;
use wireline::service::client_addr::ClientAddr;
use wireline::{Body, Response, Result, Router};

/// The routes, with what `observed` puts around them; what there is to watch is put into `watched`.
pub(crate) fn build(
    config: &Config,
    watched: &Arc<Watched>,
    observed: &Observed,
) -> Result<Routes, String> {
    // Without the API there is nothing to show.
    let is_console = config.console && config.relay.on && config.api.on;
    let (html, policy) = if is_console { CONSOLE } else { WELCOME };
    let page = html
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{ws}", &config.relay.path)
        .replace("{socketio}", if config.socketio.on { "on" } else { "off" });
    let page: Arc<str> = page.into();
    // Counted and thrown away, so no length is too much; the deadlines and the least rate still hold.
    let upload = Router::new().max_body(u64::MAX).post("/upload", upload);
    let mut router = Router::new()
        .get("/", move || std::future::ready(show(&page, policy)))
        .get("/health", async || Response::ok())
        .get("/ready", {
            let watched = watched.clone();
            let is_needed =
                (config.backplane.as_ref()).is_some_and(|backplane| backplane.is_needed);
            move || std::future::ready(ready(&watched, is_needed))
        })
        .get("/client", client)
        .get("/favicon.ico", async || {
            Response::empty().with_header(CACHE_CONTROL, "max-age=86400")
        })
        .post("/echo", echo)
        .merge(upload);
    if config.register.on {
        let service = registering(config)?;
        router = router.merge(service.router());
        let _ = watched.register.set(service);
    }
    if config.relay.on {
        let (relay, endpoints) = relay::routes(config)?;
        router = router.merge(endpoints);
        if config.api.on {
            let api = RelayApi::new(&relay).auth(guard::auth(config)?);
            router = router.nest("/api", api.router());
        }
        let _ = watched.relay.set(relay);
    }
    if config.socketio.on {
        let (io, endpoints) = socketio::routes(config)?;
        router = router.merge(endpoints);
        let _ = watched.socketio.set(io);
    }
    if config.metrics_addr.is_none()
        && let Some(metrics) = observed.metrics(watched.clone())
    {
        router = router.merge(metrics.layer(guard::auth(config)?));
    }
    let router = observed.around(router).build();
    router.map_err(|error| error.to_string())
}

/// The register/publish service as it is configured.
fn registering(config: &Config) -> Result<RegisterService, String> {
    let asked = &config.register;
    let service = RegisterService::new()
        .topics(asked.topics.iter().map(String::as_str))
        .reply_pong(asked.reply_pong)
        .max_clients(asked.max_clients)
        .max_clients_per_user(asked.max_clients_per_user)
        .max_topics(asked.max_topics)
        .max_message(asked.max_message)
        .unconnected_for(asked.unconnected);
    match &config.public_url {
        Some(url) => service.public_url(url).map_err(|error| error.to_string()),
        None => Ok(service),
    }
}

/// Who the client is, as far as the server knows: address and scheme.
async fn client(client: ClientAddr) -> Response {
    Response::text(format!("{client} {}\n", client.scheme())).with_header(CACHE_CONTROL, "no-store")
}

fn show(page: &Arc<str>, policy: &'static str) -> Response {
    Response::html(page.to_string())
        .with_header(CONTENT_SECURITY_POLICY, policy)
        .with_header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .with_header(REFERRER_POLICY, "no-referrer")
        .with_header(CACHE_CONTROL, "no-cache")
}

/// Readiness, apart from liveness: a server that drains is healthy and takes no new work.
///
/// A node of a cluster says whether it has a connection to the others, and how long the oldest message has waited for the broker: the
/// others lag that far behind. Without a connection its own topics work, so it is ready all the same unless that was said otherwise.
fn ready(watched: &Watched, is_needed: bool) -> Response {
    if !watched.running.get().is_some_and(Handle::is_ready) {
        return Response::text("draining\n").with_status(StatusCode::SERVICE_UNAVAILABLE);
    }
    let relay = watched.relay.get().and_then(Relay::cluster_standing);
    // Of topics: rooms of Socket.IO do not know theirs.
    let lag = relay.map_or_else(String::new, |standing| {
        format!("lag: {} ms\n", standing.lag)
    });
    let relay = relay.map(|standing| standing.is_up);
    let rooms = watched.socketio.get().and_then(socketio::is_up);
    // Of both if there are both.
    let is_up = relay
        .into_iter()
        .chain(rooms)
        .reduce(|one, other| one && other);
    match is_up {
        None => Response::ok(),
        Some(true) => Response::text(format!("ok\nbackplane: up\n{lag}")),
        Some(false) if is_needed => Response::text(format!("backplane: down\n{lag}"))
            .with_status(StatusCode::SERVICE_UNAVAILABLE),
        Some(false) => Response::text(format!("ok\nbackplane: down\n{lag}")),
    }
}

/// Sends the content back as it comes. Never as the type that the client said: what one page posts must
/// not become a page of this server.
async fn echo(body: Body) -> Response {
    Response::new(body)
        .with_content_type("application/octet-stream")
        .with_header(X_CONTENT_TYPE_OPTIONS, "nosniff")
}

#[derive(serde::Serialize)]
struct Received {
    received: u64,
}

/// Counts the content as it comes and keeps none of it.
async fn upload(mut body: Body) -> Result<Response> {
    let mut received: u64 = 0;
    while let Some(chunk) = body.chunk().await {
        received += chunk?.len() as u64;
    }
    Response::json(&Received { received })
}

/// The pages for `/`, and their policies: nothing but the page's own style and script, which are named by their SHA-256, and requests to
/// this server. `tests/serve.rs` holds the digests to the pages.
const CONSOLE: (&str, &str) = (
    include_str!("console.html"),
    "default-src 'none'; style-src 'sha256-kRlkRXs9fcbtwTSAzRcc0KX0aulYa8u27I0xbek8juw='; script-src 'sha256-PE+D/G4srA12InG76sITAqA2ACa7RG7FGgdNXybPQBQ='; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const WELCOME: (&str, &str) = (
    include_str!("welcome.html"),
    "default-src 'none'; style-src 'sha256-s90teDP9QfTefMuQe6wwGuQKUb+YxgX04cCnjLG6nVI='; script-src 'sha256-bYYy0Ardbdh66uSDwwBd0UC9yUKc2H2/VUA+mnJgtZQ='; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
