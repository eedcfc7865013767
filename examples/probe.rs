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

use std::process::ExitCode;
use wireline::server::{IntoBind, ProxyProtocol, Server};
use wireline::service::body::Body;
use wireline::service::handler::service_fn;
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::service::trusted::{InvalidNetwork, TrustedProxies};

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

const ALLOW: &str = "GET, HEAD, POST, OPTIONS";
