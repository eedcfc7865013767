//! The server that outside suites are pointed at, with the library's defaults.
//!
//! `cargo run --release --example probe -- 127.0.0.1:8080`
//!
//! With `--tls-cert FILE --tls-key FILE` it speaks TLS, and HTTP/2 or HTTP/1.1 as the client chooses by ALPN; with `--h2c` it takes HTTP/2 with
//! prior knowledge, too. A second place is for proxies on this machine that speak the PROXY protocol; with it those on this machine are
//! trusted, too, in what they say with `X-Forwarded-For`.
//!
//! GET or HEAD of any path gives `OK`; `GET /echo` the request's field lines; POST the body back; OPTIONS
//! 200; any other method 405. `/client` tells who the client is, and `/version` the version of HTTP; `/trailers` gives its content and its
//! trailers back to POST; `/s204`, `/s304`, `/stream` (a body of unknown length) and `/cookie` (each
//! cookie as `name=value`) answer GET.
//!
//! A WebSocket opens at any path, with permessage-deflate and the subprotocol `echo` when they are offered,
//! and each message of at most 16 MiB comes back. `/plain` does not compress, `/takeover` keeps the
//! compression contexts from message to message, `/version` begins with the version of HTTP, and `/close` takes the
//! first message, `CODE REASON`, for the Close to end with.

use std::error::Error;
use std::process::ExitCode;
use wireline::server::{IntoBind, ProxyProtocol, Server, TlsConfig};
use wireline::service::body::Body;
use wireline::service::handler::{FromRequestParts, service_fn};
use wireline::service::request::Request;
use wireline::service::response::{IntoResponse, Response};
use wireline::service::trusted::TrustedProxies;
use wireline::wire::number::decimal;
use wireline::ws::close::{CloseCode, CloseFrame};
use wireline::ws::deflate;
use wireline::ws::handshake::subprotocol::Subprotocols;
use wireline::ws::limits::Limits;
use wireline::ws::message::Message;
use wireline::ws::route::WebSocketUpgrade;
use wireline::ws::socket::WebSocket;
use wireline::ws::socket::config::Config;

use http::{Method, StatusCode};

fn main() -> ExitCode {
    let Some(options) = Options::read(std::env::args().skip(1)) else {
        eprintln!("usage: probe [--h2c] [--tls-cert FILE --tls-key FILE] HOST:PORT [HOST:PORT]");
        return ExitCode::from(2);
    };
    match server(&options) {
        Ok(server) => run(server),
        Err(error) => failed(&*error),
    }
}

/// What the words of the command line say.
#[derive(Default)]
struct Options {
    places: Vec<String>,
    h2c: bool,
    certificate: Option<String>,
    key: Option<String>,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--h2c" => options.h2c = true,
                "--tls-cert" => options.certificate = Some(words.next()?),
                "--tls-key" => options.key = Some(words.next()?),
                _ if word.starts_with("--") => return None,
                _ => options.places.push(word),
            }
        }
        let is_whole = options.certificate.is_some() == options.key.is_some();
        (is_whole && matches!(options.places.len(), 1 | 2)).then_some(options)
    }
}

fn server(options: &Options) -> Result<Server, Box<dyn Error>> {
    let place = options.places[0].as_str();
    let server = Server::new(service_fn(probe)).h2c(options.h2c);
    let server = match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => {
            server.bind_tls(place, TlsConfig::from_pem(certificate, key)?)
        }
        _ => server.bind(place),
    };
    match options.places.get(1) {
        Some(proxied) => behind_proxies(server, proxied),
        None => Ok(server),
    }
}

fn behind_proxies(server: Server, proxied: &str) -> Result<Server, Box<dyn Error>> {
    let here = ["127.0.0.1", "::1"];
    Ok(server
        .bind(proxied.behind_proxy(ProxyProtocol::from_sources(here)?))
        .trusted_proxies(TrustedProxies::new(here)?))
}

fn run(server: Server) -> ExitCode {
    let run = server.run_with(|handle| {
        for bound in handle.bound() {
            let place = bound.to_string();
            let place = place.trim_start_matches("http://");
            println!("listening on {}", place.trim_start_matches("https://"));
        }
    });
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn Error) -> ExitCode {
    eprintln!("probe: {error}");
    ExitCode::from(2)
}

async fn probe(mut request: Request) -> Response {
    if asks_for_websocket(&request) {
        return websocket(request).await;
    }
    match (request.method().clone(), request.path()) {
        (Method::GET, "/echo") => Response::text(fields(&request)),
        (Method::GET, "/client") => {
            let client = request.client();
            Response::text(format!("{client} {}", client.scheme()))
        }
        (Method::GET, "/version") => Response::text(format!("{:?}", request.version())),
        (Method::GET, "/s204") => Response::empty(),
        (Method::GET, "/s304") => Response::ok().with_status(StatusCode::NOT_MODIFIED),
        (Method::GET, "/stream") => stream(),
        (Method::GET, "/cookie") => Response::text(cookies(&request)),
        (Method::GET | Method::HEAD, _) => Response::text("OK"),
        (Method::POST, "/trailers") => trailers(request).await,
        (Method::POST, _) => match request.collect().await {
            Ok(content) => Response::bytes(content, "application/octet-stream"),
            Err(error) => Response::text(error.to_string()).with_status(error.status()),
        },
        (Method::OPTIONS, _) => Response::ok().with_header("allow", ALLOW),
        _ => Response::text("method not allowed")
            .with_status(StatusCode::METHOD_NOT_ALLOWED)
            .with_header("allow", ALLOW),
    }
}

fn fields(request: &Request) -> String {
    let lines = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    lines.collect()
}

fn stream() -> Response {
    let (mut sender, body) = Body::channel();
    tokio::spawn(async move { sender.send("stream".into()).await });
    Response::new(body).with_content_type("text/plain")
}

async fn trailers(mut request: Request) -> Response {
    let (content, trailers) = match request.take_body().collect_with_trailers().await {
        Ok(whole) => whole,
        Err(error) => return Response::text(error.to_string()).with_status(error.status()),
    };
    let (mut sender, body) = Body::channel();
    tokio::spawn(async move {
        if sender.send(content).await.is_ok()
            && let Some(trailers) = trailers
        {
            sender.finish_with(trailers);
        }
    });
    Response::new(body).with_content_type("application/octet-stream")
}

fn cookies(request: &Request) -> String {
    let mut lines = String::new();
    for value in request.headers().get_all("cookie") {
        for pair in String::from_utf8_lossy(value.as_bytes()).split(';') {
            lines.push_str(pair.trim());
            lines.push('\n');
        }
    }
    lines
}

fn asks_for_websocket(request: &Request) -> bool {
    if request.connect_protocol().is_some() {
        return true;
    }
    let fields = request.headers().get_all("upgrade");
    request.method() == Method::GET
        && fields
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

async fn websocket(request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts).await {
        Ok(upgrade) => upgrade
            .config(large())
            .subprotocols(Subprotocols::list(["echo"])),
        Err(refusal) => return refusal.into_response(),
    };
    let version = parts.version();
    match parts.path() {
        "/version" => upgrade.on_upgrade(async move |socket: WebSocket| {
            if socket.send(format!("{version:?}")).await.is_ok() {
                echo(socket).await;
            }
        }),
        "/plain" => upgrade.on_upgrade(echo),
        "/takeover" => upgrade.deflate(takeover()).on_upgrade(echo),
        "/close" => upgrade.on_upgrade(close),
        _ => upgrade.deflate(deflate::Config::default()).on_upgrade(echo),
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn close(mut socket: WebSocket) -> CloseFrame {
    let asked = socket.recv_msg().await;
    let words = asked.as_ref().and_then(Message::as_text);
    let (code, reason) = words
        .and_then(|words| words.split_once(' '))
        .unwrap_or_default();
    let code = decimal(code.as_bytes())
        .and_then(|code| u16::try_from(code).ok())
        .and_then(CloseCode::new);
    match code {
        Some(code) => CloseFrame::new(code, reason),
        None => CloseCode::UNSUPPORTED.into(),
    }
}

/// As large as any message of the test suites. What does not compress is a little longer compressed, so that
/// a frame may be larger than its message.
fn large() -> Config {
    Config {
        limits: Limits {
            frame: 17 << 20,
            message: 16 << 20,
            ..Limits::default()
        },
        ..Config::default()
    }
}

/// Everything that a connection may keep: the largest windows, and both contexts.
fn takeover() -> deflate::Config {
    deflate::Config {
        send_window_bits: 15,
        receive_window_bits: 15,
        send_takeover: true,
        receive_takeover: true,
        ..deflate::Config::default()
    }
}

const ALLOW: &str = "GET, HEAD, POST, OPTIONS";
