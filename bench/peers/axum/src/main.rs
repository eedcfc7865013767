//! axum on a multi-threaded tokio runtime, as its documentation serves it.
//!
//!     axum-peer PORT [WORKERS]      /, /json, /compressed, /echo, /sink, /bytes/{n}, /ws (echo), /pub -> /sub (a tokio broadcast, one send per message),
//!         /pubs -> /sub/7 (a broadcast for each topic, which the first four octets of a message name), /files (tower-http, the directory FILES of the
//!         environment)
//!     axum-peer PORT WORKERS batched      subscribers send all that has come before they flush
//!     axum-peer PORT 1 h2c | tls CERTIFICATE KEY      the same over HTTP/2 by prior knowledge, or over TLS, as its examples do it by hand, on a
//!         runtime of one thread

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt, stream};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use peer_common::{Arguments, FILLER, accept, large as large_json, listen, number, run};
use peer_secure::{TlsAcceptor, Wire, alone};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::broadcast::{self, error::RecvError};
use tower_http::compression::CompressionLayer;
use tower_http::services::ServeDir;

fn main() {
    let arguments = Arguments::from_env();
    let address = arguments.address();
    match Wire::from_env() {
        Wire::H2c => {
            let router = router(false);
            return alone(accept(address, move |stream| serve(router.clone(), stream)));
        }
        Wire::Tls(acceptor) => {
            let router = router(false);
            return alone(accept(address, move |stream| {
                tls(router.clone(), acceptor.clone(), stream)
            }));
        }
        Wire::Plain(_) => {}
    }
    let is_batched = arguments.mode.as_deref() == Some("batched");
    let listener = listen(address, false);
    run(arguments.workers, async move {
        let listener = tokio::net::TcpListener::from_std(listener)
            .expect("the socket listens")
            .tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            });
        axum::serve(listener, router(is_batched))
            .await
            .expect("the server serves");
    });
}

/// Either version of HTTP, whichever the client begins with.
async fn serve(router: Router, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http2().enable_connect_protocol();
    let _ = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
}

async fn tls(router: Router, acceptor: TlsAcceptor, stream: TcpStream) {
    if let Ok(stream) = acceptor.accept(stream).await {
        serve(router, stream).await;
    }
}

/// The broadcasts, by topic.
#[derive(Clone)]
struct Topics {
    publishers: Arc<[LazyLock<broadcast::Sender<Bytes>>]>,
    is_batched: bool,
}

impl Topics {
    fn of(&self, topic: usize) -> &broadcast::Sender<Bytes> {
        &self.publishers[topic % TOPICS]
    }
}

/// What four digits name.
const TOPICS: usize = 10_000;

fn router(is_batched: bool) -> Router {
    let topics = Topics {
        publishers: (0..TOPICS)
            .map(|_| LazyLock::new(channel as fn() -> _))
            .collect(),
        is_batched,
    };
    // The directory FILES of the environment; without it there is nothing.
    let files = ServeDir::new(std::env::var_os("FILES").unwrap_or_else(|| "/nonexistent".into()));
    let content = Bytes::from(large_json());
    // Its defaults: brotli 4 with a window of 4 MiB, gzip 6.
    let compressed = get(move || {
        let content = content.clone();
        async { ([(header::CONTENT_TYPE, "application/json")], content) }
    })
    .layer(CompressionLayer::new());
    Router::new()
        .nest_service("/files", files)
        .route("/", get(|| async { "Hello, World!" }))
        .route("/plaintext", get(|| async { "Hello, World!" }))
        .route(
            "/json",
            get(|| async {
                Json(Greeting {
                    message: "Hello, World!",
                })
            }),
        )
        .route("/compressed", compressed)
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/sink", post(sink).layer(DefaultBodyLimit::disable()))
        .route("/bytes/{length}", get(bytes))
        .route(
            "/ws",
            any(|upgrade: WebSocketUpgrade| async { large(upgrade).on_upgrade(echo) }),
        )
        .route(
            "/pub",
            get(|topics, upgrade| published(topics, upgrade, false)),
        )
        .route(
            "/pubs",
            get(|topics, upgrade| published(topics, upgrade, true)),
        )
        .route(
            "/sub",
            get(|topics, upgrade| subscribed(topics, upgrade, Path(0))),
        )
        .route("/sub/{topic}", get(subscribed_to))
        .with_state(topics)
}

#[derive(serde::Serialize)]
struct Greeting {
    message: &'static str,
}

async fn sink(body: Body) -> Result<String, StatusCode> {
    let mut pieces = body.into_data_stream();
    let mut length = 0;
    while let Some(piece) = pieces.next().await {
        length += piece.map_err(|_| StatusCode::BAD_REQUEST)?.len();
    }
    Ok(length.to_string())
}

async fn bytes(Path(length): Path<usize>) -> Response {
    let pieces = stream::unfold(length, |left| async move {
        let piece = FILLER.len().min(left);
        (piece > 0).then(|| {
            (
                Ok::<_, Infallible>(Bytes::from_static(&FILLER[..piece])),
                left - piece,
            )
        })
    });
    (
        [(header::CONTENT_LENGTH, length)],
        Body::from_stream(pieces),
    )
        .into_response()
}

fn large(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade.max_message_size(1 << 26).max_frame_size(1 << 26)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        match message {
            Message::Text(_) | Message::Binary(_) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

fn channel() -> broadcast::Sender<Bytes> {
    broadcast::channel(1024).0
}

async fn published(
    State(topics): State<Topics>,
    upgrade: WebSocketUpgrade,
    is_named: bool,
) -> Response {
    large(upgrade).on_upgrade(move |socket| publish(socket, topics, is_named))
}

async fn subscribed(
    topics: State<Topics>,
    upgrade: WebSocketUpgrade,
    topic: Path<usize>,
) -> Response {
    subscribed_to(topics, topic, upgrade).await
}

async fn subscribed_to(
    State(topics): State<Topics>,
    Path(topic): Path<usize>,
    upgrade: WebSocketUpgrade,
) -> Response {
    large(upgrade).on_upgrade(move |socket| subscribe(socket, topics, topic))
}

async fn publish(mut socket: WebSocket, topics: Topics, is_named: bool) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Binary(bytes) = message {
            let topic = bytes
                .get(..4)
                .filter(|_| is_named)
                .and_then(|digits| number(str::from_utf8(digits).ok()?));
            let _ = topics.of(topic.unwrap_or(0)).send(bytes);
        }
    }
}

async fn subscribe(socket: WebSocket, topics: Topics, topic: usize) {
    let mut messages = topics.of(topic).subscribe();
    let (mut sender, mut receiver) = socket.split();
    let reader = tokio::spawn(async move { while let Some(Ok(_)) = receiver.next().await {} });
    loop {
        let sent = match messages.recv().await {
            Ok(bytes) if topics.is_batched => batch(&mut sender, &mut messages, bytes).await,
            Ok(bytes) => sender.send(Message::Binary(bytes)).await,
            Err(RecvError::Lagged(_)) => Ok(()),
            Err(RecvError::Closed) => break,
        };
        if sent.is_err() {
            break;
        }
    }
    reader.abort();
}

/// This one and all that has come behind it, in one flush.
async fn batch(
    sender: &mut SplitSink<WebSocket, Message>,
    messages: &mut broadcast::Receiver<Bytes>,
    first: Bytes,
) -> Result<(), axum::Error> {
    sender.feed(Message::Binary(first)).await?;
    while let Ok(bytes) = messages.try_recv() {
        sender.feed(Message::Binary(bytes)).await?;
    }
    sender.flush().await
}
