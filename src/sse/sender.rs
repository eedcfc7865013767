//! The handle that feeds an event stream.

use crate::service::body::Closed;
use crate::sse::Event;
use std::fmt;
use tokio::sync::mpsc;

/// Feeds the event stream that [`Sse::channel`](crate::sse::Sse::channel) made. Clones feed the same one; it ends when the last is
/// dropped.
///
/// ```
/// use wireline::sse::{Event, Sse};
///
/// async fn progress() -> Sse {
///     let (sender, stream) = Sse::channel();
///     tokio::spawn(async move {
///         for percent in [25, 50, 75, 100] {
///             // It waits while too many are on their way, and fails when the client has gone.
///             if sender.send(Event::data(percent.to_string())).await.is_err() {
///                 return;
///             }
///         }
///     });
///     stream
/// }
/// ```
#[derive(Clone)]
pub struct SseSender {
    events: mpsc::Sender<Event>,
}

impl SseSender {
    pub(super) const fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events }
    }

    /// Waits for room, then hands an event over.
    ///
    /// Cancel safe: a cancelled call has handed over nothing.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the client has gone.
    pub async fn send(&self, event: Event) -> Result<(), Closed> {
        self.events.send(event).await.map_err(|_| Closed)
    }

    /// Hands an event over if there is room for it, without waiting.
    ///
    /// # Errors
    ///
    /// Whether the client is slow or gone; the event comes back.
    pub fn try_send(&self, event: Event) -> Result<(), Refused> {
        self.events.try_send(event).map_err(|error| match error {
            mpsc::error::TrySendError::Full(event) => Refused::Full(event),
            mpsc::error::TrySendError::Closed(event) => Refused::Closed(event),
        })
    }

    /// Waits until the client has gone.
    ///
    /// Cancel safe.
    pub async fn closed(&self) {
        self.events.closed().await;
    }

    /// Whether the client has gone.
    pub fn is_closed(&self) -> bool {
        self.events.is_closed()
    }
}

impl fmt::Debug for SseSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseSender")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Why an event was not taken.
///
/// ```
/// use wireline::sse::{Event, Refused, Sse};
///
/// let (sender, stream) = Sse::channel();
/// drop(stream);
/// assert!(matches!(sender.try_send(Event::data("news")), Err(Refused::Closed(_))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// As many events wait for the client as may.
    Full(Event),
    /// The client has gone.
    Closed(Event),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the client is slow: there is no room for the event",
            Self::Closed(_) => "the client has gone",
        })
    }
}

impl std::error::Error for Refused {}
