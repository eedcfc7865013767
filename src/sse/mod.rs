//! Server-sent events (HTML Living Standard §9.2): a response that goes on, in events that a browser's `EventSource` reads.
//!
//! ```text
//!   handler ── Sse::channel ──> SseSender  (any task: waits for room, learns when the client has gone)
//!      │                            │ at most 16 events
//!      └── returns Sse <────────────┘      keep-alive comment when nothing was sent for 15 s
//! ```
//!
//! A stream holds the drain of its server up until `shutdown_timeout`, unless whoever feeds it ends it when the drain
//! begins: [`Handle::stopping`](crate::server::Handle::stopping) waits for that.
//!
//! The connection is the client's to open again: it does so by itself after `retry`, and says in `Last-Event-ID` what it has
//! seen last ([`LastEventId`](crate::extract::LastEventId)).

mod body;
mod event;
#[cfg(feature = "json")]
mod json;
mod sender;
#[cfg(feature = "stream")]
mod stream;

pub use self::event::{Event, InvalidEvent};
pub use self::sender::{Refused, SseSender};

use self::body::{Events, Source};
use crate::service::body::Body;
use crate::service::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use std::fmt;
use std::time::Duration;
use tokio::sync::mpsc;

/// An event stream as a response: `text/event-stream`, never cached, and not buffered by nginx (`X-Accel-Buffering`).
///
/// When nothing was sent for 15 s a comment goes out, so that proxies keep the connection and a client that has gone is
/// noticed.
///
/// ```
/// use std::time::Duration;
/// use wireline::sse::{Event, Sse};
///
/// async fn clock() -> Sse {
///     let (events, sse) = Sse::channel();
///     tokio::spawn(async move {
///         let mut ticks = 0u64;
///         // `send` fails as soon as the client has gone.
///         while events.send(Event::data(ticks.to_string())).await.is_ok() {
///             tokio::time::sleep(Duration::from_secs(1)).await;
///             ticks += 1;
///         }
///     });
///     sse
/// }
/// # let _ = wireline::Router::new().get("/clock", clock).build().unwrap();
/// ```
#[must_use = "an event stream is sent when a handler returns it"]
pub struct Sse {
    source: Source,
    keep_alive: Option<Duration>,
}

impl Sse {
    /// An event stream, and the handle that feeds it. 16 events may wait for the client; then [`SseSender::send`] waits. It ends when
    /// all clones of the handle are dropped.
    pub fn channel() -> (SseSender, Self) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (SseSender::new(sender), Self::of(Source::Channel(receiver)))
    }

    /// How long nothing may be sent before a comment is; `None` for never. 15 s by default, at least 1 s.
    pub fn keep_alive(mut self, every: impl Into<Option<Duration>>) -> Self {
        self.keep_alive = every.into().map(|every| every.max(SHORTEST));
        self
    }

    const fn of(source: Source) -> Self {
        Self {
            source,
            keep_alive: Some(KEEP_ALIVE),
        }
    }
}

impl IntoResponse for Sse {
    fn into_response(self) -> Response {
        let body = Body::from_http_body(Events::new(self.source, self.keep_alive));
        Response::typed(EVENT_STREAM, body)
            .with_header(CACHE_CONTROL, "no-store")
            .with_header("x-accel-buffering", "no")
    }
}

impl fmt::Debug for Sse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse")
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

const KEEP_ALIVE: Duration = Duration::from_secs(15);
const SHORTEST: Duration = Duration::from_secs(1);

/// The events that may wait for the client.
const WAITING: usize = 16;
