//! Load is shed: so many requests at the same time, a few that wait, and 503 for the rest.

mod places;

use self::places::{Place as Taken, Places};
use crate::service::body::{Body, BodyError};
use crate::service::layer::{Before, Layer, Note, Place, Waiting};
use crate::service::request::Request;
use crate::service::response::Response;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use http_body::{Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Lets so many requests in at the same time, lets some wait for a place, and answers the others 503 with `Retry-After`
/// at once.
///
/// A place is taken from here until the response is there, or, when its content is a stream, until the stream has ended
/// or its client is gone. A socket that was opened gives its place back. A client that goes away while it waits
/// gives up its place in the queue.
///
/// Without a [`queue`](Self::queue) nobody waits. With one, the newest waits in front: under more load than there is room
/// for, whoever has waited long has a client that is about to give up, and to answer in the order of arrival would let
/// everybody wait for as long as the queue is. When the queue is full the oldest has to go; whoever has waited as long as
/// the deadline, too.
///
/// `max_in_flight` of [`ServerConfig`](crate::server::config::ServerConfig) is the ceiling of a whole server,
/// without a queue. This one is for a group, such as the routes that need a database; where groups lie in each other,
/// all their ceilings hold.
///
/// ```
/// use std::time::Duration;
/// use wireline::Router;
/// use wireline::layer::shed::LoadShed;
///
/// let reports = Router::new()
///     .layer(LoadShed::new(8).queue(32, Duration::from_millis(500)))
///     .get("/report", async || "many numbers");
/// let routes = Router::new().get("/health", async || "well").merge(reports).build()?;
/// # Ok::<(), wireline::router::BuildError>(())
/// ```
///
/// # Errors
///
/// [`Router::build`](crate::router::Router::build) refuses a ceiling of no requests, and a queue in which nobody may wait for any time.
#[derive(Clone)]
pub struct LoadShed {
    places: Arc<Places>,
    max_in_flight: usize,
    queue: usize,
    deadline: Duration,
    retry_after: u64,
    exempt: Option<Exempt>,
}

type Exempt = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

impl LoadShed {
    /// At most so many requests at the same time, and nobody waits. Clones share their places.
    pub fn new(max_in_flight: usize) -> Self {
        Self {
            places: Arc::new(Places::new(max_in_flight, 0)),
            max_in_flight,
            queue: 0,
            deadline: Duration::ZERO,
            retry_after: 1,
            exempt: None,
        }
    }

    /// Lets so many more wait for a place, each for at most so long; by default nobody waits. A deadline of a few hundred milliseconds carries over a
    /// peak; one that is longer than clients wait is work for nobody. A request that waits holds its head, and small
    /// content, in memory.
    #[must_use]
    pub fn queue(mut self, requests: usize, deadline: Duration) -> Self {
        self.places = Arc::new(Places::new(self.max_in_flight, requests));
        self.queue = requests;
        self.deadline = deadline;
        self
    }

    /// When refused clients are told to come again, in `Retry-After`: after a second by default. The field has whole seconds;
    /// a part of one is taken for all of it.
    #[must_use]
    pub const fn retry_after(mut self, time: Duration) -> Self {
        self.retry_after = time
            .as_secs()
            .saturating_add((time.subsec_nanos() > 0) as u64);
        self
    }

    /// Lets requests in for which the function says so, whatever the load: `|request| request.path() == "/health"`. They
    /// take no place.
    #[must_use]
    pub fn exempt(mut self, exempt: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.exempt = Some(Arc::new(exempt));
        self
    }

    /// How many requests have a place now.
    pub fn in_flight(&self) -> usize {
        self.places.taken()
    }

    /// How many wait for one.
    pub fn waiting(&self) -> usize {
        self.places.waiting()
    }
}

impl Layer for LoadShed {
    fn place(&self) -> Place {
        Place::Shed
    }

    fn check(&self) -> Result<(), String> {
        if self.max_in_flight == 0 {
            Err("load shedding: no request has a place".to_owned())
        } else if self.queue > 0 && self.deadline.is_zero() {
            Err("load shedding: who may wait needs time for it".to_owned())
        } else {
            Ok(())
        }
    }

    fn before(&self, request: &mut Request, note: &mut Note) -> Before {
        if (self.exempt.as_ref()).is_some_and(|exempt| exempt(request)) {
            return Before::Go;
        }
        if let Some(place) = self.places.take() {
            *note = Note::any(place);
            return Before::Go;
        }
        let Some(waiter) = self.places.wait() else {
            return Before::Answer(refusal(self.retry_after));
        };
        let (deadline, retry_after) = (self.deadline, self.retry_after);
        Before::Wait(Waiting::new(async move {
            match tokio::time::timeout(deadline, waiter.place()).await {
                Ok(Some(place)) => Ok(Note::any(place)),
                _ => Err(refusal(retry_after)),
            }
        }))
    }

    fn after(&self, note: &mut Note, response: &mut Response) {
        if response.body().as_bytes().is_none()
            && let Note::Any(place) = note.take()
            && let Ok(place) = place.downcast::<Taken>()
        {
            let content = std::mem::take(response.body_mut());
            let place = Some(*place);
            *response.body_mut() = Body::from_http_body(Placed { content, place });
        } else {
            *note = Note::Empty;
        }
    }
}

impl fmt::Debug for LoadShed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadShed")
            .field("max_in_flight", &self.max_in_flight)
            .field("queue", &self.queue)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

fn refusal(retry_after: u64) -> Response {
    Response::text("too many requests at the same time\n")
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
        .with_header(RETRY_AFTER, HeaderValue::from(retry_after))
}

/// Content that keeps its request's place until it ends or is given up.
struct Placed {
    content: Body,
    place: Option<Taken>,
}

impl http_body::Body for Placed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.content).poll_frame(cx));
        if frame.is_none() {
            self.place = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}
