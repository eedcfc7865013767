//! Where a client of an event stream wants to go on.

use crate::extract::rejection::rejection;
use crate::service::handler::FromRequestParts;
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use http::StatusCode;
use std::fmt;

/// What a client that comes back to an [event stream](crate::sse::Sse) has seen last: the field `Last-Event-ID`, which
/// `EventSource` sends by itself.
///
/// A client that comes for the first time has none: take `Option<LastEventId>`. It is whatever the client says: look it up, do
/// not believe it.
///
/// ```
/// use wireline::extract::LastEventId;
/// use wireline::sse::{Event, InvalidEvent, Sse};
///
/// async fn news(last: Option<LastEventId>) -> Result<Sse, InvalidEvent> {
///     let seen = last.map(|LastEventId(id)| id);
///     let (events, sse) = Sse::channel();
///     let event = Event::data(format!("after {seen:?}")).id("8")?;
///     tokio::spawn(async move { events.send(event).await });
///     Ok(sse)
/// }
/// # let _ = wireline::Router::new().get("/news", async |last: Option<LastEventId>| news(last).await.map_err(wireline::Error::from)).build().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastEventId(pub String);

impl FromRequestParts for LastEventId {
    type Rejection = LastEventIdRejection;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, LastEventIdRejection> {
        find(parts)?.ok_or(LastEventIdRejection { is_there: false })
    }
}

/// `None` without the field, and for an empty one: there was no id to be seen.
impl OptionalFromRequestParts for LastEventId {
    type Rejection = LastEventIdRejection;

    async fn optional_from_request_parts(
        parts: &mut Parts,
    ) -> Result<Option<Self>, LastEventIdRejection> {
        find(parts)
    }
}

fn find(parts: &Parts) -> Result<Option<LastEventId>, LastEventIdRejection> {
    let Some(value) = parts.header("last-event-id") else {
        return Ok(None);
    };
    // Ids are sent back as UTF-8 (HTML Living Standard §9.2.4).
    let id = std::str::from_utf8(value.as_bytes())
        .map_err(|_| LastEventIdRejection { is_there: true })?;
    Ok((!id.is_empty()).then(|| LastEventId(id.to_owned())))
}

/// The request has no `Last-Event-ID`, or one that is not UTF-8 (400).
///
/// ```
/// use wireline::Router;
/// use wireline::extract::LastEventId;
/// use wireline::test::TestClient;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let routes = Router::new().get("/since", async |LastEventId(id): LastEventId| format!("after {id}"));
/// let client = TestClient::new(routes.build().unwrap());
/// assert_eq!(client.get("/since").header("last-event-id", "7").await.text(), "after 7");
/// assert_eq!(client.get("/since").await.status, 400);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEventIdRejection {
    is_there: bool,
}

impl LastEventIdRejection {
    /// 400.
    pub const fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

impl fmt::Display for LastEventIdRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_there {
            "`Last-Event-ID` is not UTF-8"
        } else {
            "the field `Last-Event-ID` is missing"
        })
    }
}

rejection!(LastEventIdRejection);
