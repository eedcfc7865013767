//! Event streams from streams.

use crate::sse::body::Source;
use crate::sse::{Event, Sse};
use futures_core::Stream;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

impl Sse {
    /// The events of a stream. It is asked for the next one when the client has taken those before, and dropped when the client goes
    /// away.
    pub fn from_stream(events: impl Stream<Item = Event> + Send + 'static) -> Self {
        Self::try_from_stream(Always(Box::pin(events)))
    }

    /// The same, of a stream that may fail: then the response is cut short, and the client comes back.
    pub fn try_from_stream<E>(events: impl Stream<Item = Result<Event, E>> + Send + 'static) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let mut events = Box::pin(events);
        Self::of(Source::Other(Box::new(move |cx| {
            let next = events.as_mut().poll_next(cx);
            next.map(|item| item.map(|event| event.map_err(Into::into)))
        })))
    }
}

struct Always<S>(Pin<Box<S>>);

impl<S: Stream<Item = Event>> Stream for Always<S> {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx).map(|event| event.map(Ok))
    }
}
