//! How long a handler may take.

use crate::service::body::{Body, BodyError};
use crate::service::layer::{Before, Layer, Note, Place};
use crate::service::request::Request;
use crate::service::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Drops a handler that has not answered in so long a time, and answers 503 in its place.
///
/// The time begins when the request reaches the layer, behind authentication and rate limits, and includes whatever the
/// handler waits for, content of the request among it: give uploads a limit of their own. The limit of a group stands in
/// for that of the router around it. It is kept by a timer that is made only for handlers that have to wait; a handler
/// that does not let go of its thread is not interrupted.
///
/// Content that a response streams behind its head is not cut off, unless [`content`](Self::content) says so; and
/// a WebSocket that was opened in time lasts as long as it wants.
///
/// 503 says that this server could not do it now (RFC 9110 §15.6.4). Where it waits for other servers as a gateway,
/// [504](Self::status) says so.
///
/// ```
/// use std::time::Duration;
/// use wireline::Router;
/// use wireline::layer::time_limit::TimeLimit;
///
/// let reports = Router::new().time_limit(Duration::from_secs(120)).get("/report", async || "many numbers");
/// let routes = Router::new()
///     .layer(TimeLimit::new(Duration::from_secs(10)))
///     .nest("/reports", reports)
///     .build()?;
/// # Ok::<(), wireline::router::BuildError>(())
/// ```
///
/// # Errors
///
/// [`Router::build`](crate::router::Router::build) refuses a limit of no time, and a status that is no error.
#[doc(alias = "timeout")]
#[derive(Clone, Debug)]
pub struct TimeLimit {
    limit: Duration,
    status: StatusCode,
    with_content: bool,
}

impl TimeLimit {
    /// Handlers have this long.
    pub const fn new(limit: Duration) -> Self {
        Self {
            limit,
            status: StatusCode::SERVICE_UNAVAILABLE,
            with_content: false,
        }
    }

    /// The status in place of 503: 504, for one.
    #[must_use]
    pub const fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Whether the time holds for streamed content of responses, too: the client sees it cut short when it is up. Off by
    /// default; clients that read too slowly are the server's business in any case.
    #[must_use]
    pub const fn content(mut self, on: bool) -> Self {
        self.with_content = on;
        self
    }

    /// When the time of a request is up that begins now. A time that no clock reaches is never up.
    fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.limit).unwrap_or(now + NEVER)
    }
}

/// What is remembered where the content counts: when it has to end.
struct Deadline(Instant, Option<Pin<Box<Sleep>>>);

impl Layer for TimeLimit {
    fn place(&self) -> Place {
        Place::TimeLimit
    }

    fn replaces_outer(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        if self.limit.is_zero() {
            Err("time limit: handlers have no time at all".to_owned())
        } else if self.status.is_client_error() || self.status.is_server_error() {
            Ok(())
        } else {
            Err(format!("time limit: {} is no error", self.status))
        }
    }

    fn before(&self, _: &mut Request, note: &mut Note) -> Before {
        if self.with_content {
            *note = Note::any(Deadline(self.deadline(), None));
        }
        Before::Go
    }

    /// A handler that has to wait is polled for the first time when its request comes, so its time begins now.
    fn poll_instead(&self, note: &mut Note, cx: &mut Context<'_>) -> Poll<Response> {
        if matches!(note, Note::Empty) {
            *note = Note::any(Deadline(self.deadline(), None));
        }
        let Some(Deadline(at, sleep)) = note.get_mut::<Deadline>() else {
            return Poll::Pending;
        };
        let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(*at)));
        sleep.as_mut().poll(cx).map(|()| {
            let text = "the request took too long to answer\n";
            Response::text(text).with_status(self.status)
        })
    }

    fn after(&self, note: &mut Note, response: &mut Response) {
        if !self.with_content || response.body().as_bytes().is_some() {
            return;
        }
        if let Some(Deadline(at, sleep)) = note.get_mut::<Deadline>() {
            let content = std::mem::take(response.body_mut());
            *response.body_mut() = Body::from_http_body(Limited {
                content,
                sleep: sleep.take().unwrap_or_else(|| Box::pin(sleep_until(*at))),
                limit: self.limit,
            });
        }
    }
}

/// Content that ends at a time, whether it is whole or not.
struct Limited {
    content: Body,
    sleep: Pin<Box<Sleep>>,
    limit: Duration,
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.sleep.as_mut().poll(cx).is_ready() {
            let error = format!("the content was not sent in {:?}", self.limit);
            return Poll::Ready(Some(Err(BodyError::Foreign(error.into()))));
        }
        Pin::new(&mut self.content).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

/// A year.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
