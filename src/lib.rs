//! wireline is an HTTP server engine whose wire layer is written by hand: strict in what it accepts,
//! fast, and bounded by default.
//!
//! ```no_run
//! use wireline::extract::Path;
//! use wireline::{Router, Server};
//!
//! async fn greet(Path(name): Path<String>) -> String {
//!     format!("Hello, {name}!")
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let routes = Router::new()
//!         .get("/", async || "Hello, World!")
//!         .get("/greet/{name}", greet)
//!         .build()?;
//!     Server::new(routes).bind("127.0.0.1:8000").run()?;
//!     Ok(())
//! }
//! ```
//!
//! | to do this | look here |
//! |---|---|
//! | route requests to handlers | [`Router`], [`extract`], [`handler!`] |
//! | answer | [`Response`], [`IntoResponse`](service::response::IntoResponse), [`Error`] |
//! | read and write bodies as streams | [`Body`] |
//! | serve files | `Router::files`, `files::Files` (feature `files`) |
//! | take uploads | `extract::Multipart` (feature `multipart`), [`Body`] |
//! | send server-sent events | [`sse::Sse`], [`sse::Event`] |
//! | set and read cookies | `service::cookie::Cookies` (feature `cookies`) |
//! | keep sessions | `layer::session::Sessions` (feature `cookie-secure`) |
//! | let pages of other origins in | [`layer::cors::Cors`] |
//! | compress | `layer::compression::Compression` (feature `compression`) |
//! | limit rates, load and time | [`layer::rate_limit::RateLimit`], [`layer::shed::LoadShed`], [`layer::time_limit::TimeLimit`] |
//! | know who sends a request | [`layer::auth::Auth`], [`service::user::CurrentUser`] |
//! | mark handlers where they are written | `#[get]` and its like, `Router::discover` (feature `macros`) |
//! | serve several hosts | [`router::hosts::Hosts`] |
//! | put code around handlers | [`Router::middleware`], [`Next`](service::middleware::Next), [`app::App`] |
//! | see what it does | [`layer::access_log`], `layer::trace`, `layer::metrics`, [`layer::security_headers`] |
//! | listen, limit, drain | [`Server`], [`server::Handle`] |
//! | speak TLS | `Server::bind_tls`, `server::TlsConfig` (feature `tls`) |
//! | speak WebSocket | `Router::websocket`, `ws::socket::WebSocket`, `ws::client::Client` (feature `client`) |
//! | push to everybody who subscribes | `relay::Relay`, `Router::with_relay` (feature `relay`) |
//! | test in process | `test::TestClient` (feature `test`) |
//! | drive the protocol yourself | [`http1::connection::Connection`], `ws::connection::Connection`, which do no I/O |
//!
//! # What names mean
//!
//! - A builder's methods are called what they set, take the builder and give it back: `Server::max_body`, `Cors::origins`. `with_` makes a value anew
//!   with one thing different, [`Response::with_status`], or is a constructor. Settings that are a struct are written
//!   `Config { queue: 32 * 1024, ..Config::default() }`.
//! - `max_` is a ceiling, and itself allowed; sizes are in octets. Times are [`Duration`](std::time::Duration)s; but the protocols without I/O have
//!   no clock, and count milliseconds.
//! - `try_` does not wait, or does not panic. `into_` takes its value, `to_` makes another, `as_` looks at it.
//! - Whoever gives up a future that says *cancel safe* has lost nothing; others say what is lost.
//! - An error says all that there is to say when it is shown, and gives what it comes from as its `source`. Errors and what a server reports may
//!   have more variants and fields in time: they are `#[non_exhaustive]`.
//!
//! # How it is built
//!
//! Folders stand on floors, and imports only point down. What a protocol demands is known without sockets, clocks and tasks: it takes octets and gives
//! events, is tested by tables, fuzzed, and can be driven by others. Above it somebody waits, for sockets and for time.
//!
//! ```text
//!                    ┌────────────────────────────────────────────────────────────────────┐
//!  5  ways in        │ app    tower    test                                               │
//!     on sockets     │ socketio::server                                                   │
//!                    ├────────────────────────────────────────────────────────────────────┤
//!  4  the house      │ server: listeners, TLS, workers, drain                             │
//!     on sockets     │ relay::client, api, service    socketio::transport, client         │
//!                    ├────────────────────────────────────────────────────────────────────┤
//!  3  on the router  │ routes of files, layers and ws    relay::endpoint    ws::client    │
//!                    ├────────────────────────────────────────────────────────────────────┤
//!  2  handlers       │ router    extract    layer    files    sse                         │
//!     drivers        │ http1::driver    http2    ws::socket    http1::client::driver      │
//!     no I/O         │ relay::protocol    relay::cluster                                  │
//!                    ├────────────────────────────────────────────────────────────────────┤
//!  1  words          │ service: Request, Response, Body, Handler, Layer                   │
//!     no I/O         │ http1    ws    relay::hub    socketio::packet, engine              │
//!                    ├────────────────────────────────────────────────────────────────────┤
//!  0  ground         │ wire: grammar, numbers, targets    resource: buffers, budget       │
//!                    └────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A request comes in by a listener of `server` and goes to a driver, which asks the protocol below it what the octets mean, and calls the
//! service above; the service is [`Routes`](router::Routes), mostly. `ARCHITECTURE.md` follows it step by step.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `app` | yes | [`app::App`]: request ids, `nosniff`, spans; `layer::request_id`, `layer::trace` |
//! | `auth` | no | `layer::auth`: API keys and Basic, kept as digests |
//! | `compression` | no | `layer::compression`: responses by brotli and gzip, and decompression of requests |
//! | `cookies` | no | `service::cookie`: cookies of requests and responses |
//! | `cookie-secure` | no | signed and encrypted cookies, and sessions in them |
//! | `files` | no | `files`: static files |
//! | `form` | yes | [`extract::Query`], [`extract::Form`] |
//! | `handover` | no | [`server`]: another process takes the open listeners over, `server::Successor` |
//! | `http2` | no | HTTP/2 over TLS, and on plain ports for clients that know ([`Server::h2c`]) |
//! | `json` | yes | [`extract::Json`], [`Response::json`], [`Request::body_json`] |
//! | `signal` | yes | a drain on SIGINT and SIGTERM |
//! | `raw-syscalls` | yes | on Linux, small reads and writes of sockets are the system call alone, through `rustix`, without the C library's points of cancellation; without it the standard library's |
//! | `simd` | yes | heads are scanned, and UTF-8 is checked, by vector instructions; without it the same in plain code |
//! | `tls` | no | [`server::Server`] speaks TLS: `bind_tls` with a `TlsConfig` |
//! | `tracing` | yes | spans and events through `tracing` |
//! | `tower` | no | tower services in wireline, and wireline in tower servers |
//! | `websocket` | yes | `ws`: RFC 6455 |
//! | `client` | no | `ws::client`: the WebSocket client; `http1::client`: a small one for HTTP/1.1; with `tls` they open `wss://` and `https://`, too |
//! | `jwt` | no | `layer::auth::jwt`: JSON Web Tokens, verified and issued |
//! | `macros` | no | `#[get]` and its like, and `Router::discover`, which finds what they mark |
//! | `metrics` | no | `layer::metrics`: counters and histograms of requests through the `metrics` facade |
//! | `multipart` | no | `extract::Multipart` |
//! | `native-roots` | no | the WebSocket client trusts the system's authorities; turns `tls` on |
//! | `sink` | no | `Sink<Message>` for the sockets of `websocket` |
//! | `stream` | with `websocket` | `Body::from_stream`, event streams and JSON lines from any `futures_core::Stream` |
//! | `ws-deflate` | no | permessage-deflate (RFC 7692) for `websocket` |
//! | `relay` | no | topics with presence, history and resume: `relay` |
//! | `redis` | no | Redis: a backplane for `relay`, rooms of `socketio` on several servers, a limiter of rates, tokens that were taken back; with `tls` over `rediss://`, too |
//! | `nats` | no | NATS between the nodes of a relay; turns `relay` and `native-roots` on |
//! | `socketio` | no | Socket.IO: `socketio`; with `client` its client, too |
//! | `zstd` | no | zstd for `compression` |
//! | `test` | no | the test client, the in-memory and the fault-injecting transport |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "app")]
pub mod app;
#[cfg(feature = "macros")]
pub mod discover;
pub mod extract;
#[cfg(feature = "files")]
pub mod files;
pub mod http1;
#[cfg(feature = "http2")]
pub mod http2;
pub mod layer;
#[cfg(feature = "relay")]
pub mod relay;
pub mod resource;
pub mod router;
pub mod server;
pub mod service;
#[cfg(feature = "socketio")]
pub mod socketio;
pub mod sse;
mod sync;
#[cfg(feature = "test")]
pub mod test;
#[cfg(feature = "tower")]
pub mod tower;
pub mod wire;
#[cfg(feature = "websocket")]
pub mod ws;

/// The snippets of the documents compile, and run where they can.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    mod readme {}

    #[cfg(all(
        feature = "client",
        feature = "json",
        feature = "relay",
        feature = "test"
    ))]
    #[doc = include_str!("../docs/getting_started.md")]
    mod getting_started {}

    #[cfg(feature = "json")]
    #[doc = include_str!("../docs/routing.md")]
    mod routing {}

    #[doc = include_str!("../docs/bodies.md")]
    mod bodies {}

    #[cfg(feature = "tls")]
    #[doc = include_str!("../docs/running.md")]
    mod running {}

    #[doc = include_str!("../docs/embedding.md")]
    mod embedding {}

    #[cfg(all(feature = "client", feature = "relay", feature = "test"))]
    #[doc = include_str!("../docs/backplanes.md")]
    mod backplanes {}

    #[cfg(feature = "test")]
    #[doc = include_str!("../docs/fuzzing.md")]
    mod fuzzing {}

    #[cfg(feature = "app")]
    #[doc = include_str!("../docs/security.md")]
    mod security {}

    #[cfg(all(feature = "json", feature = "websocket"))]
    #[doc = include_str!("../docs/websockets.md")]
    mod websockets {}

    #[cfg(all(feature = "relay", feature = "test"))]
    #[doc = include_str!("../docs/relay.md")]
    mod relay {}

    #[cfg(feature = "socketio")]
    #[doc = include_str!("../docs/socketio.md")]
    mod socketio {}

    #[cfg(all(feature = "nats", feature = "redis"))]
    #[doc = include_str!("../docs/cluster.md")]
    mod cluster {}

    #[doc = include_str!("../docs/layers.md")]
    mod layers {}

    #[doc = include_str!("../docs/limits.md")]
    mod limits {}

    #[cfg(feature = "files")]
    #[doc = include_str!("../docs/files.md")]
    mod files {}

    #[doc = include_str!("../docs/cors.md")]
    mod cors {}

    #[doc = include_str!("../docs/rate_limits.md")]
    mod rate_limits {}

    #[doc = include_str!("../docs/http2.md")]
    mod http2 {}

    #[doc = include_str!("../docs/proxies.md")]
    mod proxies {}

    #[cfg(all(feature = "app", feature = "metrics"))]
    #[doc = include_str!("../docs/observability.md")]
    mod observability {}

    #[cfg(all(feature = "jwt", feature = "websocket"))]
    #[doc = include_str!("../docs/auth.md")]
    mod auth {}

    #[cfg(feature = "cookie-secure")]
    #[doc = include_str!("../docs/cookies.md")]
    mod cookies {}

    #[cfg(all(feature = "form", feature = "json", feature = "multipart"))]
    #[doc = include_str!("../docs/requests.md")]
    mod requests {}

    #[cfg(all(feature = "form", feature = "json", feature = "stream"))]
    #[doc = include_str!("../docs/responses.md")]
    mod responses {}

    #[doc = include_str!("../docs/hosts.md")]
    mod hosts {}

    #[cfg(feature = "macros")]
    #[doc = include_str!("../docs/macros.md")]
    mod macros {}

    #[cfg(feature = "test")]
    #[doc = include_str!("../docs/testing.md")]
    mod testing {}

    #[cfg(feature = "compression")]
    #[doc = include_str!("../docs/compression.md")]
    mod compression {}

    #[cfg(all(feature = "client", feature = "relay"))]
    #[doc = include_str!("../docs/relay_clients.md")]
    mod relay_clients {}

    #[cfg(feature = "tls")]
    #[doc = include_str!("../docs/tls.md")]
    mod tls {}
}

pub use self::router::Router;
pub use self::server::Server;
pub use self::service::body::Body;
pub use self::service::error::{Error, Result};
pub use self::service::request::Request;
pub use self::service::response::Response;
#[cfg(feature = "macros")]
pub use wireline_macros::{
    delete, get, head, options, patch, post, public, put, relay, route, websocket,
};
