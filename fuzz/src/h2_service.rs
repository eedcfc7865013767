//! What a client of HTTP/2 can ask for: answers at once, later, never, large ones, content both ways, a WebSocket.

use bytes::Bytes;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use wireline::Router;
use wireline::http1::driver::config::Config;
use wireline::router::Routes;
use wireline::service::body::Body;
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::ws::socket::WebSocket;

/// Handlers that began and that ended.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<(AtomicUsize, AtomicUsize)>);

impl Running {
    pub(crate) fn begun(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    pub(crate) fn ended(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }

    /// How many there are now.
    pub(crate) fn now(&self) -> usize {
        self.begun() - self.ended()
    }

    fn begin(&self) -> Guard {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        Guard(self.clone())
    }
}

struct Guard(Running);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// A handler that is counted while it runs.
macro_rules! counted {
    ($running:ident, |$request:ident| $answer:expr) => {{
        let running = $running.clone();
        move |$request: Request| {
            let guard = running.begin();
            async move {
                let answer = $answer;
                drop(guard);
                answer
            }
        }
    }};
}

pub(crate) fn routes(running: &Running) -> Routes {
    let sockets = running.clone();
    Router::new()
        .get("/", async || "Hello, World!")
        .get("/park", counted!(running, |_request| pending::<()>().await))
        .get(
            "/slow",
            counted!(running, |_request| {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "at last"
            }),
        )
        .get(
            "/large",
            counted!(running, |_request| {
                let piece = Bytes::from_static(&[b'x'; 4096]);
                Response::new(Body::from_chunks(std::iter::repeat_n(piece, 64)))
            }),
        )
        .post(
            "/echo",
            counted!(running, |request| {
                let mut request = request;
                Response::new(request.take_body())
            }),
        )
        .post(
            "/sink",
            counted!(running, |request| {
                let mut body = request.into_parts().1;
                let mut len = 0;
                while let Some(Ok(piece)) = body.chunk().await {
                    len += piece.len();
                }
                len.to_string()
            }),
        )
        .websocket("/ws", move |mut socket: WebSocket| {
            let guard = sockets.begin();
            async move {
                while let Some(Ok(message)) = socket.recv().await {
                    if socket.send(message).await.is_err() {
                        break;
                    }
                }
                drop(guard);
            }
        })
        .build()
        .expect("good routes")
}

/// Deadlines that a paused clock reaches soon, and limits that short inputs reach.
pub(crate) fn config(is_tight: bool) -> Config {
    let mut config = Config::default();
    let second = Duration::from_secs(1);
    config.head_timeout = second;
    config.read_timeout = second;
    config.body_timeout = 3 * second;
    config.idle_timeout = second;
    config.write_timeout = second;
    config.rate_grace = second;
    config.closed_grace = second;
    config.linger = second;
    let limits = &mut config.http2;
    limits.keepalive_interval = Some(second);
    limits.keepalive_timeout = second;
    if is_tight {
        config.max_body = 200;
        config.stream_threshold = 20;
        config.drain_body = 100;
        config.max_requests = Some(6);
        limits.max_streams = 3;
        limits.stream_window = 100;
        limits.connection_window = 65_535;
        limits.header_list = 300;
        limits.stream_send_buffer = 100;
        limits.send_buffer = 1000;
        limits.reset_burst = 3;
        limits.resets_per_second = 2;
        limits.early_resets_from = 4;
        limits.max_errors = 4;
        limits.control_burst = 5;
        limits.control_per_second = 2;
        limits.priorities_per_stream = 2;
        limits.max_empty_frames = 3;
    }
    config
}
