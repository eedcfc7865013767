//! The server that outside suites are pointed at, with the library's defaults.
//!
//! `cargo run --release --example probe -- 127.0.0.1:8080`
//!
//! A second place is for proxies on this machine that speak the PROXY protocol; with it those on this machine are
//! trusted, too, in what they say with `X-Forwarded-For`.
//!
//! GET or HEAD of any path gives `OK`; `GET /echo` the request's field lines; POST the body back; OPTIONS
//! 200; any other method 405. `/client` tells who the client is; `/s204`, `/s304`, `/stream` (a body of unknown length) and `/cookie` (each
//! cookie as `name=value`) answer GET.
//!
//! A WebSocket opens at any path, with permessage-deflate and the subprotocol `echo` when they are offered,
//! and each message of at most 16 MiB comes back. `/plain` does not compress, `/takeover` keeps the
//! compression contexts from message to message, and `/close` takes the first message, `CODE REASON`, for
//! the Close to end with.
//!
//! TLS and HTTP/2 are not spoken here: the program `wireline` is asked for those.

use std::process::ExitCode;
use wireline::server::{IntoBind, ProxyProtocol, Server};
use wireline::service::body::Body;
use wireline::service::handler::{FromRequestParts, service_fn};
use wireline::service::request::Request;
use wireline::service::response::{IntoResponse, Response};
use wireline::service::trusted::{InvalidNetwork, TrustedProxies};
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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let places: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match places[..] {
        [place] => run(Server::new(service_fn(probe)).bind(place)),
        [place, proxied] => match behind_proxies(place, proxied) {
            Ok(server) => run(server),
            Err(error) => failed(&error),
        },
        _ => {
            eprintln!("usage: probe HOST:PORT [HOST:PORT]");
            ExitCode::from(2)
        }
    }
}

fn behind_proxies(place: &str, proxied: &str) -> Result<Server, InvalidNetwork> {
    let here = ["127.0.0.1", "::1"];
    Ok(Server::new(service_fn(probe))
        .bind(place)
        .bind(proxied.behind_proxy(ProxyProtocol::from_sources(here)?))
        .trusted_proxies(TrustedProxies::new(here)?))
}

fn run(server: Server) -> ExitCode {
    let run = server.run_with(|handle| {
        for bound in handle.bound() {
            println!(
                "listening on {}",
                bound.to_string().trim_start_matches("http://")
            );
        }
    });
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
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
        (Method::GET, "/s204") => Response::empty(),
        (Method::GET, "/s304") => Response::ok().with_status(StatusCode::NOT_MODIFIED),
        (Method::GET, "/stream") => stream(),
        (Method::GET, "/cookie") => Response::text(cookies(&request)),
        (Method::GET | Method::HEAD, _) => Response::text("OK"),
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
    match parts.path() {
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
