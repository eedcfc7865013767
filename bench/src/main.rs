//! The server under test. Its contract stays fixed: `bench/README.md` has it.

#[cfg(feature = "attack")]
mod attacked;
mod socketio;
#[cfg(not(feature = "attack"))]
mod unattacked;

#[cfg(feature = "attack")]
use crate::attacked::routes as attacked_routes;
#[cfg(not(feature = "attack"))]
use crate::unattacked::routes as attacked_routes;
use bytes::Bytes;
use clap::Parser;
use http::HeaderValue;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use wireline::app::App;
use wireline::extract::{Json, Path, State};
use wireline::files::Files;
use wireline::layer::compression::Compression;
use wireline::layer::cors::Cors;
use wireline::layer::rate_limit::RateLimit;
use wireline::layer::request_id::RequestIds;
use wireline::layer::security_headers::SecurityHeaders;
use wireline::layer::trace::Traces;
use wireline::relay::backplane::redis::Redis;
use wireline::relay::endpoint::Terms;
use wireline::relay::hub::{Resume, Topic};
use wireline::relay::{Relay, RelayConfig};
use wireline::router::Router;
use wireline::server::{Handle, Server, TlsConfig};
use wireline::service::body::{Body, BodyError};
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::ws::connection::Lent;
use wireline::ws::deflate;
use wireline::ws::limits::Limits;
use wireline::ws::prepared::Prepared;
use wireline::ws::socket::config::Config;
use wireline::ws::socket::{SocketError, WebSocket};

/// Serves what the load tests ask for, through the router, with every default protection on.
///
/// Raised for load tests: 20,000 connections, no cap for each address, no body limit on /sink, no rate of messages on /relay, messages and the send queue of /ws up to 64 MiB.
#[derive(Parser)]
#[command(name = "bench-server", version)]
struct Args {
    /// Where to listen.
    #[arg(long, value_name = "HOST:PORT")]
    addr: String,
    /// Worker threads, each with a runtime and a socket of its own.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Adds what the paved path adds: request ids, security headers and spans.
    #[arg(long)]
    app: bool,
    /// Adds the same as layers, each with settings of its own: what middleware costs.
    #[arg(long, conflicts_with = "app")]
    layers: bool,
    /// The most connections at the same time.
    #[arg(long, default_value_t = 20_000)]
    max_connections: usize,
    /// Speaks HTTP/2 without TLS, too, with clients that begin with it.
    #[arg(long)]
    h2c: bool,
    /// Speaks TLS with the certificate chain in this PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Refuses clients without a certificate of an authority in this PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Speaks TLS there, and plain HTTP at the other address.
    #[arg(long, value_name = "HOST:PORT", requires = "tls_cert")]
    tls_addr: Option<String>,
    /// The most handshakes at the same time [default: as many as connections]
    #[arg(long, value_name = "N")]
    max_handshakes: Option<usize>,
    /// The most requests that are with their handlers at the same time [default: no limit]
    #[arg(long, value_name = "N")]
    max_in_flight: Option<usize>,
    /// Serves the files of this directory under /files.
    #[arg(long, value_name = "DIRECTORY")]
    files: Option<PathBuf>,
    /// The Redis that carries /pub to other nodes.
    #[arg(long, value_name = "URL")]
    backplane: Option<String>,
    /// The quality of brotli on /compressed.
    #[arg(long, default_value_t = 4)]
    brotli: u8,
    /// The level of gzip on /compressed.
    #[arg(long, default_value_t = 6)]
    gzip: u8,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match serve(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-server: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    // Load tests say more than clients may.
    let relay = RelayConfig::default()
        .with_path("/relay")
        .presence("present:*")
        .message_rate(None)
        .subscription_rate(None)
        .octet_rate(None);
    let told = Told::default();
    let router = router(args)
        .merge(fan(args.backplane.as_deref())?)
        .merge(attacked_routes(told.clone()))
        .with_relay(relay)
        .socket_io(&socketio::server());
    let router = match &args.files {
        Some(directory) => router.files("/files", Files::new(directory)),
        None => router,
    };
    let server = if args.app {
        App::new(router).server()?
    } else if args.layers {
        Server::new(layered(router)?.build()?)
    } else {
        Server::new(router.build()?)
    };
    let server = match (&args.tls_cert, &args.tls_key) {
        // Raised, too: load tests open all their connections at once.
        (Some(certificate), Some(key)) => {
            let handshakes = args.max_handshakes.unwrap_or(args.max_connections);
            let mut tls = TlsConfig::from_pem(certificate, key)?.max_handshakes(handshakes);
            if let Some(authorities) = &args.tls_client_ca {
                tls = tls.client_ca(authorities)?;
            }
            match &args.tls_addr {
                Some(beside) => server
                    .bind(args.addr.as_str())
                    .bind_tls(beside.as_str(), tls),
                None => server.bind_tls(args.addr.as_str(), tls),
            }
        }
        _ => server.bind(args.addr.as_str()),
    };
    let mut server = server
        .workers(args.workers)
        .h2c(args.h2c)
        .max_connections(args.max_connections);
    server.config.max_in_flight = args.max_in_flight;
    server.run_with(|handle| {
        let _ = told.set(handle.clone());
        for bound in handle.bound() {
            println!(
                "listening on {}",
                bound
                    .to_string()
                    .trim_start_matches("http://")
                    .trim_start_matches("https://")
            );
        }
    })?;
    Ok(())
}

/// The server, for a handler that tells what it has counted.
type Told = Arc<OnceLock<Handle>>;

/// What a public service has around its routes.
fn layered(router: Router) -> Result<Router, Box<dyn std::error::Error>> {
    let headers = SecurityHeaders::recommended().csp("default-src 'self'")?;
    Ok(router
        .layer(RequestIds::new())
        .layer(Traces::new())
        .layer(headers)
        .layer(Cors::new().origins(["https://app.example"])))
}

fn router(args: &Args) -> Router {
    let large = large();
    let compressed = large.clone();
    let style = style();
    let raised = Arc::new(Config {
        limits: Limits {
            frame: 64 << 20,
            message: 64 << 20,
            ..Limits::default()
        },
        queue: 64 << 20,
        ..Config::default()
    });
    let compression = Compression::new().brotli(args.brotli).gzip(args.gzip);
    let coded = Router::new()
        .layer(compression)
        .get("/compressed", move || {
            std::future::ready(Response::bytes(compressed.clone(), JSON))
        });
    let unlimited = Router::new().max_body(u64::MAX).post("/sink", sink);
    let hour = Duration::from_secs(3600);
    let limited = Router::new()
        .layer(RateLimit::new(100, hour))
        .get("/limited", hello);
    let shared = Router::new()
        .layer(
            Cors::new()
                .origins(["https://app.example", "https://*.partner.example"])
                .methods(["GET", "PUT"])
                .credentials(true),
        )
        .get("/shared", hello);
    Router::new()
        .get("/", hello)
        .get("/plaintext", hello)
        .get("/json", json)
        .get("/health", async || Response::ok())
        .get("/hold", hold)
        .post("/hold", hold)
        .post("/echo", echo)
        .get("/bytes/{n}", bytes)
        .get("/users/{id}/posts/{post}", post)
        .get("/large", move || {
            std::future::ready(Response::bytes(large.clone(), JSON))
        })
        .get("/static/style.css", move || {
            std::future::ready(Response::bytes(style.clone(), CSS))
        })
        .websocket_with(
            "/ws",
            move |upgrade| {
                upgrade
                    .config(raised.clone())
                    .deflate(deflate::Config::default())
            },
            echo_messages,
        )
        .merge(unlimited)
        .merge(limited)
        .merge(shared)
        .merge(coded)
}

async fn hello() -> Response {
    Response::bytes(Bytes::from_static(b"Hello, World!"), PLAIN)
}

#[derive(serde::Serialize)]
struct Message {
    message: &'static str,
}

async fn json() -> Json<Message> {
    Json(Message {
        message: "Hello, World!",
    })
}

/// Never reads, and never answers.
async fn hold() -> Response {
    std::future::pending().await
}

/// The body back, chunk by chunk when it is large.
async fn echo(mut request: Request) -> Response {
    Response::new(request.take_body()).with_content_type(OCTETS)
}

/// Reads the body in constant memory and answers its length.
async fn sink(request: Request) -> Result<String, BodyError> {
    let (_, mut body) = request.into_parts();
    let mut length = 0u64;
    while let Some(chunk) = body.chunk().await {
        length += chunk?.len() as u64;
    }
    Ok(length.to_string())
}

/// Streams `n` octets.
async fn bytes(Path(n): Path<u64>) -> Response {
    let block = Bytes::from_static(&[b'x'; 64 * 1024]);
    let mut left = n;
    let chunks = std::iter::from_fn(move || {
        let take = block
            .len()
            .min(usize::try_from(left).unwrap_or(block.len()));
        left -= take as u64;
        (take > 0).then(|| block.slice(..take))
    });
    Response::new(Body::from_chunks(chunks))
        .with_content_type(OCTETS)
        .with_header("content-length", n)
}

/// Every message back, all that one read has brought in one write.
async fn echo_messages(mut socket: WebSocket) -> Result<(), SocketError> {
    socket
        .each(|lent, replies| {
            let sent = match lent {
                Lent::Text(text) => replies.text(text),
                Lent::Binary(octets) => replies.binary(octets),
                _ => Ok(()),
            };
            sent.map_or(ControlFlow::Break(()), ControlFlow::Continue)
        })
        .await
}

/// What `/sub` and `/pub` share.
#[derive(Clone)]
struct Fan {
    relay: Relay,
    terms: Arc<Terms>,
    news: Topic,
    /// Those that four digits name.
    topics: Arc<[Topic]>,
}

/// `/sub` gets what comes on `/pub`, in order; `/sub/7` what comes on `/pubs` and begins with `0007`.
fn fan(backplane: Option<&str>) -> Result<Router, Box<dyn std::error::Error>> {
    let relay = match backplane {
        Some(url) => RelayConfig::default().backplane(Redis::new(url)?),
        None => RelayConfig::default(),
    };
    let fan = Fan {
        relay: Relay::new(relay),
        terms: Arc::new(Terms {
            missed: Some(Box::new(|_, missed| {
                Prepared::text(&format!("missed {missed}"))
            })),
            ..Terms::default()
        }),
        news: Topic::new("news")?,
        topics: (0..10_000)
            .map(|number| Topic::new(&number.to_string()))
            .collect::<Result<_, _>>()?,
    };
    Ok(Router::new()
        .websocket("/sub", subscribe)
        .websocket("/sub/{topic}", subscribe_to)
        .websocket("/pub", publish)
        .websocket("/pubs", publish_to)
        .state(fan))
}

fn subscribe(socket: WebSocket, State(fan): State<Fan>) -> impl Future<Output = ()> {
    read(socket, Some(&fan.news), &fan)
}

fn subscribe_to(
    socket: WebSocket,
    Path(topic): Path<usize>,
    State(fan): State<Fan>,
) -> impl Future<Output = ()> {
    read(socket, fan.topics.get(topic), &fan)
}

/// No async function: what one is given stays in its future twice.
fn read(socket: WebSocket, topic: Option<&Topic>, fan: &Fan) -> impl Future<Output = ()> + use<> {
    let outlet = fan.relay.outlet(&socket, fan.terms.clone());
    let subscription = topic.map(|topic| outlet.subscribe(topic, 0, Resume::Live).0);
    async move {
        if subscription.is_some() {
            outlet.serve(socket, async |_| {}).await;
        }
        drop(subscription);
    }
}

async fn publish(mut socket: WebSocket, State(fan): State<Fan>) -> Result<(), SocketError> {
    socket
        .each(|lent, _| {
            if let Lent::Binary(octets) = lent {
                fan.relay.publish(&fan.news, Prepared::binary(octets));
            }
            ControlFlow::Continue(())
        })
        .await
}

async fn publish_to(mut socket: WebSocket, State(fan): State<Fan>) -> Result<(), SocketError> {
    socket
        .each(|lent, _| {
            if let Lent::Binary(octets) = lent
                && let Some(topic) = octets.get(..4).and_then(|digits| named(&fan, digits))
            {
                fan.relay.publish(topic, Prepared::binary(octets));
            }
            ControlFlow::Continue(())
        })
        .await
}

/// The topic that these digits are.
fn named<'fan>(fan: &'fan Fan, digits: &[u8]) -> Option<&'fan Topic> {
    let value = |value: usize, digit: &u8| match digit {
        b'0'..=b'9' => Some(value * 10 + usize::from(digit - b'0')),
        _ => None,
    };
    fan.topics.get(digits.iter().try_fold(0, value)?)
}

async fn post(Path((id, post)): Path<(String, String)>) -> String {
    format!("{id} {post}")
}

/// About 100 KB of JSON that a compressor can do something with.
fn large() -> Bytes {
    let item = |number: usize| {
        format!(
            r#"{{"id":{number},"name":"User number {number}","email":"user{number}@example.com","active":{},"score":{}}}"#,
            number.is_multiple_of(2),
            number * 37 % 1000
        )
    };
    let items: Vec<String> = (0..1100).map(item).collect();
    format!("[{}]", items.join(",")).into()
}

/// 32 KB of CSS.
fn style() -> Bytes {
    let mut css = String::new();
    let mut number = 0;
    while css.len() < 32 * 1024 {
        css.push_str(&format!(
            ".rule-{number} {{ margin: {}px; color: #{:06x}; }}\n",
            number % 40,
            number * 7919 % 0xff_ffff
        ));
        number += 1;
    }
    css.truncate(32 * 1024);
    css.into()
}

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const CSS: HeaderValue = HeaderValue::from_static("text/css");
